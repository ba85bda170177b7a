#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz: guest/gmem-fuzz.c in the booted kernel, which compares what creation and
# capability calls answer with a model of the ABI. 10,000,000 creations, on arm64, which
# takes 20 times as long to emulate, 1,000,000; with DEBUG, where the kernel's checkers
# watch, a tenth of either. ARGS has other options for it, for
# example --seed, or --replay and --ops, as a disagreement prints them.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
takes_no TESTS
set_paths
[ "$SERIES" != none ] || die USAGE "SERIES=none has not the ABI that fuzz compares with"
lock
need run
sub build

calls=10000000
[ "$ARCH" != arm64 ] || calls=1000000
if [ -n "$DEBUG" ]; then
	sub planted
	calls=$((calls / 10))
fi
# what a machine that has other work, too, may take
export TIMEOUT=${GMEM_SET[TIMEOUT]:-3600}
# what is said to repeat it has the same seed; one in ARGS comes later, and wins
seed=0x$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
ARGS="--seed $seed --calls $calls --seconds $((TIMEOUT * 9 / 10)) ${ARGS:-}"
GMEM_SET[ARGS]=$ARGS

guest_program gmem-fuzz "$ARGS" "model and kernel agree"
