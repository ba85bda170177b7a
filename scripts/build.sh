#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build: the kernel, its uAPI headers and, unless called by a verb that runs no
# selftests, the installed KVM selftests. Out of tree; make rebuilds what changed.
# KERNEL_ONLY=1 stops after the kernel, KERNEL_ONLY=path/to/file.o builds just that.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
need run
lock
sub tree

mkdir -p "$out"
use_ccache
# the machine's name and user do not belong into the kernel
export KBUILD_BUILD_USER=kvm-gmem-flags KBUILD_BUILD_HOST=bench

# configure: everything off, then the fragments; an option that did not stick is
# an error, because a kernel without it would test something else.
configure() {
	local line option stamp
	kconfig "$tree" >"$out/config.part"
	stamp=$(hash_of "$out/config.part")
	if [ "$(cat "$out/config.stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$out/.config" ]; then return; fi
	rm -f "$out/config.stamp"
	mv "$out/config.part" "$out/all.config"
	step "build: configuring" "$out/config.log" kmake "$tree" "$out" KCONFIG_ALLCONFIG="$out/all.config" allnoconfig ||
		die BUILD "cannot configure the kernel" "$out/config.log"
	while read -r line; do
		case $line in
		CONFIG_*) option=${line%%=*} ;;
		'# CONFIG_'*' is not set') option=${line#'# '} option=${option%% *} ;;
		*) continue ;;
		esac
		if grep -qxF "$line" "$out/.config"; then continue; fi
		# an option that is not offered at all is off, too
		if [[ $line == '#'* ]] && ! grep -q "^$option=" "$out/.config"; then continue; fi
		die BUILD "'$line' (configs/) did not stick: $(grep -w "$option" "$out/.config" || echo "$option depends on something that is off")"
	done < <(wanted)
	echo "$stamp" >"$out/config.stamp"
}

configure
# cover says which files count what runs
read -ra counted <<<"${GMEM_COUNTED:-}"
# A part of the kernel is all that some callers want.
targets=("$image_target" headers)
# with DEBUG there are none, but what guest/planted.c needs to link comes with them
if grep -qx CONFIG_MODULES=y "$out/.config"; then targets+=(modules); fi
case ${KERNEL_ONLY:-} in '' | 1) ;; *) targets=("$KERNEL_ONLY") ;; esac
# inputs: all that goes into a build of a tree without edits, in one word; nothing for a
# tree with edits, or with files that git does not know ("git status" is silent about
# them: Debian's .gitignore names every file). Called where "set -e" does not hold.
inputs() {
	local head changes
	head=$(git_plain -C "$tree" rev-parse HEAD) || return
	changes=$(git_plain -C "$tree" status --porcelain -uno && git_plain -C "$tree" ls-files --others) || return
	if [ -n "$changes" ]; then return; fi
	{
		echo "$head ${counted[*]}"
		cat "$out/.config" "$out/config.stamp" scripts/build.sh scripts/lib.sh scripts/cached-cc.sh configs/*.env
		"${cross}gcc" --version
		if [ -n "$cc32" ]; then "$cc32" --version; fi
	} | sha256sum
}

# make takes 3 to 10 s to find that there is nothing to do, and most verbs have nothing
# to build. So each of the two parts notes what went into it and is not made again while
# that is the same and its RESULT is there. The note is gone while anything is made.
inputs=$(inputs)
up_to_date() { # PART RESULT...
	[ -n "$inputs" ] && [ "$inputs" = "$(cat "$out/$1.built" 2>/dev/null)" ] && ls "${@:2}" >/dev/null 2>&1 || return
	note "build: nothing has changed ($1, $branch, $kind)"
}
built() { if [ -n "$inputs" ] && [ "$inputs" = "$(inputs)" ]; then echo "$inputs" >"$out/$1.built"; fi; }

kernel() {
	rm -f "$out"/*.built
	# The log is kept whole; a heartbeat shows its last line.
	step "build: kernel ($branch, $kind, $JOBS jobs)" "$out/kernel.log" kmake "$tree" "$out" "${counted[@]}" "${targets[@]}" ||
		die BUILD "$(compiler_error "$out/kernel.log" "$tree")" "$out/kernel.log"
}
case ${KERNEL_ONLY:-} in
'' | 1)
	if ! up_to_date kernel "$out/$image" "$out/usr/include/linux/kvm.h"; then
		kernel
		built kernel
	fi
	;;
*) kernel ;;
esac

case ${KERNEL_ONLY:+part}${GMEM_VERB:-} in part* | run | exec | shell | fuzz | faults | soak | bench) exit 0 ;; esac

# The KVM selftests as the kernel installs them, static so that the initramfs
# needs no libraries, stripped so that it stays small.
selftests() {
	# ccache would make the targets in the .d files relative, and make, which knows
	# them by absolute names, would then miss changed headers
	unset CCACHE_BASEDIR
	mkdir -p "$out/tools" # arm64's generated header goes there, and not into the tree
	make -C "$tree/tools/testing/selftests" -j"$JOBS" abs_objdir="$out" TARGETS=kvm FORCE_TARGETS=1 ARCH="$selftest_arch" \
		CROSS_COMPILE="$cross" CC="$cc" O="$out" KBUILD_OUTPUT="$out" KHDR_INCLUDES="-isystem $out/usr/include" EXTRA_CFLAGS=-g0 \
		LDFLAGS='-static -pthread -no-pie -s' INSTALL_PATH="$install/kselftest" install
}
need test # the 32-bit compiler
if up_to_date selftests "$install/kselftest/kselftest-list.txt"; then exit 0; fi
rm -f "$out/selftests.built"
step "build: KVM selftests" "$out/selftests.log" selftests ||
	die BUILD "$(compiler_error "$out/selftests.log" "$tree")" "$out/selftests.log"

# The ABI test once more, as a 32-bit program: libkvm is 64-bit only, but this one
# needs nothing but the uAPI headers and the harness. A tree before it has none, and
# not every kernel lets 32-bit programs use KVM (cc32 in configs/).
abi_test=$tree/tools/testing/selftests/kvm/guest_memfd_flags_test.c
if [ -n "$cc32" ] && [ -f "$abi_test" ]; then
	"$cc32" -static -s -O2 -Wall -Wextra -Werror -D_GNU_SOURCE= -isystem "$out/usr/include" \
		-isystem "$tree/tools/testing/selftests" -o "$install/kselftest/kvm/guest_memfd_flags_test_32" \
		"$abi_test" >"$out/selftests32.log" 2>&1 ||
		die BUILD "$(compiler_error "$out/selftests32.log" "$tree")" "$out/selftests32.log"
	echo kvm:guest_memfd_flags_test_32 >>"$install/kselftest/kselftest-list.txt"
fi
built selftests
