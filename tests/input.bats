#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Bad input and broken surroundings: one clear line, the documented exit code,
# nothing lost. On a copy of the project with a kernel tree of a few files.

load lib

setup() { project; }

# stub NAME: a program of that name that comes before the real one; its text on
# stdin, with $real for the real one's path (empty where there is none, sudo say).
stub() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	{
		echo '#!/bin/bash'
		# a program that this machine lacks has no path; the stub then stands alone
		echo "real=$(command -v "$1" || true)"
		cat
	} >"$BATS_TEST_TMPDIR/bin/$1"
	chmod +x "$BATS_TEST_TMPDIR/bin/$1"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

# --- knobs and verbs ---

@test "unknown verb" {
	run make tests
	expect 2 "no verb 'tests'"
	run make no-such-verb
	expect 2 "no verb 'no-such-verb'; 'make help' lists the verbs"
}

@test "make alone is help" {
	run make
	expect 0 'make VERB'
}

@test "help names every verb of the Makefile" {
	local verb
	# shellcheck disable=SC2013 # words are meant
	for verb in $(sed -n 's/^VERBS := //p' Makefile); do
		scripts/help.sh | grep -q "^  $verb " || fail "help does not name $verb"
	done
}

@test "unknown BASE, ARCH, SERIES" {
	run make run BASE=v1.0
	expect 2 "unknown BASE 'v1.0'; known: v6.12 v7.3"
	run make run ARCH=vax
	expect 2 "unknown ARCH 'vax'; known: arm64 i386 riscv64 x86_64"
	run make run SERIES=no-such
	expect 2 "unknown SERIES 'no-such' for v7.3; known: fault-around flags none"
	[ ! -e build/v7.3 ]
}

@test "a test that nobody knows is refused before anything is built" {
	tiny_kernel
	mkdir -p "$ksrc/tools/testing/selftests/kvm"
	touch "$ksrc/tools/testing/selftests/kvm/guest_memfd_test.c"
	run make test TESTS='guest_memfd_test no_such_test'
	expect 2 "TESTS names 'no_such_test', which is no KVM selftest of demo"
	[[ $output != *'build: '* ]]
	TESTS=' ' run make test
	expect 2 'TESTS is blank'
	GMEM_TEST_LIMIT=soon run make test
	expect 2 "GMEM_TEST_LIMIT='soon' is not a positive number of seconds"
}

@test "ccache: what an assembly file takes in from another file is never an old one" {
	local content
	cd "$BATS_TEST_TMPDIR" || return
	(
		# shellcheck source=../scripts/lib.sh
		. "$top/scripts/lib.sh"
		set_paths
		use_ccache
		export CCACHE_DIR=$BATS_TEST_TMPDIR/ccache
		cd "$BATS_TEST_TMPDIR" || exit
		printf '.incbin "image"\n' >piggy.S
		for content in one two; do
			echo $content >image
			$cc -Wp,-MMD,piggy.d -c -o $content.o piggy.S
		done
	)
	grep -q one one.o
	grep -q two two.o
}

@test "CONFIG: files with kernel options" {
	run make run CONFIG=no-such.config
	expect 2 "CONFIG names 'no-such.config', which is no file; configs/variants has some"
	# the last word on an option counts, and the kernel is one of its own
	run bash -c 'CONFIG=configs/variants/no-private.config; . scripts/lib.sh; set_paths; echo "$kind"; wanted | grep SW_PROTECTED'
	expect 0 'x86_64-no-private'
	[ "${lines[1]}" = '# CONFIG_KVM_SW_PROTECTED_VM is not set' ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "i386: no selftests, and says what it has" {
	run make test ARCH=i386
	expect 2 'ARCH=i386 has no KVM selftests, which are 64-bit programs; it has run, exec, and bisect COMPILE=1'
}

@test "a knob that does not exist" {
	run make run TSTS=guest_memfd_test
	expect 2 "no knob 'TSTS'; known: "
	run make run DEBG=1 BASE=v7.3
	expect 2 "no knob 'DEBG'; known: "
}

@test "shell without a terminal" {
	run make shell </dev/null
	expect 2 "shell needs a terminal; 'make exec' runs a program without one"
}

@test "numbers that are none" {
	run make run JOBS=many
	expect 2 "JOBS='many'"
	run make run TIMEOUT=0
	expect 2 "TIMEOUT='0'"
	run make run ICOUNT=yes
	expect 2 "ICOUNT='yes'"
}

@test "a checkout where the kernel cannot be built" {
	local odd="$BATS_TEST_TMPDIR/with space"
	mv "$project" "$odd"
	cd "$odd"
	run make run
	expect 2 'the path of this checkout has a space, colon or comma'
}

@test "DEBUG and PAGES that do not exist" {
	run make run DEBUG=yes
	expect 2 "DEBUG='yes' is neither 1 (sanitizers) nor kcsan (data races)"
	run make run ARCH=arm64 PAGES=2M
	expect 2 "unknown PAGES '2M' for arm64; known: 4k 64k"
	run make run PAGES=64k
	expect 2 "unknown PAGES '64k' for x86_64; known: 4k"
}

@test "an architecture that is only compiled" {
	run make run ARCH=riscv64
	expect 2 "ARCH=riscv64 is only compiled, by 'make bisect COMPILE=1 BASE=v7.3 ARCH=riscv64'"
	run make bisect ARCH=riscv64
	expect 2 'say COMPILE=1'
	[ ! -e build/v7.3 ]
	# one that has no guest_memfd on this base, whatever it has on another
	for verb in run test exec fuzz lint compare mutants; do
		run make "$verb" BASE=v6.12 ARCH=arm64
		expect 2 'ARCH=arm64 is only compiled, by '
	done
	[ ! -e build/v6.12 ]
}

@test "EXTRA that is no file" {
	run make run EXTRA=no-such.patch
	expect 2 "EXTRA names 'no-such.patch', which is no file"
}

@test "EXTRA that is a mere diff" {
	printf '%s\n' '--- a/Makefile' '+++ b/Makefile' >"$BATS_TEST_TMPDIR/my.diff"
	run make run EXTRA="$BATS_TEST_TMPDIR/my.diff"
	expect 2 "which has no author; it takes what git format-patch writes"
}

@test "exec: DYNAMIC that is not 1" {
	run make exec PROG=/bin/busybox DYNAMIC=0
	expect 2 "DYNAMIC='0' is not 1; leave it out for a static program"
}

@test "knobs that a verb would ignore" {
	local verb
	for verb in fuzz soak faults bench; do
		run make "$verb" TESTS=guest_memfd_test
		expect 2 "$verb takes no TESTS; it has 'guest_memfd_test'"
	done
	for verb in faults cover bench run test lint mutants; do
		run make "$verb" ARGS='--calls 5'
		expect 2 "$verb takes no ARGS; it has '--calls 5'"
	done
	for verb in exec fuzz test bisect; do
		run make "$verb" MUTANTS=01
		expect 2 "$verb takes no MUTANTS; it has '01'"
	done
	for verb in run test fuzz; do
		run make "$verb" PROG=/bin/busybox
		expect 2 "$verb takes no PROG; it has '/bin/busybox'"
	done
}

@test "faults, fuzz, cover, soak, bench: a configuration of its own; not on the pristine base" {
	run make faults CONFIG=configs/variants/modules.config
	expect 2 'faults has a configuration of its own; run it without CONFIG'
	run make soak CONFIG=configs/variants/modules.config
	expect 2 'soak has a configuration of its own; run it without CONFIG'
	run make cover CONFIG=configs/variants/modules.config
	expect 2 'cover has a configuration of its own; run it without CONFIG'
	run make cover DEBUG=1
	expect 2 'run cover without DEBUG'
	run make cover TESTS=guest_memfd_test
	expect 2 'run it without TESTS'
	run make cover BASE=v6.12
	expect 2 'cover is about v7.3'
	run make cover ARCH=arm64
	expect 2 'cover unloads KVM'
	run make cover SERIES=none
	expect 2 'SERIES=none changes nothing that could be covered'
	run make soak SERIES=none
	expect 2 'SERIES=none has not the flags that soak needs'
	run make bench DEBUG=1
	expect 2 'run bench without DEBUG'
	run make bench SERIES=none
	expect 2 'SERIES=none is what bench compares with'
	run make faults SERIES=none
	expect 2 'SERIES=none has not the flags that faults needs'
	run make fuzz SERIES=none
	expect 2 'SERIES=none has not the ABI that fuzz compares with'
}

@test "exec: PROG missing, no file, no ELF, of another machine, not static; FILES missing" {
	run make exec
	expect 2 'exec takes PROG=FILE'
	run make exec PROG=no-such
	expect 2 "PROG='no-such' is no file"
	run make exec PROG=Makefile
	expect 2 "PROG='Makefile' is no ELF program"
	cp /bin/busybox vax
	printf '\x4b\x00' | dd of=vax bs=1 seek=18 conv=notrunc status=none
	run make exec PROG=vax
	expect 2 'ARCH=x86_64 runs Advanced Micro Devices X86-64'
	run make exec PROG=/bin/bash
	expect 2 'is not static; link it with -static'
	run make exec PROG=/bin/busybox FILES=no-such
	expect 2 "FILES names 'no-such'"
	[ ! -e build/v7.3 ]
}

@test "two at once in one checkout: the second is refused, in words" {
	tiny_kernel
	mkdir -p build
	(
		flock 9
		echo 'make test (pid 1)' >build/.lock
		exec sleep 60
	) 9<>build/.lock >/dev/null 2>&1 3>&- &
	sleep 0.5
	run make tree
	kill %1
	expect 111 "'make test (pid 1)' works in this checkout"
}

# --- setup ---

@test "setup: neither root nor sudo: the line to type" {
	stub id <<<'echo 1000'
	stub sudo <<<'exit 1'
	stub dpkg-query <<<'case $* in *bats*) exit 1 ;; *) echo installed ;; esac'
	run make setup </dev/null
	expect 101 'type: sudo apt-get update && sudo apt-get install --no-remove --no-install-recommends bats'
}

@test "setup: apt-get that fails is not taken for success" {
	stub id <<<'echo 0'
	stub dpkg-query <<<'case $* in *bats*) exit 1 ;; *) echo installed ;; esac'
	stub apt-get <<<'case $* in *install*) echo "E: Unable to locate package bats" >&2; exit 100 ;; esac'
	run make setup
	expect 101 'apt-get could not install: bats'
	stub apt-get <<<'exit 0'
	run make setup
	expect 101 'still missing after apt-get: bats'
}

@test "doctor says what is missing" {
	stub dpkg-query <<<'case $* in *shfmt*|*bison*) exit 1 ;; *) echo installed ;; esac'
	run make doctor
	expect 101 'missing: bison shfmt'
}

@test "QEMU missing or too old" {
	run bash -c '. scripts/lib.sh; qemu=qemu-system-none qemu_min=7.2 firmware=(); check_qemu'
	expect 101 'qemu-system-none is missing; run: make setup'
	stub qemu-system-x86_64 <<<'echo "QEMU emulator version 5.2.0 (Debian)"'
	run bash -c '. scripts/lib.sh; qemu=qemu-system-x86_64 qemu_min=7.2 firmware=(); check_qemu'
	expect 101 'qemu-system-x86_64 is version 5.2.0; at least 7.2 is needed'
}

@test "QEMU without its firmware: the file and its package" {
	run bash -c '. scripts/lib.sh; set_paths; firmware+=(no-such.bin:some-package); check_qemu'
	expect 101 "QEMU's firmware no-such.bin is missing; install it anew: apt-get install --reinstall some-package"
	run bash -c '. scripts/lib.sh; set_paths; check_qemu'
	[ "$status" -eq 0 ]
}

@test "setup: the cross compiler that an architecture needs, by name" {
	stub id <<<'echo 1000'
	stub sudo <<<'exit 1'
	stub dpkg-query <<<'case $* in *aarch64*) exit 1 ;; *) echo installed ;; esac'
	run make run ARCH=arm64 </dev/null
	expect 101 'apt-get install --no-remove --no-install-recommends gcc-aarch64-linux-gnu'
	run make setup </dev/null
	expect 101 'gcc-aarch64-linux-gnu'
}

# --- fetch ---

@test "KSRC: no directory, no kernel tree, the wrong release" {
	run make tree KSRC=no-such
	expect 2 "KSRC='no-such' is no directory"
	mkdir empty
	run make tree KSRC=empty
	expect 102 'empty is no kernel tree'
	mkdir -p old/virt/kvm
	printf 'VERSION = 6\nPATCHLEVEL = 6\n' >old/Makefile
	run make tree KSRC=old
	expect 102 'old is Linux 6.6; BASE=v7.3 needs 7.3'
	[ -z "$(find build -name git)" ]
}

@test "KSRC in git: its HEAD is the base, its edits are left out with a note" {
	tiny_kernel
	git -C "$ksrc" init -q
	git -C "$ksrc" add -A
	commit "$ksrc" base
	sed -i 's/^30$/edited/' "$ksrc/virt/kvm/guest_memfd.c"
	run make tree
	expect 0 'uncommitted changes'
	tail -n 1 "$(make -s tree-path)/virt/kvm/guest_memfd.c" | grep -qx 30
	tail -n 1 "$ksrc/virt/kvm/guest_memfd.c" | grep -qx edited
	# and when HEAD moves on, so does the base
	commit "$ksrc" edit -a
	tail -n 1 "$(make -s tree-path)/virt/kvm/guest_memfd.c" | grep -qx edited
}

# a package with the tiny kernel inside, as Debian's has the kernel
tiny_package() {
	local root=$BATS_TEST_TMPDIR/deb
	tiny_kernel
	unset KSRC
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	mkdir -p "$root/usr/src" "$root/DEBIAN"
	tar -cJf "$root/usr/src/linux-source-7.3.tar.xz" -C "$BATS_TEST_TMPDIR" ksrc
	printf 'Package: linux-source-7.3\nVersion: %s\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: tiny\n' \
		"$1" >"$root/DEBIAN/control"
	package=$BATS_TEST_TMPDIR/linux-source-7.3_$1_all.deb
	dpkg-deb -b "$root" "$package" >/dev/null
	export package
}

pin() { sed -i "s/^SHA256=.*/SHA256=$(sha256sum "$1" | cut -d' ' -f1)/" bases/v7.3.env; }

# apt that has just that package, logging what it was asked
stub_apt() {
	stub apt-get <<-'STUB'
		case $* in
		*indextargets*) exec "$real" "$@" ;;
		*update*) exit 0 ;;
		*download*=*) [[ $package == *"${*##*=}"* ]] || { echo "E: Version '${*##*=}' for 'linux-source-7.3' was not found"; exit 100; } ;;
		esac
		case $* in *download*) echo download >>"$XDG_CACHE_HOME/downloads"; cp "$package" . ;; esac
	STUB
}

@test "fetch: a package from apt; a second checkout downloads nothing" {
	tiny_package 7.3.4-1~bpo13+1
	pin "$package"
	stub_apt
	run make tree
	expect 0 'fetch: linux-source-7.3 7.3.4-1~bpo13+1'
	grep -q '^10 changed' "$(make -s tree-path)/virt/kvm/guest_memfd.c"
	rm -rf build
	run make tree
	expect 0 'unpacking'
	[ "$(wc -l <"$XDG_CACHE_HOME/downloads")" -eq 1 ]
	run make tree
	[[ $output != *fetch* ]]
}

@test "fetch: a downloaded package whose checksum differs is not used and not kept" {
	tiny_package 7.3.4-1~bpo13+1
	stub_apt
	run make tree
	expect 102 'sha256 of'
	[ -z "$(find "$XDG_CACHE_HOME" -name '*.deb')" ]
	[ -z "$(find build -name git)" ]
}

@test "fetch: a cached package whose checksum differs is named, not used" {
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	mkdir -p "$XDG_CACHE_HOME/kvm-gmem-flags"
	echo broken >"$XDG_CACHE_HOME/kvm-gmem-flags/linux-source-7.3_7.3.4-1~bpo13+1_all.deb"
	run make fetch
	expect 102 "bases/v7.3.env says $(. bases/v7.3.env && echo "$SHA256"); delete the file and run this again"
}

@test "fetch: the pinned version is gone from the suite: the newest, with a note" {
	tiny_package 7.3.9-1~bpo13+1
	stub_apt
	run make tree
	expect 0 'NOTE: cannot have linux-source-7.3 7.3.4-1~bpo13+1'
	grep -q '^10 changed' "$(make -s tree-path)/virt/kvm/guest_memfd.c"
}

@test "fetch: a base that was made from another version is not taken for this one" {
	tiny_package 7.3.4-1~bpo13+1
	pin "$package"
	stub_apt
	make -s tree
	sed -i 's/^VERSION=.*/VERSION=7.3.5-1/' bases/v7.3.env
	run make tree
	expect 102 'was made from linux-source-7.3 7.3.4-1~bpo13+1'
}

@test "a step that nobody expected to fail has a verdict, too" {
	tiny_kernel
	stub mv <<<'case $* in *import.part*) exit 1 ;; esac; exec "$real" "$@"'
	run make tree
	expect 110 "FAIL HARNESS: a step of 'fetch' failed with 1"
}

@test "fetch: no network" {
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	stub apt-get <<-'STUB'
		case $* in *indextargets*) exec "$real" "$@" ;; esac
		echo 'E: Failed to fetch InRelease  Could not resolve host' >&2
		exit 100
	STUB
	run make fetch
	expect 102 'cannot read trixie-backports: no network, or this mirror lacks the suite'
}

@test "fetch: apt without package lists" {
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	stub apt-get <<<'exit 0'
	run make fetch
	expect 102 'apt knows no Debian archive here; run apt-get update'
}

@test "no registry's address stands in the project" {
	refute grep -rnE 'https?://[a-z0-9.-]*debian|deb\.debian|npmjs' --exclude-dir=build --exclude-dir=results --exclude=input.bats .
}

@test "a full disk is named" {
	mkdir small
	mount -t tmpfs -o size=2m tmpfs small 2>/dev/null || skip 'mounting a small tmpfs needs root'
	tiny_kernel
	head -c 8M /dev/urandom >"$ksrc/virt/kvm/big.c"
	ln -s "$PWD/small" build
	run make tree
	umount -l small
	expect 102 'MiB free; make room and run it again'
}

# --- tree and refresh ---

@test "tree: the series as commits on the tag base, and the same commits next time" {
	local head
	tiny_kernel
	run make -s tree-path
	cd "$(make -s tree-path 2>/dev/null)"
	[ "$(git log --format=%s base..)" = $'KVM: guest_memfd: Change line 20\nKVM: guest_memfd: Change line 10' ]
	[ "$(git log -1 --format='%an <%ae>')" = 'KVM guest_memfd flags <kvm-gmem-flags@example.org>' ]
	head=$(git rev-parse HEAD)
	cd "$project"
	rm -rf build
	make -s tree
	[ "$(git -C "$(make -s tree-path)" rev-parse HEAD)" = "$head" ]
}

@test "tree-path: the path alone on stdout" {
	tiny_kernel
	[ -d "$(make -s tree-path 2>/dev/null)/virt/kvm" ]
}

@test "tree: a patch that does not apply: which one, which hunk; no tree, no debris" {
	tiny_kernel
	# a long subject is folded in the file
	sed -i 's/^Subject: .*/&, with more words\n and a second line/' series/demo/v7.3/0002-*.patch
	sed -i 's/^ 19$/ nineteen/' series/demo/v7.3/0002-*.patch
	run make tree
	expect 103 'series/demo/v7.3/0002-KVM-guest_memfd-Change-line-20.patch does not apply: virt/kvm/guest_memfd.c: hunk @@ -17,7 +17,7 @@'
	[ -z "$(find build -path "*/demo/linux")" ]
}

@test "tree: a base that has the patch" {
	tiny_kernel
	sed -i '10s/$/ changed/' "$ksrc/virt/kvm/guest_memfd.c"
	run make tree
	expect 103 "0001-KVM-guest_memfd-Change-line-10.patch does not apply: v7.3 of $ksrc has it already"
}

@test "tree: no fuzz" {
	tiny_kernel
	# the outermost context line is wrong: patch(1) would take that with fuzz 1
	sed -i 's/^ 17$/ seventeen/' series/demo/v7.3/0002-*.patch
	run make tree
	expect 103 '0002-KVM-guest_memfd-Change-line-20.patch'
}

@test "tree: a series that stops applying leaves the tree as it was" {
	local tree head
	tiny_kernel
	tree=$(make -s tree-path)
	head=$(git -C "$tree" rev-parse HEAD)
	sed -i 's/^ 19$/ nineteen/' series/demo/v7.3/0002-*.patch
	run make tree
	expect 103 'hunk'
	[ "$(git -C "$tree" rev-parse HEAD)" = "$head" ]
	[ -z "$(git -C "$tree" status --porcelain)" ]
}

@test "tree: a changed series moves a tree without edits, touching only what differs" {
	local tree before
	tiny_kernel
	tree=$(make -s tree-path)
	before=$(stat -c %y "$tree/Makefile")
	sed -i 's/^+20 changed$/+20 changed again/' series/demo/v7.3/0002-*.patch
	make -s tree
	grep -qx '20 changed again' "$tree/virt/kvm/guest_memfd.c"
	[ "$(stat -c %y "$tree/Makefile")" = "$before" ]
}

@test "tree: edits are never overwritten when the series changes" {
	local tree
	tiny_kernel
	tree=$(make -s tree-path)
	echo edit >>"$tree/virt/kvm/guest_memfd.c"
	sed -i 's/^+20 changed$/+20 changed again/' series/demo/v7.3/0002-*.patch
	run make tree
	expect 103 '0 commits and 1 uncommitted files'
	tail -n 1 "$tree/virt/kvm/guest_memfd.c" | grep -qx edit
	commit "$tree" 'KVM: guest_memfd: Edit' -a
	run make tree
	expect 103 '1 commits and 0 uncommitted files'
}

@test "tree: a checkout that was interrupted is done again" {
	local tree
	tiny_kernel
	tree=$(make -s tree-path)
	rm "$(dirname "$tree")/applied" "$tree/virt/kvm/guest_memfd.c"
	make -s tree
	[ -f "$tree/virt/kvm/guest_memfd.c" ]
}

@test "tree: an import that was interrupted is done again" {
	tiny_kernel
	mkdir -p "build/v7.3-ksrc-$(printf %s "$ksrc" | sha256sum | cut -c1-8)/import.part/git"
	run make tree
	expect 0 'importing'
	[ -z "$(find build -name '*.part')" ]
}

@test "tree: stopped in the middle of the import, then run again" {
	tiny_kernel
	stub git <<-'STUB'
		case $* in *'add --all'*) touch "$BATS_TEST_TMPDIR/adding"; sleep 30 ;; esac
		exec "$real" "$@"
	STUB
	make tree >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	until [ -e "$BATS_TEST_TMPDIR/adding" ]; do sleep 0.1; done
	kill -TERM $!
	refute wait $!
	flock -w 5 build/.lock true || fail 'something goes on after make was stopped'
	rm "$BATS_TEST_TMPDIR/bin/git"
	hash -r
	run make tree
	expect 0 'importing'
}

@test "tree: EXTRA goes on top, in a folder of its own" {
	tiny_kernel
	sed '/^From 0/,/^---$/!d; s/Change line 20/Change line 25/' series/demo/v7.3/0002-*.patch >extra.patch
	printf ' f | 1 +\n\ndiff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+f\n' >>extra.patch
	make -s tree
	run make -s tree-path EXTRA=extra.patch
	expect 0 '/demo+extra/linux'
	[ -n "$(find build -path "*/demo+extra/linux/f")" ]
	[ -z "$(find build -path "*/demo/linux/f")" ]
	run make refresh EXTRA=extra.patch
	expect 2 'EXTRA patches are never exported'
}

@test "refresh: apply then export is byte-identical" {
	tiny_kernel
	cp -r series before
	make -s tree
	run make refresh
	expect 0 '2 patches in series/demo/v7.3, 0 changed'
	diff -r before series
}

@test "refresh: a commit becomes a patch, a renamed one replaces its old name" {
	local tree
	tiny_kernel
	tree=$(make -s tree-path)
	echo edit >>"$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Add a line' -a
	run make refresh
	expect 0 '3 patches in series/demo/v7.3, 1 changed'
	git -C "$tree" -c user.name=x -c user.email=x@example.org commit -q --amend -m 'KVM: guest_memfd: Append a line'
	run make refresh
	expect 0 '2 changed'
	[ "$(ls series/demo/v7.3)" = $'0001-KVM-guest_memfd-Change-line-10.patch\n0002-KVM-guest_memfd-Change-line-20.patch\n0003-KVM-guest_memfd-Append-a-line.patch' ]
	run make tree
	expect 0 ''
}

@test "refresh: the user's git configuration does not show in an export" {
	tiny_kernel
	cp -r series before
	make -s tree
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME"
	git config --global diff.noprefix true
	git config --global format.signoff true
	git config --global diff.context 9
	make -s refresh
	diff -r before series
}

@test "refresh: stops at uncommitted files, at a series changed meanwhile, without a tree, for none" {
	local tree
	tiny_kernel
	run make refresh
	expect 103 'there is no tree yet'
	tree=$(make -s tree-path)
	echo edit >>"$tree/virt/kvm/guest_memfd.c"
	run make refresh
	expect 103 'uncommitted or untracked files'
	git -C "$tree" checkout -q .
	sed -i 's/^+20 changed$/+20 changed again/' series/demo/v7.3/0002-*.patch
	run make refresh
	expect 103 'has changed since the tree was made'
	grep -q '^+20 changed again$' series/demo/v7.3/0002-*.patch
	run make refresh SERIES=none
	expect 2 'SERIES=none has no patches'
}

# --- build ---

# building_kernel: a tiny kernel whose make does what its rules say.
building_kernel() {
	tiny_kernel
	mkdir -p "$ksrc/kernel/configs" "$ksrc/arch/x86/configs"
	touch "$ksrc/kernel/configs/tiny.config" "$ksrc/arch/x86/configs/tiny.config"
	printf '%b' "allnoconfig:\n\tgrep -v '$1' \$(KCONFIG_ALLCONFIG) >\$(O)/.config\nbzImage headers:\n\t$2\n" >>"$ksrc/Makefile"
}

@test "build: an option that did not stick is named" {
	building_kernel CONFIG_KVM_AMD=y true
	run make build
	expect 104 "'CONFIG_KVM_AMD=y' (configs/) did not stick"
}

@test "build: an option that should be off and is on is named" {
	building_kernel 'CONFIG_KVM_AMD=y' true
	sed -i 's/^\tgrep -v.*/\tsed "s,# CONFIG_ACPI is not set,CONFIG_ACPI=y," $(KCONFIG_ALLCONFIG) >$(O)\/.config/' "$ksrc/Makefile"
	run make build
	expect 104 "'# CONFIG_ACPI is not set' (configs/) did not stick"
}

@test "build: a compile error: the first one, and the log" {
	building_kernel no-such "@echo 'virt/kvm/guest_memfd.c:7:1: error: first'; echo 'x.c:1:1: error: second'; exit 1"
	run make build
	expect 104 'FAIL BUILD: virt/kvm/guest_memfd.c:7:1: error: first'
	expect 104 'log:    build/v7.3-ksrc-'
}

@test "the lock: what a step leaves running for a moment does not keep it" {
	cat >beat.sh <<-'SH'
		sleep 0.3
		for pid in $(pgrep -P "$PPID"); do
			[ "$pid" = $$ ] || echo "heartbeat has $(readlink "/proc/$pid/fd/9" || echo no lock)"
		done
	SH
	run bash -c '. scripts/lib.sh; lock; readlink /proc/$$/fd/9; step beat beat.log sh beat.sh; cat beat.log'
	[[ $output == *'/build/.lock'* ]]
	[[ $output == *'heartbeat has no lock'* ]]
	refute grep -q 'heartbeat has /' <<<"$output"
}
