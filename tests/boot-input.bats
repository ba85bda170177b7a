#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# examples/gmem-boot: what it refuses without a boot, under sanitizers; and its source.

load lib

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$top" || return
	export gmem_boot=$BATS_FILE_TMPDIR/gmem-boot
	compile_gmem_boot gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -isystem build/v7.3/flags/x86_64/usr/include -o "$gmem_boot"
}

setup() { cd "$top" || return; }

# refused CODE TEXT ARGUMENT...: one line, TEXT, on stderr.
refused() {
	run --separate-stderr "$gmem_boot" "${@:3}"
	[ "$status" -eq "$1" ] || fail "exit code $status, expected $1; $stderr"
	[ -z "$output" ]
	[ "$stderr" = "gmem-boot: $2" ] || fail "said: $stderr"
}

@test "--help on stdout; a wrong option, too many or few arguments: usage on stderr" {
	run --separate-stderr "$gmem_boot" --help
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == 'usage: gmem-boot '*'Exit code: 0 '* ]]
	for args in '' --nonsense 'a b c'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$gmem_boot" $args
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[[ $stderr == *'usage: gmem-boot '* ]]
	done
}

@test "--mem: no number, zero, too much, more than 64 bits hold" {
	local mem
	for mem in '' x 0 -1 1x 2049 17592186044417 99999999999999999999 -18446744073709551360 ' -18446744073709551360'; do
		refused 2 "--mem $mem: not a number from 1 to 2048" --mem "$mem" kernel
	done
}

@test "kernel and initramfs: missing, a folder, empty, no bzImage, cut off" {
	local dir=$BATS_TEST_TMPDIR bzimage address
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
	# pref_address (0x258): below, above, and so that sums with it would wrap
	for address in '\xff\xff\x0f\0\0\0\0\0' '\x01\0\0\x80\0\0\0\0' '\0\xf0\xff\xff\xff\xff\xff\xff'; do
		cp "$bzimage" "$dir/32"
		# shellcheck disable=SC2059 # bytes
		printf "$address" | dd of="$dir/32" bs=1 seek=$((0x258)) conv=notrunc status=none
		refused 4 "$dir/32: no 64-bit kernel that is loaded between 1 MiB and 2048 MiB" "$dir/32"
	done
	# a boot protocol (0x206) without xloadflags
	cp "$bzimage" "$dir/32"
	printf '\x0b\x02' | dd of="$dir/32" bs=1 seek=$((0x206)) conv=notrunc status=none
	refused 4 "$dir/32: no 64-bit kernel that is loaded between 1 MiB and 2048 MiB" "$dir/32"
	refused 4 '/none: No such file or directory' "$bzimage" /none
	refused 4 "$dir/empty: not a file, or empty" "$bzimage" "$dir/empty"
}

# field OFFSET TYPE: of the kernel's setup header (boot.rst).
field() { od -An -j "$1" -N 8 -t "$2" "$(image_of v7.3 flags)" | awk '{ print $1 }'; }

@test "RAM that is too small: how much it takes" {
	local need dir=$BATS_TEST_TMPDIR
	# an initramfs, or an init_size (0x260), that is larger than RAM
	truncate -s 300M "$dir/initramfs"
	run --separate-stderr "$gmem_boot" "$(image_of v7.3 flags)" "$dir/initramfs"
	[ "$status" -eq 4 ]
	[[ $stderr == *'256 MiB of RAM are too little: kernel and initramfs take 3'* ]]
	cp "$(image_of v7.3 flags)" "$dir/bzimage"
	printf '\xff\xff\xff\xff' | dd of="$dir/bzimage" bs=1 seek=$((0x260)) conv=notrunc status=none
	run --separate-stderr "$gmem_boot" --mem 2048 "$dir/bzimage"
	[ "$status" -eq 4 ]
	[[ $stderr == *'2048 MiB of RAM are too little: kernel and initramfs take 4'* ]]
	# pref_address and init_size, and a page for the initramfs's alignment
	need=$((($(field 0x258 u8) + $(field 0x260 u4) + 4096 + 1048575) / 1048576))
	refused 4 "$((need - 1)) MiB of RAM are too little: kernel and initramfs take $need" \
		--mem $((need - 1)) "$(image_of v7.3 flags)"
	# with KVM it would go on and boot
	if [ -e /dev/kvm ]; then return; fi
	refused 3 '/dev/kvm: No such file or directory' --mem "$need" "$(image_of v7.3 flags)"
}

@test "C: no warning from gcc and clang, with the kernel's headers and the distribution's" {
	local cc
	for cc in gcc clang; do
		compile_gmem_boot "$cc" -fsyntax-only
		compile_gmem_boot "$cc" -fsyntax-only -isystem build/v7.3/flags/x86_64/usr/include
	done
	[ "$(wc -l <examples/gmem-boot.c)" -lt 600 ]
}
