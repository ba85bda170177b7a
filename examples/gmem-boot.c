// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT
/*
 * gmem-boot: boot Linux in a VM whose whole RAM is one guest_memfd mapping.  An
 * example for VMM authors; what concerns guest_memfd is the section "RAM".
 *
 * The rest is the smallest PC on which an x86-64 Linux reaches user space: one vCPU,
 * KVM's interrupt controllers and timer, a 16550 UART that only transmits, and a
 * keyboard controller that only resets.  No input, no disk, no PCI, no ACPI.
 *
 * Where constants come from: boot.rst and api.rst, i.e. Documentation/arch/x86 and
 * Documentation/virt/kvm of the kernel; the Intel 64 and IA-32 Software Developer's
 * Manual (SDM); the PC16550D data sheet, with the names of linux/serial_reg.h.
 */
#define _GNU_SOURCE		/* memfd_create() */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asm/bootparam.h>
#include <asm/processor-flags.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>

#include "gmem_flags.h"

/* What they mean is in usage(). */
enum exit_code { EXIT_RESTARTED, EXIT_CRASHED, EXIT_USAGE, EXIT_NO_KVM, EXIT_IMAGE, EXIT_HOST };

#define MIB			(1024 * 1024ULL)
#define PAGE			4096U

/*
 * Guest physical addresses.  What the kernel is started with lies in a PC's
 * conventional memory, the kernel where its header wants it, the initramfs at the
 * end of RAM, which may be as large as initrd_addr_max of a 64-bit kernel (boot.rst).
 */
#define WARM_BOOT_GPA		0x472U		/* BIOS data area, word 40:72 */
#define GDT_GPA			0x1000U
#define BOOT_PARAMS_GPA		0x2000U
#define PML4_GPA		0x3000U
#define PDPT_GPA		0x4000U
#define PD_GPA			0x5000U		/* a page for each of 4 GiB */
#define CMDLINE_GPA		0x10000U
#define EBDA_GPA		0x9fc00U	/* where conventional memory ends */
#define HIGH_RAM_GPA		0x100000U
#define TSS_GPA			0xfffbd000UL	/* api.rst: 3 pages that are not RAM */
#define MAX_MEM_MIB		2048U

/* reboot=: see report().  tsc_early_khz=: measuring the TSC fails on a busy host. */
#define CMDLINE			"console=ttyS0 panic=-1 reboot=kbd,warm,panic_cold tsc_early_khz="

struct options {
	const char *kernel;
	const char *initramfs;		/* or NULL */
	const char *append;
	uint64_t mem;			/* bytes */
	bool memfd;
};

/* What is loaded into RAM: (a part of) a file, which is mapped. */
struct image {
	const uint8_t *data;
	uint64_t size, gpa;
};

/* The guest's RAM: one file, one mapping of it, one memslot. */
struct ram {
	int fd;
	bool gmem;			/* fd is of guest_memfd, not of memfd */
	uint64_t size;
	uint8_t *host;			/* the mapping */
};

struct uart {
	uint8_t reg[8];			/* as written; IER, LCR, ... */
	bool thr_empty;			/* "transmitter empty" is not acknowledged yet */
	bool irq;			/* level of the interrupt line */
};

struct vmm {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	struct ram ram;
	struct uart uart;
};

/* For ioctls that work wherever KVM does; KVM_CREATE_VM says EINTR if a signal is pending. */
static int do_ioctl(int fd, unsigned long request, const char *name, void *arg)
{
	int r = ioctl(fd, request, arg);

	if (r < 0 && errno == EINTR)
		return do_ioctl(fd, request, name, arg);
	if (r < 0)
		err(EXIT_HOST, "%s", name);
	return r;
}
#define IOCTL(fd, request, arg) do_ioctl(fd, request, #request, arg)

/* --- kernel and initramfs ------------------------------------------------- */

static struct image open_image(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image image = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(EXIT_IMAGE, "%s", path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		errx(EXIT_IMAGE, "%s: not a file, or empty", path);
	image.size = (uint64_t)st.st_size;
	image.data = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image.data == MAP_FAILED)
		err(EXIT_IMAGE, "%s", path);
	close(fd);
	return image;
}

/* boot.rst, "The Real-Mode Kernel Header" and "64-bit Boot Protocol". */
static struct image open_kernel(const char *path, struct setup_header *hdr)
{
	const uint64_t hdr_offset = offsetof(struct boot_params, hdr);
	struct image kernel = open_image(path);
	uint64_t setup_size;

	if (kernel.size < hdr_offset + sizeof(*hdr))
		errx(EXIT_IMAGE, "%s: not a bzImage", path);
	memcpy(hdr, kernel.data + hdr_offset, sizeof(*hdr));
	setup_size = (hdr->setup_sects ? hdr->setup_sects + 1U : 5U) * 512ULL;
	if (memcmp(&hdr->header, "HdrS", 4) != 0 || kernel.size <= setup_size)
		errx(EXIT_IMAGE, "%s: not a bzImage", path);
	if (hdr->version < 0x20c || !(hdr->xloadflags & XLF_KERNEL_64) ||
	    hdr->pref_address < HIGH_RAM_GPA || hdr->pref_address > MAX_MEM_MIB * MIB)
		errx(EXIT_IMAGE, "%s: no 64-bit kernel that is loaded between 1 MiB and %u MiB",
		     path, MAX_MEM_MIB);

	kernel.data += setup_size;
	kernel.size -= setup_size;
	kernel.gpa = hdr->pref_address;
	return kernel;
}

/* Not where the kernel unpacks itself, which takes init_size bytes. */
static void place_initramfs(struct image *initramfs, const struct image *kernel,
			    uint64_t init_size, uint64_t mem)
{
	uint64_t room = kernel->size > init_size ? kernel->size : init_size;
	uint64_t end = kernel->gpa + room + initramfs->size + PAGE;

	if (end > mem)
		errx(EXIT_IMAGE, "%llu MiB of RAM are too little: kernel and initramfs take %llu",
		     mem / MIB, (end + MIB - 1) / MIB);
	initramfs->gpa = (mem - initramfs->size) / PAGE * PAGE;
}

/* --- RAM ------------------------------------------------------------------ */

/* MMAP, so that the VMM can load a kernel into RAM; INIT_SHARED, so that it may. */
#define RAM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/*
 * Probe the VM: /dev/kvm would also report what only some other type of VM has.
 * Kernels that know no flags report none, so there is nothing else to look at.
 */
static bool has_ram_flags(int vm)
{
	char names[GMEM_FLAGS_TEXT_SIZE];
	__u64 mask;
	int error = gmem_query_flags(vm, &mask);

	if (error)
		errx(EXIT_HOST, "flags of guest_memfd: %s", strerror(-error));
	if (!(RAM_FLAGS & ~mask))
		return true;
	gmem_format_flags(RAM_FLAGS & ~mask, names, sizeof(names));
	warnx("RAM comes from memfd, for guest_memfd has no %s here", names);
	return false;
}

/* The VM has the flags, so what fails now is to be reported, not to be avoided. */
static int create_gmem(int vm, uint64_t size)
{
	char text[GMEM_FAILURE_TEXT_SIZE];
	struct gmem_failure why;
	int fd = gmem_create(vm, size, RAM_FLAGS);

	if (fd >= 0)
		return fd;
	gmem_explain(vm, size, RAM_FLAGS, fd, &why);
	gmem_format_failure(&why, text, sizeof(text));
	errx(EXIT_HOST, "KVM_CREATE_GUEST_MEMFD: %s: %s", strerror(-fd), text);
}

static int create_memfd(uint64_t size)
{
	int fd = memfd_create("gmem-boot", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		err(EXIT_HOST, "memfd");
	return fd;
}

/* What a mapping is of, by the kernel's own word. */
static void say_mapping(const void *host)
{
	char line[512], start[32];
	FILE *maps = fopen("/proc/self/maps", "re");

	snprintf(start, sizeof(start), "%08lx-", (unsigned long)host);
	while (maps && fgets(line, sizeof(line), maps))
		if (!strncmp(line, start, strlen(start)))
			warnx("RAM is %.*s", (int)strcspn(line, "\n"), line);
	if (maps)
		fclose(maps);
}

/*
 * The guest gets its pages from the file.  userspace_addr must be the mapping of just
 * that file all the same: KVM's own accesses (kvmclock, instruction emulation) use it.
 * The flags KVM_MEM_LOG_DIRTY_PAGES and KVM_MEM_READONLY are refused with guest_memfd.
 */
static void bind_ram(int vm, const struct ram *ram)
{
	struct kvm_userspace_memory_region2 slot = {
		.memory_size = ram->size,
		.userspace_addr = (uintptr_t)ram->host,
	};

	if (!ram->gmem) {
		/* the ioctl of hosts before 6.8, whose struct is the beginning of this one */
		IOCTL(vm, KVM_SET_USER_MEMORY_REGION, &slot);
		return;
	}
	slot.flags = KVM_MEM_GUEST_MEMFD;
	slot.guest_memfd = (__u32)ram->fd;
	IOCTL(vm, KVM_SET_USER_MEMORY_REGION2, &slot);
}

/* Create or fall back, map, bind. */
static struct ram create_ram(int vm, uint64_t size, bool memfd)
{
	struct ram ram = { .size = size, .gmem = !memfd && has_ram_flags(vm) };

	ram.fd = ram.gmem ? create_gmem(vm, size) : create_memfd(size);
	/* guest_memfd can be mapped with MAP_SHARED only, and never with PROT_EXEC */
	ram.host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ram.fd, 0);
	if (ram.host == MAP_FAILED)
		err(EXIT_HOST, "mmap of RAM");
	say_mapping(ram.host);
	bind_ram(vm, &ram);
	return ram;
}

/* boot.rst: the header of the image; all else is zero, but what is known here. */
static void write_boot_params(const struct vmm *vmm, const struct setup_header *hdr,
			      const struct image *initramfs, const char *append)
{
	struct boot_params *params = (void *)(vmm->ram.host + BOOT_PARAMS_GPA);
	char *cmdline = (char *)vmm->ram.host + CMDLINE_GPA;
	int len = snprintf(cmdline, EBDA_GPA - CMDLINE_GPA, CMDLINE "%d %s",
			   IOCTL(vmm->vcpu, KVM_GET_TSC_KHZ, NULL), append);

	if (len >= (int)(EBDA_GPA - CMDLINE_GPA) || (uint32_t)len > hdr->cmdline_size)
		errx(EXIT_USAGE, "--append: too long for this kernel");

	params->hdr = *hdr;
	params->hdr.type_of_loader = 0xff;	/* one without a number */
	params->hdr.cmd_line_ptr = CMDLINE_GPA;
	params->hdr.ramdisk_image = (__u32)initramfs->gpa;
	params->hdr.ramdisk_size = (__u32)initramfs->size;
	params->e820_table[0] = (struct boot_e820_entry){ 0, EBDA_GPA, 1 };	/* 1: RAM */
	params->e820_table[1] =
		(struct boot_e820_entry){ HIGH_RAM_GPA, vmm->ram.size - HIGH_RAM_GPA, 1 };
	params->e820_entries = 2;
}

/*
 * SDM: a flat descriptor of 64-bit code at 0x10, of data at 0x18, as boot.rst wants
 * them; 4 GiB mapped onto themselves, in pages of 2 MiB (bit 7) that are present and
 * writable (bits 0 and 1).
 */
static void write_cpu_tables(struct ram *ram)
{
	uint64_t *ram64 = (void *)ram->host;
	unsigned int i;

	ram64[(GDT_GPA + 0x10) / 8] = 0x00af9b000000ffff;
	ram64[(GDT_GPA + 0x18) / 8] = 0x00cf93000000ffff;
	ram64[PML4_GPA / 8] = PDPT_GPA | 0x3;
	for (i = 0; i < 4; i++)
		ram64[PDPT_GPA / 8 + i] = (PD_GPA + i * PAGE) | 0x3;
	for (i = 0; i < 4 * 512; i++)
		ram64[PD_GPA / 8 + i] = 2 * MIB * i | 0x83;
}

/* --- vCPU ----------------------------------------------------------------- */

/*
 * What KVM supports, but for the APIC ID (0x1, 0xb, 0x1f, 0x8000001e), which is that of
 * the CPU that answered, and XSAVE (0x1, 0xd): nested in QEMU's TCG, its numbers do not
 * fit together and Linux panics.
 */
static void set_cpuid(int kvm, int vcpu)
{
	const __u32 xsave = 1U << 26, osxsave = 1U << 27, avx = 1U << 28;
	const __u32 max = 256;		/* more than KVM has */
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
	struct kvm_cpuid_entry2 *entry;

	if (!cpuid)
		err(EXIT_HOST, "CPUID");
	cpuid->nent = max;
	IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (entry = cpuid->entries; entry < cpuid->entries + cpuid->nent; entry++) {
		switch (entry->function) {
		case 0x1:
			entry->ecx &= ~(xsave | osxsave | avx);
			entry->ebx &= 0xffff;
			break;
		case 0xb:
		case 0x1f:
			entry->edx = 0;
			break;
		case 0xd:
			entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
			break;
		case 0x8000001e:
			entry->eax = 0;
		}
	}
	IOCTL(vcpu, KVM_SET_CPUID2, cpuid);
	free(cpuid);
}

/* boot.rst, "64-bit Boot Protocol"; EFER's bits and the types are in the SDM. */
static void set_registers(int vcpu, uint64_t kernel_gpa)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x10, .type = 0xb,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x18, .type = 0x3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = kernel_gpa + 0x200, .rsi = BOOT_PARAMS_GPA, .rflags = X86_EFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	IOCTL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 |= X86_CR4_PAE;
	sregs.cr0 |= X86_CR0_PE | X86_CR0_PG;
	sregs.efer |= 1U << 8 | 1U << 10;	/* LME, LMA */
	IOCTL(vcpu, KVM_SET_SREGS, &sregs);
	IOCTL(vcpu, KVM_SET_REGS, &regs);
}

static void create_vcpu(struct vmm *vmm)
{
	/* the timer that Linux takes where no table tells of an I/O APIC; and port 0x61 */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int size = IOCTL(vmm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

	IOCTL(vmm->vm, KVM_SET_TSS_ADDR, (void *)TSS_GPA);
	IOCTL(vmm->vm, KVM_CREATE_IRQCHIP, NULL);
	IOCTL(vmm->vm, KVM_CREATE_PIT2, &pit);
	vmm->vcpu = IOCTL(vmm->vm, KVM_CREATE_VCPU, NULL);
	vmm->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->vcpu, 0);
	if (vmm->run == MAP_FAILED)
		err(EXIT_HOST, "mmap of the vCPU");
	set_cpuid(vmm->kvm, vmm->vcpu);
}

/* --- devices -------------------------------------------------------------- */

#define COM1			0x3f8	/* and the 7 ports after it */
#define COM1_IRQ		4
#define I8042_COMMAND		0x64
#define I8042_RESET		0xfe

static void uart_update_irq(struct vmm *vmm)
{
	struct uart *uart = &vmm->uart;
	bool irq = uart->thr_empty && uart->reg[UART_IER] & UART_IER_THRI;
	struct kvm_irq_level line = { .irq = COM1_IRQ, .level = irq };

	if (irq != uart->irq)
		IOCTL(vmm->vm, KVM_IRQ_LINE, &line);
	uart->irq = irq;
}

static void uart_write(struct vmm *vmm, int reg, uint8_t value)
{
	struct uart *uart = &vmm->uart;

	/* The divisor hides these two; there is no line that it would slow down. */
	if (reg <= UART_IER && uart->reg[UART_LCR] & UART_LCR_DLAB)
		return;
	uart->reg[reg] = value;
	if (reg == UART_TX)
		putchar(value);
	/* Sent at once; and enabled while it is empty, the interrupt comes at once. */
	if (reg == UART_TX || reg == UART_IER)
		uart->thr_empty = true;
	uart_update_irq(vmm);
}

static uint8_t uart_read(struct vmm *vmm, int reg)
{
	struct uart *uart = &vmm->uart;
	uint8_t iir;

	switch (reg) {
	case UART_IER:				/* no more bits than a 16550 has */
		return uart->reg[UART_IER] & 0xf;
	case UART_IIR:
		iir = uart->irq ? UART_IIR_THRI : UART_IIR_NO_INT;
		if (uart->irq)			/* reading it acknowledges */
			uart->thr_empty = false;
		uart_update_irq(vmm);
		return (uart->reg[UART_FCR] & UART_FCR_ENABLE_FIFO) ? iir | 0xc0 : iir;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE;
	default:
		return uart->reg[reg];
	}
}

/* False where the guest resets the machine. */
static bool handle_io(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint16_t port = run->io.port;
	uint32_t i;

	/*
	 * All registers here have 8 bits; a wider access reaches the first.  Ports without
	 * a device read as 0: with all ones, keyboard controller and clock would seem busy.
	 */
	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			memset(data, 0, run->io.size);
			if ((port & ~7) == COM1)
				*data = uart_read(vmm, port & 7);
		} else if ((port & ~7) == COM1) {
			uart_write(vmm, port & 7, *data);
		} else if (port == I8042_COMMAND && *data == I8042_RESET) {
			return false;
		}
	}
	return true;
}

/* Until the guest resets the machine, or the CPU gives up (a triple fault). */
static void run_vcpu(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;

	for (;;) {
		if (ioctl(vmm->vcpu, KVM_RUN, NULL)) {
			if (errno != EINTR)
				err(EXIT_HOST, "KVM_RUN");
			continue;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (!handle_io(vmm))
				return;
			break;
		case KVM_EXIT_MMIO:		/* nothing is there */
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
			break;
		case KVM_EXIT_SHUTDOWN:
			return;
		default:
			errx(EXIT_HOST, "KVM_RUN: exit reason %u", run->exit_reason);
		}
	}
}

/*
 * Linux resets the machine for a restart and for a panic alike, but first tells the
 * BIOS which kind of boot is next: with "reboot=warm,panic_cold", 0x1234 after a
 * restart only.  The VMM reads it from the same mapping that it loaded the kernel to.
 */
static enum exit_code report(const struct ram *ram)
{
	uint16_t mode;

	memcpy(&mode, ram->host + WARM_BOOT_GPA, sizeof(mode));
	if (fflush(stdout) || ferror(stdout))
		err(EXIT_HOST, "stdout");
	warnx("the guest %s", mode == 0x1234 ? "restarted" : "crashed");
	return mode == 0x1234 ? EXIT_RESTARTED : EXIT_CRASHED;
}

/* --- command line --------------------------------------------------------- */

static void usage(FILE *out, enum exit_code code)
{
	fprintf(out,
		"usage: gmem-boot [--mem MIB] [--append WORDS] [--memfd] BZIMAGE [INITRAMFS]\n"
		"Boot Linux in a VM whose RAM is guest_memfd; its console is stdout.\n"
		"  --mem MIB       size of RAM, 1 to %u; 256 without this option\n"
		"  --append WORDS  more kernel command line, after\n"
		"                  " CMDLINE "N\n"
		"  --memfd         RAM from memfd, as where guest_memfd lacks the flags\n"
		"Exit code: 0 the guest restarted (reboot -f), 1 it crashed, 2 wrong usage,\n"
		"3 no access to /dev/kvm, 4 BZIMAGE or INITRAMFS cannot be used or RAM is too\n"
		"small for them, 5 the host refused something.\n", MAX_MEM_MIB);
	exit((int)code);
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "mem", required_argument, NULL, 'm' },
		{ "append", required_argument, NULL, 'a' },
		{ "memfd", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .append = "" };
	const char *mem = "256";
	unsigned long mib;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'm')
			mem = optarg;
		else if (c == 'a')
			options.append = optarg;
		else if (c == 'f')
			options.memfd = true;
		else
			usage(c == 'h' ? stdout : stderr, c == 'h' ? EXIT_RESTARTED : EXIT_USAGE);
	}
	if (argc - optind != 1 && argc - optind != 2)
		usage(stderr, EXIT_USAGE);
	mib = strtoul(mem, &end, 10);
	if (strchr(mem, '-') || *end || !mib || mib > MAX_MEM_MIB)
		errx(EXIT_USAGE, "--mem %s: not a number from 1 to %u", mem, MAX_MEM_MIB);
	options.mem = mib * MIB;
	options.kernel = argv[optind];
	options.initramfs = argv[optind + 1];	/* argv ends with NULL */
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct image kernel, initramfs = { 0 };
	struct setup_header hdr;
	struct vmm vmm = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	kernel = open_kernel(options.kernel, &hdr);
	if (options.initramfs)
		initramfs = open_image(options.initramfs);
	place_initramfs(&initramfs, &kernel, hdr.init_size, options.mem);

	vmm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm.kvm < 0)
		err(EXIT_NO_KVM, "/dev/kvm");
	if (ioctl(vmm.kvm, KVM_GET_API_VERSION, NULL) != KVM_API_VERSION)
		errx(EXIT_NO_KVM, "/dev/kvm is not KVM");
	vmm.vm = IOCTL(vmm.kvm, KVM_CREATE_VM, NULL);	/* the default VM type */
	vmm.ram = create_ram(vmm.vm, options.mem, options.memfd);

	create_vcpu(&vmm);
	set_registers(vmm.vcpu, kernel.gpa);
	memcpy(vmm.ram.host + kernel.gpa, kernel.data, kernel.size);
	if (options.initramfs)
		memcpy(vmm.ram.host + initramfs.gpa, initramfs.data, initramfs.size);
	write_boot_params(&vmm, &hdr, &initramfs, options.append);
	write_cpu_tables(&vmm.ram);
	run_vcpu(&vmm);
	return (int)report(&vmm.ram);	/* the kernel frees what is still open or mapped */
}
