/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * guest_memfd flags for VMM authors: which flags of KVM_CREATE_GUEST_MEMFD a VM
 * has, creating a file with them, and why a creation failed.
 *
 * Copy this file, or install it; it needs nothing but libc and any uAPI header
 * linux/kvm.h.  C11 and C++17.  All functions: no output, no exit(), no state
 * outside of their arguments, no file descriptor left behind, errno unchanged;
 * a failure is returned as a negative errno.  They can be called by several
 * threads at once, but only in the process that created the VM: KVM fails with
 * EIO in any other.
 *
 *	__u64 want = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
 *	__u64 mask;
 *
 *	if (gmem_query_flags(vm, &mask))
 *		... stop: this is no VM that this process may use ...
 *	gmem_confirm_mask(vm, &mask);	(if flags in bits 63:32 are wanted)
 *	if (want & ~mask)
 *		... fall back to memfd_create() ...
 *	fd = gmem_create(vm, size, want);
 *	if (fd < 0)
 *		... stop, and say what gmem_explain() found: memfd would only hide it ...
 *
 * Ask the VM, not /dev/kvm: the latter reports what at least one VM type has.
 */
#ifndef GMEM_FLAGS_H
#define GMEM_FLAGS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/types.h>

/* Version of this header and of gmem-probe. */
#define GMEM_FLAGS_VERSION "0.1"

/*
 * 1 if the uAPI header that the program was built with defines the number of
 * KVM_CAP_GUEST_MEMFD_FLAGS_HI, and so vouches for it on its own kernel; 0 if it is the
 * provisional one below.  No header vouches for the kernel that the program then runs
 * on, which may use the number for something else: see gmem_confirm_mask().
 */
#ifdef KVM_CAP_GUEST_MEMFD_FLAGS_HI
#define GMEM_FLAGS_HI_VOUCHED 1
#else
#define GMEM_FLAGS_HI_VOUCHED 0
#endif

/*
 * What an older uAPI header lacks, from include/uapi/linux/kvm.h of Linux:
 * 6.8 (KVM_CAP_USER_MEMORY2 to KVM_SET_USER_MEMORY_REGION2, _CREATE_GUEST_MEMFD)
 * and 6.18 (KVM_CAP_GUEST_MEMFD_FLAGS and the flags).  FLAGS_HI is the number
 * that the patch series for 7.3 and 6.12 uses.
 */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS_HI
#define KVM_CAP_GUEST_MEMFD_FLAGS_HI 252
#endif

#ifndef GUEST_MEMFD_FLAG_MMAP
#define GUEST_MEMFD_FLAG_MMAP (1ULL << 0)
#endif
#ifndef GUEST_MEMFD_FLAG_INIT_SHARED
#define GUEST_MEMFD_FLAG_INIT_SHARED (1ULL << 1)
#endif

/*
 * The structs came with their ioctls, so a header that lacks the one lacks the
 * other.  A program with definitions of its own must guard them the same way.
 */
#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};

#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef KVM_MEM_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#endif
#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

/* Long enough for gmem_format_flags() of any mask, with the NUL. */
#define GMEM_FLAGS_TEXT_SIZE 448
/* Long enough for gmem_format_failure() of any failure, with the NUL. */
#define GMEM_FAILURE_TEXT_SIZE 1024

/* Why a creation failed, see gmem_explain(). */
enum gmem_reason {
	GMEM_NO_FAILURE,	/* it did not */
	GMEM_NOT_A_VM,		/* no VM: a closed descriptor, /dev/kvm, ... */
	GMEM_VM_UNAVAILABLE,	/* another process created the VM, or it is dead */
	GMEM_NOT_SUPPORTED,	/* this kernel has no guest_memfd */
	GMEM_UNKNOWN_FLAGS,	/* the VM does not have the flags in @bits */
	GMEM_UNMET_CONDITION,	/* the flags in @bits, not in this combination */
	GMEM_SIZE_ZERO,
	GMEM_SIZE_NEGATIVE,	/* as a loff_t, i.e. greater than INT64_MAX */
	GMEM_SIZE_UNALIGNED,	/* not a multiple of the page size */
	GMEM_HOST_REFUSED,	/* none of these: see @error */
};

struct gmem_failure {
	enum gmem_reason reason;
	int error;		/* what creation failed with: a positive errno */
	/*
	 * GMEM_UNKNOWN_FLAGS: what the VM does not have.
	 * GMEM_UNMET_CONDITION: flags of which leaving out any single one helps,
	 * or, if there is none, all that were asked for.
	 */
	__u64 bits;
	/* GMEM_UNMET_CONDITION: flags of which adding any single one helps. */
	__u64 missing;
};

/* For what is called from several places: one copy keeps programs small. */
#define GMEM__ONCE static __attribute__((__noinline__, __unused__))

/* ioctl() that tells an error from a value that is negative. */
GMEM__ONCE int gmem__ioctl(int fd, unsigned long request, unsigned long arg,
			   int *value)
{
	int saved = errno;
	int err = 0;

#ifdef __GLIBC__
	*value = ioctl(fd, request, arg);
#else
	*value = ioctl(fd, (int)request, arg);	/* as POSIX has it */
#endif
	if (*value == -1) {
		err = -errno;
		errno = saved;
	}
	return err;
}

/* KVM creates the file without FD_CLOEXEC; -errno, and @fd closed, if it stays. */
static inline int gmem__set_cloexec(int fd)
{
	int saved = errno;
	int flags = fcntl(fd, F_GETFD);
	int err = 0;

	if (flags >= 0 && !(flags & FD_CLOEXEC))
		flags = fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	if (flags < 0) {
		err = -errno;
		close(fd);
		errno = saved;
	}
	return err;
}

/**
 * gmem_query_flags - all flags of KVM_CREATE_GUEST_MEMFD that are supported
 * @fd: a VM, for what that VM supports, now and for its whole life; or /dev/kvm,
 *	for what at least one VM type of the host supports
 * @mask: where the 64-bit mask goes; 0 if the query fails
 *
 * Bits 31:0 are KVM_CAP_GUEST_MEMFD_FLAGS, bits 63:32 FLAGS_HI; the latter are a
 * claim until gmem_confirm_mask().  Never gate on KVM_CAP_GUEST_MEMFD: it says that
 * files can be created, not with which flags.  A flag that needs another one is
 * reported; see gmem_confirm_flags().
 *
 * Kernels: any.  Before 6.18 the mask is 0, unless the flags were backported, i.e.
 * there are no flags (a creation with flags 0 needs 6.8).
 *
 * Return: 0, or a negative errno: -EIO if another process created the VM, or the
 * VM is dead; -EBADF, -ENOTTY or -EINVAL if @fd is neither /dev/kvm nor a VM, or
 * what else its driver answers to an ioctl that it does not know.
 */
static inline int gmem_query_flags(int fd, __u64 *mask)
{
	int lo = 0, hi = 0;
	int err;

	*mask = 0;
	err = gmem__ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS, &lo);
	if (err)
		return err;
	err = gmem__ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS_HI, &hi);
	/* not of FLAGS_HI, but of what else has that number; the low word holds */
	if (err == -EINVAL && lo) {
		err = 0;
		hi = 0;
	}
	/* an int each, to be zero-extended: bit 31 is not a sign */
	if (!err)
		*mask = (__u64)(__u32)lo | (__u64)(__u32)hi << 32;
	return err;
}

/**
 * gmem_create - create a guest_memfd file
 * @vm: the VM
 * @size: bytes, 1 page to INT64_MAX, a multiple of the page size
 * @flags: GUEST_MEMFD_FLAG_*, each of them supported by the VM; 0 always works
 *
 * The descriptor is close-on-exec.  KVM itself creates it without: a program that
 * another thread starts at the very same moment may inherit it.
 *
 * Kernels: since 6.8; flags since 6.18.
 *
 * Return: a file descriptor, or a negative errno that gmem_explain() explains:
 * -EINVAL flags or size, -EIO as in gmem_query_flags(), -ENOTTY (-EINVAL on some
 * architectures) no guest_memfd in this kernel, -EMFILE, -ENFILE, -ENOMEM, -EBADF
 * not a descriptor, -ENOTTY or -EINVAL not a VM, or what a security module answers.
 */
GMEM__ONCE int gmem_create(int vm, __u64 size, __u64 flags)
{
	struct kvm_create_guest_memfd args;
	int err, fd = -1;

	/* reserved[] must be 0 */
	memset(&args, 0, sizeof(args));
	args.size = size;
	args.flags = flags;

	err = gmem__ioctl(vm, KVM_CREATE_GUEST_MEMFD, (unsigned long)&args, &fd);
	if (!err)
		err = gmem__set_cloexec(fd);
	return err ? err : fd;
}

/**
 * gmem_confirm_flags - does the VM accept this combination of flags?
 * @vm: the VM
 * @flags: the combination
 *
 * Creates a file of one page and closes it, which is cheap and has no side effect.
 *
 * Kernels: any.
 *
 * Return: 0 if it does; -EINVAL, or -ENOTTY without guest_memfd, if it does not;
 * any other negative errno of gmem_create() if that cannot be told.
 */
GMEM__ONCE int gmem_confirm_flags(int vm, __u64 flags)
{
	int saved = errno;
	int fd = gmem_create(vm, (__u64)sysconf(_SC_PAGESIZE), flags);

	if (fd < 0)
		return fd;
	close(fd);
	errno = saved;
	return 0;
}

/*
 * Does the VM accept these flags?  1, 0, or a negative errno if that cannot be told.
 * KVM looks at the flags before it looks for a descriptor and memory.
 */
GMEM__ONCE int gmem__accepts(int vm, __u64 flags)
{
	int err = gmem_confirm_flags(vm, flags);

	switch (err) {
	case 0:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return 1;
	case -EINVAL:
	case -ENOTTY:
		return 0;
	default:
		return err;
	}
}

/* Is @flag accepted together with some of @others, or can that not be told? */
static inline int gmem__is_confirmed(int vm, __u64 flag, __u64 others)
{
	__u64 set = 0;

	do {
		if (gmem__accepts(vm, flag | set))
			return 1;
		set = (set - others) & others;
	} while (set);
	return 0;
}

/* The GMEM__MAX_TRIED lowest bits of @mask: so many are combined, which is 256 trials. */
#define GMEM__MAX_TRIED 8

GMEM__ONCE __u64 gmem__lowest(__u64 mask)
{
	__u64 rest = mask;
	int i;

	for (i = 0; i < GMEM__MAX_TRIED; i++)
		rest &= rest - 1;
	return mask & ~rest;
}

/**
 * gmem_confirm_mask - drop what gmem_query_flags() may have got from a capability that
 *	is not FLAGS_HI
 * @vm: the VM
 * @mask: the mask of @vm; of its bits 63:32, those go that the VM accepts in no
 *	combination with flags that are in bits 31:0 or confirmed, of which the eight
 *	lowest are tried; a bit stays if that cannot be told, e.g. for -EPERM or -EIO
 *
 * The kernel may use the number of FLAGS_HI for something else.  Creation does not lie,
 * so each flag is tried, one page as in gmem_confirm_flags(), with each set of the flags
 * that it may depend on.  Costs nothing while bits 63:32 are empty.
 *
 * Kernels: any.
 */
GMEM__ONCE void gmem_confirm_mask(int vm, __u64 *mask)
{
	__u64 open = *mask & 0xffffffff00000000ULL;
	__u64 flag, before;

	*mask &= 0xffffffffULL;
	/* a flag may need one that is confirmed after it */
	do {
		before = open;
		for (flag = 1ULL << 32; flag; flag <<= 1) {
			if (!(open & flag) || !gmem__is_confirmed(vm, flag, gmem__lowest(*mask)))
				continue;
			open &= ~flag;
			*mask |= flag;
		}
	} while (open != before);
}

/**
 * gmem_flag_name - name of a flag
 * @bit: number of its bit, 0 to 63
 *
 * Kernels: any; nothing is asked.
 *
 * Return: the name without GUEST_MEMFD_FLAG_, or NULL if this header knows none.
 */
GMEM__ONCE const char *gmem_flag_name(unsigned int bit)
{
	switch (bit) {
	case 0:
		return "MMAP";
	case 1:
		return "INIT_SHARED";
	default:
		return NULL;
	}
}

/* Append to @buf what fits; @len counts what does not fit, too. */
GMEM__ONCE void gmem__append(char *buf, size_t size, size_t *len, const char *text)
{
	for (; *text; text++, (*len)++) {
		if (*len + 1 < size) {
			buf[*len] = *text;
			buf[*len + 1] = '\0';
		}
	}
}

static inline void gmem__append_number(char *buf, size_t size, size_t *len,
				       unsigned int number)
{
	char digits[3 * sizeof(number) + 1];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	gmem__append(buf, size, len, p);
}

GMEM__ONCE void gmem__append_flags(char *buf, size_t size, size_t *len, __u64 mask)
{
	const char *space = "";
	unsigned int bit;

	if (!mask)
		gmem__append(buf, size, len, "-");
	for (bit = 0; bit < 64; bit++) {
		const char *name = gmem_flag_name(bit);

		if (!(mask >> bit & 1))
			continue;
		gmem__append(buf, size, len, space);
		gmem__append(buf, size, len, name ? name : "bit");
		if (!name)
			gmem__append_number(buf, size, len, bit);
		space = " ";
	}
}

/**
 * gmem_format_flags - the names in a mask, for people
 * @mask: the mask
 * @buf: where the text goes, always NUL-terminated; may be NULL if @size is 0
 * @size: bytes at @buf; GMEM_FLAGS_TEXT_SIZE is enough for any mask
 *
 * For example "MMAP INIT_SHARED bit40", where the header has no name for bit 40;
 * "-" for an empty mask.
 *
 * Kernels: any; nothing is asked.
 *
 * Return: like snprintf(), the length of the whole text without NUL, which was cut
 * off if that is @size or more.
 */
static inline size_t gmem_format_flags(__u64 mask, char *buf, size_t size)
{
	size_t len = 0;

	if (size)
		buf[0] = '\0';
	gmem__append_flags(buf, size, &len, mask);
	return len;
}

/* Is @vm something else than a VM that this process may use? */
static inline enum gmem_reason gmem__check_vm(int vm, __u64 *mask)
{
	int value;

	switch (gmem_query_flags(vm, mask)) {
	case 0:
		break;
	case -EIO:
		return GMEM_VM_UNAVAILABLE;
	case -EBADF:
	case -EINVAL:
	case -ENOTTY:
		return GMEM_NOT_A_VM;
	default:
		return GMEM_HOST_REFUSED;
	}

	/* only /dev/kvm itself answers that */
	if (!gmem__ioctl(vm, KVM_GET_API_VERSION, 0, &value))
		return GMEM_NOT_A_VM;

	/* flags 0 always works where guest_memfd is built in, unless the host refuses */
	if (gmem__accepts(vm, 0))
		return GMEM_NO_FAILURE;
	if (!gmem__ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD, &value) && value > 0)
		return GMEM_HOST_REFUSED;
	return GMEM_NOT_SUPPORTED;
}

static inline enum gmem_reason gmem__check_size(__u64 size)
{
	if (!size)
		return GMEM_SIZE_ZERO;
	if (size >> 63)
		return GMEM_SIZE_NEGATIVE;
	if (size % (__u64)sysconf(_SC_PAGESIZE))
		return GMEM_SIZE_UNALIGNED;
	return GMEM_NO_FAILURE;
}

/* Which single flag, left out of or added to @flags, makes creation succeed? */
static inline void gmem__find_condition(int vm, __u64 flags, __u64 mask,
					struct gmem_failure *why)
{
	__u64 flag;

	for (flag = 1; flag; flag <<= 1) {
		if (!(mask & flag) || gmem__accepts(vm, flags ^ flag) <= 0)
			continue;
		if (flags & flag)
			why->bits |= flag;
		else
			why->missing |= flag;
	}
	if (!why->bits)
		why->bits = flags;
}

static inline enum gmem_reason gmem__find_reason(int vm, __u64 size, __u64 flags,
						 struct gmem_failure *why)
{
	enum gmem_reason reason;
	__u64 mask;

	if (why->error == EIO)
		return GMEM_VM_UNAVAILABLE;
	if (why->error == EBADF)
		return GMEM_NOT_A_VM;
	if (why->error != EINVAL && why->error != ENOTTY)
		return GMEM_HOST_REFUSED;

	reason = gmem__check_vm(vm, &mask);
	if (reason != GMEM_NO_FAILURE)
		return reason;

	/* in the kernel's own order */
	gmem_confirm_mask(vm, &mask);
	why->bits = flags & ~mask;
	if (why->bits)
		return GMEM_UNKNOWN_FLAGS;
	if (!gmem__accepts(vm, flags)) {
		gmem__find_condition(vm, flags, mask, why);
		return GMEM_UNMET_CONDITION;
	}
	reason = gmem__check_size(size);
	return reason != GMEM_NO_FAILURE ? reason : GMEM_HOST_REFUSED;
}

/**
 * gmem_explain - why did gmem_create() fail?
 * @vm: as gmem_create() got it
 * @size: as gmem_create() got it
 * @flags: as gmem_create() got it
 * @error: what gmem_create() returned
 * @why: where the answer goes
 *
 * If several things are wrong, the one that KVM looks at first.  Conditions of flags
 * are found by trial, each with one page as in gmem_confirm_flags(), so that also
 * those of flags that are newer than this header are: while @why->bits are asked for,
 * try without one of them, or with one of @why->missing.
 *
 * Kernels: any.
 */
static inline void gmem_explain(int vm, __u64 size, __u64 flags, int error,
				struct gmem_failure *why)
{
	memset(why, 0, sizeof(*why));
	if (error >= 0)
		return;
	why->error = -error;
	why->reason = gmem__find_reason(vm, size, flags, why);
}

/**
 * gmem_reason_text - a reason, for people
 * @reason: the reason
 *
 * Kernels: any; nothing is asked.
 *
 * Return: a sentence without full stop, for example "the size is 0".
 */
GMEM__ONCE const char *gmem_reason_text(enum gmem_reason reason)
{
	switch (reason) {
	case GMEM_NO_FAILURE:
		return "nothing failed";
	case GMEM_NOT_A_VM:
		return "the file descriptor is not a VM";
	case GMEM_VM_UNAVAILABLE:
		return "another process created the VM, or it is dead";
	case GMEM_NOT_SUPPORTED:
		return "this kernel has no guest_memfd";
	case GMEM_UNKNOWN_FLAGS:
		return "the VM does not have these flags";
	case GMEM_UNMET_CONDITION:
		return "not accepted in this combination";
	case GMEM_SIZE_ZERO:
		return "the size is 0";
	case GMEM_SIZE_NEGATIVE:
		return "the size is greater than INT64_MAX";
	case GMEM_SIZE_UNALIGNED:
		return "the size is not a multiple of the page size";
	case GMEM_HOST_REFUSED:
		return "the host refused for another reason";
	}
	return "unknown reason";
}

/**
 * gmem_format_failure - an answer of gmem_explain(), for people
 * @why: the answer
 * @buf: where the text goes, always NUL-terminated; may be NULL if @size is 0
 * @size: bytes at @buf; GMEM_FAILURE_TEXT_SIZE is enough for any failure
 *
 * For example "the VM does not have these flags: INIT_SHARED", or "not accepted in
 * this combination: bit40; would be with: MMAP", or "the host refused for another
 * reason: errno 24".
 *
 * Kernels: any; nothing is asked.
 *
 * Return: as gmem_format_flags().
 */
static inline size_t gmem_format_failure(const struct gmem_failure *why, char *buf,
					 size_t size)
{
	size_t len = 0;

	if (size)
		buf[0] = '\0';
	gmem__append(buf, size, &len, gmem_reason_text(why->reason));
	if (why->bits) {
		gmem__append(buf, size, &len, ": ");
		gmem__append_flags(buf, size, &len, why->bits);
	}
	if (why->missing) {
		gmem__append(buf, size, &len, "; would be with: ");
		gmem__append_flags(buf, size, &len, why->missing);
	}
	if (why->reason == GMEM_HOST_REFUSED) {
		gmem__append(buf, size, &len, ": errno ");
		gmem__append_number(buf, size, &len, (unsigned int)why->error);
	}
	return len;
}

#endif /* GMEM_FLAGS_H */
