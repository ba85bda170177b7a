#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# install: gmem-probe, gmem_flags.h, their man pages, the pkg-config file and the JSON
# schema below DESTDIR/PREFIX, built for ARCH with this machine's own kernel headers. Needs a C
# compiler and nothing else of the bench.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths

PREFIX=${PREFIX-/usr/local} # an empty one is refused, not taken for the default
DESTDIR=${DESTDIR:-}
[[ $PREFIX = /* ]] || die USAGE "PREFIX='$PREFIX' is no absolute path"
[[ $PREFIX != *[[:space:]]* ]] || die USAGE "PREFIX='$PREFIX' has a space, which pkg-config's users could not cope with"
[[ -z $DESTDIR || $DESTDIR = /* ]] || die USAGE "DESTDIR='$DESTDIR' is no absolute path"
command -v "${cross}gcc" >/dev/null || die SETUP "${cross}gcc is missing; install a C compiler, on Debian: make setup"

root=$DESTDIR$PREFIX
version=$(sed -n 's/^#define GMEM_FLAGS_VERSION "\(.*\)"/\1/p' probe/gmem_flags.h)
work=build/install
log=$work/gcc.log
# made by root, perhaps, who built here before
if ! { mkdir -p "$work" && : >"$log"; } 2>/dev/null; then
	die SETUP "cannot write to $work; it, or build/, belongs to another user: chown it, or install as that user"
fi

"${cross}gcc" -O2 -o "$work/gmem-probe" probe/*.c >"$log" 2>&1 ||
	die BUILD "gmem-probe does not compile: $(compiler_error "$log" "$top")" "$log"

cat >"$work/gmem_flags.pc" <<PC
prefix=$PREFIX
includedir=\${prefix}/include

Name: gmem_flags
Description: guest_memfd flags of KVM, a header-only library
Version: $version
Cflags: -I\${includedir}
PC

# functions: those that gmem_flags(3) is about; each gets a page that points there.
functions() { sed -nE 's/^[^ *].* \**(gmem_[a-z]+[a-z_]*)\(.*/\1/p' probe/gmem_flags.h | sort -u; }

# put MODE SOURCE TARGET: one file, or the one line that says what is in the way.
put() {
	install -D -m "$1" "$2" "$root/$3" 2>"$log" ||
		die SETUP "cannot install to $root: $(head -n 1 "$log"); $(grep -q 'Permission denied' "$log" && echo 'run it as root, or ')choose PREFIX= or DESTDIR="
	echo "$root/$3"
}

put 755 "$work/gmem-probe" bin/gmem-probe
put 644 probe/gmem_flags.h include/gmem_flags.h
put 644 "$work/gmem_flags.pc" share/pkgconfig/gmem_flags.pc
put 644 probe/gmem-probe.1 share/man/man1/gmem-probe.1
put 644 probe/gmem_flags.3 share/man/man3/gmem_flags.3
put 644 probe/gmem-probe.schema.json share/gmem-probe/gmem-probe.schema.json
for function in $(functions); do
	echo '.so man3/gmem_flags.3' >"$work/so"
	put 644 "$work/so" "share/man/man3/$function.3"
done
