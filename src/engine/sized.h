/* sized.h: structs of kvik.h that begin with their size, between a caller's header and this library's; the rule stands
 * at the top of kvik.h.
 *
 * To let a struct grow: new members go to its end, beyond what sizeof was before (not into padding), its _init says
 * their defaults, and its line below becomes offsetof of the first of them. tests/abi says what is forgotten. */
#ifndef KVIK_ENGINE_SIZED_H
#define KVIK_ENGINE_SIZED_H

#include <kvik.h>
#include <stddef.h>

#include "base/err.h"

/* What each had in 0.2.0. */
#define SIZED_LEAST_kvik_device_params sizeof(struct kvik_device_params)
#define SIZED_LEAST_kvik_model_params sizeof(struct kvik_model_params)
#define SIZED_LEAST_kvik_model_info sizeof(struct kvik_model_info)
#define SIZED_LEAST_kvik_tensor_info sizeof(struct kvik_tensor_info)
#define SIZED_LEAST_kvik_chat_request sizeof(struct kvik_chat_request)
#define SIZED_LEAST_kvik_cache_params offsetof(struct kvik_cache_params, disk)
#define SIZED_LEAST_kvik_cache_stats sizeof(struct kvik_cache_stats)
#define SIZED_LEAST_kvik_plan offsetof(struct kvik_plan, bytes_per_state)
#define SIZED_LEAST_kvik_share sizeof(struct kvik_share)
#define SIZED_LEAST_kvik_prefix sizeof(struct kvik_prefix)
#define SIZED_LEAST_kvik_step_item sizeof(struct kvik_step_item)
#define SIZED_LEAST_kvik_sampling sizeof(struct kvik_sampling)
#define SIZED_LEAST_kvik_processor sizeof(struct kvik_processor)
#define SIZED_LEAST_kvik_generate_params sizeof(struct kvik_generate_params)
#define SIZED_LEAST_kvik_generation sizeof(struct kvik_generation)
#define SIZED_LEAST_kvik_engine_params sizeof(struct kvik_engine_params)
#define SIZED_LEAST_kvik_engine_stats offsetof(struct kvik_engine_stats, disk_bytes)
#define SIZED_LEAST_kvik_request_params sizeof(struct kvik_request_params)

/* A caller's struct NAME into *own, which holds the defaults; given NULL: they stay. ARG: its size. */
#define SIZED_READ(name, own, given, err) \
	sized_read(own, sizeof(struct name), SIZED_LEAST_##name, given, "struct " #name, err)
/* *own into a caller's struct NAME, whose size says what it has; what it has beyond *own becomes zero. ARG: its size;
 * nothing was written. */
#define SIZED_WRITE(name, out, own, err) \
	sized_write(out, own, sizeof(struct name), SIZED_LEAST_##name, "struct " #name, err)
/* ARG: where SIZED_WRITE would say so. */
#define SIZED_CHECK(name, out, err) sized_check(out, SIZED_LEAST_##name, "struct " #name, err)

int sized_read(void *own, size_t bytes, size_t least, const void *given, const char *name,
	       struct kvik_err *err) MUST_CHECK;
int sized_write(void *out, const void *own, size_t bytes, size_t least, const char *name,
		struct kvik_err *err) MUST_CHECK;
int sized_check(const void *out, size_t least, const char *name, struct kvik_err *err) MUST_CHECK;

#endif
