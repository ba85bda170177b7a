#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# gmem-probe and gmem_flags.h: built in every way that is promised, and run on the
# booted kernels. What each kernel must answer stands in expect/BASE/ARCH/gmem-probe*.

load lib
bats_require_minimum_version 1.5.0

setup_file() {
	export guests=$BATS_FILE_TMPDIR
}

setup() { cd "$top" || return; }

strict=(-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror)

# paths BASE SERIES ARCH [EXTRA]: what the bench has for that kernel: headers, cross.
paths() {
	BASE=$1 SERIES=$2 ARCH=$3 EXTRA=${4:-}
	eval "$(. scripts/lib.sh && set_paths && printf 'out=%q cross=%q cc32=%q busybox=%q\n' "$out" "$cross" "$cc32" "$busybox")"
	headers=$out/usr/include
}

# compile DIR: the programs that run in the guest, with the headers of its kernel; those
# for 32 bit with Debian's own, which are older than guest_memfd.
compile() {
	local test
	"${cross}gcc" -O2 -static "${strict[@]}" -isystem "$headers" -o "$1/gmem-probe" probe/*.c
	if [ -n "$cc32" ]; then "$cc32" -O2 -static "${strict[@]}" -o "$1/gmem-probe-32" probe/*.c; fi
	for test in header-test header-fake; do
		"${cross}gcc" -O2 -static "${strict[@]}" -isystem "$headers" -o "$1/$test" "probe/tests/$test.c"
		if [ -n "$cc32" ]; then "$cc32" -O2 -static "${strict[@]}" -o "$1/$test-32" "probe/tests/$test.c"; fi
	done
}

# guest NAME KNOBS... -- SCRIPT: one boot that runs SCRIPT beside the programs in
# $guests/NAME; its output in $guests/NAME.out. Later tests find it there.
guest() {
	local name=$1 knobs=() files
	shift
	while [ "$1" != -- ]; do
		knobs+=("$1")
		shift
	done
	if [ -e "$guests/$name.out" ]; then return; fi
	[ ! -e "$guests/$name.tried" ] || fail "the boot of an earlier test went wrong"
	touch "$guests/$name.tried"
	files=$(find "$guests/$name" -type f | paste -sd ' ')
	cp "$busybox" "$guests/busybox"
	# $ is make's, too
	make -s exec "${knobs[@]}" PROG="$guests/busybox" ARGS="sh -c '${2//\$/\$\$}'" \
		FILES="$files probe/tests/in-guest.sh" >"$guests/$name.part"
	mv "$guests/$name.part" "$guests/$name.out"
}

# answers NAME BASE SERIES ARCH [EXTRA]: the boot that every kernel gets.
answers() {
	local name=$1
	shift
	paths "$@"
	if [ ! -e "$guests/$name.out" ]; then
		mkdir -p "$guests/$name"
		compile "$guests/$name"
	fi
	guest "$name" BASE="$BASE" SERIES="$SERIES" ARCH="$ARCH" EXTRA="$EXTRA" -- 'sh in-guest.sh answers'
}

# main_guest: the series on x86_64, with all that needs no other kernel, in one boot.
main_guest() {
	local dir=$guests/main
	paths v7.3 flags x86_64
	if [ ! -e "$dir.out" ]; then
		mkdir -p "$dir" "$guests/gcov"
		compile "$dir"
		# where gcov looks for what it counts
		(cd "$guests/gcov" && gcc -static --coverage -isystem "$headers" "$fail_wraps" -I"$top/probe" \
			-o gmem-probe-fail "$top"/probe/*.c "$top/probe/tests/fail.c")
		cp "$guests/gcov/gmem-probe-fail" "$dir"
	fi
	guest main -- 'sh in-guest.sh answers limits; sh in-guest.sh covered usage access faults answers other_number'
}

# section NAME SECTION: its output, and in $code its exit code.
section() {
	awk -v name="=== $2" '
		/^=== exit / { if (on) { print $0; exit } }
		on { print }
		$0 == name { on = 1 }' "$guests/$1.out" >"$guests/section"
	code=$(sed -n '$s/^=== exit //p' "$guests/section")
	[ -n "$code" ] || fail "no section '$2' in $1: $(tail -n 3 "$guests/$1.out")"
	sed -i '$d' "$guests/section"
}

# says NAME SECTION CODE TEXT: that exit code, and that in the output.
says() {
	section "$1" "$2"
	[ "$code" -eq "$3" ] || fail "$2: exit code $code, expected $3: $(cat "$guests/section")"
	grep -qF -- "$4" "$guests/section" || fail "$2: no '$4' in: $(cat "$guests/section")"
}

# summary NAME: what expect/ has: the tables, and the answers to --require.
summary() {
	local list
	section "$1" table
	cat "$guests/section"
	echo "exit $code"
	sed -n 's/^=== require //p' "$guests/$1.out" | awk '!seen[$0]++' | while read -r list; do
		section "$1" "require $list"
		printf '\n$ gmem-probe --require %s\n' "$list"
		cat "$guests/section"
		echo "exit $code"
	done
}

# as_expected NAME FILE: the kernel says what expect/ has; so do the 32-bit program and
# JSON, whose object the schema must describe.
as_expected() {
	local part test
	summary "$1" >"$guests/$1.summary"
	diff "$2" "$guests/$1.summary"
	for test in header-test header-fake ${cc32:+header-test-32 header-fake-32}; do
		section "$1" "$test"
		[ "$code" -eq 0 ] || fail "$(cat "$guests/section")"
		grep -qx "1\.\.$(grep -c ^ok "$guests/section")" "$guests/section"
	done
	for part in json json-require json-refused; do
		section "$1" "$part"
		jsonschema -i "$guests/section" probe/gmem-probe.schema.json
	done
	section "$1" flags-only
	diff <(sed '/^$/,$d; /^exit /,$d' "$2") <(sed '/^(FLAGS_HI: nothing was tried/,$d' "$guests/section")
	if [ -z "$cc32" ]; then return; fi
	section "$1" json-32
	jsonschema -i "$guests/section" probe/gmem-probe.schema.json
	section "$1" table-32
	# the remark on the header is the one difference: Debian's is older
	sed '/^(FLAGS_HI: /d' "$guests/section" >"$guests/table-32"
	diff <(sed '/^exit /,$d; /^(FLAGS_HI: /d' "$2") "$guests/table-32"
}

# --- on each kernel ---

@test "v7.3, series, x86_64: the expected answers" {
	main_guest
	as_expected main expect/v7.3/x86_64/gmem-probe
}

@test "v7.3, pristine, x86_64: the expected answers" {
	answers none v7.3 none x86_64
	as_expected none expect/v7.3/x86_64/gmem-probe.none
}

@test "v7.3, example flag in bit 40, x86_64: the expected answers" {
	answers example v7.3 flags x86_64 series/example/v7.3/0001-KVM-guest_memfd-Add-an-example-flag.patch
	as_expected example expect/v7.3/x86_64/gmem-probe.example
}

@test "v7.3, series, arm64: the expected answers, also with memory tags" {
	answers arm64 v7.3 flags arm64
	as_expected arm64 expect/v7.3/arm64/gmem-probe
	grep -q '^default+mte .*EINVAL' expect/v7.3/arm64/gmem-probe
}

# "make check" may not have built these.
built() { [ -e "build/$1/$2/x86_64/arch/x86/boot/bzImage" ] || skip "there is no kernel of it; make build BASE=$1 SERIES=$2"; }

@test "v6.12, series, x86_64: the expected answers" {
	built v6.12 flags
	answers v6.12 v6.12 flags x86_64
	as_expected v6.12 expect/v6.12/x86_64/gmem-probe
}

@test "v6.12, pristine, x86_64: the expected answers" {
	built v6.12 none
	answers v6.12-none v6.12 none x86_64
	as_expected v6.12-none expect/v6.12/x86_64/gmem-probe.none
}

@test "a kernel that uses number 252 for something else: nothing is usable by it" {
	main_guest
	says main other-number 0 'default: accepted in no combination, capability 252 may be something else here: bit34 bit35'
	[ "$(grep -cE '^default .* (yes|no) ' "$guests/section")" -eq 4 ]
	says main require-other-number 0 'usable: default: MMAP INIT_SHARED'
	says main require-other-number-high 1 'create: accepted in no combination, capability 252 may be something else here: bit40'
	# one that only VMs answer is no contradiction, but flags that /dev/kvm lacks are
	says main vm-only-number 0 'default: accepted in no combination'
	refute grep -q 'does not report' "$guests/section"
	says main flags-only-other-number 0 '(FLAGS_HI: nothing was tried; the column is the answer to capability 252)'
	says main vm-only-flags 1 'default: has flags that /dev/kvm does not report'
	section main json-other-number
	jsonschema -i "$guests/section" probe/gmem-probe.schema.json
}

@test "VM types whose guests cannot be run: usable only as far as that can be told" {
	main_guest
	says main require-sev 1 'not usable: sev: -: guest: in a VM without private memory, only a file with MMAP'
	says main require-sev-mmap 0 'usable: sev-es: MMAP INIT_SHARED'
	says main sev 0 'guest   -       a VM of this type runs only after a launch of its own'
	section main sev-json
	jsonschema -i "$guests/section" probe/gmem-probe.schema.json
}

@test "guests whose instructions KVM emulates: with the mapping as userspace_addr" {
	main_guest
	says main require-emulated 0 'usable: default: MMAP INIT_SHARED'
	says main require-emulated-private 1 'not usable: default: MMAP: guest: EFAULT: KVM emulates the guest, which cannot read the mapping without INIT_SHARED'
	says main emulated-none 1 'guest: the guest reads the memory at userspace_addr, not the file'
	section main faults-emulated
	[[ $(cat "$guests/section") =~ ^[0-9]+\ calls$ ]] || fail "$(cat "$guests/section")"
}

@test "a guest that stops elsewhere: the next one starts anew" {
	main_guest
	says main unbound 0 'the guest stopped with exit reason 6'
	grep -Eq '^default +yes +ENODEV +- +[^ ]+ +no +no +INIT_SHARED$' "$guests/section"
	grep -Eq '^default +yes +yes +yes +yes +yes +yes +MMAP INIT_SHARED$' "$guests/section"
}

@test "no VM can be asked: nothing is said to be accepted by none" {
	main_guest
	says main no-vm-high 1 'KVM_CREATE_VM: Too many open files'
	refute grep -q 'accepted in no combination' "$guests/section"
}

@test "KVM_RUN interrupted: by the alarm, the guest did not answer; else again" {
	main_guest
	says main alarm 1 'EINTR   the guest did not answer in time'
	says main alarm 1 'an earlier guest did not answer in time'
	says main interrupted 0 'guest   no      the guest reads the memory at userspace_addr'
	refute grep -q EINTR "$guests/section"
}

@test "started with all signals blocked: trials that end by a signal still do" {
	main_guest
	section main blocked
	cp "$guests/section" "$guests/blocked"
	says main interrupted 0 ''
	diff "$guests/blocked" "$guests/section"
}

@test "more than eight flags: the first eight are combined, the others named" {
	main_guest
	says main many-flags 0 'default: not tried, there are more than 8 flags: bit10 bit11 bit12 bit13 bit14'
	[ "$(grep -c '^default  .* EINVAL ' "$guests/section")" -eq 255 ]
	says main require-many-flags 1 'not tried, because the VM has too many flags'
}

# --- options and access ---

@test "wrong use: exit 2, and a line that says what is wrong" {
	main_guest
	says main usage-option 2 "unrecognized option '--no-such'"
	says main usage-argument 2 "'MMAP' is no option"
	says main usage-flag 2 "'MAMP' is neither a flag"
	says main usage-empty 2 "'' is neither a flag"
	says main usage-types 2 "'snp' is a second VM type"
	says main usage-twice 2 '--require is given twice'
	says main usage-both 2 '--flags-only tries nothing'
	says main usage-type0 0 'usable: default: MMAP'
	says main usage-help 0 'Exit codes: 0 usable, 1 not usable, 2 wrong use, 3 no access'
	says main usage-version 0 "gmem-probe $(sed -n 's/^#define GMEM_FLAGS_VERSION "\(.*\)"/\1/p' probe/gmem_flags.h)"
	says main usage-long-name 0 'usable: default: MMAP INIT_SHARED'
	says main full-disk 1 'cannot write the output: No space left on device'
}

@test "no access: exit 3; missing, not permitted, or something else, and what to do" {
	main_guest
	says main access-group 3 "join its group 'kvm' (sudo usermod -aG kvm USER)"
	says main access-member 3 'although its mode (0660) lets this user in: a security module refuses'
	says main access-all 3 'although its mode (0666) lets'
	says main access-root 3 'a security module refuses'
	says main access-user-namespace 3 "its group 'nogroup' is not one to join"
	says main access-root-group 3 "permission denied; its group '0' is not one to join"
	says main access-nameless-group 3 "join its group '108'"
	says main access-root-only 3 "also to its group '108' (mode 0600); let the group in"
	says main access-no-groups 3 "'108'"
	says main access-missing 3 '/dev/kvm is missing; load'
	[ "$(wc -l <"$guests/section")" -eq 1 ]
	says main access-missing-json 3 '/dev/kvm is missing; load'
	says main access-missing-require 3 '/dev/kvm is missing; load'
	says main access-no-kvm 3 '/dev/kvm is not KVM'
	says main access-no-module 3 'no KVM is behind it'
	says main 'open 1' 3 'device cgroup or a security module'
	says main 'open 5' 3 'Input/output error'
	says main stat 3 'permission denied, and stat() fails: Permission denied'
}

# --- each call fails in turn ---

@test "limits on descriptors and memory: always a word about it, never a crash" {
	local number kib
	main_guest
	says main 'nofile 3' 3 'Too many open files'
	says main 'nofile 4' 1 '"error": {"call": "KVM_CREATE_VM", "code": "EMFILE"}'
	says main 'nofile 5' 1 '"create": {"result": "no", "code": "EMFILE"'
	says main no-vm 1 'not usable: default: MMAP: KVM_CREATE_VM'
	says main no-file-required 1 'not usable: default: MMAP bit40: create: EMFILE: '
	says main no-file 1 'create  EMFILE  the host refused for another reason: errno 24'
	for number in 4 5 6 7 8; do
		section main "nofile $number"
		grep -v '^gmem-probe: ' "$guests/section" >"$guests/object"
		jsonschema -i "$guests/object" probe/gmem-probe.schema.json
	done
	for kib in 1200 1600 2400 4000; do
		section main "as $kib"
		# 137 and 139: too little for the kernel to start it at all
		case $kib-$code in *-[0-3] | *-126 | *-127 | 1200-137 | 1200-139) ;; *) fail "$kib KiB: exit code $code" ;; esac
	done
	section main 'as 4000'
	[ "$code" -eq 0 ]
}

@test "each call fails in turn: noticed, no crash, no descriptor left open" {
	main_guest
	section main faults-EMFILE
	[[ $(cat "$guests/section") =~ ^[0-9]+\ calls$ ]] || fail "$(cat "$guests/section")"
	[ "$(sed 's/ calls//' "$guests/section")" -gt 60 ]
	# what is refused with these is believed where the kernel may say so
	for error in EINVAL ENOTTY; do
		section main "faults-$error"
		refute grep -q 'exit code' "$guests/section"
		tail -n 1 "$guests/section" | grep -Eqx '[0-9]+ calls'
	done
	section main faults-pretended
	[[ $(cat "$guests/section") =~ ^[0-9]+\ calls$ ]] || fail "$(cat "$guests/section")"
	# KVM_CREATE_VM is tried again, for two VM types
	section main faults-EINTR
	[ "$(grep -c unnoticed "$guests/section")" -eq 2 ] || fail "$(cat "$guests/section")"
	[ "$(wc -l <"$guests/section")" -eq 3 ]
}

@test "every line of the command has run, but those of other kernels" {
	local source
	main_guest
	section main gcov
	base64 -d "$guests/section" | tar -x -C "$guests/gcov" --transform 's,.*/,,'
	cd "$guests/gcov"
	gcov -o . gmem-probe-fail-{gmem-probe,trial,output}.gcda >/dev/null
	for source in gmem-probe trial output; do
		sed -nE "s/^ *#####: *[0-9]+:[[:space:]]*(.*)/$source: \1/p" "$source.c.gcov"
	done | sort >missed
	# each line of "uncovered" has its reason behind |
	sed -nE '/^#/!s/^(.*[^ ]) +\| .*/\1/p' "$top/probe/tests/uncovered" | sort >known
	diff known missed
}

# --- on terminals ---

@test "the table fits the terminal; colour on terminals only, and not with NO_COLOR" {
	local columns
	main_guest
	for columns in 60 80; do
		section main "terminal $columns"
		[ "$(sed 's/\x1b\[[0-9]*m//g' "$guests/section" | awk '{ if (length > n) n = length } END { print n }')" -le "$columns" ] ||
			[ "$columns" -lt 79 ] # columns of fixed width end at 67
		grep -q $'\x1b\\[32myes' "$guests/section"
	done
	section main 'terminal 60'
	[ "$(sed -n '/^write/,$p' "$guests/section" | awk '{ if (length > n) n = length } END { print n }')" -le 60 ]
	for part in terminal-dumb terminal-no-color; do
		section main "$part"
		refute grep -q $'\x1b' "$guests/section"
	done
	section main table
	refute grep -q $'\x1b' "$guests/section"
}

# --- the schema ---

@test "schema: an object that it does not describe is refused" {
	local change number=0
	main_guest
	section main json
	cp "$guests/section" "$guests/good"
	jsonschema -i "$guests/good" probe/gmem-probe.schema.json
	# some of them only in the first scope, /dev/kvm
	for change in '0,/"mte": false,/s///' '0,/"flags": /s//"names": /' 's/"schema": 1/"schema": 2/' 's/"usable": true/"usable": "yes"/' 's/"mask": "0x/"mask": "/' \
		's/"result": "yes", "code": null/"result": "yes", "code": "EINVAL"/' 's/"result": "untried"/"result": "maybe"/' \
		's/"vm_type": null/"vm_type": 31/' 's/"mte": false,//' 's/"required": null/"required": {}/' \
		's/"left_out": \[\]/"left_out": ["mmap"]/' 's/"flags_hi"/"flags_high"/' 's/"GUEST_MEMFD": 1/"GUEST_MEMFD": true/'; do
		sed "$change" "$guests/good" >"$guests/bad"
		refute cmp -s "$guests/good" "$guests/bad"
		refute jsonschema -i "$guests/bad" probe/gmem-probe.schema.json
		number=$((number + 1))
	done
	[ "$number" -eq 13 ]
}

# --- compilers and analysers ---

@test "compilers: gcc and clang, C11, C++17, 32 bit, arm64, old and new kernel headers" {
	local headers cc
	for headers in '' "-isystem $top/build/v7.3/flags/x86_64/usr/include"; do
		for cc in gcc clang i686-linux-gnu-gcc; do
			# shellcheck disable=SC2086 # an option or nothing
			"$cc" "${strict[@]}" -O2 -fsyntax-only $headers probe/*.c probe/tests/header-*.c
		done
		for cc in g++ clang++; do
			# shellcheck disable=SC2086
			"$cc" -std=c++17 "${strict[@]:1}" -O2 -fsyntax-only $headers probe/tests/header-use.cc
		done
	done
	# beside headers that define what attributes are called, as the kernel's own tools do
	gcc -Dnoinline='__attribute__((noinline))' -Dunused='__attribute__((unused))' "${strict[@]}" -fsyntax-only probe/tests/header-test.c
	# any libc
	musl-gcc "${strict[@]}" -fsyntax-only -isystem build/v7.3/flags/x86_64/usr/include -x c probe/gmem_flags.h
	# as before 5.14, where vCPUs have no statistics
	mkdir -p "$BATS_TEST_TMPDIR/linux"
	sed '/^#define KVM_GET_STATS_FD/d; /^struct kvm_stats_\(header\|desc\) {/,/^};/d' /usr/include/linux/kvm.h >"$BATS_TEST_TMPDIR/linux/kvm.h"
	[ "$(diff /usr/include/linux/kvm.h "$BATS_TEST_TMPDIR/linux/kvm.h" | grep -c '^<')" -gt 15 ]
	gcc "${strict[@]}" -fsyntax-only -isystem "$BATS_TEST_TMPDIR" probe/*.c
	aarch64-linux-gnu-gcc "${strict[@]}" -fsyntax-only -isystem build/v7.3/flags/arm64/usr/include probe/*.c probe/tests/header-*.c
}

@test "header: every line of it runs, whether FLAGS_HI is vouched for or not; nothing from sanitizers" {
	local headers
	cd "$BATS_TEST_TMPDIR"
	for headers in '' "-isystem $top/build/v7.3/flags/x86_64/usr/include"; do
		# shellcheck disable=SC2086 # an option or nothing
		gcc --coverage -g -fsanitize=address,undefined -fno-sanitize-recover=all $headers -o fake "$top/probe/tests/header-fake.c"
		./fake >out
		gcov -o . fake-header-fake.gcda >/dev/null
		refute grep '#####' gmem_flags.h.gcov
		[ "$(grep -cE '^ +[0-9]+\*?:' gmem_flags.h.gcov)" -gt 100 ]
		sed -n 's/^# FLAGS_HI is //p' out >>vouched
		rm ./*.gcov ./*.gcda
	done
	[ "$(paste -sd, vouched)" = 'provisional,vouched for' ]
}

@test "header: at most 4 KiB of text in a program that uses all of it" {
	local cc option text
	for cc in gcc clang i686-linux-gnu-gcc aarch64-linux-gnu-gcc; do
		for option in -O2 -Os; do
			# the C++ file in C's clothes; what is not the header in it is small
			sed 's/gmem_failure why{}/struct gmem_failure why = { 0 }/; s/mask{}/mask = 0/' probe/tests/header-use.cc >"$BATS_TEST_TMPDIR/use.c"
			# code and constants: C needs no unwind tables
			"$cc" "$option" -fno-asynchronous-unwind-tables -I probe/tests -isystem build/v7.3/flags/x86_64/usr/include -c -o "$BATS_TEST_TMPDIR/use.o" "$BATS_TEST_TMPDIR/use.c"
			text=$(size "$BATS_TEST_TMPDIR/use.o" | awk 'NR == 2 { print $1 }')
			echo "$cc $option: $text"
			[ "$text" -gt 1000 ]
			[ "$text" -le 4096 ]
		done
	done
	# shellcheck disable=SC2013 # words
	for name in $(sed -nE 's/^[^ *].* \**(gmem_[a-z]+[a-z_]*)\(.*/\1/p' probe/gmem_flags.h); do
		grep -q "$name(" probe/tests/header-use.cc || fail "header-use.cc does not use $name"
	done
}

@test "analysers: nothing from clang-tidy and cppcheck" {
	clang-tidy --quiet probe/*.c probe/tests/header-test.c -- -std=c11 -isystem build/v7.3/flags/x86_64/usr/include
	clang-tidy --quiet --config-file=probe/.clang-tidy examples/gmem-boot.c bench/gmem-cost.c -- -std=gnu11 -isystem build/v7.3/flags/x86_64/usr/include -Iprobe
	cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --suppress=missingIncludeSystem \
		--error-exitcode=1 probe/*.c probe/tests/*.c examples/*.c
}

@test "checkpatch --strict: the probe" {
	# BIT() and "noinline" are the kernel's own; volatile makes sure of a store that
	# may raise SIGBUS; words for people are not broken into lines
	"$(make -s tree-path)/scripts/checkpatch.pl" --strict --no-tree \
		--ignore BIT_MACRO,COMPLEX_MACRO,PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE,ARCH_DEFINES,ENOSYS,LONG_LINE,LONG_LINE_STRING \
		-f probe/*.[ch] probe/tests/header-*.c
}

@test "sanitizers: nothing from ASan, UBSan and LSan, in the guest" {
	paths v7.3 flags x86_64
	gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -isystem "$headers" -o "$guests/gmem-probe-asan" probe/*.c
	gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -isystem "$headers" -o "$guests/header-test-asan" probe/tests/header-test.c
	run --separate-stderr make -s exec DYNAMIC=1 PROG=/bin/busybox FILES="$guests/gmem-probe-asan $guests/header-test-asan" \
		ARGS="sh -c './gmem-probe-asan --json && ./header-test-asan && ./gmem-probe-asan'"
	[ "$status" -eq 0 ] || fail "$output $stderr"
	[[ $output == *'1..8'*'VM type '* ]]
}

@test "valgrind: no error, no leak, no descriptor left open, in the guest" {
	local debug loader id dir
	paths v7.3 flags x86_64
	dir=$BATS_TEST_TMPDIR
	# memcheck needs the symbols of the dynamic loader, which Debian keeps apart
	loader=$(ldd /bin/true | grep -o '/[^ ]*ld-linux[^ ]*')
	id=$(readelf -n "$(realpath "$loader")" | sed -n 's/.*Build ID: //p')
	debug=/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
	mkdir -p "$dir/debug/.build-id/${id:0:2}"
	cp "$debug" "$dir/debug/.build-id/${id:0:2}"
	gcc -g -O1 -isystem "$headers" -o "$dir/gmem-probe" probe/*.c
	gcc -g -O1 -isystem "$headers" -o "$dir/header-test" probe/tests/header-test.c
	cat >"$dir/both.sh" <<'SH'
exec 3>&- # the bench's own
mkdir -p /usr/lib/debug
cp -r debug/.build-id /usr/lib/debug
export VALGRIND_LIB=$PWD/valgrind
check() { ./valgrind.bin --error-exitcode=9 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --track-fds=yes "$@"; }
check ./gmem-probe --json >/tmp/json || exit
check ./header-test --without-limits || exit
SH
	mkdir "$dir/valgrind"
	cp /usr/libexec/valgrind/{memcheck-amd64-linux,vgpreload_core-amd64-linux.so,vgpreload_memcheck-amd64-linux.so,default.supp} "$dir/valgrind"
	run --separate-stderr make -s exec DYNAMIC=1 PROG=/bin/busybox ARGS='sh both.sh' \
		FILES="/usr/bin/valgrind.bin $dir/both.sh $dir/valgrind $dir/debug $dir/gmem-probe $dir/header-test"
	[ "$status" -eq 0 ] || fail "$stderr"
	[[ $output == *'1..7'* ]]
	[ "$(grep -c 'ERROR SUMMARY: 0 errors' <<<"$stderr")" -ge 2 ] || fail "$stderr"
	[ "$(grep -c 'FILE DESCRIPTORS: 3 open (3 std) at exit' <<<"$stderr")" -ge 2 ] || fail "$stderr"
}

# --- installing ---

@test "install: below DESTDIR and PREFIX; pkg-config and man find it" {
	local dir=$BATS_TEST_TMPDIR/root name
	make install PREFIX=/usr DESTDIR="$dir"
	"$dir/usr/bin/gmem-probe" --version
	echo '#include <gmem_flags.h>' >"$BATS_TEST_TMPDIR/a.c"
	export PKG_CONFIG_PATH=$dir/usr/share/pkgconfig
	[ "$(pkg-config --modversion gmem_flags)" = "$("$dir/usr/bin/gmem-probe" --version | cut -d' ' -f2)" ]
	# shellcheck disable=SC2046 # options
	gcc -fsyntax-only $(PKG_CONFIG_SYSROOT_DIR=$dir pkg-config --cflags --keep-system-cflags gmem_flags) "$BATS_TEST_TMPDIR/a.c"
	for name in gmem_create gmem_explain gmem_query_flags; do
		grep -qx '.so man3/gmem_flags.3' "$dir/usr/share/man/man3/$name.3"
	done
	[ -s "$dir/usr/share/gmem-probe/gmem-probe.schema.json" ]
	refute grep -r "$dir" "$dir/usr/share"
}

@test "install: a PREFIX that cannot be" {
	run make install PREFIX=usr
	expect 2 "PREFIX='usr' is no absolute path"
	run make install DESTDIR=tmp
	expect 2 "DESTDIR='tmp' is no absolute path"
	run make install PREFIX=
	expect 2 "PREFIX='' is no absolute path"
	run make install PREFIX='/tmp/a b'
	expect 2 'has a space'
	run make install PREFIX=/proc/no-such
	expect 101 'cannot install to /proc/no-such'
}

@test "man pages: nothing from mandoc, and every function and option is in them" {
	local name
	mandoc -Tlint probe/gmem-probe.1 probe/gmem_flags.3
	for name in $(sed -nE 's/^[^ *].* \**(gmem_[a-z]+[a-z_]*)\(.*/\1/p' probe/gmem_flags.h) $(grep -oE '^[[:space:]]GMEM_[A-Z_]+,' probe/gmem_flags.h | tr -d ',\t'); do
		grep -q "$name" probe/gmem_flags.3 || fail "gmem_flags(3) does not have $name"
	done
	# shellcheck disable=SC2013 # words
	for name in $(sed -n 's/.*{ "\([a-z-]*\)", [nr].*/\1/p' probe/gmem-probe.c); do
		grep -q -- "--$name" <(sed 's/\\-/-/g' probe/gmem-probe.1) || fail "gmem-probe(1) does not have --$name"
		grep -q -- "--$name" <(sed -n '/^static const char help/,/;$/p' probe/gmem-probe.c) || fail "--help does not have --$name"
	done
}
