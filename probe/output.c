// SPDX-License-Identifier: GPL-2.0-only
/* The findings as tables for people, and as one JSON object for programs. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/utsname.h>

#include "gmem-probe.h"

#define GREEN	"\033[32m"
#define RED	"\033[31m"
#define PLAIN	"\033[0m"

/* Narrower than that, words are broken nowhere, and lines get longer. */
#define MIN_TEXT_WIDTH 12

/**
 * step_name - name of a step, as column, in JSON and in messages
 * @step: the step
 *
 * Return: the name.
 */
const char *step_name(enum step step)
{
	static const char *const names[NR_STEPS] = {
		"create", "mmap", "write", "bind", "guest",
	};

	return names[step];
}

static __u32 low_word(__u64 mask)
{
	return (__u32)mask;
}

static __u32 high_word(__u64 mask)
{
	return (__u32)(mask >> 32);
}

/* --- for people ---------------------------------------------------------- */

/* Columns of the terminal; 0, i.e. no limit, if the output goes elsewhere. */
static size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

/* https://no-color.org: any value but the empty one turns colour off. */
static bool use_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no_colour && *no_colour)
		return false;
	return isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb") != 0);
}

/*
 * Print the words of @text, @column being where the cursor is, and go on in the
 * same column of the next line where the terminal ends.
 */
static void print_wrapped(const char *text, size_t column)
{
	size_t width = terminal_width();
	size_t at = column;

	if (width && width < column + MIN_TEXT_WIDTH)
		width = 0;
	while (*text) {
		size_t word = strcspn(text, " ");

		if (at > column && width && at + 1 + word > width) {
			printf("\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			printf(" ");
			at++;
		}
		printf("%.*s", (int)word, text);
		at += word;
		text += word;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void print_flags(__u64 mask, size_t column)
{
	char names[GMEM_FLAGS_TEXT_SIZE];

	gmem_format_flags(mask, names, sizeof(names));
	print_wrapped(names, column);
}

static int print_mask_row(const struct scope *scope)
{
	return printf("%-16s  0x%08x  0x%08x  0x%016llx  ", scope->name,
		      low_word(scope->mask), high_word(scope->mask),
		      (unsigned long long)scope->mask);
}

/* Are there flags in a high word, and no trials that would confirm them? */
static bool has_untried_high(const struct findings *findings)
{
	bool tried = false, high = false;
	unsigned int i;

	for (i = 0; i < findings->nr_scopes; i++) {
		tried = tried || findings->scopes[i].nr_rows;
		high = high || high_word(findings->scopes[i].mask);
	}
	return high && !tried;
}

/**
 * print_masks - a row for /dev/kvm and for each VM type: both words, mask, names
 * @findings: what to print; scopes that could not be asked are left out
 */
void print_masks(const struct findings *findings)
{
	const char *remark = NULL;
	unsigned int i;

	printf("%-16s  %-10s  %-10s  %-18s  %s\n", "scope", "FLAGS", "FLAGS_HI",
	       "mask", "flags");
	for (i = 0; i < findings->nr_scopes; i++) {
		const struct scope *scope = &findings->scopes[i];

		if (!scope->failed && !scope->mte)
			print_flags(scope->mask, (size_t)print_mask_row(scope));
	}
	if (!GMEM_FLAGS_HI_VOUCHED)
		remark = "this program's kernel header does not define it";
	else if (has_untried_high(findings))
		remark = "nothing was tried";
	if (remark) {
		char text[160];

		snprintf(text, sizeof(text), "(FLAGS_HI: %s; the column is the answer to capability %d)",
			 remark, KVM_CAP_GUEST_MEMFD_FLAGS_HI);
		print_wrapped(text, 0);
	}
}

static void print_capabilities(const struct findings *findings)
{
	unsigned int i;

	printf("\n%-16s  %-11s  %-12s  %s\n", "capabilities", "GUEST_MEMFD",
	       "USER_MEMORY2", "MEMORY_ATTRIBUTES");
	for (i = 0; i < findings->nr_scopes; i++) {
		const struct scope *scope = &findings->scopes[i];

		if (!scope->failed)
			printf("%-16s  %-11d  %-12d  0x%x\n", scope->name, scope->guest_memfd,
			       scope->user_memory2, (unsigned int)scope->memory_attributes);
	}
}

static const char *cell_text(const struct cell *cell)
{
	if (cell->result == YES)
		return "yes";
	if (cell->result == UNTRIED)
		return "-";
	return cell->code[0] ? cell->code : "no";
}

static const char *cell_colour(const struct cell *cell)
{
	if (cell->result == UNTRIED || !use_colour())
		return "";
	return cell->result == YES ? GREEN : RED;
}

/* Returns the columns that it takes. */
static int print_cell(const struct cell *cell)
{
	const char *colour = cell_colour(cell);
	int columns;

	printf("%s", colour);
	columns = printf("%-6s", cell_text(cell));
	printf("%s", *colour ? PLAIN : "");
	return columns + printf("  ");
}

static void print_row(const struct scope *scope, const struct row *row)
{
	const struct cell usable = { .result = is_usable(row) ? YES : NO };
	int column = printf("%-13s  ", scope->name);
	int step;

	for (step = 0; step < NR_STEPS; step++)
		column += print_cell(&row->cell[step]);
	column += print_cell(&usable);
	print_flags(row->flags, (size_t)column);
}

static void print_matrix(const struct findings *findings)
{
	unsigned int i, j;
	int step;

	printf("\n%-13s  ", "VM type");
	for (step = 0; step < NR_STEPS; step++)
		printf("%-6s  ", step_name((enum step)step));
	printf("usable  flags\n");
	for (i = 0; i < findings->nr_scopes; i++)
		for (j = 0; j < findings->scopes[i].nr_rows; j++)
			print_row(&findings->scopes[i], &findings->scopes[i].rows[j]);
}

static bool says_the_same(const struct cell *a, const struct cell *b)
{
	return !strcmp(cell_text(a), cell_text(b)) && !strcmp(a->reason, b->reason);
}

/* Has a row before row @j of scope @i the same in that column? */
static bool is_repeated(const struct findings *findings, unsigned int i, unsigned int j,
			int step)
{
	const struct cell *cell = &findings->scopes[i].rows[j].cell[step];
	unsigned int k, l;

	for (k = 0; k <= i; k++)
		for (l = 0; l < (k == i ? j : findings->scopes[k].nr_rows); l++)
			if (says_the_same(cell, &findings->scopes[k].rows[l].cell[step]))
				return true;
	return false;
}

/* Why a column does not say yes, each reason once. */
static void print_reasons(const struct findings *findings, int step)
{
	unsigned int i, j;
	int column;

	for (i = 0; i < findings->nr_scopes; i++)
		for (j = 0; j < findings->scopes[i].nr_rows; j++) {
			const struct cell *cell = &findings->scopes[i].rows[j].cell[step];

			if (!cell->reason[0] || is_repeated(findings, i, j, step))
				continue;
			column = printf("%-6s  %-6s  ", step_name((enum step)step), cell_text(cell));
			print_wrapped(cell->reason, (size_t)column);
		}
}

static void print_remark(const struct scope *scope, const char *remark, __u64 flags)
{
	char text[GMEM_FLAGS_TEXT_SIZE + 200];
	int length;

	length = snprintf(text, sizeof(text), "%s: %s: ", scope->name, remark);
	gmem_format_flags(flags, text + length, sizeof(text) - (size_t)length);
	print_wrapped(text, 0);
}

/* What the matrix does not show of a VM's mask. */
static void print_remainder(const struct scope *scope)
{
	char remark[100];

	if (scope->unconfirmed) {
		snprintf(remark, sizeof(remark),
			 "accepted in no combination, capability %d may be something else here",
			 KVM_CAP_GUEST_MEMFD_FLAGS_HI);
		print_remark(scope, remark, scope->unconfirmed);
	}
	if (scope->left_out) {
		snprintf(remark, sizeof(remark), "not tried, there are more than %d flags", MAX_FLAGS);
		print_remark(scope, remark, scope->left_out);
	}
}

/**
 * print_findings - all of it, as tables
 * @findings: what to print
 */
void print_findings(const struct findings *findings)
{
	unsigned int i;
	int step;

	print_masks(findings);
	print_capabilities(findings);
	print_matrix(findings);
	printf("\n");
	for (step = 0; step < NR_STEPS; step++)
		print_reasons(findings, step);
	for (i = 0; i < findings->nr_scopes; i++)
		print_remainder(&findings->scopes[i]);
}

/* --- for programs -------------------------------------------------------- */

static void json_string(const char *text)
{
	printf("\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			printf("%c", c);
	}
	printf("\"");
}

static void json_text_or_null(const char *text)
{
	if (text && *text)
		json_string(text);
	else
		printf("null");
}

/* A string, because a number of 64 bits does not survive every parser. */
static void json_mask(__u64 mask)
{
	printf("\"0x%016llx\"", (unsigned long long)mask);
}

static void json_flags(__u64 mask)
{
	const char *comma = "";
	char name[GMEM_FLAGS_TEXT_SIZE];
	int bit;

	printf("[");
	for (bit = 0; bit < 64; bit++) {
		if (!(mask >> bit & 1))
			continue;
		gmem_format_flags(1ULL << bit, name, sizeof(name));
		printf("%s", comma);
		json_string(name);
		comma = ", ";
	}
	printf("]");
}

static void json_cell(const char *name, const struct cell *cell)
{
	static const char *const results[] = {
		[UNTRIED] = "untried", [YES] = "yes", [NO] = "no",
	};

	printf(", \"%s\": {\"result\": \"%s\", \"code\": ", name, results[cell->result]);
	json_text_or_null(cell->code);
	printf(", \"reason\": ");
	json_text_or_null(cell->reason);
	printf("}");
}

static void json_row(const struct row *row)
{
	int step;

	printf("        {\"mask\": ");
	json_mask(row->flags);
	printf(", \"flags\": ");
	json_flags(row->flags);
	printf(", \"usable\": %s", is_usable(row) ? "true" : "false");
	for (step = 0; step < NR_STEPS; step++)
		json_cell(step_name((enum step)step), &row->cell[step]);
	printf("}");
}

static void json_error(const struct scope *scope)
{
	printf("      \"error\": ");
	if (scope->failed) {
		char code[16];

		errno_name(scope->error, code, sizeof(code));
		printf("{\"call\": ");
		json_string(scope->failed);
		printf(", \"code\": ");
		json_string(code);
		printf("}");
	} else {
		printf("null");
	}
	printf(",\n");
}

static void json_capabilities(const struct scope *scope)
{
	printf("      \"capabilities\": {\"GUEST_MEMFD\": %d, \"USER_MEMORY2\": %d, \"MEMORY_ATTRIBUTES\": %d, ",
	       scope->guest_memfd, scope->user_memory2, scope->memory_attributes);
	printf("\"GUEST_MEMFD_FLAGS\": \"0x%08x\", \"GUEST_MEMFD_FLAGS_HI\": \"0x%08x\"},\n",
	       low_word(scope->mask), high_word(scope->mask));
}

static void json_masks(const struct scope *scope)
{
	printf("      \"mask\": ");
	json_mask(scope->mask);
	printf(",\n      \"flags\": ");
	json_flags(scope->mask);
	printf(",\n      \"unconfirmed\": ");
	json_flags(scope->unconfirmed);
	printf(",\n      \"left_out\": ");
	json_flags(scope->left_out);
	printf(",\n");
}

static void json_scope(const struct scope *scope)
{
	unsigned int i;

	printf("    {\n      \"scope\": ");
	json_string(scope->name);
	if (scope->type < 0)
		printf(",\n      \"vm_type\": null,\n");
	else
		printf(",\n      \"vm_type\": %d,\n", scope->type);
	printf("      \"mte\": %s,\n", scope->mte ? "true" : "false");
	json_error(scope);
	json_capabilities(scope);
	json_masks(scope);
	printf("      \"combinations\": [");
	for (i = 0; i < scope->nr_rows; i++) {
		printf("%s\n", i ? "," : "");
		json_row(&scope->rows[i]);
	}
	printf("%s]\n    }", scope->nr_rows ? "\n      " : "");
}

static void json_required(const struct requirement *required)
{
	char name[24];

	printf("  \"required\": ");
	if (!required) {
		printf("null\n");
		return;
	}
	vm_type_name(required->type, name, sizeof(name));
	printf("{\"scope\": ");
	json_string(name);
	printf(", \"vm_type\": %d, \"mask\": ", required->type);
	json_mask(required->flags);
	printf(", \"flags\": ");
	json_flags(required->flags);
	printf(", \"usable\": %s, \"reason\": ", required->usable ? "true" : "false");
	json_text_or_null(required->reason);
	printf("}\n");
}

static void json_kernel(void)
{
	struct utsname kernel;

	printf("  \"kernel\": ");
	if (uname(&kernel)) {
		printf("null,\n");
		return;
	}
	printf("{\"release\": ");
	json_string(kernel.release);
	printf(", \"machine\": ");
	json_string(kernel.machine);
	printf("},\n");
}

/**
 * print_json - all of it, as one JSON object; see gmem-probe.schema.json
 * @findings: what to print
 * @required: what --require asked for, with the answer; or NULL
 */
void print_json(const struct findings *findings, const struct requirement *required)
{
	unsigned int i;

	printf("{\n  \"schema\": 1,\n");
	printf("  \"version\": \"%s\",\n", GMEM_FLAGS_VERSION);
	json_kernel();
	printf("  \"flags_hi\": {\"capability\": %d, \"vouched\": %s},\n",
	       KVM_CAP_GUEST_MEMFD_FLAGS_HI, GMEM_FLAGS_HI_VOUCHED ? "true" : "false");
	printf("  \"scopes\": [");
	for (i = 0; i < findings->nr_scopes; i++) {
		printf("%s\n", i ? "," : "");
		json_scope(&findings->scopes[i]);
	}
	printf("\n  ],\n");
	json_required(required);
	printf("}\n");
}
