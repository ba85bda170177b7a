// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of gmem_flags.h against kernels that cannot be booted here: what KVM answers
 * comes from a model, behind the header's three system calls.  A TAP line for each
 * test, exit code 1 if one fails.  tests/probe.bats counts the header's lines that ran.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* The header's own includes, before their names mean the model's. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int fake_ioctl(int fd, unsigned long request, unsigned long arg);
static int fake_fcntl(int fd, int command, ...);
static int fake_close(int fd);

#define ioctl	fake_ioctl
#define fcntl	fake_fcntl
#define close	fake_close

#include "../gmem_flags.h"

#define MMAP		GUEST_MEMFD_FLAG_MMAP
#define INIT_SHARED	GUEST_MEMFD_FLAG_INIT_SHARED

#define VM	100
#define FILE_FD	101
#define PAGE	((__u64)sysconf(_SC_PAGESIZE))
#define BIT_N(n)	(1ULL << (n))

/* One kernel, and one VM of it. */
static struct {
	int lo, hi;		/* what the two capabilities answer */
	__u64 flags;		/* what creation accepts */
	__u64 needs[64];	/* bit n needs one of these, too; 0: it needs none */
	__u64 excludes[64];	/* bit n goes with none of these */
	bool built_in;		/* has it guest_memfd? */
	bool is_system;		/* is it /dev/kvm, and no VM? */
	int query_error, query_hi_error, create_error, getfd_error, setfd_error;
	int fd_flags;		/* of new files */
	int open_files;
	int creations;		/* that were tried */
	int fail_creation;	/* the number of the one that fails */
	int fail_with;		/* its errno */
	int guest_memfd;	/* KVM_CAP_GUEST_MEMFD */
} kvm;

static void check_at(bool held, const char *condition, int line);

#define check(condition) check_at(condition, #condition, __LINE__)

static int failed(int error)
{
	errno = error;
	return -1;
}

static int check_extension(unsigned long cap)
{
	if (kvm.query_error)
		return failed(kvm.query_error);
	if (cap == KVM_CAP_GUEST_MEMFD)
		return kvm.guest_memfd;
	if (cap == KVM_CAP_GUEST_MEMFD_FLAGS)
		return kvm.lo;
	if (kvm.query_hi_error)
		return failed(kvm.query_hi_error);
	return kvm.hi;
}

static int create(const struct kvm_create_guest_memfd *args)
{
	static const struct kvm_create_guest_memfd zero;
	int bit;

	if (++kvm.creations == kvm.fail_creation)
		return failed(kvm.fail_with);
	check(!memcmp(args->reserved, zero.reserved, sizeof(args->reserved)));
	if (kvm.create_error)
		return failed(kvm.create_error);
	if (!kvm.built_in)
		return failed(ENOTTY);
	if (args->flags & ~kvm.flags)
		return failed(EINVAL);
	for (bit = 0; bit < 64; bit++) {
		if (!(args->flags >> bit & 1))
			continue;
		if (kvm.needs[bit] && !(args->flags & kvm.needs[bit]))
			return failed(EINVAL);
		if (args->flags & kvm.excludes[bit])
			return failed(EINVAL);
	}
	if (!args->size || args->size >> 63 || args->size % PAGE)
		return failed(EINVAL);
	kvm.open_files++;
	return FILE_FD;
}

static int fake_ioctl(int fd, unsigned long request, unsigned long arg)
{
	if (fd != VM)
		return failed(EBADF);
	if (request == KVM_CHECK_EXTENSION)
		return check_extension(arg);
	if (request == KVM_CREATE_GUEST_MEMFD && !kvm.is_system)
		return create((const struct kvm_create_guest_memfd *)arg);
	if (request == KVM_GET_API_VERSION && kvm.is_system)
		return KVM_API_VERSION;
	return failed(ENOTTY);
}

static int fake_fcntl(int fd, int command, ...)
{
	va_list args;

	if (fd != FILE_FD)
		return failed(EBADF);
	if (command == F_GETFD)
		return kvm.getfd_error ? failed(kvm.getfd_error) : kvm.fd_flags;
	if (kvm.setfd_error)
		return failed(kvm.setfd_error);
	va_start(args, command);
	kvm.fd_flags = va_arg(args, int);
	va_end(args);
	return 0;
}

static int fake_close(int fd)
{
	if (fd == FILE_FD)
		kvm.open_files--;
	return 0;
}

static unsigned int number, failures;

static void check_at(bool held, const char *condition, int line)
{
	if (held)
		return;
	printf("# line %d: %s\n", line, condition);
	failures++;
}

/* Each test begins with a kernel that has MMAP and INIT_SHARED, and leaves nothing. */
static void run(const char *name, void (*test)(void))
{
	unsigned int before = failures;

	memset(&kvm, 0, sizeof(kvm));
	kvm.lo = 3;
	kvm.flags = 3;
	kvm.built_in = true;
	errno = EXDEV;
	test();
	check(errno == EXDEV);
	check(!kvm.open_files);
	printf("%sok %u %s\n", failures == before ? "" : "not ", ++number, name);
}

static struct gmem_failure explain(__u64 size, __u64 flags)
{
	struct gmem_failure why;
	int ret = gmem_create(VM, size, flags);

	check(ret < 0);
	gmem_explain(VM, size, flags, ret, &why);
	check(why.error == -ret);
	return why;
}

static void test_words(void)
{
	__u64 mask;

	kvm.lo = INT_MIN + 1;
	kvm.hi = INT_MIN + 0x100;
	check(!gmem_query_flags(VM, &mask));
	check(mask == 0x8000010080000001);
	/* all ones is the one answer that looks like an error */
	kvm.lo = -2;
	kvm.hi = 0;
	check(!gmem_query_flags(VM, &mask));
	check(mask == 0xfffffffe);
}

static void test_query_errors(void)
{
	__u64 mask = 1;

	kvm.query_hi_error = EIO;
	check(gmem_query_flags(VM, &mask) == -EIO && !mask);
	/* the error of another capability, which has that number */
	kvm.query_hi_error = EINVAL;
	check(gmem_query_flags(VM, &mask) == 0 && mask == (MMAP | INIT_SHARED));
	kvm.lo = 0;
	mask = 1;
	check(gmem_query_flags(VM, &mask) == -EINVAL && !mask);
	kvm.query_error = EINTR;
	mask = 1;
	check(gmem_query_flags(VM, &mask) == -EINTR && !mask);
	/* of the first word, it is one whatever the kernel has: a vCPU */
	kvm.query_error = EINVAL;
	mask = 1;
	check(gmem_query_flags(VM, &mask) == -EINVAL && !mask);
}

static void test_cloexec(void)
{
	check(gmem_create(VM, PAGE, 0) == FILE_FD);
	check(kvm.fd_flags == FD_CLOEXEC);
	/* a kernel that does it by itself: no second call */
	kvm.setfd_error = EIO;
	check(gmem_create(VM, PAGE, 0) == FILE_FD);
	kvm.open_files -= 2;

	kvm.fd_flags = 0;
	check(gmem_create(VM, PAGE, 0) == -EIO);
	kvm.getfd_error = EPERM;
	check(gmem_create(VM, PAGE, 0) == -EPERM);
}

static void test_needs(void)
{
	struct gmem_failure why;

	kvm.hi = 0x100;
	kvm.flags |= BIT_N(40);
	kvm.needs[40] = BIT_N(0);
	why = explain(PAGE, BIT_N(40));
	check(why.reason == GMEM_UNMET_CONDITION);
	check(why.bits == BIT_N(40) && why.missing == BIT_N(0));
	why = explain(PAGE, BIT_N(40) | BIT_N(1));
	check(why.reason == GMEM_UNMET_CONDITION);
	check(why.bits == BIT_N(40) && why.missing == BIT_N(0));
}

static void test_excludes(void)
{
	struct gmem_failure why;

	kvm.excludes[0] = BIT_N(1);
	why = explain(PAGE, 3);
	check(why.reason == GMEM_UNMET_CONDITION && why.bits == 3 && !why.missing);
}

/* Two flags lack something: leaving out or adding a single one does not help. */
static void test_two_conditions(void)
{
	struct gmem_failure why;

	kvm.lo = 0x3f;
	kvm.flags = 0x3f;
	kvm.needs[2] = BIT_N(4);
	kvm.needs[3] = BIT_N(5);
	why = explain(PAGE, 0xc);
	check(why.reason == GMEM_UNMET_CONDITION && why.bits == 0xc && !why.missing);
}

/*
 * Descriptors run out among the trials: flags are looked at first, so those were
 * accepted.  A VM that dies says no more; what was found stays.
 */
static void test_trials_end(void)
{
	struct gmem_failure why;

	kvm.lo = 1;
	kvm.flags = 1 | BIT_N(40);
	kvm.hi = 0x100;
	kvm.needs[40] = BIT_N(0);
	/* 1 the call, 2 flags 0, 3 bit 40, 4 with bit 0, 5 again, 6 with bit 0 */
	kvm.fail_creation = 6;
	kvm.fail_with = EMFILE;
	why = explain(PAGE, BIT_N(40));
	check(why.reason == GMEM_UNMET_CONDITION);
	check(why.bits == BIT_N(40) && why.missing == BIT_N(0));
	kvm.creations = 0;
	kvm.fail_with = EIO;
	why = explain(PAGE, BIT_N(40));
	check(why.reason == GMEM_UNMET_CONDITION);
	check(why.bits == BIT_N(40) && !why.missing);
}

/* High flags that need, or exclude, each other, or a low one: they stay in the mask. */
static void test_confirm_mask(void)
{
	__u64 mask;

	kvm.hi = 0x700;
	check(!gmem_query_flags(VM, &mask));
	kvm.flags |= BIT_N(40) | BIT_N(41) | BIT_N(42);
	kvm.needs[40] = BIT_N(42);
	kvm.needs[41] = BIT_N(1);
	kvm.excludes[42] = BIT_N(41);
	gmem_confirm_mask(VM, &mask);
	check(mask == kvm.flags);
	check(explain(PAGE, BIT_N(41)).reason == GMEM_UNMET_CONDITION);
	check(explain(PAGE, BIT_N(40)).missing == BIT_N(42));
	check(explain(PAGE, BIT_N(41) | BIT_N(42)).reason == GMEM_UNMET_CONDITION);
	/* nothing is tried for nothing */
	kvm.creations = 0;
	mask = 3;
	gmem_confirm_mask(VM, &mask);
	check(mask == 3 && !kvm.creations);
	/* what a VM that died says of a flag is nothing */
	kvm.create_error = EIO;
	mask = BIT_N(50);
	gmem_confirm_mask(VM, &mask);
	check(mask == BIT_N(50));
}

/* More flags than are combined: a high one that needs the lowest is found. */
static void test_many_flags(void)
{
	__u64 mask = 0xffff | BIT_N(40) | BIT_N(41);

	kvm.flags = mask;
	kvm.needs[40] = BIT_N(7);
	kvm.needs[41] = BIT_N(8);	/* the ninth: not tried */
	gmem_confirm_mask(VM, &mask);
	check(mask == (0xffff | BIT_N(40)));
}

/* A kernel that gave the number of FLAGS_HI to something else. */
static void test_other_number(void)
{
	struct gmem_failure why;
	__u64 mask;

	kvm.hi = 0x10c;
	check(!gmem_query_flags(VM, &mask));
	check(mask == (3 | BIT_N(40) | BIT_N(35) | BIT_N(34)));
	gmem_confirm_mask(VM, &mask);
	check(mask == 3);
	why = explain(PAGE, BIT_N(40));
	check(why.reason == GMEM_UNKNOWN_FLAGS && why.bits == BIT_N(40) && !why.missing);
	why = explain(PAGE, BIT_N(0) | BIT_N(34) | BIT_N(35));
	check(why.reason == GMEM_UNKNOWN_FLAGS && why.bits == (BIT_N(34) | BIT_N(35)));
}

static void test_refusals(void)
{
	struct gmem_failure why;

	kvm.create_error = ENOTTY;
	check(explain(PAGE, 0).reason == GMEM_NOT_SUPPORTED);
	kvm.create_error = EINVAL;
	check(explain(PAGE, 0).reason == GMEM_NOT_SUPPORTED);
	/* unless KVM says that it has it: then a security module refuses all */
	kvm.guest_memfd = 1;
	check(explain(PAGE, 0).reason == GMEM_HOST_REFUSED);
	kvm.create_error = EPERM;
	why = explain(PAGE, 0);
	check(why.reason == GMEM_HOST_REFUSED && why.error == EPERM);
	kvm.create_error = EIO;
	check(explain(PAGE, 0).reason == GMEM_VM_UNAVAILABLE);
	/* the VM dies, or a signal comes, between the failure and the question */
	kvm.create_error = EINVAL;
	kvm.query_error = EIO;
	check(explain(PAGE, 0).reason == GMEM_VM_UNAVAILABLE);
	kvm.query_error = EINTR;
	check(explain(PAGE, 0).reason == GMEM_HOST_REFUSED);
	kvm.query_error = EBADF;
	check(explain(PAGE, 0).reason == GMEM_NOT_A_VM);
}

static void test_arguments(void)
{
	struct gmem_failure why;

	check(explain(0, 0).reason == GMEM_SIZE_ZERO);
	check(explain(PAGE + 1, 0).reason == GMEM_SIZE_UNALIGNED);
	check(explain(1ULL << 63, 0).reason == GMEM_SIZE_NEGATIVE);
	check(explain((1ULL << 63) - 1, 0).reason == GMEM_SIZE_UNALIGNED);
	why = explain(0, 5);
	check(why.reason == GMEM_UNKNOWN_FLAGS && why.bits == 4);
	/* what failed then works now */
	gmem_explain(VM, PAGE, 0, -EINVAL, &why);
	check(why.reason == GMEM_HOST_REFUSED && why.error == EINVAL);
	gmem_explain(VM, PAGE, 0, FILE_FD, &why);
	check(why.reason == GMEM_NO_FAILURE && !why.error && !why.bits);
	/* a descriptor, too, where standard input is closed */
	gmem_explain(VM, PAGE, 0, 0, &why);
	check(why.reason == GMEM_NO_FAILURE && !why.error);
	/* no trials of what flags and size had no part in */
	kvm.creations = 0;
	gmem_explain(VM, PAGE, 0, -ENOMEM, &why);
	check(why.reason == GMEM_HOST_REFUSED && !kvm.creations);
	/* not a VM: closed, and /dev/kvm */
	gmem_explain(-1, PAGE, 0, -EBADF, &why);
	check(why.reason == GMEM_NOT_A_VM);
	kvm.is_system = true;
	check(explain(PAGE, 0).reason == GMEM_NOT_A_VM);
}

static void test_names(void)
{
	unsigned int bit;

	check(!strcmp(gmem_flag_name(0), "MMAP"));
	check(!strcmp(gmem_flag_name(1), "INIT_SHARED"));
	for (bit = 2; bit < 70; bit++)
		check(!gmem_flag_name(bit));
}

static void check_format(__u64 mask, const char *expected)
{
	char buf[GMEM_FLAGS_TEXT_SIZE + 1];
	size_t length = strlen(expected), size;

	for (size = 0; size <= sizeof(buf) - 1; size++) {
		memset(buf, '#', sizeof(buf));
		check(gmem_format_flags(mask, size ? buf : NULL, size) == length);
		check(buf[size] == '#');
		if (size) {
			check(strlen(buf) == (length < size ? length : size - 1));
			check(!strncmp(buf, expected, strlen(buf)));
		}
	}
}

static void test_format(void)
{
	char buf[GMEM_FLAGS_TEXT_SIZE];

	check_format(0, "-");
	check_format(MMAP, "MMAP");
	check_format(MMAP | INIT_SHARED, "MMAP INIT_SHARED");
	check_format(MMAP | 1ULL << 40, "MMAP bit40");
	check_format(1ULL << 2 | 1ULL << 31 | 1ULL << 63, "bit2 bit31 bit63");
	check(gmem_format_flags(~0ULL, buf, sizeof(buf)) < sizeof(buf));
}

static void check_failure(enum gmem_reason reason, __u64 bits, __u64 missing,
			  const char *expected)
{
	struct gmem_failure why = { reason, 24, bits, missing };
	char buf[GMEM_FAILURE_TEXT_SIZE];

	check(gmem_format_failure(&why, buf, sizeof(buf)) == strlen(expected));
	check(!strcmp(buf, expected));
	check(gmem_format_failure(&why, buf, 4) == strlen(expected));
	check(strlen(buf) == 3);
	buf[1] = '#';
	check(gmem_format_failure(&why, buf, 1) == strlen(expected));
	check(!buf[0] && buf[1] == '#');
	check(gmem_format_failure(&why, NULL, 0) == strlen(expected));
}

static void test_format_failure(void)
{
	char buf[GMEM_FAILURE_TEXT_SIZE];
	struct gmem_failure why = { GMEM_UNMET_CONDITION, EINVAL, ~0ULL, ~0ULL };
	int reason;

	check_failure(GMEM_UNKNOWN_FLAGS, INIT_SHARED, 0,
		      "the VM does not have these flags: INIT_SHARED");
	check_failure(GMEM_UNMET_CONDITION, 1ULL << 40, MMAP,
		      "not accepted in this combination: bit40; would be with: MMAP");
	check_failure(GMEM_HOST_REFUSED, 0, 0,
		      "the host refused for another reason: errno 24");
	check_failure(GMEM_SIZE_ZERO, 0, 0, "the size is 0");
	check(gmem_format_failure(&why, buf, sizeof(buf)) < sizeof(buf));
	for (reason = GMEM_NO_FAILURE; reason <= GMEM_HOST_REFUSED; reason++)
		check(strcmp(gmem_reason_text((enum gmem_reason)reason), "unknown reason"));
	check(!strcmp(gmem_reason_text((enum gmem_reason)99), "unknown reason"));
}

int main(void)
{
	run("both words, bits 31 and 63 among them", test_words);
	run("query: its errors", test_query_errors);
	run("create: close-on-exec, or no file", test_cloexec);
	run("explain: a flag that needs another one", test_needs);
	run("explain: flags that exclude each other", test_excludes);
	run("explain: two conditions at once", test_two_conditions);
	run("explain: trials that fail", test_trials_end);
	run("mask: conditions among flags in bits 63:32", test_confirm_mask);
	run("mask: more flags than are combined", test_many_flags);
	run("mask, explain: number 252 is something else", test_other_number);
	run("explain: refusals of the host", test_refusals);
	run("explain: arguments, and no VM", test_arguments);
	run("names", test_names);
	run("format: like snprintf", test_format);
	run("format of failures", test_format_failure);
	printf("# FLAGS_HI is %s\n", GMEM_FLAGS_HI_VOUCHED ? "vouched for" : "provisional");
	printf("1..%u\n", number);
	return failures ? 1 : 0;
}
