/* os_linux.c: processors, memory and open files, as Linux tells of them: this process's share of the machine, within
 * the limits of its control group. Another system is another file beside this one. */
#include "base/os.h"

#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cgroup.h"

static struct cgroup_limits limits(void)
{
	return cgroup_read("/proc/self/cgroup", "/sys/fs/cgroup");
}

static uint32_t processors_allowed(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (uint32_t)CPU_COUNT(&set);
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (uint32_t)n : 1;
}

/* More threads than the group's processors would be stopped together for the rest of each period. */
uint32_t os_processors(void)
{
	double limit = ceil(limits().processors);
	uint32_t n = processors_allowed();
	return limit < n ? limit < 1 ? 1 : (uint32_t)limit : n;
}

uint64_t os_memory_total(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	uint64_t all = pages > 0 ? (uint64_t)pages * os_page_bytes() : 0, most = limits().memory_bytes;
	return most < all ? most : all;
}

uint64_t os_memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(f);
	uint64_t all = (uint64_t)kib * 1024, left = limits().memory_available;
	return left < all ? left : all;
}

uint64_t os_memory_resident(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * os_page_bytes();
}

uint32_t os_files_open(void)
{
	uint32_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	if (!d)
		return 0;
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n - 1; /* without the folder itself */
}

int os_signal_new(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void os_signal_set(int fd)
{
	const uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof one);
	(void)n; /* it fails only where it has been set 2^64 times */
}

void os_signal_clear(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof count);
	(void)n; /* it was clear */
}
