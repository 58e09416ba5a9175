/* test_cgroup.c: limits of control groups, from files as the kernel writes them, made in a folder. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/cgroup.h"
#include "base/os.h"

static char top[64]; /* stands for both /proc/self and /sys/fs/cgroup */

static void write_file(const char *path, const char *text)
{
	char whole[256];
	snprintf(whole, sizeof whole, "%s/%s", top, path);
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_folder(const char *path)
{
	char whole[256];
	snprintf(whole, sizeof whole, "%s/%s", top, path);
	assert_int_equal(mkdir(whole, 0700), 0);
}

static struct cgroup_limits limits(void)
{
	char self[128];
	snprintf(self, sizeof self, "%s/self", top);
	return cgroup_read(self, top);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/kvik-cgroup-XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s", top);
	return system(command);
}

static void nothing_limits_nothing(void **state)
{
	(void)state;
	assert_true(isinf(limits().processors)); /* no such file */
	write_file("self", "4:memory:/old\n1:cpu:/\n");
	assert_true(isinf(limits().processors)); /* version 1 alone */
	write_file("self", "4:memory:/old\n0::/\n");
	write_file("cpu.max", "max 100000\n");
	write_file("memory.max", "max\n");
	struct cgroup_limits l = limits();
	assert_true(isinf(l.processors));
	assert_true(l.memory_bytes == UINT64_MAX && l.memory_available == UINT64_MAX);
}

static void a_container_sees_its_limits(void **state)
{
	(void)state;
	write_file("self", "0::/\n"); /* its own namespace: the group is the top */
	write_file("cpu.max", "150000 100000\n");
	write_file("memory.max", "1073741824\n");
	write_file("memory.current", "536870912\n");
	write_file("memory.stat", "anon 268435456\nfile 268435456\ninactive_file 134217728\nactive_file 1\n");
	struct cgroup_limits l = limits();
	assert_true(l.processors > 1.49 && l.processors < 1.51);
	assert_true(l.memory_bytes == 1 << 30);
	assert_true(l.memory_available == (1 << 30) - (512 << 20) + (128 << 20));
	write_file("memory.current", "2073741824\n"); /* above the limit, for a moment */
	assert_true(limits().memory_available == 0);
}

static void the_least_on_the_way_holds(void **state)
{
	(void)state;
	write_file("self", "0::/a.slice/b.service\n");
	make_folder("a.slice");
	make_folder("a.slice/b.service");
	write_file("a.slice/cpu.max", "100000 100000\n");
	write_file("a.slice/b.service/cpu.max", "300000 100000\n");
	write_file("a.slice/memory.max", "8000000000\n");
	write_file("a.slice/memory.current", "7000000000\n");
	write_file("a.slice/b.service/memory.max", "4000000000\n");
	write_file("a.slice/b.service/memory.current", "1000000000\n");
	struct cgroup_limits l = limits();
	assert_true(l.processors > 0.99 && l.processors < 1.01);
	assert_true(l.memory_bytes == 4000000000);
	assert_true(l.memory_available == 1000000000); /* what the slice has left */
}

static void damaged_files_limit_nothing(void **state)
{
	(void)state;
	write_file("self", "0::/\n");
	write_file("cpu.max", "0 0\n");
	write_file("memory.max", "much\n");
	assert_true(isinf(limits().processors));
	assert_true(limits().memory_bytes == UINT64_MAX);
	write_file("memory.max", "1000\n");
	write_file("memory.stat", "inactive_file\n");
	assert_true(limits().memory_available == 1000);
}

static void the_machine_is_within_them(void **state)
{
	(void)state;
	assert_true(os_processors() >= 1);
	assert_true(os_memory_total() >= os_memory_available());
	assert_true(os_page_bytes() >= 4096 && (os_page_bytes() & (os_page_bytes() - 1)) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_limits_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_sees_its_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_least_on_the_way_holds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_files_limit_nothing, set_up, tear_down),
		cmocka_unit_test(the_machine_is_within_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
