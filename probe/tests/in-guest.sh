#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# in-guest.sh [covered] PART...: what tests/probe.bats runs in the booted kernel, all of it in one
# boot. Each command's output, stdout and stderr, comes between "=== NAME" and
# "=== exit CODE"; what is right is for the test to say.

# the bench's own, which would count against a limit on descriptors
exec 3>&-

# Where a part shall count for what is covered, this is gmem-probe-fail, failing nowhere.
probe=./gmem-probe

# covered PART...: those parts with gmem-probe-fail; at the end what it covered.
covered() {
	mkdir -m 777 /tmp/gcov
	chmod 777 /tmp/gcov
	export GCOV_PREFIX=/tmp/gcov FAIL_AT=999999
	probe=./gmem-probe-fail
	for part in "$@"; do "$part"; done
	echo '=== gcov'
	(cd /tmp/gcov && tar -c .) | base64
	echo "=== exit $?"
}

# show NAME CMD...
show() {
	echo "=== $1"
	shift
	"$@" 2>&1
	echo "=== exit $?"
}

as_nobody() { su -s /bin/sh nobody -c "$1"; }

# All kernels: what is there, what works, in both widths.
answers() {
	show table $probe
	show json $probe --json
	show flags-only $probe --flags-only
	show header-test ./header-test
	show header-fake ./header-fake
	for list in MMAP,INIT_SHARED MMAP sw-protected MMAP,sw-protected MMAP,INIT_SHARED,sw-protected \
		INIT_SHARED default MMAP,bit40 bit40 snp; do
		show "require $list" $probe --require "$list"
	done
	show json-require $probe --json --require MMAP,INIT_SHARED
	show json-refused $probe --json --require bit62
	if [ -e ./gmem-probe-32 ]; then
		show table-32 ./gmem-probe-32
		show json-32 ./gmem-probe-32 --json
		show header-test-32 ./header-test-32
		show header-fake-32 ./header-fake-32
	fi
}

# A kernel that gave the number of FLAGS_HI to something else, NR_MEMSLOTS here; and one
# with more flags than are combined.
other_number() {
	export FLAGS_HI_IS=10
	show other-number $probe
	show json-other-number $probe --json
	show require-other-number $probe --require MMAP,INIT_SHARED
	show require-other-number-high $probe --require MMAP,bit40
	show flags-only-other-number $probe --flags-only
	show vm-only-number env VM_ONLY=1 $probe
	unset FLAGS_HI_IS
	export FLAGS_IS=10
	show many-flags $probe
	show vm-only-flags env VM_ONLY=1 $probe --flags-only
	show require-many-flags $probe --require bit2,bit14
	unset FLAGS_IS
}

usage() {
	show usage-help $probe --help
	show usage-version $probe --version
	show usage-option $probe --no-such
	show usage-argument $probe MMAP
	show usage-flag $probe --require MAMP
	show usage-empty $probe --require ''
	show usage-type0 $probe --require MMAP,type0
	show usage-types $probe --require default,snp
	show usage-twice $probe --require MMAP --require MMAP
	show usage-both $probe --flags-only --json
	show usage-long-name $probe --require GUEST_MEMFD_FLAG_MMAP,bit1
	show full-disk sh -c "$probe >/dev/full"
}

# /dev/kvm missing, not permitted in three ways, and something else.
access() {
	mkdir -p /etc
	echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
	printf 'kvm:x:107:\nnogroup:x:65534:\n' >/etc/group
	chmod 755 . ..
	if [ -d /tmp/gcov ]; then chmod -R a+rwX /tmp/gcov; fi
	chown 0:107 /dev/kvm
	chmod 660 /dev/kvm
	show access-group as_nobody $probe
	refused='FAIL_AT=1 FAIL_WITH=13 ./gmem-probe-fail'
	sed -i 's/^kvm:.*/&nobody/' /etc/group
	show access-member as_nobody "$refused"
	sed -i 's/nobody$//; s/^nogroup.*/nogroup:x:65534:/' /etc/group
	chmod 666 /dev/kvm
	show access-all as_nobody "$refused"
	chmod 660 /dev/kvm
	show access-root sh -c "$refused"
	chown 65534:65534 /dev/kvm
	show access-user-namespace sh -c "$refused"
	chown 0:0 /dev/kvm
	show access-root-group as_nobody $probe
	chown 0:108 /dev/kvm
	show access-nameless-group as_nobody $probe
	chmod 600 /dev/kvm
	show access-root-only as_nobody $probe
	mv /etc/group /etc/nogroup
	show access-no-groups as_nobody $probe
	mv /dev/kvm /dev/kvm.saved
	show access-missing $probe
	show access-missing-json $probe --json
	show access-missing-require $probe --require MMAP
	: >/dev/kvm
	show access-no-kvm $probe
	rm /dev/kvm
	mknod /dev/kvm c 10 250
	show access-no-module $probe
	rm /dev/kvm
	mv /dev/kvm.saved /dev/kvm
}

# Few descriptors, or little memory: never a crash, and always a word about it.
limits() {
	for number in 3 4 5 6 7 8; do
		show "nofile $number" sh -c "ulimit -n $number; exec ./gmem-probe --json"
	done
	for kib in 1200 1600 2400 4000; do
		show "as $kib" sh -c "ulimit -v $kib; exec ./gmem-probe --json"
	done
}

# once AT WITH [OPTION...]: gmem-probe-fail with that call failing; complains if it
# crashes, leaks, or says the same as without a failure.
once() {
	at=$1 with=$2
	shift 2
	FAIL_AT=$at FAIL_WITH=$with ./gmem-probe-fail "$@" >/tmp/out 2>/tmp/err
	rc=$?
	if [ $rc -gt 3 ]; then
		echo "call $at, errno $with, $*: exit code $rc"
		cat /tmp/err
	elif [ "$with" -ne 0 ] && [ $rc -eq "$normal_rc" ] && [ ! -s /tmp/err ] && cmp -s /tmp/out /tmp/normal; then
		echo "call $at, errno $with, $*: unnoticed"
	fi
}

# each WITH [OPTION...]: every call in turn.
each() {
	with=$1
	shift
	env -u FAIL_AT ./gmem-probe-fail "$@" >/tmp/normal 2>/tmp/err
	normal_rc=$?
	calls=$(sed -n 's/^calls: //p' /tmp/err)
	for at in $(seq "$calls"); do once "$at" "$with" "$@"; done
	echo "$calls calls"
}

faults() {
	for columns in 0 40 60 80; do
		show "terminal $columns" env TTY_COLUMNS="$columns" TERM=xterm ./gmem-probe-fail
	done
	show terminal-dumb env TTY_COLUMNS=80 TERM=dumb ./gmem-probe-fail
	show terminal-no-color env TTY_COLUMNS=80 TERM=xterm NO_COLOR=1 ./gmem-probe-fail
	show faults-EMFILE each 24 --json
	show faults-EINVAL each 22 --json
	show faults-ENOTTY each 25 --json
	show faults-pretended each 0 --json
	show faults-EINTR each 4 --flags-only
	show alarm env KVM_RUN_EINTR=1 FAIL_AT=999999 ./gmem-probe-fail
	show interrupted env KVM_RUN_EINTR=2 FAIL_AT=999999 ./gmem-probe-fail
	show blocked env BLOCKED=1 FAIL_AT=999999 ./gmem-probe-fail
	show unbound env UNBOUND=3 FAIL_AT=999999 ./gmem-probe-fail
	show no-vm-high sh -c 'ulimit -n 4; FLAGS_HI_IS=10 FAIL_AT=999999 exec ./gmem-probe-fail'
	export EMULATED=1
	show faults-emulated each 24 --json
	show require-emulated env FAIL_AT=999999 ./gmem-probe-fail --require MMAP,INIT_SHARED
	show require-emulated-private env FAIL_AT=999999 ./gmem-probe-fail --require MMAP
	show emulated-none env EMULATED=0 FAIL_AT=999999 ./gmem-probe-fail --require MMAP,INIT_SHARED
	unset EMULATED
	show sev env TYPES=15 FAIL_AT=999999 ./gmem-probe-fail
	show sev-json env TYPES=15 FAIL_AT=999999 ./gmem-probe-fail --json
	show require-sev env TYPES=15 FAIL_AT=999999 ./gmem-probe-fail --require sev
	show require-sev-mmap env TYPES=15 FAIL_AT=999999 ./gmem-probe-fail --require sev-es,MMAP,INIT_SHARED
	show stat env FAIL_AT=1 FAIL_ON=1 FAIL_WITH=13 ./gmem-probe-fail
	show no-vm sh -c 'ulimit -n 4; exec ./gmem-probe-fail --require MMAP'
	show no-file-required sh -c 'ulimit -n 5; exec ./gmem-probe-fail --require MMAP,bit40'
	show no-file sh -c 'ulimit -n 5; exec ./gmem-probe-fail'
	for errno in 1 5 6 13 19; do
		show "open $errno" env FAIL_AT=1 FAIL_WITH="$errno" ./gmem-probe-fail
	done
}

if [ "$1" = covered ]; then "$@"; else for part in "$@"; do "$part"; done; fi
