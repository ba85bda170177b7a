# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the bats files share.

top=$(cd "$BATS_TEST_DIRNAME/.." && pwd)

# The verb that runs bats must not leak into the verbs that bats runs.
unset GMEM_VERB MAKEFLAGS MAKELEVEL MFLAGS
unset BASE ARCH PAGES SERIES EXTRA DEBUG CONFIG KSRC APPEND ICOUNT TESTS TIMEOUT PROG ARGS FILES DYNAMIC JOBS COMPILE MUTANTS V FROM PREFIX DESTDIR

# project: a copy of the checkout without its build, for tests that change it.
project() {
	unset GMEM_LOCKED
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project"
	(cd "$top" && tar -c --exclude=./build --exclude=./results --exclude=./.git .) | tar -x -C "$project"
	cd "$project" || return
}

# tiny_kernel: a tree of a few files that passes for Linux 7.3, in $ksrc, and a
# series "demo" of two patches for it: enough for all that comes before a build.
tiny_kernel() {
	local scratch=$BATS_TEST_TMPDIR/scratch line
	ksrc=$BATS_TEST_TMPDIR/ksrc
	mkdir -p "$ksrc/virt/kvm" series/demo/v7.3
	printf 'VERSION = 7\nPATCHLEVEL = 3\n' >"$ksrc/Makefile"
	seq 30 >"$ksrc/virt/kvm/guest_memfd.c"

	cp -r "$ksrc" "$scratch"
	git -C "$scratch" init -q
	git -C "$scratch" add -A
	commit "$scratch" base
	for line in 10 20; do
		sed -i "${line}s/$/ changed/" "$scratch/virt/kvm/guest_memfd.c"
		commit "$scratch" "KVM: guest_memfd: Change line $line" -a
	done
	(
		# shellcheck source=../scripts/lib.sh
		. scripts/lib.sh
		export_series "$scratch" HEAD~2.. "$PWD/series/demo/v7.3"
	)
	# shellcheck disable=SC2031
	export KSRC=$ksrc SERIES=demo
}

# commit REPO SUBJECT [OPTION]: as the project's author, whatever git is told here.
commit() {
	git -C "$1" -c user.name='KVM guest_memfd flags' -c user.email=kvm-gmem-flags@example.org \
		commit -q -m "$2" "${@:3}"
}

# refute CMD...: CMD must fail; bats would overlook a plain "! CMD".
refute() {
	if "$@"; then fail "succeeded, and must not: $*"; fi
}

fail() {
	echo "$*" >&2
	return 1
}

# expect CODE TEXT: the last "run" exited with CODE and printed TEXT.
# shellcheck disable=SC2154 # status and output are bats's
expect() {
	[ "$status" -eq "$1" ] || fail "exit code $status, expected $1; output: $output"
	[[ $output == *"$2"* ]] || fail "no '$2' in: $output"
}

# image_of BASE SERIES: the x86_64 kernel of a build.
image_of() { echo "build/$1/$2/x86_64/arch/x86/boot/bzImage"; }

# The linker's option for probe/tests/fail.c: the calls that it wraps.
# shellcheck disable=SC2034 # for the tests
fail_wraps=-Wl,--wrap=open,--wrap=ioctl,--wrap=fcntl,--wrap=read,--wrap=isatty,--wrap=stat,--wrap=uname,--wrap=mmap,--wrap=calloc

# compile_gmem_boot CC FLAG...: the example VMM, strictly.
compile_gmem_boot() {
	"$@" -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I probe examples/gmem-boot.c
}
