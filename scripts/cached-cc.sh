#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# cached-cc CC ARG...: the compiler, through ccache unless the source is assembly. In
# depend mode ccache does not see ".incbin": the kernel's image is one in an assembly
# file that names its size, and of two kernels with the same size, compressed, the second
# would get the first one's image.
for arg; do
	case $arg in *.S) exec "$@" ;; esac
done
exec ccache "$@"
