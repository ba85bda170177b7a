// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of gmem_flags.h on the running kernel: a TAP line for each, exit code 1 if
 * one fails.  What must come out follows from the running kernel's own answers, so
 * that this runs on every kernel; expect/ says which answers those are.  What needs
 * another kernel, or none, is in header-fake.c.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../gmem_flags.h"

#define MMAP		GUEST_MEMFD_FLAG_MMAP
#define INIT_SHARED	GUEST_MEMFD_FLAG_INIT_SHARED

static int kvm, vm;
static __u64 page;
static bool supported;	/* has this kernel guest_memfd at all? */
static unsigned int number, failures;

#define check(condition) check_at(condition, #condition, __LINE__)

static void check_at(bool held, const char *condition, int line)
{
	if (held)
		return;
	printf("# line %d: %s\n", line, condition);
	failures++;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Each test: no descriptor is left behind, and errno is as before. */
static void run(const char *name, void (*test)(void))
{
	unsigned int before = failures;
	int fds = count_fds();

	errno = EXDEV;
	test();
	check(errno == EXDEV);
	check(count_fds() == fds);
	printf("%sok %u %s\n", failures == before ? "" : "not ", ++number, name);
}

static int answer(int fd, unsigned long cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

static __u64 query(int fd)
{
	__u64 mask = ~0ULL;

	check(!gmem_query_flags(fd, &mask));
	return mask;
}

static enum gmem_reason explain(int fd, __u64 size, __u64 flags, struct gmem_failure *why)
{
	int ret = gmem_create(fd, size, flags);

	check(ret < 0);
	if (ret >= 0)
		close(ret);
	gmem_explain(fd, size, flags, ret, why);
	check(why->error == -ret);
	return why->reason;
}

/* --- the tests ----------------------------------------------------------- */

static void test_query(void)
{
	__u64 mask = query(vm);

	check((__u32)mask == (__u32)answer(vm, KVM_CAP_GUEST_MEMFD_FLAGS));
	check((__u32)(mask >> 32) == (__u32)answer(vm, KVM_CAP_GUEST_MEMFD_FLAGS_HI));
	check(!(mask & ~query(kvm)));
	check(!(mask & (1ULL << 31 | 1ULL << 63)));
	check(mask == query(vm));
}

static void test_query_errors(void)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	int not_kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	__u64 mask = ~0ULL;

	check(gmem_query_flags(-1, &mask) == -EBADF);
	check(!mask);
	mask = ~0ULL;
	check(gmem_query_flags(not_kvm, &mask) == -ENOTTY);
	check(!mask);
	close(not_kvm);
	/* KVM's, and neither /dev/kvm nor a VM */
	mask = ~0ULL;
	check(gmem_query_flags(vcpu, &mask) == -EINVAL);
	check(!mask);
	close(vcpu);
}

/* Every set of today's flags, bit 40 and two that never are any. */
static void test_create(void)
{
	static const __u64 bits[] = { MMAP, INIT_SHARED, 1ULL << 40, 1ULL << 31, 1ULL << 63 };
	__u64 mask = query(vm);
	unsigned int set, i;

	for (set = 0; set < 32; set++) {
		struct gmem_failure why;
		__u64 flags = 0;
		int fd;

		for (i = 0; i < 5; i++)
			flags |= set >> i & 1 ? bits[i] : 0;
		fd = gmem_create(vm, page, flags);
		check(gmem_confirm_flags(vm, flags) == (fd < 0 ? fd : 0));
		gmem_explain(vm, page, flags, fd, &why);
		if (!supported) {
			check(fd == -ENOTTY || fd == -EINVAL);
			check(why.reason == GMEM_NOT_SUPPORTED);
		} else if (flags & ~mask) {
			check(fd == -EINVAL);
			check(why.reason == GMEM_UNKNOWN_FLAGS && why.bits == (flags & ~mask));
		} else if (fd < 0) {
			/* series/example: bit 40 needs MMAP */
			check(fd == -EINVAL && (flags & (MMAP | 1ULL << 40)) == 1ULL << 40);
			check(why.reason == GMEM_UNMET_CONDITION);
			check(why.bits == 1ULL << 40 && why.missing == MMAP);
		} else {
			check(why.reason == GMEM_NO_FAILURE && !why.error);
			check(fcntl(fd, F_GETFD) == FD_CLOEXEC);
			check(!close(fd));
		}
	}
}

static void test_sizes(void)
{
	static const struct {
		__u64 pages, more;
		enum gmem_reason reason;
	} sizes[] = {
		{ 0, 0, GMEM_SIZE_ZERO },
		{ 0, 1, GMEM_SIZE_UNALIGNED },
		{ 1, 1, GMEM_SIZE_UNALIGNED },
		{ 1, ~0ULL, GMEM_SIZE_UNALIGNED },
		{ 0, 1ULL << 63, GMEM_SIZE_NEGATIVE },
		{ 0, ~0ULL, GMEM_SIZE_NEGATIVE },
	};
	__u64 mask = query(vm);
	struct gmem_failure why;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		__u64 size = sizes[i].pages * page + sizes[i].more;

		check(explain(vm, size, 0, &why) ==
		      (supported ? sizes[i].reason : GMEM_NOT_SUPPORTED));
		check(!why.bits && !why.missing);
		check(explain(vm, size, mask & MMAP, &why) ==
		      (supported ? sizes[i].reason : GMEM_NOT_SUPPORTED));
		/* KVM looks at the flags first */
		check(explain(vm, size, 1ULL << 62, &why) ==
		      (supported ? GMEM_UNKNOWN_FLAGS : GMEM_NOT_SUPPORTED));
	}
}

static void test_not_a_vm(void)
{
	int not_kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 1UL);
	struct gmem_failure why;

	check(explain(vcpu, page, 0, &why) == GMEM_NOT_A_VM);
	close(vcpu);
	check(explain(-1, page, 0, &why) == GMEM_NOT_A_VM);
	check(explain(not_kvm, page, 0, &why) == GMEM_NOT_A_VM);
	check(explain(kvm, page, 0, &why) == GMEM_NOT_A_VM);
	check(explain(kvm, page, MMAP, &why) == GMEM_NOT_A_VM);
	check(gmem_confirm_flags(-1, 0) == -EBADF);
	close(not_kvm);
}

/* In a child, all VM ioctls fail with EIO. */
static void test_other_process(void)
{
	pid_t child = fork();
	int status = -1;

	if (!child) {
		struct gmem_failure why;
		__u64 mask = ~0ULL;

		check(gmem_query_flags(vm, &mask) == -EIO && !mask);
		check(gmem_confirm_flags(vm, 0) == -EIO);
		check(explain(vm, page, 0, &why) == GMEM_VM_UNAVAILABLE);
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	check(waitpid(child, &status, 0) == child && !status);
}

/* No descriptor left: EMFILE, whatever else is right. */
static void test_no_descriptor(void)
{
	struct rlimit old, none;
	struct gmem_failure why;
	int next = dup(kvm);
	int ret;

	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &none);
	ret = gmem_create(vm, page, 0);
	check(supported ? ret == -EMFILE : ret == -ENOTTY || ret == -EINVAL);
	gmem_explain(vm, page, 0, ret, &why);
	check(why.reason == (supported ? GMEM_HOST_REFUSED : GMEM_NOT_SUPPORTED));
	check(gmem_confirm_flags(vm, 0) == ret);
	/* what needs no trial is still explained */
	if (supported) {
		check(explain(vm, page, 1ULL << 62, &why) == GMEM_UNKNOWN_FLAGS);
		check(explain(vm, 0, 0, &why) == GMEM_SIZE_ZERO);
	}
	setrlimit(RLIMIT_NOFILE, &old);
}

static void test_success_is_explained(void)
{
	struct gmem_failure why;

	gmem_explain(vm, page, 0, 3, &why);
	check(why.reason == GMEM_NO_FAILURE && !why.error && !why.bits);
	/* errors that say enough by themselves, without a trial */
	gmem_explain(vm, page, 0, -ENOMEM, &why);
	check(why.reason == GMEM_HOST_REFUSED && why.error == ENOMEM);
	gmem_explain(vm, page, 0, -EIO, &why);
	check(why.reason == GMEM_VM_UNAVAILABLE);
	/* an EINVAL that nothing here explains, from an LSM say */
	gmem_explain(vm, page, 0, -EINVAL, &why);
	check(why.reason == (supported ? GMEM_HOST_REFUSED : GMEM_NOT_SUPPORTED));
}

static int create_vm(void)
{
	unsigned long type = 0;

#ifdef __aarch64__
	type = KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)answer(kvm, KVM_CAP_ARM_VM_IPA_SIZE));
#endif
	return ioctl(kvm, KVM_CREATE_VM, type);
}

/* --without-limits: valgrind keeps the limit on descriptors from the kernel. */
int main(int argc, char **argv)
{
	bool limits = argc < 2 || strcmp(argv[1], "--without-limits") != 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = kvm < 0 ? -1 : create_vm();
	if (vm < 0) {
		perror("/dev/kvm");
		return 1;
	}
	page = (__u64)sysconf(_SC_PAGESIZE);
	supported = answer(kvm, KVM_CAP_GUEST_MEMFD);

	run("query: composes both words, within what /dev/kvm has", test_query);
	run("query: errors can be told apart", test_query_errors);
	run("create: all combinations, close-on-exec, explained", test_create);
	run("create: sizes, explained", test_sizes);
	run("explain: no VM", test_not_a_vm);
	run("explain: another process's VM", test_other_process);
	if (limits)
		run("explain: no descriptor left", test_no_descriptor);
	run("explain: without a failure; errors of the host", test_success_is_explained);
	close(vm);
	close(kvm);
	printf("1..%u\n", number);
	return failures ? 1 : 0;
}
