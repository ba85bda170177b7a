// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-probe: which guest_memfd flags this host has, for which VM type, and what
 * works when it is tried.  gmem-probe(1) documents options and exit codes.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gmem-probe.h"

#define KVM_PATH "/dev/kvm"

enum exit_code { USABLE, NOT_USABLE, USAGE, NO_ACCESS };

struct options {
	bool json;
	bool flags_only;
	bool requires;		/* what @required says */
	struct requirement required;
};

static const char help[] =
	"usage: gmem-probe [--json] [--require FLAG,...[,VM TYPE]]\n"
	"       gmem-probe --flags-only\n"
	"\n"
	"Says which guest_memfd flags this host's KVM has, for /dev/kvm and for each VM\n"
	"type, and tries in throwaway VMs what works with each combination of them.\n"
	"\n"
	"  --json          one JSON object instead of tables\n"
	"  --flags-only    only the first table, without trying anything\n"
	"  --require LIST  is this usable? FLAGs by name (MMAP, INIT_SHARED, or bitN) and\n"
	"                  one VM type (default, sw-protected, ..., typeN), by commas;\n"
	"                  without a VM type, default\n"
	"  --version       the version of this program and of gmem_flags.h\n"
	"  --help          this text\n"
	"\n"
	"Exit codes: 0 usable, 1 not usable, 2 wrong use, 3 no access to /dev/kvm.\n";

__attribute__((format(printf, 1, 2)))
static void complain(const char *format, ...)
{
	va_list args;

	fputs("gmem-probe: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- options ------------------------------------------------------------- */

/* A flag's name, as printed or as in linux/kvm.h, or bitN; 0 if it is none. */
static __u64 parse_flag(const char *word)
{
	static const char prefix[] = "GUEST_MEMFD_FLAG_";
	char name[GMEM_FLAGS_TEXT_SIZE];
	unsigned int bit;

	if (!strncmp(word, prefix, sizeof(prefix) - 1))
		word += sizeof(prefix) - 1;
	for (bit = 0; bit < 64; bit++) {
		gmem_format_flags(1ULL << bit, name, sizeof(name));
		if (!strcmp(word, name))
			return 1ULL << bit;
		snprintf(name, sizeof(name), "bit%u", bit);
		if (!strcmp(word, name))
			return 1ULL << bit;
	}
	return 0;
}

/* One word of --require; false, with a complaint, if it means nothing. */
static bool parse_word(const char *word, struct requirement *required)
{
	__u64 flag = parse_flag(word);
	int type = vm_type_number(word);

	if (!flag && type < 0) {
		complain("--require: '%s' is neither a flag (MMAP, INIT_SHARED, bit0 to bit63) nor a VM type (default, sw-protected, sev, sev-es, snp, tdx, type0 to type30)",
			 word);
		return false;
	}
	if (!flag && required->type >= 0 && required->type != type) {
		complain("--require: '%s' is a second VM type; ask for one at a time", word);
		return false;
	}
	if (flag)
		required->flags |= flag;
	else
		required->type = type;
	return true;
}

static bool parse_requirement(char *list, struct options *options)
{
	char *word;

	if (options->requires) {
		complain("--require is given twice; give one list");
		return false;
	}
	options->requires = true;
	options->required.type = -1;
	while ((word = strsep(&list, ",")))
		if (!parse_word(word, &options->required))
			return false;
	if (options->required.type < 0)
		options->required.type = 0;
	return true;
}

/* The exit code if the program is to end here, else -1. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "flags-only", no_argument, NULL, 'f' },
		{ "require", required_argument, NULL, 'r' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'j':
			options->json = true;
			break;
		case 'f':
			options->flags_only = true;
			break;
		case 'r':
			if (!parse_requirement(optarg, options))
				return USAGE;
			break;
		case 'v':
			printf("gmem-probe %s\n", GMEM_FLAGS_VERSION);
			return USABLE;
		case 'h':
			fputs(help, stdout);
			return USABLE;
		default: /* getopt has said what is wrong */
			complain("'gmem-probe --help' lists the options");
			return USAGE;
		}
	}
	if (optind < argc) {
		complain("'%s' is no option; 'gmem-probe --help' lists them", argv[optind]);
		return USAGE;
	}
	if (options->flags_only && (options->json || options->requires)) {
		complain("--flags-only tries nothing; use it without --json and --require");
		return USAGE;
	}
	return -1;
}

/* --- access -------------------------------------------------------------- */

/*
 * Name of a group, as /etc/group has it; its number if that does not.  Not by
 * getgrgid(), which does not work in a static program.
 */
static void group_name(gid_t gid, char *name, size_t size)
{
	FILE *groups = fopen("/etc/group", "re");
	struct group *group;

	snprintf(name, size, "%u", (unsigned int)gid);
	if (!groups)
		return;
	while ((group = fgetgrent(groups)))
		if (group->gr_gid == gid)
			snprintf(name, size, "%s", group->gr_name);
	fclose(groups);
}

/* Is @gid one of this process's groups? */
static bool in_group(gid_t gid)
{
	gid_t groups[1024];
	int number = getgroups(ARRAY_SIZE(groups), groups);
	int i;

	for (i = 0; i < number; i++)
		if (groups[i] == gid)
			return true;
	return getegid() == gid;
}

/* What the owner or group of a file seems to be that has none in this user namespace. */
#define OVERFLOW_ID 65534

/*
 * Would @kvm's owner, group and mode alone let this process in?  Root may do anything,
 * but in a user namespace only with files whose owner and group exist there.
 */
static bool mode_allows(const struct stat *kvm)
{
	return (geteuid() == 0 && kvm->st_uid != OVERFLOW_ID && kvm->st_gid != OVERFLOW_ID) ||
	       (kvm->st_mode & 06) == 06 ||
	       ((kvm->st_mode & 0600) == 0600 && kvm->st_uid == geteuid()) ||
	       ((kvm->st_mode & 060) == 060 && in_group(kvm->st_gid));
}

static void explain_permission(void)
{
	struct stat kvm;
	char group[64];

	if (stat(KVM_PATH, &kvm)) {
		complain(KVM_PATH ": permission denied, and stat() fails: %s", strerror(errno));
		return;
	}
	if (mode_allows(&kvm)) {
		complain(KVM_PATH ": permission denied, although its mode (%04o) lets this user in: a security module refuses (SELinux, AppArmor), or its file system is mounted nodev; allow this program to use the device",
			 (unsigned int)kvm.st_mode & 07777);
		return;
	}
	group_name(kvm.st_gid, group, sizeof(group));
	/* neither root's nor the overflow group is one to join */
	if (kvm.st_gid == 0 || kvm.st_gid == OVERFLOW_ID)
		complain(KVM_PATH ": permission denied; its group '%s' is not one to join: give it to group kvm (chgrp kvm, chmod 660), or pass it into this container with its group (podman: --group-add keep-groups)",
			 group);
	else if ((kvm.st_mode & 060) == 060)
		complain(KVM_PATH ": permission denied; join its group '%s' (sudo usermod -aG %s USER) and log in again",
			 group, group);
	else
		complain(KVM_PATH ": permission denied, also to its group '%s' (mode %04o); let the group in (chmod 660) or run this as root",
			 group, (unsigned int)kvm.st_mode & 07777);
}

static void explain_open(int error)
{
	switch (error) {
	case ENOENT:
		complain(KVM_PATH " is missing; load KVM's module (on x86 kvm_intel or kvm_amd), turn on virtualization in the firmware, or pass the device into this container");
		break;
	case EACCES:
		explain_permission();
		break;
	case EPERM:
		complain(KVM_PATH ": refused by a device cgroup or a security module; allow this container or program to use the device");
		break;
	case ENXIO:
	case ENODEV:
		complain(KVM_PATH " exists, but no KVM is behind it; load KVM's module (on x86 kvm_intel or kvm_amd) and turn on virtualization in the firmware");
		break;
	default:
		complain(KVM_PATH ": %s", strerror(error));
	}
}

/* /dev/kvm, or -1 with a complaint. */
static int open_kvm(void)
{
	int kvm = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	int version;

	if (kvm < 0) {
		explain_open(errno);
		return -1;
	}
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		complain(KVM_PATH " is not KVM: KVM_GET_API_VERSION returns %d, not %d",
			 version, KVM_API_VERSION);
		close(kvm);
		return -1;
	}
	return kvm;
}

/* --- answers ------------------------------------------------------------- */

/* Those that are no guess: without trials, nothing in the high word is confirmed. */
static __u64 sure_flags(const struct scope *scope)
{
	return scope->nr_rows ? scope->mask & ~scope->unconfirmed : (__u32)scope->mask;
}

/* Complaints about all that could not be asked or contradicts itself. */
static bool is_sound(const struct findings *findings)
{
	const struct scope *system = &findings->scopes[0];
	bool sound = true;
	unsigned int i;

	for (i = 0; i < findings->nr_scopes; i++) {
		const struct scope *scope = &findings->scopes[i];

		if (scope->failed) {
			complain("%s: %s: %s", scope->name, scope->failed, strerror(scope->error));
			sound = false;
		} else if (!system->failed && sure_flags(scope) & ~system->mask) {
			complain("%s: has flags that " KVM_PATH " does not report", scope->name);
			sound = false;
		}
	}
	return sound;
}

static bool is_any_usable(const struct findings *findings)
{
	unsigned int i, j;

	for (i = 0; i < findings->nr_scopes; i++)
		for (j = 0; j < findings->scopes[i].nr_rows; j++)
			if (is_usable(&findings->scopes[i].rows[j]))
				return true;
	return false;
}

static const struct scope *find_scope(const struct findings *findings, int type)
{
	unsigned int i;

	for (i = 0; i < findings->nr_scopes; i++)
		if (findings->scopes[i].type == type && !findings->scopes[i].mte)
			return &findings->scopes[i];
	return NULL;
}

static const struct row *find_row(const struct scope *scope, __u64 flags)
{
	unsigned int i;

	for (i = 0; i < scope->nr_rows; i++)
		if (scope->rows[i].flags == flags)
			return &scope->rows[i];
	return NULL;
}

static void judge_row(const struct row *row, struct requirement *required)
{
	enum step step = first_obstacle(row);

	required->usable = step == NR_STEPS;
	if (!required->usable)
		snprintf(required->reason, sizeof(required->reason), "%s: %s%s%s",
			 step_name(step), row->cell[step].code,
			 row->cell[step].code[0] ? ": " : "", row->cell[step].reason);
}

/* Why there is no combination with the flags that @required asks for. */
static void explain_no_row(const struct scope *scope, struct requirement *required)
{
	struct gmem_failure missing = { .reason = GMEM_UNKNOWN_FLAGS };
	char flags[GMEM_FLAGS_TEXT_SIZE];

	missing.bits = required->flags & ~scope->mask;
	gmem_format_flags(required->flags & scope->unconfirmed, flags, sizeof(flags));
	if (missing.bits)
		gmem_format_failure(&missing, required->reason, sizeof(required->reason));
	else if (required->flags & scope->left_out)
		snprintf(required->reason, sizeof(required->reason),
			 "not tried, because the VM has too many flags");
	else
		snprintf(required->reason, sizeof(required->reason),
			 "create: accepted in no combination, capability %d may be something else here: %s",
			 KVM_CAP_GUEST_MEMFD_FLAGS_HI, flags);
}

static void judge_requirement(const struct findings *findings, struct requirement *required)
{
	const struct scope *scope = find_scope(findings, required->type);
	const struct row *row;

	if (!scope) {
		snprintf(required->reason, sizeof(required->reason),
			 "this host has no such VM type");
		return;
	}
	if (scope->failed) {
		snprintf(required->reason, sizeof(required->reason), "%s: %s", scope->failed,
			 strerror(scope->error));
		return;
	}
	row = find_row(scope, required->flags);
	if (!row && scope->rows && scope->rows[0].cell[CREATE].result != YES)
		row = &scope->rows[0]; /* without flags: not even that works */
	if (row)
		judge_row(row, required);
	else
		explain_no_row(scope, required);
}

static void print_requirement(const struct requirement *required)
{
	char flags[GMEM_FLAGS_TEXT_SIZE];
	char type[24];

	gmem_format_flags(required->flags, flags, sizeof(flags));
	vm_type_name(required->type, type, sizeof(type));
	if (required->usable)
		printf("usable: %s: %s\n", type, flags);
	else
		printf("not usable: %s: %s: %s\n", type, flags, required->reason);
}

static void print_answer(const struct findings *findings, const struct options *options)
{
	if (options->json)
		print_json(findings, options->requires ? &options->required : NULL);
	else if (options->requires)
		print_requirement(&options->required);
	else if (options->flags_only)
		print_masks(findings);
	else
		print_findings(findings);
}

static int answer(const struct findings *findings, struct options *options)
{
	bool sound = is_sound(findings);

	if (options->requires)
		judge_requirement(findings, &options->required);
	print_answer(findings, options);

	if (options->requires)
		return options->required.usable ? USABLE : NOT_USABLE;
	if (options->flags_only)
		return sound ? USABLE : NOT_USABLE;
	return sound && is_any_usable(findings) ? USABLE : NOT_USABLE;
}

/* @code, unless what was printed got lost. */
static int finish(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		return NOT_USABLE;
	}
	return code;
}

/* The trials live by signals; who starts this may have blocked all, and exec() keeps that. */
static void unblock_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct findings findings;
	int code, kvm;

	unblock_signals();
	code = parse_options(argc, argv, &options);
	if (code >= 0)
		return finish(code);
	kvm = open_kvm();
	if (kvm < 0)
		return NO_ACCESS;
	probe_host(kvm, !options.flags_only, &findings);
	close(kvm);
	code = answer(&findings, &options);
	free_findings(&findings);
	return finish(code);
}
