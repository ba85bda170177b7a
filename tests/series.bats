#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The series on the real kernels, beyond the selftests that expect/ requires.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
	export example=series/example/v7.3/0001-KVM-guest_memfd-Add-an-example-flag.patch
	export programs=$BATS_TEST_DIRNAME/../build/v7.3/flags/x86_64/install/kselftest/kvm
}

setup() {
	cd "$top" || return
	tree=$(make -s tree-path)
	read -r _ head <build/v7.3/flags/applied
}

# cases STATUS FILE: the names of the cases that the KTAP of one program reports so.
cases() { sed -nE "s/^(# )?$1 [0-9]+ ([^#]*[^# ]).*/\2/p" "$2" | sort; }

# failures KNOB...: what fails of PROG's cases under these knobs, a line each.
failures() {
	run --separate-stderr make exec "$@"
	[ "$status" -le 1 ] || fail "$stderr"
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/ktap"
	grep -q '^# Totals: pass:[1-9]' "$BATS_TEST_TMPDIR/ktap" || fail "no KTAP: $output $stderr"
	cases 'not ok' "$BATS_TEST_TMPDIR/ktap"
}

# --- the code ---

@test "flags: less than 100 changed lines of kernel code" {
	local fix
	fix=$(git -C "$tree" log --format=%H --grep='prefetch' -1 "base..$head")
	[ -n "$fix" ]
	[ "$(git -C "$tree" diff --numstat "$fix" "$head" -- arch virt include | awk '{ n += $1 + $2 } END { print n }')" -lt 100 ]
}

@test "the fix and its test apply and stand alone: nothing else is in them" {
	[ "$(git -C "$tree" diff --name-only base "$head~$(($(find series/flags/v7.3 -name '0*.patch' | wc -l) - 2))" | paste -sd ' ')" = \
		'arch/x86/kvm/mmu/mmu.c tools/testing/selftests/kvm/guest_memfd_test.c' ]
}

# --- the documentation ---

@test "api.rst: the recipe compiles, with gcc and clang, for 64 and 32 bit" {
	local c=$BATS_TEST_TMPDIR/recipe.c cc headers=build/v7.3/flags/x86_64/usr/include
	git -C "$tree" show "$head:Documentation/virt/kvm/api.rst" |
		sed -n '/^4.142 /,/^4.143 /p' | sed -n '/^  #include <linux\/kvm.h>/,/^  }/p' | sed 's/^  //' >"$c"
	grep -q 'guest_memfd_flags(int fd)' "$c"
	echo 'int main(void) { return (int)guest_memfd_flags(0); }' >>"$c"
	for cc in gcc clang i686-linux-gnu-gcc; do
		"$cc" -Wall -Wextra -Werror -isystem "$headers" -o "$BATS_TEST_TMPDIR/recipe" "$c"
	done
}

@test "docs/abi.md: each case that it names has passed, or skipped for its reason" {
	local name number=0
	make test TESTS='guest_memfd_test guest_memfd_flags_test'
	# shellcheck disable=SC2013 # words
	for name in $(grep '^| [0-9]' docs/abi.md | grep -o '`[a-z_.]*`' | tr -d '`' | sort -u); do
		case $name in
		flags.conditional_flags_refused | global.enumeration_without_guest_memfd) continue ;;
		global.mte_*) # arm64's; must pass there
			grep -qx "guest_memfd_test.$name" expect/v7.3/arm64/required || fail "$name is not required"
			continue
			;;
		flags.*) name=guest_memfd_flags_test.flags.default.${name#flags.} ;;
		global.enum* | global.scope*) name=guest_memfd_flags_test.$name ;;
		global.*) name=guest_memfd_test.$name ;;
		_*) name=guest_memfd_test.global.userspace_addr$name ;;
		esac
		grep -qP "^case-pass\t$name\t" results/latest/results.tsv || fail "$name has not passed"
		number=$((number + 1))
	done
	[ "$number" -ge 25 ]
}

# --- shadow paging ---

@test "the series passes with shadow paging: kvm_amd.npt=0" {
	make test TESTS='guest_memfd_test guest_memfd_flags_test' APPEND=kvm_amd.npt=0
	grep -qP '^case-pass\tguest_memfd_test.global.userspace_addr_thp\t' results/latest/results.tsv
}

@test "the series passes with shadow paging: kvm.tdp_mmu=0" {
	make test TESTS='guest_memfd_test guest_memfd_flags_test' APPEND=kvm.tdp_mmu=0
	grep -qP '^case-pass\tguest_memfd_test.global.userspace_addr_thp\t' results/latest/results.tsv
}

# --- the pristine base ---

@test "the base fails exactly what the series fixes" {
	local shadow=$'global.userspace_addr_anon\nglobal.userspace_addr_thp'
	[ -z "$(failures SERIES=none PROG="$programs/guest_memfd_flags_test")" ]
	[ -z "$(failures SERIES=none PROG="$programs/guest_memfd_test")" ]
	# concurrent_use may notice it, too, or not: that depends on who comes first
	[ "$(failures SERIES=none PROG="$programs/guest_memfd_test" APPEND=kvm_amd.npt=0 | grep -vx global.concurrent_use)" = "$shadow" ]
	[ "$(failures SERIES=none PROG="$programs/guest_memfd_test" APPEND=kvm.tdp_mmu=0 | grep -vx global.concurrent_use)" = "$shadow" ]
}

# --- 32 bit ---

@test "32-bit and 64-bit programs see the same masks and the same results" {
	local width
	make test TESTS='guest_memfd_flags_test guest_memfd_flags_test_32'
	for width in '' _32; do
		sed -n "/^# selftests: kvm: guest_memfd_flags_test$width\$/,/^ok/p" results/latest/results.ktap |
			grep -oE '(VM type [0-9]+: mask.*|^# (not )?ok .*|[0-9]+ masks from.*)' >"$BATS_TEST_TMPDIR/width$width"
	done
	[ "$(grep -c 'VM type' "$BATS_TEST_TMPDIR/width")" -eq 2 ]
	[ "$(grep -c '^# ok' "$BATS_TEST_TMPDIR/width")" -ge 100 ]
	diff "$BATS_TEST_TMPDIR/width" "$BATS_TEST_TMPDIR/width_32"
	file -L "$programs/guest_memfd_flags_test_32" 2>/dev/null | grep -q 'ELF 32-bit' ||
		readelf -h "$programs/guest_memfd_flags_test_32" | grep -q 'ELF32'
}

# --- the example flag ---

@test "example: a flag in bit 40, in the table of the running kernel" {
	run --separate-stderr make run EXTRA="$example"
	[ "$status" -eq 0 ]
	[[ $output == *'/dev/kvm          0x00000003  0x00000100  0x0000010000000003  MMAP INIT_SHARED '* ]]
	[[ $output == *'default           0x00000003  0x00000100  0x0000010000000003  MMAP INIT_SHARED '* ]]
	[[ $output == *'sw-protected      0x00000001  0x00000000  0x0000000000000001  MMAP'* ]]
}

@test "example: its tests pass, and the condition is tested" {
	make test EXTRA="$example" TESTS='guest_memfd_test guest_memfd_flags_test guest_memfd_flags_test_32'
	grep -qP '^case-pass\tguest_memfd_flags_test.flags.default.conditional_flags_refused\t' results/latest/results.tsv
}

@test "example: without its line in the table of conditions, the test fails on it" {
	local failed
	failed=$(failures EXTRA="$example" PROG="$programs/guest_memfd_flags_test")
	[[ $failed == *flags.default.enumeration* && $failed == *flags.default.validation_each_bit* ]] || fail "only: $failed"
	refute grep -q sw_protected <<<"$failed"
}

@test "example: SERIES=example alone is refused" {
	run make run SERIES=example
	expect 2 'EXTRA='
}

# --- mutants ---

@test "mutants: a mutant that its case does not notice survives, and the verb fails" {
	local mutant=$BATS_TEST_TMPDIR/none.patch
	printf 'Breaks: nothing that the case looks at\nCase: guest_memfd_flags_test.flags.default.errors_bad_pointer\n\n' >"$mutant"
	sed -n '/^diff/,$p' tests/mutants/v7.3/01-hi-is-low.patch >>"$mutant"
	run make mutants MUTANTS="01 $mutant"
	expect 1 '1 of 2 mutants killed'
	[[ $output == *none*'NO KILL'* ]]
}

@test "mutants: one that does not build, whose case does not exist, or that fails otherwise than it says, kills nothing" {
	local build=$BATS_TEST_TMPDIR/build.patch case=$BATS_TEST_TMPDIR/case.patch says=$BATS_TEST_TMPDIR/says.patch
	{
		printf 'Breaks: the lower half\nCase: guest_memfd_flags_test.flags.default.enumeration\nSays: no such words\n\n'
		sed -n '/^diff/,$p' tests/mutants/v7.3/01-hi-is-low.patch
	} >"$says"
	{
		printf 'Breaks: the build\nCase: guest_memfd_flags_test.flags.default.errors_size\n\n'
		sed -n '/^diff/,$p' tests/mutants/v7.3/01-hi-is-low.patch | sed 's/^+.*lower_32_bits.*/+\t\treturn no_such_function();/'
	} >"$build"
	{
		printf 'Breaks: a case without a name\nCase: guest_memfd_flags_test.flags.default.no_such_case\n\n'
		sed -n '/^diff/,$p' tests/mutants/v7.3/01-hi-is-low.patch
	} >"$case"
	run make mutants MUTANTS="$build $case $says"
	expect 1 '0 of 3 mutants killed'
	[[ $output == *'does not build'* && $output == *missing* ]]
}

@test "mutants: at least 25, and no two are the same change" {
	local dir=tests/mutants/v7.3 file
	[ "$(find "$dir" -name '*.patch' | wc -l)" -ge 25 ]
	for file in "$dir"/*.patch; do sed -n '/^diff/,$p' "$file" | sha256sum; done | sort | uniq -d >"$BATS_TEST_TMPDIR/twice"
	[ ! -s "$BATS_TEST_TMPDIR/twice" ]
}

@test "mutants: what it cannot select" {
	run make mutants MUTANTS=no-such
	expect 2 "MUTANTS names 'no-such', which is 0 files of"
	run make mutants EXTRA="$example"
	expect 2 'run it without EXTRA'
}
