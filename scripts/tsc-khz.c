// SPDX-License-Identifier: GPL-2.0-only
/*
 * tsc-khz: print the rate of this machine's time-stamp counter in kHz, measured
 * over 100 ms. QEMU's TCG hands this counter to the guest, and a guest that has to
 * measure it by itself fails to on a busy machine. Prints nothing where there is
 * no such counter; the guest then calibrates after all.
 */
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	double start_ms = now_ms();
	unsigned long long start = __rdtsc();

	nanosleep(&pause, NULL);
	printf("%.0f\n", (double)(__rdtsc() - start) / (now_ms() - start_ms));
	return 0;
}
#else
int main(void)
{
	return 0;
}
#endif
