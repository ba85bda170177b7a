#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lint: what the robots of the mailing list would say of the series, before they
# do. It reads the tree as it is, with commits and edits that series/ lacks. A
# warning counts only where the base does not give it, too.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none has nothing to lint"
[ -z "$DEBUG" ] || die USAGE "lint compiles as every patch must compile; run it without DEBUG"
lock
need lint
sub tree

lint_out=$tree_dir/lint-$ARCH
logs=$lint_out/logs
mkdir -p "$logs"

# sparse 0.6.4 stops at what it does not know, and is then silent about the whole
# file: an operator, which to it may as well be typeof, and assertions on the length
# of strings, which gcc checks.
sparse=(C=2 "CHECK=sparse '-D__typeof_unqual__=__typeof__' '-D_Static_assert(x,y...)='")

# touched FILTER [PATTERN...]: files that differ from the base, committed or not.
touched() { git_plain -C "$tree" diff --name-only --no-renames --diff-filter="$1" base -- "${@:2}"; }

# C files that are not KVM's: those that the bench's kernel has can be compiled.
others=() unchecked=()
files=$(touched d '*.c' ':!virt/kvm' ':!arch' ':!tools' ':!samples' ':!Documentation')
for file in $files; do
	if [ -f "$out/${file%.c}.o" ]; then others+=("${file%.c}.o"); else unchecked+=("$file"); fi
done

# The base is measured once for each way of looking, in the tree that bisect uses.
base_tree=$base_dir/walk/linux
base_out=$base_dir/walk/modules-$ARCH
known=$base_dir/walk/warnings-$({
	cat scripts/lint.sh scripts/modules.sh "configs/$ARCH.env" "${fragments[@]}"
	"${cross}gcc" --version
	sparse --version
	sphinx-build --version
	echo "${others[@]}"
} | sha256sum | cut -c1-16)

# --- the ways of looking: each takes a tree and where to build it ----------------

# forget OUT: the objects whose warnings nobody has judged; make would not compile
# them again.
forget() {
	local object
	if [ ! -e "$1/unjudged" ] || [ ! -d "$1/arch" ]; then return; fi
	find "$1/arch" "$1/virt" -path '*/kvm/*' -name '*.o' -delete
	for object in "${others[@]}"; do rm -f "$1/$object"; done
}

# modules TREE OUT [MAKE-ARGUMENT...]
modules() {
	local object targets=()
	for object in "${others[@]}"; do
		if [ -f "$1/${object%.o}.c" ]; then targets+=("$object"); fi
	done
	GMEM_VERB=lint scripts/modules.sh "$1" "$2" "${targets[@]}" "${@:3}"
}

w1() {
	forget "$2" && mkdir -p "$2" && touch "$2/unjudged" && modules "$1" "$2"
}

sparse() {
	modules "$1" "$2" "${sparse[@]}" || return
	# said by the kernel's Makefile when it then does without
	if grep 'not available or not up to date' "$2/make.log"; then return 1; fi
	grep -q '^  CHECK ' "$2/make.log"
}

# htmldocs TREE OUT DIR: all of the folder again, for sphinx is silent about pages
# that have not changed.
htmldocs() {
	rm -rf "$2/Documentation/output"
	make -C "$1" O="$2" SPHINXDIRS="$3" htmldocs &&
		[ -n "$(find "$2/Documentation/output" -name '*.html')" ]
}

# doc_dirs: the folders that sphinx can build alone and that hold a touched page.
doc_dirs() {
	local dir
	touched d 'Documentation/*.rst' | while read -r dir; do
		dir=$(dirname "$dir")
		until [ "$dir" = . ] || [ -f "$tree/$dir/index.rst" ]; do dir=$(dirname "$dir"); done
		echo "${dir#Documentation/}"
	done | sort -u
}

# --- comparing -----------------------------------------------------------------

# only_warnings: also errors, which sparse and sphinx give without failing.
only_warnings() { grep -aiE '(warning|error|severe|critical): ' || [ $? -eq 1 ]; }

# plain TREE: warnings as they compare: no path of the tree, no line numbers, which
# shift.
plain() { sed -E "s#($1|(\.\./)+linux)/##g; s#[^ ]*/\.\./\.\./\.\./##g; s#:[0-9]+(:[0-9]+)?##g"; }

# new_warnings LOG KNOWN: the warnings in LOG that KNOWN lacks, with their lines. One
# more of a kind than KNOWN has is new; which one it is nobody knows, so all are shown.
new_warnings() {
	only_warnings <"$1" >"$1.warnings"
	plain "$tree" <"$1.warnings" | sort | comm -13 "$2" - >"$1.new"
	paste -d '\t' <(plain "$tree" <"$1.warnings") "$1.warnings" |
		awk -F'\t' 'NR == FNR { new[$0]; next } $1 in new { print $2 }' "$1.new" - |
		sed -E "s#($tree|(\.\./)+linux)/##g; s#[^ ]*/\.\./\.\./\.\./##g"
}

# measure_base NAME CMD [ARG]: the base's warnings, in $known/NAME.
measure_base() {
	local name=$1 log=$known/$1.log
	if [ -f "$known/$name" ]; then return; fi
	GMEM_WALK=1 sub tree
	walk_to base || die APPLY "cannot check out the base in $base_tree"
	mkdir -p "$known" "$base_out"
	touch "$base_out/unjudged"
	step "lint: $name on the pristine base, once" "$log" "$2" "$base_tree" "$base_out" "${@:3}" ||
		die BUILD "the pristine base fails at $name" "$log"
	only_warnings <"$log" | plain "$base_tree" | sort >"$known/$name.part"
	mv "$known/$name.part" "$known/$name"
}

# compare NAME CMD [ARG]: fails if the series has a warning that the base has not.
compare() {
	local name=$1 log=$logs/$1.log new=$logs/$1.txt
	measure_base "$@"
	step "lint: $name" "$log" "$2" "$tree" "$lint_out" "${@:3}" ||
		die BUILD "$name: $(sed -n 's/^verdict: FAIL BUILD: //p' "$log" | grep . || echo 'make failed')" "$log"
	new_warnings "$log" "$known/$name" >"$new"
	[ ! -s "$new" ] || die TEST "$name: $(wc -l <"$log.new") new: $(head -n 1 "$new")" "$new"
}

# --- checkpatch ----------------------------------------------------------------

# checkpatch ARG...: of the tree itself. Sign-offs are the sender's (export); the base
# is one commit, so it knows no commit of the kernel's history; whether MAINTAINERS
# needs updating for a new file is looked up below.
checkpatch() {
	(cd "$tree" && scripts/checkpatch.pl --strict --ignore MISSING_SIGN_OFF,UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES "$@")
}

# complaints LOG: what checkpatch complained of, without its other words.
complaints() { grep -E -A 3 '^(ERROR|WARNING|CHECK):' "$1" >"$1.txt" || [ $? -eq 1 ]; }

check_patches() {
	local log=$logs/checkpatch.log commits rc=0
	commits=$(git_plain -C "$tree" rev-list --count base..HEAD)
	say "lint: checkpatch"
	: >"$log"
	if [ "$commits" -gt 0 ]; then checkpatch -g base..HEAD >>"$log" 2>&1 || rc=$?; fi
	if ! git_plain -C "$tree" diff --quiet HEAD; then
		git_plain -C "$tree" diff HEAD | checkpatch --no-signoff --ignore COMMIT_MESSAGE - >>"$log" 2>&1 || rc=$?
		commits+=" commits and uncommitted edits"
	else
		commits+=" commits"
	fi
	complaints "$log"
	[ ! -s "$log.txt" ] || die TEST "checkpatch: $(head -n 1 "$log.txt")" "$log.txt"
	[ "$rc" -eq 0 ] || die TEST "checkpatch failed" "$log"
	echo "checkpatch --strict: $commits, no remark"
}

# check_selftests: touched KVM selftests compile without a warning. Their own Makefile
# lets warnings pass.
check_selftests() {
	local file dir=$tree/tools/testing/selftests/kvm number=0 files
	files=$(touched d 'tools/testing/selftests/kvm/*.c')
	[ -n "$files" ] || return 0
	[ -d "$out/usr/include" ] || sub build
	: >"$logs/selftests.log"
	for file in $files; do
		number=$((number + 1))
		"${cross}gcc" -std=gnu99 -O2 -Wall -Wstrict-prototypes -Wuninitialized -Werror -fsyntax-only -D_GNU_SOURCE= \
			-isystem "$out/usr/include" -I "$tree/tools/include" -I "$tree/tools/arch/$selftest_arch/include" \
			-I "$dir/include" -I "$dir/include/$selftest_arch" -I "$dir/include/$kernel_arch" -I "$dir/../rseq" -I "$dir/.." \
			"$tree/$file" >>"$logs/selftests.log" 2>&1 ||
			die TEST "$file: $(grep -m 1 -E '(error|warning):' "$logs/selftests.log" | sed "s#^$tree/##")" "$logs/selftests.log"
	done
	echo "selftests: $number touched files, no warning"
}

# check_maintainers: a new file must be someone's, i.e. in a section besides the last
# one, which has every file.
check_maintainers() {
	local file new=0 files
	files=$(touched A)
	for file in $files; do
		new=$((new + 1))
		(cd "$tree" && scripts/get_maintainer.pl --no-git --no-git-fallback --sections -f "$file") |
			grep -vE '^([A-Z]:|THE REST$|$)' >/dev/null ||
			die TEST "checkpatch: no section of MAINTAINERS has the new file $file"
	done
	if [ "$new" -gt 0 ]; then echo "MAINTAINERS: new files, each in a section: $new"; fi
}

# --- all of it -----------------------------------------------------------------

# Debian's .gitignore names every file, so that "git add" takes new ones with -f only
# and "git status" is silent about them
new=$(git_plain -C "$tree" ls-files --others | sed '6,$c …' | sed '7,$d' | paste -sd ' ')
if [ -n "$new" ]; then note "not looked at, because git does not know them (git add -f): $new"; fi

check_patches
check_maintainers
check_selftests

compare W=1 w1
rm "$lint_out/unjudged"
echo "W=1, ${strict_config[*]#CONFIG_}: $(find "$lint_out/arch/$selftest_arch/kvm" "$lint_out/virt/kvm" -name '*.o' 2>/dev/null | wc -l) objects${others:+ and ${others[*]}}, no new warning"
if [ ${#unchecked[@]} -gt 0 ]; then note "not compiled, because the bench's kernel lacks them: ${unchecked[*]}"; fi

compare sparse sparse
blind=$(sed -nE 's/^([^ :]+): error: .*/\1/p' "$known/sparse" | sort -u | paste -sd ' ')
echo "sparse: $(grep -c '^  CHECK ' "$logs/sparse.log") files, no new warning besides the base's $(wc -l <"$known/sparse")${blind:+; it cannot read $blind}"

dirs=$(doc_dirs)
for dir in $dirs; do
	compare "htmldocs-${dir//\//-}" htmldocs "$dir"
	echo "htmldocs: $(find "$lint_out/Documentation/output" -name '*.html' | wc -l) pages of Documentation/$dir, no new warning"
done
if [ -z "$dirs" ]; then echo "htmldocs: the series touches no page"; fi

# codespell, shellcheck, shfmt and what else style.bats checks
[ -d build/v7.3/flags/x86_64/usr/include ] || ARCH=x86_64 PAGES='' BASE=v7.3 SERIES=flags KSRC='' EXTRA='' sub build # has headers to compile against
step "lint: tests/style.bats" "$logs/style.tap" env GMEM_VERB= bats --tap tests/style.bats ||
	die TEST "tests/style.bats: $(sed -n 's/^not ok [0-9]* //p' "$logs/style.tap" | paste -sd ';')" "$logs/style.tap"
echo "style.bats: $(grep -c '^ok ' "$logs/style.tap") checks of the project's own files passed"
echo "verdict: PASS: nothing new to remark ($BASE, SERIES=$SERIES, $ARCH)"
