#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot RUN: pack RUN/job into an initramfs, boot the kernel that build left, and
# leave in RUN what the guest sent: status, stdout, stderr, kmsg, console.log, qemu.rc.
# Part of run, test, exec and shell, which prepare RUN. Judges nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
run=$(realpath "$1")
nonce=$(cat "$run/nonce")

# The guest gets this long to reach its first program; it needs 2 s here.
boot_limit=$((TIMEOUT < 120 ? TIMEOUT : 120))

# pack: busybox, init, the job and, where the verb runs them, the kselftests, as
# cpio archives one after the other, which the kernel unpacks in turn.
pack() {
	local root=$run/root
	mkdir -p "$root/bin" "$root/usr/bin"
	cp "$busybox" "$root/bin/busybox"
	cp guest/init "$root/init"
	cp guest/timeout "$root/usr/bin/timeout"
	pack_modules
	echo "NONCE=$nonce" >"$run/job/env"
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$run/initrd"
	(cd "$run" && find job | cpio -o -H newc --quiet -R 0:0) >>"$run/initrd"
	if [ -d "$run/extra-root" ]; then
		(cd "$run/extra-root" && find . | cpio -o -H newc --quiet -R 0:0) >>"$run/initrd"
	fi
	if [ -f "$run/kselftest.list" ]; then
		(cd "$install" && cpio -o -H newc --quiet -R 0:0 <"$run/kselftest.list") >>"$run/initrd"
	fi
	rm -rf "$root" "$run/extra-root"
}

# pack_modules: KVM where it is a module (CONFIG=configs/variants/modules.config), named
# in the order in which the guest loads them.
pack_modules() {
	local module number=0
	if ! grep -qx CONFIG_KVM=m "$out/.config"; then return; fi
	mkdir -p "$root/modules"
	for module in "${kvm_modules[@]}"; do
		number=$((number + 1))
		cp "$out/$module" "$root/modules/$number-$(basename "$module")"
	done
}

# port_file PORT: the file in RUN that a port's output goes to. What selftests
# write to stdout is KTAP, and is called so.
port_file() {
	if [ "$1" = stdout ] && [ -f "$run/required" ]; then echo results.ktap; else echo "$1"; fi
}

# clock: what tells the guest the rate of its TSC: with ICOUNT one tick is one
# nanosecond, else it is this machine's. Left to measure it on a busy machine, one
# guest in 25 failed to, and then had neither a clock nor KVM_GET_TSC_KHZ.
clock() {
	local khz=1000000
	if [ "$ARCH" != x86_64 ]; then return; fi
	if [ -z "$ICOUNT" ]; then
		[ build/tsc-khz -nt scripts/tsc-khz.c ] || gcc -O2 -o build/tsc-khz scripts/tsc-khz.c
		khz=$(build/tsc-khz)
	fi
	echo "${khz:+tsc_early_khz=$khz}"
}

# qemu_line: the command, as an array, so that it can be printed to copy.
qemu_line() {
	local port
	line=("$qemu" "${qemu_machine[@]}" -m 3G -display none -nodefaults -no-reboot)
	if [ -n "$ICOUNT" ]; then
		line+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -smp 1)
	else
		line+=(-accel "tcg,thread=multi" -smp "$smp")
	fi
	line+=(-kernel "$run/kernel" -initrd "$run/initrd"
		-append "$cmdline${DEBUG:+ $cmdline_debug} $(clock) panic=-1${APPEND:+ $APPEND}" -device virtio-serial-pci)
	for port in status stdout stderr kmsg; do
		line+=(-chardev "file,id=$port,path=$run/$(port_file "$port")" -device "virtserialport,chardev=$port,name=$port")
	done
	if [ -n "${INTERACTIVE:-}" ]; then
		line+=(-serial mon:stdio)
	else
		line+=(-serial "file:$run/console.log" -monitor stdio)
	fi
}

booted() { grep -qs '^boot ' "$run/status"; }

# running: the test that is under way, from the runner's own announcement.
running() { sed -n 's/^# selftests: kvm: //p' "$run/$(port_file stdout)" | tail -n 1; }

# ask: where the CPUs of a guest that does not stop are, by QEMU's monitor, into RUN/cpus.
# Twice, to tell a loop from a wait. monitor.log keeps all registers and, for x86 (the
# other monitors do not know the question), the interrupts that are pending.
ask() {
	for _ in first again; do
		printf '%s\n' stop 'info registers -a' 'info lapic 0' 'info lapic 1' 'info lapic 2' cont >&"$monitor"
		pause 1
	done
	where "$out/System.map" "$run/monitor.log" >"$run/cpus"
	[ -s "$run/cpus" ] || echo "QEMU's monitor does not answer: the emulator hangs" >"$run/cpus"
}

# where SYSTEM_MAP LOG: each CPU's addresses in LOG as the kernel's functions, in one
# line. Addresses are compared as strings, all of 16 digits.
where() {
	awk '
		function symbol(ip,   i) {
			if (ip ~ /^0/) return "user space or a guest of its own"
			for (i = n; i > 0 && address[i] "" > ip ""; i--)
				continue
			return i && ip "" < end "" ? name[i] : ip
		}
		FNR == NR && $3 == "_end" { end = $1 }
		FNR == NR { if ($2 ~ /[tT]/) { address[++n] = $1; name[n] = $3 } next }
		/^CPU#/ { cpu = $1; gsub(/[^0-9]/, "", cpu) }
		match($0, /(RIP|EIP|PC)=[0-9a-f]+/) {
			ip = substr($0, RSTART, RLENGTH); sub(/.*=/, "", ip)
			while (length(ip) < 16) ip = "0" ip
			in_cpu[cpu] = in_cpu[cpu] (asked[cpu]++ ? ", " : "") symbol(ip)
		}
		END {
			for (cpu = 0; cpu in in_cpu; cpu++)
				printf "%s%d: %s", cpu ? "; CPU " : "its CPU ", cpu, in_cpu[cpu]
		}' "$1" "$2"
}

# watch PID: a heartbeat that names what the guest does, and the limits for a kernel
# that never reaches user space and for a guest that does not stop a test whose time is
# up (GMEM_TEST_LIMIT), because it hangs itself.
watch() {
	local pid=$1 start=$SECONDS beat=0 what='' before='' since=$SECONDS
	while pause 1 && kill -0 "$pid" 2>/dev/null; do
		if ! booted && [ $((SECONDS - start)) -ge "$boot_limit" ]; then
			ask
			kill "$pid"
			return
		fi
		# timeout stops it at the end of TIMEOUT
		if [ $((SECONDS - start)) -ge $((TIMEOUT - 4)) ] && [ ! -f "$run/cpus" ]; then ask; fi
		beat=$((beat + 1))
		if [ $((beat % 15)) -ne 0 ]; then continue; fi
		what='booting'
		if booted; then what=$(running); fi
		if [ "$what" != "$before" ]; then
			before=$what since=$SECONDS
		elif [ -n "${GMEM_TEST_LIMIT:-}" ] && [ $((SECONDS - since)) -ge $((GMEM_TEST_LIMIT + 60)) ]; then
			touch "$run/hung"
			ask
			kill "$pid"
			return
		fi
		note "$((SECONDS - start)) s: ${what:-running}"
	done
}

# follow NAME FD: what the guest writes to a port, as it comes.
follow() { tail -q -c +1 -s 0.1 -f --pid="$qemu_pid" "$run/$1" >&"$2"; }

pack
# a copy: make writes the next image into the same file
cp "$out/$image" "$run/kernel"
qemu_line
printf '%q ' "${line[@]}" >"$run/qemu.line"
touch "$run/status" "$run/$(port_file stdout)" "$run/stderr"

if [ -n "${INTERACTIVE:-}" ]; then exec "${line[@]}"; fi

# setpriv: should this script be killed outright, QEMU goes down with it.
mkfifo "$run/monitor"
exec {monitor}<>"$run/monitor"
rm "$run/monitor" # whoever reads all of a run's files would wait for ever in it
set -m
setpriv --pdeathsig TERM timeout --foreground -k 5 "$TIMEOUT" setpriv --pdeathsig KILL \
	"${line[@]}" >"$run/monitor.log" 2>"$run/qemu.log" <&"$monitor" &
set +m
qemu_pid=$!
children+=("$qemu_pid")
watch "$qemu_pid" &
watch_pid=$!
children+=("$watch_pid")
followers=()
if [ -n "${FOLLOW:-}" ]; then
	follow stdout 1 &
	followers+=($!)
	follow stderr 2 &
	followers+=($!)
fi
rc=0
wait "$qemu_pid" || rc=$?
children=()
kill "$watch_pid" 2>/dev/null || :                                  # it may have seen the end by itself
if [ ${#followers[@]} -gt 0 ]; then wait "${followers[@]}" || :; fi # whoever read our stdout may have left
echo "$rc" >"$run/qemu.rc"
