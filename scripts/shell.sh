#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shell: an interactive shell in the guest, on this terminal. "exit" ends it;
# Ctrl-A X ends QEMU.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
[ -t 0 ] || die USAGE "shell needs a terminal; 'make exec' runs a program without one"
lock
need run
sub build

new_run
cat >"$run/job/run" <<'RUN'
exec cttyhack sh </dev/console >/dev/console 2>&1
RUN
say "shell: 'exit' ends it, Ctrl-A X ends QEMU"
exec 9>&- # the checkout is free again for other verbs
INTERACTIVE=1 GMEM_VERB=shell exec "$top/scripts/boot.sh" "$run"
