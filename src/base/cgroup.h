/* cgroup.h: what a cgroup (version 2) leaves to this process of the machine's processors and memory: a container sees
 * all of the machine, and is slowed down or killed at its limit. Any thread. */
#ifndef KVIK_BASE_CGROUP_H
#define KVIK_BASE_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
	double processors;     /* cpu.max: processor seconds per second; INFINITY: no limit */
	uint64_t memory_bytes; /* memory.max; UINT64_MAX: no limit */
	uint64_t
		memory_available; /* of it, not in use or only holding files that can be read again; UINT64_MAX: no limit */
};

/* The least along the way from the group that `self` names to the top. self: "/proc/self/cgroup"; mount: where the
 * groups are, "/sys/fs/cgroup". What is missing or cannot be read limits nothing. */
struct cgroup_limits cgroup_read(const char *self, const char *mount);

#endif
