#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check: all that CI checks: the harness's own tests (tests/*.bats), then the
# selftests on the series. The last line counts both.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
need check

# No lock here: each verb that a test calls takes it. Built before the tests, so
# that a build that takes minutes shows its progress.
sub build

log=build/check.tap
say "check: tests/*.bats"
bats_rc=0
# each boot has its own limit (TIMEOUT); this one is for a test that hangs outside
# of a boot (bats' own limit leaves sleeping children that keep the pipe open)
GMEM_VERB='' timeout --foreground -k 10 2400 bats --tap tests/*.bats | tee "$log" || bats_rc=$?

say "check: selftests"
test_rc=0
before=$(readlink results/latest || echo none)
GMEM_VERB='' scripts/test.sh || test_rc=$?
# a run that did not get as far as results counts as failed, not as the last one
tsv=/dev/null
if [ "$(readlink results/latest || echo none)" != "$before" ] && [ -f results/latest/results.tsv ]; then
	tsv=results/latest/results.tsv
fi

# count PATTERN FILE: lines that match, 0 for none.
count() { awk -v p="$1" '$0 ~ p { n++ } END { print n + 0 }' "$2"; }

passed=$(($(count '^ok ' "$log") - $(count '^ok .*# skip' "$log") + $(count '^pass\t' "$tsv")))
failed=$(($(count '^not ok ' "$log") + $(count '^(fail|timeout|broken)\t' "$tsv")))
skipped=$(($(count '^ok .*# skip' "$log") + $(count '^skip\t' "$tsv")))

# A run that ended early, or a kernel that broke under tests that passed, is a
# failure that no line of theirs counts.
if { [ "$bats_rc" -ne 0 ] || [ "$test_rc" -ne 0 ]; } && [ "$failed" -eq 0 ]; then failed=1; fi
if [ "$test_rc" -eq 0 ] && [ "$tsv" = /dev/null ]; then failed=$((failed + 1)); fi
planned=$(sed -n 's/^1\.\.//p' "$log")
if [ "$(count '^(not )?ok ' "$log")" -ne "${planned:--1}" ]; then failed=$((failed + 1)); fi

echo "$passed passed, $failed failed, $skipped skipped"
explained=1 # by the line above
[ "$failed" -eq 0 ] || exit "${exit_codes[TEST]}"
