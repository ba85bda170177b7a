#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mutants: tests of the tests. Each patch of tests/mutants/$BASE makes one thing in
# the kernel wrong and names the test case that must notice. All of them go, one
# after the other, on top of the series and the example flag (series/example/),
# without which bits 63:32 would be empty. MUTANTS="01 17 ..." selects, or names files.
#
# A mutant is killed only if its case says "ok" on the series and "not ok" on the
# mutant, both in this run, and the mutant's run has no other fault: a build error,
# a panic, a splat, a time-out or a skip kills nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -z "$EXTRA" ] || die USAGE "mutants go on top of the example flag; run it without EXTRA"
[ -z "$APPEND" ] || die USAGE "each mutant brings its own kernel command line; run it without APPEND"
[ -z "${TESTS:-}" ] || die USAGE "each mutant names its own test; run it without TESTS, select with MUTANTS=\"01 17 ...\""
example_dir=series/example/$BASE
EXTRA=$(find "$example_dir" -maxdepth 1 -name '0001-*.patch' 2>/dev/null || :)
[ -n "$EXTRA" ] || die USAGE "there is no example flag for BASE=$BASE, on which the mutants are built"
export EXTRA SERIES
check_knobs
set_paths
lock

mutants_dir=tests/mutants/$BASE
mutant_files=()
for name in ${MUTANTS:-$(names "$mutants_dir"/*.patch)}; do
	if [ -f "$name" ]; then
		mutant_files+=("$name")
		continue
	fi
	mapfile -t found < <(find "$mutants_dir" -name "$name*.patch")
	[ "${#found[@]}" -eq 1 ] || die USAGE "MUTANTS names '$name', which is ${#found[@]} files of $mutants_dir; known: $(names "$mutants_dir"/*.patch)"
	mutant_files+=("${found[0]}")
done

# field NAME FILE: a line of a mutant's head.
field() { sed -n "s/^$1: //p; /^$/q" "$2"; }

# undo: take the mutant out again, also after an interrupt: the files that it
# touched are listed beside the tree before it goes in.
undo() {
	local file
	[ -f "$tree_dir/mutated" ] || return 0
	while read -r file; do
		git_plain -C "$tree" show "HEAD:$file" >"$tree/$file.part"
		mv "$tree/$file.part" "$tree/$file"
	done <"$tree_dir/mutated"
	rm "$tree_dir/mutated"
}

# mutate FILE: put a mutant in.
mutate() {
	local list=$tree_dir/mutated
	sed -n 's#^+++ b/##p' "$1" >"$list.part"
	mv "$list.part" "$list"
	git_plain -C "$tree" apply "$(realpath "$1")" ||
		die APPLY "$1 does not apply to $branch; refresh it (docs/testing.md, Mutants)"
}

# boot_tests PROGRAM APPEND: run a selftest on the kernel as it is built; its
# results are in $last_run.
boot_tests() {
	local rc=0
	TESTS=$1 APPEND=$2 TIMEOUT=120 GMEM_BUILT=1 scripts/test.sh >"$run_dir/test.log" 2>&1 || rc=$?
	last_run=$(readlink -f results/latest)
	return "$rc"
}

# result_of CASE: what the last run says of it: pass, fail, skip, or nothing.
result_of() {
	awk -F'\t' -v c="$1" '$2 == c { sub(/^case-/, "", $1); print $1 }' "$last_run/results.tsv" 2>/dev/null
}

# kernel: rebuild what the mutant changed; nothing else is.
kernel() { KERNEL_ONLY=1 scripts/build.sh >"$run_dir/build.log" 2>&1; }

export GMEM_VERB=mutants
sub tree
undo
[ -z "$(git_plain -C "$tree" status --porcelain -uno)" ] ||
	die APPLY "$tree has edits; mutants need it as series/ and the example say"
run_dir=$tree_dir/mutants
mkdir -p "$run_dir"
table=$run_dir/mutants.tsv
: >"$table"
sub build

say "mutants: the cases on the series (with the example flag)"
declare -A on_series=()
while IFS=$'\t' read -r program append; do
	boot_tests "$program" "$append" ||
		die TEST "$program fails on the series itself${append:+ with $append}" "$run_dir/test.log"
	while IFS=$'\t' read -r result name _; do
		on_series["$name $append"]=${result#case-}
	done <"$last_run/results.tsv"
done < <(for file in "${mutant_files[@]}"; do
	printf '%s\t%s\n' "$(field Case "$file" | cut -d. -f1)" "$(field Append "$file")"
done | sort -u)

# try FILE: one mutant; sets $fate.
try() {
	local file=$1 case append class
	case=$(field Case "$file")
	append=$(field Append "$file")
	if [ "${on_series["$case $append"]:-}" != pass ]; then
		fate="NO KILL: on the series, $case is '${on_series["$case $append"]:-missing}', not ok"
		return
	fi
	mutate "$file"
	if ! kernel; then
		fate="NO KILL: does not build: $(grep -m 1 'verdict:' "$run_dir/build.log")"
	else
		boot_tests "${case%%.*}" "$append" || :
		class=$(sed -n 's/^verdict: FAIL \([A-Z]*\):.*/\1/p' "$last_run/verdict")
		if [ "$class" = TEST ] && [ "$(result_of "$case")" = fail ]; then
			fate=killed
		else
			fate="NO KILL: $(sed 's/^verdict: //' "$last_run/verdict"); the case: $(result_of "$case")"
		fi
	fi
	undo
}

killed=0 survived=0
for file in "${mutant_files[@]}"; do
	start=$SECONDS
	try "$file"
	if [ "$fate" = killed ]; then killed=$((killed + 1)); else survived=$((survived + 1)); fi
	printf '%-30s %-8s %-58s %3d s  %s\n' "$(basename "$file" .patch)" "${fate%%:*}" "$(field Case "$file")" \
		$((SECONDS - start)) "$(field Breaks "$file")"
	if [ "$fate" != killed ]; then echo "    $fate"; fi
	printf '%s\t%s\t%s\t%s\n' "$fate" "$(basename "$file" .patch)" "$(field Case "$file")" "$(field Breaks "$file")" >>"$table"
done

# The example flag in a bit that can never be a flag: the compiler must refuse it, by
# the assertion and by nothing else. Files keep their dates, or all would be rebuilt.
refused=0 built=0
for file in "$example_dir"/must-not-build/*.patch; do
	[ -z "${MUTANTS:-}" ] || continue
	touched=$(sed -n 's#^+++ b/##p' "$file")
	cp -p "$tree/$touched" "$run_dir/kept"
	mutate "$file"
	if ! KERNEL_ONLY=virt/kvm/guest_memfd.o scripts/build.sh >"$run_dir/build.log" 2>&1 &&
		grep -q 'static assertion failed' "$out/kernel.log"; then
		refused=$((refused + 1)) fate=refused
	else
		built=$((built + 1)) fate='NOT REFUSED'
	fi
	undo
	cp -p "$run_dir/kept" "$tree/$touched"
	printf '%-30s %-8s %s\n' "$(basename "$file" .patch)" "$fate" "$(field Breaks "$file")"
done
kernel || die BUILD "the tree does not build after the mutants" "$run_dir/build.log"

message="$killed of $((killed + survived)) mutants killed, $refused of $((refused + built)) that must not build were refused"
[ $((survived + built)) -eq 0 ] || die TEST "$message" "$table"
echo "verdict: PASS: $message"
