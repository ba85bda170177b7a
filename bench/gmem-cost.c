// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-cost: what operations on guest_memfd cost, beside the same on a memfd and on
 * anonymous memory, in nanoseconds of CLOCK_MONOTONIC.  "make bench" runs it in a guest
 * whose clock counts instructions, one a nanosecond; anywhere else it measures time.
 *
 * A line for each operation, kind of memory and size: the median, minimum and maximum
 * of the repetitions, per call, per file or per page.  "gmem-cost threads" measures what
 * several threads get done together instead, on the time of a clock on the wall.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gmem_flags.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define SHARED_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define REPETITIONS	15
#define CALLS		1000	/* per repetition, of what takes microseconds */
#define KIB		1024UL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)
#define MAX_FILES	1024

static size_t page_size;
static int vm_fd;
static __u64 supported;

static void die(const char *what)
{
	fprintf(stderr, "gmem-cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * Kinds of memory: each creates a file of @size bytes; -1 for anonymous memory.  The
 * ioctl alone, as gmem_create() would also set FD_CLOEXEC, in two more system calls.
 */
static int try_gmem(size_t size, __u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &args);
}

static int create_gmem(size_t size)
{
	int fd = try_gmem(size, SHARED_FLAGS);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	return fd;
}

static int create_memfd(size_t size)
{
	int fd = memfd_create("gmem-cost", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		die("memfd_create");
	return fd;
}

static int create_anon(size_t size)
{
	(void)size;
	return -1;
}

static const struct kind {
	const char *name;
	int (*create)(size_t size);
} kinds[] = {
	{ "guest_memfd", create_gmem },
	{ "memfd", create_memfd },
	{ "anonymous", create_anon },
};

/* First of the kinds that can be measured: a kernel without the flags maps no guest_memfd. */
static const struct kind *first_kind(void)
{
	return SHARED_FLAGS & ~supported ? &kinds[1] : &kinds[0];
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(const char *operation, const char *memory, const char *size,
		   uint64_t *cost, size_t repetitions)
{
	qsort(cost, repetitions, sizeof(*cost), compare);
	printf("%s\t%s\t%s\t%ju\t%ju\t%ju\t%zu\n", operation, memory, size,
	       (uintmax_t)cost[repetitions / 2], (uintmax_t)cost[0],
	       (uintmax_t)cost[repetitions - 1], repetitions);
	fflush(stdout);
}

/* @call, CALLS times a repetition, after once to warm up. */
static void measure_calls(const char *operation, const char *memory, void (*call)(__u64), __u64 arg)
{
	uint64_t cost[REPETITIONS], start;
	int i, j;

	call(arg);
	for (i = 0; i < REPETITIONS; i++) {
		start = now();
		for (j = 0; j < CALLS; j++)
			call(arg);
		cost[i] = (now() - start) / CALLS;
	}
	report(operation, memory, "-", cost, REPETITIONS);
}

static void check_extension(__u64 capability)
{
	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, (unsigned long)capability) < 0)
		die("KVM_CHECK_EXTENSION");
}

static void create_and_close(__u64 flags)
{
	int fd = try_gmem(page_size, flags);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	close(fd);
}

static void create_and_close_memfd(__u64 unused)
{
	(void)unused;
	close(create_memfd(page_size));
}

static void refused_flag(__u64 flags)
{
	if (try_gmem(page_size, flags) != -1 || errno != EINVAL)
		die("a flag that does not exist was not refused");
}

static void refused_size(__u64 size)
{
	if (try_gmem((size_t)size, 0) != -1 || errno != EINVAL)
		die("a size that cannot be was not refused");
}

static void measure_ioctls(void)
{
	static const struct {
		const char *name;
		__u64 flags;
	} combinations[] = {
		{ "guest_memfd, no flags", 0 },
		{ "guest_memfd, MMAP", GUEST_MEMFD_FLAG_MMAP },
		{ "guest_memfd, INIT_SHARED", GUEST_MEMFD_FLAG_INIT_SHARED },
		{ "guest_memfd, both flags", SHARED_FLAGS },
	};
	size_t i;

	measure_calls("KVM_CHECK_EXTENSION", "FLAGS", check_extension, KVM_CAP_GUEST_MEMFD_FLAGS);
	measure_calls("KVM_CHECK_EXTENSION", "FLAGS_HI", check_extension, KVM_CAP_GUEST_MEMFD_FLAGS_HI);
	measure_calls("KVM_CHECK_EXTENSION", "NR_MEMSLOTS", check_extension, KVM_CAP_NR_MEMSLOTS);
	for (i = 0; i < ARRAY_SIZE(combinations); i++)
		if (!(combinations[i].flags & ~supported))
			measure_calls("create and close", combinations[i].name, create_and_close,
				      combinations[i].flags);
	measure_calls("create and close", "memfd", create_and_close_memfd, 0);
	measure_calls("create, refused", "flag 30", refused_flag, 1ULL << 30);
	measure_calls("create, refused", "flag 62", refused_flag, 1ULL << 62);
	measure_calls("create, refused", "size 0", refused_size, 0);
}

static uint8_t *map(int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	uint8_t *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

static void unmap(uint8_t *mem, size_t size)
{
	if (munmap(mem, size))
		die("munmap");
}

static void measure_mmap(const struct kind *kind)
{
	uint64_t cost[REPETITIONS], start;
	int fd = kind->create(MIB), i, j;

	for (i = 0; i < REPETITIONS; i++) {
		start = now();
		for (j = 0; j < CALLS; j++)
			unmap(map(fd, MIB), MIB);
		cost[i] = (now() - start) / CALLS;
	}
	report("mmap and munmap", kind->name, "-", cost, REPETITIONS);
	if (fd >= 0)
		close(fd);
}

/* One access to each page; what it costs, all of them together. */
enum access { READ, READ_BACKWARDS, WRITE };

static uint64_t touch(volatile uint8_t *mem, size_t size, enum access access)
{
	uint64_t start = now();
	size_t i;

	for (i = 0; i < size; i += page_size) {
		if (access == WRITE)
			mem[i] = 1;
		else
			(void)mem[access == READ ? i : size - page_size - i];
	}
	return now() - start;
}

static void forget(uint8_t *mem, size_t size)
{
	if (madvise(mem, size, MADV_DONTNEED))
		die("MADV_DONTNEED");
}

/* Huge pages are another matter: guest_memfd has none, and neither has a memfd here. */
static void no_huge_pages(uint8_t *mem, size_t size)
{
	if (madvise(mem, size, MADV_NOHUGEPAGE) && errno != EINVAL)
		die("MADV_NOHUGEPAGE");
}

enum fault {
	FIRST_WRITE,
	WRITE_REFAULT,
	READ_REFAULT,
	READ_REFAULT_BACKWARDS,
	FIRST_READ,
	FIRST_READ_BACKWARDS,
	FIRST_READ_ALLOCATED,
	NR_FAULTS
};

static uint8_t *map_new(const struct kind *kind, size_t size, int *fd)
{
	uint8_t *mem;

	*fd = kind->create(size);
	mem = map(*fd, size);
	no_huge_pages(mem, size);
	return mem;
}

static void unmap_and_close(uint8_t *mem, size_t size, int fd)
{
	unmap(mem, size);
	if (fd >= 0)
		close(fd);
}

static void measure_fault(const struct kind *kind, size_t size, uint64_t cost[NR_FAULTS])
{
	uint8_t *mem;
	int fd;

	mem = map_new(kind, size, &fd);
	cost[FIRST_WRITE] += touch(mem, size, WRITE);
	forget(mem, size);
	cost[WRITE_REFAULT] += touch(mem, size, WRITE);
	forget(mem, size);
	cost[READ_REFAULT] += touch(mem, size, READ);
	forget(mem, size);
	cost[READ_REFAULT_BACKWARDS] += touch(mem, size, READ_BACKWARDS);
	unmap_and_close(mem, size, fd);

	mem = map_new(kind, size, &fd);
	cost[FIRST_READ] += touch(mem, size, READ);
	unmap_and_close(mem, size, fd);

	mem = map_new(kind, size, &fd);
	cost[FIRST_READ_BACKWARDS] += touch(mem, size, READ_BACKWARDS);
	unmap_and_close(mem, size, fd);

	/* what is allocated is zeroed only when it is accessed */
	mem = map_new(kind, size, &fd);
	if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size))
		die("fallocate");
	cost[FIRST_READ_ALLOCATED] += touch(mem, size, READ);
	unmap_and_close(mem, size, fd);
}

/* What is forgotten of anonymous memory is gone, and nothing allocates it ahead. */
static bool is_of_files_only(enum fault fault)
{
	return fault == WRITE_REFAULT || fault == READ_REFAULT ||
	       fault == READ_REFAULT_BACKWARDS || fault == FIRST_READ_ALLOCATED;
}

static void measure_faults(const struct kind *kind, size_t size, const char *name, size_t repetitions)
{
	static const char * const operations[NR_FAULTS] = {
		"first write", "write refault", "read refault", "read refault, backwards",
		"first read", "first read, backwards", "first read, allocated",
	};
	uint64_t cost[NR_FAULTS][REPETITIONS];
	/* of one page, as many as make up for what reading the clock costs */
	size_t rounds = size < 64 * page_size ? 64 : 1, pages = size / page_size * rounds, i, j;

	for (i = 0; i < repetitions; i++) {
		uint64_t sum[NR_FAULTS] = { 0 };

		for (j = 0; j < rounds; j++)
			measure_fault(kind, size, sum);
		for (j = 0; j < NR_FAULTS; j++)
			cost[j][i] = sum[j] / pages;
	}
	for (j = 0; j < NR_FAULTS; j++) {
		if (kind->create == create_anon && is_of_files_only(j))
			continue;
		report(operations[j], kind->name, name, cost[j], repetitions);
	}
}

static void measure_allocation(const char *name, int (*create)(size_t))
{
	uint64_t allocate[REPETITIONS], punch[REPETITIONS], start;
	const off_t size = 4 * MIB;
	int i, fd;

	for (i = 0; i < REPETITIONS; i++) {
		fd = create((size_t)size);
		start = now();
		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size))
			die("fallocate");
		allocate[i] = (now() - start) / ((size_t)size / page_size);
		start = now();
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
			die("punching a hole");
		punch[i] = (now() - start) / ((size_t)size / page_size);
		close(fd);
	}
	report("fallocate", name, "4MiB", allocate, REPETITIONS);
	report("punch hole", name, "4MiB", punch, REPETITIONS);
}

static int create_without_flags(size_t size)
{
	int fd = try_gmem(size, 0);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	return fd;
}

/*
 * @nr files at once, created and closed, per file.  What that costs depends on how full
 * the slabs are that inodes come from, by more than 1 %; hence some more files, another
 * number for each repetition.
 */
static void measure_files(const char *name, int (*create)(size_t), int nr)
{
	static int fds[MAX_FILES];
	uint64_t cost[REPETITIONS], start;
	int spare[3 * REPETITIONS], rounds = MAX_FILES / nr, i, j, k;
	char number[16];

	for (i = 0; i < REPETITIONS; i++) {
		for (k = 0; k < 3 * i; k++)
			spare[k] = create(page_size);
		start = now();
		for (j = 0; j < rounds; j++) {
			for (k = 0; k < nr; k++)
				fds[k] = create(page_size);
			for (k = 0; k < nr; k++)
				close(fds[k]);
		}
		cost[i] = (now() - start) / (uint64_t)(rounds * nr);
		for (k = 0; k < 3 * i; k++)
			close(spare[k]);
	}
	snprintf(number, sizeof(number), "%d", nr);
	report("files open at once", name, number, cost, REPETITIONS);
}

static void count(void)
{
	static const struct {
		size_t bytes;
		const char *name;
		size_t repetitions;
	} sizes[] = {
		{ 0, "1 page", REPETITIONS },
		{ MIB, "1MiB", REPETITIONS },
		{ 64 * MIB, "64MiB", 5 },
		{ GIB, "1GiB", 1 },
	};
	const struct kind *kind, *end = kinds + ARRAY_SIZE(kinds);
	size_t i;
	int nr;

	measure_ioctls();
	for (kind = first_kind(); kind < end; kind++)
		measure_mmap(kind);
	measure_allocation("guest_memfd", create_without_flags);
	measure_allocation("memfd", create_memfd);
	for (nr = 1; nr <= MAX_FILES; nr *= 4) {
		measure_files("guest_memfd", create_without_flags, nr);
		measure_files("memfd", create_memfd, nr);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (kind = first_kind(); kind < end; kind++)
			measure_faults(kind, sizes[i].bytes ?: page_size, sizes[i].name,
				       sizes[i].repetitions);
}

/*
 * Threads: each does all of the work of one, on the same VM, with files of its own.
 * The time is that of a clock on the wall, so that perfect scaling keeps it the same
 * as long as there are CPUs.
 */
#define THREAD_SIZE (4 * MIB)

static pthread_barrier_t barrier;

static void thread_creates(const struct kind *kind)
{
	int i;

	for (i = 0; i < CALLS; i++)
		close(kind->create(page_size));
}

static void thread_faults(const struct kind *kind)
{
	int fd = kind->create(THREAD_SIZE);
	uint8_t *mem = map(fd, THREAD_SIZE);

	touch(mem, THREAD_SIZE, WRITE);
	unmap(mem, THREAD_SIZE);
	close(fd);
}

struct work {
	void (*run)(const struct kind *kind);
	const struct kind *kind;
};

struct worker {
	pthread_t thread;
	const struct work *work;
	uint64_t start, end;
};

static void *thread(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(&barrier);
	worker->start = now();
	worker->work->run(worker->work->kind);
	worker->end = now();
	return NULL;
}

/* From the first that starts to the last that ends. */
static uint64_t run_workers(const struct work *work, unsigned int nr)
{
	struct worker workers[4];
	uint64_t start = UINT64_MAX, end = 0;
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, nr);
	for (i = 0; i < nr; i++) {
		workers[i].work = work;
		errno = pthread_create(&workers[i].thread, NULL, thread, &workers[i]);
		if (errno)
			die("pthread_create");
	}
	for (i = 0; i < nr; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].start < start)
			start = workers[i].start;
		if (workers[i].end > end)
			end = workers[i].end;
	}
	pthread_barrier_destroy(&barrier);
	return end - start;
}

static void measure_threads(const char *operation, const struct work *work, unsigned int nr, size_t per)
{
	uint64_t cost[REPETITIONS];
	char number[16];
	size_t i;

	for (i = 0; i < REPETITIONS; i++)
		cost[i] = run_workers(work, nr) / per;
	snprintf(number, sizeof(number), "%u", nr);
	report(operation, work->kind->name, number, cost, REPETITIONS);
}

static void scale(void)
{
	const struct kind *kind;
	unsigned int nr;

	for (kind = first_kind(); kind->create != create_anon; kind++) {
		for (nr = 1; nr <= 4; nr *= 2) {
			measure_threads("threads, create and close",
					&(struct work){ thread_creates, kind }, nr, CALLS);
			measure_threads("threads, first write",
					&(struct work){ thread_faults, kind }, nr, THREAD_SIZE / page_size);
		}
	}
}

int main(int argc, char **argv)
{
	const struct rlimit files = { MAX_FILES + 100, MAX_FILES + 100 };
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "threads") != 0)) {
		fprintf(stderr, "usage: gmem-cost [threads]\n");
		return 2;
	}
	if (kvm_fd < 0)
		die("/dev/kvm");
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("setrlimit");
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		die("KVM_CREATE_VM");
	errno = -gmem_query_flags(vm_fd, &supported);
	if (errno)
		die("asking for the flags");

	printf("operation\tmemory\tsize\tmedian\tminimum\tmaximum\trepetitions\n");
	if (argc == 2)
		scale();
	else
		count();
	return 0;
}
