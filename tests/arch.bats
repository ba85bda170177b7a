#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What only the other architectures show. Needs what "make check" has built by then.

load lib

setup() {
	cd "$top" || return
	export ARCH=arm64
}

@test "riscv64: KVM is compiled after every patch, and nothing of the flags is in it" {
	local out=build/v7.3/walk/modules-riscv64
	run make bisect COMPILE=1 ARCH=riscv64
	expect 0 "verdict: PASS: $(find series/flags/v7.3 -name '0*.patch' | wc -l) patches, KVM of each compiled (v7.3, SERIES=flags, riscv64)"
	grep -qx CONFIG_KVM=m "$out/.config"
	refute grep -q GUEST_MEMFD "$out/.config"
	[ -f "$out/virt/kvm/kvm_main.o" ]
	[ ! -e "$out/virt/kvm/guest_memfd.o" ]
	# a stub that warns if it is ever called is all that is left
	[ "$(riscv64-linux-gnu-nm "$out/virt/kvm/kvm_main.o" | grep -o 'kvm_gmem_[a-z_]*')" = kvm_gmem_unbind ]
}

bats_require_minimum_version 1.5.0

# compile FILE [OPTION]: for the guest.
compile() {
	aarch64-linux-gnu-gcc -O2 -Wall -Wextra -Werror -o "$BATS_TEST_TMPDIR/$(basename "$1" .c)" "$@"
}

@test "arm64: the table has one VM type, both flags, nothing in the high word" {
	run --separate-stderr make -s run
	expect 0 'verdict: PASS: table read from the running kernel (v7.3, SERIES=flags, arm64)'
	[[ ${lines[1]} == '/dev/kvm '*' 0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]]
	[[ ${lines[2]} == 'default '*' 0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED' ]]
	[[ ${lines[3]} == verdict:* ]]
}

@test "arm64: exec: a static program's exit code, a dynamic one's libraries" {
	compile tests/guest-prog.c -static
	run --separate-stderr make -s exec PROG="$BATS_TEST_TMPDIR/guest-prog" ARGS='exit 42'
	expect 42 ''
	compile tests/guest-prog.c
	run --separate-stderr make -s exec PROG="$BATS_TEST_TMPDIR/guest-prog" ARGS='exit 43' DYNAMIC=1
	expect 43 ''
}

@test "arm64: the build leaves nothing in the tree" {
	local tree before
	tree=$(make -s tree-path)
	before=$(git -C "$tree" ls-files --others)
	rm -rf build/v7.3/flags/arm64/{tools,*.built}
	make build
	[ -d build/v7.3/flags/arm64/tools ]
	[ "$(git -C "$tree" ls-files --others)" = "$before" ]
}

@test "arm64: exec: a program for x86_64 is refused" {
	run make exec PROG=/bin/busybox
	expect 2 "PROG='/bin/busybox' is for Advanced Micro Devices X86-64; ARCH=arm64 runs AArch64"
}

@test "arm64: nested virtualization, memory tags, two CPUs" {
	cp build/busybox/arm64 "$BATS_TEST_TMPDIR/busybox"
	run --separate-stderr make -s exec PROG="$BATS_TEST_TMPDIR/busybox" ARGS='sh -c "grep -c ^processor /proc/cpuinfo; grep -o -m1 -w mte /proc/cpuinfo; dmesg"'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 2 ]
	[ "${lines[1]}" = mte ]
	[[ $output == *'VHE mode initialized'* ]]
}
