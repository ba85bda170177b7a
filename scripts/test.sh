#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test: boot the kernel and run KVM selftests in it, by the kernel's own runner.
# TESTS names them; without it, those that expect/ requires. A test that was
# asked for must run: skipping it is a failure.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
# seconds for one test, where the kernel's own settings are too few
limit=${GMEM_TEST_LIMIT:-${DEBUG:+600}}
[[ $limit =~ ^([1-9][0-9]*)?$ ]] || die USAGE "GMEM_TEST_LIMIT='$limit' is not a positive number of seconds"
[[ -z ${TESTS:-} || $TESTS = *[![:space:]]* ]] || die USAGE "TESTS is blank; name tests, or leave it out for those that expect/ requires"
need_tests
lock

# A name that no source has is refused before minutes of building; below, the list of
# what was installed decides.
if [ -n "${TESTS:-}" ] && [ -z "${GMEM_INSTALL:-}" ]; then
	sub tree
	for test in $TESTS; do
		find "$tree/tools/testing/selftests/kvm" \( -name "${test%_32}.c" -o -name "${test%.sh}.sh" \) | grep -q . ||
			die USAGE "TESTS names '$test', which is no KVM selftest of $branch; they are in tools/testing/selftests/kvm of its tree"
	done
fi
# mutants builds by itself
if [ -z "${GMEM_BUILT:-}" ]; then sub build; fi

# expect/ names programs, and cases (program.case) that must not be skipped in them
required=$(required_tests)
tests=$(tr -s ' ' '\n' <<<"${TESTS:-$(cut -d. -f1 "$required")}" | awk '!seen[$0]++')
for test in $tests; do
	grep -qxF "kvm:$test" "$install/kselftest/kselftest-list.txt" ||
		die USAGE "TESTS names '$test', which is no KVM selftest of $branch; they are listed in ${install#"$top"/}/kselftest/kselftest-list.txt"
done

if [ -n "$DEBUG" ]; then sub planted; fi
new_run
# shellcheck disable=SC2086 # a list of names
if [ -n "${TESTS:-}" ]; then printf '%s\n' $tests; else cat "$required"; fi >"$run/required"
{
	echo 'cd /kselftest || exit'
	# what failed is in the KTAP; older runners never say it by their exit code
	option=--no-error-on-fail
	grep -q -e "$option" "$install/kselftest/run_kselftest.sh" || option=
	printf 'exec ./run_kselftest.sh %s%s' "$option" "${limit:+ -o $limit}"
	# shellcheck disable=SC2086
	printf ' -t kvm:%s' $tests
	echo
} >"$run/job/run"
(
	cd "$install"
	find kselftest -maxdepth 1
	find kselftest/kselftest
	# shellcheck disable=SC2086
	printf 'kselftest/kvm\nkselftest/kvm/settings\n'
	# shellcheck disable=SC2086
	printf 'kselftest/kvm/%s\n' $tests
) | sort -u >"$run/kselftest.list"
if [ -n "${GMEM_ENDLESS:-}" ]; then tr ' ' '\n' <<<"$GMEM_ENDLESS" >"$run/job/endless"; fi
say "test: $(wc -w <<<"$tests") selftests in ${run#"$top"/}"
sub boot "$run"
sub judge "$run"
