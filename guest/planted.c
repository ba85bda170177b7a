// SPDX-License-Identifier: GPL-2.0-only
/*
 * One fault of each kind that the sanitizer kernels must report, planted on
 * purpose: a sanitizer that misses these proves nothing about guest_memfd.
 * "insmod planted.ko what=NAME" does it once; scripts/planted.sh says which
 * words each must draw from the kernel.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static char *what = "";
module_param(what, charp, 0);

/* Taken in both orders, which deadlocks only if two CPUs meet: lockdep. */
static int plant_inversion(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);

	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
	return 0;
}

/* Dereferences an RCU pointer outside of a read-side critical section. */
static int plant_rcu(void)
{
	static int value;
	static int __rcu *pointer = (int __rcu __force *)&value;

	return *rcu_dereference(pointer);
}

static int plant_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

/*
 * Many, as the allocator's per-CPU arrays still hold pointers to the latest ones,
 * which kmemleak takes for references.
 */
static int plant_leak(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		if (!kmalloc(128, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

static void nothing(struct timer_list *timer)
{
}

/* Frees memory that holds an active timer. */
static int plant_object(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return -ENOMEM;

	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
	return 0;
}

static int plant_list(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	entry.next = &entry;
	list_del(&entry);
	return 0;
}

static int plant_shift(void)
{
	int bits = 33;

	OPTIMIZER_HIDE_VAR(bits);
	return (1 << bits) & 0;
}

/* Reads the byte behind a slab object, where there is only a redzone. */
static int plant_oob(void)
{
	char *object = kmalloc(120, GFP_KERNEL);
	size_t behind = 120;
	int value;

	if (!object)
		return -ENOMEM;

	OPTIMIZER_HIDE_VAR(behind);
	value = READ_ONCE(object[behind]);
	kfree(object);
	return value & 0;
}

static int counter;

static int count(void *unused)
{
	while (!kthread_should_stop()) {
		counter++;
		cond_resched();
	}
	return 0;
}

/* Two threads increment one counter without any protection. */
static int plant_race(void)
{
	struct task_struct *a, *b;

	a = kthread_run(count, NULL, "planted-a");
	b = kthread_run(count, NULL, "planted-b");
	if (IS_ERR(a) || IS_ERR(b))
		return -ENOMEM;

	msleep(2000);
	kthread_stop(a);
	kthread_stop(b);
	return 0;
}

static const struct {
	const char *name;
	int (*plant)(void);
} faults[] = {
	{ "inversion", plant_inversion },
	{ "rcu", plant_rcu },
	{ "sleep", plant_sleep },
	{ "leak", plant_leak },
	{ "object", plant_object },
	{ "list", plant_list },
	{ "shift", plant_shift },
	{ "oob", plant_oob },
	{ "race", plant_race },
};

static int __init planted_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++)
		if (!strcmp(what, faults[i].name))
			return faults[i].plant();
	return -EINVAL;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Faults for the sanitizers to find");
MODULE_LICENSE("GPL");
