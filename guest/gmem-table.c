// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print which KVM_CREATE_GUEST_MEMFD flags the running kernel reports: one row
 * for /dev/kvm and one for each VM type that KVM_CAP_VM_TYPES names.
 *
 * Built against the uAPI headers of the kernel under test.  Every figure comes
 * from KVM_CHECK_EXTENSION on that kernel.
 *
 * Exit status: 0 if every row could be read and no VM has a flag that /dev/kvm
 * lacks; 1 otherwise, with the reason on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

/* The number that the series reserves; a base's header does not define it. */
#ifdef KVM_CAP_GUEST_MEMFD_FLAGS_HI
#define CAP_FLAGS_HI KVM_CAP_GUEST_MEMFD_FLAGS_HI
#else
#define CAP_FLAGS_HI 252
#define HEADER_LACKS_FLAGS_HI
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Flag names by bit number.  A flag that is not listed prints as its bit, for
 * example "bit40", so the table cannot hide one.
 */
static const char *const flag_names[64] = {
	[0] = "MMAP",
	[1] = "INIT_SHARED",
};

/* Names of the x86 VM types, by number: arch/x86/include/uapi/asm/kvm.h. */
static const char *const vm_type_names[] = {
	"default", "sw-protected", "sev", "sev-es", "snp", "tdx",
};

/**
 * read_word - one 32-bit word of the flags mask
 * @fd: /dev/kvm or a VM
 * @cap: number of the capability that reports the word
 * @word: where the word goes
 *
 * Return: true if the kernel answered; false if it answered with an errno.
 */
static bool read_word(int fd, unsigned long cap, uint32_t *word)
{
	int r = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	if (r < 0)
		return false;
	*word = r;
	return true;
}

static void print_names(uint64_t mask)
{
	const char *space = "";
	int bit;

	for (bit = 0; bit < 64; bit++) {
		if (!(mask >> bit & 1))
			continue;
		if (flag_names[bit])
			printf("%s%s", space, flag_names[bit]);
		else
			printf("%sbit%d", space, bit);
		space = " ";
	}
	if (!mask)
		printf("-");
}

/**
 * print_row - one scope of the table
 * @scope: name of the scope, for the first column
 * @fd: /dev/kvm or a VM
 * @mask: where the composed 64-bit mask goes
 *
 * Return: true if both words could be read.
 */
static bool print_row(const char *scope, int fd, uint64_t *mask)
{
	uint32_t lo, hi;

	if (!read_word(fd, KVM_CAP_GUEST_MEMFD_FLAGS, &lo) ||
	    !read_word(fd, CAP_FLAGS_HI, &hi)) {
		fprintf(stderr, "%s: KVM_CHECK_EXTENSION: %s\n", scope,
			strerror(errno));
		return false;
	}

	*mask = (uint64_t)lo | (uint64_t)hi << 32;
	printf("%-16s  0x%08x  0x%08x  0x%016llx  ", scope, lo, hi,
	       (unsigned long long)*mask);
	print_names(*mask);
	printf("\n");
	return true;
}

/* Row for one VM type; true if it could be read and system mask covers it. */
static bool print_vm_row(int kvm, unsigned int type, uint64_t system)
{
	char number[16];
	const char *scope = number;
	uint64_t mask;
	bool ok;
	int vm;

	if (type < ARRAY_SIZE(vm_type_names))
		scope = vm_type_names[type];
	else
		snprintf(number, sizeof(number), "type%u", type);

	vm = ioctl(kvm, KVM_CREATE_VM, (unsigned long)type);
	if (vm < 0) {
		fprintf(stderr, "%s: KVM_CREATE_VM: %s\n", scope, strerror(errno));
		return false;
	}

	ok = print_row(scope, vm, &mask);
	if (ok && mask & ~system) {
		fprintf(stderr, "%s: has flags that /dev/kvm does not report\n", scope);
		ok = false;
	}
	close(vm);
	return ok;
}

int main(void)
{
	uint64_t system = 0;
	unsigned int type;
	bool ok;
	int types;
	int kvm;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		perror("/dev/kvm");
		return 1;
	}

	printf("%-16s  %-10s  %-10s  %-18s  %s\n", "scope", "FLAGS",
	       "FLAGS_HI", "mask", "flags");
	ok = print_row("/dev/kvm", kvm, &system);

	/* 0 on architectures that have one type only. */
	types = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	if (types <= 0)
		types = 1;
	for (type = 0; type < 31; type++)
		if (types & 1 << type && !print_vm_row(kvm, type, system))
			ok = false;

#ifdef HEADER_LACKS_FLAGS_HI
	printf("(FLAGS_HI: this kernel's header does not define it; the column is its answer to capability %d)\n",
	       CAP_FLAGS_HI);
#endif
	close(kvm);
	return ok ? 0 : 1;
}
