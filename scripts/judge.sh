#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# judge RUN: the verdict on what one boot left in the folder RUN, from its files
# alone; docs/testing.md lists them. Writes RUN/verdict and, for selftests,
# RUN/results.tsv; for all, RUN/junit.xml. The exit code is the verdict's class.
#
# PASS needs all of it: the run's own nonce as the guest's last act, QEMU's exit
# 0, a clean console, a complete KTAP plan, and every required test passed.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

run=${1:?judge.sh takes the folder of one run}
[ -f "$run/nonce" ] || die USAGE "$run is no folder of a run: it has no nonce"
nonce=$(cat "$run/nonce")
console=$run/console.log
ktap=$run/results.ktap
touch "$console" "$run/kmsg"
code= # set where another exit code than the class's is due
# exec's stdout belongs to the program
out_fd=1
if [ -f "$run/exec" ]; then out_fd=2; fi

# What the kernel prints when something went wrong. "WARNING:" heads every
# WARN(); lockdep, RCU and the hung-task detector have forms of their own. kmemleak
# without memory for a "scan area" scans all of an object instead, and goes on.
splats='WARNING: |BUG: |Oops: |Internal error: |kernel BUG at |KASAN: |KCSAN: |UBSAN: |INFO: (possible|suspicious|task |rcu|trying)|rcu: INFO|general protection fault|Unable to handle kernel|unreferenced object|ODEBUG: |kmemleak: .*(disabled|Cannot allocate a kmemleak_object|pool empty)|soft lockup|hard LOCKUP|DEBUG_LOCKS_WARN|refcount_t: |list_(add|del) corruption|stack-protector'

# verdict CLASS MESSAGE [FILE]: the one line, and around it what a person needs.
verdict() {
	local class=$1 message=$2 file=${3:-} line
	line="verdict: FAIL $class: $message"
	if [ "$class" = PASS ]; then line="verdict: PASS: $message"; fi
	echo "$line" >"$run/verdict"
	junit "$(basename "$run")" "$run/results.tsv" "$run/verdict" >"$run/junit.xml"
	if [ "$class" = PASS ]; then
		echo "$line" >&"$out_fd"
		note "${run#"$top"/}"
		exit 0
	fi
	if [ -n "$file" ] && [ -s "$file" ]; then tail -n 40 "$file" | tr -d '\r' | sed 's/^/    | /' >&2; fi
	echo "$line" >&"$out_fd"
	{
		echo "  logs:   ${run#"$top"/}"
		if [ -f "$run/repeat" ]; then echo "  repeat: $(cat "$run/repeat")"; fi
		disk_full_hint "$run/qemu.log"
	} >&2
	explained=1
	exit "${code:-${exit_codes[$class]}}"
}

# every_splat: also those that the kernel's own log has lost, when it does not reach back
# to the start; on the console, programs may write into the kernel's lines.
every_splat() {
	if grep -qs 'Linux version' "$run/kmsg" && grep -aqE "$splats" "$run/kmsg"; then
		all "$splats" "$run/kmsg"
	else
		all "$splats" "$run/kmsg" "$console"
	fi
}

# around PATTERN LOG: the kernel's lines from the first match on, for the verdict.
around() {
	grep -aE -m 1 -B 3 -A 36 "$1" "$2" >"$run/excerpt" || true # no match: nothing to show
	echo "$run/excerpt"
}

all() { grep -ahE "$1" "${@:2}" | tr -d '\r' | sed 's/^\[[ 0-9.]*\] *//' | awk '!seen[$0]++'; }
first() { all "$1" "$2" | sed -n 1p; }

# parse_ktap: RUN/results.tsv from the runner's KTAP, one line for each program:
# result, name, seconds-free detail (why it failed or was skipped). Nested cases,
# which the runner prefixes with "# ", follow as lines of their own, "case" first.
parse_ktap() {
	tr -d '\r' <"$ktap" | awk -F'\t' -v OFS='\t' '
		function flush_cases(program,   i) {
			for (i = 1; i <= ncases; i++)
				print "case-" result[i], program "." name[i], why[i]
			ncases = 0
		}
		/^# (not )?ok [0-9]+/ {
			line = substr($0, 3); ncases++
			result[ncases] = line ~ /^not ok/ ? "fail" : line ~ /# SKIP/ ? "skip" : "pass"
			sub(/^(not )?ok [0-9]+ (- )?/, "", line)
			why[ncases] = line ~ /# / ? substr(line, index(line, "# ") + 2) : ""
			sub(/ *# .*/, "", line); name[ncases] = line
			next
		}
		/^# .*(Test Assertion Failure|: Assertion|Expected )/ && first == "" { first = substr($0, 3); more = 2; next }
		/^#   / && more > 0 && /[^ ]/ { first = first " / " substr($0, 5); more--; next }
		/^# *(1\.\.0 # SKIP|ok [0-9]* # SKIP)/ { skip = $0; sub(/.*# SKIP */, "", skip) }
		/^(not )?ok [0-9]+ / {
			line = $0
			r = line ~ /^not ok/ ? "fail" : line ~ /# SKIP/ ? "skip" : "pass"
			number = line; sub(/^(not )?ok /, "", number); sub(/ .*/, "", number)
			detail = line ~ /# / ? substr(line, index(line, "# ") + 2) : ""
			sub(/^(not )?ok [0-9]+ (selftests: [^:]*: )?/, "", line); sub(/ *# .*/, "", line)
			if (r == "skip" && skip != "") detail = skip
			if (r == "fail" && first != "") detail = detail ": " first
			if (r == "fail" && detail ~ /^TIMEOUT/) r = "timeout"
			print r, line, detail
			if (number != ++seen) print "broken", line, "result " number " where " seen " was due"
			flush_cases(line)
			first = skip = ""; more = 0
		}
		/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0; planned = 1 }
		END {
			if (!planned) print "broken", "plan", "there is no KTAP plan"
			else if (seen != plan) print "broken", "plan", "the plan says " plan " tests, " seen + 0 " reported"
		}' >"$run/results.tsv"
}

# rows RESULT FIELD: a field of the results of that kind.
rows() { awk -F'\t' -v r="$1" -v f="$2" '$1 == r { print $f }' "$run/results.tsv"; }
list() { paste -sd ';' | sed 's/;/; /g' | cut -c1-300; }

judge_guest() {
	local rc log
	if grep -aq 'Kernel panic' "$console"; then
		verdict PANIC "$(first 'Kernel panic' "$console")" "$(around 'Kernel panic|Oops|BUG:' "$console")"
	fi
	[ -f "$run/qemu.rc" ] || verdict HARNESS "QEMU was not started, or was stopped from outside" "$run/qemu.log"
	rc=$(cat "$run/qemu.rc")
	if ! grep -qsF "boot $nonce" "$run/status"; then
		if [ "$rc" -ne 0 ] && [ ! -s "$console" ]; then verdict HARNESS "QEMU failed with exit code $rc: $(head -n 1 "$run/qemu.log")" "$run/qemu.log"; fi
		if grep -qs '^boot ' "$run/status"; then verdict HARNESS "the nonce in status is another run's"; fi
		verdict BOOT "the kernel did not reach user space$(cpus)" "$console"
	fi
	for log in "$run/kmsg" "$console"; do
		if grep -aqsE "$splats" "$log"; then
			every_splat >"$run/splats" # for compare
			verdict SPLAT "$(first "$splats" "$log")" "$(around "$splats" "$log")"
		fi
	done
	if [ -f "$run/hung" ]; then
		parse_ktap # for compare: what came before
		verdict HANG "the guest did not stop a test whose time was up$(running)$(cpus)" "$(last_output)"
	fi
	# boot asks for the CPUs before time is up; an earlier SIGKILL is another's
	if [ "$rc" -eq 137 ] && [ ! -f "$run/cpus" ]; then verdict HARNESS "QEMU was killed; is the machine out of memory?" "$run/qemu.log"; fi
	if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		verdict HANG "time is up (TIMEOUT=$TIMEOUT s)$(running)$(cpus)" "$(last_output)"
	fi
	[ "$rc" -eq 0 ] || verdict HARNESS "QEMU exited with $rc: $(head -n 1 "$run/qemu.log")" "$run/qemu.log"
	[ -s "$console" ] || verdict HARNESS "the console log is empty: nobody knows what the kernel said"
	if [[ $(tail -n 1 "$run/status") == "done $nonce "* ]] && [ ! -s "$run/kmsg" ]; then
		verdict HARNESS "the guest did not send its kernel log"
	fi
	[[ $(tail -n 1 "$run/status") == "done $nonce "* ]] ||
		verdict HARNESS "the guest stopped before its last act: no nonce of this run at the end of status" "$console"
}

# running: which test was under way, from the runner's own announcement.
running() {
	local name
	name=$(sed -n 's/^# selftests: kvm: //p' "$ktap" 2>/dev/null | tail -n 1)
	if [ -n "$name" ]; then echo " in $name"; fi
}

# cpus: where boot found the guest's CPUs.
cpus() { if [ -f "$run/cpus" ]; then echo "; $(cat "$run/cpus")"; fi; }

last_output() {
	local file
	for file in "$ktap" "$run/stdout" "$console"; do
		if [ -s "$file" ]; then
			echo "$file"
			return
		fi
	done
}

judge_ktap() {
	local broken failed missing skipped
	touch "$ktap"
	parse_ktap
	broken=$(rows broken 3 | head -n 1)
	[ -z "$broken" ] || verdict HARNESS "KTAP: $broken" "$ktap"
	failed=$({
		rows fail 2
		rows timeout 2 | sed 's/$/ (time-out)/'
	} | list)
	[ -z "$failed" ] || verdict TEST "$failed: $({
		rows fail 3
		rows timeout 3
	} | head -n 1 | cut -c1-300)" "$(excerpt_of "$(rows fail 2 | head -n 1)")"
	# a program that reports success in spite of them is not believed
	failed=$(rows case-fail 2 | list)
	[ -z "$failed" ] || verdict TEST "$failed, although the program reports success: $(rows case-fail 3 | head -n 1)" "$ktap"
	missing=$(sort "$run/required" | comm -23 - <(cut -f2 "$run/results.tsv" | sort) | list)
	[ -z "$missing" ] || verdict SKIP "required tests did not run: $missing" "$ktap"
	skipped=$(awk -F'\t' 'NR == FNR { required[$0]; next }
		($1 == "skip" || $1 == "case-skip") && $2 in required { print $2 ": " $3 }' "$run/required" "$run/results.tsv" | list)
	[ -z "$skipped" ] || verdict SKIP "required tests were skipped: $skipped" "$ktap"
	[ -n "$(rows pass 2)" ] || verdict SKIP "no test passed" "$ktap"
}

# excerpt_of PROGRAM: what the runner printed for it, without the cases that passed.
excerpt_of() {
	sed -n "/^# selftests: kvm: $1\$/,/^not ok/p" "$ktap" | awk '
		/^# #  RUN/ { held = "" }
		{ held = held $0 "\n" }
		/^# ok / { held = "" }
		/^(# )?not ok / { printf "%s", held; held = "" }
		END { printf "%s", held }' >"$run/excerpt"
	echo "$run/excerpt"
}

judge_guest
if [ -f "$run/required" ]; then
	judge_ktap
	cases=$(rows case-pass 2 | wc -l)
	verdict PASS "$(rows pass 2 | wc -l) passed, 0 failed, $(rows skip 2 | wc -l) skipped$([ "$cases" -eq 0 ] || echo "; cases in them: $cases passed, $(rows case-skip 2 | wc -l) skipped")"
fi

# run and exec: the program's exit code is the result, and for exec ours.
rc=$(tail -n 1 "$run/status" | cut -d' ' -f3)
[[ $rc =~ ^[0-9]+$ ]] || verdict HARNESS "the guest sent no exit code of the program"
if [ "$rc" -ne 0 ]; then
	if [ -f "$run/exec" ]; then code=$rc; fi
	verdict TEST "the program exited with $rc"
fi
verdict PASS "$(cat "$run/what" 2>/dev/null || echo 'the program exited with 0')"
