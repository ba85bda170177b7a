#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# setup [WHAT]: install the Debian packages that are missing: as root directly, else
# through sudo, else say the line to type. All of them, or a failure that says so.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v apt-get >/dev/null ||
	die SETUP "no apt-get here: the bench needs Debian 12 or later (or a container of it)"

# Alone, for everything; a verb names what it needs.
what=${1:-lint}
missing=$(missing_packages "$what")
if [ -z "$missing" ]; then
	say "setup: nothing is missing"
	exit 0
fi
lock

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	# asked for here, in the foreground: apt-get runs in the background of "step"
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { : </dev/tty && sudo -v; } 2>/dev/null; }; then
		as_root=(sudo -n)
	else
		die SETUP "packages are missing and this user may not install them; type: $(install_line "$missing")"
	fi
fi

log=build/setup.log
step "setup: apt-get update" "$log" "${as_root[@]}" apt-get -q update ||
	die SETUP "apt-get update failed" "$log"
# --no-remove: never trade one package for another without being asked.
# shellcheck disable=SC2086 # a list of names
step "setup: installing $missing" "$log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get -q install -y --no-remove --no-install-recommends $missing ||
	die SETUP "apt-get could not install: $missing" "$log"

missing=$(missing_packages "$what")
[ -z "$missing" ] || die SETUP "still missing after apt-get: $missing" "$log"
