#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# lint: what counts as new. On a copy of the project with a kernel of a few files,
# whose make and scripts say what the files hold: a line "sparse: ..." is a warning of
# sparse, and so on. The real tools on the real series: make lint.

load lib

setup() {
	unset V FROM COMPILE
	project
	# the project's own files are tested there
	printf '@test "style" { true; }\n' >tests/style.bats
	mkdir -p build/v7.3/flags/x86_64/usr/include

	tiny_kernel
	mkdir -p "$ksrc"/{scripts,kernel/configs,arch/x86/configs,Documentation/virt/kvm}
	touch "$ksrc/kernel/configs/tiny.config" "$ksrc/arch/x86/configs/tiny.config" "$ksrc/Documentation/virt/kvm/index.rst"
	cat >"$ksrc/scripts/said.sh" <<-'SAID'
		#!/bin/sh
		awk -v what="$1" '$1 == what ":" { print FILENAME ":" FNR ":1: warning:", $2 }' "$2"
	SAID
	printf '#!/bin/sh\ngit show | grep -A 3 "^+style:" | sed s,^+style,ERROR,\n' >"$ksrc/scripts/checkpatch.pl"
	printf '#!/bin/sh\ntail -n 1 MAINTAINERS\necho THE REST\n' >"$ksrc/scripts/get_maintainer.pl"
	echo 'KVM' >"$ksrc/MAINTAINERS"
	# <<- would take the tabs that make wants
	sed 's/^> /\t/' >>"$ksrc/Makefile" <<-'MAKE'
		allnoconfig:
		> @cp $(KCONFIG_ALLCONFIG) $(O)/.config
		arch/x86/kvm/:
		> @mkdir -p $(O)/$@; touch $(O)/$@/x.o
		> @if [ "$(C)" = 2 ]; then echo '  CHECK   x.c'; fi
		> @scripts/said.sh $(if $(C),sparse,W1) virt/kvm/guest_memfd.c
		htmldocs:
		> @mkdir -p $(O)/Documentation/output; touch $(O)/Documentation/output/api.html
		> @scripts/said.sh doc Documentation/$(SPHINXDIRS)/api.rst
	MAKE
	chmod +x "$ksrc"/scripts/*
	# what the base says itself
	for what in sparse W1; do echo "$what: old" >>"$ksrc/virt/kvm/guest_memfd.c"; done
	echo 'doc: old' >"$ksrc/Documentation/virt/kvm/api.rst"

	tree=$(make -s tree-path)
	gmem=$tree/virt/kvm/guest_memfd.c
}

@test "lint: what the base says, too, is no remark, at whatever line" {
	run make lint
	expect 0 'verdict: PASS: nothing new to remark'
	expect 0 'checkpatch --strict: 2 commits, no remark'
	expect 0 "sparse: 1 files, no new warning besides the base's 1"
	expect 0 'htmldocs: the series touches no page'
	sed -i '1s/^/one more line\n/' "$gmem" "$tree/Documentation/virt/kvm/api.rst"
	run make lint
	expect 0 'htmldocs: 1 pages of Documentation/virt/kvm, no new warning'
	expect 0 'checkpatch --strict: 2 commits and uncommitted edits'
	# the base is measured once
	run make lint
	[[ $output != *'pristine base'* ]]
}

@test "lint: a new warning of each tool, with its line" {
	sed -i '12s/.*/W1: new/' "$gmem"
	run make lint
	expect 1 'FAIL TEST: W=1: 1 new: virt/kvm/guest_memfd.c:12:1: warning: new'
	sed -i '12s/.*/sparse: new/' "$gmem"
	run make lint
	expect 1 'FAIL TEST: sparse: 1 new: virt/kvm/guest_memfd.c:12:1: warning: new'
	sed -i '12s/.*/12/' "$gmem"
	echo 'doc: new' >>"$tree/Documentation/virt/kvm/api.rst"
	run make lint
	expect 1 'FAIL TEST: htmldocs-virt-kvm: 1 new: Documentation/virt/kvm/api.rst:2:1: warning: new'
}

@test "lint: one more of a kind that the base has is new" {
	sed -i '12s/.*/sparse: old/' "$gmem"
	run make lint
	expect 1 'FAIL TEST: sparse: 1 new'
}

@test "lint: checkpatch on a commit that series/ lacks" {
	sed -i '12s/.*/style: bad/' "$gmem"
	commit "$tree" 'KVM: guest_memfd: Break the style' -a
	run make lint
	expect 1 'FAIL TEST: checkpatch: ERROR: bad'
}

@test "lint: a new file that no section of MAINTAINERS has; one that git does not know" {
	echo new >"$tree/virt/kvm/new.h"
	run make lint
	expect 0 'git does not know them (git add -f): virt/kvm/new.h'
	git -C "$tree" add -f virt/kvm/new.h
	commit "$tree" 'KVM: Add a file'
	run make lint
	expect 0 'MAINTAINERS: new files, each in a section: 1'
	echo 'M:	Nobody' >"$tree/MAINTAINERS"
	run make lint
	expect 1 'no section of MAINTAINERS has the new file virt/kvm/new.h'
}

@test "lint: a sparse that the kernel does without is no success" {
	sed -i "s/^.*CHECK   x.c.*/\t@echo 'C=2 specified, but sparse is not available or not up to date'/" "$ksrc/Makefile"
	rm -rf build/v7.3-ksrc-*
	run make lint
	expect 104 'fails at sparse'
}

@test "lint: bad knobs" {
	run make lint SERIES=none
	expect 2 'SERIES=none has nothing to lint'
}
