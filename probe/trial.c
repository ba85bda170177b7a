// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host says, and what works when tried.  Each VM type gets one VM, which
 * is thrown away: every combination of its flags is used for a file of one page,
 * which is mapped, written, bound to a memslot, and read by a guest of a few
 * instructions.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "gmem-probe.h"

/* What uAPI headers before Linux 6.8 lack, from include/uapi/linux/kvm.h. */
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#ifndef KVM_SET_MEMORY_ATTRIBUTES
struct kvm_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};

#define KVM_SET_MEMORY_ATTRIBUTES _IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#define KVM_MEMORY_ATTRIBUTE_PRIVATE (1ULL << 3)
#endif

/* The host writes WRITTEN into the file; the memslot's userspace_addr has OTHER. */
#define WRITTEN	0x5a
#define OTHER	0xbb

/* Longer than a guest that works ever takes, also on an emulator. */
#define GUEST_SECONDS 30

enum slot { CODE_SLOT, DATA_SLOT };

/* The guest's pages, by number; behind the last one there is nothing. */
enum guest_page { CODE_PAGE = 1, DATA_PAGE, DEVICE_PAGE };

struct guest {
	int vcpu;
	struct kvm_run *run;
	size_t run_size;
	unsigned char *code;
	unsigned char *other;	/* what the data's memslot has as userspace_addr */
	bool loops;		/* it handed out a byte, and will read the next one */
	bool hangs;		/* it did not answer in time */
	int seen;		/* the byte that it handed out, or -1 */
	const char *untried;	/* why no guest can be run here, or NULL */
	const char *failed;	/* the call that failed, with @error; or NULL */
	int error;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* --- names --------------------------------------------------------------- */

/* Names of the x86 VM types, by number: arch/x86/include/uapi/asm/kvm.h. */
static const char *const vm_types[] = {
	"default", "sw-protected", "sev", "sev-es", "snp", "tdx",
};

/**
 * vm_type_name - name of a VM type, "type7" where there is none
 * @type: its number
 * @name: where the name goes
 * @size: bytes at @name
 */
void vm_type_name(int type, char *name, size_t size)
{
	if ((size_t)type < ARRAY_SIZE(vm_types))
		snprintf(name, size, "%s", vm_types[type]);
	else
		snprintf(name, size, "type%d", type);
}

/**
 * vm_type_number - the reverse of vm_type_name(), which also takes "type0" and so on
 * @name: a name
 *
 * Return: the number, or -1 if no VM type has that name.
 */
int vm_type_number(const char *name)
{
	char candidate[24];
	int type;

	for (type = 0; type < 31; type++) {
		vm_type_name(type, candidate, sizeof(candidate));
		if (!strcmp(name, candidate))
			return type;
		snprintf(candidate, sizeof(candidate), "type%d", type);
		if (!strcmp(name, candidate))
			return type;
	}
	return -1;
}

/**
 * errno_name - the macro's name, which scripts can compare
 * @error: a positive errno
 * @name: where the name goes; the number, like "E71", if none is known here
 * @size: bytes at @name
 */
void errno_name(int error, char *name, size_t size)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{ EACCES, "EACCES" }, { EAGAIN, "EAGAIN" }, { EBADF, "EBADF" },
		{ EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { EFAULT, "EFAULT" },
		{ EHWPOISON, "EHWPOISON" }, { EINTR, "EINTR" }, { EINVAL, "EINVAL" },
		{ EIO, "EIO" }, { EMFILE, "EMFILE" }, { ENFILE, "ENFILE" },
		{ ENODEV, "ENODEV" }, { ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" },
		{ ENOSPC, "ENOSPC" }, { ENOSYS, "ENOSYS" }, { ENOTTY, "ENOTTY" },
		{ ENXIO, "ENXIO" }, { EOPNOTSUPP, "EOPNOTSUPP" }, { EPERM, "EPERM" },
	};
	size_t i;

	snprintf(name, size, "E%d", error);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].error == error)
			snprintf(name, size, "%s", names[i].name);
}

/* --- cells --------------------------------------------------------------- */

static void set_cell(struct cell *cell, enum result result, const char *code,
		     const char *reason)
{
	cell->result = result;
	snprintf(cell->code, sizeof(cell->code), "%s", code);
	snprintf(cell->reason, sizeof(cell->reason), "%s", reason);
}

/* A call failed with @error. */
static void set_error(struct cell *cell, int error, const char *reason)
{
	set_cell(cell, NO, "", reason);
	errno_name(error, cell->code, sizeof(cell->code));
}

static void set_yes(struct cell *cell)
{
	set_cell(cell, YES, "", "");
}

static void set_untried(struct cell *cell, const char *reason)
{
	set_cell(cell, UNTRIED, "", reason);
}

/* --- asking -------------------------------------------------------------- */

/* The value, or a negative errno. */
static int check_extension(int fd, unsigned long cap)
{
	int value = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return value == -1 ? -errno : value;
}

static void set_failed(struct scope *scope, const char *call, int error)
{
	scope->failed = call;
	scope->error = error;
}

/* Capabilities and mask of @fd; false if asking fails. */
static bool ask(int fd, struct scope *scope)
{
	int err = gmem_query_flags(fd, &scope->mask);

	scope->guest_memfd = check_extension(fd, KVM_CAP_GUEST_MEMFD);
	scope->user_memory2 = check_extension(fd, KVM_CAP_USER_MEMORY2);
	scope->memory_attributes = check_extension(fd, KVM_CAP_MEMORY_ATTRIBUTES);
	if (!err)
		err = scope->guest_memfd;
	if (err >= 0)
		err = scope->user_memory2;
	if (err >= 0)
		err = scope->memory_attributes;
	if (err < 0)
		set_failed(scope, "KVM_CHECK_EXTENSION", -err);
	return err >= 0;
}

/* The argument of KVM_CREATE_VM. */
static unsigned long vm_argument(int kvm, int type)
{
#ifdef __aarch64__
	int bits = check_extension(kvm, KVM_CAP_ARM_VM_IPA_SIZE);

	/* without it KVM takes 40 bits of physical addresses, which may be too many */
	if (bits > 0)
		return KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)bits);
#else
	(void)kvm;
#endif
	return (unsigned long)type;
}

static bool enable_mte(int vm)
{
#ifdef __aarch64__
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_MTE };

	return !ioctl(vm, KVM_ENABLE_CAP, &cap);
#else
	(void)vm;
	return false;
#endif
}

static bool host_has_mte(int kvm)
{
#ifdef __aarch64__
	return check_extension(kvm, KVM_CAP_ARM_MTE) > 0;
#else
	(void)kvm;
	return false;
#endif
}

/* The VM, or -1 and why in @scope. */
static int create_vm(int kvm, struct scope *scope)
{
	unsigned long argument = vm_argument(kvm, scope->type);
	int vm;

	do {
		vm = ioctl(kvm, KVM_CREATE_VM, argument);
	} while (vm < 0 && errno == EINTR);
	if (vm < 0) {
		set_failed(scope, "KVM_CREATE_VM", errno);
		return -1;
	}
	if (scope->mte && !enable_mte(vm)) {
		set_failed(scope, "KVM_ENABLE_CAP(KVM_CAP_ARM_MTE)", errno);
		close(vm);
		return -1;
	}
	return vm;
}

/* --- the guest ----------------------------------------------------------- */

#if defined(__x86_64__) || defined(__i386__)

#define OUT_PORT 0xe9

/* Real mode, for ever: read a byte at DATA_PAGE, hand it out. */
static const unsigned char guest_code[] = {
	0xa0, 0x00, 0x20,	/* mov 0x2000, %al */
	0xe6, OUT_PORT,		/* out %al, $OUT_PORT */
	0xeb, 0xf9,		/* jmp back to the start */
};

/* Only these run without a launch that is encrypted or measured. */
static const char *why_no_guest(int type)
{
	return type <= 1 ? NULL : "a VM of this type runs only after a launch of its own";
}

static const char *prepare_vm(int vm)
{
	/* Intel CPUs of before 2010 need it for real mode, and it must be unused memory */
	return ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) ? "KVM_SET_TSS_ADDR" : NULL;
}

static const char *prepare_vcpu(int vm, int vcpu)
{
	struct kvm_regs regs = { .rip = CODE_PAGE << 12, .rflags = 2 };
	struct kvm_sregs sregs;

	(void)vm;
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return "KVM_GET_SREGS";
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		return "KVM_SET_SREGS";
	if (ioctl(vcpu, KVM_SET_REGS, &regs))
		return "KVM_SET_REGS";
	return NULL;
}

/* Where the byte is that the guest handed out, or NULL if it did something else. */
static const unsigned char *handed_out(struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != OUT_PORT)
		return NULL;
	return (const unsigned char *)run + run->io.data_offset;
}

/* What uAPI headers before Linux 5.14 lack, from include/uapi/linux/kvm.h. */
#ifndef KVM_GET_STATS_FD
struct kvm_stats_header {
	__u32 flags;
	__u32 name_size;
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

struct kvm_stats_desc {
	__u32 flags;
	__s16 exponent;
	__u16 size;
	__u32 offset;
	__u32 bucket_size;
	char name[];
};

#define KVM_GET_STATS_FD _IO(KVMIO, 0xce)
#endif

/* KVM_GET_STATS_FD's data: the counter called @name, or 0 if there is none. */
static __u64 find_counter(const unsigned char *stats, const char *name)
{
	const struct kvm_stats_header *header = (const void *)stats;
	const unsigned char *next = stats + header->desc_offset;
	__u64 value = 0;
	__u32 i;

	for (i = 0; i < header->num_desc; i++) {
		const struct kvm_stats_desc *desc = (const void *)next;

		if (!strncmp(desc->name, name, header->name_size))
			memcpy(&value, stats + header->data_offset + desc->offset, sizeof(value));
		next += sizeof(*desc) + header->name_size;
	}
	return value;
}

/*
 * Did KVM emulate instructions of @vcpu?  That is how real mode runs on Intel CPUs of
 * before 2010, and much more where KVM is itself in a guest without nested paging.
 * Return: 1 if so, 0 if not, -1 and errno if it cannot be told.
 */
static int is_emulated(int vcpu)
{
	/* 16 KiB: Linux has less than 100 descriptors of 64 bytes, and their values */
	__u64 stats[2048];
	int fd = ioctl(vcpu, KVM_GET_STATS_FD, NULL);
	ssize_t size;

	if (fd < 0)
		return -1;
	errno = EIO;	/* if it is too short, or too long */
	size = read(fd, stats, sizeof(stats));
	close(fd);
	if (size < (ssize_t)sizeof(struct kvm_stats_header) || size == sizeof(stats))
		return -1;
	return find_counter((const unsigned char *)stats, "insn_emulation") > 0;
}

#elif defined(__aarch64__)

#define REG(name) \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

/* MMU off, for ever: read a byte at x1, write it to x2, where there is no memory. */
static const __u32 guest_code[] = {
	0x39400020,	/* ldrb w0, [x1] */
	0x39000040,	/* strb w0, [x2] */
	0x17fffffe,	/* b    back to the start */
};

static const char *why_no_guest(int type)
{
	return type ? "how to run a VM of this type is not known here" : NULL;
}

static const char *prepare_vm(int vm)
{
	(void)vm;
	return NULL;
}

static bool set_register(int vcpu, __u64 id, __u64 value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return !ioctl(vcpu, KVM_SET_ONE_REG, &reg);
}

static const char *prepare_vcpu(int vm, int vcpu)
{
	struct kvm_vcpu_init init;

	if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init))
		return "KVM_ARM_PREFERRED_TARGET";
	if (ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		return "KVM_ARM_VCPU_INIT";
	if (!set_register(vcpu, REG(regs.pc), CODE_PAGE * page_size()) ||
	    !set_register(vcpu, REG(regs.regs[1]), DATA_PAGE * page_size()) ||
	    !set_register(vcpu, REG(regs.regs[2]), DEVICE_PAGE * page_size()))
		return "KVM_SET_ONE_REG";
	return NULL;
}

static const unsigned char *handed_out(struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_MMIO || !run->mmio.is_write)
		return NULL;
	return run->mmio.data;
}

/* KVM completes accesses to devices, and leaves all other instructions to the CPU. */
static int is_emulated(int vcpu)
{
	(void)vcpu;
	return 0;
}

#else

static const unsigned char guest_code[] = { 0 };

static const char *why_no_guest(int type)
{
	(void)type;
	return "there is no guest code for this architecture";
}

static const char *prepare_vm(int vm)
{
	(void)vm;
	return NULL;
}

static const char *prepare_vcpu(int vm, int vcpu)
{
	(void)vm;
	(void)vcpu;
	return NULL;
}

static const unsigned char *handed_out(struct kvm_run *run)
{
	(void)run;
	return NULL;
}

static int is_emulated(int vcpu)
{
	(void)vcpu;
	return 0;
}

#endif

static void *map_pages(size_t size, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void unmap_pages(void *mem, size_t size)
{
	if (mem)
		munmap(mem, size);
}

static bool bind_code(int vm, const struct guest *guest)
{
	struct kvm_userspace_memory_region region = {
		.slot = CODE_SLOT,
		.guest_phys_addr = CODE_PAGE * page_size(),
		.memory_size = page_size(),
		.userspace_addr = (uintptr_t)guest->code,
	};

	return !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* A VM with private memory takes a page from the file only where it is private. */
static bool make_data_private(int vm)
{
	struct kvm_memory_attributes attributes = {
		.address = DATA_PAGE * page_size(),
		.size = page_size(),
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	return !ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
}

/* Create the vCPU and map its kvm_run; NULL, or the call that failed. */
static const char *create_vcpu(int kvm, int vm, struct guest *guest)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < 0)
		return "KVM_GET_VCPU_MMAP_SIZE";
	guest->run_size = (size_t)size;
	guest->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	if (guest->vcpu < 0)
		return "KVM_CREATE_VCPU";
	guest->run = map_pages(guest->run_size, guest->vcpu);
	return guest->run ? NULL : "mmap() of kvm_run";
}

/* All that a guest needs but its data; NULL, or the call that failed. */
static const char *build_guest(int kvm, int vm, bool private, struct guest *guest)
{
	const char *failed;

	guest->code = map_pages(page_size(), -1);
	if (!guest->code)
		return "mmap() of the guest's code";
	memcpy(guest->code, guest_code, sizeof(guest_code));
	failed = prepare_vm(vm);
	if (failed)
		return failed;
	if (!bind_code(vm, guest))
		return "KVM_SET_USER_MEMORY_REGION";
	if (private && !make_data_private(vm))
		return "KVM_SET_MEMORY_ATTRIBUTES";
	return create_vcpu(kvm, vm, guest);
}

static bool has_private(const struct scope *scope)
{
	return scope->memory_attributes & (int)KVM_MEMORY_ATTRIBUTE_PRIVATE;
}

/* @guest can be closed whether or not that worked; what did not is noted there. */
static void open_guest(int kvm, int vm, const struct scope *scope, struct guest *guest)
{
	*guest = (struct guest){ .vcpu = -1, .seen = -1 };
	guest->untried = why_no_guest(scope->type);
	if (!guest->untried)
		guest->failed = build_guest(kvm, vm, has_private(scope), guest);
	if (guest->failed)
		guest->error = errno;
}

static void close_guest(struct guest *guest)
{
	unmap_pages(guest->run, guest->run_size);
	unmap_pages(guest->code, page_size());
	if (guest->vcpu >= 0)
		close(guest->vcpu);
}

static volatile sig_atomic_t time_is_up;

static void on_alarm(int sig)
{
	(void)sig;
	time_is_up = 1;
}

/* KVM_RUN, for GUEST_SECONDS at most; a debugger, say, may interrupt it before. */
static int run_vcpu(int vcpu)
{
	/* again and again, in case that the first one comes before KVM_RUN */
	const struct itimerval on = { { GUEST_SECONDS, 0 }, { GUEST_SECONDS, 0 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction old, new = { .sa_handler = on_alarm };
	int ret, error;

	time_is_up = 0;
	sigaction(SIGALRM, &new, &old);
	setitimer(ITIMER_REAL, &on, NULL);
	do {
		ret = ioctl(vcpu, KVM_RUN, 0);
	} while (ret && errno == EINTR && !time_is_up);
	error = errno;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	errno = error;
	return ret;
}

/* --- the steps ----------------------------------------------------------- */

static int try_create(int vm, __u64 flags, struct cell *cell)
{
	struct gmem_failure why;
	int fd = gmem_create(vm, page_size(), flags);

	if (fd >= 0) {
		set_yes(cell);
		return fd;
	}
	gmem_explain(vm, page_size(), flags, fd, &why);
	set_error(cell, -fd, "");
	gmem_format_failure(&why, cell->reason, sizeof(cell->reason));
	return -1;
}

static unsigned char *try_mmap(int fd, __u64 flags, struct cell *cell)
{
	unsigned char *mem = map_pages(page_size(), fd);

	if (mem)
		set_yes(cell);
	else if (errno == ENODEV && !(flags & GUEST_MEMFD_FLAG_MMAP))
		set_error(cell, errno, "the file was created without MMAP");
	else
		set_error(cell, errno, "mmap() of the file failed");
	return mem;
}

static sigjmp_buf sigbus_jump;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(sigbus_jump, 1);
}

/* False if that raises SIGBUS. */
static bool store(unsigned char *mem, unsigned char value)
{
	struct sigaction old, new = { .sa_handler = on_sigbus };
	bool stored = false;

	sigaction(SIGBUS, &new, &old);
	if (!sigsetjmp(sigbus_jump, 1)) {
		*(volatile unsigned char *)mem = value;
		stored = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return stored;
}

/* What the file's first byte is then. */
static unsigned char try_write(unsigned char *mem, __u64 flags, struct cell *cell)
{
	if (store(mem, WRITTEN)) {
		set_yes(cell);
		return WRITTEN;
	}
	set_cell(cell, NO, "SIGBUS",
		 flags & GUEST_MEMFD_FLAG_INIT_SHARED ? "writing to the mapping failed" :
		 "the memory is private, as the file was created without INIT_SHARED");
	return 0;
}

/* Bind @fd to the data's memslot, which has @memory as userspace_addr. */
static bool set_data_slot(int vm, const void *memory, int fd)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = DATA_SLOT,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = DATA_PAGE * page_size(),
		.memory_size = page_size(),
		.userspace_addr = (uintptr_t)memory,
		.guest_memfd = (__u32)fd,
	};

	return !ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

static void delete_data_slot(int vm, struct cell *cell)
{
	struct kvm_userspace_memory_region2 region = { .slot = DATA_SLOT };

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		set_error(cell, errno, "the memslot could not be deleted");
}

static const char *why_not_bound(const struct scope *scope, __u64 flags)
{
	if (errno != EINVAL)
		return "KVM_SET_USER_MEMORY_REGION2 failed";
	if (scope->mte)
		return "the VM has memory tags (MTE)";
	if (!scope->guest_memfd)
		return "KVM_CAP_GUEST_MEMFD of the VM is 0";
#ifdef __aarch64__
	if (!(flags & GUEST_MEMFD_FLAG_MMAP))
		return "arm64 binds only files that were created with MMAP";
#else
	(void)flags;
#endif
	return "KVM_SET_USER_MEMORY_REGION2 failed";
}

static bool try_bind(int vm, const struct scope *scope, const void *memory, int fd,
		     struct row *row)
{
	if (set_data_slot(vm, memory, fd)) {
		set_yes(&row->cell[BIND]);
		return true;
	}
	set_error(&row->cell[BIND], errno, why_not_bound(scope, row->flags));
	return false;
}

static void judge_byte(unsigned char seen, unsigned char expected, struct cell *cell)
{
	char reason[80];

	if (seen == expected) {
		set_yes(cell);
	} else if (seen == OTHER) {
		set_cell(cell, NO, "", "the guest reads the memory at userspace_addr, not the file");
	} else {
		snprintf(reason, sizeof(reason), "the guest reads 0x%02x, the file has 0x%02x",
			 seen, expected);
		set_cell(cell, NO, "", reason);
	}
}

/* Let KVM end the access that the guest stopped at, before the guest starts anew. */
static void retire_exit(struct guest *guest)
{
	guest->run->immediate_exit = 1;
	ioctl(guest->vcpu, KVM_RUN, 0);
	guest->run->immediate_exit = 0;
}

/* The guest must read @expected, which is what the file's first byte is. */
static void try_guest(int vm, struct guest *guest, unsigned char expected,
		      struct cell *cell)
{
	const unsigned char *byte;
	bool loops = guest->loops;
	char reason[80];

	guest->loops = false;
	guest->seen = -1;
	if (guest->untried) {
		set_untried(cell, guest->untried);
	} else if (guest->failed) {
		snprintf(reason, sizeof(reason), "%s failed", guest->failed);
		set_error(cell, guest->error, reason);
	} else if (guest->hangs) {
		set_error(cell, EINTR, "an earlier guest did not answer in time");
	} else if (!loops && prepare_vcpu(vm, guest->vcpu)) {
		set_error(cell, errno, "the vCPU could not be set up again");
	} else if (run_vcpu(guest->vcpu)) {
		if (errno == EINTR) {
			set_error(cell, errno, "the guest did not answer in time");
			/* to wait as long for each combination may take hours */
			guest->hangs = true;
		} else {
			set_error(cell, errno, "KVM_RUN failed");
		}
	} else {
		byte = handed_out(guest->run);
		if (byte) {
			guest->loops = true;
			guest->seen = *byte;
			judge_byte(*byte, expected, cell);
			return;
		}
		snprintf(reason, sizeof(reason), "the guest stopped with exit reason %u",
			 guest->run->exit_reason);
		set_cell(cell, NO, "", reason);
		retire_exit(guest);
	}
}

/*
 * The guest read at userspace_addr, and the file is mapped at @mem.  If KVM emulates the
 * guest, that is where all its accesses go, and a VMM has @mem there: so try that.
 */
static void try_emulated_guest(int vm, struct guest *guest, int fd, const void *mem,
			       unsigned char expected, struct row *row)
{
	int emulated = is_emulated(guest->vcpu);
	struct cell *cell = &row->cell[GUEST];

	if (!emulated)
		return;
	if (emulated < 0) {
		set_error(cell, errno, "whether KVM emulates the guest could not be asked");
		return;
	}
	delete_data_slot(vm, &row->cell[BIND]);
	if (!set_data_slot(vm, mem, fd)) {
		set_error(cell, errno, "KVM_SET_USER_MEMORY_REGION2 failed");
		return;
	}
	try_guest(vm, guest, expected, cell);
	if (cell->result == NO && !(row->flags & GUEST_MEMFD_FLAG_INIT_SHARED))
		snprintf(cell->reason, sizeof(cell->reason),
			 "KVM emulates the guest, which cannot read the mapping without INIT_SHARED");
}

/* Bind, run, and delete the memslot again. */
static void try_memslot(int vm, const struct scope *scope, struct guest *guest, int fd,
			const void *mem, unsigned char expected, struct row *row)
{
	if (!try_bind(vm, scope, guest->other, fd, row))
		return;
	if (guest->untried && !has_private(scope) && !(row->flags & GUEST_MEMFD_FLAG_MMAP))
		set_cell(&row->cell[GUEST], NO, "",
			 "in a VM without private memory, only a file with MMAP is the guest's memory");
	else
		try_guest(vm, guest, expected, &row->cell[GUEST]);
	if (guest->seen == OTHER && mem)
		try_emulated_guest(vm, guest, fd, mem, expected, row);
	delete_data_slot(vm, &row->cell[BIND]);
}

static void try_row(int vm, const struct scope *scope, struct guest *guest, struct row *row)
{
	unsigned char first_byte = 0;
	unsigned char *mem;
	int fd;

	set_untried(&row->cell[MMAP], "there is no file");
	set_untried(&row->cell[WRITE], "there is no mapping");
	set_untried(&row->cell[BIND], "there is no file");
	set_untried(&row->cell[GUEST], "there is no memslot");

	fd = try_create(vm, row->flags, &row->cell[CREATE]);
	if (fd < 0)
		return;
	mem = try_mmap(fd, row->flags, &row->cell[MMAP]);
	if (mem)
		first_byte = try_write(mem, row->flags, &row->cell[WRITE]);
	try_memslot(vm, scope, guest, fd, mem, first_byte, row);
	unmap_pages(mem, page_size());
	close(fd);
}

/**
 * first_obstacle - what keeps a VMM from using such a file as guest memory
 * @row: a combination of flags
 *
 * It must be possible to create it and to bind it, a guest must read it (where that
 * could be tried), and what its flags promise must hold: mmap() with MMAP, and
 * writing with MMAP and INIT_SHARED.
 *
 * Return: the first step that fails, or NR_STEPS if none does.
 */
enum step first_obstacle(const struct row *row)
{
	bool has_mmap = row->flags & GUEST_MEMFD_FLAG_MMAP;
	bool is_shared = row->flags & GUEST_MEMFD_FLAG_INIT_SHARED;

	if (row->cell[CREATE].result != YES)
		return CREATE;
	if (has_mmap && row->cell[MMAP].result != YES)
		return MMAP;
	if (has_mmap && is_shared && row->cell[WRITE].result != YES)
		return WRITE;
	if (row->cell[BIND].result != YES)
		return BIND;
	return row->cell[GUEST].result == NO ? GUEST : NR_STEPS;
}

/**
 * is_usable - can a VMM use such a file as guest memory?
 * @row: a combination of flags
 *
 * Return: true if there is no obstacle.
 */
bool is_usable(const struct row *row)
{
	return first_obstacle(row) == NR_STEPS;
}

/* --- combinations -------------------------------------------------------- */

/* The next combination of the flags in @mask; false after the last one. */
static bool next_combination(__u64 *flags, __u64 mask)
{
	*flags = (*flags - mask) & mask;
	return *flags;
}

/* The MAX_FLAGS lowest flags in @mask. */
static __u64 lowest_flags(__u64 mask)
{
	__u64 lowest = 0;
	int number;

	for (number = 0; number < MAX_FLAGS && mask; number++) {
		lowest |= mask & (~mask + 1);
		mask &= mask - 1;
	}
	return lowest;
}

static void try_combinations(int kvm, int vm, struct scope *scope)
{
	__u64 flags = 0, known = scope->mask, tried;
	struct guest guest;

	gmem_confirm_mask(vm, &known);
	scope->unconfirmed = scope->mask & ~known;
	tried = lowest_flags(known);
	scope->left_out = known & ~tried;

	scope->rows = calloc(1U << MAX_FLAGS, sizeof(*scope->rows));
	if (!scope->rows) {
		set_failed(scope, "calloc()", errno);
		return;
	}
	open_guest(kvm, vm, scope, &guest);
	guest.other = map_pages(page_size(), -1);
	if (guest.other) {
		memset(guest.other, OTHER, page_size());
		do {
			struct row *row = &scope->rows[scope->nr_rows++];

			row->flags = flags;
			try_row(vm, scope, &guest, row);
		} while (next_combination(&flags, tried));
		unmap_pages(guest.other, page_size());
	} else {
		set_failed(scope, "mmap()", errno);
	}
	close_guest(&guest);
}

/* --- the host ------------------------------------------------------------ */

static void probe_vm(int kvm, int type, bool mte, bool trials, struct scope *scope)
{
	int vm;

	scope->type = type;
	scope->mte = mte;
	vm_type_name(type, scope->name, sizeof(scope->name));
	if (mte)
		strncat(scope->name, "+mte", sizeof(scope->name) - strlen(scope->name) - 1);

	vm = create_vm(kvm, scope);
	if (vm < 0)
		return;
	if (ask(vm, scope) && trials)
		try_combinations(kvm, vm, scope);
	close(vm);
}

/* /dev/kvm creates no file: of its high word, what no VM confirmed is unconfirmed. */
static void confirm_system(struct findings *findings)
{
	struct scope *system = &findings->scopes[0];
	unsigned int i;

	system->unconfirmed = system->mask & 0xffffffff00000000ULL;
	for (i = 1; i < findings->nr_scopes; i++) {
		/* a VM that could not be asked may have any of them */
		if (findings->scopes[i].failed)
			system->unconfirmed = 0;
		system->unconfirmed &= ~(findings->scopes[i].mask & ~findings->scopes[i].unconfirmed);
	}
}

/**
 * probe_host - ask and try everything
 * @kvm: /dev/kvm
 * @trials: try what works, beyond asking
 * @findings: where it all goes, to be freed by free_findings()
 */
void probe_host(int kvm, bool trials, struct findings *findings)
{
	struct scope *system = &findings->scopes[0];
	int types, type;

	memset(findings, 0, sizeof(*findings));
	findings->nr_scopes = 1;
	snprintf(system->name, sizeof(system->name), "/dev/kvm");
	system->type = -1;
	ask(kvm, system);

	types = check_extension(kvm, KVM_CAP_VM_TYPES);
	if (types < 0 && !system->failed)
		set_failed(system, "KVM_CHECK_EXTENSION", -types);
	/* 0 on architectures that have one type only, and before Linux 6.8 */
	if (types <= 0)
		types = 1;
	for (type = 0; type < 31; type++)
		if (types & 1 << type)
			probe_vm(kvm, type, false, trials,
				 &findings->scopes[findings->nr_scopes++]);
	if (trials && host_has_mte(kvm))
		probe_vm(kvm, 0, true, trials, &findings->scopes[findings->nr_scopes++]);
	if (trials)
		confirm_system(findings);
}

/**
 * free_findings - free what probe_host() allocated
 * @findings: from probe_host()
 */
void free_findings(struct findings *findings)
{
	unsigned int i;

	for (i = 0; i < findings->nr_scopes; i++)
		free(findings->scopes[i].rows);
}
