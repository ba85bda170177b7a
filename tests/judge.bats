#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The judge on golden logs: folders of runs as a guest left them, each with the
# exit code and verdict that it must get in "expected".

load lib

# judge FOLDER: on a copy, because the judge writes into the folder.
judge() {
	rm -rf "$BATS_TEST_TMPDIR/run"
	cp -r "$1" "$BATS_TEST_TMPDIR/run"
	run --separate-stderr "$top/scripts/judge.sh" "$BATS_TEST_TMPDIR/run"
}

golden() {
	judge "$top/tests/golden/$1"
	[ "$status $output" = "$(cat "$top/tests/golden/$1/expected")" ] ||
		fail "$1: got '$status $output', expected '$(cat "$top/tests/golden/$1/expected")'"
}

bats_require_minimum_version 1.5.0

@test "golden log: all-skipped" { golden all-skipped; }
@test "golden log: garbage" { golden garbage; }
@test "golden log: hang" { golden hang; }
@test "golden log: no-last-act" { golden no-last-act; }
@test "golden log: no-plan" { golden no-plan; }
@test "golden log: no-user-space" { golden no-user-space; }
@test "golden log: one-failing" { golden one-failing; }
@test "golden log: out-of-order" { golden out-of-order; }
@test "golden log: panic-early" { golden panic-early; }
@test "golden log: panic" { golden panic; }
@test "golden log: pass" { golden pass; }
@test "golden log: qemu-failed" { golden qemu-failed; }
@test "golden log: qemu-killed" { golden qemu-killed; }
@test "golden log: required-missing" { golden required-missing; }
@test "golden log: required-skipped" { golden required-skipped; }
@test "golden log: splat" { golden splat; }
@test "golden log: stale-nonce" { golden stale-nonce; }
@test "golden log: timeout" { golden timeout; }
@test "golden log: truncated-plan" { golden truncated-plan; }
@test "golden log: wrong-nonce" { golden wrong-nonce; }

@test "every golden log but one is a failure, and each class but those before a boot has one" {
	local class
	[ "$(grep -l '^0 ' "$top"/tests/golden/*/expected)" = "$top/tests/golden/pass/expected" ]
	for class in BOOT PANIC HANG TEST SKIP SPLAT HARNESS; do
		grep -q "FAIL $class:" "$top"/tests/golden/*/expected || fail "no golden log for $class"
	done
}

@test "every golden log is tested" {
	local folder
	for folder in "$top"/tests/golden/*/; do
		grep -q "golden $(basename "$folder");" "$BATS_TEST_FILENAME" || fail "$folder is not"
	done
}

@test "a guest that hangs: what came before it is known" {
	local run=$BATS_TEST_TMPDIR/hung
	cp -r "$top/tests/golden/one-failing" "$run"
	sed -i '/^# selftests: kvm: set_memory_region_test/q' "$run/results.ktap"
	echo 143 >"$run/qemu.rc"
	touch "$run/hung"
	judge "$run"
	expect 107 'did not stop a test whose time was up in set_memory_region_test'
	grep -q "^fail	guest_memfd_test" "$BATS_TEST_TMPDIR/run/results.tsv"
}

@test "a guest that hangs after a splat: the splat" {
	local run=$BATS_TEST_TMPDIR/hung
	cp -r "$top/tests/golden/splat" "$run"
	echo 143 >"$run/qemu.rc"
	touch "$run/hung"
	judge "$run"
	expect 109 'FAIL SPLAT'
	rm "$run/hung"
	echo 124 >"$run/qemu.rc"
	judge "$run"
	expect 109 'FAIL SPLAT'
}

@test "all splats are kept for compare, also those that only the console still has" {
	local run=$BATS_TEST_TMPDIR/splats
	cp -r "$top/tests/golden/splat" "$run"
	echo 'BUG: KASAN: slab-use-after-free in later+0x10/0x20' >>"$run/kmsg"
	judge "$run"
	expect 109 'FAIL SPLAT'
	[ "$(wc -l <"$BATS_TEST_TMPDIR/run/splats")" -eq 2 ]
	grep -qx 'BUG: KASAN: slab-use-after-free in later+0x10/0x20' "$BATS_TEST_TMPDIR/run/splats"
	sed -i '/Linux version/d' "$run/kmsg"
	echo '[    1.234567] BUG: KASAN: slab-use-after-free in early+0x10/0x20' >>"$run/console.log"
	judge "$run"
	expect 109 'FAIL SPLAT'
	grep -qx 'BUG: KASAN: slab-use-after-free in early+0x10/0x20' "$BATS_TEST_TMPDIR/run/splats"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/run/splats")" -eq 3 ]
	rm "$run/kmsg"
	judge "$run"
	expect 109 'FAIL SPLAT: '
}

@test "QEMU killed before its time: not the guest's fault" {
	local run=$BATS_TEST_TMPDIR/killed
	cp -r "$top/tests/golden/hang" "$run"
	echo 137 >"$run/qemu.rc"
	judge "$run"
	expect 110 'QEMU was killed; is the machine out of memory?'
	echo 'its CPU 0: pv_native_safe_halt' >"$run/cpus"
	judge "$run"
	expect 107 'set_memory_region_test; its CPU 0: pv_native_safe_halt'
}

@test "a case that fails in a program that reports success: a failure" {
	local run=$BATS_TEST_TMPDIR/lies
	cp -r "$top/tests/golden/pass" "$run"
	sed -i '0,/^ok /s//# not ok 7 global.bad\nok /' "$run/results.ktap"
	judge "$run"
	expect 1 'global.bad, although the program reports success'
}

@test "a failing test: the excerpt has the case that failed, and no case that passed" {
	local run=$BATS_TEST_TMPDIR/cases
	cp -r "$top/tests/golden/one-failing" "$run"
	cat >"$run/results.ktap" <<-'KTAP'
		TAP version 13
		1..1
		# selftests: kvm: guest_memfd_test
		# #  RUN           global.good ...
		# #            OK  global.good
		# ok 1 global.good
		# #  RUN           global.bad ...
		# ==== Test Assertion Failure ====
		# not ok 2 global.bad
		# #  RUN           global.fine ...
		# ok 3 global.fine
		not ok 1 selftests: kvm: guest_memfd_test # exit=1
	KTAP
	judge "$run"
	[ "$status" -eq 1 ]
	[[ $stderr == *'Test Assertion Failure'*'not ok 2 global.bad'* ]] || fail "$stderr"
	[[ $stderr != *global.good* && $stderr != *global.fine* ]] || fail "$stderr"
}

@test "PASS needs every file of a run" {
	local file
	for file in status qemu.rc results.ktap console.log kmsg; do
		rm -rf "$BATS_TEST_TMPDIR/broken"
		cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/broken"
		rm "$BATS_TEST_TMPDIR/broken/$file"
		judge "$BATS_TEST_TMPDIR/broken"
		[[ $output == 'verdict: FAIL '* ]] || fail "without $file: $output"
	done
}

# One line each of what the kernel's own checkers print.
@test "every kind of splat is seen" {
	local line
	while read -r line; do
		rm -rf "$BATS_TEST_TMPDIR/splat"
		cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/splat"
		echo "[    2.345678] $line" >>"$BATS_TEST_TMPDIR/splat/console.log"
		judge "$BATS_TEST_TMPDIR/splat"
		expect 109 "FAIL SPLAT: $line"
	done <<-'SPLATS'
		WARNING: CPU: 0 PID: 1 at mm/slub.c:1 kfree+0x1/0x2
		WARNING: possible circular locking dependency detected
		WARNING: suspicious RCU usage
		BUG: sleeping function called from invalid context at mm/util.c:1
		BUG: KASAN: slab-out-of-bounds in kvm_gmem_create+0x1/0x2
		BUG: KCSAN: data-race in kvm_gmem_release / kvm_gmem_bind
		UBSAN: shift-out-of-bounds in virt/kvm/guest_memfd.c:1:2
		kernel BUG at virt/kvm/guest_memfd.c:1!
		Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000
		rcu: INFO: rcu_preempt self-detected stall on CPU
		INFO: task guest_memfd_tes:113 blocked for more than 120 seconds.
		INFO: trying to register non-static key.
		refcount_t: underflow; use-after-free.
		list_add corruption. prev->next should be next
		unreferenced object 0xffff888004b43a00 (size 256):
		kmemleak: Kernel memory leak detector disabled
		WARNING: kmemleak refuses to scan
		Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
		Internal error: Oops - Undefined instruction: 0000000002000000 [#1]  SMP
		Internal error: synchronous external abort: 0000000096000410 [#1]  SMP
	SPLATS
}

@test "a splat that the console lost, in the kernel log that the guest sent" {
	rm -rf "$BATS_TEST_TMPDIR/lost"
	cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/lost"
	echo '[    9.876543] WARNING: CPU: 0 PID: 1 at mm/slub.c:1 kfree+0x1/0x2' >>"$BATS_TEST_TMPDIR/lost/kmsg"
	judge "$BATS_TEST_TMPDIR/lost"
	expect 109 'FAIL SPLAT: WARNING: CPU: 0'
}

@test "a required case that was skipped, in a program that passed" {
	rm -rf "$BATS_TEST_TMPDIR/case"
	cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/case"
	sed -i 's/^# Random seed: 0x56.*/# TAP version 13\n# 1..1\n# ok 1 global.mte # SKIP no MTE here/' \
		"$BATS_TEST_TMPDIR/case/results.ktap"
	echo guest_memfd_test.global.mte >>"$BATS_TEST_TMPDIR/case/required"
	judge "$BATS_TEST_TMPDIR/case"
	expect 108 'required tests were skipped: guest_memfd_test.global.mte: SKIP no MTE here'
	sed -i 's/global.mte/global.gone/' "$BATS_TEST_TMPDIR/case/required"
	judge "$BATS_TEST_TMPDIR/case"
	expect 108 'required tests did not run: guest_memfd_test.global.gone'
}

@test "JUnit XML counts what the KTAP says and is well formed" {
	judge "$top/tests/golden/one-failing"
	# two tests and the verdict
	grep -q 'tests="3" failures="2" skipped="0"' "$BATS_TEST_TMPDIR/run/junit.xml"
	grep -q '&lt; 0 &amp;&amp; errno' "$BATS_TEST_TMPDIR/run/junit.xml"
}

@test "JUnit XML has a failure where no test could: panic, required test missing" {
	local log
	for log in panic required-missing hang; do
		judge "$top/tests/golden/$log"
		python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$BATS_TEST_TMPDIR/run/junit.xml"
		grep -q 'name="verdict"><failure message="[A-Z]*: ' "$BATS_TEST_TMPDIR/run/junit.xml"
	done
}

@test "nested cases get lines of their own in JUnit XML" {
	rm -rf "$BATS_TEST_TMPDIR/nested"
	cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/nested"
	sed -i 's/^# Random seed: 0x56.*/# TAP version 13\n# 1..2\n# ok 1 global.enumeration\n# ok 2 global.rule # SKIP no feature/' \
		"$BATS_TEST_TMPDIR/nested/results.ktap"
	judge "$BATS_TEST_TMPDIR/nested"
	grep -q 'name="guest_memfd_test.global.enumeration"' "$BATS_TEST_TMPDIR/run/junit.xml"
	grep -q 'skipped="2"' "$BATS_TEST_TMPDIR/run/junit.xml"
	expect 0 "PASS: 2 passed, 0 failed, 1 skipped; cases in them: 1 passed, 1 skipped"
}

@test "no exit code of the program is no PASS" {
	rm -rf "$BATS_TEST_TMPDIR/no-code"
	cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/no-code"
	rm "$BATS_TEST_TMPDIR/no-code/required"
	sed -i '/^done/s/0$//' "$BATS_TEST_TMPDIR/no-code/status"
	judge "$BATS_TEST_TMPDIR/no-code"
	expect 110 'the guest sent no exit code'
}

@test "exec's verdict leaves stdout to the program, and its exit code is the program's" {
	rm -rf "$BATS_TEST_TMPDIR/exec"
	cp -r "$top/tests/golden/pass" "$BATS_TEST_TMPDIR/exec"
	cd "$BATS_TEST_TMPDIR/exec"
	rm required results.ktap
	touch exec
	sed -i '/^done/s/0$/42/' status
	judge "$BATS_TEST_TMPDIR/exec"
	expect 42 ""
	[ -z "$output" ]
	[[ $stderr == *'FAIL TEST: the program exited with 42'* ]]
}
