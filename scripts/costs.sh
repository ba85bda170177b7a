#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# costs FOLDER: the table, the plots and the verdict of what bench has measured into
# FOLDER (base.tsv, series.tsv, threads.tsv, and other-NAME.tsv for other series, which
# are shown and not judged). With base-2.tsv and series-2.tsv, measured after another
# boot, the lower counts, of base and series alike. Part of bench; alone, it judges a
# folder again.

folder=$(realpath "${1-}" 2>/dev/null) || folder= # before lib.sh changes to the top

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "$folder" ] || die USAGE "costs.sh takes the folder of one bench"
for name in base series threads; do
	[ -f "$folder/$name.tsv" ] || die USAGE "$folder is no folder of bench: it has no $name.tsv"
done
export GMEM_REPEAT=${GMEM_REPEAT:-BASE=$BASE scripts/costs.sh $folder}

# What must have been measured on the series, of which memory: OPERATION|MEMORY.
needed=('KVM_CHECK_EXTENSION|FLAGS' 'KVM_CHECK_EXTENSION|FLAGS_HI' 'create and close|guest_memfd, no flags'
	'create and close|guest_memfd, both flags' 'create, refused|flag 62' 'kernel|text' 'kernel|data')
for operation in 'mmap and munmap' fallocate 'punch hole' 'files open at once' \
	'first write' 'write refault' 'read refault' 'first read' 'first read, allocated'; do
	needed+=("$operation|guest_memfd" "$operation|memfd")
done
for row in "${needed[@]}"; do
	grep -q "^${row%|*}"$'\t'"${row#*|}"$'\t' "$folder/series.tsv" ||
		die HARNESS "not measured on the series: ${row%|*}, ${row#*|}" "$folder/series.tsv"
done
for number in 1 2 4; do
	grep -q $'^threads, .*\tguest_memfd\t'"$number"$'\t' "$folder/threads.tsv" ||
		die HARNESS "not measured: $number threads with guest_memfd" "$folder/threads.tsv"
done

# Bytes that the kernel's text may grow by: v6.12 gets what v7.3 has before the series.
case $BASE in v6.12) growth=2048 ;; *) growth=256 ;; esac

# lower NAME: NAME.tsv, or of each operation in it the line of that or of NAME-2.tsv,
# whichever has the lower median.
lower() {
	local first=$folder/$1.tsv second=$folder/$1-2.tsv
	if [ ! -e "$second" ]; then second=/dev/null; fi
	awk -F'\t' 'FILENAME != ARGV[2] { median[$1, $2, $3] = $4; line[$1, $2, $3] = $0; next }
		{ print ($1, $2, $3) in median && median[$1, $2, $3] + 0 < $4 + 0 ? line[$1, $2, $3] : $0 }' "$second" "$first"
}

# One line for each operation: base, series, how they compare, and memfd for the same.
# Too much: over 1.01 times the base and by more than 16 instructions, the median and the
# minimum, for a timer that ticks can only add to one, and files take 7 % more or less by
# which of a slab's pages they get; or the median alone by 8 %; text by more than growth, data
# by more than 64. How slabs and page tables happen to be filled makes up to 3 % from boot
# to boot: what memfd, of which the series changes nothing, costs more for the same
# operation is not held against guest_memfd, and up to that much not against memfd.
awk -F'\t' -v OFS='\t' -v growth="$growth" '
	FNR == 1 { file++ }
	$1 == "operation" { next }
	function more(b, s, limit) { return s - b > 16 && s > b * limit }
	function drift(operation, size,   d) {
		if (!((operation, "memfd", size) in base)) return 1
		d = memfd[operation, size] / base[operation, "memfd", size]
		return d < 1 ? 1 : d > 1.03 ? 1.03 : d
	}
	{ least[file, $1, $2, $3] = $5 }
	file == 1 { base[$1, $2, $3] = $4; spread[$1, $2, $3] = $5 " to " $6; next }
	{ key = $1 OFS $2 OFS $3; order[++n] = key; series[key] = $4; range[key] = $5 " to " $6; if ($2 == "memfd") memfd[$1, $3] = $4 }
	END {
		print "operation", "memory", "size", "base", "spread", "series", "spread", "series/base", "memfd", "series/memfd", "verdict"
		for (i = 1; i <= n; i++) {
			split(order[i], k, OFS)
			b = base[k[1], k[2], k[3]]; s = series[order[i]]; m = memfd[k[1], k[3]]
			said = ""
			limit = k[2] == "memfd" || k[2] == "anonymous" ? 1.03 : 1.01 * drift(k[1], k[3])
			if (b == "") said = "only here"
			else if (k[1] == "kernel" ? s - b > (k[2] == "text" ? growth : 64) : more(b, s, limit) && (more(b, s, limit + 0.07) || more(least[1, k[1], k[2], k[3]], least[2, k[1], k[2], k[3]], limit))) said = "TOO MUCH"
			else if (m != "" && k[2] ~ /^guest_memfd/ && s > m * 1.02) said = "slower than memfd"
			print order[i], b == "" ? "-" : b, b == "" ? "-" : spread[k[1], k[2], k[3]], s, range[order[i]],
				b ? sprintf("%.3f", s / b) : "-", m != "" && k[2] ~ /^guest_memfd/ ? m : "-",
				m && k[2] ~ /^guest_memfd/ ? sprintf("%.3f", s / m) : "-", said
		}
		for (key in base) { split(key, k, SUBSEP); if (!((k[1] OFS k[2] OFS k[3]) in series)) print k[1], k[2], k[3], base[key], spread[key], "-", "-", "-", "-", "-", "GONE" }
	}' <(lower base) <(lower series) >"$folder/costs.tsv"

# other series: a column more for each, at the end
for other in "$folder"/other-*.tsv; do
	[ -e "$other" ] || continue
	name=${other##*/other-} name=${name%.tsv}
	awk -F'\t' -v OFS='\t' -v name="$name" '
		NR == FNR { cost[$1, $2, $3] = $4; next }
		{ print $0, FNR == 1 ? name : ($1, $2, $3) in cost ? cost[$1, $2, $3] : "-" }' "$other" "$folder/costs.tsv" >"$folder/costs.part"
	mv "$folder/costs.part" "$folder/costs.tsv"
done

awk -F'\t' '{ printf "%-22s %-26s %-7s %9s %9s %7s %9s %7s  ", $1, $2, $3, $4, $6, $8, $9, $10; for (i = 12; i <= NF; i++) printf "%14s  ", $i; print $11 }' "$folder/costs.tsv" |
	sed '1s#series/base#  /base#; 1s#series/memfd# /memfd#' | tee "$folder/table"
cat "$folder/clock" "$folder/threads.tsv"

too_much=$(awk -F'\t' '$11 == "TOO MUCH" || $11 == "GONE"' "$folder/costs.tsv")
measured=$(awk 'NR > 1' "$folder/costs.tsv" | wc -l)
gnuplot -e "folder='$folder'" bench/plots.gp 2>"$folder/gnuplot.log" || die HARNESS "gnuplot cannot draw" "$folder/gnuplot.log"
[ -z "$too_much" ] || die TEST "$(wc -l <<<"$too_much") of $measured operations cost more than on the base: $(cut -f1-3 <<<"$too_much" | tr '\t\n' ' ;')"
compared=$(awk -F'\t' 'NR > 1 && $11 != "only here"' "$folder/costs.tsv" | wc -l)
echo "verdict: PASS: none of $compared operations costs more than on the base, $((measured - compared)) are not on the base; ${folder#"$top"/}"
