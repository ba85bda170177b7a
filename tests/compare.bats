#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# compare's judgement, on made-up results of three runs; nothing is built or booted.

load lib

setup() {
	project
	mkdir -p build/v7.3/none/x86_64/install/kselftest build/v7.3/flags/x86_64/install/kselftest fake
	printf 'kvm:%s\n' a_test b_test c_test >build/v7.3/none/x86_64/install/kselftest/kselftest-list.txt
	printf 'kvm:%s\n' a_test b_test c_test new_test >build/v7.3/flags/x86_64/install/kselftest/kselftest-list.txt
	git init -q build/v7.3/flags/linux
	commit build/v7.3/flags/linux tree --allow-empty
	printf '#!/bin/sh\n' >scripts/build.sh
	# the runs come in this order: base-on-base, base-on-series, series-on-series
	cat >scripts/test.sh <<-'TEST'
		#!/bin/bash
		n=$(ls -d results/run* 2>/dev/null | wc -l)
		mkdir -p "results/run$n"
		cp "fake/$n" "results/run$n/results.tsv"
		echo "$TESTS" >"results/run$n/tests"
		if [ "$(cat "fake/rc$n" 2>/dev/null)" = 106 ]; then echo 'verdict: FAIL PANIC: oops'; fi
		if [ "$(cat "fake/rc$n" 2>/dev/null)" = 109 ]; then
			echo 'verdict: FAIL SPLAT: WARNING: at bad_code+0x24/0x1c0, CPU#1: a_test/429'
			cat fake/splats >"results/run$n/splats"
			if [ -f fake/hung ]; then
				touch "results/run$n/hung"
				echo '# selftests: kvm: b_test' >"results/run$n/results.ktap"
			fi
		fi
		if [ "$(cat "fake/rc$n" 2>/dev/null)" = 107 ]; then
			touch "results/run$n/hung"
			if [ -f "fake/cpus$n" ]; then cp "fake/cpus$n" "results/run$n/cpus"; fi
			echo '# selftests: kvm: b_test' >"results/run$n/results.ktap"
			if [ -f fake/early ]; then
				echo 'verdict: FAIL HANG: time is up'
				: >"results/run$n/results.ktap"
			fi
		fi
		ln -sfn "run$n" results/latest
		exit "$(cat "fake/rc$n" 2>/dev/null || echo 1)"
	TEST
	tsv 0 'pass a_test' 'fail b_test exit=254: Test Assertion Failure / b_test.c:10: x == 0x1f' 'skip c_test no SEV'
	cp fake/0 fake/1
	cp fake/0 fake/2
	tsv_add 2 'pass new_test'
	echo 'b_test | fail | b_test.c:10: x == 0x1f | the emulator lacks x' >expect/v7.3/x86_64/failures
	echo 'WARNING: at bad_code+0x24/0x1c0, CPU#1: a_test/429' >fake/splats
}

# tsv RUN 'RESULT NAME DETAIL'...: the results of one run; tsv_add: more of them.
tsv() {
	: >"fake/$1"
	tsv_add "$@"
}
tsv_add() {
	local line result name detail
	for line in "${@:2}"; do
		read -r result name detail <<<"$line"
		printf '%s\t%s\t%s\n' "$result" "$name" "$detail" >>"fake/$1"
	done
}

# set_result RUN NAME 'RESULT NAME DETAIL': replace one.
set_result() {
	sed -i "/\t$2\t/d" "fake/$1"
	tsv_add "$1" "$3"
}

@test "compare: the same results, a known failure, a new test that passes" {
	run make compare
	expect 0 'verdict: PASS: 4 tests, no difference between base and series'
	[[ $output == *'b_test'*'fail     fail     fail'* ]]
	[[ $output == *'new_test'*'-        -        pass'* ]]
}

@test "compare: numbers and addresses in a failing line do not count" {
	set_result 1 b_test 'fail b_test exit=254: Test Assertion Failure / b_test.c:12: x == 0x2e'
	run make compare
	expect 0 'no difference'
}

@test "compare: a test that the series breaks" {
	set_result 1 a_test 'fail a_test exit=254: oops'
	set_result 2 a_test 'fail a_test exit=254: oops'
	run make compare
	expect 1 'FAIL TEST: differences (1): a_test base: pass series: fail: exit=254: oops'
}

@test "compare: a test that fails otherwise, skips, or takes too long on the series" {
	set_result 1 b_test 'fail b_test exit=254: Test Assertion Failure / b_test.c:99: y == 0'
	set_result 2 b_test 'fail b_test exit=254: Test Assertion Failure / b_test.c:99: y == 0'
	run make compare
	expect 1 'b_test base: fail: exit=254: Test Assertion Failure / b_test.c:10: x == 0x1f series: fail'
	rm -r results
	cp fake/0 fake/1
	set_result 1 a_test 'skip a_test gone'
	set_result 2 c_test 'timeout c_test TIMEOUT 60 seconds'
	run make compare
	expect 1 'a_test base: pass series: skip: gone'
	[[ $output == *'c_test'*'test of the base: skip: no SEV'*'test of the series: timeout'* ]]
}

@test "compare: a test that the series loses, and a new one that fails" {
	sed -i '/a_test/d' fake/2
	set_result 2 new_test 'fail new_test exit=1: no'
	run make compare
	expect 1 'differences (2): a_test'
	[[ $output == *'test of the series: missing'* ]]
	[[ $output == *'new in the series: fail: exit=1: no'* ]]
}

@test "compare: a failure of the base that expect/ does not know, or knows otherwise, or that is none any more" {
	: >expect/v7.3/x86_64/failures
	run make compare
	expect 1 'b_test fails on the base, and expect/ does not say why'
	rm -r results
	echo 'b_test | fail | b_test.c:77: z | the emulator lacks x' >expect/v7.3/x86_64/failures
	run make compare
	expect 1 'expect/ says its first failing line is "b_test.c:77: z"'
	rm -r results
	printf '%s\n' 'b_test | fail | b_test.c:10: | x' 'a_test | fail | a | y' 'd_test | fail | d | z' >expect/v7.3/x86_64/failures
	run make compare
	expect 1 'differences (2): a_test expect/ says fail on the base, and it is pass'
	[[ $output == *'d_test'*'is in expect/ and not in the suite'* ]]
}

@test "compare: judged again after expect/ changed, from anywhere" {
	: >expect/v7.3/x86_64/failures
	run make compare
	expect 1 'repeat: make compare'
	echo 'b_test | fail | b_test.c:10: x == 0x1f | the emulator lacks x' >expect/v7.3/x86_64/failures
	cd results
	run ../scripts/differences.sh "$(basename "$PWD"/*compare*)"
	expect 0 'verdict: PASS'
	run ../scripts/differences.sh run0
	expect 2 'is no folder of compare'
}

@test "compare: flaky on the base: three runs with two outcomes, or it is not" {
	echo 'a_test | flaky 2 pass 1 fail | | a race in the test itself' >>expect/v7.3/x86_64/failures
	set_result 1 a_test 'fail a_test exit=254: oops'
	run make compare
	expect 0 'no difference'
	rm -r results
	set_result 2 a_test 'timeout a_test TIMEOUT 60 seconds'
	run make compare
	expect 1 'a_test flaky, but never seen on the base with: timeout'
	rm -r results
	sed -i 's/flaky 2 pass 1 fail/flaky 1 pass 1 fail/' expect/v7.3/x86_64/failures
	run make compare
	expect 1 'expect/ calls it flaky with fewer than three runs'
}

@test "compare: flaky excuses neither another failing line nor that the test is gone" {
	echo 'a_test | flaky 2 pass 1 fail | a_test.c:12: | a race in the test itself' >>expect/v7.3/x86_64/failures
	set_result 1 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:12: x'
	run make compare
	expect 0 'no difference'
	rm -r results
	set_result 2 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:99: memory corrupt'
	run make compare
	expect 1 'a_test flaky, but never seen on the base with: fail: exit=254: Test Assertion Failure / a_test.c:99'
	rm -r results
	sed -i '/a_test/d' fake/2
	run make compare
	expect 1 'a_test flaky, and missing in run 3 of 3'
}

@test "compare: a test of the base that the series supersedes: fails on it as expect/ says, and the series' own passes" {
	echo 'a_test | superseded | a_test.c:12: | the series allows what it wants refused' >>expect/v7.3/x86_64/failures
	set_result 1 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:12: x'
	run make compare
	expect 0 'no difference'
	rm -r results
	set_result 1 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:99: memory corrupt'
	run make compare
	expect 1 'a_test expect/ says that the series fails the test of the base with "a_test.c:12:", and it is fail: exit=254: Test Assertion Failure / a_test.c:99'
	rm -r results
	set_result 1 a_test 'pass a_test'
	run make compare
	expect 1 'a_test expect/ says that the series fails the test of the base with "a_test.c:12:", and it is pass'
	rm -r results
	set_result 1 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:12: x'
	set_result 2 a_test 'fail a_test exit=254: Test Assertion Failure / a_test.c:12: x'
	run make compare
	expect 1 'a_test test of the series, which supersedes that of the base: fail'
	rm -r results
	set_result 0 a_test 'skip a_test no'
	set_result 2 a_test 'pass a_test'
	run make compare
	expect 1 'a_test expect/ says that it passes on the base, and it is skip'
}

@test "compare: a program with a dot in its name is no case of another" {
	for n in 0 1 2; do tsv_add "$n" 'fail dot_test.sh exit=1: oops'; done
	run make compare
	expect 1 'dot_test.sh fails on the base, and expect/ does not say why'
	echo 'dot_test.sh | fail | oops | this kernel lacks y' >>expect/v7.3/x86_64/failures
	run scripts/differences.sh results/*-compare-*
	expect 0 'no difference'
	sed -i '/dot_test/d' results/*-compare-*/series-on-series.tsv
	run scripts/differences.sh results/*-compare-*
	expect 1 'dot_test.sh test of the base: fail: exit=1: oops test of the series: missing'
}

@test "compare: JUnit has what differs, and not what fails as it is known to" {
	run make compare
	expect 0 'no difference'
	grep -q 'tests="5" failures="0"' results/*-compare-*/junit.xml
	refute ls results/run*/junit.xml
	rm -r results
	set_result 2 a_test 'fail a_test exit=254: x < y'
	run make compare
	expect 1 'a_test'
	grep -q 'name="a_test"><failure message="test of the base: pass; test of the series: fail: exit=254: x &lt; y"/>' results/*-compare-*/junit.xml
	grep -q 'tests="5" failures="2"' results/*-compare-*/junit.xml
}

@test "compare: a guest that hangs before its first test ends it" {
	echo 107 >fake/rc0
	: >fake/early
	run timeout 60 make compare
	expect 107 'time is up'
}

# splat_once RUN: the kernel of that run complains, and not in the run after it.
splat_once() {
	local n
	for n in 2 1 0; do
		if [ "$n" -ge "$1" ]; then cp "fake/$n" "fake/$((n + 1))"; fi
	done
	echo 109 >"fake/rc$1"
}

@test "compare: a kernel of the base that complains once: said, and tried again" {
	splat_once 0
	run make compare
	expect 0 'the kernel complained: 1 base-on-base: WARNING: at bad_code+0x24/0x1c0'
	expect 0 'verdict: PASS: 4 tests'
	[ "$(cat results/run1/tests)" = 'a_test b_test c_test' ]
}

@test "compare: a kernel of the series that complains once: a difference, unless the base is known to" {
	splat_once 2
	run make compare
	expect 1 'the kernel of the series complained (series-on-series), and not the base'
	echo 'a_test | flaky 2 pass 1 splat | at bad_code | a bug of the base' >>expect/v7.3/x86_64/failures
	run scripts/differences.sh results/*-compare-*
	expect 0 'verdict: PASS'
	sed -i '/^a_test/d' expect/v7.3/x86_64/failures
	sed -i '1i base-on-base: WARNING: at bad_code+0x28/0x1c0, CPU#0: a_test/430' results/*-compare-*/splats
	run scripts/differences.sh results/*-compare-*
	expect 0 'verdict: PASS'
}

@test "compare: what a kernel complains of behind what is known is a difference, too" {
	echo 'BUG: KASAN: slab-use-after-free in worse_code+0x10/0x20' >>fake/splats
	echo 'a_test | flaky 2 pass 1 splat | at bad_code | a bug of the base' >>expect/v7.3/x86_64/failures
	splat_once 2
	run make compare
	expect 1 'differences (1): the kernel of the series complained (series-on-series), and not the base'
	expect 1 'worse_code'
}

@test "compare: a guest that hangs after a complaint has hung, too" {
	touch fake/hung
	echo 'a_test | flaky 2 pass 1 splat | at bad_code | a bug of the base' >>expect/v7.3/x86_64/failures
	splat_once 2
	run make compare
	expect 1 'differences (1): b_test hung the guest on the series (series-on-series)'
}

@test "compare: a complaint that names no place is no excuse for another" {
	echo 'rcu: INFO: rcu_sched detected stalls on CPUs/tasks:' >fake/splats
	splat_once 2
	run make compare
	sed -i '1i base-on-base: rcu: INFO: rcu_sched detected stalls on CPUs/tasks:' results/*-compare-*/splats
	run scripts/differences.sh results/*-compare-*
	expect 1 'the kernel of the series complained (series-on-series)'
}

@test "compare: another exit code is a difference" {
	tsv 0 'pass a_test' 'fail b_test exit=127' 'skip c_test no SEV'
	tsv 1 'pass a_test' 'fail b_test exit=139' 'skip c_test no SEV'
	cp fake/1 fake/2
	echo 'b_test | fail | exit=127 | no bash' >expect/v7.3/x86_64/failures
	run make compare
	expect 1 'differences (1): b_test base: fail: exit=127 series: fail: exit=139'
}

@test "compare: a kernel that complains twice ends it" {
	splat_once 1
	echo 109 >fake/rc2
	run make compare
	expect 109 'FAIL SPLAT: WARNING: at bad_code'
}

@test "compare: a kernel that panics or splats ends it with its own class" {
	echo 106 >fake/rc1
	run make compare
	expect 106 ''
	grep -q 'verdict: base-on-series: FAIL PANIC' results/*compare*/verdict
}

# hang_once RUN: b_test hangs the guest of that run, and not that of the next, which is
# put in between.
hang_once() {
	local n
	for n in 2 1 0; do
		if [ "$n" -gt "$1" ]; then mv "fake/$n" "fake/$((n + 1))"; fi
	done
	tsv $(($1 + 1)) 'fail b_test exit=254: Test Assertion Failure / b_test.c:10: x == 0x1f' 'skip c_test no SEV'
	if [ "$1" -eq 2 ]; then tsv_add 3 'pass new_test'; fi
	tsv "$1" 'pass a_test' 'broken plan'
	echo 107 >"fake/rc$1"
}

@test "compare: a test that hangs the guest of the series, if only once: a difference; a new guest runs the rest" {
	hang_once 2
	run make compare
	expect 1 'FAIL TEST: differences (1): b_test hung the guest on the series (series-on-series), and not on the base'
	[ "$(cat results/run3/tests)" = 'b_test c_test new_test' ]
	# unless expect/ knows that test for it, or it hung on the base, too
	for kind in '2 fail 1 hang' '1 hang 2 fail'; do
		echo "b_test | flaky $kind | | the emulator" >expect/v7.3/x86_64/failures
		run scripts/differences.sh results/*-compare-*
		expect 0 'the guest hung in: 1 series-on-series: b_test'
	done
	echo 'b_test | flaky 2 fail 1 pass | | it may hang at times' >expect/v7.3/x86_64/failures
	run scripts/differences.sh results/*-compare-*
	expect 1 'b_test hung the guest on the series'
	# also where expect/ has nothing to say
	: >expect/v7.3/x86_64/failures
	run scripts/differences.sh results/*-compare-*
	expect 1 'differences (2)'
	grep -q 'hung the guest on the series' results/*-compare-*/differences
	echo 'b_test | fail | b_test.c:10: x == 0x1f | the emulator lacks x' >expect/v7.3/x86_64/failures
	sed -i '1i base-on-base: b_test' results/*-compare-*/hangs
	run scripts/differences.sh results/*-compare-*
	expect 0 'verdict: PASS'
}

@test "compare: an emulator that hangs, or the base: no difference, but said" {
	hang_once 2
	echo "QEMU's monitor does not answer: the emulator hangs" >fake/cpus2
	run make compare
	expect 0 'the guest hung in: 1 series-on-series: b_test (the emulator)'
	rm -r results fake/cpus2 fake/rc2
	mv fake/3 fake/2
	tsv_add 2 'pass a_test'
	hang_once 0
	run make compare
	expect 0 'the guest hung in: 1 base-on-base: b_test'
}

@test "compare: a test that hangs the guest twice: that is its result, and a new guest runs the rest" {
	local n
	for n in 0 3 6; do
		tsv "$n" 'pass a_test' 'broken plan'
		tsv $((n + 1)) 'broken plan'
		echo 107 | tee "fake/rc$n" >"fake/rc$((n + 1))"
		tsv $((n + 2)) 'skip c_test no SEV'
	done
	tsv_add 8 'pass new_test'
	run make compare
	expect 1 'b_test expect/ says fail on the base, and it is hang: the guest hung, twice'
	[ "$(cat results/run1/tests)" = 'b_test c_test' ]
	[ "$(cat results/run8/tests)" = 'c_test new_test' ]
	echo 'b_test | hang | the guest hung | the emulator' >expect/v7.3/x86_64/failures
	run scripts/differences.sh results/*-compare-*
	expect 0 'verdict: PASS: 4 tests, no difference'
	[[ $output == *'b_test'*'hang     hang     hang'* ]]
}

@test "compare: bad knobs" {
	run make compare SERIES=none
	expect 2 'SERIES=none is what compare compares with'
	run make compare TESTS=a_test
	expect 2 'compare runs all tests'
}

@test "the guest's timeout: exit codes, and no child is left that would hold the pipe" {
	local start=$SECONDS
	printf '#!/bin/sh\nsleep 60 & sleep 60 & wait\n' >forker
	chmod +x forker
	# as the runner calls it
	run busybox sh guest/timeout --foreground 1 busybox sh guest/timeout 1 ./forker
	[ "$status" -eq 124 ]
	[ $((SECONDS - start)) -lt 10 ]
	run busybox sh guest/timeout --foreground 9 busybox sh guest/timeout 9 sh -c 'exit 7'
	[ "$status" -eq 7 ]
}
