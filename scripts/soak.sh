#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# soak: guest/gmem-soak.c for 30 minutes, at the edge of the guest's memory, in a kernel
# that counts its slab objects (configs/variants/soak.config). When it is over, pages and
# objects must be what they were. ARGS has options for it: --seconds N, --seed N, and
# --leak N to see it fail.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
own_config soak
check_knobs
takes_no TESTS
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none has not the flags that soak needs"
lock
need run
sub build
if [ -n "$DEBUG" ]; then sub planted; fi

# the program has its own limit, and needs time to see that all is gone
export TIMEOUT=${GMEM_SET[TIMEOUT]:-7200}
guest_program gmem-soak "${ARGS:-}" "the kernel got back to where it was"
