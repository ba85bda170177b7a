/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of gmem-probe share: the findings, and who makes and shows them. */
#ifndef GMEM_PROBE_H
#define GMEM_PROBE_H

#include <stdbool.h>
#include <stdio.h>

#include "gmem_flags.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* All combinations of up to so many flags are tried. */
#define MAX_FLAGS 8

/* What is tried with a file, in this order; each needs some of those before. */
enum step { CREATE, MMAP, WRITE, BIND, GUEST, NR_STEPS };

enum result { UNTRIED, YES, NO };

struct cell {
	enum result result;
	char code[16];		/* name of the errno or signal; empty if there is none */
	char reason[256];	/* of NO and of UNTRIED; may be empty for NO */
};

/* One combination of flags. */
struct row {
	__u64 flags;
	struct cell cell[NR_STEPS];
};

/* /dev/kvm, or one kind of VM. */
struct scope {
	char name[24];
	int type;		/* for KVM_CREATE_VM; -1: /dev/kvm */
	bool mte;		/* arm64: a VM with memory tags */
	const char *failed;	/* the call that failed, with @error; or NULL */
	int error;
	int guest_memfd;	/* KVM_CAP_GUEST_MEMFD and so on */
	int user_memory2;
	int memory_attributes;
	__u64 mask;
	__u64 unconfirmed;	/* bits of the high word that no trial confirmed */
	__u64 left_out;		/* flags beyond MAX_FLAGS, which were not tried */
	struct row *rows;
	unsigned int nr_rows;
};

/* /dev/kvm, 31 VM types, one of them again with memory tags. */
#define MAX_SCOPES 33

struct findings {
	struct scope scopes[MAX_SCOPES];	/* the first is /dev/kvm */
	unsigned int nr_scopes;
};

/* What --require asks for. */
struct requirement {
	__u64 flags;
	int type;
	bool usable;
	char reason[560];
};

/* trial.c */
void errno_name(int error, char *name, size_t size);
void vm_type_name(int type, char *name, size_t size);
int vm_type_number(const char *name);
enum step first_obstacle(const struct row *row);
bool is_usable(const struct row *row);
void probe_host(int kvm, bool trials, struct findings *findings);
void free_findings(struct findings *findings);

/* output.c */
const char *step_name(enum step step);
void print_masks(const struct findings *findings);
void print_findings(const struct findings *findings);
void print_json(const struct findings *findings, const struct requirement *required);

#endif
