// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into gmem-probe by the tests (ld's --wrap): the FAIL_AT-th of its calls fails
 * with errno FAIL_WITH, or, if that is 0, returns 0 without being made; with FAIL_ON all
 * after it fail, too.  Without FAIL_AT all are made, and their number is printed.  A
 * descriptor that is left open at the end makes the exit code 99, but with MAY_LEAK, which
 * is for programs that leave them to the kernel.  FLAGS_IS and
 * FLAGS_HI_IS name capabilities that are asked instead, as on a kernel that gave their
 * numbers to others; with VM_ONLY, /dev/kvm answers 0 to them.  TYPES is a mask of VM
 * types that the host seems to have; those that it lacks are default ones.  With
 * KVM_RUN_EINTR=1, KVM_RUN is interrupted by the alarm; 2: by something else, once.  With
 * UNBOUND=N, the Nth memslot is not made, though it seems so.  With
 * EMULATED, memslots are not bound to files, so that the guest reads at userspace_addr, and
 * a vCPU's statistics say that KVM emulated that many instructions.  With
 * BLOCKED, all signals are when the program starts.  With TTY_COLUMNS, the output is a
 * terminal of that width: the guests of the bench have none that would not lose characters.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../gmem_flags.h"

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_fcntl(int fd, int command, ...);
ssize_t __real_read(int fd, void *buf, size_t size);
int __real_isatty(int fd);
int __real_stat(const char *path, struct stat *buf);
int __real_uname(struct utsname *buf);
void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
void *__real_calloc(size_t number, size_t size);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_fcntl(int fd, int command, ...);
ssize_t __wrap_read(int fd, void *buf, size_t size);
int __wrap_isatty(int fd);
int __wrap_stat(const char *path, struct stat *buf);
int __wrap_uname(struct utsname *buf);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_calloc(size_t number, size_t size);

static unsigned long calls, fail_at;
static int fail_with, fds_before, system_fd = -1;
static bool fail_on;

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

__attribute__((constructor)) static void start(void)
{
	const char *at = getenv("FAIL_AT");
	const char *with = getenv("FAIL_WITH");

	fail_at = at ? strtoul(at, NULL, 10) : 0;
	fail_with = with ? atoi(with) : 0;
	fail_on = getenv("FAIL_ON");
	if (getenv("BLOCKED")) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
	}
	fds_before = count_fds();
	calls = 0;
}

__attribute__((destructor)) static void end(void)
{
	int fds;

	if (!fail_at)
		fprintf(stderr, "calls: %lu\n", calls);
	/* what comes after the program, gcov for one, is not to fail */
	fail_at = 0;
	fail_on = false;
	fds = count_fds();
	if (fds != fds_before && !getenv("MAY_LEAK")) {
		fprintf(stderr, "leaked: %d descriptors\n", fds - fds_before);
		_exit(99);
	}
}

static bool fails(void)
{
	if (++calls != fail_at && !(fail_on && calls > fail_at))
		return false;
	errno = fail_with;
	return true;
}

static int result(void)
{
	return fail_with ? -1 : 0;
}

/* It cannot be pretended that these were made: 0 would be a descriptor. */
static bool returns_descriptor(unsigned long request)
{
	return request == KVM_CREATE_VM || request == KVM_CREATE_VCPU ||
	       request == KVM_CREATE_GUEST_MEMFD || request == KVM_GET_STATS_FD;
}

/* A number that no capability has, i.e. that every kernel answers 0 to. */
#define UNKNOWN_CAP 0x7fffffff

static unsigned long capability(int fd, unsigned long cap)
{
	const char *other = NULL;

	if (cap == KVM_CAP_GUEST_MEMFD_FLAGS)
		other = getenv("FLAGS_IS");
	if (cap == KVM_CAP_GUEST_MEMFD_FLAGS_HI)
		other = getenv("FLAGS_HI_IS");
	if (other && fd == system_fd && getenv("VM_ONLY"))
		return UNKNOWN_CAP;
	return other ? strtoul(other, NULL, 10) : cap;
}

/* KVM_RUN, interrupted: returns true, with errno, if it is not to be made. */
static bool interrupted(void)
{
	static int number;
	const char *how = getenv("KVM_RUN_EINTR");

	if (!how || (!strcmp(how, "2") && number++))
		return false;
	if (!strcmp(how, "1"))
		raise(SIGALRM);
	errno = EINTR;
	return true;
}

/* Is this the memslot that is not to be made? */
static bool unbound(const struct kvm_userspace_memory_region2 *region)
{
	static int number;
	const char *which = getenv("UNBOUND");

	return which && region->memory_size && ++number == atoi(which);
}

/* A file like that of KVM_GET_STATS_FD, with two counters. */
static int emulated_stats(void)
{
	struct {
		struct kvm_stats_header header;
		struct { struct kvm_stats_desc desc; char name[16]; } exits, emulation;
		__u64 values[2];
	} data = {
		.header = { .name_size = 16, .num_desc = 2, .desc_offset = sizeof(data.header),
			    .data_offset = sizeof(data) - sizeof(data.values) },
		.emulation.desc.offset = sizeof(__u64),
		.values = { 7, strtoull(getenv("EMULATED"), NULL, 10) },
	};
	int fd = memfd_create("stats", 0);

	strcpy(data.exits.name, "exits");
	strcpy(data.emulation.name, "insn_emulation");
	if (write(fd, &data, sizeof(data)) != sizeof(data) || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static int tty_columns(void)
{
	const char *columns = getenv("TTY_COLUMNS");

	return columns ? atoi(columns) : -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	int fd = fails() ? -1 : __real_open(path, flags);

	if (!strcmp(path, "/dev/kvm"))
		system_fd = fd;
	return fd;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct kvm_userspace_memory_region2 plain;
	unsigned long arg;
	va_list args;

	va_start(args, request);
	arg = va_arg(args, unsigned long);
	va_end(args);
	if (request == TIOCGWINSZ && tty_columns() >= 0) {
		memset((void *)arg, 0, sizeof(struct winsize));
		((struct winsize *)arg)->ws_col = (unsigned short)tty_columns();
		return 0;
	}
	if (request == KVM_CHECK_EXTENSION)
		arg = capability(fd, arg);
	if (request == KVM_RUN && interrupted())
		return -1;
	if (getenv("TYPES")) {
		if (request == KVM_CHECK_EXTENSION && arg == KVM_CAP_VM_TYPES)
			return atoi(getenv("TYPES"));
		if (request == KVM_CREATE_VM && arg > 1)
			arg = 0;
	}
	if (fails() && (fail_with || !returns_descriptor(request)))
		return result();
	if (request == KVM_GET_STATS_FD && getenv("EMULATED"))
		return emulated_stats();
	if (request == KVM_SET_USER_MEMORY_REGION2 && unbound((void *)arg))
		return 0;
	if (request == KVM_SET_USER_MEMORY_REGION2 && getenv("EMULATED")) {
		plain = *(struct kvm_userspace_memory_region2 *)arg;
		plain.flags = 0;
		arg = (unsigned long)&plain;
	}
	return __real_ioctl(fd, request, arg);
}

int __wrap_fcntl(int fd, int command, ...)
{
	unsigned long arg;
	va_list args;

	va_start(args, command);
	arg = va_arg(args, unsigned long);
	va_end(args);
	return fails() ? result() : __real_fcntl(fd, command, arg);
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	return fails() ? result() : __real_read(fd, buf, size);
}

int __wrap_isatty(int fd)
{
	return tty_columns() >= 0 ? 1 : __real_isatty(fd);
}

int __wrap_stat(const char *path, struct stat *buf)
{
	return fails() ? -1 : __real_stat(path, buf);
}

int __wrap_uname(struct utsname *buf)
{
	return fails() ? -1 : __real_uname(buf);
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	return fails() ? MAP_FAILED : __real_mmap(addr, size, prot, flags, fd, offset);
}

void *__wrap_calloc(size_t number, size_t size)
{
	return fails() ? NULL : __real_calloc(number, size);
}
