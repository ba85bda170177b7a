#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The house's own code and patches, by the tools that kernel people use.

load lib

setup() {
	cd "$top" || return
	mapfile -t patches < <(find series -name '[0-9]*.patch' | sort)
}

@test "shellcheck: no remark" {
	shellcheck scripts/*.sh guest/init guest/timeout probe/tests/in-guest.sh examples/init tests/boot-cases tests/lib.bash .ci/run
	# what bats sets (status, output, stderr) and runs in subshells, shellcheck cannot see
	shellcheck -e SC2154,SC2030,SC2031,SC2016 tests/*.bats
}

@test "shfmt: nothing to change" {
	shfmt -d scripts/*.sh guest/init guest/timeout probe/tests/in-guest.sh examples/init tests/boot-cases tests/lib.bash .ci/run tests/*.bats
}

@test "C: no warning from gcc and clang" {
	local cc
	for cc in gcc clang; do
		"$cc" -Wall -Wextra -Werror -fsyntax-only -I probe bench/gmem-cost.c
		"$cc" -Wall -Wextra -Werror -fsyntax-only -isystem build/v7.3/flags/x86_64/usr/include guest/gmem-soak.c guest/gmem-faults.c guest/gmem-fuzz.c
		"$cc" -Wall -Wextra -Werror -fsyntax-only tests/guest-prog.c scripts/make-exit.c scripts/tsc-khz.c
	done
}

@test "codespell: no misspelled word" {
	codespell -L filp,iput README.md docs scripts guest probe examples tests/*.bats configs series
}

# The base is one commit, so checkpatch can know no commit of the kernel's history.
@test "checkpatch --strict: nothing but the sign-off that the sender adds" {
	local out
	[ ${#patches[@]} -gt 0 ]
	read -r _ head <build/v7.3/flags/applied
	cd "$(make -s tree-path)"
	out=$(scripts/checkpatch.pl --strict --ignore MISSING_SIGN_OFF,UNKNOWN_COMMIT_ID -g "base..$head") || fail "$out"
	[ "$(grep -c '^total: 0 errors, 0 warnings, 0 checks' <<<"$out")" -eq "$(git rev-list --count "base..$head")" ] || fail "$out"
}

@test "checkpatch --strict: the module of planted faults" {
	run "$(make -s tree-path)/scripts/checkpatch.pl" --strict --no-tree -f guest/planted.c
	expect 0 'total: 0 errors, 0 warnings, 0 checks'
}

@test "patches: the project's author, no sign-off, no one's tags, a changelog, a KVM subject" {
	local patch
	for patch in "${patches[@]}"; do
		[ "$(sed -n 's/^From: //p' "$patch")" = 'KVM guest_memfd flags <kvm-gmem-flags@example.org>' ] || fail "$patch: author"
		refute grep -qiE '^(signed-off|acked|reviewed|tested|suggested|reported|co-developed)-by:' "$patch"
		grep -qE '^Subject: \[PATCH\] KVM: (guest_memfd|selftests): [A-Z]' "$patch" || fail "$patch: subject"
		[ "$(sed '1,/^$/d; /^---$/,$d' "$patch" | grep -c .)" -ge 4 ] || fail "$patch: changelog"
		[ -z "$(sed '1,/^$/d; /^---$/,$d' "$patch" | grep -vE '^(Link|Fixes): ' | awk 'length > 75')" ] || fail "$patch: changelog wider than 75"
	done
}

@test "series: apply and export is byte-identical" {
	local clone=$BATS_TEST_TMPDIR/clone tree
	tree=$(make -s tree-path)
	# from what "applied" says, so that edits in the tree do not matter
	read -r _ head <build/v7.3/flags/applied
	(. scripts/lib.sh && mkdir "$clone" && export_series "$tree" "base..$head" "$clone")
	diff -r --exclude='*.txt' --exclude='cover*' "$clone" series/flags/v7.3
}

@test "no kernel source and no large file in the repository" {
	[ -n "$(git ls-files)" ]
	refute grep -E '^(arch|virt|kernel|mm|fs|include|net|drivers)/' <(git ls-files)
	[ -z "$(git ls-files -z | xargs -0 du -k | awk '$1 > 256')" ]
}

@test "links: what README and docs point to exists" {
	local file link
	for file in README.md docs/*.md; do
		while read -r link; do
			[ -e "$(dirname "$file")/$link" ] || fail "$file: $link"
		done < <(grep -oE '\]\([^)#:]+\)' "$file" | sed 's/^](//; s/)$//')
	done
}
