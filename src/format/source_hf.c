/* source_hf.c: a Hugging Face folder: config.json, model.safetensors or the parts that model.safetensors.index.json
 * names, generation_config.json. */
#include <string.h>

#include "base/mem.h"
#include "format/hf_config.h"
#include "format/hf_json.h"
#include "format/hf_names.h"
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
	*to = (struct source_tensor){.type = t->type,
				     .n_dims = t->n_dims ? t->n_dims : 1,
				     .data = t->data,
				     .bytes = t->bytes,
				     .dims = {1, 1, 1, 1}};
	hf_name_map(t->name, to->name, sizeof to->name);
	for (uint32_t i = 0; i < t->n_dims; i++)
		to->dims[i] = t->dims[t->n_dims - 1 - i];
	f->s->n_tensors++;
	return 0;
}

static int add_file(struct source *s, const char *name, struct kvik_err *err)
{
	struct file_map m;
	struct file f = {s, in_dir(s, name)};
	if (!f.path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = source_map(s, f.path, &m, err);
	if (!rc)
		rc = safetensors_read(m.data, m.size, f.path, hf_name_of_no_use, add_tensor, &f, err);
	mem_free((void *)(uintptr_t)f.path);
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
	return rc;
}

static int add_index(struct source *s, const char *path, struct kvik_err *err)
{
	struct file_map m;
	json_t *root = NULL;
	int rc = file_map(&m, path, err);
	if (rc)
		return rc;
	rc = hf_json_load(&root, (const char *)m.data, m.size, path, err);
	file_unmap(&m);
	if (rc)
		return rc;
	const json_t *map = hf_get(root, "weight_map");
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

static struct source_tensor *find(const struct source *s, const char *name)
{
	for (size_t i = 0; i < s->n_tensors; i++)
		if (strcmp(s->tensors[i].name, name) == 0)
			return &s->tensors[i];
	return NULL;
}

static bool same_tensor(const struct source_tensor *a, const struct source_tensor *b)
{
	return a->type == b->type && a->bytes == b->bytes && memcmp(a->dims, b->dims, sizeof a->dims) == 0 &&
	       memcmp(a->data, b->data, (size_t)a->bytes) == 0;
}

/* A tied checkpoint holds one of two matrices, and which one is chance: it becomes the embedding. Where it holds two
 * that differ, the file is right and the configuration is not. */
static void settle_tied(struct source *s)
{
	struct source_tensor *output = find(s, "output.weight"), *embedding = find(s, "token_embd.weight");
	if (!s->h.tied || !output)
		return;
	if (!embedding)
		strcpy(output->name, "token_embd.weight");
	else
		s->h.tied = same_tensor(output, embedding);
}

static int add_ends(struct source *s, const struct file_map *m, const char *path, struct kvik_err *err)
{
	uint32_t ids[SOURCE_EOS_MAX];
	size_t n;
	int rc = hf_config_ends((const char *)m->data, m->size, path, ids, SOURCE_EOS_MAX, &n, err);
	for (size_t i = 0; i < n && !rc; i++)
		rc = source_add_end(s, ids[i], err);
	return rc;
}

static int read_config(struct source *s, struct kvik_err *err)
{
	struct file_map m;
	char *path = in_dir(s, "config.json");
	if (!path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = file_map(&m, path, err);
	if (!rc) {
		bool both = find(s, "output.weight") && find(s, "token_embd.weight");
		rc = hf_config((const char *)m.data, m.size, path, both, &s->h, err);
		if (!rc)
			rc = add_ends(s, &m, path, err);
		file_unmap(&m);
		settle_tied(s);
	}
	mem_free(path);
	return rc;
}

/* Optional. */
static int read_generation_config(struct source *s, struct kvik_err *err)
{
	struct file_map m;
	char *path = in_dir(s, "generation_config.json");
	if (!path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = 0;
	if (file_exists(path)) {
		rc = file_map(&m, path, err);
		if (!rc) {
			rc = add_ends(s, &m, path, err);
			file_unmap(&m);
		}
	}
	mem_free(path);
	return rc;
}

int source_open_hf(struct source *s, struct kvik_err *err)
{
	s->dir = mem_strndup(s->path, strlen(s->path));
	if (!s->dir)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = add_tensors(s, err);
	if (!rc)
		rc = read_config(s, err);
	return rc ? rc : read_generation_config(s, err);
}
