#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# doctor: say what this machine lacks and the exact line that installs it.
# Changes nothing. Exit 0: nothing is missing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v dpkg-query >/dev/null ||
	die SETUP "no dpkg here: the bench needs Debian 12 or later (or a container of it)"

missing=$(missing_packages lint)
if [ -n "$missing" ]; then
	echo "missing: $missing"
	echo "install: $(install_line "$missing")"
	explained=1
	exit "${exit_codes[SETUP]}"
fi
echo "nothing is missing"
echo "gcc:    $(gcc --version | head -n 1)"
echo "qemu:   $(qemu-system-x86_64 --version | head -n 1)"
echo "ccache: $(ccache --version | head -n 1)"
echo "cores:  $(nproc), memory: $(free -g | awk '/^Mem/ { print $2 }') GiB, disk free: $(df -Ph . | awk 'NR == 2 { print $4 }')"
