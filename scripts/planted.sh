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

# What each fault must draw from the kernel, about this module and no other code. The
# order matters: after an inversion, and after KASAN's report, lockdep is off. v6.12
# compiles a module by its absolute path, which then stands in the report.
faults=(
	'rcu        planted\.c:[0-9]+ suspicious rcu_dereference_check\(\) usage'
	'sleep      BUG: sleeping function called from invalid context at [^ ]*planted\.c'
	'inversion  at: plant_inversion\+'
	'leak       comm "insmod"'
	'object     ODEBUG: free active .* \[planted\]'
	'list       plant_list\+'
	'shift      UBSAN: shift-out-of-bounds in [^ ]*planted\.c'
	'oob        BUG: KASAN: slab-out-of-bounds in plant_oob\+'
)
if [ "$DEBUG" = kcsan ]; then faults=('race       BUG: KCSAN: data-race in .*\[planted\]'); fi

seen=$out/planted.seen
stamp=$({
	cat "$out/$image" guest/planted.c guest/init "$0" "configs/$ARCH.env"
	"$qemu" --version
	echo "$APPEND $ICOUNT"
} | sha256sum)
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
	echo "echo planting ${fault%% *} >/dev/kmsg; insmod work/planted.ko what=${fault%% *} && rmmod planted || exit"
done >"$run/job/run"
say "planted: ${#faults[@]} faults in ${run#"$top"/}"
sub boot "$run"
# verdict LINE: for the report, and for CI.
verdict() {
	echo "verdict: $1" >"$run/verdict"
	junit "$(basename "$run")" /dev/null "$run/verdict" >"$run/junit.xml"
}
fail() { # MESSAGE LOG
	verdict "FAIL HARNESS: $1"
	die HARNESS "$1" "$2"
}
[[ $(tail -n 1 "$run/status") = "done $(cat "$run/nonce") 0" ]] ||
	fail "the module did not load, or the kernel did not survive it; the last line of its log: $(grep -a planting "$run/console.log" | tail -n 1)" "$run/console.log"
for fault in "${faults[@]}"; do
	read -r name words <<<"$fault"
	said=$(grep -aEm 1 "$words" "$run/kmsg") ||
		fail "this kernel does not report a planted fault ($name): its log has no '$words'" "$run/kmsg"
	note "$name: $said"
done
# The loader of modules may lose an object, too; 1,000 were planted.
leaks=$(grep -ac 'comm "insmod"' "$run/kmsg") || : # 0
if [ "$DEBUG" != kcsan ] && [ "$leaks" -lt 500 ]; then
	fail "this kernel reports $leaks of 1,000 planted leaks" "$run/kmsg"
fi
verdict "PASS: the kernel reported all of ${#faults[@]} planted faults"
cat "$run/verdict" >&2
echo "$stamp" >"$seen"
