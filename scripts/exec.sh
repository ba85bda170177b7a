#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# exec: run one program of the user's in the booted kernel: PROG with ARGS (read
# by the guest's shell), FILES beside it in its working directory. Its stdout on
# stdout, its stderr on stderr, its exit code as exit code.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

PROG=${PROG:-}
ARGS=${ARGS:-}
FILES=${FILES:-}
DYNAMIC=${DYNAMIC:-}

case $DYNAMIC in '' | 1) ;; *) die USAGE "DYNAMIC='$DYNAMIC' is not 1; leave it out for a static program" ;; esac

# is_dynamic FILE: needs a loader to run.
is_dynamic() { readelf -lW "$1" 2>/dev/null | grep -q '^ *INTERP'; }

# check_program: what cannot run there is refused before anything is built.
check_program() {
	local machine
	[ -n "$PROG" ] || die USAGE "exec takes PROG=FILE, a static program for $ARCH"
	[ -f "$PROG" ] || die USAGE "PROG='$PROG' is no file"
	machine=$({ readelf -h "$PROG" 2>/dev/null || :; } | sed -n 's/^ *Machine: *//p')
	[ -n "$machine" ] || die USAGE "PROG='$PROG' is no ELF program"
	printf '%s\n' "${elf_machines[@]}" | grep -qxF "$machine" ||
		die USAGE "PROG='$PROG' is for $machine; ARCH=$ARCH runs ${elf_machines[0]}"
	if [ -z "$DYNAMIC" ] && is_dynamic "$PROG"; then
		die USAGE "PROG='$PROG' is not static; link it with -static, or say DYNAMIC=1 to take its loader and libraries along"
	fi
}

# foreign_libraries FILE: the same for a foreign architecture, whose loader cannot be
# asked here: what FILE names, and what that names, from the cross compiler's folders.
foreign_libraries() {
	local name path
	for name in $(readelf -dlW "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p; s#.*interpreter: .*/([^/]*)\]#\1#p'); do
		if [ -e "$run/extra-root/lib/$name" ]; then continue; fi
		path=$("${cross}gcc" -print-file-name="$name")
		[ -f "$path" ] || die USAGE "'$1' needs $name, which the cross compiler does not have; link it with -static"
		cp -L "$path" "$run/extra-root/lib/$name"
		foreign_libraries "$path"
	done
}

# pack_libraries PROGRAM: the loader and libraries of a dynamic program, where it will
# look for them.
pack_libraries() {
	local library
	mkdir -p "$run/extra-root/lib"
	if [ -n "$cross" ]; then
		foreign_libraries "$1"
		return
	fi
	ldd "$1" | grep -oE '/[^ ]+' | while read -r library; do
		cp -L --parents "$library" "$run/extra-root"
	done
}

for file in $FILES; do
	[ -e "$file" ] || die USAGE "FILES names '$file', which does not exist"
done
lock
need run
check_program
sub build

new_run
touch "$run/exec"
cp -L "$PROG" "$run/job/work/"
chmod +x "$run/job/work/$(basename "$PROG")"
for file in $FILES; do cp -rL "$file" "$run/job/work/"; done
for file in ${DYNAMIC:+"$PROG" $FILES}; do
	if is_dynamic "$file"; then pack_libraries "$file"; fi
done
printf 'cd work && exec ./%q %s\n' "$(basename "$PROG")" "$ARGS" >"$run/job/run"
FOLLOW=1 sub boot "$run"
sub judge "$run"
