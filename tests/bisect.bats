#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# bisect: which patch it names, and that the editable tree is left alone. On a copy of
# the project with a kernel of a few files, whose make does what its rules say.

load lib

setup() {
	unset V FROM COMPILE
	project
	tiny_kernel
	mkdir -p "$ksrc/kernel/configs" "$ksrc/arch/x86/configs"
	touch "$ksrc/kernel/configs/tiny.config" "$ksrc/arch/x86/configs/tiny.config"
	printf '%b' "allnoconfig:\n\tcp \$(KCONFIG_ALLCONFIG) \$(O)/.config\narch/x86/kvm/:\n" \
		"\t@sed -n 's,^broken,virt/kvm/guest_memfd.c:1:1: error: broken,p' virt/kvm/guest_memfd.c\n" \
		"\t@echo compiling >>\$(O)/compiled; ! grep -q '^broken' virt/kvm/guest_memfd.c\n" >>"$ksrc/Makefile"
}

# broken_middle: four patches, of which the second does not compile and the third
# mends that.
broken_middle() {
	local tree
	tree=$(make -s tree-path)
	git -C "$tree" reset -q --hard HEAD~1
	sed -i '20s/.*/broken/' "$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Break line 20' -a
	sed -i '20s/.*/20 mended/' "$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Mend line 20' -a
	sed -i '30s/.*/30 changed/' "$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Change line 30' -a
	make -s refresh
}

@test "bisect: every patch compiles: a line for each, and only once" {
	run make bisect COMPILE=1
	expect 0 'verdict: PASS: 2 patches, KVM of each compiled'
	[[ $output =~ 'ok '.*'0001-KVM-guest_memfd-Change-line-10.patch'.*'ok '.*'0002-KVM-guest_memfd-Change-line-20.patch' ]]
	run make bisect COMPILE=1
	expect 0 'ok, as before'
	[ "$(wc -l <"$(find build -path '*/walk/modules-x86_64/compiled')")" -eq 2 ]
}

@test "bisect: a patch that a later one mends is named, with the first error; the others are still tried" {
	broken_middle
	run make bisect COMPILE=1
	expect 104 'FAIL BUILD: 0002-KVM-guest_memfd-Break-line-20.patch: virt/kvm/guest_memfd.c:1:1: error: broken'
	[ "$(grep -cE '^(ok|FAILED) ' <<<"$output")" -eq 4 ]
	[ "$(grep -c '^FAILED ' <<<"$output")" -eq 1 ]
	# and again, because a failure is not remembered as compiled
	run make bisect COMPILE=1
	expect 104 'FAIL BUILD: 0002-'
}

@test "bisect: the editable tree is left alone, and its edits are not looked at" {
	local tree
	tree=$(make -s tree-path)
	echo broken >>"$tree/virt/kvm/guest_memfd.c"
	git -C "$tree" stash -q
	sed -i '20s/.*/broken/' "$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Break line 20' -a
	git -C "$tree" stash apply -q
	find "$tree" -type f -printf '%p %T@ %s\n' | sort >before
	git -C "$tree" rev-parse HEAD >>before
	# even where series/ has changed and the tree cannot follow
	sed -i 's/^+20 changed$/+20 changed again/' series/demo/v7.3/0002-*.patch
	run make bisect COMPILE=1
	expect 0 '2 patches, KVM of each compiled'
	find "$tree" -type f -printf '%p %T@ %s\n' | sort >after
	git -C "$tree" rev-parse HEAD >>after
	diff before after
}

@test "bisect: bad knobs" {
	run make bisect COMPILE=yes
	expect 2 "COMPILE='yes' is neither 1 nor empty"
	run make bisect SERIES=none
	expect 2 'SERIES=none has no patches'
}

@test "bisect: a selftest that nobody knows is refused, not left out" {
	run make bisect COMPILE=1 TESTS=guest_memfd_tset
	expect 2 "TESTS names 'guest_memfd_tset', which is no KVM selftest"
}
