#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# help: the verbs and the knobs.

cat <<'HELP'
make VERB [KNOB=VALUE ...]

  run          the main job: from a bare machine to the table of guest_memfd flags
               that the patched, running kernel reports
  check        everything that CI checks; ends with 'N passed, N failed, N skipped'
  compare      the whole KVM selftest suite on base and series; any difference fails
  report       results/report.html: what ran, on what, with which result
  lint         what a maintainer's robots would say of the series: checkpatch, W=1,
               sparse, htmldocs; only what the base does not say itself counts
  bisect       build and test after every single patch; COMPILE=1 only compiles KVM,
               as modules and with all warnings as errors
  mutants      tests of the tests: each wrong version of the kernel must be noticed by
               the case that it names; MUTANTS="01 17 ..." or files select
  fuzz         creation and capability calls with random arguments, against a model of
               the ABI: 10,000,000 creations, with DEBUG=1 1,000,000; ARGS="--seed N ..."
  faults       guest_memfd while allocations fail, one after the other, and at limits; in
               a kernel of its own
  cover        which lines of guest_memfd and of the series the tests run, as HTML; a line
               of the series that never ran fails
  soak         guest_memfd for 30 minutes at the edge of memory; pages and slab objects
               must be what they were; ARGS="--seconds N ..."
  bench        what the series costs, in instructions, against the base, memfd and
               anonymous memory; more than on the base fails
  export       a ready-to-mail folder: V=N FROM="Name <mail>"; sends nothing
  test         boot and run KVM selftests; TESTS="NAME ..." selects
  exec         run one static program in the booted kernel: PROG=FILE ARGS="..."
               FILES="..."; its stdout and exit code are make's, its stderr comes
               between the progress lines
               (DYNAMIC=1 packs loader and libraries of a dynamic PROG or FILES)
  shell        an interactive shell in the guest
  tree         the editable git tree with the series applied
  tree-path    its path, alone on stdout (make -s tree-path)
  refresh      export the tree's commits back into series/
  build        the kernel and the KVM selftests, without booting them
  fetch        the pristine base, without the series
  install      gmem-probe, gmem_flags.h, man pages, pkg-config file: PREFIX=/usr/local
               DESTDIR=
  setup        install the Debian packages that are missing
  doctor       say what is missing and the line that installs it

Knobs: BASE=v7.3|v6.12  SERIES=flags|fault-around|none  KSRC=DIR (a kernel tree of yours)
  ARCH=x86_64|arm64|i386  PAGES=4k|64k (arm64)  DEBUG=1|kcsan (a kernel with sanitizers)
  CONFIG="a.config ..." (more kernel options)  COMPILE=1 (bisect)  MUTANTS="..." (mutants)
  V=N FROM="Name <mail>" (export)  PREFIX=DIR DESTDIR=DIR (install)
  EXTRA="a.patch ..." (on top of the series)  APPEND="..." (kernel command line)
  ICOUNT=1 (one instruction is one nanosecond)  JOBS=N  TESTS="..."  TIMEOUT=SECONDS

Exit codes: 0 pass, 1 a test failed, 2 wrong use, 101 SETUP, 102 FETCH, 103 APPLY,
  104 BUILD, 105 BOOT, 106 PANIC, 107 HANG, 108 SKIP, 109 SPLAT, 110 HARNESS,
  111 BUSY, 129, 130 and 143 interrupted (128 and the signal). docs/testing.md explains them.
HELP
