#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# modules TREE OUT [MAKE-ARGUMENT...]: KVM of TREE with W=1 and all warnings as errors;
# on x86 as its maintainers want every patch to build, KVM_INTEL=m KVM_AMD=m
# KVM_WERROR=y. Into OUT, with what make says on stdout. Part of lint and bisect;
# nothing of it is booted.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
DEBUG= # sanitizers and KVM_WERROR exclude each other
set_paths

tree=$1 out=$2 log=$2/make.log
mkdir -p "$out"
use_ccache

# configure: the bench's own kernel, but for those options.
configure() {
	local option stamp all=$out/all.config
	kconfig "$tree" >"$all.part"
	printf '%s\n' "${strict_config[@]}" >>"$all.part"
	stamp=$(hash_of "$all.part")
	mv "$all.part" "$all"
	if [ "$(cat "$out/config.stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$out/.config" ]; then return; fi
	rm -f "$out/config.stamp"
	kmake "$tree" "$out" KCONFIG_ALLCONFIG="$all" allnoconfig >"$out/config.log" 2>&1 ||
		die BUILD "cannot configure KVM with strict_config of configs/$ARCH.env" "$out/config.log"
	for option in "${strict_config[@]}"; do
		grep -qxF "$option" "$out/.config" || die BUILD "'$option' did not stick" "$out/config.log"
	done
	echo "$stamp" >"$out/config.stamp"
}

configure
# its Makefile compiles virt/kvm as well
kmake "$tree" "$out" W=1 "${@:3}" "arch/$selftest_arch/kvm/" 2>&1 | tee "$log" ||
	die BUILD "$(compiler_error "$log" "$tree")" "$log"
