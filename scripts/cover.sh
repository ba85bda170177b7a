#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cover: which lines of virt/kvm/guest_memfd.c, and which that the series changes, run
# when the kernel's own selftests do, and when all tests do (faults, fuzz, gmem-probe,
# too). gcov counts in the kernel; lcov writes the HTML. Fails if a changed line never
# ran, or more than 5 % of guest_memfd.c; what is left must stand in
# expect/BASE/ARCH/uncovered with its reason (scripts/uncovered.sh).

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
own_config cover
[ -z "$DEBUG" ] || die USAGE "run cover without DEBUG: its kernel counts lines, and has no sanitizers"
[ -z "${TESTS:-}" ] || die USAGE "cover is about all required tests; run it without TESTS"
check_knobs
set_paths
[ "$BASE" = v7.3 ] || die USAGE "cover is about v7.3; its configuration has options that $BASE lacks"
[ "$ARCH" = x86_64 ] || die USAGE "cover unloads KVM, to count its end, and only on x86_64 is it a module"
[ "$SERIES" != none ] || die USAGE "SERIES=none changes nothing that could be covered"
lock
need cover
# two nodes, or nothing has a NUMA policy
export APPEND="numa=fake=2 $APPEND"
sub tree

# The files that are counted: the series' own of KVM, and guest_memfd.c. Kbuild names
# them as the architecture's folder sees them; the rest of the kernel stays as fast as it
# is, and what runs before there is a stack stays runnable.
files=$({
	echo virt/kvm/guest_memfd.c
	git_plain -C "$tree" diff --name-only base -- 'virt/kvm/*.c' "arch/$selftest_arch/kvm/*.c"
} | sort -u)
counted=$(sed -E "s#^arch/[^/]*/kvm/##; s#^virt/#../../../virt/#; s#(.*)\.c#GCOV_PROFILE_\1.o=y#" <<<"$files" | paste -sd ' ')
export GMEM_COUNTED=$counted
sub build
new_folder

# covered NAME COMMAND: run COMMAND in the guest, its output in RUN/stderr; then unload
# KVM, and bring home what was counted, in $folder/NAME.
covered() {
	local name=$1 counters=/sys/kernel/debug/gcov$out
	cat >"$run/job/run" <<-JOB
		( $2 ) >&2 || exit
		lsmod | awk 'NR > 1 { print \$1 }' | while read -r module; do rmmod \$module; done
		lsmod | grep -q kvm && { echo 'KVM did not unload' >&2; exit 1; }
		# gcov's files have no size before they are read
		cd $counters && find . -name '*.gcda' | while read -r file; do
			mkdir -p /tmp/gcov/\${file%/*}
			cat \$file >/tmp/gcov/\$file
		done
		tar -C /tmp/gcov -c .
	JOB
	echo "all tests ran ($name)" >"$run/what"
	sub boot "$run"
	sub judge "$run"
	mkdir -p "$folder/$name"
	tar -C "$folder/$name" -xf "$run/stdout"
	(cd "$folder/$name" && find . -name '*.gcda') | while read -r file; do
		cp "$out/${file%.gcda}.gcno" "$folder/$name/${file%/*}/"
	done
	lcov -q -c -d "$folder/$name" -b "$out" --gcov-tool "${cross}gcov" --rc geninfo_auto_base=1 -o "$folder/$name.info" >"$folder/$name.log" 2>&1 ||
		die HARNESS "lcov does not understand what the kernel counted" "$folder/$name.log"
}

# compile NAME FILE...: a program for the second guest, before the first one boots
compile() {
	"${cross}gcc" -static -O2 -isystem "$out/usr/include" -o "$folder/$1" "${@:2}" ||
		die BUILD "$1 does not compile against the headers of $branch"
}
compile gmem-faults guest/gmem-faults.c
compile gmem-fuzz guest/gmem-fuzz.c
compile gmem-probe probe/*.c

required=$(required_tests)
mapfile -t tests < <(cut -d. -f1 "$required" | sort -u)

say "cover: the kernel's selftests"
new_run
(
	cd "$install"
	find kselftest -maxdepth 1
	find kselftest/kselftest
	printf 'kselftest/kvm\nkselftest/kvm/settings\n'
	printf 'kselftest/kvm/%s\n' "${tests[@]}"
) | sort -u >"$run/kselftest.list"
# All of them pass, and none is skipped; then once more with shadow paging, for what KVM
# does only there.
# shellcheck disable=SC2016 # for the guest's shell
passed='passed() {
	./run_kselftest.sh $(printf " -t kvm:%s" "$@") >/tmp/ktap
	cat /tmp/ktap
	[ "$(grep "^ok" /tmp/ktap | grep -vc "# SKIP")" -eq $# ]
}'
covered selftests "$passed
cd /kselftest && passed ${tests[*]} && rmmod kvm_amd && insmod /modules/*kvm-amd.ko npt=0 && passed guest_memfd_test"

say "cover: all other tests"
new_run
cp "$folder"/gmem-{faults,fuzz,probe} "$run/job/work/"
covered others "cd work && ./gmem-faults && ./gmem-fuzz --calls 100000 --seconds 600 && ./gmem-probe"

lcov -q -a "$folder/selftests.info" -a "$folder/others.info" -o "$folder/all.info" >"$folder/lcov.log" 2>&1 ||
	die HARNESS "lcov cannot add up" "$folder/lcov.log"

# changed: FILE:LINE of each line that the series adds to the kernel's C.
git_plain -C "$tree" diff -U0 base -- 'virt/*.[ch]' 'arch/*.[ch]' 'include/*.[ch]' | awk '
	/^\+\+\+ b\// { file = substr($2, 3); next }
	/^@@/ { split($3, at, ","); line = substr(at[1], 2) - 1; next }
	/^\+/ { print file ":" ++line }' >"$folder/changed"

# lines INFO: FILE:LINE COUNT of each line that has code.
lines() { awk -v tree="$(realpath "$tree")/" '/^SF:/ { file = substr($0, 4); if (index(file, tree) == 1) file = substr(file, length(tree) + 1) } /^DA:/ { split(substr($0, 4), f, ","); print file ":" f[1], f[2] }' "$folder/$1.info"; }

for name in selftests all; do
	lines "$name" >"$folder/$name.lines"
	awk 'NR == FNR { changed[$1]; next } $1 in changed' "$folder/changed" "$folder/$name.lines" >"$folder/$name.changed.lines"
done

# What never ran: the lines themselves, not their numbers.
awk '$2 == 0 && $1 ~ /^virt\/kvm\/guest_memfd.c:/ { sub(/.*:/, "", $1); print $1 }' "$folder/all.lines" | while read -r line; do
	sed -n "${line}s/^[[:space:]]*//p" "$tree/virt/kvm/guest_memfd.c"
done | sort >"$folder/uncovered"
genhtml -q -p "$(realpath "$tree")" --ignore-errors source -o "$folder/html" "$folder/all.info" >"$folder/genhtml.log" 2>&1 ||
	die HARNESS "genhtml failed" "$folder/genhtml.log"
note "$folder/html/index.html"

printf '%s\t%s\n' "$BASE" "$ARCH" >"$folder/subject"
sub uncovered "$folder"
