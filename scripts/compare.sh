#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compare: proof that nothing else changed. The whole KVM selftest suite three times on
# the same machine with the same time-outs: the base's programs on the base's kernel,
# the same programs on the series' kernel, and the series' own programs there. Any
# difference fails, and so does a failure of the base that expect/ does not explain.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none is what compare compares with"
[ -z "${TESTS:-}" ] || die USAGE "compare runs all tests; run it without TESTS"
lock
need test

# Seconds for one test; the longest that end take 45 on the machine that docs/testing.md
# tells of, and GMEM_TEST_LIMIT says more for a slower one. Those that expect/ says do
# not end, not in many minutes, get 20 (guest/timeout), in all three runs.
limit=${GMEM_TEST_LIMIT:-60}
[[ $limit =~ ^[1-9][0-9]*$ ]] || die USAGE "GMEM_TEST_LIMIT='$limit' is not a positive number of seconds"
endless=$(sed '/^#/d' "$(known_failures)" | awk -F' *[|] *' '$2 == "timeout" { print $1 }' | paste -sd ' ')
base_install=$base_dir/none/$kind/install
series_install=$out/install

sub build
SERIES=none EXTRA='' sub build

new_folder

# programs INSTALL: names of all KVM selftests in it.
programs() { sed -n 's/^kvm://p' "$1/kselftest/kselftest-list.txt" | sort | paste -sd ' '; }

# give_up NAME LOG CODE: that run's verdict is the whole comparison's.
give_up() {
	sed -n 's/^verdict: //p' "$2" | sed "s/^/verdict: $1: /" >"$folder/verdict"
	tail -n 40 "$2" >&2
	explained=1
	exit "$3"
}

# suite NAME INSTALL KNOB=VALUE...: all programs of INSTALL on one kernel. What they
# say is compared below; that the kernel survived it is required. Where a test hangs the
# whole guest, which the emulator may be to blame for, it gets a second guest, together
# with the tests after it; if it hangs that, too, that is its result. Where the kernel
# complains, which the base's may do one time in many, all tests get a second guest.
suite() {
	local rc log tests part=0 hung before='' complained=''
	tests=$(programs "$2")
	while [ -n "$tests" ]; do
		rc=0 part=$((part + 1)) log=$folder/$1.$part.log
		step "compare: $1" "$log" env GMEM_BUILT=1 GMEM_INSTALL="$2" GMEM_TEST_LIMIT="$limit" GMEM_ENDLESS="$endless" \
			TESTS="$tests" TIMEOUT="${GMEM_SET[TIMEOUT]:-3600}" GMEM_VERB=compare "${@:3}" \
			setpriv --pdeathsig TERM "$top/scripts/test.sh" || rc=$?
		hung=
		if [ -f results/latest/hung ]; then
			hung=$(sed -n 's/^# selftests: kvm: //p' results/latest/results.ktap | tail -n 1)
		fi
		# also of a guest whose kernel complained before
		if [ -n "$hung" ]; then
			echo "$1: $hung$(grep -qs 'the emulator hangs' results/latest/cpus && echo ' (the emulator)')" >>"$folder/hangs"
		fi
		if [ -n "$hung" ] && [ "$rc" -eq "${exit_codes[HANG]}" ]; then
			note "the guest hung in $hung; a new one goes on from there"
			# the names between spaces, so that the test's own can be cut at
			tests=" $tests " tests=${tests#*" $hung "} tests=${tests% }
			if [ "$hung" = "$before" ]; then
				printf '%s\t%s\t%s\n' hang "$hung" 'the guest hung, twice' >>results/latest/results.tsv
			else
				tests="$hung $tests" tests=${tests% } before=$hung
			fi
		else
			case $rc in
			"${exit_codes[SPLAT]}")
				[ -z "$complained" ] || give_up "$1" "$log" "$rc"
				complained=1
				note "the kernel complained; all tests again in a new guest"
				sed "s/^/$1: /" results/latest/splats >>"$folder/splats"
				ln -s "../$(readlink results/latest)" "$folder/$1.$part"
				rm -f "$folder/$1.tsv" results/latest/junit.xml
				tests=$(programs "$2")
				continue
				;;
			0 | "${exit_codes[TEST]}" | "${exit_codes[SKIP]}") tests= ;;
			*) give_up "$1" "$log" "$rc" ;;
			esac
		fi
		ln -s "../$(readlink results/latest)" "$folder/$1.$part"
		# what fails as it is known to must not fail a CI; the comparison has its own
		rm -f results/latest/junit.xml
		awk -F'\t' '$1 != "broken"' results/latest/results.tsv >>"$folder/$1.tsv"
	done
	note "$(awk -F'\t' '$1 !~ /^case-/ { n[$1]++ } END { for (r in n) printf "%s %d  ", r, n[r] }' "$folder/$1.tsv")"
}
suite base-on-base "$base_install" SERIES=none EXTRA=
suite base-on-series "$base_install"
suite series-on-series "$series_install"

sub differences "$folder"
