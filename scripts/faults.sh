#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# faults: guest/gmem-faults.c in a kernel whose allocations fail on demand
# (configs/variants/faults.config): each allocation of each operation on guest_memfd in
# turn, limits of processes and memory cgroups, signals. With DEBUG, kmemleak says
# whether a failure left memory behind.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
own_config faults
check_knobs
takes_no TESTS
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none has not the flags that faults needs"
lock
need run
sub build
if [ -n "$DEBUG" ]; then sub planted; fi
guest_program gmem-faults "" "every failure was clean"
