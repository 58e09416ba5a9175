/* source.c: a model on disk, whatever its format. Which opener takes a path: a folder is Hugging Face's, anything else
 * must be GGUF. Read-only once open. */
#include "format/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/os.h"
#include "format/hf_json.h"
#include "format/source_impl.h"

int source_map(struct source *s, const char *path, struct file_map *m, struct kvik_err *err)
{
	struct file_map *maps = mem_realloc(s->maps, s->n_maps + 1, sizeof *maps);
	if (!maps)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
	s->maps = maps;
	int rc = file_map(m, path, err);
	if (!rc)
		s->maps[s->n_maps++] = *m;
	return rc;
}

int source_grow(struct source *s, size_t n, struct kvik_err *err)
{
	size_t cap = s->n_tensors + n;
	if (cap <= s->cap_tensors)
		return 0;
	if (cap < 2 * s->cap_tensors)
		cap = 2 * s->cap_tensors;
	struct source_tensor *t = mem_realloc(s->tensors, cap, sizeof *t);
	if (!t)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory for %zu tensors", s->path, cap);
	s->tensors = t;
	s->cap_tensors = cap;
	return 0;
}

int source_add_end(struct source *s, uint32_t id, struct kvik_err *err)
{
	for (size_t i = 0; i < s->n_ends; i++)
		if (s->ends[i] == id)
			return 0;
	if (s->n_ends == SOURCE_EOS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "%s: more than %d ids in eos_token_id", s->path, SOURCE_EOS_MAX);
	s->ends[s->n_ends++] = id;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp((*(const struct source_tensor *const *)a)->name, (*(const struct source_tensor *const *)b)->name);
}

int source_index(struct source *s, struct kvik_err *err)
{
	s->by_name = mem_zalloc(s->n_tensors, sizeof *s->by_name);
	if (!s->by_name)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory for %zu tensors", s->path, s->n_tensors);
	for (size_t i = 0; i < s->n_tensors; i++)
		s->by_name[i] = &s->tensors[i];
	qsort(s->by_name, s->n_tensors, sizeof *s->by_name, compare);
	for (size_t i = 1; i < s->n_tensors; i++)
		if (strcmp(s->by_name[i - 1]->name, s->by_name[i]->name) == 0)
			return err_set(err, KVIK_ERR_FORMAT, "%s: tensor '%s' occurs twice; convert the model again",
				       s->path, s->by_name[i]->name);
	return 0;
}

int source_new(struct source **out, const char *path, struct kvik_err *err)
{
	struct source *s = mem_zalloc(1, sizeof *s);
	*out = NULL;
	if (s)
		s->path = mem_strndup(path, strlen(path));
	if (!s || !s->path) {
		mem_free(s);
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
	}
	*out = s;
	return 0;
}

/* Adapters, projectors and importance matrices are GGUF files, too. */
static int check_type(const struct source *s, struct kvik_err *err)
{
	struct gguf_str type;
	int rc = gguf_get_str(s->parts[0], "general.type", &type, err);
	if (rc < 0)
		err_prefix(err, "%s", s->path);
	if (rc <= 0)
		return rc;
	if (type.bytes == 5 && memcmp(type.text, "model", 5) == 0)
		return 0;
	return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: GGUF key 'general.type' is '%.*s': this is no model", s->path,
		       (int)(type.bytes < 60 ? type.bytes : 60), type.text);
}

static int finish(struct source **out, struct source *s, int rc, struct kvik_err *err)
{
	if (!rc)
		rc = source_index(s, err);
	if (!rc && s->n_parts > 0)
		rc = check_type(s, err);
	if (!rc && s->n_parts > 0)
		rc = generation_of_gguf(&s->generation, s->parts[0], s->path, &s->warnings, err);
	if (rc)
		source_free(s);
	else
		*out = s;
	return rc;
}

int source_open(struct source **out, const char *path, struct kvik_err *err)
{
	struct source *s;
	struct stat st;
	*out = NULL;
	int rc = source_new(&s, path, err);
	if (rc)
		return rc;
	bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	return finish(out, s, folder ? source_open_hf(s, err) : source_open_gguf(s, err), err);
}

int source_open_memory(struct source **out, const uint8_t *data, size_t bytes, const char *name, struct kvik_err *err)
{
	struct source *s;
	*out = NULL;
	int rc = source_new(&s, name, err);
	return rc ? rc : finish(out, s, source_add_gguf(s, data, bytes, name, err), err);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_parts; i++)
		gguf_free(s->parts[i]);
	for (size_t i = 0; i < s->n_maps; i++)
		file_unmap(&s->maps[i]);
	region_free(&s->region);
	generation_release(&s->generation);
	warnings_release(&s->warnings);
	mem_free(s->parts);
	mem_free(s->maps);
	mem_free(s->tensors);
	mem_free(s->by_name);
	json_decref(s->config);
	mem_free(s->config_path);
	mem_free(s->dir);
	mem_free(s->path);
	mem_free(s);
}

const struct source_tensor *source_find(const struct source *s, const char *name)
{
	size_t lo = 0, hi = s->by_name ? s->n_tensors : 0; /* while tensors are being described none can be found */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(name, s->by_name[mid]->name);
		if (d == 0)
			return s->by_name[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

size_t source_count(const struct source *s)
{
	return s->n_tensors;
}

const struct source_tensor *source_at(const struct source *s, size_t i)
{
	return &s->tensors[i];
}

const char *source_name(const struct source *s)
{
	return s->path;
}

const struct gguf *source_gguf(const struct source *s)
{
	return s->n_parts > 0 ? s->parts[0] : NULL;
}

const char *source_dir(const struct source *s)
{
	return s->dir;
}

size_t source_ends(const struct source *s, const uint32_t **ids)
{
	*ids = s->ends;
	return s->n_ends;
}

const struct generation *source_generation(const struct source *s)
{
	return &s->generation;
}

const struct warnings *source_warnings(const struct source *s)
{
	return &s->warnings;
}

void source_need(const struct source *s, const struct source_tensor *t)
{
	if (s->region.data)
		source_fill_synthetic(s, t);
}

void source_drop(const struct source *s, const struct source_tensor *t)
{
	for (size_t i = 0; i < s->n_maps; i++) {
		const struct file_map *m = &s->maps[i];
		if (t->data >= m->data && t->data < m->data + m->size)
			os_drop(t->data, (size_t)t->bytes);
	}
	if (s->region.data)
		os_drop(t->data, (size_t)t->bytes);
}
