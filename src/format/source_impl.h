/* source_impl.h: what source.c shares with the openers of each format; nobody else includes it. */
#ifndef KVIK_FORMAT_SOURCE_IMPL_H
#define KVIK_FORMAT_SOURCE_IMPL_H

#include "base/file.h"
#include "base/region.h"
#include "format/source.h"

struct json_t;

/* Types of matrices: of attn_v and ffn_down in some layers, and of experts. */
struct synthetic_types {
	enum wtype base, more, experts;
};

struct synthetic {
	struct synthetic_types types;
	uint32_t layers;
	bool tied;
	uint64_t seed;
};

#define SOURCE_PARTS_MAX 1024 /* files of one model */

struct source {
	char *path;            /* as given */
	char *dir;             /* of a Hugging Face folder, else NULL */
	struct json_t *config; /* config.json, owned; NULL for GGUF, whose metadata is in parts[0] */
	char *config_path;     /* for error texts */
	struct file_map *maps; /* [n_maps], owned */
	size_t n_maps;
	struct gguf **parts; /* [n_parts], owned; parts[0] has the metadata */
	size_t n_parts;
	struct region region; /* the tensors of a synthetic model, made as they are needed */
	struct synthetic synthetic;
	struct source_tensor *tensors; /* [n_tensors], in file order */
	size_t n_tensors, cap_tensors;
	const struct source_tensor **by_name; /* [n_tensors] */
	uint32_t ends[SOURCE_EOS_MAX];
	size_t n_ends;
	struct generation generation;
	struct warnings warnings;
};

int source_new(struct source **out, const char *path, struct kvik_err *err) MUST_CHECK;
/* When all tensors are there: makes them found by name. FORMAT: two have one. */
int source_index(struct source *s, struct kvik_err *err) MUST_CHECK;
/* Maps another file; *m is valid until the source is freed. */
int source_map(struct source *s, const char *path, struct file_map *m, struct kvik_err *err) MUST_CHECK;
/* Room for n more tensors. */
int source_grow(struct source *s, size_t n, struct kvik_err *err) MUST_CHECK;
/* Once each. LIMIT: more than SOURCE_EOS_MAX. */
int source_add_end(struct source *s, uint32_t id, struct kvik_err *err) MUST_CHECK;

int source_open_gguf(struct source *s, struct kvik_err *err) MUST_CHECK;
int source_add_gguf(struct source *s, const uint8_t *data, size_t bytes, const char *name,
		    struct kvik_err *err) MUST_CHECK;
int source_open_hf(struct source *s, struct kvik_err *err) MUST_CHECK;
void source_fill_synthetic(const struct source *s, const struct source_tensor *t);

#endif
