#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# export: what it refuses, and what lies in the folder. On a copy of the project with
# a kernel tree of a few files; nothing is built.

load lib

person='Jane Roe <jane@bench.local>'

setup() {
	unset V FROM COMPILE
	project
	tiny_kernel
	# the addresses are the kernel's business; what it was asked about shows
	mkdir -p "$ksrc/scripts"
	cat >"$ksrc/scripts/get_maintainer.pl" <<-'STUB'
		#!/bin/sh
		case $* in *0000-cover*) exit 1 ;; *0001-*0002-*) echo 'Keeper <keeper@bench.local>' ;; *) exit 1 ;; esac
		case $* in *--nom\ *) echo list@bench.local ;; esac
	STUB
	chmod +x "$ksrc/scripts/get_maintainer.pl"
	printf 'Subject: [PATCH 0/2] KVM: guest_memfd: Change two lines\n\nChange line 10 and line 20.\n\nThe second paragraph.\n' \
		>series/demo/v7.3/cover-letter.txt
	mail=build/export/demo-v7.3
	record=docs/exports/demo-v7.3
}

# export V [FROM]
export_v() { run make export V="$1" FROM="${2-$person}"; }

# another: the second patch changes, in the tree and in series/.
another() {
	local tree
	tree=$(make -s tree-path)
	sed -i 's/^20 changed$/20 changed again/' "$tree/virt/kvm/guest_memfd.c"
	commit "$tree" 'KVM: guest_memfd: Change line 20' -a --amend
	make -s refresh
}

@test "export: V missing or no positive number" {
	run make export FROM="$person"
	expect 2 "export takes V=N, the version to mail, from 1 on; V is ''"
	for v in 0 -1 1.5 two 01 99999999999999999999; do
		export_v "$v"
		expect 2 "V is '$v'"
	done
	[ ! -e build/export ]
}

@test "export: FROM missing or malformed" {
	local from
	run make export V=1
	expect 2 "FROM is ''"
	for from in jane 'Jane Roe' jane@bench.local '<jane@bench.local>' 'Jane Roe <jane>' 'Jane Roe <jane@local>' \
		'Jane Roe <jane@bench.local> x' 'Jane <Roe <jane@bench.local>' 'Jane Roe<jane@bench.local>' \
		'Jane Roe <jane@@bench.local>' 'Jane Roe <jane roe@bench.local>' \
		'Jane Roe <jane@bench..local>' 'J <a@b.local>, K <c@b.local>' $'Jane\tRoe <jane@bench.local>'; do
		export_v 1 "$from"
		expect 2 "FROM is '$from'"
	done
	[ ! -e build/export ]
}

@test "export: an address that is nobody's" {
	local host
	for host in example.org example.com example.net mail.example.org EXAMPLE.org x.invalid x.example x.test; do
		export_v 1 "Jane Roe <jane@$host>"
		expect 2 "is nobody's address"
	done
	[ ! -e build/export ]
}

@test "export: never the example, none, or EXTRA" {
	mkdir -p series/example/v7.3
	cp series/demo/v7.3/* series/example/v7.3
	run make export V=1 FROM="$person" SERIES=example
	expect 2 'series/example goes on top of a series'
	run make export V=1 FROM="$person" SERIES=none
	expect 2 'SERIES=none is not for mailing'
	cp series/demo/v7.3/0002-* extra.patch
	run make export V=1 FROM="$person" EXTRA=extra.patch
	expect 2 'EXTRA patches are never exported'
}

@test "export: a cover letter that is missing, has no subject, or counts other patches" {
	local cover=series/demo/v7.3/cover-letter.txt
	sed -i 's,0/2,0/3,' "$cover"
	export_v 1
	expect 2 'says 0/3, the series has 2 patches'
	sed -i 1d "$cover"
	export_v 1
	expect 2 "is not 'Subject: [PATCH 0/2] ...'"
	rm "$cover"
	export_v 1
	expect 2 'cover-letter.txt is missing'
}

@test "export: a stable kernel's prefix, in the cover letter and in the patches" {
	sed -i '1s,PATCH 0/2,PATCH 6.12 0/2,' series/demo/v7.3/cover-letter.txt
	export_v 1
	expect 0 'nothing was sent'
	[ "$(grep -h '^Subject: ' "$mail"/v1/*.patch | cut -d' ' -f1-4)" = $'Subject: [PATCH 6.12 0/2]\nSubject: [PATCH 6.12 1/2]\nSubject: [PATCH 6.12 2/2]' ]
	sed -i '1s,6.12,stable,' series/demo/v7.3/cover-letter.txt
	export_v 2
	expect 2 "is not 'Subject: [PATCH 0/2] ...'"
}

@test "export: the cover letters of the series are such" {
	local series
	for series in "$top"/series/*/*/cover-letter.txt; do
		series=${series%/*}
		run bash -c ". scripts/lib.sh; subject_line=$(sed -n 's/^subject_line=//p' scripts/export.sh)"'; [[ $(head -n 1 "$1") =~ $subject_line ]] && echo "${BASH_REMATCH[4]}"' - "$series/cover-letter.txt"
		[ "$output" = "$(find "$series" -name '[0-9]*.patch' | wc -l)" ] || fail "$series: $output"
	done
}

@test "export: edits in the tree, commits that series/ lacks" {
	local tree
	tree=$(make -s tree-path)
	echo edit >>"$tree/virt/kvm/guest_memfd.c"
	export_v 1
	expect 2 'has uncommitted edits'
	commit "$tree" 'KVM: guest_memfd: Edit' -a
	export_v 1
	expect 2 'has commits that series/demo/v7.3 lacks'
	git -C "$tree" reset -q --hard HEAD~2
	export_v 1
	expect 2 'or lacks some of its'
	git -C "$tree" reset -q --hard ORIG_HEAD~1
	echo new >"$tree/new.c"
	export_v 1
	expect 2 'has uncommitted edits'
	[ ! -e build/export ] && [ ! -e docs/exports ]
}

@test "export: the first version: author, sign-off, cover letter, base, recipients, the line to mail it" {
	export_v 1
	expect 0 "$mail/v1: a cover letter and 2 patches; nothing was sent"
	expect 0 "git send-email --dry-run --to=\"\$(paste -sd, $mail/v1/to)\""
	cd "$mail/v1"
	[ "$(ls)" = $'0000-cover-letter.patch\n0001-KVM-guest_memfd-Change-line-10.patch\n0002-KVM-guest_memfd-Change-line-20.patch\ncc\nto' ]
	[ "$(cat to cc)" = $'Keeper <keeper@bench.local>\nlist@bench.local' ]
	[ "$(grep -c "^From: $person" ./*.patch | grep -c ':1$')" -eq 3 ]
	[ "$(grep -c "^Signed-off-by: $person" 000[12]*.patch | grep -c ':1$')" -eq 2 ]
	refute grep -r 'kvm-gmem-flags@' .
	grep -qx 'Subject: \[PATCH 0/2\] KVM: guest_memfd: Change two lines' 0000*
	grep -qx 'The second paragraph.' 0000*
	grep -qx 'Base: Linux 7.3' 0000*
	grep -q ' virt/kvm/guest_memfd.c | 4 ++--' 0000*
	refute grep -E '\*\*\*|Range-diff' 0000*
	# and it is mail that git applies to the base
	cp "$ksrc/virt/kvm/guest_memfd.c" "$BATS_TEST_TMPDIR"
	cat 000[12]* | (cd "$BATS_TEST_TMPDIR" && git apply -p3)
	grep -qx '20 changed' "$BATS_TEST_TMPDIR/guest_memfd.c"
}

@test "export: a base in git is named by its commit" {
	git -C "$ksrc" init -q
	git -C "$ksrc" add -A
	commit "$ksrc" base
	export_v 1
	expect 0 'nothing was sent'
	grep -qx "base-commit: $(git -C "$ksrc" rev-parse HEAD)" "$mail/v1/0000-cover-letter.patch"
	refute grep '^Base: ' "$mail/v1/0000-cover-letter.patch"
}

@test "export: the same again changes nothing; another sender or series overwrites nothing" {
	export_v 1
	cp -r "$mail/v1" before
	export_v 1
	expect 0 'is there already, unchanged'
	export_v 1 'John Doe <john@bench.local>'
	expect 2 "$mail/v1 exists and differs"
	echo 'by hand' >>"$mail/v1/0000-cover-letter.patch"
	export_v 1
	expect 2 'exists and differs'
	sed -i '$d' "$mail/v1/0000-cover-letter.patch"
	another
	export_v 1
	expect 2 "v1 was exported already, of another series or cover letter ($record/v1.mbox)"
	diff -r before "$mail/v1"
}

@test "export: the second version: number, range-diff to the first, the record that allows it" {
	export_v 2
	expect 2 "V=2 needs $record/v1.mbox"
	export_v 1
	expect 0 "commit $record/v1.mbox"
	refute grep -r "$person" docs
	another
	# a clean clone has the record and no folder
	rm -r build/export
	export_v 2 'José Núñez <jose@bench.local>'
	expect 0 'nothing was sent'
	grep -qx 'Subject: \[PATCH v2 0/2\] KVM: guest_memfd: Change two lines' "$mail"/v2/v2-0000*
	grep -qx 'Signed-off-by: José Núñez <jose@bench.local>' "$mail"/v2/v2-0002*
	grep -qx 'Range-diff against v1:' "$mail"/v2/v2-0000*
	grep -qE '^1: .* = 1: .* KVM: guest_memfd: Change line 10' "$mail"/v2/v2-0000*
	grep -qE '^2: .* ! 2: .* KVM: guest_memfd: Change line 20' "$mail"/v2/v2-0000*
	grep -q '+20 changed again' "$mail"/v2/v2-0000*
	[ -f "$record/v2.mbox" ]
}

@test "export: a previous version that was for another base: said, and no range-diff" {
	export_v 1
	sed -i 's/^ 13$/ thirteen/' "$record/v1.mbox"
	export_v 2
	expect 0 'NOTE: v1 does not apply to this base'
	grep -qx 'No range-diff: v1 was for another base.' "$mail"/v2/v2-0000*
}

@test "export: the user's git configuration does not show" {
	export_v 1
	mv "$mail/v1" before
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME"
	git config --global diff.noprefix true
	git config --global format.signoff true
	git config --global format.subjectPrefix WRONG
	git config --global user.email wrong@bench.local
	export_v 1
	expect 0 'nothing was sent'
	diff -r before "$mail/v1"
}
