#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tree-path: the path of the editable tree alone on stdout; makes the tree first
# where there is none.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
check_knobs
set_paths
sub tree
echo "$tree"
