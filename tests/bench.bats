#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What costs.sh makes of measurements that are fine, and of those that are not.

load lib

# measured BASE SERIES [MINIMUM]: a folder of a bench, in which one operation took BASE
# instructions on the base and SERIES on the series, and all others the same.
measured() {
	local kernel file i
	folder=$BATS_TEST_TMPDIR/bench
	mkdir -p "$folder"
	for kernel in base series; do
		file=$folder/$kernel.tsv
		printf 'operation\tmemory\tsize\tmedian\tminimum\tmaximum\trepetitions\n' >"$file"
		for i in $(seq 31); do printf 'create\tsome %d\t-\t5000\t4990\t5010\t5\n' "$i" >>"$file"; done
		for i in 'KVM_CHECK_EXTENSION:FLAGS' 'KVM_CHECK_EXTENSION:FLAGS_HI' 'create and close:guest_memfd, no flags' \
			'create and close:guest_memfd, both flags' 'create, refused:flag 62' 'read refault:guest_memfd' 'read refault:memfd'; do
			printf '%s\t%s\t-\t5000\t4990\t5010\t5\n' "${i%:*}" "${i#*:}"
		done >>"$file"
		for i in 'mmap and munmap' fallocate 'punch hole' 'write refault' 'first read' 'first read, allocated'; do
			printf '%s\tmemfd\t-\t5000\t4990\t5010\t5\n%s\tguest_memfd\t-\t5000\t4990\t5010\t5\n' "$i" "$i"
		done >>"$file"
		for i in guest_memfd:9000 memfd:8000 anonymous:4000; do
			printf 'first write\t%s\t64MiB\t%d\t1\t2\t5\n' "${i%:*}" "${i#*:}" >>"$file"
		done
		for i in guest_memfd memfd; do
			printf 'files open at once\t%s\t1\t5000\t1\t2\t5\nfiles open at once\t%s\t4\t5100\t1\t2\t5\n' "$i" "$i" >>"$file"
		done
		printf 'kernel\ttext\tbytes\t1000000\t-\t-\t1\nkernel\tdata\tbytes\t20000\t-\t-\t1\n' >>"$file"
	done
	printf 'one\tof these\t-\t%s\t%s\t0\t5\n' "$1" "$1" >>"$folder/base.tsv"
	printf 'one\tof these\t-\t%s\t%s\t0\t5\n' "$2" "${3:-$2}" >>"$folder/series.tsv"
	printf 'operation\tmemory\tsize\tmedian\tminimum\tmaximum\trepetitions\n' >"$folder/threads.tsv"
	for i in 1 2 4; do
		printf 'threads, %s\n' "first write	guest_memfd	$i	9	9	9	5" "first write	memfd	$i	9	9	9	5" \
			"create and close	guest_memfd	$i	9	9	9	5" "create and close	memfd	$i	9	9	9	5"
	done >>"$folder/threads.tsv"
	echo 'threads: in this test' >"$folder/clock"
}

judged() { run "$top/scripts/costs.sh" "$folder"; }

setup() { cd "$top" || return; }

@test "bench: the same, and what is not more than 16 instructions or 1 % more: PASS" {
	for series in 300 316 284; do
		measured 300 "$series"
		judged
		expect 0 'verdict: PASS: none of 60 operations costs more than on the base, 0 are not on the base'
	done
	measured 10000 10100
	judged
	expect 0 'verdict: PASS'
	# what the base cannot do is no comparison
	sed -i '/^one.of these/d' "$folder/base.tsv"
	judged
	expect 0 'verdict: PASS: none of 59 operations costs more than on the base, 1 are not on the base'
}

@test "bench: plots are drawn; what is slower than a memfd is said" {
	measured 300 300
	judged
	for plot in faults sizes files threads; do grep -q '</svg>' "$folder/$plot.svg"; done
	grep -Eq '^first write +guest_memfd .* slower than memfd$' <<<"$output"
	[ "$(grep -c 'slower than memfd' <<<"$output")" -eq 1 ]
	# an operation that the base has not keeps its name in the plot
	sed -i '/^first write.guest_memfd/d' "$folder/base.tsv"
	judged
	grep -q '<tspan[^>]*>first write</tspan>' "$folder/faults.svg"
}

@test "bench: another series has a column and a bar, and no verdict" {
	measured 300 300
	sed 's/^\(first write\tguest_memfd\t64MiB\t\)9000/\17777/; s/^\(one.*-\t\)300/\1999/' "$folder/series.tsv" >"$folder/other-another.tsv"
	judged
	expect 0 'verdict: PASS'
	grep -Eq '^first write +guest_memfd .* 7777 ' <<<"$output"
	[ "$(awk -F'\t' '$1 == "one" { print $12 }' "$folder/costs.tsv")" = 999 ]
	grep -q 'guest_memfd, another' "$folder/faults.svg"
}

@test "bench: more than 16 instructions and 1 %: named" {
	measured 300 317
	judged
	expect 1 'FAIL TEST: 1 of 60 operations cost more than on the base: one of these -'
	measured 10000 10101
	judged
	expect 1 'one of these -'
	# a median that the minimum does not bear out
	measured 10000 10800 10000
	judged
	expect 0 'verdict: PASS'
	measured 10000 10801 10000
	judged
	expect 1 'one of these -'
}

@test "bench: measured twice, the lower counts, of base and series alike" {
	measured 300 320
	cp "$folder/base.tsv" "$folder/base-2.tsv"
	sed 's/^\(one.*-\t\)320\t320/\1305\t305/' "$folder/series.tsv" >"$folder/series-2.tsv"
	judged
	expect 0 'verdict: PASS: none of 60'
	# too much both times
	sed -i 's/\t305\t305/\t321\t321/' "$folder/series-2.tsv"
	judged
	expect 1 'one of these -'
	# the base was lower the second time, and the series too much over that
	sed -i 's/\t321\t321/\t310\t310/' "$folder/series-2.tsv"
	sed -i 's/^\(one.*-\t\)300\t300/\1290\t290/' "$folder/base-2.tsv"
	judged
	expect 1 'one of these -'
}

@test "bench: what memfd costs more, too, is the machine's doing, up to 3 %" {
	measured 300 300
	sed -i 's/^\(files open at once\t[a-z_]*\t1\t\)5000\t1\t/\15090\t5090\t/' "$folder/series.tsv"
	judged
	expect 0 'verdict: PASS'
	sed -i 's/^\(files open at once\tguest_memfd\t1\t\)5090\t5090/\15150\t5150/' "$folder/series.tsv"
	judged
	expect 1 '1 of 60 operations cost more than on the base: files open at once guest_memfd 1'
	sed -i 's/^\(files open at once\t[a-z_]*\t1\t\)5[0-9]*\t5[0-9]*/\16000\t6000/' "$folder/series.tsv"
	judged
	expect 1 '2 of 60'
}

@test "bench: an operation that the series lost" {
	measured 300 300
	sed -i '/of these/d' "$folder/series.tsv"
	judged
	expect 1 'FAIL TEST: 1 of 60 operations cost more than on the base: one of these -'
}

@test "bench: the kernel may grow by 256 bytes, not by 257; v6.12 by 2,048" {
	measured 300 300
	sed -i 's/1000000/1000256/' "$folder/series.tsv"
	judged
	expect 0 'verdict: PASS'
	sed -i 's/1000256/1000257/' "$folder/series.tsv"
	judged
	expect 1 'kernel text bytes'
	# v6.12 gets the whole system
	export BASE=v6.12
	sed -i 's/1000257/1002048/' "$folder/series.tsv"
	judged
	expect 0 'verdict: PASS'
	sed -i 's/1002048/1002049/' "$folder/series.tsv"
	judged
	expect 1 'kernel text bytes'
}

@test "bench: what was not measured is no PASS; no folder of a bench" {
	local row
	for row in 'create and close	guest_memfd, no flags' 'create, refused	flag 62' 'first write	guest_memfd' 'first read	memfd' 'kernel	text'; do
		measured 300 300
		sed -i "/^$row/d" "$folder"/{base,series}.tsv
		judged
		expect 110 "FAIL HARNESS: not measured on the series: ${row/	/, }"
	done
	measured 300 300
	sed -i '/guest_memfd	2/d' "$folder/threads.tsv"
	judged
	expect 110 'FAIL HARNESS: not measured: 2 threads with guest_memfd'
	run scripts/costs.sh "$BATS_TEST_TMPDIR"
	expect 2 'is no folder of bench: it has no base.tsv'
	run scripts/costs.sh
	expect 2 'FAIL USAGE: costs.sh takes the folder of one bench'
}
