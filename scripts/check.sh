#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check: all that CI checks: lint, every patch compiled for itself, the harness's own
# tests (tests/*.bats), then the selftests on the series, on both architectures. With
# BASE=v6.12, what holds for that base, on x86_64: lint, every patch, tests/v6.12.bats,
# the selftests. The last line counts all. The long forms ("make bisect", "mutants", "compare", "test
# DEBUG=1") are verbs of their own.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none has nothing to check"
[ "$kind$KSRC$EXTRA$APPEND$ICOUNT${TESTS:-}" = x86_64 ] ||
	die USAGE "check is about the series as it is, on every architecture that it is for; run it without ARCH, PAGES, DEBUG, KSRC, EXTRA, APPEND, ICOUNT and TESTS"
need lint

# The architectures that have selftests to pass on this base.
archs=()
for required in "expect/$BASE"/*/required; do archs+=("$(basename "${required%/required}")"); done
# The tests of the harness are about v7.3, but for those that are named after another
# base; lint has run style.bats.
# without: an architecture that has KVM and no guest_memfd there.
if [ "$BASE" = v7.3 ]; then
	without=riscv64
	bats_args=()
else
	without=i386
	bats_args=(--filter "^${BASE//./\\.}")
fi
mapfile -t bats_files < <(find tests -maxdepth 1 -name '*.bats' ! -name style.bats ! -name 'v*.bats' | sort)
if [ -e "tests/$BASE.bats" ]; then bats_files+=("tests/$BASE.bats"); fi

# No lock here: each verb that a test calls takes it. Built before the tests, so
# that a build that takes minutes shows its progress.
for arch in "${archs[@]}"; do ARCH=$arch sub build; done
SERIES=none KERNEL_ONLY=1 sub build # runs other trees' programs
if [ "$BASE" = v7.3 ]; then EXTRA=$(find "series/example/$BASE" -maxdepth 1 -name '0001-*.patch') sub build; fi

# part VERB: a verb of its own that counts as one test.
parts_passed=0 parts_failed=0
broken=() # what failed, and stands neither in $log nor in a run's results
part_failed() {
	parts_failed=$((parts_failed + 1))
	broken+=("$1")
}
part() {
	say "check: $* ($ARCH)"
	if GMEM_VERB='' sub_rc "$1"; then parts_passed=$((parts_passed + 1)); else part_failed "$1 ($ARCH)"; fi
}
part lint
COMPILE=1 part bisect
for arch in "${archs[@]}" "$without"; do
	if [ "$arch" != "$ARCH" ]; then COMPILE=1 ARCH=$arch part bisect; fi
done

log=build/check.tap
say "check: ${bats_files[*]}"
bats_rc=0
# each boot has its own limit (TIMEOUT); this one is for a test that hangs outside
# of a boot (bats' own limit leaves sleeping children that keep the pipe open)
GMEM_VERB='' timeout --foreground -k 10 4200 bats --tap --report-formatter junit --output build "${bats_args[@]}" "${bats_files[@]}" | tee "$log" || bats_rc=$?

# selftests: those of ARCH. A run that did not get as far as results counts as failed,
# not as the last one.
tsvs=(/dev/null)
selftests() {
	local rc=0 before
	say "check: selftests ($ARCH)"
	before=$(readlink results/latest || echo none)
	GMEM_VERB='' sub_rc test || rc=$?
	if [ "$(readlink results/latest || echo none)" = "$before" ] || [ ! -f results/latest/results.tsv ]; then
		part_failed "test ($ARCH), without results"
		return
	fi
	tsvs+=("$(readlink -f results/latest)/results.tsv")
	# a kernel that broke under tests that passed is a failure that no line of theirs counts
	if [ "$rc" -ne 0 ] && [ "$(count '^(fail|timeout|broken)\t' "${tsvs[-1]}")" -eq 0 ]; then
		part_failed "test ($ARCH): $(cat results/latest/verdict)"
	fi
}

# count PATTERN FILE...: lines that match, 0 for none.
count() { awk -v p="$1" '$0 ~ p { n++ } END { print n + 0 }' "${@:2}"; }

for arch in "${archs[@]}"; do ARCH=$arch selftests; done

passed=$((parts_passed + $(count '^ok ' "$log") - $(count '^ok .*# skip' "$log") + $(count '^pass\t' "${tsvs[@]}")))
failed=$((parts_failed + $(count '^not ok ' "$log") + $(count '^(fail|timeout|broken)\t' "${tsvs[@]}")))
skipped=$(($(count '^ok .*# skip' "$log") + $(count '^skip\t' "${tsvs[@]}")))

# A bats that ended early is a failure that no line of its own counts.
if [ "$bats_rc" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
planned=$(sed -n 's/^1\.\.//p' "$log")
if [ "$(count '^(not )?ok ' "$log")" != "$planned" ]; then failed=$((failed + 1)); fi

# Said once more, because what failed may stand far above.
{
	if [ ${#broken[@]} -gt 0 ]; then printf '%s\n' "${broken[@]}"; fi
	sed -n 's/^not ok [0-9]* //p' "$log"
	awk -F'\t' '/^(fail|timeout|broken)\t/ { print $2 ": " $3 }' "${tsvs[@]}"
} | sed 's/^/    failed: /' >&2
echo "$passed passed, $failed failed, $skipped skipped"
explained=1 # by the line above
[ "$failed" -eq 0 ] || exit "${exit_codes[TEST]}"
