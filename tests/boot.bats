#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# examples/gmem-boot: Linux in a VM of its, within the booted kernel. All of its
# cases on v7.3 share one boot.

load lib

bats_require_minimum_version 1.5.0

# compile CC FLAG...: gmem-boot, strictly.
compile() {
	"$@" -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I "$top/probe" "$top/examples/gmem-boot.c"
}

# boot_cases DIR CASE...: run cases of boot-cases in the booted kernel of the knobs, with
# that kernel inside, too; their results in DIR.
boot_cases() {
	local dir=$1 image
	image=$(image_of "${BASE:-v7.3}" "${SERIES:-flags}")
	mkdir -p "$dir"
	TIMEOUT=300 make exec PROG=/bin/busybox ARGS="sh boot-cases ${*:2}" \
		FILES="$BATS_FILE_TMPDIR/gmem-boot $BATS_FILE_TMPDIR/initrd $image tests/boot-cases" >"$dir/tar" 2>"$dir/log" ||
		fail "$(cat "$dir/log")"
	tar -x -C "$dir" --strip-components=1 -f "$dir/tar"
}

image_of() { echo "build/$1/$2/x86_64/arch/x86/boot/bzImage"; }

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
	export gmem_boot=$BATS_FILE_TMPDIR/gmem-boot v73=$BATS_FILE_TMPDIR/v7.3 nonce
	nonce=$(cat /proc/sys/kernel/random/uuid)
	initramfs "$nonce" >"$BATS_FILE_TMPDIR/initrd"
	compile gcc -static -isystem build/v7.3/flags/x86_64/usr/include -o "$gmem_boot"
	boot_cases "$v73" gmem memfd panic long no-fd no-kvm not-kvm
}

setup() { cd "$top" || return; }

# said CASE CODE TEXT: in $dir, case CASE exited with CODE and told the user TEXT, in one
# line or after what it says of RAM.
said() {
	[ "$(cat "$dir/$1.rc")" -eq "$2" ] || fail "$1: exit code $(cat "$dir/$1.rc"), expected $2; $(cat "$dir/$1.err" "$dir/$1.out")"
	grep -qF "$3" "$dir/$1.err" || fail "$1: no '$3' in: $(cat "$dir/$1.err")"
}

# booted CASE: it reached user space with this run's initramfs, and stopped.
booted() {
	said "$1" 0 'gmem-boot: the guest restarted'
	# a serial line ends with CR LF
	tr -d '\r' <"$dir/$1.out" >"$dir/$1.text"
	grep -q '^gmem-boot guest: user space after [0-9.]* s$' "$dir/$1.text"
	grep -qx "$nonce" "$dir/$1.text" || fail "$1: no $nonce in: $(cat "$dir/$1.text")"
}

# memory CASE: KiB that the guest counts.
memory() { sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$dir/$1.text"; }

# resident CASE: peak of the VMM's resident memory.
resident() { sed -n 's/.*Maximum resident set size (kbytes): //p' "$dir/$1.time"; }

@test "v7.3: Linux reaches user space and stops cleanly" {
	dir=$v73
	booted gmem
	# 64 MiB less what the kernel takes for itself
	[ "$(memory gmem)" -gt 49152 ] && [ "$(memory gmem)" -lt 65536 ]
	grep -q '^Linux version 7\.3\.' "$dir/gmem.text"
}

@test "v7.3: RAM is guest_memfd, by the kernel's word" {
	dir=$v73
	[ "$(grep -c 'RAM is' "$dir/gmem.err")" -eq 1 ]
	grep -qE '^gmem-boot: RAM is [0-9a-f]+-[0-9a-f]+ rw-s 00000000 .*\[kvm-gmem\]' "$dir/gmem.err"
	refute grep -q memfd: "$dir/gmem.err"
}

# A memslot without the file would take the same pages, but through the mapping.
@test "v7.3: the guest's pages come from the file, not through the VMM's mapping" {
	dir=$v73
	[ "$(resident gmem)" -gt 0 ]
	[ $((2 * $(resident gmem))) -lt "$(resident memfd)" ] ||
		fail "resident: $(resident gmem), with memfd $(resident memfd)"
}

@test "v7.3: --memfd; a restart by triple fault is one, too" {
	dir=$v73
	booted memfd
	grep -qE '^gmem-boot: RAM is .* /memfd:gmem-boot' "$dir/memfd.err"
}

@test "v7.3: a panic is a crash" {
	dir=$v73
	said panic 1 'gmem-boot: the guest crashed'
	grep -q 'Kernel panic' "$dir/panic.out"
}

@test "v7.3: a creation that fails is explained, a long command line refused" {
	dir=$v73
	said no-fd 5 'KVM_CREATE_GUEST_MEMFD: Too many open files: the host refused'
	said long 2 '--append: too long for this kernel'
}

@test "v7.3: /dev/kvm that is missing, and one that is none" {
	dir=$v73
	said no-kvm 3 'gmem-boot: /dev/kvm: No such file or directory'
	said not-kvm 3 'gmem-boot: /dev/kvm: Inappropriate ioctl for device'
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

# --- what is wrong without KVM, too ---

# refused CODE TEXT ARGUMENT...: one line, TEXT, on stderr.
refused() {
	run --separate-stderr "$gmem_boot" "${@:3}"
	[ "$status" -eq "$1" ] || fail "exit code $status, expected $1; $stderr"
	[ -z "$output" ]
	[ "$stderr" = "gmem-boot: $2" ] || fail "said: $stderr"
}

@test "--help on stdout; a wrong option, too many or few arguments: usage on stderr" {
	run --separate-stderr "$gmem_boot" --help
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[[ $output == 'usage: gmem-boot '*'Exit code: 0 '* ]]
	for args in '' --nonsense 'a b c'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$gmem_boot" $args
		[ "$status" -eq 2 ] && [ -z "$output" ]
		[[ $stderr == *'usage: gmem-boot '* ]]
	done
}

@test "--mem: no number, zero, too much, more than 64 bits hold" {
	local mem
	for mem in '' x 0 -1 1x 2049 17592186044417 99999999999999999999; do
		refused 2 "--mem $mem: not a number from 1 to 2048" --mem "$mem" kernel
	done
}

@test "kernel and initramfs: missing, a folder, empty, no bzImage, cut off" {
	local dir=$BATS_TEST_TMPDIR bzimage
	bzimage=$(image_of v7.3 flags)
	touch "$dir/empty"
	head -c 100000 /dev/zero >"$dir/zeros"
	head -c 600 "$bzimage" >"$dir/short"
	head -c 1024 "$bzimage" >"$dir/setup-only"
	# 32 bit: xloadflags (0x236) without XLF_KERNEL_64
	cp "$bzimage" "$dir/32"
	printf '\0\0' | dd of="$dir/32" bs=1 seek=$((0x236)) conv=notrunc status=none
	refused 4 '/none: No such file or directory' /none
	refused 4 "$dir: not a file, or empty" "$dir"
	refused 4 "$dir/empty: not a file, or empty" "$dir/empty"
	refused 4 "$dir/zeros: not a bzImage" "$dir/zeros"
	refused 4 "$dir/short: not a bzImage" "$dir/short"
	refused 4 "$dir/setup-only: not a bzImage" "$dir/setup-only"
	refused 4 "$dir/32: no 64-bit kernel that is loaded between 1 MiB and 2048 MiB" "$dir/32"
	refused 4 '/none: No such file or directory' "$bzimage" /none
	refused 4 "$dir/empty: not a file, or empty" "$bzimage" "$dir/empty"
}

@test "RAM that is too small: how much it takes" {
	local need
	run --separate-stderr "$gmem_boot" --mem 16 "$(image_of v7.3 flags)"
	[ "$status" -eq 4 ]
	need=$(sed -n 's/^gmem-boot: 16 MiB of RAM are too little: kernel and initramfs take \([0-9]*\)$/\1/p' <<<"$stderr")
	[ "$need" -gt 16 ] && [ "$need" -lt 64 ]
	refused 4 "$((need - 1)) MiB of RAM are too little: kernel and initramfs take $need" \
		--mem $((need - 1)) "$(image_of v7.3 flags)"
	refute test -e /dev/kvm || return 0
	refused 3 '/dev/kvm: No such file or directory' --mem "$need" "$(image_of v7.3 flags)"
}

# --- the source ---

@test "C: no warning from gcc and clang, with the kernel's headers and the distribution's" {
	local cc
	for cc in gcc clang; do
		compile "$cc" -fsyntax-only
		compile "$cc" -fsyntax-only -isystem build/v7.3/flags/x86_64/usr/include
	done
	[ "$(wc -l <examples/gmem-boot.c)" -lt 600 ]
}
