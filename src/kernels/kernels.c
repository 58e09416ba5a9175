/* kernels.c: which table this CPU can run. Any thread. */
#include "kernels/kernels.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/level.h"

static bool always(void)
{
	return true;
}

#if defined(__x86_64__)
static bool has_f16c(void) /* clang 14's __builtin_cpu_supports does not know it */
{
	unsigned a, b, c, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vnni");
}
#endif

/* Best first. */
static const struct {
	const struct kernels *table;
	bool (*runs_here)(void);
} levels[] = {
#if defined(__x86_64__)
	{&kernels_avx512, has_avx512},
	{&kernels_avx2, has_avx2},
#endif
	{&kernels_scalar, always},
};

int kernels_select(const struct kernels **out, const char *level, struct kvik_err *err)
{
	bool known = false;
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (level && strcmp(level, levels[i].table->name) != 0)
			continue;
		known = true;
		if (levels[i].runs_here()) {
			*out = levels[i].table;
			return 0;
		}
	}
	if (known)
		return err_set(err, KVIK_ERR_ARG, "KVIK_CPU: this processor cannot run level '%s'; leave it unset",
			       level);
	return err_set(err, KVIK_ERR_ARG, "KVIK_CPU: no level '%s'; there are scalar, avx2 and avx512", level);
}
