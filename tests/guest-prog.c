// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of "make exec" run in the guest: each argument is a word for
 * something that a user's program may do.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static void copy_file(const char *path)
{
	char buf[4096];
	size_t n;
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		exit(1);
	}
	while ((n = fread(buf, 1, sizeof(buf), f)))
		fwrite(buf, 1, n, stdout);
	fclose(f);
}

/* A line on the kernel's console, as if the kernel had printed it. */
static void to_kernel_log(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		perror("/dev/kmsg");
	close(fd);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 2)
		return 2;

	if (!strcmp(argv[1], "exit") && argc > 2)
		return atoi(argv[2]);
	if (!strcmp(argv[1], "crash"))
		abort();
	if (!strcmp(argv[1], "loop")) {
		puts("looping");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (!strcmp(argv[1], "args"))
		for (i = 2; i < argc; i++)
			printf("<%s>\n", argv[i]);
	if (!strcmp(argv[1], "cat") && argc > 2)
		copy_file(argv[2]);
	if (!strcmp(argv[1], "stderr"))
		fputs("to stderr\n", stderr);
	if (!strcmp(argv[1], "splat"))
		to_kernel_log("WARNING: planted by a test\n");
	if (!strcmp(argv[1], "reboot")) {
		reboot(RB_AUTOBOOT);
		perror("reboot");
		return 1;
	}
	return 0;
}
