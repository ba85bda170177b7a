#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# uncovered FOLDER: the verdict on what cover has left in FOLDER: how often each line ran
# (selftests.lines, all.lines, and *.changed.lines for those that the series adds), and
# the text of those of guest_memfd.c that never did (uncovered). Part of cover; alone, it
# judges a folder again, after expect/ changed.

folder=$(realpath "${1-}" 2>/dev/null) || folder= # before lib.sh changes to the top

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "$folder" ] || die USAGE "uncovered.sh takes the folder of one cover"
for file in subject uncovered {selftests,all}{,.changed}.lines; do
	[ -f "$folder/$file" ] || die USAGE "$folder is no folder of cover: it has no $file"
done
BASE=$(cut -f1 "$folder/subject") ARCH=$(cut -f2 "$folder/subject")
export GMEM_REPEAT=${GMEM_REPEAT:-scripts/uncovered.sh $folder}
known=expect/$BASE/$ARCH/uncovered
guest_memfd='^virt/kvm/guest_memfd[.]c:'

# share NAME PATTERN: ran, all, and percent of the lines in $folder/NAME.lines that match.
share() { awk -v p="$2" '$1 ~ p { all++; ran += $2 > 0 } END { printf "%d of %d (%.1f %%)", ran, all, all ? 100 * ran / all : 0 }' "$folder/$1.lines"; }

for name in selftests all; do
	printf '%-10s guest_memfd.c %s, changed lines %s\n' "$name" "$(share "$name" "$guest_memfd")" "$(share "$name.changed" .)"
done | tee "$folder/table"

{ sed -nE '/^#/!s/^(.*[^ ]) +\| .*/\1/p' "$known" 2>/dev/null || :; } | sort >"$folder/uncovered.known"
[ -s "$folder/all.changed.lines" ] || die HARNESS "no changed line was counted" "$folder/lcov.log"
for name in all selftests; do
	missed=$(awk '$2 == 0 { print $1 }' "$folder/$name.changed.lines" | paste -sd ' ')
	[ -z "$missed" ] || die TEST "changed lines that no test runs ($name): $missed" "$folder/$name.changed.lines"
done
diff "$folder/uncovered.known" "$folder/uncovered" >"$folder/uncovered.diff" ||
	die TEST "lines of guest_memfd.c that never ran (>), or ran although $known says that they do not (<)" "$folder/uncovered.diff"
awk -v p="$guest_memfd" '$1 ~ p { all++; ran += $2 > 0 } END { exit !(all && ran >= 0.95 * all) }' "$folder/all.lines" ||
	die TEST "less than 95 % of guest_memfd.c ran: $(share all "$guest_memfd")" "$folder/all.lines"
echo "verdict: PASS: $(share all "$guest_memfd") lines of guest_memfd.c, $(share all.changed .) changed lines; ${folder#"$top"/}/html"
