// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-soak: guest_memfd under load for a long time, at the edge of memory.  Run by
 * "make soak" inside a kernel that keeps count of its slab objects
 * (configs/variants/soak.config).
 *
 * Workers, each a process with VMs of its own, create files, map, write, read, allocate,
 * punch, bind, map into their guests and close them, in random order, until memory is
 * out; the kernel kills one, and another takes its place.  What a page must hold is
 * known, so that a stale or foreign one is seen.  When all are gone, the kernel's counts
 * of pages and of slab objects must be what they were before.  A line a minute; exit
 * code 0 all is well, 1 not, 2 wrong use.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/kvm.h>

#define WORKERS		4
#define VMS		2	/* for each worker */
#define FILES		24	/* for each worker, open at once */
#define MAX_PAGES	65536	/* of a file: 256 MiB of 4 KiB pages */
#define WARM_UP		10	/* seconds, to fill the kernel's own caches */
#define CACHES		512	/* that the kernel may have */

/* How far counts may be off: what per-CPU lists and half-empty slabs hold. */
#define SLACK_KIB	8192
#define SLACK_OBJECTS	1024

static size_t page_size;

/* In memory that all workers share. */
static struct counts {
	unsigned long operations, files, pages, punched, bound, guest, refused, sigbus, wrong;
} *counts;

__attribute__((noreturn)) static void die(const char *what)
{
	printf("gmem-soak: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void add(unsigned long *count, unsigned long n)
{
	__atomic_fetch_add(count, n, __ATOMIC_RELAXED);
}

/* --- a worker --------------------------------------------------------------- */

static uint64_t random_state;

/* SplitMix64, from 0 up to @below, exclusive. */
static size_t pick(size_t below)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return (x ^ (x >> 31)) % below;
}

static struct vm {
	int fd, vcpu;
} vms[VMS];

static struct file {
	int fd;
	size_t pages;
	uint8_t *mem;
	uint64_t *words;	/* that each page begins with; 0 in holes */
	struct vm *vm;
	bool bound;
} files[FILES];

static sigjmp_buf fault_jump;

static void on_sigbus(int sig)
{
	siglongjmp(fault_jump, sig);
}

static uint64_t *word(struct file *f, size_t page)
{
	return (uint64_t *)(f->mem + page * page_size);
}

static __u64 gpa(struct file *f)
{
	return (1 + (__u64)(f - files)) * MAX_PAGES * page_size;
}

static void set_slot(struct file *f, bool bind)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = (__u32)(f - files), .guest_phys_addr = gpa(f),
		.flags = bind ? KVM_MEM_GUEST_MEMFD : 0,
		.memory_size = bind ? f->pages * page_size : 0,
		.userspace_addr = (uintptr_t)f->mem, .guest_memfd = (__u32)f->fd,
	};

	if (!ioctl(f->vm->fd, KVM_SET_USER_MEMORY_REGION2, &region))
		f->bound = bind;
	else if (errno == ENOMEM)
		add(&counts->refused, 1);
	else
		die("KVM_SET_USER_MEMORY_REGION2");
	add(&counts->bound, bind);
}

static void do_close(struct file *f)
{
	/* a file may go before its memslot, or the other way round */
	bool unbind_first = pick(2);

	if (f->bound && unbind_first)
		set_slot(f, false);
	munmap(f->mem, f->pages * page_size);
	free(f->words);
	close(f->fd);
	while (f->bound)
		set_slot(f, false);
	f->fd = -1;
}

static void do_create(struct file *f)
{
	struct kvm_create_guest_memfd args = {
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};

	f->pages = 1 + pick(MAX_PAGES);
	f->vm = &vms[pick(VMS)];
	args.size = f->pages * page_size;
	f->fd = ioctl(f->vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	if (f->fd < 0) {
		if (errno != ENOMEM)
			die("KVM_CREATE_GUEST_MEMFD");
		add(&counts->refused, 1);
		return;
	}
	f->mem = mmap(NULL, f->pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	f->words = calloc(f->pages, sizeof(*f->words));
	f->bound = false;
	if (f->mem == MAP_FAILED || !f->words) {
		if (errno != ENOMEM)
			die("mmap");
		add(&counts->refused, 1);
		if (f->mem != MAP_FAILED)
			munmap(f->mem, f->pages * page_size);
		free(f->words);
		close(f->fd);
		f->fd = -1;
		return;
	}
	add(&counts->files, 1);
}

/* A range of the file, short ones more often than long ones. */
static size_t pick_range(struct file *f, size_t *first)
{
	size_t count = 1 + pick(pick(4) ? 64 : f->pages);

	*first = pick(f->pages);
	return count < f->pages - *first ? count : f->pages - *first;
}

static void do_write(struct file *f)
{
	/* volatile: kept when a fault jumps back */
	volatile size_t first, i = 0;
	size_t start, count = pick_range(f, &start);

	first = start;
	if (sigsetjmp(fault_jump, 1)) {
		add(&counts->sigbus, 1);
	} else {
		for (; i < count; i++) {
			uint64_t value = random_state += 2;

			*(volatile uint64_t *)word(f, first + i) = value;
			f->words[first + i] = value;
		}
	}
	add(&counts->pages, i);
}

static void do_read(struct file *f)
{
	volatile size_t first, i = 0;
	size_t start, count = pick_range(f, &start);

	first = start;
	if (sigsetjmp(fault_jump, 1)) {
		add(&counts->sigbus, 1);
		return;
	}
	for (; i < count; i++) {
		uint64_t is = *(volatile uint64_t *)word(f, first + i), must = f->words[first + i];

		if (is != must) {
			printf("page %zu of %zu holds %#jx, and %#jx was written\n", first + i,
			       f->pages, (uintmax_t)is, (uintmax_t)must);
			add(&counts->wrong, 1);
		}
	}
}

static void do_allocate(struct file *f)
{
	size_t first, count = pick_range(f, &first);

	if (!fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)(first * page_size), (off_t)(count * page_size)))
		add(&counts->pages, count);
	else if (errno == ENOMEM)
		add(&counts->refused, 1);
	else if (errno != EINTR)
		die("fallocate");
}

static void do_punch(struct file *f)
{
	size_t first, count = pick_range(f, &first);

	if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t)(first * page_size),
		      (off_t)(count * page_size)))
		die("punching a hole");
	memset(f->words + first, 0, count * sizeof(*f->words));
	add(&counts->punched, count);
}

/* x86 does so without a guest. */
#ifdef __x86_64__
static const bool maps_guests = true;
#else
static const bool maps_guests;
#endif

/* The guest's own mapping of what is bound, where KVM can make it without a guest. */
static void do_guest_maps(struct file *f)
{
#ifdef KVM_PRE_FAULT_MEMORY
	size_t first, count = pick_range(f, &first);
	struct kvm_pre_fault_memory range = {
		.gpa = gpa(f) + first * page_size, .size = count * page_size,
	};

	if (!f->bound || f->vm->vcpu < 0)
		return;
	while (range.size && !ioctl(f->vm->vcpu, KVM_PRE_FAULT_MEMORY, &range))
		continue;
	if (range.size && errno == ENOMEM)
		add(&counts->refused, 1);
	else if (range.size && errno != EFAULT && errno != EINTR && errno != EAGAIN && errno != EOPNOTSUPP && errno != ENOTTY)
		die("KVM_PRE_FAULT_MEMORY");
	add(&counts->guest, count - range.size / page_size);
#endif
}

static void do_bind(struct file *f)
{
	set_slot(f, !f->bound);
}

__attribute__((noreturn)) static void work(uint64_t seed)
{
	static void (*const operations[])(struct file *) = {
		do_write, do_write, do_read, do_read, do_allocate, do_allocate, do_allocate, do_allocate,
		do_allocate, do_punch, do_bind, do_bind, do_guest_maps, do_guest_maps, do_guest_maps, do_close,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	size_t i;

	random_state = seed;
	signal(SIGBUS, on_sigbus);
	write_file("/proc/self/oom_score_adj", "1000");
	for (i = 0; i < VMS; i++) {
		unsigned long type = 0;

#ifdef __aarch64__
		type = (unsigned long)ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
#endif
		vms[i].fd = ioctl(kvm, KVM_CREATE_VM, type);
		if (vms[i].fd < 0)
			die("KVM_CREATE_VM");
		vms[i].vcpu = ioctl(vms[i].fd, KVM_CREATE_VCPU, 0);
		if (vms[i].vcpu < 0)
			die("KVM_CREATE_VCPU");
	}
	for (i = 0; i < FILES; i++)
		files[i].fd = -1;
	for (;;) {
		struct file *f = &files[pick(FILES)];

		if (f->fd < 0)
			do_create(f);
		else
			operations[pick(sizeof(operations) / sizeof(operations[0]))](f);
		add(&counts->operations, 1);
	}
}

/* --- what the kernel counts --------------------------------------------------- */

struct census {
	long free_kib, slab_kib, guest_tables_kib;
	size_t caches;
	struct {
		char name[64];
		long objects;
	} cache[CACHES];
};

static long meminfo(const char *field)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t length = strlen(field);
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, length) && line[length] == ':')
			kib = atol(line + length + 1);
	if (!file || kib < 0)
		die("/proc/meminfo");
	fclose(file);
	return kib;
}

/* Objects that a CPU keeps for its next allocation count as used: give them back. */
static void shrink_caches(void)
{
	char path[300];
	struct dirent *entry;
	DIR *dir = opendir("/sys/kernel/slab");

	if (!dir)
		die("/sys/kernel/slab");
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
		if (entry->d_name[0] != '.')
			write_file(path, "1");
	}
	closedir(dir);
}

static void take_census(struct census *c)
{
	char line[512], *end;
	FILE *file;

	/* What goes later: by RCU, by work that is queued, in other CPUs' lists. */
	sleep(5);
	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	sleep(2);
	write_file("/proc/sys/vm/drop_caches", "3");
	shrink_caches();
	c->free_kib = meminfo("MemFree");
	c->slab_kib = meminfo("Slab");
	c->guest_tables_kib = meminfo("SecPageTables");
	file = fopen("/proc/slabinfo", "re");
	if (!file)
		die("/proc/slabinfo (the kernel needs configs/variants/soak.config)");
	for (c->caches = 0; c->caches < CACHES && fgets(line, sizeof(line), file);) {
		/* a name, and the number of objects that are in use */
		if (sscanf(line, "%63s %ld", c->cache[c->caches].name, &c->cache[c->caches].objects) == 2)
			c->caches++;
	}
	end = fgets(line, sizeof(line), file);
	if (end || !c->caches)
		die("more slab caches than there is room for");
	fclose(file);
}

static bool compare(const char *what, long before, long after, long slack)
{
	bool same = labs(after - before) <= slack;

	if (!same || before != after)
		printf("%-32s %10ld %10ld  %s\n", what, before, after, same ? "" : "NOT AS BEFORE");
	return same;
}

static long slack_of(const char *cache)
{
	/* KVM has nothing left at all: nobody has a VM */
	if (!strncmp(cache, "kvm", 3))
		return 0;
	/* addresses of stacks that were freed are taken back lazily, 32 MiB of them at once */
	if (!strcmp(cache, "vmap_area"))
		return 8192;
	return SLACK_OBJECTS;
}

static bool same_census(const struct census *a, const struct census *b)
{
	bool same = true;
	size_t i, j;

	printf("%-32s %10s %10s\n", "", "before", "after");
	same &= compare("free memory, KiB", a->free_kib, b->free_kib, SLACK_KIB);
	same &= compare("slab, KiB", a->slab_kib, b->slab_kib, SLACK_KIB);
	same &= compare("page tables of guests, KiB", a->guest_tables_kib, b->guest_tables_kib, 0);
	for (i = 0; i < b->caches; i++) {
		const char *name = b->cache[i].name;

		for (j = 0; j < a->caches && strcmp(a->cache[j].name, name); j++)
			continue;
		same &= compare(name, j < a->caches ? a->cache[j].objects : 0, b->cache[i].objects,
				slack_of(name));
	}
	return same;
}

/* --- the supervisor ------------------------------------------------------------- */

static pid_t start(uint64_t seed)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		work(seed);
	return pid;
}

/* Keeps WORKERS at work for @seconds.  The number that the kernel killed, -1 if one failed. */
static long supervise(uint64_t seed, long seconds, bool talk)
{
	pid_t workers[WORKERS], pid;
	time_t begin = time(NULL), said = begin;
	long killed = 0, started = 0, i;
	bool failed = false;
	int status;

	for (i = 0; i < WORKERS; i++)
		workers[i] = start(seed + (uint64_t)started++);
	while (!failed && time(NULL) - begin < seconds) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
				failed = true;
				continue;
			}
			killed++;
			for (i = 0; i < WORKERS; i++)
				if (workers[i] == pid)
					workers[i] = start(seed + (uint64_t)started++);
		}
		if (talk && time(NULL) - said >= 60) {
			said = time(NULL);
			printf("%5ld s: %lu operations, %lu files, %lu pages, %ld workers killed, %ld MiB free\n",
			       (long)(said - begin), counts->operations, counts->files, counts->pages,
			       killed, meminfo("MemFree") / 1024);
			fflush(stdout);
		}
		usleep(100000);
	}
	for (i = 0; i < WORKERS; i++)
		kill(workers[i], SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			failed = true;
	return failed ? -1 : killed;
}

static long number(const char *option, const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 0);

	if (*end || end == text || value < 0 || value > max) {
		fprintf(stderr, "gmem-soak: %s '%s' is no number from 0 to %ld\n", option, text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ "leak", required_argument, NULL, 'l' },
		{ }
	};
	static struct census before, after;
	long seconds = 1800, seed = 1, leak = 0, killed;
	bool same;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seconds = number("--seconds", optarg, 1000000);
			break;
		case 'r':
			seed = number("--seed", optarg, 1L << 62);
			break;
		case 'l':
			leak = number("--leak", optarg, 1000);
			break;
		default:
			fprintf(stderr, "usage: gmem-soak [--seconds N] [--seed N] [--leak FILES]\n");
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gmem-soak: what is '%s'?\n", argv[optind]);
		return 2;
	}
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		die("mmap");
	/* whoever is killed, it is a worker */
	write_file("/proc/self/oom_score_adj", "-1000");

	if (supervise((uint64_t)seed << 32, WARM_UP, false) < 0 || counts->wrong || counts->sigbus) {
		printf("FAILED: during the first %d s: %lu wrong pages, %lu SIGBUS\n",
		       WARM_UP, counts->wrong, counts->sigbus);
		return 1;
	}
	take_census(&before);
	memset(counts, 0, sizeof(*counts));
	/* files that nobody closes: does the census notice? */
	if (leak) {
		int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0);
		struct kvm_create_guest_memfd args = { .size = page_size };

		while (leak--)
			if (ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args) < 0)
				die("KVM_CREATE_GUEST_MEMFD");
	}
	killed = supervise((uint64_t)seed << 32 | 1 << 30, seconds, true);
	take_census(&after);

	printf("%lu operations on %lu files: %lu pages written or allocated, %lu punched, %lu mapped into guests, %lu bindings\n",
	       counts->operations, counts->files, counts->pages, counts->punched, counts->guest, counts->bound);
	printf("out of memory: %ld workers killed, %lu calls refused, %lu SIGBUS\n", killed, counts->refused, counts->sigbus);
	same = same_census(&before, &after);
	if (killed < 0) {
		printf("FAILED: a worker did\n");
	} else if (counts->wrong) {
		printf("FAILED: %lu pages held what was not written to them\n", counts->wrong);
	} else if (counts->sigbus) {
		/* memory that is out is the out-of-memory killer's business */
		printf("FAILED: memory that the file has was SIGBUS\n");
	} else if (!same) {
		printf("FAILED: the kernel did not get back to where it was\n");
	} else if (!killed && !counts->refused) {
		printf("FAILED: memory was never out\n");
	} else if (maps_guests && !counts->guest) {
		printf("FAILED: nothing was mapped into a guest, which takes KVM_PRE_FAULT_MEMORY and no shadow paging\n");
	} else {
		printf("as before, and each page held what was written to it\n");
		return 0;
	}
	return 1;
}
