#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compare: proof that nothing else changed. The whole KVM selftest suite three times on
# the same machine with the same time-outs: the base's programs on the base's kernel,
# the same programs on the series' kernel, and the series' own programs there. Any
# difference fails, and so does a failure of the base that expect/ does not explain.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none is what compare compares with"
[ -z "${TESTS:-}" ] || die USAGE "compare runs all tests; run it without TESTS"
lock
need test

# Seconds for one test; the longest that ends takes half of it. Those that expect/ says
# do not end are stopped after 5.
limit=60
known=expect/$BASE/$ARCH/failures
[ -f "$known" ] || known=/dev/null # nothing fails
endless=$(awk -F' *[|] *' '$2 == "timeout" { print $1 }' "$known" | paste -sd ' ')
base_install=$base_dir/none/$kind/install
series_install=$out/install

sub build
SERIES=none EXTRA='' sub build

# A folder of its own, beside those of the three runs.
folder=results/$(date +%Y%m%d-%H%M%S)-compare-$BASE-$branch-$kind
mkdir -p "$folder"
repeat_line >"$folder/repeat"

# programs INSTALL: names of all KVM selftests in it.
programs() { sed -n 's/^kvm://p' "$1/kselftest/kselftest-list.txt" | sort | paste -sd ' '; }

# suite NAME INSTALL KNOB=VALUE...: all programs of INSTALL on one kernel. What they
# say is compared below; that the kernel survived it is required.
suite() {
	local rc=0
	say "compare: $1"
	env GMEM_BUILT=1 GMEM_INSTALL="$2" GMEM_TEST_LIMIT="$limit" GMEM_ENDLESS="$endless" TESTS="$(programs "$2")" \
		TIMEOUT="${GMEM_SET[TIMEOUT]:-3600}" GMEM_VERB=compare "${@:3}" "$top/scripts/test.sh" >"$folder/$1.log" 2>&1 &
	children+=($!)
	wait $! || rc=$?
	children=()
	case $rc in
	0 | "${exit_codes[TEST]}" | "${exit_codes[SKIP]}") ;;
	*)
		tail -n 40 "$folder/$1.log" >&2
		explained=1
		exit "$rc"
		;;
	esac
	ln -s "../$(readlink results/latest)" "$folder/$1"
	awk -F'\t' '$1 != "broken"' results/latest/results.tsv >"$folder/$1.tsv"
	note "$(awk -F'\t' '$1 !~ /^case-/ { n[$1]++ } END { for (r in n) printf "%s %d  ", r, n[r] }' "$folder/$1.tsv")"
}
suite base-on-base "$base_install" SERIES=none EXTRA=
suite base-on-series "$base_install"
suite series-on-series "$series_install"

# Differences, one a line: what numbers and addresses a failing line holds does not count.
awk -F'\t' -v OFS='\t' -v known="$known" '
	function trim(s) { gsub(/^ +| +$/, "", s); return s }
	function plain(s) { gsub(/0x[0-9a-f]+/, "N", s); gsub(/[0-9]+/, "N", s); return s }
	function said(run, name) {
		if (!((run, name) in result)) return "missing"
		return result[run, name] (detail[run, name] == "" ? "" : ": " detail[run, name])
	}
	function differ(a, b, name) {
		return result[a, name] != result[b, name] || plain(detail[a, name]) != plain(detail[b, name])
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
	{ sub(/^case-/, "", $1); result[run, $2] = $1; detail[run, $2] = $3; names[$2] }
	END {
		for (name in names) {
			flaky = name in kind && kind[name] ~ /^flaky/
			if (flaky) {
				for (r = 1; r <= 3; r++)
					if ((r, name) in result && !((name, result[r, name]) in outcome))
						print name, "flaky, but never seen on the base with: " said(r, name)
				continue
			}
			program = name; sub(/\..*/, "", program)
			if (program in kind && kind[program] ~ /^flaky/) continue
			if ((1, name) in result) {
				bad = result[1, name] == "fail" || result[1, name] == "timeout"
				if (bad && name == program && !(name in kind)) print name, "fails on the base, and expect/ does not say why: " said(1, name)
				if (name in kind && result[1, name] != kind[name]) print name, "expect/ says " kind[name] " on the base, and it is " said(1, name)
				else if (name in kind && !index(detail[1, name], first[name])) print name, "expect/ says its first failing line is \"" first[name] "\", and it is " said(1, name)
				if (differ(1, 2, name)) print name, "base: " said(1, name), "series: " said(2, name)
				if ((3, name) in result ? differ(2, 3, name) : name == program)
					print name, "test of the base: " said(2, name), "test of the series: " said(3, name)
			} else if (result[3, name] == "fail" || result[3, name] == "timeout") {
				print name, "new in the series: " said(3, name)
			}
		}
		for (name in kind) if (!(name in names)) print name, "is in expect/ and not in the suite"
	}' "$folder"/{base-on-base,base-on-series,series-on-series}.tsv | sort >"$folder/differences"

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
	}' "$folder"/{base-on-base,base-on-series,series-on-series}.tsv | sort >"$folder/table"

cat "$folder/table"
if [ -s "$folder/differences" ]; then
	die TEST "differences ($(wc -l <"$folder/differences")): $(head -n 1 "$folder/differences" | tr '\t' ' ' | cut -c1-200)" "$folder/differences"
fi
message="$(wc -l <"$folder/table") tests, no difference between base and series ($BASE, SERIES=$branch, $kind)"
echo "verdict: PASS: $message" | tee "$folder/verdict"
note "$folder"
