#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# differences FOLDER: the verdict on the three results that compare has left in FOLDER
# (base-on-base.tsv, base-on-series.tsv, series-on-series.tsv) and on what expect/ says
# of the base. Part of compare; alone, it judges a folder again, after expect/ changed.

folder=$(realpath "${1-}" 2>/dev/null) || folder= # before lib.sh changes to the top

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "$folder" ] || die USAGE "differences.sh takes the folder of one compare"
runs=("$folder"/{base-on-base,base-on-series,series-on-series}.tsv)
for file in "${runs[@]}"; do
	[ -s "$file" ] || die USAGE "$folder is no folder of compare: it has no $(basename "$file"), or nothing is in it"
done
[ -f "$folder/subject" ] || die USAGE "$folder is no folder of compare: it has no subject"
BASE=$(cut -f1 "$folder/subject") branch=$(cut -f2 "$folder/subject")
ARCH=$(cut -f3 "$folder/subject") kind=$ARCH$(cut -f4 "$folder/subject")
export GMEM_REPEAT=${GMEM_REPEAT:-scripts/differences.sh $folder}
known=$(known_failures)

# Differences, one a line: what numbers and addresses a failing line holds does not count,
# but for the exit code.
awk -F'\t' -v OFS='\t' -v known="$known" '
	function trim(s) { gsub(/^ +| +$/, "", s); return s }
	function plain(s,   code) {
		if (match(s, /^[a-z]+: exit=[0-9]+/)) { code = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1) }
		gsub(/0x[0-9a-f]+/, "N", s); gsub(/[0-9]+/, "N", s)
		return code s
	}
	function said(run, name) {
		if (!((run, name) in result)) return "missing"
		return result[run, name] (detail[run, name] == "" ? "" : ": " detail[run, name])
	}
	BEGIN {
		while ((getline line < known) > 0) {
			if (line ~ /^#/ || line == "") continue
			if (split(line, f, "|") != 4) { print "expect/", line, "needs four fields"; continue }
			name = trim(f[1]); kind[name] = trim(f[2]); first[name] = trim(f[3])
			if (kind[name] ~ /^flaky/ ) {
				n = split(kind[name], w, " "); sum = kinds = 0
				for (i = 2; i < n; i += 2) { sum += w[i]; kinds += w[i] > 0; outcome[name, w[i + 1]] }
				if (sum < 3 || kinds < 2) print name, "expect/ calls it flaky with fewer than three runs, or with one outcome only: " kind[name]
			}
		}
	}
	FNR == 1 { run++ }
	{ if (!sub(/^case-/, "", $1)) programs[$2]; result[run, $2] = $1; detail[run, $2] = $3; names[$2] }
	# a program has no dot in its name, but for nx_huge_pages_test.sh
	function program_of(name) {
		while (!(name in programs) && sub(/\.[^.]*$/, "", name)) continue
		return name
	}
	END {
		for (name in names) {
			flaky = name in kind && kind[name] ~ /^flaky/
			if (flaky) {
				for (r = 1; r <= 3; r++) {
					if (!((r, name) in result)) print name, "flaky, and missing in run " r " of 3"
					else if (!((name, result[r, name]) in outcome)) print name, "flaky, but never seen on the base with: " said(r, name)
					else if (result[r, name] == "fail" && !index(detail[r, name], first[name])) print name, "flaky, but never seen on the base with: " said(r, name)
				}
				continue
			}
			if (name in kind && kind[name] == "superseded") {
				if (result[1, name] != "pass") print name, "expect/ says that it passes on the base, and it is " said(1, name)
				if (result[2, name] != "fail" || !index(detail[2, name], first[name])) print name, "expect/ says that the series fails the test of the base with \"" first[name] "\", and it is " said(2, name)
				if (result[3, name] != "pass") print name, "test of the series, which supersedes that of the base: " said(3, name)
				continue
			}
			program = program_of(name)
			if (program in kind && kind[program] ~ /^(flaky|superseded)/) continue
			if ((1, name) in result) {
				bad = result[1, name] ~ /^(fail|timeout|hang)$/
				if (bad && name == program && !(name in kind)) print name, "fails on the base, and expect/ does not say why: " said(1, name)
				if (name in kind && result[1, name] != kind[name]) print name, "expect/ says " kind[name] " on the base, and it is " said(1, name)
				else if (name in kind && !index(detail[1, name], first[name])) print name, "expect/ says its first failing line is \"" first[name] "\", and it is " said(1, name)
				one = said(1, name); two = said(2, name); three = said(3, name)
				if (plain(one) != plain(two)) print name, "base: " one, "series: " two
				if (three == "missing" ? name == program : plain(two) != plain(three))
					print name, "test of the base: " two, "test of the series: " three
			} else if (result[3, name] ~ /^(fail|timeout|hang)$/) {
				print name, "new in the series: " said(3, name)
			}
		}
		for (name in kind) if (!(name in names)) print name, "is in expect/ and not in the suite"
	}' "${runs[@]}" | sort >"$folder/differences"

# A guest that hung once on the series, and in that test not on the base: a difference,
# too, unless it was the emulator, or expect/ knows it.
if [ -s "$folder/hangs" ]; then
	awk -v OFS='\t' '
		FILENAME == ARGV[1] { if (split($0, f, " *[|] *") == 4 && f[2] ~ /^flaky.* hang( |$)/) on_base[f[1]]; next }
		/\(the emulator\)$/ { next }
		$1 == "base-on-base:" { on_base[$2]; next }
		!($2 in on_base) { print $2, "hung the guest on the series (" $1 "), and not on the base" }' \
		"$known" "$folder/hangs" | sed 's/:)/)/' | sort -u >>"$folder/differences"
fi

# What a kernel complained of once, on the series and not on the base at that place: a
# difference, unless expect/ knows that the base does ("splat" among a test's results, and
# where it was). What names no place, as a stall does not, the base excuses nowhere.
if [ -s "$folder/splats" ]; then
	awk -v OFS='\t' -v known="$known" '
		function where(s) { sub(/\+0x.*/, "", s); return s }
		BEGIN { while ((getline line < known) > 0) if (split(line, f, " *[|] *") == 4 && f[2] ~ /splat/ && line !~ /^#/) text[f[3]] }
		{ run = $1; sub(/^[^ ]* /, "") }
		run == "base-on-base:" { if (/\+0x/) on_base[where($0)]; next }
		{
			for (t in text) if (t != "" && index($0, t)) next
			if (!(where($0) in on_base)) print "the kernel", "of the series complained (" run "), and not the base'"'"'s: " $0
		}' "$folder/splats" | sed 's/:)/)/' | sort -u >>"$folder/differences"
fi

# Per test, side by side: the three results, and why it failed or was skipped.
awk -F'\t' '
	FNR == 1 { run++ }
	$1 !~ /^case-/ { names[$2]; result[run, $2] = $1; if ($3 != "") why[$2] = $3 }
	END {
		for (name in names) {
			line = sprintf("%-42s", name)
			for (r = 1; r <= 3; r++) line = line sprintf(" %-8s", ((r, name) in result) ? result[r, name] : "-")
			print line, why[name]
		}
	}' "${runs[@]}" | sort >"$folder/table"

# For CI: a test fails if something about it is a difference, whatever its result is.
suite() {
	awk -F'\t' -v OFS='\t' '
		FILENAME == ARGV[1] { said = $0; sub(/^[^\t]*\t/, "", said); gsub(/\t/, "; ", said); why[$1] = why[$1] (why[$1] == "" ? "" : "; ") said; next }
		{ split($0, f, " "); name = f[1]; if (!(name in why)) print "pass", name }
		END { for (name in why) print "fail", name, why[name] }' "$folder/differences" "$folder/table" | sort -k 2 >"$folder/compare.tsv"
	junit "$(basename "$folder")" "$folder/compare.tsv" "$folder/verdict" >"$folder/junit.xml"
}

cat "$folder/table"
if [ -s "$folder/differences" ]; then
	message="differences ($(wc -l <"$folder/differences")): $(head -n 1 "$folder/differences" | tr '\t' ' ' | cut -c1-200)"
	echo "verdict: FAIL TEST: $message" >"$folder/verdict"
	suite
	die TEST "$message" "$folder/differences"
fi
# a guest that hung and is no difference: not for forgetting
if [ -s "$folder/hangs" ]; then note "the guest hung in: $(sort "$folder/hangs" | uniq -c | sed 's/^ *//' | paste -sd ';' | sed 's/;/; /g')"; fi
if [ -s "$folder/splats" ]; then note "the kernel complained: $(sort "$folder/splats" | uniq -c | sed 's/^ *//' | paste -sd ';' | sed 's/;/; /g')"; fi
message="$(wc -l <"$folder/table") tests, no difference between base and series ($BASE, SERIES=$branch, $kind)"
echo "verdict: PASS: $message" | tee "$folder/verdict"
suite
note "$folder"
