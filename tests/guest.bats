#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The whole way, on the real kernels: the table, the selftests' plumbing, exec, and
# what a guest can do to the bench. "make check" builds before it runs this.

load lib

setup_file() {
	export prog=$BATS_FILE_TMPDIR/guest-prog
	gcc -static -O2 -Wall -Wextra -Werror -o "$prog" "$BATS_TEST_DIRNAME/guest-prog.c"
	gcc -O2 -o "$prog-dynamic" "$BATS_TEST_DIRNAME/guest-prog.c"
}

setup() { cd "$top" || return; }

# in_guest WORD...: guest-prog in the booted kernel, its stderr and ours apart.
in_guest() { run --separate-stderr make exec PROG="$prog" ARGS="$*"; }

no_qemu() { ! pgrep -f "qemu-system.*$top/results" >/dev/null; }

bats_require_minimum_version 1.5.0

# --- run ---

@test "run: the table of the README, from the patched kernel" {
	run --separate-stderr make run
	[ "$status" -eq 0 ]
	[ "$output" = "$(sed -n '/^    scope /,/^    verdict: /s/^    //p' README.md)" ]
}

@test "run: the pristine base answers 0 to 252, and its header does not define that" {
	run --separate-stderr make run SERIES=none
	[ "$status" -eq 0 ]
	[[ $output == *'default           0x00000003  0x00000000  0x0000000000000003  MMAP INIT_SHARED'* ]]
	[[ $output == *'header does not define it'*'capability 252'* ]]
}

# --- build ---

# clean_tree: the tree in $tree, which must have no edits that a test could lose.
clean_tree() {
	tree=$(make -s tree-path)
	[ -z "$(git -C "$tree" status --porcelain -uno)" ] || skip "the tree has edits"
}

# What a test does to the tree is undone, however it ends.
teardown() { if [ -f "$BATS_TEST_TMPDIR/undo" ]; then sh "$BATS_TEST_TMPDIR/undo"; fi; }

@test "build: with nothing changed, make is not called, and would compile nothing" {
	make build
	clean_tree
	run make build
	expect 0 'nothing has changed (kernel, '
	expect 0 'nothing has changed (selftests, '
	refute grep -q '==> build: ' <<<"$output"
	# a file that git does not know may be compiled, too
	echo "rm $tree/new.c" >"$BATS_TEST_TMPDIR/undo"
	: >"$tree/new.c"
	make build
	refute grep -qE '^ +(CC|AS|LD) ' build/v7.3/flags/x86_64/kernel.log
	refute grep -qE '(gcc|ccache) .* -c ' build/v7.3/flags/x86_64/selftests.log
	refute ls build/v7.3/flags/x86_64/*.built
}

@test "build: selftests notice a changed header, and that it is as it was" {
	local header
	make build
	clean_tree
	header=$tree/tools/testing/selftests/kvm/include/kvm_test_harness.h
	echo "git -C $tree checkout -q $header" >"$BATS_TEST_TMPDIR/undo"
	echo >>"$header"
	make build
	[ build/v7.3/flags/x86_64/install/kselftest/kvm/sync_regs_test -nt "$header" ]
	sh "$BATS_TEST_TMPDIR/undo"
	make build
	[ build/v7.3/flags/x86_64/install/kselftest/kvm/sync_regs_test -nt "$header" ]
}

# --- test ---

@test "test: a test that nobody knows" {
	run make test TESTS=no_such_test
	expect 2 "TESTS names 'no_such_test', which is no KVM selftest"
}

@test "test: a test that was asked for and skips is a failure" {
	run make test TESTS=nested_dirty_log_test_that_skips
	expect 2 'no KVM selftest'
	run make test TESTS=tsc_scaling_sync
	expect 108 'FAIL SKIP: required tests were skipped: tsc_scaling_sync'
}

@test "test: results in files: KTAP, JUnit XML, console, configuration, versions, the QEMU line" {
	local file
	make test TESTS=guest_memfd_test
	for file in results.ktap junit.xml console.log config versions qemu.line repeat verdict; do
		[ -s "results/latest/$file" ] || fail "no $file"
	done
	grep -q '^ok 1 selftests: kvm: guest_memfd_test' results/latest/results.ktap
}

# --- exec ---

@test "exec: exit codes" {
	in_guest exit 0
	[ "$status" -eq 0 ]
	in_guest exit 7
	[ "$status" -eq 7 ]
	in_guest crash
	[ "$status" -eq 134 ]
}

@test "exec: stdout byte for byte, stderr apart, FILES beside it" {
	head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
	make exec PROG="$prog" ARGS='cat bytes' FILES="$BATS_TEST_TMPDIR/bytes" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/bytes" "$BATS_TEST_TMPDIR/out"
	in_guest stderr
	[ -z "$output" ]
	[[ $stderr == *'to stderr'* ]]
}

@test "exec: ARGS are words of the guest's shell" {
	# $$ is make's way to write $
	in_guest args "'two words'" '$$HOME' '"a  b"'
	[ "$output" = $'<two words>\n</tmp>\n<a  b>' ]
}

@test "exec: DYNAMIC=1 takes loader and libraries along" {
	run --separate-stderr make exec PROG="$prog-dynamic" ARGS='args x' DYNAMIC=1
	[ "$status" -eq 0 ]
	[ "$output" = '<x>' ]
}

@test "exec: ICOUNT=1 boots and runs" {
	run --separate-stderr make exec PROG="$prog" ARGS='exit 3' ICOUNT=1
	[ "$status" -eq 3 ]
}

@test "exec: three CPUs, SVM with nested paging, the clock is the TSC" {
	run --separate-stderr make exec PROG="$prog" ARGS='cat /sys/devices/system/clocksource/clocksource0/current_clocksource'
	[[ $output == tsc* ]]
	grep -q '3 CPUs' results/latest/console.log
	grep -q 'kvm_amd: Nested Paging enabled' results/latest/console.log
}

@test "exec: nothing runs on the first CPU, where QEMU breaks KVM's guests" {
	in_guest cat /proc/self/status
	[[ $output == *$'Cpus_allowed_list:\t1-2\n'* ]]
}

@test "exec: APPEND reaches the kernel" {
	run make exec PROG="$prog" ARGS='cat /sys/module/kvm_amd/parameters/npt' APPEND=kvm_amd.npt=0
	expect 0 $'N\n'
}

# --- shell ---

@test "shell: a prompt in the guest, on a terminal; exit ends it" {
	script -qc true /dev/null || skip "no pseudo-terminal on this machine"
	{
		for _ in $(seq 300); do
			if grep -q '/job #' "$BATS_TEST_TMPDIR/typed" 2>/dev/null; then break; fi
			sleep 0.1
		done
		echo 'ls /dev/kvm; echo $((6 * 7))'
		sleep 1
		echo exit
		sleep 3
	} | timeout 60 script -qefc 'make shell' "$BATS_TEST_TMPDIR/typed" >/dev/null
	grep -q '^42' "$BATS_TEST_TMPDIR/typed"
	no_qemu
}

# --- what a guest can do ---

@test "a kernel that panics: PANIC, although QEMU exits with 0" {
	run make run APPEND=rdinit=/no-such
	expect 106 'FAIL PANIC: Kernel panic - not syncing'
	[ "$(cat results/latest/qemu.rc)" -eq 0 ]
}

@test "a program that hangs: HANG, and no QEMU is left" {
	run make exec PROG="$prog" ARGS=loop TIMEOUT=12
	expect 107 'FAIL HANG: time is up (TIMEOUT=12 s); its CPU 0: '
	# three CPUs, asked twice; a busy machine may not get to the second answer
	grep -Eqx 'its CPU 0: [a-z_0-9, ]+; CPU 1: [a-z_0-9, ]+; CPU 2: [a-z_0-9, ]+' results/latest/cpus
	no_qemu
}

@test "a first program that cannot start: no PASS" {
	run make run TIMEOUT=6 APPEND='rdinit=/bin/busybox --no-such'
	[[ $output == *'FAIL PANIC'* || $output == *'FAIL BOOT'* ]]
	[ "$status" -ne 0 ]
}

@test "a splat in the kernel log: SPLAT, although the program succeeded" {
	in_guest splat
	[ "$status" -eq 109 ]
	[[ $stderr == *'FAIL SPLAT: WARNING: planted by a test'* ]]
}

@test "a guest that resets by itself: no PASS" {
	in_guest reboot
	[ "$status" -eq 110 ]
	[[ $stderr == *'stopped before its last act'* ]]
}

# --- fuzz ---

# fuzz_with SED-EXPRESSION: gmem-fuzz with that model.
fuzz_with() {
	sed "$1" guest/gmem-fuzz.c >"$BATS_TEST_TMPDIR/fuzz.c"
	refute cmp -s guest/gmem-fuzz.c "$BATS_TEST_TMPDIR/fuzz.c"
	gcc -static -O2 -isystem build/v7.3/flags/x86_64/usr/include -o "$BATS_TEST_TMPDIR/fuzz" "$BATS_TEST_TMPDIR/fuzz.c"
	run make -s exec PROG="$BATS_TEST_TMPDIR/fuzz" ARGS='--calls 200000 --seconds 200 --seed 1'
}

@test "fuzz: kernel and model agree, from a seed that is said" {
	run make fuzz ARGS='--calls 20000'
	expect 0 '0 disagreements'
	expect 0 'verdict: PASS: model and kernel agree'
	grep -Eq '^creations: 2[0-9]{4} in ' <<<"$output"
	grep -Eq '^make fuzz ARGS=--seed. 0x[0-9a-f]{16}.* 20000$' results/latest/repeat
}

@test "fuzz: a VM or /dev/kvm without a flag that the rules give it is a disagreement" {
	fuzz_with 's/host.types\[i\] ? GUEST_MEMFD_FLAG_MMAP : both/host.types[i] ? both : both/'
	expect 1 'DISAGREEMENT: VM type 1 has mask 0x1, and of flags 0x3 it should have 0x3'
	fuzz_with 's/host.union_mask = query(host.kvm)/host.union_mask = 1/'
	expect 1 'DISAGREEMENT: /dev/kvm has mask 0x1, and its VMs together have 0x3'
}

@test "fuzz: a disagreement is cut down to what it takes, and that repeats it" {
	# a kernel that lets a creation succeed only as long as a certain mapping is not there
	fuzz_with 's/if (error != expected) {/if (error != expected || (!error \&\& episode->mapping[0].mem)) {/'
	expect 1 'DISAGREEMENT: create on '
	local again
	again=$(sed -n 's/.*repeats it: gmem-fuzz //p' <<<"$output")
	[[ $again =~ ^--replay\ 0x[0-9a-f]+\ --ops\ [0-9]+,[0-9]+,[0-9]+$ ]] || fail "not three operations: $output"
	run make -s exec PROG="$BATS_TEST_TMPDIR/fuzz" ARGS="$again"
	expect 1 'mmap'
	[ "$(grep -cE '^ +[0-9]+  ' <<<"$output")" -eq 3 ]
}

@test "fuzz: wrong use, too little time" {
	run make fuzz ARGS='--calls 0'
	expect 2 "--calls '0' is no number from 1 to"
	run make fuzz ARGS='--replay 0x1'
	expect 2 '--replay and --ops go together'
	run make fuzz ARGS='--replay 0x1 --ops 1 2'
	expect 2 "'2' is no option"
	run make fuzz ARGS='--seconds 1'
	expect 1 'too slow: 10000000 creations were to be made'
}

# --- stopping ---

# start_loop: exec of a program that never ends, in a process group of its own.
start_loop() {
	rm -f results/latest
	# bats lets its background jobs ignore SIGINT, a terminal does not
	env --default-signal=INT setsid make exec PROG="$prog" ARGS=loop "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	make=$!
	for _ in $(seq 300); do
		if grep -qs looping results/latest/stdout; then return; fi
		sleep 0.1
	done
	fail "no guest came up: $(cat "$BATS_TEST_TMPDIR/out")"
}

# gone: QEMU is, and so is all that held the checkout.
gone() {
	for _ in $(seq 100); do
		if no_qemu; then break; fi
		sleep 0.1
	done
	no_qemu || fail 'a stray QEMU is left'
	flock -w 10 build/.lock true || fail 'something still holds the checkout'
}

@test "an emulator that hangs: HANG says so" {
	start_loop TIMEOUT=16
	pkill -STOP -f "^qemu-system.*$top/results"
	refute wait "$make"
	grep -q "FAIL HANG: time is up (TIMEOUT=16 s); QEMU's monitor does not answer: the emulator hangs" results/latest/verdict
	no_qemu
}

@test "Ctrl-C: no stray QEMU, and the next run works" {
	start_loop
	kill -INT -- "-$make"
	refute wait "$make"
	gone
	in_guest exit 5
	[ "$status" -eq 5 ]
}

@test "make stopped alone: no stray QEMU" {
	start_loop
	kill -TERM "$make"
	refute wait "$make"
	gone
}

@test "the script killed outright: no stray QEMU" {
	start_loop
	pkill -KILL -f "scripts/boot.sh $top/results"
	refute wait "$make"
	gone
}
