#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run: the main job. Everything from a bare machine to the capability table that
# the patched, running kernel prints, and one verdict line.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
lock
need run
sub build

"${cross}gcc" -static -O2 -Wall -Wextra -Werror -isystem "$out/usr/include" -o "$out/gmem-probe" probe/*.c ||
	die BUILD "gmem-probe does not compile against the headers of $branch"

new_run
cp "$out/gmem-probe" "$run/job/work/"
echo 'cd work && exec ./gmem-probe --flags-only' >"$run/job/run"
echo "table read from the running kernel ($BASE, SERIES=$SERIES, $ARCH)" >"$run/what"
FOLLOW=1 sub boot "$run"
sub judge "$run"
