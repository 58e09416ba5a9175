/* source_hf.c: a Hugging Face folder: config.json, model.safetensors or the parts that model.safetensors.index.json
 * names, generation_config.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/hf_ends.h"
#include "format/hf_json.h"
#include "format/safetensors.h"
#include "format/source_impl.h"

static char *in_dir(const struct source *s, const char *name)
{
	return file_join(s->dir, strlen(s->dir), name);
}

/* ---- Tensors ----------------------------------------------------------------------------------------------------- */

struct file {
	struct source *s;
	const char *path;
};

static int add_tensor(void *user, const struct safetensor *t, struct kvik_err *err)
{
	const struct file *f = user;
	int rc = source_grow(f->s, 1, err);
	if (rc)
		return rc;
	struct source_tensor *to = &f->s->tensors[f->s->n_tensors];
	if (strlen(t->name) >= SOURCE_NAME_MAX)
		return err_set(err, KVIK_ERR_FORMAT, "%s: tensor name '%.60s...' is longer than %d bytes", f->path,
			       t->name, SOURCE_NAME_MAX - 1);
	*to = (struct source_tensor){.type = t->is_bytes ? WTYPE_COUNT : t->type,
				     .n_dims = t->n_dims ? t->n_dims : 1,
				     .data = t->data,
				     .bytes = t->bytes,
				     .dims = {1, 1, 1, 1}};
	strcpy(to->name, t->name);
	for (uint32_t i = 0; i < t->n_dims; i++)
		to->dims[i] = t->dims[t->n_dims - 1 - i];
	f->s->n_tensors++;
	return 0;
}

/* Buffers that old checkpoints carry and nobody needs. */
static bool of_no_use(const char *name)
{
	static const char *const ends[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
					   ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"};
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t m = strlen(ends[i]);
		if (n >= m && strcmp(name + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}

static int add_file(struct source *s, const char *name, struct kvik_err *err)
{
	struct file_map m;
	struct file f = {s, in_dir(s, name)};
	if (!f.path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = source_map(s, f.path, &m, err);
	if (!rc)
		rc = safetensors_read(m.data, m.size, f.path, of_no_use, add_tensor, &f, err);
	mem_free((void *)(uintptr_t)f.path);
	return rc;
}

static int load_json(json_t **root, const char *path, struct kvik_err *err)
{
	struct file_map m;
	int rc = file_map(&m, path, err);
	*root = NULL;
	if (rc)
		return rc;
	rc = hf_json_load(root, (const char *)m.data, m.size, path, err);
	file_unmap(&m);
	return rc;
}

/* Each tensor of the index must have come with the files. */
static int check_complete(const struct source *s, const json_t *map, const char *path, struct kvik_err *err)
{
	const char *tensor;
	json_t *v, *names = json_object();
	int rc = names ? 0 : err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
	for (size_t i = 0; i < s->n_tensors && !rc; i++)
		if (json_object_set_new(names, s->tensors[i].name, json_true()) != 0)
			rc = err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
	json_object_foreach((json_t *)(uintptr_t)map, tensor, v)
	{
		if (!rc && !of_no_use(tensor) && !json_object_get(names, tensor))
			rc = err_set(err, KVIK_ERR_FORMAT,
				     "%s: tensor '%.200s' should be in %.100s, but is in no file; download them again",
				     path, tensor, json_string_value(v));
	}
	json_decref(names);
	return rc;
}

/* Files that weight_map names, each once, in the order of their names. */
static int add_indexed(struct source *s, const json_t *map, const char *path, struct kvik_err *err)
{
	const char *tensor;
	json_t *v, *seen = json_object();
	int rc = seen ? 0 : err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
	json_object_foreach((json_t *)(uintptr_t)map, tensor, v)
	{
		const char *name = json_string_value(v);
		if (rc)
			break;
		if (!name || strchr(name, '/') || name[0] == '.') {
			rc = err_set(err, KVIK_ERR_FORMAT, "%s: tensor '%.200s' is not mapped to a file of this folder",
				     path, tensor);
		} else if (!json_object_get(seen, name)) {
			if (json_object_size(seen) >= SOURCE_PARTS_MAX)
				rc = err_set(err, KVIK_ERR_LIMIT, "%s: names more than %d files", path,
					     SOURCE_PARTS_MAX);
			else if (json_object_set_new(seen, name, json_true()) != 0)
				rc = err_set(err, KVIK_ERR_NOMEM, "%s: no memory", path);
			else
				rc = add_file(s, name, err);
		}
	}
	json_decref(seen);
	return rc ? rc : check_complete(s, map, path, err);
}

static int add_index(struct source *s, const char *path, struct kvik_err *err)
{
	json_t *root;
	int rc = load_json(&root, path, err);
	if (rc)
		return rc;
	const json_t *map = json_object_get(root, "weight_map");
	if (!json_is_object(map) || json_object_size(map) == 0)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: 'weight_map' is missing, empty or no object; download it again",
			     path);
	else
		rc = add_indexed(s, map, path, err);
	json_decref(root);
	return rc;
}

static int add_tensors(struct source *s, struct kvik_err *err)
{
	char *index = in_dir(s, "model.safetensors.index.json"), *one = in_dir(s, "model.safetensors");
	int rc;
	if (!index || !one)
		rc = err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	else if (file_exists(one))
		rc = add_file(s, "model.safetensors", err);
	else if (file_exists(index))
		rc = add_index(s, index, err);
	else
		rc = err_set(err, KVIK_ERR_IO,
			     "%s: has neither model.safetensors nor model.safetensors.index.json; kvik reads no "
			     "PyTorch .bin files: convert them to safetensors",
			     s->path);
	mem_free(index);
	mem_free(one);
	return rc;
}

/* ---- Configuration ----------------------------------------------------------------------------------------------- */

static int add_ends(struct source *s, const json_t *root, const char *path, struct kvik_err *err)
{
	uint32_t ids[SOURCE_EOS_MAX];
	size_t n;
	int rc = hf_ends(root, path, ids, SOURCE_EOS_MAX, &n, err);
	for (size_t i = 0; i < n && !rc; i++)
		rc = source_add_end(s, ids[i], err);
	return rc;
}

static int read_config(struct source *s, struct kvik_err *err)
{
	s->config_path = in_dir(s, "config.json");
	if (!s->config_path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = load_json(&s->config, s->config_path, err);
	return rc ? rc : add_ends(s, s->config, s->config_path, err);
}

/* Optional. */
static int read_generation_config(struct source *s, struct kvik_err *err)
{
	char *path = in_dir(s, "generation_config.json");
	json_t *root = NULL;
	if (!path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = file_exists(path) ? load_json(&root, path, err) : 0;
	if (!rc && root)
		rc = add_ends(s, root, path, err);
	if (!rc && root)
		rc = generation_of_json(&s->generation, root, path, &s->warnings, err);
	json_decref(root);
	mem_free(path);
	return rc;
}

/* ---- MXFP4 ------------------------------------------------------------------------------------------------------- */

static const char blocks_end[] = "_blocks";
enum { BLOCKS_END = sizeof blocks_end - 1 };

/* Until they are joined, tensors of bytes have this type. */
static bool is_bytes(const struct source_tensor *t)
{
	return t->type == WTYPE_COUNT;
}

struct bytes_list {
	const struct source_tensor **by_name; /* [n] */
	size_t n;
};

static int compare_names(const void *a, const void *b)
{
	const struct source_tensor *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* The one that has `end` where the name of t ends with the m bytes of another. */
static const struct source_tensor *find_beside(const struct bytes_list *l, const struct source_tensor *t, size_t m,
					       const char *end)
{
	struct source_tensor key = {0};
	const struct source_tensor *wanted = &key;
	snprintf(key.name, sizeof key.name, "%.*s%s", (int)(strlen(t->name) - m), t->name, end);
	const struct source_tensor **found = bsearch(&wanted, l->by_name, l->n, sizeof wanted, compare_names);
	return found ? *found : NULL;
}

/* NAME_blocks [..][rows][blocks][16] and NAME_scales [..][rows][blocks] become NAME [..][rows][blocks * 32]. */
static int join(const struct source *s, const struct bytes_list *l, struct source_tensor *t, struct kvik_err *err)
{
	size_t n = strlen(t->name), m = BLOCKS_END;
	const struct source_tensor *scales = NULL;
	if (n > m && strcmp(t->name + n - m, blocks_end) == 0)
		scales = find_beside(l, t, m, "_scales");
	if (!scales)
		return err_set(
			err, KVIK_ERR_UNSUPPORTED,
			"%s: safetensors tensor '%s' has dtype U8, which kvik reads only as MXFP4 (NAME_blocks beside "
			"NAME_scales): use an unquantised folder or a GGUF file",
			s->path, t->name);
	if (t->dims[0] != 16 || t->dims[1] != scales->dims[0] || t->dims[2] != scales->dims[1] ||
	    t->dims[3] != scales->dims[2] || scales->dims[3] != 1)
		return err_set(err, KVIK_ERR_FORMAT, "%s: tensor '%s' does not have 16 bytes for each of '%s'", s->path,
			       t->name, scales->name);
	t->type = WTYPE_MXFP4;
	t->exponents = scales->data;
	t->dims[0] = t->dims[1] * 32;
	t->dims[1] = t->dims[2];
	t->dims[2] = t->dims[3];
	t->dims[3] = 1;
	t->n_dims = t->n_dims > 1 ? t->n_dims - 1 : 1;
	return 0;
}

static bool is_scales(const struct source_tensor *t)
{
	size_t n = strlen(t->name);
	return is_bytes(t) && n > 7 && strcmp(t->name + n - 7, "_scales") == 0;
}

static int list_bytes(const struct source *s, struct bytes_list *l, struct kvik_err *err)
{
	for (size_t i = 0; i < s->n_tensors; i++)
		l->n += is_bytes(&s->tensors[i]);
	l->by_name = mem_zalloc(l->n ? l->n : 1, sizeof *l->by_name);
	if (!l->by_name)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	for (size_t i = 0, n = 0; i < s->n_tensors; i++)
		if (is_bytes(&s->tensors[i]))
			l->by_name[n++] = &s->tensors[i];
	qsort(l->by_name, l->n, sizeof *l->by_name, compare_names);
	return 0;
}

/* Names change only after all have been looked up: the list is sorted by them. */
static int join_listed(struct source *s, const struct bytes_list *l, struct kvik_err *err)
{
	size_t n = 0, joined = 0;
	int rc = 0;
	for (size_t i = 0; i < s->n_tensors && !rc; i++)
		if (is_bytes(&s->tensors[i]) && !is_scales(&s->tensors[i])) {
			rc = join(s, l, &s->tensors[i], err);
			joined++;
		}
	if (!rc && l->n != 2 * joined)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: has scales of MXFP4 without their blocks", s->path);
	for (size_t i = 0; i < s->n_tensors && !rc; i++)
		if (!is_bytes(&s->tensors[i])) {
			s->tensors[n] = s->tensors[i];
			s->tensors[n].name[strlen(s->tensors[n].name) - (s->tensors[n].exponents ? BLOCKS_END : 0)] =
				'\0';
			n++;
		}
	s->n_tensors = rc ? s->n_tensors : n;
	return rc;
}

/* The scales are gone when all are joined; those of nothing are an error. */
static int join_all(struct source *s, struct kvik_err *err)
{
	struct bytes_list l = {0};
	int rc = list_bytes(s, &l, err);
	if (!rc && l.n > 0)
		rc = join_listed(s, &l, err);
	mem_free(l.by_name);
	return rc;
}

int source_open_hf(struct source *s, struct kvik_err *err)
{
	s->dir = mem_strndup(s->path, strlen(s->path));
	if (!s->dir)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = add_tensors(s, err);
	if (!rc)
		rc = join_all(s, err);
	if (!rc)
		rc = read_config(s, err);
	return rc ? rc : read_generation_config(s, err);
}
