#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The series for v6.12, beyond the selftests that expect/ requires. Run by "make check
# BASE=v6.12", which has built it.

load lib
bats_require_minimum_version 1.5.0

setup() {
	cd "$top" || return
	export BASE=v6.12
	programs=build/v6.12/flags/x86_64/install/kselftest/kvm
}

# table KNOB...: what run prints, without the heading.
table() {
	run --separate-stderr make -s run "$@"
	[ "$status" -eq 0 ] || fail "$stderr"
}

@test "v6.12: the table is the one of v7.3" {
	table
	[ "${lines[1]}" = '/dev/kvm          0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]
	[ "${lines[2]}" = 'default           0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]
	[ "${lines[3]}" = 'sw-protected      0x00000001  0x00000000  0x0000000000000001  MMAP' ]
}

@test "v6.12: the pristine base has no flags" {
	table SERIES=none
	[[ ${lines[1]} == '/dev/kvm '*' 0x00000000  0x00000000  0x0000000000000000'* ]]
	[[ ${lines[2]} == 'default '*' 0x00000000  0x00000000  0x0000000000000000'* ]]
	[[ ${lines[3]} == 'sw-protected '*' 0x00000000  0x00000000  0x0000000000000000'* ]]
}

@test "v6.12: KVM as modules" {
	table CONFIG=configs/variants/modules.config
	[ "${lines[2]}" = 'default           0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]
	grep -qx CONFIG_KVM_AMD=m results/latest/config
	grep -q 'Nested Paging enabled' results/latest/console.log
}

@test "v6.12: no VM type with private memory: flags, and no memory attributes" {
	local kernel=build/v6.12/flags/x86_64-no-private
	table CONFIG=configs/variants/no-private.config
	[ "${lines[2]}" = 'default           0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]
	[[ ${lines[3]} == verdict:* ]]
	grep -qx CONFIG_KVM_GUEST_MEMFD=y "$kernel/.config"
	refute grep -qE '^CONFIG_KVM_GENERIC_(PRIVATE_MEM|MEMORY_ATTRIBUTES)=' "$kernel/.config"
	make exec CONFIG=configs/variants/no-private.config PROG="$programs/guest_memfd_flags_test"
}

@test "v6.12: i386: both capabilities are 0, and no file can be created" {
	table ARCH=i386
	[[ ${lines[1]} == '/dev/kvm '*' 0x00000000  0x00000000  0x0000000000000000'* ]]
	[[ ${lines[2]} == 'default '*' 0x00000000  0x00000000  0x0000000000000000'* ]]
	run --separate-stderr make exec ARCH=i386 PROG="$programs/guest_memfd_flags_test_32"
	[ "$status" -eq 0 ]
	[[ $output == *'ok '*' global.enumeration_without_guest_memfd'* ]]
	[[ $output != *'global.enumeration_without_guest_memfd # SKIP'* ]]
}

@test "v6.12: shadow paging, and no TDP MMU" {
	make test TESTS='guest_memfd_test guest_memfd_flags_test' APPEND=kvm_amd.npt=0
	make test TESTS='guest_memfd_test guest_memfd_flags_test' APPEND=kvm.tdp_mmu=0
}

@test "v6.12: series: apply and export is byte-identical" {
	local clone=$BATS_TEST_TMPDIR/clone tree
	tree=$(make -s tree-path)
	read -r _ head <build/v6.12/flags/applied
	(. scripts/lib.sh && mkdir "$clone" && export_series "$tree" "base..$head" "$clone")
	diff -r --exclude='cover*' "$clone" series/flags/v6.12
}

@test "v6.12: bisect: TESTS has the names in this base's Makefile" {
	make bisect COMPILE=1 TESTS=guest_memfd_test # has compiled all patches before
	run make bisect COMPILE=1 TESTS=guest_memfd_tset
	expect 2 "TESTS names 'guest_memfd_tset', which is no KVM selftest"
}

@test "v6.12: a kernel of the same line that the series does not fit is refused" {
	local ksrc=$BATS_TEST_TMPDIR/ksrc
	mkdir -p "$ksrc"
	git -C "$(make -s tree-path)" archive base Makefile virt/kvm arch/x86/kvm include/linux/kvm_host.h include/uapi/linux/kvm.h \
		arch/x86/include/asm Documentation/virt/kvm tools/testing/selftests/kvm MAINTAINERS | tar -x -C "$ksrc"
	sed -i 's/__kvm_gmem_unbind/other_unbind/' "$ksrc/virt/kvm/guest_memfd.c"
	run make tree KSRC="$ksrc"
	expect 103 'FAIL APPLY: series/flags/v6.12/0001-KVM-guest_memfd-Hold-the-invalidate-lock-on-every-un.patch does not apply: virt/kvm/guest_memfd.c: hunk @@'
}
