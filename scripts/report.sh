#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# report [DIR]: one static page, DIR/report.html, of what the runs in DIR (results/)
# say: a matrix of kernels and tests, each cell with a link to its log, and what it
# takes to repeat each run. A cell is the newest run of that test on that kernel.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=${1:-results}
[ -d "$dir" ] || die USAGE "there is no folder $dir: run something first, for example: make test"
page=$dir/report.html

# results RUN: its results.tsv. In a run that the kernel or the bench broke, the tests that
# are due and not in there have the class of the verdict as their result.
results() {
	local class
	class=$(sed -n 's/^verdict: FAIL \([A-Z]*\):.*/\L\1/p' "$1/verdict")
	if [ -f "$1/results.tsv" ]; then cat "$1/results.tsv"; fi
	case $class in '' | test | skip) return ;; esac
	if [ ! -f "$1/required" ]; then return; fi
	awk -F'\t' -v class="$class" -v why="$(cat "$1/verdict")" -v OFS='\t' '
		FILENAME != ARGV[1] { seen[$2]; next }
		!/\./ || /\.sh$/ { due[$0] }
		END { for (test in due) if (!(test in seen)) print class, test, why }' \
		"$1/required" "$([ -f "$1/results.tsv" ] && echo "$1/results.tsv" || echo /dev/null)"
}

# rows: base, series, architecture and kind, folder, result, test, detail of all
# selftest runs on kernels without further parameters, oldest first.
rows() {
	local run
	find "$dir" -mindepth 2 -maxdepth 2 -name subject | sort | while read -r run; do
		run=$(dirname "$run")
		if [ ! -f "$run/verdict" ]; then continue; fi
		awk -F'\t' -v OFS='\t' -v subject="$(cat "$run/subject")" -v folder="$(basename "$run")" '
			BEGIN { split(subject, s, "\t"); if (s[5] != "") exit }
			$1 != "broken" { print s[1], s[2], s[3] s[4], folder, $1, $2, $3 }' <(results "$run")
	done
}

# matrix: the tables, from rows on stdin.
matrix() {
	awk -F'\t' '
		function cell(column, test,   k) {
			k = column SUBSEP test
			if (!(k in result)) return "<td></td>"
			return "<td class=" result[k] "><a href=\"" folder[k] "/results.ktap\" title=\"" why[k] "\">" result[k] "</a></td>"
		}
		function table(title, wanted,   i, j, line) {
			print "<div class=wide><table><tr><th>" title "</th>"
			for (i = 1; i <= ncolumns; i++) print "<th>" columns[i] "</th>"
			print "</tr>"
			for (j = 1; j <= ntests; j++) {
				if (program[tests[j]] != wanted) continue
				line = tests[j]
				if (wanted != "") sub(/^[^.]*\./, "", line)
				printf "<tr><th>%s</th>", line
				for (i = 1; i <= ncolumns; i++) printf "%s", cell(columns[i], tests[j])
				print "</tr>"
			}
			print "</table></div>"
		}
		{
			column = $1 " " $2 " " $3
			if (!(column in known)) { known[column]; columns[++ncolumns] = column }
			if (!($6 in program)) {
				tests[++ntests] = $6
				program[$6] = $5 ~ /^case-/ ? substr($6, 1, index($6, ".") - 1) : ""
				if (program[$6] != "" && !(program[$6] in has)) { has[program[$6]]; programs[++nprograms] = program[$6] }
			}
			# of a test without a result, the cases have none, either
			# and those of an older run are none of one that did not pass
			known_result = $5 ~ /^(case-)?(pass|fail|skip|timeout)$/
			if (!known_result || $5 ~ /^(fail|skip|timeout)$/)
				for (j = 1; j <= ntests; j++)
					if (program[tests[j]] == $6 && (column, tests[j]) in result && !(known_result && folder[column, tests[j]] == $4)) {
						result[column, tests[j]] = $5; folder[column, tests[j]] = $4; why[column, tests[j]] = $7
					}
			sub(/^case-/, "", $5)
			result[column, $6] = $5; folder[column, $6] = $4; why[column, $6] = $7
		}
		END {
			if (!ntests) { print "<p>No selftest has run yet.</p>"; exit }
			print "<h2>Tests</h2>"
			table("test", "")
			for (p = 1; p <= nprograms; p++) {
				print "<details><summary>Cases of " programs[p] "</summary>"
				table("case", programs[p])
				print "</details>"
			}
		}'
}

# link FILE TEXT: to a file of the run, if it has one.
link() { if [ -f "$dir/$folder/$1" ]; then echo "<a href=\"$folder/$1\">$2</a>"; fi; }

# runs: all that left a verdict, newest first.
runs() {
	local verdict folder
	echo '<h2>Runs</h2>'
	find "$dir" -mindepth 2 -maxdepth 2 -name verdict ! -path "$dir/latest/*" | sort -r | while read -r verdict; do
		folder=$(basename "$(dirname "$verdict")")
		echo "<section><h3>$(xml <<<"$folder")</h3><p class=$(grep -q '^verdict: PASS' "$verdict" && echo pass || echo fail)>$(xml <"$verdict")</p>"
		echo '<p>'
		link console.log console
		link kmsg 'kernel log'
		link results.ktap KTAP
		link junit.xml JUnit
		link table table
		link differences differences
		link config configuration
		link versions versions
		link qemu.line 'QEMU line'
		echo '</p>'
		if [ -f "$dir/$folder/repeat" ]; then echo "<pre>$(xml <"$dir/$folder/repeat")</pre>"; fi
		echo '</section>'
	done
}

{
	cat <<'HTML'
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>guest_memfd flags: results</title>
<style>
body { font: 16px/1.4 sans-serif; margin: 0 auto; padding: 0 .7rem; max-width: 75rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid #999; padding: .3rem .5rem; text-align: left; font-weight: normal; overflow-wrap: normal; }
tr:first-child th { vertical-align: bottom; }
td a { display: block; color: inherit; }
td[class], p.fail { background: #fcc; color: #400; }
td.pass, p.pass { background: #dfd; color: #030; }
td.skip { background: #eee; color: #333; }
tr th:first-child { position: sticky; left: 0; background: #fff; min-width: 8rem; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .4rem; }
summary, section p a { padding: .4rem 0; margin-right: .8rem; display: inline-block; }
h3 { font-size: 1rem; margin-bottom: 0; }
p.pass, p.fail { padding: .3rem; }
</style></head><body>
<h1>guest_memfd flags: results</h1>
<p>A cell is the newest run of that test on that kernel, with a link to its log; an empty cell was not run. Runs with other kernel parameters, on another tree, with edits, and of wrong versions (mutants) have no cell. "make check" lets kernels panic and programs hang on purpose, to test the bench: those runs are listed below, too.</p>
HTML
	rows | xml | matrix
	runs
	echo '</body></html>'
} >"$page.part"
mv "$page.part" "$page"
echo "$page"
