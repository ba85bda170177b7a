#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# cover's judgement, on made-up counts; nothing is built or booted.

load lib

setup() {
	project
	mkdir cover
	printf 'v7.3\tx86_64\n' >cover/subject
	counts 100 96
	printf 'WARN_ON_ONCE(1);\nreturn -EINVAL;\n' >cover/uncovered
	printf '# why\nWARN_ON_ONCE(1); | nobody does that\nreturn -EINVAL; | the same\n' >expect/v7.3/x86_64/uncovered
}

# counts ALL RAN: so many lines of guest_memfd.c; two of another file are changed and ran.
counts() {
	local name
	for name in selftests all; do
		seq "$1" | awk -v ran="$2" '{ print "virt/kvm/guest_memfd.c:" $1, $1 <= ran }' >"cover/$name.lines"
		printf 'virt/kvm/kvm_main.c:%d 3\n' 1 2 >"cover/$name.changed.lines"
	done
}

judge() { run scripts/uncovered.sh cover; }

@test "cover: all changed lines, 95 % of guest_memfd.c, and a reason for the rest: PASS" {
	judge
	expect 0 'verdict: PASS: 96 of 100 (96.0 %) lines of guest_memfd.c, 2 of 2 (100.0 %) changed lines'
	expect 0 'selftests  guest_memfd.c 96 of 100 (96.0 %), changed lines 2 of 2 (100.0 %)'
	counts 100 95
	judge
	expect 0 'PASS: 95 of 100'
}

@test "cover: a changed line that never ran is named" {
	echo 'virt/kvm/kvm_main.c:4711 0' >>cover/all.changed.lines
	judge
	expect 1 'FAIL TEST: changed lines that no test runs (all): virt/kvm/kvm_main.c:4711'
	sed -i '/4711/d' cover/all.changed.lines
	echo 'virt/kvm/kvm_main.c:4711 0' >>cover/selftests.changed.lines
	run scripts/uncovered.sh cover
	expect 1 'FAIL TEST: changed lines that no test runs (selftests): virt/kvm/kvm_main.c:4711'
}

@test "cover: a line without a reason, and a reason without its line" {
	echo "return -EIO;" >>cover/uncovered
	judge
	expect 1 'FAIL TEST: lines of guest_memfd.c that never ran (>)'
	expect 1 '> return -EIO;'
	echo 'return -EINVAL;' >cover/uncovered
	judge
	expect 1 '< WARN_ON_ONCE(1);'
	# a line of C may have a | of its own
	echo 'if (a || b)' >cover/uncovered
	echo 'if (a || b) | neither' >expect/v7.3/x86_64/uncovered
	judge
	expect 0 'verdict: PASS'
	# no list at all is an empty one
	rm expect/v7.3/x86_64/uncovered
	judge
	expect 1 '> if (a || b)'
}

@test "cover: less than 95 % of guest_memfd.c" {
	counts 100 94
	judge
	expect 1 'FAIL TEST: less than 95 % of guest_memfd.c ran: 94 of 100 (94.0 %)'
}

@test "cover: nothing counted is no success" {
	: >cover/all.changed.lines
	judge
	expect 110 'no changed line was counted'
	counts 0 0
	judge
	expect 1 'less than 95 % of guest_memfd.c ran: 0 of 0'
}

@test "uncovered: a folder that is none of cover's" {
	rm cover/subject
	judge
	expect 2 'is no folder of cover: it has no subject'
}
