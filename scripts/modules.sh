#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# modules TREE OUT [MAKE-ARGUMENT...]: KVM of TREE as x86's maintainers want every
# patch to build: KVM_INTEL=m KVM_AMD=m KVM_WERROR=y, here with W=1, too. Into OUT,
# with what make says on stdout. Part of lint and bisect; nothing of it is booted.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

tree=$1 out=$2 log=$2/make.log
mkdir -p "$out"
cc=gcc
if command -v ccache >/dev/null; then
	cc='ccache gcc'
	export CCACHE_BASEDIR=$base_dir CCACHE_NOHASHDIR=1 # as in build.sh
fi
kmake() { make -C "$tree" O="$out" ARCH="$kernel_arch" CC="$cc" HOSTCC="$cc" -j"$JOBS" "$@"; }

as_modules=(CONFIG_MODULES=y CONFIG_KVM=m CONFIG_KVM_AMD=m CONFIG_KVM_INTEL=m CONFIG_KVM_WERROR=y)

# configure: the bench's own kernel, but for those options.
configure() {
	local option stamp all=$out/all.config
	cat "$tree/kernel/configs/tiny.config" "$tree/$tiny_config" "configs/common.config" "configs/$ARCH.config" >"$all.part"
	printf '%s\n' "${as_modules[@]}" >>"$all.part"
	stamp=$(hash_of "$all.part")
	mv "$all.part" "$all"
	if [ "$(cat "$out/config.stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$out/.config" ]; then return; fi
	rm -f "$out/config.stamp"
	kmake KCONFIG_ALLCONFIG="$all" allnoconfig >"$out/config.log" 2>&1 ||
		die BUILD "cannot configure KVM as modules" "$out/config.log"
	for option in "${as_modules[@]}"; do
		grep -qxF "$option" "$out/.config" || die BUILD "'$option' did not stick" "$out/config.log"
	done
	echo "$stamp" >"$out/config.stamp"
}

# first_error: what the compiler said first; the rest often follows from it.
first_error() {
	grep -m 1 -E '(error|Error|ERROR)[: ]' "$log" | sed -E "s#^($tree|(\.\./)*linux)/##; s#[^ ]*/\.\./\.\./\.\./##" | grep . || echo "make failed"
}

configure
# its Makefile compiles virt/kvm as well
kmake W=1 "${@:3}" "arch/$selftest_arch/kvm/" 2>&1 | tee "$log" || die BUILD "$(first_error)" "$log"
