// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-fuzz: drive guest_memfd from several threads with arguments that are valid, at
 * a boundary or wild, and compare what creation and capability calls answer with a
 * model of the ABI (docs/abi.md; "rule" means one of its rules).  Run by "make fuzz",
 * inside the booted kernel.
 *
 * The work of a thread is cut into episodes: OPS operations on VMs and files of their
 * own, and on two VMs that all threads share.  Each operation's arguments follow from
 * the episode's seed and the operation's number alone, so that an episode, or any part
 * of it, can be done again.  A disagreement is cut down to the shortest part that still
 * shows it.  What is not predicted must not crash, leak, or upset the kernel, which is
 * for the kernel's own checkers to say.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/kvm.h>

/* a series without it answers 0 */
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS_HI
#define KVM_CAP_GUEST_MEMFD_FLAGS_HI 252
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ULL << (n))

#define OPS		1000	/* of an episode */
#define FILES		8	/* that an episode has open at a time */
#define MAPPINGS	8
#define SLOTS		6
#define MAX_THREADS	16
#define MAX_TYPES	2	/* VM types that need no hardware: default, sw-protected */

/* Bounds of what takes memory: a fallocate(), a range of attributes, a memslot. */
#define MAX_PAGES	64ULL
#define MAX_SLOT	BIT(31)

enum exit_code { AGREES, DISAGREES, USAGE, TOO_SLOW, NO_KVM };

enum op_kind {
	CREATE, CHECK, MMAP, MUNMAP, MPROTECT, MADVISE, TOUCH, FALLOCATE, FTRUNCATE,
	MEMSLOT, ATTRIBUTES, DUP, CLOSE, FORK, SEND, NEW_VM, NR_KINDS
};

static const char *const kind_names[NR_KINDS] = {
	"create", "check", "mmap", "munmap", "mprotect", "madvise", "touch", "fallocate",
	"ftruncate", "memslot", "attributes", "dup", "close", "fork", "send", "new-vm",
};

/* How often, of 1,000 operations. */
static const unsigned int weights[NR_KINDS] = {
	[CREATE] = 760, [CHECK] = 80, [MMAP] = 25, [MUNMAP] = 10, [MPROTECT] = 8,
	[MADVISE] = 10, [TOUCH] = 25, [FALLOCATE] = 20, [FTRUNCATE] = 6, [MEMSLOT] = 25,
	[ATTRIBUTES] = 8, [DUP] = 6, [CLOSE] = 13, [FORK] = 1, [SEND] = 2, [NEW_VM] = 1,
};

/* What a call may be made on. */
enum target_kind { OWN_VM, SHARED_VM, SYSTEM, NOT_KVM, CLOSED };

struct target {
	enum target_kind kind;
	int type;		/* of a VM: index into host.types */
	int fd;
};

struct mapping {
	unsigned char *mem;
	size_t size;
};

enum memslot_kind { MADE, BOUND, MOVED, CHANGED, DELETED, NR_MEMSLOT_KINDS };

static const char *const memslot_names[NR_MEMSLOT_KINDS] = {
	"made", "bound", "moved", "changed", "deleted",
};

struct memslot {
	int vm;
	struct kvm_userspace_memory_region2 region;
};

/* What an episode works on. */
struct episode {
	uint64_t seed;
	int vm[MAX_TYPES];
	int file[FILES];
	struct mapping mapping[MAPPINGS];
	struct memslot memslot[SLOTS];	/* that succeeded; size 0 for none */
	int stranger;		/* socket to a process that did not create the VMs, or -1 */
	pid_t stranger_pid;
	bool foreign;		/* this process did not create the VMs */
	bool tell;		/* print each operation */
	char said[256];		/* the disagreement, if there is one */
};

/* Counted by all threads, and by the processes that they start. */
struct counters {
	_Atomic uint64_t creations, created, refused[150], checks, done[NR_KINDS];
	_Atomic uint64_t memslots[NR_MEMSLOT_KINDS];
	_Atomic bool stop;
};

static struct {
	int kvm, not_kvm, closed;
	unsigned int nr_types;
	int types[MAX_TYPES];
	int shared_vm[MAX_TYPES];
	uint64_t mask[MAX_TYPES], union_mask;
	uint64_t page;
	void *no_memory;	/* a page that nobody may read */
} host;

static struct counters *counters;

/* --- random numbers ------------------------------------------------------ */

/* splitmix64 (Steele, Lea, Flood 2014): any seed is as good as another. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(uint64_t *rng, unsigned int limit)
{
	return (unsigned int)(next(rng) >> 32) % limit;
}

#define PICK(rng, array) ((array)[below(rng, ARRAY_SIZE(array))])

static uint64_t random_flags(uint64_t *rng)
{
	uint64_t some = next(rng) & next(rng) & next(rng);

	switch (below(rng, 6)) {
	case 0:
	case 1:
		return below(rng, 4);
	case 2:
		return BIT(below(rng, 64));
	case 3:
		return below(rng, 4) | BIT(below(rng, 64));
	case 4:
		return some;
	default:
		return below(rng, 8) ? next(rng) : ~0ULL;
	}
}

static uint64_t random_size(uint64_t *rng)
{
	const uint64_t page = host.page;
	const uint64_t sizes[] = {
		0, 1, page - 1, page, page, page, page + 1, 2 * page, 16 * page, 512 * page,
		513 * page, BIT(30), BIT(40), BIT(62), INT64_MAX, INT64_MAX - page + 1,
		BIT(63), BIT(63) + page, -page, UINT64_MAX, BIT(32), BIT(32) + page,
		BIT(32) - page,
	};

	switch (below(rng, 4)) {
	case 0:
		return next(rng) >> below(rng, 64);
	case 1:
		return (next(rng) >> below(rng, 64)) & ~(page - 1);
	default:
		return PICK(rng, sizes);
	}
}

/* Within a file of usual size, at its end, or anywhere. */
static uint64_t random_offset(uint64_t *rng)
{
	switch (below(rng, 4)) {
	case 0:
		return random_size(rng);
	case 1:
		return next(rng) >> below(rng, 64);
	default:
		return below(rng, 20) * host.page;
	}
}

/* --- the model ----------------------------------------------------------- */

/* Conditions of flags; today only series/example has one: bit 40 needs MMAP. */
static bool condition_holds(uint64_t flags)
{
	return !(flags & BIT(40)) || flags & GUEST_MEMFD_FLAG_MMAP;
}

/* Rules 4, 5, 6 and 9, in their order: 0, or the errno that creation must fail with. */
static int expected_creation(const struct target *target, bool foreign, bool readable,
			     uint64_t size, uint64_t flags)
{
	switch (target->kind) {
	case CLOSED:
		return EBADF;
	case NOT_KVM:
		return ENOTTY;
	case SYSTEM:
		return EINVAL;
	default:
		break;
	}
	if (foreign)
		return EIO;
	if (!readable)
		return EFAULT;
	if (flags & ~host.mask[target->type] || !condition_holds(flags))
		return EINVAL;
	if (!size || size > INT64_MAX || size % host.page)
		return EINVAL;
	return 0;
}

/* Rules 1, 2 and 4: the value, or a negative errno. */
static int64_t expected_check(const struct target *target, bool foreign, bool high)
{
	uint64_t mask;

	switch (target->kind) {
	case CLOSED:
		return -EBADF;
	case NOT_KVM:
		return -ENOTTY;
	case SYSTEM:
		mask = host.union_mask;
		break;
	default:
		if (foreign)
			return -EIO;
		mask = host.mask[target->type];
	}
	return (int64_t)(high ? mask >> 32 : mask & 0xffffffff);
}

/* --- operations ---------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static void tell(const struct episode *episode, const char *format, ...)
{
	va_list args;

	if (!episode->tell)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static const char *error_text(int error)
{
	return error ? strerrorname_np(error) : "success";
}

static const char *target_text(const struct target *target)
{
	switch (target->kind) {
	case OWN_VM:
		return host.types[target->type] ? "a sw-protected VM" : "a default VM";
	case SHARED_VM:
		return host.types[target->type] ? "the shared sw-protected VM" :
		       "the shared default VM";
	case SYSTEM:
		return "/dev/kvm";
	case NOT_KVM:
		return "/dev/null";
	default:
		return "a closed descriptor";
	}
}

static struct target random_target(struct episode *episode, uint64_t *rng)
{
	struct target target = { .type = (int)below(rng, host.nr_types) };

	switch (below(rng, 40)) {
	case 0:
		return (struct target){ SYSTEM, 0, host.kvm };
	case 1:
		return (struct target){ NOT_KVM, 0, host.not_kvm };
	case 2:
		return (struct target){ CLOSED, 0, host.closed };
	default:
		target.kind = below(rng, 4) ? OWN_VM : SHARED_VM;
		target.fd = target.kind == OWN_VM ? episode->vm[target.type] :
			    host.shared_vm[target.type];
		return target;
	}
}

/* A VM, and no other target. */
static int random_vm(struct episode *episode, uint64_t *rng)
{
	unsigned int type = below(rng, host.nr_types);

	return below(rng, 3) ? episode->vm[type] : host.shared_vm[type];
}

static int *random_file(struct episode *episode, uint64_t *rng)
{
	return &episode->file[below(rng, FILES)];
}

static void keep_file(struct episode *episode, uint64_t *rng, int fd)
{
	int *file = random_file(episode, rng);

	if (*file >= 0)
		close(*file);
	*file = fd;
}

static void disagree(struct episode *episode, const char *text)
{
	snprintf(episode->said, sizeof(episode->said), "%s", text);
}

static void do_create(struct episode *episode, uint64_t *rng)
{
	struct kvm_create_guest_memfd args = { 0 };
	struct target target = random_target(episode, rng);
	bool readable = below(rng, 64);
	int expected, error, fd;
	char text[256];

	args.size = random_size(rng);
	args.flags = random_flags(rng);
	/* rule 10: nothing looks at them, whatever they are */
	if (!below(rng, 8))
		args.reserved[below(rng, ARRAY_SIZE(args.reserved))] = next(rng);
	fd = ioctl(target.fd, KVM_CREATE_GUEST_MEMFD, readable ? (void *)&args : host.no_memory);
	error = fd < 0 ? errno : 0;
	expected = expected_creation(&target, episode->foreign, readable, args.size, args.flags);

	counters->creations++;
	if (error)
		counters->refused[error]++;
	else
		counters->created++;
	snprintf(text, sizeof(text), "create on %s%s%s, size 0x%llx, flags 0x%llx: %s",
		 target_text(&target), episode->foreign ? " of another process" : "",
		 readable ? "" : ", argument not readable", args.size, args.flags,
		 error_text(error));
	tell(episode, "%s", text);
	if (error != expected) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", expected %s",
			 error_text(expected));
		disagree(episode, text);
	}
	if (fd < 0)
		return;
	/* most are done with at once; some are what the other operations work on */
	if (below(rng, 4))
		close(fd);
	else
		keep_file(episode, rng, fd);
}

static void do_check(struct episode *episode, uint64_t *rng)
{
	struct target target = random_target(episode, rng);
	bool high = below(rng, 2);
	int answer = ioctl(target.fd, KVM_CHECK_EXTENSION,
			   high ? KVM_CAP_GUEST_MEMFD_FLAGS_HI : KVM_CAP_GUEST_MEMFD_FLAGS);
	int64_t value = answer == -1 ? -errno : answer;
	int64_t expected = expected_check(&target, episode->foreign, high);
	char text[256];

	counters->checks++;
	snprintf(text, sizeof(text), "check FLAGS%s on %s%s: %" PRId64, high ? "_HI" : "",
		 target_text(&target), episode->foreign ? " of another process" : "", value);
	tell(episode, "%s", text);
	if (value != expected) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 ", expected %" PRId64, expected);
		disagree(episode, text);
	}
}

static void do_mmap(struct episode *episode, uint64_t *rng)
{
	static const int protections[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
		PROT_READ | PROT_EXEC,
	};
	static const int kinds[] = {
		MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_PRIVATE,
		MAP_SHARED | MAP_POPULATE,
	};
	struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];
	int file = *random_file(episode, rng);
	size_t size = (below(rng, 16) + 1) * host.page;
	int prot = PICK(rng, protections), flags = PICK(rng, kinds);
	uint64_t offset = random_offset(rng);
	void *mem = mmap(NULL, size, prot, flags, file, (off_t)offset);

	tell(episode, "mmap 0x%zx bytes at 0x%" PRIx64 ", prot %d, flags 0x%x: %s", size, offset,
	     prot, flags, error_text(mem == MAP_FAILED ? errno : 0));
	if (mem == MAP_FAILED)
		return;
	if (mapping->mem)
		munmap(mapping->mem, mapping->size);
	mapping->mem = mem;
	mapping->size = size;
}

static void do_munmap(struct episode *episode, uint64_t *rng)
{
	struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];

	if (!mapping->mem)
		return;
	tell(episode, "munmap 0x%zx bytes", mapping->size);
	munmap(mapping->mem, mapping->size);
	mapping->mem = NULL;
}

static void do_mprotect(struct episode *episode, uint64_t *rng)
{
	const struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];
	int prot = (int)below(rng, 8);

	if (!mapping->mem)
		return;
	tell(episode, "mprotect to %d: %s", prot,
	     error_text(mprotect(mapping->mem, mapping->size, prot) ? errno : 0));
}

static void do_madvise(struct episode *episode, uint64_t *rng)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_WILLNEED,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTFORK, MADV_DOFORK, MADV_COLD,
		MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_MERGEABLE,
	};
	const struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];
	int advice = PICK(rng, advices);

	if (!mapping->mem)
		return;
	tell(episode, "madvise %d: %s", advice,
	     error_text(madvise(mapping->mem, mapping->size, advice) ? errno : 0));
}

static _Thread_local sigjmp_buf fault_jump;
static _Thread_local volatile sig_atomic_t fault_expected;

static void on_fault(int sig)
{
	if (fault_expected)
		siglongjmp(fault_jump, sig);
	signal(sig, SIG_DFL);	/* this program's own mistake */
}

static void do_touch(struct episode *episode, uint64_t *rng)
{
	const struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];
	volatile unsigned char *byte = mapping->mem;
	bool write = below(rng, 2);
	size_t offset = below(rng, 16) * host.page;
	int sig;

	if (!byte || offset >= mapping->size)
		return;
	sig = sigsetjmp(fault_jump, 1);
	fault_expected = 1;
	if (!sig && write)
		byte[offset] = 0x5a;
	else if (!sig)
		(void)byte[offset];
	fault_expected = 0;
	tell(episode, "%s byte 0x%zx: %s", write ? "write" : "read", offset,
	     sig ? sigabbrev_np(sig) : "success");
}

static void do_fallocate(struct episode *episode, uint64_t *rng)
{
	static const int modes[] = {
		FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE, 0,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE,
	};
	int mode = PICK(rng, modes);
	uint64_t offset = random_offset(rng);
	uint64_t length = mode & FALLOC_FL_PUNCH_HOLE ? random_size(rng) :
			  below(rng, 4) ? (below(rng, MAX_PAGES) + 1) * host.page :
			  below(rng, 4 * (unsigned int)host.page);
	int file = *random_file(episode, rng);

	tell(episode, "fallocate mode 0x%x, 0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", mode, length,
	     offset, error_text(fallocate(file, mode, (off_t)offset, (off_t)length) ? errno : 0));
}

static void do_ftruncate(struct episode *episode, uint64_t *rng)
{
	uint64_t size = random_size(rng);

	tell(episode, "ftruncate to 0x%" PRIx64 ": %s", size,
	     error_text(ftruncate(*random_file(episode, rng), (off_t)size) ? errno : 0));
}

/* Create, move, change or delete a memslot, with and without a file. */
static void random_memslot(struct episode *episode, uint64_t *rng, struct memslot *new)
{
	const struct mapping *mapping = &episode->mapping[below(rng, MAPPINGS)];
	struct kvm_userspace_memory_region2 region = { 0 };

	region.slot = below(rng, 16) ? below(rng, SLOTS) | (below(rng, 16) ? 0 : 1 << 16) :
		      (__u32)next(rng);
	region.flags = below(rng, 16) ? (below(rng, 4) ? KVM_MEM_GUEST_MEMFD : 0) :
		       (__u32)next(rng) & 0xf;
	region.guest_phys_addr = random_offset(rng);
	region.memory_size = below(rng, 4) ? below(rng, 17) * host.page :
			     random_size(rng) % (MAX_SLOT + 1);
	region.userspace_addr = below(rng, 4) ? (uintptr_t)mapping->mem : next(rng);
	region.guest_memfd_offset = random_offset(rng);
	region.guest_memfd = (__u32)*random_file(episode, rng);
	/* half of them such that they can succeed: small, and from the start of the file */
	if (below(rng, 2)) {
		region.guest_phys_addr = below(rng, 64) * host.page;
		region.memory_size = (1 + below(rng, 4)) * host.page;
		region.userspace_addr = (uintptr_t)mapping->mem;
		region.guest_memfd_offset = 0;
	}
	*new = (struct memslot){ random_vm(episode, rng), region };
}

/* One that is there: delete, move or change it, or say the same again. */
static enum memslot_kind change_memslot(uint64_t *rng, struct memslot *new)
{
	switch (below(rng, 4)) {
	case 0:
		new->region.memory_size = 0;
		return DELETED;
	case 1:
		new->region.guest_phys_addr = below(rng, 64) * host.page;
		return MOVED;
	case 2:
		new->region.flags ^= below(rng, 2) ? KVM_MEM_LOG_DIRTY_PAGES : KVM_MEM_GUEST_MEMFD;
		return CHANGED;
	default:
		return MADE;
	}
}

static void do_memslot(struct episode *episode, uint64_t *rng)
{
	struct memslot *known = &episode->memslot[below(rng, SLOTS)], new;
	enum memslot_kind kind = MADE;
	int error;

	if (known->region.memory_size && below(rng, 2)) {
		new = *known;
		kind = change_memslot(rng, &new);
	} else {
		random_memslot(episode, rng, &new);
	}
	error = ioctl(new.vm, KVM_SET_USER_MEMORY_REGION2, &new.region) ? errno : 0;
	if (!error) {
		if (!new.region.memory_size)
			kind = DELETED;
		else if (kind == MADE && new.region.flags & KVM_MEM_GUEST_MEMFD)
			kind = BOUND;
		counters->memslots[kind]++;
		*known = new;
	}
	tell(episode, "memslot %u, flags 0x%x, 0x%llx bytes at 0x%llx, file offset 0x%llx: %s",
	     new.region.slot, new.region.flags, new.region.memory_size, new.region.guest_phys_addr,
	     new.region.guest_memfd_offset, error_text(error));
}

static void do_attributes(struct episode *episode, uint64_t *rng)
{
	struct kvm_memory_attributes attributes = {
		.address = below(rng, 4) ? below(rng, 20) * host.page : next(rng),
		.size = below(rng, 8) ? (below(rng, MAX_PAGES) + 1) * host.page :
			below(rng, (unsigned int)host.page),
		.attributes = below(rng, 8) ? below(rng, 2) * KVM_MEMORY_ATTRIBUTE_PRIVATE :
			      next(rng),
		.flags = below(rng, 16) ? 0 : next(rng),
	};

	tell(episode, "attributes 0x%llx of 0x%llx bytes at 0x%llx: %s", attributes.attributes,
	     attributes.size, attributes.address,
	     error_text(ioctl(random_vm(episode, rng), KVM_SET_MEMORY_ATTRIBUTES,
			      &attributes) ? errno : 0));
}

static void do_dup(struct episode *episode, uint64_t *rng)
{
	int fd = dup(*random_file(episode, rng));

	tell(episode, "dup: %s", error_text(fd < 0 ? errno : 0));
	if (fd >= 0)
		keep_file(episode, rng, fd);
}

static void do_close(struct episode *episode, uint64_t *rng)
{
	int *file = random_file(episode, rng);

	if (*file < 0)
		return;
	tell(episode, "close");
	close(*file);
	*file = -1;
}

/* A child has the descriptors and the mappings, and is not whom the VMs belong to. */
static void do_fork(struct episode *episode, uint64_t *rng)
{
	int status, i, pipe_fd[2];
	pid_t child;

	if (pipe(pipe_fd))
		return;
	fflush(stdout);
	child = fork();
	if (!child) {
		episode->foreign = true;
		for (i = 0; i < 8 && !episode->said[0]; i++) {
			do_create(episode, rng);
			do_check(episode, rng);
			do_touch(episode, rng);
			do_fallocate(episode, rng);
		}
		if (write(pipe_fd[1], episode->said, sizeof(episode->said)) < 0)
			_exit(1);
		fflush(stdout);
		_exit(0);
	}
	close(pipe_fd[1]);
	if (child > 0 && (read(pipe_fd[0], episode->said, sizeof(episode->said)) < 0 ||
			  waitpid(child, &status, 0) != child || status))
		disagree(episode, "a child that uses its parent's VMs did not end well");
	close(pipe_fd[0]);
	tell(episode, "fork: a child that creates and checks");
}

/* --- strangers ----------------------------------------------------------- */

/* Send two descriptors (either may be -1) and wait for the answer. */
static bool send_fds(int socket, int vm, int file)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	const int fds[2] = { vm, file };

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static bool receive_fds(int socket, int fds[2])
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return false;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), 2 * sizeof(int));
	return true;
}

/* A process from before the VMs: it gets a VM and a file, uses them, and answers 'y'. */
static void be_stranger(int socket)
{
	int fds[2];

	while (receive_fds(socket, fds)) {
		struct kvm_create_guest_memfd args = { .size = host.page };
		int fd = ioctl(fds[0], KVM_CREATE_GUEST_MEMFD, &args);
		char answer = fd == -1 && errno == EIO ? 'y' : 'n';
		void *mem;

		counters->creations++;
		counters->refused[EIO] += answer == 'y';
		if (ioctl(fds[0], KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS) != -1 ||
		    errno != EIO)
			answer = 'n';
		counters->checks++;
		mem = mmap(NULL, host.page, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
		if (mem != MAP_FAILED) {
			int sig = sigsetjmp(fault_jump, 1);

			fault_expected = 1;
			if (!sig)
				*(volatile char *)mem = 1;
			fault_expected = 0;
			munmap(mem, host.page);
		}
		close(fds[0]);
		close(fds[1]);
		if (write(socket, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_stranger(struct episode *episode)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return;
	fflush(stdout);
	episode->stranger_pid = fork();
	if (!episode->stranger_pid) {
		close(sockets[0]);
		be_stranger(sockets[1]);
	}
	close(sockets[1]);
	episode->stranger = sockets[0];
}

static void do_send(struct episode *episode, uint64_t *rng)
{
	int vm = random_vm(episode, rng);
	int file = *random_file(episode, rng);
	char answer;

	if (file < 0 || episode->stranger < 0 || !send_fds(episode->stranger, vm, file))
		return;
	if (read(episode->stranger, &answer, 1) != 1)
		disagree(episode, "a process that was sent a VM and a file did not answer");
	else if (answer != 'y')
		disagree(episode, "create or check on a VM that was sent to another process: not EIO");
	tell(episode, "send a VM and a file to another process: %s",
	     episode->said[0] ? episode->said : "EIO there");
}

static int create_vm(int type)
{
	unsigned long argument = (unsigned long)type;
	int vm;

#ifdef __aarch64__
	argument = (unsigned long)ioctl(host.kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
#endif
	do {
		vm = ioctl(host.kvm, KVM_CREATE_VM, argument);
	} while (vm < 0 && errno == EINTR);
	if (vm < 0) {
		perror("gmem-fuzz: KVM_CREATE_VM");
		exit(NO_KVM);
	}
	return vm;
}

/* Files outlive their VM. */
static void do_new_vm(struct episode *episode, uint64_t *rng)
{
	unsigned int type = below(rng, host.nr_types);

	close(episode->vm[type]);
	episode->vm[type] = create_vm(host.types[type]);
	tell(episode, "close a VM, create another one");
}

/* --- episodes ------------------------------------------------------------ */

static void (*const operations[NR_KINDS])(struct episode *episode, uint64_t *rng) = {
	[CREATE] = do_create, [CHECK] = do_check, [MMAP] = do_mmap, [MUNMAP] = do_munmap,
	[MPROTECT] = do_mprotect, [MADVISE] = do_madvise, [TOUCH] = do_touch,
	[FALLOCATE] = do_fallocate, [FTRUNCATE] = do_ftruncate, [MEMSLOT] = do_memslot,
	[ATTRIBUTES] = do_attributes, [DUP] = do_dup, [CLOSE] = do_close, [FORK] = do_fork,
	[SEND] = do_send, [NEW_VM] = do_new_vm,
};

static enum op_kind random_kind(uint64_t *rng)
{
	unsigned int number = below(rng, 1000);
	int kind = 0;

	while (number >= weights[kind])
		number -= weights[kind++];
	return (enum op_kind)kind;
}

static void do_op(struct episode *episode, unsigned int op)
{
	uint64_t rng = episode->seed ^ op * 0xd1342543de82ef95ULL;
	enum op_kind kind = random_kind(&rng);

	if (episode->tell)
		printf("  %4u  ", op);
	operations[kind](episode, &rng);
	counters->done[kind]++;
}

static void open_episode(struct episode *episode, uint64_t seed)
{
	unsigned int i;

	memset(episode, 0, sizeof(*episode));
	episode->seed = seed;
	episode->stranger = -1;
	start_stranger(episode);
	for (i = 0; i < FILES; i++)
		episode->file[i] = -1;
	for (i = 0; i < host.nr_types; i++)
		episode->vm[i] = create_vm(host.types[i]);
}

static void close_episode(struct episode *episode)
{
	unsigned int i;

	for (i = 0; i < MAPPINGS; i++)
		if (episode->mapping[i].mem)
			munmap(episode->mapping[i].mem, episode->mapping[i].size);
	for (i = 0; i < FILES; i++)
		if (episode->file[i] >= 0)
			close(episode->file[i]);
	for (i = 0; i < host.nr_types; i++)
		close(episode->vm[i]);
	if (episode->stranger >= 0) {
		/* close() does not end it: strangers of other threads may have copies */
		shutdown(episode->stranger, SHUT_RDWR);
		close(episode->stranger);
		waitpid(episode->stranger_pid, NULL, 0);
	}
}

/* --- a disagreement ------------------------------------------------------ */

/* Only these operations of the episode; the number of the one that disagrees, or -1. */
static int replay(uint64_t seed, const bool *wanted, bool say)
{
	struct episode episode;
	int disagrees = -1;
	unsigned int op;

	open_episode(&episode, seed);
	episode.tell = say;
	for (op = 0; op < OPS && disagrees < 0; op++) {
		if (!wanted[op])
			continue;
		do_op(&episode, op);
		if (episode.said[0])
			disagrees = (int)op;
	}
	close_episode(&episode);
	return disagrees;
}

/* Does it still disagree, in a process whose shared VMs are new? */
static bool still_disagrees(uint64_t seed, const bool *wanted)
{
	int status = 0;
	pid_t child;
	unsigned int i;

	fflush(stdout);
	child = fork();
	if (!child) {
		for (i = 0; i < host.nr_types; i++)
			host.shared_vm[i] = create_vm(host.types[i]);
		_exit(replay(seed, wanted, false) >= 0 ? DISAGREES : AGREES);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == DISAGREES;
}

/* Leave out ever smaller pieces, as long as it still disagrees without them. */
static void shorten(uint64_t seed, bool *wanted, unsigned int last)
{
	unsigned int piece, start, op;
	bool kept[OPS];

	for (piece = (last + 1) / 2; piece; piece /= 2) {
		for (start = 0; start <= last; start += piece) {
			memcpy(kept, wanted, sizeof(kept));
			for (op = start; op < start + piece && op <= last; op++)
				wanted[op] = false;
			if (memcmp(kept, wanted, sizeof(kept)) && !still_disagrees(seed, wanted))
				memcpy(wanted, kept, sizeof(kept));
		}
	}
}

static void report(uint64_t seed, unsigned int last, const char *said)
{
	bool wanted[OPS] = { false };
	const char *comma = "";
	unsigned int op;

	printf("DISAGREEMENT: %s\n  seed 0x%016" PRIx64 ", operation %u\n", said, seed, last);
	for (op = 0; op <= last; op++)
		wanted[op] = true;
	if (!still_disagrees(seed, wanted)) {
		printf("  the episode alone does not repeat it: it needs what other threads did\n");
		return;
	}
	shorten(seed, wanted, last);
	printf("the shortest sequence that repeats it: gmem-fuzz --replay 0x%016" PRIx64 " --ops ", seed);
	for (op = 0; op <= last; op++) {
		if (wanted[op]) {
			printf("%s%u", comma, op);
			comma = ",";
		}
	}
	printf("\n");
	replay(seed, wanted, true);
	fflush(stdout);
}

/* --- threads ------------------------------------------------------------- */

struct work {
	uint64_t seed, calls;
	time_t end;
};

static pthread_mutex_t reporting = PTHREAD_MUTEX_INITIALIZER;
static uint64_t failed_seed;
static unsigned int failed_op;
static char failed_said[256];

static void run_episode(struct episode *episode, const struct work *work)
{
	unsigned int op;

	for (op = 0; op < OPS && !counters->stop; op++) {
		do_op(episode, op);
		if (episode->said[0]) {
			pthread_mutex_lock(&reporting);
			/* the first one, also if the time is up by now */
			if (!failed_said[0]) {
				counters->stop = true;
				failed_seed = episode->seed;
				failed_op = op;
				memcpy(failed_said, episode->said, sizeof(failed_said));
			}
			pthread_mutex_unlock(&reporting);
		}
		if (counters->creations >= work->calls || time(NULL) > work->end)
			counters->stop = true;
	}
}

static void *run_thread(void *arg)
{
	const struct work *work = arg;
	uint64_t rng = work->seed;

	while (!counters->stop) {
		struct episode episode;

		open_episode(&episode, next(&rng));
		run_episode(&episode, work);
		close_episode(&episode);
	}
	return NULL;
}

static void print_counters(time_t seconds)
{
	int i;

	printf("creations: %" PRIu64 " in %lld s, created %" PRIu64, counters->creations,
	       (long long)seconds, counters->created);
	for (i = 0; i < (int)ARRAY_SIZE(counters->refused); i++)
		if (counters->refused[i])
			printf(", %s %" PRIu64, strerrorname_np(i), counters->refused[i]);
	printf("\ncapability calls: %" PRIu64 "\noperations:", counters->checks);
	for (i = 0; i < NR_KINDS; i++)
		printf(" %s %" PRIu64, kind_names[i], counters->done[i]);
	printf("\nmemslots:");
	for (i = 0; i < NR_MEMSLOT_KINDS; i++)
		printf(" %s %" PRIu64, memslot_names[i], counters->memslots[i]);
	printf("\n");
}

static int fuzz(uint64_t seed, uint64_t calls, long seconds, int threads)
{
	struct work work[MAX_THREADS];
	pthread_t thread[MAX_THREADS];
	time_t start = time(NULL);
	int i;

	printf("gmem-fuzz --seed 0x%016" PRIx64 " --calls %" PRIu64 " --seconds %ld --threads %d\n",
	       seed, calls, seconds, threads);
	fflush(stdout);
	for (i = 0; i < threads; i++) {
		work[i] = (struct work){ seed + (uint64_t)i * 0x2545f4914f6cdd1d, calls,
					 start + seconds };
		if (pthread_create(&thread[i], NULL, run_thread, &work[i])) {
			perror("gmem-fuzz: thread");
			exit(NO_KVM);
		}
	}
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	print_counters(time(NULL) - start);
	if (failed_said[0]) {
		report(failed_seed, failed_op, failed_said);
		return DISAGREES;
	}
	if (counters->creations < calls) {
		printf("too slow: %" PRIu64 " creations were to be made\n", calls);
		return TOO_SLOW;
	}
	for (i = 0; i < NR_MEMSLOT_KINDS && calls >= 100000; i++) {
		if (!counters->memslots[i]) {
			printf("no memslot was ever %s, so that was not tested\n", memslot_names[i]);
			return DISAGREES;
		}
	}
	printf("0 disagreements\n");
	return AGREES;
}

/* --- the host, the command line ------------------------------------------ */

static uint64_t query(int fd)
{
	int lo = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	int hi = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS_HI);

	return (uint64_t)(uint32_t)lo | (uint64_t)(uint32_t)hi << 32;
}

/*
 * Rules 4 and 7: which VMs have today's flags, and what /dev/kvm has to do with it.  Of
 * flags that are newer than the rules, the kernel's own word is taken.
 */
static void check_masks(void)
{
	const uint64_t both = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
	uint64_t all = 0, expected;
	size_t i;

	for (i = 0; i < host.nr_types; i++) {
		expected = host.types[i] ? GUEST_MEMFD_FLAG_MMAP : both; /* sw-protected, default */
		all |= host.mask[i];
		if ((host.mask[i] & both) == expected)
			continue;
		printf("DISAGREEMENT: VM type %d has mask 0x%" PRIx64 ", and of flags 0x%" PRIx64
		       " it should have 0x%" PRIx64 "\n",
		       host.types[i], host.mask[i], both, expected);
		exit(DISAGREES);
	}
	if ((host.union_mask & all) == all && (host.union_mask & both) == both)
		return;
	printf("DISAGREEMENT: /dev/kvm has mask 0x%" PRIx64 ", and its VMs together have 0x%" PRIx64 "\n",
	       host.union_mask, all);
	exit(DISAGREES);
}

static void open_host(void)
{
	struct sigaction action = { .sa_handler = on_fault };
	int types, type;

	host.page = (uint64_t)sysconf(_SC_PAGESIZE);
	host.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	host.not_kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	host.closed = INT_MAX;
	if (host.kvm < 0) {
		perror("gmem-fuzz: /dev/kvm");
		exit(NO_KVM);
	}
	if (ioctl(host.kvm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD) <= 0) {
		fprintf(stderr, "gmem-fuzz: this kernel has no guest_memfd\n");
		exit(NO_KVM);
	}
	types = ioctl(host.kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	for (type = 0; type < MAX_TYPES; type++)
		if (!type || (types > 0 && types & 1 << type))
			host.types[host.nr_types++] = type;
	for (type = 0; type < (int)host.nr_types; type++) {
		host.shared_vm[type] = create_vm(host.types[type]);
		host.mask[type] = query(host.shared_vm[type]);
		printf("mask of VM type %d: 0x%016" PRIx64 "\n", host.types[type], host.mask[type]);
	}
	/* the union over all types, also those that cannot be created here */
	host.union_mask = query(host.kvm);
	check_masks();
	host.no_memory = mmap(NULL, host.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (host.no_memory == MAP_FAILED || counters == MAP_FAILED) {
		perror("gmem-fuzz: mmap");
		exit(NO_KVM);
	}
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

/* A number in all of @text, from 1 to @max, or the end of the program. */
static uint64_t parse_number(const char *option, const char *text, uint64_t max)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (*end || !*text || *text == '-' || errno || !number || number > max) {
		fprintf(stderr, "gmem-fuzz: --%s '%s' is no number from 1 to %" PRIu64 "\n", option,
			text, max);
		exit(USAGE);
	}
	return number;
}

static void parse_ops(char *list, bool *wanted)
{
	char *word;

	while ((word = strsep(&list, ",")))
		wanted[strcmp(word, "0") ? parse_number("ops", word, OPS - 1) : 0] = true;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "threads", required_argument, NULL, 'n' },
		{ "replay", required_argument, NULL, 'r' },
		{ "ops", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t seed = 1, calls = 100000, replayed = 0, seconds = 60, threads = 4;
	bool wanted[OPS] = { false };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = parse_number("seed", optarg, UINT64_MAX);
			break;
		case 'c':
			calls = parse_number("calls", optarg, UINT64_MAX);
			break;
		case 't':
			seconds = parse_number("seconds", optarg, INT_MAX);
			break;
		case 'n':
			threads = parse_number("threads", optarg, MAX_THREADS);
			break;
		case 'r':
			replayed = parse_number("replay", optarg, UINT64_MAX);
			break;
		case 'o':
			parse_ops(optarg, wanted);
			break;
		default:
			return USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gmem-fuzz: '%s' is no option; --ops takes a list with commas\n", argv[optind]);
		return USAGE;
	}
	if (!replayed != !memchr(wanted, true, sizeof(wanted))) {
		fprintf(stderr, "gmem-fuzz: --replay and --ops go together\n");
		return USAGE;
	}
	open_host();
	if (replayed)
		return replay(replayed, wanted, true) >= 0 ? DISAGREES : AGREES;
	return fuzz(seed, calls, (long)seconds, (int)threads);
}
