#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench: what the series costs. bench/gmem-cost.c on the base's kernel and on the
# series', under an emulator that executes one instruction a nanosecond, so that what it
# measures is a count; then with several threads, on a clock. A table (costs.tsv), plots
# (*.svg), and a verdict: no operation may cost more than on the base, and the kernel
# may grow by 256 bytes at most (v6.12's, which gets the whole system, by 2,048). Other
# series for this base stand in both, to compare.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
takes_no TESTS
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none is what bench compares with"
[ -z "$DEBUG" ] || die USAGE "sanitizers are not what a kernel costs; run bench without DEBUG"
[ -z "$ICOUNT" ] || die USAGE "bench knows by itself where to count; run it without ICOUNT"
lock
need bench

sub build
SERIES=none EXTRA='' sub build
mapfile -t others < <(all_series | grep -vxF "$SERIES")
for other in "${others[@]}"; do SERIES=$other EXTRA='' sub build; done

new_folder

# One program for all kernels: with the series' headers, which have all that it asks for.
cost=$top/$folder/gmem-cost
"${cross}gcc" -static -O2 -Wall -Wextra -Werror -pthread -I probe -isystem "$out/usr/include" -o "$cost" bench/gmem-cost.c ||
	die BUILD "gmem-cost does not compile against the headers of $branch"

# costs NAME ARGS KNOB=VALUE...: gmem-cost in a guest, its lines in NAME.tsv.
costs() {
	env GMEM_VERB=bench PROG="$cost" ARGS="$2" "${@:3}" setpriv --pdeathsig TERM "$top/scripts/exec.sh" >"$folder/$1.tsv"
}

# Side by side: how fast the guests run makes no difference to what they count. Where a
# mapping comes to lie does: the same addresses for all.
fixed="norandmaps $APPEND"
# both SUFFIX: base and series.
both() {
	local base rc=0
	costs "base$1" '' SERIES=none EXTRA= ICOUNT=1 APPEND="$fixed" &
	base=$!
	costs "series$1" '' ICOUNT=1 APPEND="$fixed" || rc=$?
	wait "$base" || rc=$?
	return "$rc"
}
counted() {
	local other rc=0
	both '' || rc=$?
	for other in "${others[@]}"; do
		costs "other-$other" '' SERIES="$other" EXTRA= ICOUNT=1 APPEND="$fixed" || rc=$?
	done
	return "$rc"
}
# failed CODE LOG: with the class of the guest that failed, or else as a test.
failed() {
	local class
	for class in "${!exit_codes[@]}"; do
		if [ "$1" -gt 100 ] && [ "$1" -eq "${exit_codes[$class]}" ]; then die "$class" "a guest of bench" "$2"; fi
	done
	die TEST "gmem-cost failed" "$2"
}

step "bench: counting instructions, on base and series at once" "$folder/counted.log" counted ||
	failed $? "$folder/counted.log"

# The clock of this machine, if KVM here has guest_memfd; else the emulator's, alone.
threads() {
	if [ "$ARCH" = "$(uname -m)" ] && "$cost" threads >"$folder/threads.tsv" && grep -qw guest_memfd "$folder/threads.tsv"; then
		echo "threads: natively, on this machine's own kernel, $(uname -r)" >"$folder/clock"
	else
		echo "threads: wall time in the emulator, 2 CPUs, each a thread of QEMU" >"$folder/clock"
		costs threads threads
	fi
}
step "bench: several threads" "$folder/threads.log" threads || failed $? "$folder/threads.log"

# How large the kernel is with KVM, built in or as modules: the sum of its object files,
# for linking pads sections (arm64's .text to whole pages) and hides what grows.
size_of() {
	find "$1/vmlinux.a" "$1/arch" \( -name vmlinux.a -o -path '*/kvm/*.ko' \) -exec "${cross}size" -t {} + |
		awk '$NF == "(TOTALS)" { printf "kernel\ttext\tbytes\t%d\t%d\t%d\t1\nkernel\tdata\tbytes\t%d\t%d\t%d\t1\n", $1, $1, $1, $2, $2, $2 }'
}
size_of "$base_dir/none/$kind" >>"$folder/base.tsv"
size_of "$out" >>"$folder/series.tsv"
for other in "${others[@]}"; do size_of "$base_dir/$other/$kind" >>"$folder/other-$other.tsv"; done

# Once more if something costs too much; costs.sh then wants it to be so twice.
rc=0
sub_rc costs "$folder" || rc=$?
if [ "$rc" -eq "${exit_codes[TEST]}" ]; then
	step "bench: too much; counting once more" "$folder/counted-2.log" both -2 || failed $? "$folder/counted-2.log"
	rc=0
	sub_rc costs "$folder" || rc=$?
fi
[ "$rc" -eq 0 ] || { explained=1 && exit "$rc"; }
