#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bisect: every patch of series/ for itself, in order: KVM compiled as modules with
# all warnings as errors, then the bench's kernel and selftests built, booted and
# judged. COMPILE=1: the modules only. In a tree of its own; the editable one is left
# alone, with whatever edits it has.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
export GMEM_WALK=1
set_paths
COMPILE=${COMPILE:-}
[ -n "$COMPILE" ] || [ -z "${compile_only:-}" ] || die USAGE "ARCH=$ARCH is only compiled; say COMPILE=1"
[ -n "$COMPILE" ] || need_tests
[ "$SERIES" != none ] || [ -n "$EXTRA" ] || die USAGE "SERIES=none has no patches to go through"
lock
need run
sub tree

read -r _ head <"$tree_dir/applied"
mapfile -t patches < <(series_patches)
mapfile -t commits < <(git_plain -C "$repo" rev-list --reverse "base..$head")
[ ${#commits[@]} -eq ${#patches[@]} ] ||
	die HARNESS "${#patches[@]} patches became ${#commits[@]} commits"

logs=$tree_dir/bisect
rm -rf "$logs"
mkdir -p "$logs"
required=$top/$(required_tests)
# what was compiled without complaint: the content of all files and what compiled it
compiled=$tree_dir/compiled
how=$({
	cat scripts/modules.sh "configs/$ARCH.env" "${fragments[@]}"
	"${cross}gcc" --version
} | sha256sum | cut -c1-16)

# content COMMIT: a name for all files of it, and for how they are compiled.
content() { echo "$(git_plain -C "$repo" rev-parse "$1^{tree}") $how"; }

# present: those of the selftests in TESTS, or else of the required ones, that exist at
# the commit that was just built.
present() {
	sed -n 's/^kvm://p' "$out/install/kselftest/kselftest-list.txt" | sort |
		comm -12 - <(tr -s ' ' '\n' <<<"${TESTS:-$(cut -d. -f1 "$required")}" | sort -u) | paste -sd ' '
}

# one_patch COMMIT: 0, or the exit code of the part that failed; its verdict stands
# in the log. GMEM_VERB: the parts speak for bisect.
one_patch() {
	local GMEM_VERB=bisect tests
	export GMEM_VERB
	walk_to "$1" || return
	scripts/modules.sh "$tree" "$tree_dir/modules-$ARCH" || return
	content "$1" >>"$compiled"
	if [ -n "$COMPILE" ]; then return; fi
	scripts/build.sh || return
	tests=$(present) || return
	if [ -n "$tests" ]; then
		TESTS=$tests scripts/test.sh
	else
		scripts/run.sh # boots, too
	fi
}

# A name that no commit has would be left out everywhere, and nobody would notice.
last=$(git_plain -C "$repo" grep -h -e . "$head" -- tools/testing/selftests/kvm/Makefile tools/testing/selftests/kvm/Makefile.kvm) || last= # no selftests at all
for test in ${TESTS:-}; do
	grep -qwF "${test%_32}" <<<"$last" || die USAGE "TESTS names '$test', which is no KVM selftest of $SERIES"
done

results=() failed='' class=''
for i in "${!commits[@]}"; do
	name=$(basename "${patches[i]}")
	log=$logs/$name.log
	result=ok start=$SECONDS
	if [ -n "$COMPILE" ] && grep -qsxF "$(content "${commits[i]}")" "$compiled"; then
		result='ok, as before'
	elif ! step "bisect: $((i + 1))/${#commits[@]} $name" "$log" one_patch "${commits[i]}"; then
		result=FAILED
		verdict=$(sed -n 's/^verdict: FAIL //p' "$log" | head -n 1)
		note "${verdict:-no verdict}"
		if [ -z "$failed" ]; then
			class=${verdict%%:*} failed="$name: ${verdict#*: }" failed_log=$log
		fi
	fi
	results+=("$(printf '%-13s %4d s  %s' "$result" $((SECONDS - start)) "$name")")
done

printf '%s\n' "${results[@]}"
if [ -n "$failed" ]; then
	if [ -z "${exit_codes[${class:-none}]:-}" ]; then class=HARNESS failed="${failed%%: *}: failed without a verdict"; fi
	die "$class" "$failed" "$failed_log"
fi
what='each built, booted and tested'
if [ -n "$COMPILE" ]; then what='KVM of each compiled'; fi
echo "verdict: PASS: ${#commits[@]} patches, $what ($BASE, SERIES=$SERIES, $ARCH)"
