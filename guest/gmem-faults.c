// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-faults: what guest_memfd does when memory, descriptors or time run out.  Run by
 * "make faults" inside a kernel with fault injection (configs/variants/faults.config).
 *
 * First, each operation again and again with its first, second, third ... allocation
 * failing (/proc/self/fail-nth, see fault-injection.rst of the kernel), until none is
 * left to fail: it must end with success, ENOMEM or SIGBUS, must succeed when tried
 * again, must then have done it, and must leave no descriptor and no VM behind.  Then
 * the same with all allocations failing beyond a budget that grows, for what is tried
 * twice (XArray nodes) gets by when only one fails; but for first faults, which the
 * kernel repeats for as long as memory is out.  Then, limits of a process and of a
 * memory cgroup, signals, and a page that fails.  A TAP line for each; exit code 1 if one
 * fails.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/kvm.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define PAGES	16
#define MIB	(1024 * 1024UL)

/* More allocations than any operation here makes; the loop ends where one was not made. */
#define MAX_FAULTS 1000

/* An address that nothing is near to: what is mapped there needs page tables of its own. */
#define FAR_AWAY	((void *)(1UL << 40))

/* What the operations work on. */
static struct {
	int kvm, vm, vcpu, file;
	unsigned char *mem;
	size_t page, size;
} s;

static unsigned int number;
static bool failed;

__attribute__((format(printf, 2, 3)))
static void result(bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %u ", ok ? "" : "not ", ++number);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failed = failed || !ok;
}

/* For what must work here: without it, nothing is tested. */
__attribute__((noreturn)) static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static unsigned long read_number(const char *path)
{
	unsigned long value;
	FILE *file = fopen(path, "re");

	if (!file || fscanf(file, "%lu", &value) != 1)
		die(path);
	fclose(file);
	return value;
}

/* Entries of a folder, with . and .. and, for /proc/self/fd, the folder itself. */
static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (!dir)
		die(path);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/*
 * The number of the last of some free descriptors: higher for each one below that is left
 * open, or that is reserved and has no file (/proc/self/fd does not show those).
 */
static int free_fd(void)
{
	int fds[50], last;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dup(s.kvm);
		if (fds[i] < 0)
			die("dup");
	}
	last = fds[ARRAY_SIZE(fds) - 1];
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	return last;
}

/* VMs have a folder each there, besides the files for all of them. */
static int count_vms(void)
{
	return count_entries("/sys/kernel/debug/kvm");
}

/* A VM may go a little after its last descriptor. */
static bool vms_are(int expected)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (count_vms() == expected)
			return true;
		usleep(50000);
	}
	return false;
}

/* --- what is tried: 0, an errno or RAISED_SIGBUS ---------------------------- */

/* No errno is as large. */
#define RAISED_SIGBUS 4096

static int op_create(void)
{
	struct kvm_create_guest_memfd args = { .size = s.size, .flags = FLAGS };

	s.file = ioctl(s.vm, KVM_CREATE_GUEST_MEMFD, &args);
	return s.file < 0 ? errno : 0;
}

static int op_mmap(void)
{
	s.mem = mmap(FAR_AWAY, s.size, PROT_READ | PROT_WRITE, MAP_SHARED, s.file, 0);
	return s.mem == MAP_FAILED ? errno : 0;
}

static sigjmp_buf fault_jump;

static void on_sigbus(int sig)
{
	siglongjmp(fault_jump, sig);
}

/* Not of the first page, which alone the file keeps without a node of its XArray. */
static int op_write(void)
{
	if (sigsetjmp(fault_jump, 1))
		return RAISED_SIGBUS;
	*(volatile unsigned char *)&s.mem[s.page] = 0x5a;
	return 0;
}

static int op_read(void)
{
	if (sigsetjmp(fault_jump, 1))
		return RAISED_SIGBUS;
	return *(volatile unsigned char *)&s.mem[s.page] ? EUCLEAN : 0;
}

/* First faults whose failure the kernel reports, instead of trying them again. */
static int op_populate(void)
{
	return madvise(s.mem, s.size, MADV_POPULATE_WRITE) ? errno : 0;
}

static int op_fallocate(void)
{
	return fallocate(s.file, FALLOC_FL_KEEP_SIZE, 0, (off_t)s.size) ? errno : 0;
}

static int op_punch(void)
{
	return fallocate(s.file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
			 (off_t)s.size) ? errno : 0;
}

static int set_slot(size_t size, __u32 flags)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = 0, .flags = flags, .memory_size = size,
		.userspace_addr = (uintptr_t)s.mem, .guest_memfd = (__u32)s.file,
	};

	return ioctl(s.vm, KVM_SET_USER_MEMORY_REGION2, &region) ? errno : 0;
}

static int op_bind(void)
{
	return set_slot(s.size, KVM_MEM_GUEST_MEMFD);
}

#ifdef __x86_64__
static int op_vcpu(void)
{
	s.vcpu = ioctl(s.vm, KVM_CREATE_VCPU, 0);
	return s.vcpu < 0 ? errno : 0;
}

/* The guest's first faults, without a guest. */
static int op_pre_fault(void)
{
	struct kvm_pre_fault_memory range = { .size = s.size };

	return ioctl(s.vcpu, KVM_PRE_FAULT_MEMORY, &range) ? errno : 0;
}
#endif

static int op_unbind(void)
{
	return set_slot(0, 0);
}

static int op_close(void)
{
	int file = s.file;

	s.file = -1;
	return close(file) ? errno : 0;
}

/* One page of a file cannot be bound twice. */
static bool is_bound(void)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = 1, .flags = KVM_MEM_GUEST_MEMFD, .memory_size = s.size,
		.guest_phys_addr = s.size, .userspace_addr = (uintptr_t)s.mem,
		.guest_memfd = (__u32)s.file,
	};

	return ioctl(s.vm, KVM_SET_USER_MEMORY_REGION2, &region) && errno == EEXIST;
}

/* Each needs those before it, down to the VM, made without faults. */
static int (*const to_create[])(void) = { NULL };
static int (*const to_mmap[])(void) = { op_create, NULL };
static int (*const to_touch[])(void) = { op_create, op_mmap, NULL };
static int (*const to_punch[])(void) = { op_create, op_mmap, op_fallocate, NULL };
static int (*const to_unbind[])(void) = { op_create, op_mmap, op_bind, NULL };
#ifdef __x86_64__
static int (*const to_pre_fault[])(void) = { op_create, op_mmap, op_bind, op_vcpu, NULL };
#endif

static const struct operation {
	const char *name;
	int (*const *before)(void);
	int (*op)(void);
	bool allocates;		/* no injection at all would mean that nothing was tested */
	bool once;		/* cannot be done again, whatever it says */
	bool (*is_done)(void);	/* is it what success says? */
} operations[] = {
	{ "creation", to_create, op_create, true, false, NULL },
	{ "mmap", to_mmap, op_mmap, true, false, NULL },
	{ "first fault, write", to_touch, op_write, true, false, NULL },
	{ "first fault, read", to_touch, op_read, true, false, NULL },
	{ "populating", to_touch, op_populate, true, false, NULL },
	{ "fallocate", to_mmap, op_fallocate, true, false, NULL },
	{ "punching a hole", to_punch, op_punch, false, false, NULL },
	{ "binding", to_touch, op_bind, true, false, is_bound },
#ifdef __x86_64__
	{ "pre-faulting", to_pre_fault, op_pre_fault, true, false, NULL },
#endif
	{ "unbinding", to_unbind, op_unbind, false, false, NULL },
	{ "release of a bound file", to_unbind, op_close, false, true, NULL },
};

/* --- injection ----------------------------------------------------------- */

/*
 * NTH: the nth allocation fails, and no other.  BEYOND: each fails that takes as much as
 * is left of a budget of n pages, or of n * SLAB_STEP bytes of objects, or more.
 */
enum injection { NTH, BEYOND };

#define SLAB_STEP 64

/* Of both kinds of allocation; how often may one fail, more than it ever will */
#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc/"
#define TIMES		1000000

/* Of this thread, in /proc; open, for opening a file needs memory. */
static int fail_nth = -1, make_it_fail = -1;

static void set_number(int fd, int value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", value);

	if (pwrite(fd, text, (size_t)length, 0) != length)
		die("/proc/thread-self/fail-nth or make-it-fail");
}

/* What is left of it: 0 if an allocation was made to fail. */
static int get_fail_nth(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth");
	return atoi(text);
}

static void write_number(const char *path, unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	write_file(path, text);
}

static void start_injection(enum injection kind, int n)
{
	if (kind == NTH) {
		set_number(fail_nth, n);
		return;
	}
	write_number(FAILSLAB "space", (unsigned long)n * SLAB_STEP);
	write_number(FAIL_PAGE_ALLOC "space", (unsigned long)n);
	write_number(FAILSLAB "times", TIMES);
	write_number(FAIL_PAGE_ALLOC "times", TIMES);
	set_number(make_it_fail, 1);
}

/* Was an allocation made to fail? */
static bool end_injection(enum injection kind)
{
	bool injected;

	if (kind == NTH) {
		injected = !get_fail_nth();
		set_number(fail_nth, 0);
		return injected;
	}
	set_number(make_it_fail, 0);
	return read_number(FAILSLAB "times") < TIMES ||
	       read_number(FAIL_PAGE_ALLOC "times") < TIMES;
}

/* Allocations of all kinds, also those that may sleep and those of single pages. */
static void set_up_injection(void)
{
	static const char *const settings[][2] = {
		{ "ignore-gfp-wait", "N" }, { "verbose", "0" },
		{ "task-filter", "Y" }, { "interval", "1" }, { "probability", "100" },
	};
	char path[100];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), FAILSLAB "%s", settings[i][0]);
		write_file(path, settings[i][1]);
		snprintf(path, sizeof(path), FAIL_PAGE_ALLOC "%s", settings[i][0]);
		write_file(path, settings[i][1]);
	}
	write_file(FAIL_PAGE_ALLOC "ignore-gfp-highmem", "N");
	write_file(FAIL_PAGE_ALLOC "min-order", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	make_it_fail = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0 || make_it_fail < 0)
		die("/proc/thread-self/fail-nth or make-it-fail");
}

static void open_vm(void)
{
	unsigned long type = 0;

#ifdef __aarch64__
	type = (unsigned long)ioctl(s.kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
#endif
	s.file = s.vcpu = -1;
	s.mem = NULL;
	s.vm = ioctl(s.kvm, KVM_CREATE_VM, type);
	if (s.vm < 0)
		die("KVM_CREATE_VM");
}

static void close_vm(void)
{
	if (s.mem && s.mem != MAP_FAILED)
		munmap(s.mem, s.size);
	if (s.file >= 0)
		close(s.file);
	if (s.vcpu >= 0)
		close(s.vcpu);
	close(s.vm);
}

static bool is_clean(int error)
{
	return !error || error == ENOMEM || error == RAISED_SIGBUS;
}

/* With @n, see there: was an allocation made to fail?  If something is wrong, @wrong says so. */
static bool inject(const struct operation *operation, enum injection kind, int n, int *refused,
		   char *wrong, size_t size)
{
	int error, again, i;
	bool injected, done;

	open_vm();
	for (i = 0; operation->before[i]; i++)
		if (operation->before[i]())
			die(operation->name);
	start_injection(kind, n);
	error = operation->op();
	injected = end_injection(kind);
	*refused += injected && error;
	again = operation->once || !error ? 0 : operation->op();
	done = again || !operation->is_done || operation->is_done();
	close_vm();
	if (!is_clean(error) || again || !done)
		snprintf(wrong, size, "%s %d: %s; again: %s%s",
			 kind == NTH ? "allocation" : "allocations beyond", n, strerror(error),
			 strerror(again), done ? "" : ", but it is not done");
	return injected;
}

/*
 * So often in all, where kmemleak is there to tell what is lost: of a few objects it
 * believes that the caches of free ones still refer to them.
 */
#define REPETITIONS 400

static void repeat(const struct operation *operation, int count)
{
	int refused = 0, n, i, times = REPETITIONS / count + 1;
	char wrong[128] = "";

	for (n = 1; n <= count; n++)
		for (i = 0; i < times && !wrong[0]; i++)
			inject(operation, NTH, n, &refused, wrong, sizeof(wrong));
	result(!wrong[0], "%s, %d times for each of %d allocations: %s", operation->name,
	       times, count, wrong[0] ? wrong : "as before");
}

static void try_operation(const struct operation *operation, enum injection kind)
{
	int count = 0, refused = 0, fd = free_fd(), vms = count_vms(), n = kind == NTH;
	const char *what = kind == NTH ? "one fails" : "all fail beyond a budget";
	const char *name = operation->name;
	char wrong[128] = "";

	while (!wrong[0] && count < MAX_FAULTS &&
	       inject(operation, kind, n, &refused, wrong, sizeof(wrong))) {
		count++;
		n++;
	}
	if (wrong[0])
		result(false, "%s: %s", name, wrong);
	else if (count == MAX_FAULTS)
		result(false, "%s: no end after %d injections", name, count);
	else if (operation->allocates && !count)
		result(false, "%s: no allocation failed, so nothing was tested", name);
	else if (operation->allocates && kind == BEYOND && !refused)
		result(false, "%s: succeeds without any memory", name);
	else if (free_fd() != fd)
		result(false, "%s: descriptors are left open, or reserved", name);
	else if (!vms_are(vms))
		result(false, "%s: VMs are left", name);
	else
		result(true, "%s, %s: %d injections, of which %d made it fail", name, what, count,
		       refused);
	if (kind == NTH && count && !wrong[0] && !access("/sys/kernel/debug/kmemleak", F_OK))
		repeat(operation, count);
}

/* A page fault without memory is tried again by the kernel, for as long as there is none. */
static bool is_page_fault(const struct operation *operation)
{
	return operation->op == op_write || operation->op == op_read;
}

static void try_operations(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		try_operation(&operations[i], NTH);
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!is_page_fault(&operations[i]))
			try_operation(&operations[i], BEYOND);
}

/* --- limits -------------------------------------------------------------- */

/* Lower @resource to @limit while @op runs. */
static int with_limit(__rlimit_resource_t resource, rlim_t limit, int (*op)(void))
{
	struct rlimit old, new;
	int error;

	getrlimit(resource, &old);
	new = old;
	new.rlim_cur = limit;
	setrlimit(resource, &new);
	error = op();
	setrlimit(resource, &old);
	return error;
}

static void try_limits(void)
{
	int error, next;

	open_vm();
	next = dup(s.vm);
	close(next);
	error = with_limit(RLIMIT_NOFILE, (rlim_t)next, op_create);
	result(error == EMFILE && !op_create(), "creation without a descriptor left: %s",
	       strerror(error));
	error = with_limit(RLIMIT_AS, 1, op_mmap);
	result(error == ENOMEM && !op_mmap(), "mmap without address space left: %s", strerror(error));
	close_vm();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Pages of files in memory; free pages say less, as each CPU keeps many of them back. */
static long file_pages(void)
{
	FILE *vmstat = fopen("/proc/vmstat", "re");
	char line[100];
	long pages = -1;

	while (vmstat && pages < 0 && fgets(line, sizeof(line), vmstat))
		if (sscanf(line, "nr_file_pages %ld", &pages) != 1)
			pages = -1;
	if (pages < 0)
		die("/proc/vmstat");
	fclose(vmstat);
	return pages;
}

/* A file of a third of the guest's memory takes long enough to be interrupted. */
static void try_signal(void)
{
	const struct itimerval soon = { .it_value = { 0, 50000 } };
	struct sigaction action = { .sa_handler = on_alarm };
	struct kvm_create_guest_memfd args = { .size = 1024 * MIB, .flags = FLAGS };
	long start, held, left;
	int error, file;

	sigaction(SIGALRM, &action, NULL);
	open_vm();
	start = file_pages();
	file = ioctl(s.vm, KVM_CREATE_GUEST_MEMFD, &args);
	if (file < 0)
		die("creation of 1 GiB");
	setitimer(ITIMER_REAL, &soon, NULL);
	error = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)args.size) ? errno : 0;
	held = file_pages() - start;
	result(error == EINTR && held > 0, "a signal ends fallocate of 1 GiB, at %ld pages: %s",
	       held, strerror(error));
	/* what it has got is the file's, and goes with it; the counter is not exact */
	close(file);
	close_vm();
	left = file_pages() - start;
	result(left < held / 10, "and its pages go with the file: %ld are left", left);
}

/* --- a guest ---------------------------------------------------------------- */

#if defined(__x86_64__)
/* A vCPU that starts with CODE in real mode, at the start of the file, at GPA 0. */
static int make_vcpu(const char *code, size_t length)
{
	struct kvm_regs regs = { .rip = 0, .rflags = 2 };
	struct kvm_sregs sregs;
	int vcpu = ioctl(s.vm, KVM_CREATE_VCPU, 0);

	memcpy(s.mem, code, length);
	if (vcpu < 0 || op_bind() || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		die("vCPU");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		die("vCPU");
	return vcpu;
}

static void *run_guest(void *vcpu)
{
	for (;;)
		if (!ioctl(*(int *)vcpu, KVM_RUN, 0) || (errno != EINTR && errno != ENOMEM))
			_exit(2);	/* it never exits by itself */
	return NULL;
}

/* A guest that counts at 0x100, for as long as it runs; returns once it does. */
static void start_guest(void)
{
	volatile unsigned char *counter = &s.mem[0x100];
	static int vcpu;
	pthread_t thread;
	int tries;

	/* inc byte [0x100]; jmp to it */
	vcpu = make_vcpu("\xfe\x06\x00\x01\xeb\xfa", 6);
	if (pthread_create(&thread, NULL, run_guest, &vcpu))
		die("vCPU");
	for (tries = 0; !*counter; tries++) {
		if (tries == 100)
			die("a guest that does not run");
		usleep(50000);
	}
}

/* A guest that reads the byte at 0x1000 and halts: 0 if it could, or KVM_RUN's errno. */
static int guest_reads(int vcpu)
{
	struct kvm_run *run;
	size_t size = (size_t)ioctl(s.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int error;

	run = mmap(NULL, size, PROT_READ, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("vCPU");
	error = ioctl(vcpu, KVM_RUN, 0) ? errno : 0;
	if (!error && run->exit_reason != KVM_EXIT_HLT)
		error = EUCLEAN;
	munmap(run, size);
	return error;
}

static void try_poison_guest(void)
{
	/* mov al, [0x1000]; hlt */
	int before, after, vcpu = make_vcpu("\xa0\x00\x10\xf4", 4);

	before = guest_reads(vcpu);
	fallocate(s.file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t)s.page, (off_t)s.page);
	after = guest_reads(vcpu);
	close(vcpu);
	result(before == EHWPOISON && !after,
	       "a guest that reads poison makes KVM_RUN fail with EHWPOISON, and reads a hole in its place: %s, %s",
	       strerror(before), strerror(after));
}
#else
static void start_guest(void)
{
}

static void try_poison_guest(void)
{
	op_punch();
}
#endif

/* --- memory that fails ------------------------------------------------------- */

/* What the memory at offset OFFSET answers: a byte, or -RAISED_SIGBUS for SIGBUS. */
static int byte_at(size_t offset)
{
	if (sigsetjmp(fault_jump, 1))
		return -RAISED_SIGBUS;
	return *(volatile unsigned char *)&s.mem[offset];
}

static void try_poison(void)
{
	int poisoned, neighbour, still, hole;

	open_vm();
	if (op_create() || op_mmap())
		die("file");
	memset(s.mem, 0x5a, s.size);
	/* the kernel may tell by SIGBUS, or by EBUSY, because the file keeps the page */
	if (!sigsetjmp(fault_jump, 1) && madvise(s.mem + s.page, s.page, MADV_HWPOISON) && errno != EBUSY)
		die("MADV_HWPOISON");
	poisoned = byte_at(s.page);
	neighbour = byte_at(2 * s.page);
	result(poisoned == -RAISED_SIGBUS && neighbour == 0x5a,
	       "a page that fails is SIGBUS, and its neighbour is not: %d, %d", poisoned, neighbour);
	try_poison_guest();
	/* v7.3's mapping remembers the failure, v6.12's does not */
	still = byte_at(s.page);
	madvise(s.mem + s.page, s.page, MADV_DONTNEED);
	hole = byte_at(s.page);
	result((still == -RAISED_SIGBUS || still == 0) && hole == 0,
	       "a hole in its place reads zero after MADV_DONTNEED, and before is that or SIGBUS: %d, %d", still, hole);
	close_vm();
}

/* --- memory cgroups ------------------------------------------------------ */

#define CGROUP "/tmp/cgroup"

static void set_up_cgroup(void)
{
	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		die("cgroup2");
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP "/vmm", 0755))
		die(CGROUP "/vmm");
	write_file(CGROUP "/vmm/memory.max", "16777216");
}

/* A VMM with more guest memory than its cgroup may have; it does not come back. */
enum greed { TOUCH, TOUCH_WITH_GUEST, ALLOCATE };

__attribute__((noreturn)) static void be_greedy(enum greed how)
{
	size_t offset;

	write_file(CGROUP "/vmm/cgroup.procs", "0");
	signal(SIGBUS, SIG_DFL);
	s.size = 64 * MIB;
	open_vm();
	if (op_create() || op_mmap())
		die("VMM");
	if (how == TOUCH_WITH_GUEST)
		start_guest();
	/* the out-of-memory killer comes here, too, before ENOMEM */
	if (how == ALLOCATE)
		_exit(op_fallocate());
	/* the first page is the guest's code */
	for (offset = s.page; offset < s.size; offset += s.page)
		s.mem[offset] = 1;
	_exit(0);
}

static void try_cgroup(enum greed how)
{
	static const char *const names[] = {
		[TOUCH] = "a VMM that touches too much",
		[TOUCH_WITH_GUEST] = "a VMM whose guest runs",
		[ALLOCATE] = "a VMM that allocates too much",
	};
	const char *what = names[how];
	int vms = count_vms(), status = 0, tries;
	unsigned long current = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		be_greedy(how);
	waitpid(child, &status, 0);
	result(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "%s is killed at its cgroup's limit: %s", what,
	       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended");
	for (tries = 0; tries < 100; tries++) {
		current = read_number(CGROUP "/vmm/memory.current");
		if (current < MIB)
			break;
		usleep(50000);
	}
	result(current < MIB && vms_are(vms), "%s: its VM is gone, and %lu KiB are still charged",
	       what, current / 1024);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	s.page = (size_t)sysconf(_SC_PAGESIZE);
	s.size = PAGES * s.page;
	s.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (s.kvm < 0)
		die("/dev/kvm");
	sigaction(SIGBUS, &action, NULL);
	set_up_injection();
	set_up_cgroup();
	try_operations();
	try_limits();
	try_signal();
	try_poison();
	try_cgroup(TOUCH);
	try_cgroup(ALLOCATE);
#ifdef __x86_64__
	try_cgroup(TOUCH_WITH_GUEST);
#endif
	printf("1..%u\n", number);
	return failed;
}
