/* cgroup.c: see cgroup.h.
 *
 *     /proc/self/cgroup       0::/kvik.slice/kvik.service
 *     /sys/fs/cgroup/kvik.slice/kvik.service/cpu.max        "150000 100000": 1.5 processors; "max 100000": all
 *     /sys/fs/cgroup/kvik.slice/cpu.max                     ... and so on up to the top, which has none
 *
 * Each group on the way may set a limit, and all of them hold. Source: the kernel's admin-guide/cgroup-v2. */
#include "base/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* The path of the process within the hierarchy of version 2, without a slash at its end. */
static bool find_group(const char *self, char group[PATH_BYTES])
{
	char line[PATH_BYTES];
	bool found = false;
	FILE *f = fopen(self, "r");
	while (f && !found && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, "0::/", 4) == 0;
	}
	if (f)
		fclose(f);
	if (found)
		snprintf(group, PATH_BYTES, "%s", strcmp(line, "0::/") == 0 ? "" : line + 3);
	return found;
}

static FILE *open_in(const char *mount, const char *group, const char *name)
{
	char path[2 * PATH_BYTES + 64];
	snprintf(path, sizeof path, "%s%s/%s", mount, group, name);
	return fopen(path, "r");
}

/* The number in a file of one number; UINT64_MAX: it says "max", or is not there. */
static uint64_t read_number(const char *mount, const char *group, const char *name)
{
	unsigned long long v = UINT64_MAX;
	FILE *f = open_in(mount, group, name);
	if (!f)
		return UINT64_MAX;
	if (fscanf(f, "%llu", &v) != 1)
		v = UINT64_MAX;
	fclose(f);
	return v;
}

/* A line of memory.stat; 0 when it is not there. */
static uint64_t read_stat(const char *mount, const char *group, const char *key)
{
	char name[64];
	unsigned long long v, found = 0;
	FILE *f = open_in(mount, group, "memory.stat");
	if (!f)
		return 0;
	while (found == 0 && fscanf(f, "%63s %llu", name, &v) == 2)
		if (strcmp(name, key) == 0)
			found = v;
	fclose(f);
	return found;
}

static double read_processors(const char *mount, const char *group)
{
	double quota, period;
	FILE *f = open_in(mount, group, "cpu.max");
	if (!f)
		return INFINITY;
	bool limited = fscanf(f, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0;
	fclose(f);
	return limited ? quota / period : INFINITY;
}

/* Takes over what this one group limits further. */
static void add_group(struct cgroup_limits *l, const char *mount, const char *group)
{
	uint64_t most = read_number(mount, group, "memory.max");
	l->processors = fmin(l->processors, read_processors(mount, group));
	if (most == UINT64_MAX)
		return;
	uint64_t used = read_number(mount, group, "memory.current");
	uint64_t files = read_stat(mount, group, "inactive_file");
	used = used == UINT64_MAX || used < files ? 0 : used - files;
	uint64_t left = used < most ? most - used : 0;
	l->memory_bytes = most < l->memory_bytes ? most : l->memory_bytes;
	l->memory_available = left < l->memory_available ? left : l->memory_available;
}

struct cgroup_limits cgroup_read(const char *self, const char *mount)
{
	struct cgroup_limits l = {INFINITY, UINT64_MAX, UINT64_MAX};
	char group[PATH_BYTES];
	if (!find_group(self, group))
		return l;
	for (;;) {
		add_group(&l, mount, group);
		char *end = strrchr(group, '/');
		if (!end)
			return l;
		*end = '\0';
	}
}
