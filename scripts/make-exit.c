// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for GNU make (its "load" directive): $(exit_as_verb FILE) ends make
 * with the exit code that the Makefile's recipe left in FILE.<pid of make>.
 */
#include <gnumake.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

/*
 * Returns, with the empty string, if the code is 0 or if there is none: a
 * second goal on the command line then still gets its turn.
 */
static char *exit_as_verb(const char *name, unsigned int argc, char **argv)
{
	char path[256];
	int code = 0;
	FILE *f;

	(void)name;
	(void)argc;

	snprintf(path, sizeof(path), "%s.%ld", argv[0], (long)getpid());
	f = fopen(path, "r");
	if (!f)
		return NULL;
	if (fscanf(f, "%d", &code) != 1)
		code = 2;
	fclose(f);
	if (code) {
		unlink(path);
		exit(code);
	}
	return NULL;
}

/* Called by make when it has loaded the plugin; not 0 means success. */
int exit_as_verb_setup(const gmk_floc *floc);
int exit_as_verb_setup(const gmk_floc *floc)
{
	(void)floc;
	gmk_add_function("exit_as_verb", exit_as_verb, 1, 1, GMK_FUNC_DEFAULT);
	return 1;
}
