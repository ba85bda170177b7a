// SPDX-License-Identifier: GPL-2.0-only
/*
 * What operations on guest_memfd files cost, beside the same on a memfd and on
 * anonymous memory, in nanoseconds of CLOCK_MONOTONIC.  Meant for "make exec
 * ICOUNT=1", where one instruction takes one nanosecond, i.e. it counts.
 *
 * A line for each operation and kind of memory: median, minimum and maximum of
 * the repetitions, per file or per page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gmem_flags.h"

#define SHARED_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define REPETITIONS	9
#define FILES		100	/* created and closed per repetition */

static size_t page_size, nr_pages = 256;
static int vm_fd;

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

/* Kinds of memory: each returns a file of @size bytes, -1 for anonymous memory. */
/* The ioctl alone: gmem_create() would also set FD_CLOEXEC, in two system calls. */
static int try_create_gmem(size_t size, __u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &args);
}

static int create_gmem_with(size_t size, __u64 flags)
{
	int fd = try_create_gmem(size, flags);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	return fd;
}

static int create_gmem(size_t size)
{
	return create_gmem_with(size, SHARED_FLAGS);
}

static int create_gmem_private(size_t size)
{
	return create_gmem_with(size, 0);
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

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(const char *operation, const char *kind, uint64_t *cost)
{
	qsort(cost, REPETITIONS, sizeof(*cost), compare);
	printf("%s\t%s\t%ju\t%ju\t%ju\n", operation, kind, (uintmax_t)cost[REPETITIONS / 2],
	       (uintmax_t)cost[0], (uintmax_t)cost[REPETITIONS - 1]);
}

static void measure_create(const char *kind, int (*create)(size_t))
{
	uint64_t cost[REPETITIONS], start;
	int i, j;

	for (i = 0; i < REPETITIONS; i++) {
		start = now();
		for (j = 0; j < FILES; j++)
			close(create(page_size));
		cost[i] = (now() - start) / FILES;
	}
	report("create and close", kind, cost);
}

/* Unknown flags, the cheapest way to be refused. */
static void measure_refused(void)
{
	uint64_t cost[REPETITIONS], start;
	int i, j;

	for (i = 0; i < REPETITIONS; i++) {
		start = now();
		for (j = 0; j < FILES; j++) {
			if (try_create_gmem(page_size, 1ULL << 62) != -1 || errno != EINVAL)
				die("a flag in bit 62 was not refused");
		}
		cost[i] = (now() - start) / FILES;
	}
	report("create refused", "guest_memfd", cost);
}

static uint8_t *map(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	uint8_t *mem = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	if (fd < 0 && madvise(mem, nr_pages * page_size, MADV_NOHUGEPAGE) && errno != EINVAL)
		die("madvise");
	return mem;
}

static uint64_t touch(volatile uint8_t *mem, int write)
{
	uint64_t start = now();
	size_t i;

	for (i = 0; i < nr_pages; i++) {
		if (write)
			mem[i * page_size] = 1;
		else
			(void)mem[i * page_size];
	}
	return (now() - start) / nr_pages;
}

static void forget(uint8_t *mem)
{
	if (madvise(mem, nr_pages * page_size, MADV_DONTNEED))
		die("madvise");
}

static void measure_faults(const char *kind, int (*create)(size_t))
{
	uint64_t first[REPETITIONS], write[REPETITIONS], read[REPETITIONS];
	uint8_t *mem;
	int i, fd;

	for (i = 0; i < REPETITIONS; i++) {
		fd = create(nr_pages * page_size);
		mem = map(fd);
		first[i] = touch(mem, 1);
		forget(mem);
		write[i] = touch(mem, 1);
		forget(mem);
		read[i] = touch(mem, 0);
		munmap(mem, nr_pages * page_size);
		if (fd >= 0)
			close(fd);
	}
	report("first write", kind, first);
	/* What is forgotten of anonymous memory is gone, i.e. not refaulted. */
	if (fd < 0)
		return;
	report("write refault", kind, write);
	report("read refault", kind, read);
}

static void measure_allocation(const char *kind, int (*create)(size_t))
{
	uint64_t allocate[REPETITIONS], punch[REPETITIONS], start;
	off_t size = (off_t)(nr_pages * page_size);
	int i, fd;

	for (i = 0; i < REPETITIONS; i++) {
		fd = create((size_t)size);
		start = now();
		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size))
			die("fallocate");
		allocate[i] = (now() - start) / nr_pages;
		start = now();
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
			die("punching a hole");
		punch[i] = (now() - start) / nr_pages;
		close(fd);
	}
	report("fallocate", kind, allocate);
	report("punch hole", kind, punch);
}

int main(int argc, char **argv)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool shared;	/* can the host access files? */
	__u64 mask;

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (argc > 1)
		nr_pages = strtoul(argv[1], NULL, 10);
	if (argc > 2 || !nr_pages || nr_pages > 1 << 20) {
		fprintf(stderr, "usage: gmem-cost [PAGES, 1 to 1048576]\n");
		return 2;
	}
	if (kvm_fd < 0)
		die("/dev/kvm");
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		die("KVM_CREATE_VM");

	if (gmem_query_flags(vm_fd, &mask))
		die("KVM_CHECK_EXTENSION");
	shared = !(SHARED_FLAGS & ~mask);

	printf("operation\tmemory\tmedian\tminimum\tmaximum\n");
	measure_create("guest_memfd, no flags", create_gmem_private);
	if (shared)
		measure_create("guest_memfd", create_gmem);
	measure_create("memfd", create_memfd);
	measure_refused();
	if (shared)
		measure_faults("guest_memfd", create_gmem);
	measure_faults("memfd", create_memfd);
	measure_faults("anonymous", create_anon);
	measure_allocation("guest_memfd", create_gmem_private);
	measure_allocation("memfd", create_memfd);
	return 0;
}
