#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mutants: tests of the tests. Each patch of tests/mutants/$BASE makes one thing in
# the kernel wrong and names the test case that must notice. All of them go, one
# after the other, on top of the series and the example flag (series/example/),
# without which bits 63:32 would be empty. MUTANTS="01 17 ..." selects, or names files.
# Another series than flags has its own, in tests/mutants/$SERIES/$BASE, and no example.
#
# A mutant is killed only if its case says "ok" on the series and "not ok" on the
# mutant, both in this run, and the mutant's run has no other fault: a build error,
# a panic, a splat, a time-out or a skip kills nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -z "$EXTRA" ] || die USAGE "mutants go on top of the example flag; run it without EXTRA"
[ -z "$DEBUG" ] || die USAGE "mutants are many; run it without DEBUG"
[ -z "$APPEND" ] || die USAGE "each mutant brings its own kernel command line; run it without APPEND"
[ -z "${TESTS:-}" ] || die USAGE "each mutant names its own test; run it without TESTS, select with MUTANTS=\"01 17 ...\""
example_dir=series/example/$BASE
if [ "$SERIES" = flags ]; then
	EXTRA=$(find "$example_dir" -maxdepth 1 -name '0001-*.patch' 2>/dev/null || :)
	[ -n "$EXTRA" ] || die USAGE "there is no example flag for BASE=$BASE, on which the mutants are built"
fi
export EXTRA SERIES
check_knobs
set_paths
lock

# those of x86_64, the bench's default, hold most of the code that all share
mutants_dir=tests/mutants/$BASE
if [ "$SERIES" != flags ]; then mutants_dir=tests/mutants/$SERIES/$BASE; fi
if [ "$ARCH" != x86_64 ]; then mutants_dir+=/$ARCH; fi
[ -d "$mutants_dir" ] || die USAGE "there are no mutants for BASE=$BASE SERIES=$SERIES ARCH=$ARCH"
# field NAME FILE: a line of a mutant's head.
field() { sed -n "s/^$1: //p; /^$/q" "$2"; }

mutant_files=()
read -ra selected <<<"${MUTANTS:-$(names "$mutants_dir"/*.patch)}"
for name in "${selected[@]}"; do
	if [ ! -f "$name" ]; then
		mapfile -t found < <(find "$mutants_dir" -maxdepth 1 -name "$name*.patch")
		[ "${#found[@]}" -eq 1 ] || die USAGE "MUTANTS names '$name', which is ${#found[@]} files of $mutants_dir; they begin with 01, 02, ..."
		name=${found[0]}
	fi
	if [ -z "$(field Case "$name")" ] || ! grep -q '^+++ b/' "$name"; then
		die USAGE "$name is no mutant: it needs a 'Case:' line and a diff"
	fi
	mutant_files+=("$name")
done
[ ${#mutant_files[@]} -gt 0 ] || die USAGE "MUTANTS selects nothing"

# undo: take the mutant out again, also when interrupted. What it is stands beside the
# tree before it goes in. Other edits in the tree stay.
undo() {
	local kept=$tree_dir/mutant.patch
	[ -f "$kept" ] || return 0
	if git_plain -C "$tree" apply -R "$kept" 2>/dev/null || git_plain -C "$tree" apply --check "$kept" 2>/dev/null; then
		rm "$kept"
	else
		die APPLY "$tree has edits on top of the mutant $kept; take them away, 'git apply -R' it there, and remove it"
	fi
}
cleanup() { undo; }

# mutate FILE: put a mutant in.
mutate() {
	git_plain -C "$tree" apply --check "$(realpath "$1")" ||
		die APPLY "$1 does not apply to $branch; refresh it (docs/testing.md, Mutants)"
	cp "$1" "$tree_dir/mutant.part"
	mv "$tree_dir/mutant.part" "$tree_dir/mutant.patch"
	git_plain -C "$tree" apply "$(realpath "$1")"
}

# boot_tests PROGRAM APPEND: run a selftest on the kernel as it is built; its
# results are in $last_run.
boot_tests() {
	local rc=0 before
	before=$(readlink results/latest || echo none)
	TESTS=$1 APPEND=$2 TIMEOUT=${GMEM_SET[TIMEOUT]:-120} GMEM_BUILT=1 sub_rc test >"$run_dir/test.log" 2>&1 || rc=$?
	# a run that did not come to be is not the last one
	last_run=$run_dir/no-run
	if [ "$(readlink results/latest || echo none)" != "$before" ]; then last_run=$(readlink -f results/latest); fi
	return "$rc"
}

# result_of CASE: what the last run says of it: pass, fail, skip, or nothing.
result_of() {
	awk -F'\t' -v c="$1" '$2 == c { sub(/^case-/, "", $1); print $1 }' "$last_run/results.tsv" 2>/dev/null
}

# said CASE TEXT: the last run has TEXT in what it says of CASE. For a program that has
# no cases, and would be "not ok" whatever it was that failed.
said() {
	awk -F'\t' -v c="$1" -v t="$2" '$2 == c && (t == "" || index($3, t)) { found = 1 } END { exit !found }' "$last_run/results.tsv"
}

# kernel: rebuild what the mutant changed; nothing else is.
kernel() { KERNEL_ONLY=1 sub_rc build >"$run_dir/build.log" 2>&1; }

if [ -e "$tree/.git" ]; then undo; fi # what a killed run left
sub tree
read -r _ applied_head <"$tree_dir/applied"
if [ -n "$(git_plain -C "$tree" status --porcelain -uno)" ] || [ "$(git_plain -C "$tree" rev-parse HEAD)" != "$applied_head" ]; then
	die APPLY "$tree has edits; mutants need it as series/ and the example say"
fi
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
	local file=$1 case append class says
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
		class=$(sed -n 's/^verdict: FAIL \([A-Z]*\):.*/\1/p' "$last_run/verdict" 2>/dev/null) || class=
		says=$(field Says "$file")
		if [ "$class" = TEST ] && [ "$(result_of "$case")" = fail ] && said "$case" "$says"; then
			fate=killed
		else
			fate="NO KILL: $(sed 's/^verdict: //' "$last_run/verdict" 2>/dev/null || echo 'no run'); the case: $(result_of "$case" || :)"
		fi
	fi
	undo
}

killed=0 survived=0
for file in "${mutant_files[@]}"; do
	start=$SECONDS
	try "$file"
	if [ "$fate" = killed ]; then killed=$((killed + 1)); else survived=$((survived + 1)); fi
	printf '%2d/%d %-30s %-8s %-58s %3d s  %s\n' $((killed + survived)) ${#mutant_files[@]} "$(basename "$file" .patch)" "${fate%%:*}" "$(field Case "$file")" \
		$((SECONDS - start)) "$(field Breaks "$file")"
	if [ "$fate" != killed ]; then echo "    $fate"; fi
	printf '%s\t%s\t%s\t%s\n' "$fate" "$(basename "$file" .patch)" "$(field Case "$file")" "$(field Breaks "$file")" >>"$table"
done

# The example flag in a bit that can never be a flag: the compiler must refuse it, by
# the assertion and by nothing else. Files keep their dates, or all would be rebuilt.
refused=0 built=0
for file in "$example_dir"/must-not-build/*.patch; do
	if [ -n "${MUTANTS:-}" ] || [ "$SERIES" != flags ]; then continue; fi
	touched=$(sed -n 's#^+++ b/##p' "$file")
	cp -p "$tree/$touched" "$run_dir/kept"
	mutate "$file"
	if ! KERNEL_ONLY=virt/kvm/guest_memfd.o sub_rc build >"$run_dir/build.log" 2>&1 &&
		grep -q 'error: static assertion failed' "$out/kernel.log" &&
		[ "$(grep -c 'error: ' "$out/kernel.log")" -eq 1 ]; then
		refused=$((refused + 1)) fate=refused
	else
		built=$((built + 1)) fate='NOT REFUSED'
	fi
	undo
	# what was compiled from it must be made again, though
	if [ "$fate" = refused ]; then cp -p "$run_dir/kept" "$tree/$touched"; fi
	printf '%-30s %-8s %s\n' "$(basename "$file" .patch)" "$fate" "$(field Breaks "$file")"
done
kernel || die BUILD "the tree does not build after the mutants" "$run_dir/build.log"

message="$killed of $((killed + survived)) mutants killed"
if [ $((refused + built)) -gt 0 ]; then message+=", $refused of $((refused + built)) that must not build were refused"; fi
[ $((survived + built)) -eq 0 ] || die TEST "$message" "$table"
echo "verdict: PASS: $message"
