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
	cat >words <<-'WORDS'
		planted.c:46 suspicious rcu_dereference_check() usage!
		BUG: sleeping function called from invalid context at planted.c:54
		ffffffffa02081e0 (a){+.+.}-{4:4}, at: plant_inversion+0x50/0x6b [planted]
		LEAKS
		ODEBUG: free active (active state 0) object: 0000000002f392bb object type: timer_list hint: nothing+0x0/0x1 [planted]
		 plant_list+0x7e/0x9c [planted]
		UBSAN: shift-out-of-bounds in planted.c:107:12
		BUG: KASAN: slab-out-of-bounds in plant_oob+0x53/0x62 [planted]
	WORDS
	# shellcheck disable=SC2046 # numbers
	sed -i "s/^LEAKS/$(printf '  comm "insmod", pid 78, jiffies 42948%05d\\n' $(seq 1000))/" words
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

@test "planted: reports of the same kind about other code vouch for nothing" {
	sed 's/planted/kvm/g; s/plant_/kvm_/g; s/insmod/init/' words >said
	run scripts/planted.sh
	expect 110 'this kernel does not report a planted fault (rcu)'
}

@test "planted: other kernel parameters are another kernel" {
	scripts/planted.sh
	: >said
	APPEND=kmemleak=off run scripts/planted.sh
	expect 110 'this kernel does not report a planted fault'
}

@test "planted: any one that is missing: no judge" {
	local fault
	for fault in dereference sleeping inversion insmod ODEBUG plant_list UBSAN KASAN; do
		grep -v "$fault" words >said
		run scripts/planted.sh
		expect 110 'this kernel does not report a planted fault'
	done
}

@test "planted: a leak or two of insmod's own are not those that were planted" {
	awk '!/insmod/ || ++n <= 2' words >said
	run scripts/planted.sh
	expect 110 'this kernel reports 2 of 1,000 planted leaks'
}

@test "planted: DEBUG=kcsan has its own fault, and wants no leaks" {
	export DEBUG=kcsan
	mv build/v7.3/flags/x86_64-debug build/v7.3/flags/x86_64-kcsan
	run scripts/planted.sh
	expect 110 'this kernel does not report a planted fault (race)'
	echo 'BUG: KCSAN: data-race in plant_race [planted] / plant_race [planted]' >said
	run scripts/planted.sh
	expect 0 'verdict: PASS: the kernel reported all of 1 planted faults'
}

@test "planted: a module that does not load, a kernel that dies of it" {
	GUEST_RC=1 run scripts/planted.sh
	expect 110 'the module did not load, or the kernel did not survive it'
	grep -q 'verdict: FAIL HARNESS' results/latest/verdict
}
