#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What planted makes of kernels that report all, or not all, of the planted faults.
# Nothing is built or booted: the kernel's words are made up.

load lib

setup() {
	project
	export DEBUG=1
	mkdir -p build/v7.3/flags/x86_64-debug build/v7.3/flags/linux build/v7.3/git
	echo image >build/v7.3/flags/x86_64-debug/image
	echo config >build/v7.3/flags/x86_64-debug/.config
	sed -i 's#^image=.*#image=image#' configs/x86_64.env
	git init -q build/v7.3/flags/linux
	commit build/v7.3/flags/linux tree --allow-empty
	# the module, instead of building it
	# shellcheck disable=SC2016 # the script's own variables
	sed -i 's#^step "planted: building.*#mkdir -p "$out/planted" \&\& touch "$out/planted/planted.ko" ||#' scripts/planted.sh
	sed -n '/^faults=(/,/^)/p' scripts/planted.sh | sed -nE "s/^\t'[a-z]+ +(.*)'$/\1/p" >words
	[ "$(wc -l <words)" -eq 8 ]
	# a guest that says what is in "said"
	cat >scripts/boot.sh <<-'BOOT'
		#!/bin/bash
		cp said "$1/kmsg"
		echo "done $(cat "$1/nonce") ${GUEST_RC:-0}" >"$1/status"
	BOOT
	cp words said
}

@test "planted: all reported: seen once for this kernel, not again" {
	run scripts/planted.sh
	expect 0 'verdict: PASS: the kernel reported all of 8 planted faults'
	rm said
	run scripts/planted.sh
	expect 0 'this kernel was seen to report 8 planted faults'
	echo another >build/v7.3/flags/x86_64-debug/image
	cp words said
	run scripts/planted.sh
	expect 0 'verdict: PASS'
}

@test "planted: any one that is missing: no judge" {
	local n
	for n in 1 2 3 4 5 6 7 8; do
		sed "${n}d" words >said
		run scripts/planted.sh
		expect 110 'this kernel does not report a planted fault'
	done
}

@test "planted: a module that does not load, a kernel that dies of it" {
	GUEST_RC=1 run scripts/planted.sh
	expect 110 'the module did not load'
}
