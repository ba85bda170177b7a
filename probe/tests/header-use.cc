// SPDX-License-Identifier: GPL-2.0-only
// A C++17 program that uses every function of gmem_flags.h: it must compile.
#include "../gmem_flags.h"

int use_all(int vm, __u64 size, __u64 flags, char *buf, size_t length);

int use_all(int vm, __u64 size, __u64 flags, char *buf, size_t length)
{
	gmem_failure why{};
	__u64 mask{};
	int fd = gmem_query_flags(vm, &mask);

	gmem_confirm_mask(vm, &mask);
	if (!fd)
		fd = gmem_confirm_flags(vm, flags);
	if (!fd)
		fd = gmem_create(vm, size, flags & mask);
	gmem_explain(vm, size, flags, fd, &why);
	if (gmem_format_flags(mask, buf, length) && gmem_flag_name(0) && gmem_reason_text(why.reason))
		gmem_format_failure(&why, buf, length);
	return fd;
}
