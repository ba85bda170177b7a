#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# planted: show that a sanitizer kernel (DEBUG) reports faults that were planted on
# purpose (guest/planted.c), before it is believed to have found none in a test. Once
# for each kernel image. Part of test.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

# The words that each fault must draw from the kernel. The order matters: after an
# inversion, and after KASAN's report, lockdep is off.
faults=(
	'rcu        WARNING: suspicious RCU usage'
	'sleep      BUG: sleeping function called from invalid context'
	'inversion  WARNING: possible circular locking dependency detected'
	'leak       unreferenced object 0x'
	'object     ODEBUG: free active'
	'list       list_del corruption'
	'shift      UBSAN: shift-out-of-bounds'
	'oob        BUG: KASAN: slab-out-of-bounds'
)
if [ "$DEBUG" = kcsan ]; then faults=('race       BUG: KCSAN: data-race in count'); fi

seen=$out/planted.seen
stamp=$(hash_of "$out/$image" guest/planted.c "$0")
if [ "$(cat "$seen" 2>/dev/null)" = "$stamp" ]; then
	say "planted: this kernel was seen to report ${#faults[@]} planted faults"
	exit 0
fi

use_ccache
mkdir -p "$out/planted"
cp guest/planted.c "$out/planted/"
echo 'obj-m := planted.o' >"$out/planted/Kbuild"
step "planted: building the module" "$out/planted.log" kmake "$tree" "$out" M="$out/planted" modules ||
	die BUILD "$(compiler_error "$out/planted.log" "$tree")" "$out/planted.log"

new_run
cp "$out/planted/planted.ko" "$run/job/work/"
for fault in "${faults[@]}"; do
	echo "insmod work/planted.ko what=${fault%% *} && rmmod planted || exit"
done >"$run/job/run"
say "planted: ${#faults[@]} faults in ${run#"$top"/}"
sub boot "$run"
[[ $(tail -n 1 "$run/status") = "done $(cat "$run/nonce") 0" ]] ||
	die HARNESS "the kernel did not survive the planted faults, or the module did not load" "$run/console.log"
for fault in "${faults[@]}"; do
	read -r name words <<<"$fault"
	said=$(grep -aFm 1 "$words" "$run/kmsg") ||
		die HARNESS "this kernel does not report a planted fault ($name): it did not say '$words'" "$run/kmsg"
	note "$name: $said"
done
echo "verdict: PASS: the kernel reported all of ${#faults[@]} planted faults" | tee "$run/verdict" >&2
echo "$stamp" >"$seen"
