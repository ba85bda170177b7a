#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# examples/gmem-boot: Linux in a VM of its, within the booted kernel. All of its
# cases on v7.3 share one boot.

load lib

bats_require_minimum_version 1.5.0

# boot_cases DIR CASE...: run cases of boot-cases in the booted kernel of the knobs, with
# that kernel inside, too; their results in DIR.
boot_cases() {
	local dir=$1 image
	image=$(image_of "${BASE:-v7.3}" "${SERIES:-flags}")
	mkdir -p "$dir"
	make exec PROG=/bin/busybox ARGS="sh boot-cases ${*:2}" \
		FILES="$BATS_FILE_TMPDIR/gmem-boot $BATS_FILE_TMPDIR/gmem-boot-fail $BATS_FILE_TMPDIR/initrd $image tests/boot-cases" >"$dir/tar" 2>"$dir/log" ||
		fail "$(cat "$dir/log")"
	tar -x -C "$dir" --strip-components=1 -f "$dir/tar" ||
		fail "$(wc -c "$dir/tar" results/latest/stdout) are no archive; $(cat "$dir/log")"
}

# initramfs NOTE: of examples/init and a note, on stdout.
initramfs() {
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/bin"
	cp /bin/busybox "$root/bin/"
	cp examples/init "$root/init"
	echo "$1" >"$root/note"
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0)
}

setup_file() {
	cd "$top" || return
	export gmem_boot=$BATS_FILE_TMPDIR/gmem-boot nonce
	nonce=$(cat /proc/sys/kernel/random/uuid)
	initramfs "$nonce" >"$BATS_FILE_TMPDIR/initrd"
	# ASan does not link statically; boot-input.bats has it
	compile_gmem_boot gcc -static -fsanitize=undefined -fno-sanitize-recover=all -isystem build/v7.3/flags/x86_64/usr/include -o "$gmem_boot"
	compile_gmem_boot gcc -static -isystem build/v7.3/flags/x86_64/usr/include probe/tests/fail.c \
		"$fail_wraps" -o "$gmem_boot-fail"
}

setup() { cd "$top" || return; }

# on_v73: all cases on v7.3, in one boot that the first test makes.
on_v73() {
	dir=$BATS_FILE_TMPDIR/v7.3
	[ -e "$dir" ] || boot_cases "$dir" gmem memfd no-flags panic long no-fd no-kvm not-kvm
	[ -e "$dir/not-kvm.rc" ] || fail 'the boot of an earlier test went wrong'
}

# said CASE CODE TEXT: in $dir, case CASE exited with CODE and told the user TEXT.
said() {
	[ "$(cat "$dir/$1.rc")" -eq "$2" ] || fail "$1: exit code $(cat "$dir/$1.rc"), expected $2; $(cat "$dir/$1.err" "$dir/$1.out")"
	grep -qF -- "$3" "$dir/$1.err" || fail "$1: no '$3' in: $(cat "$dir/$1.err")"
}

# booted CASE: it reached user space with this run's initramfs, and stopped.
booted() {
	said "$1" 0 ': the guest restarted'
	# a serial line ends with CR LF
	tr -d '\r' <"$dir/$1.out" >"$dir/$1.text"
	grep -q '^gmem-boot guest: user space after [0-9.]* s$' "$dir/$1.text"
	grep -qx "$nonce" "$dir/$1.text" || fail "$1: no $nonce in: $(cat "$dir/$1.text")"
	grep -qx 'gmem-boot guest: slept, by a timer' "$dir/$1.text"
}

# memory CASE: KiB that the guest counts.
memory() { sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$dir/$1.text"; }

# resident CASE: peak of the VMM's resident memory.
resident() { sed -n 's/.*Maximum resident set size (kbytes): //p' "$dir/$1.time"; }

@test "v7.3: Linux reaches user space and stops cleanly" {
	on_v73
	booted gmem
	# 64 MiB less what the kernel takes for itself
	[ "$(memory gmem)" -gt 49152 ]
	[ "$(memory gmem)" -lt 65536 ]
	grep -q '^Linux version 7\.3\.' "$dir/gmem.text"
}

@test "v7.3: RAM is guest_memfd, by the kernel's word" {
	on_v73
	[ "$(grep -c 'RAM is' "$dir/gmem.err")" -eq 1 ]
	grep -qE '^gmem-boot: RAM is [0-9a-f]+-[0-9a-f]+ rw-s 00000000 .*\[kvm-gmem\]' "$dir/gmem.err"
	refute grep -q memfd: "$dir/gmem.err"
}

# A memslot without the file would take the same pages, but through the mapping.
@test "v7.3: the guest's pages come from the file, not through the VMM's mapping" {
	on_v73
	[ "$(resident gmem)" -gt 0 ]
	[ $((2 * $(resident gmem))) -lt "$(resident memfd)" ] ||
		fail "resident: $(resident gmem), with memfd $(resident memfd)"
}

@test "v7.3: --memfd; a restart by triple fault is one, too" {
	on_v73
	booted memfd
	grep -qE '^gmem-boot: RAM is .* /memfd:gmem-boot' "$dir/memfd.err"
}

@test "v7.3: a VM without the flags: falls back to memfd by itself, and says why" {
	on_v73
	booted no-flags
	[ "$(grep -c '^gmem-boot-fail: RAM comes from memfd, for guest_memfd has no MMAP INIT_SHARED here$' "$dir/no-flags.err")" -eq 1 ]
	grep -qE '^gmem-boot-fail: RAM is .* /memfd:gmem-boot' "$dir/no-flags.err"
}

@test "v7.3: a panic is a crash" {
	on_v73
	said panic 1 'gmem-boot: the guest crashed'
	grep -q 'Kernel panic' "$dir/panic.out"
}

@test "v7.3: a creation that fails is explained, a long command line refused" {
	on_v73
	said no-fd 5 'KVM_CREATE_GUEST_MEMFD: Too many open files: the host refused'
	said long 2 '--append: too long for this kernel'
}

@test "v7.3: /dev/kvm that is missing, and one that is none" {
	on_v73
	said no-kvm 3 'gmem-boot: /dev/kvm: No such file or directory'
	said not-kvm 3 'gmem-boot: /dev/kvm is not KVM'
}

# on_base BASE SERIES: boots of another base, where somebody has built it.
on_base() {
	[ -e "$(image_of "$1" "$2")" ] || skip "not built: make build BASE=$1 SERIES=$2"
	dir=$BATS_TEST_TMPDIR/$1
	BASE=$1 SERIES=$2 boot_cases "$dir" gmem
	booted gmem
	grep -q "^Linux version ${1#v}\." "$dir/gmem.text"
}

@test "v6.12 with the series: the same" {
	on_base v6.12 flags
	grep -qE '^gmem-boot: RAM is .*\[kvm-gmem\]' "$dir/gmem.err"
}

@test "v6.12 as it is: falls back to memfd, and says why" {
	on_base v6.12 none
	[ "$(grep -c '^gmem-boot: RAM comes from memfd, for guest_memfd has no MMAP INIT_SHARED here$' "$dir/gmem.err")" -eq 1 ]
	grep -qE '^gmem-boot: RAM is .* /memfd:gmem-boot' "$dir/gmem.err"
}
