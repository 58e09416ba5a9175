/* source_hf.c: a Hugging Face folder: config.json, model.safetensors or the parts that model.safetensors.index.json
 * names, generation_config.json. */
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
	*to = (struct source_tensor){.type = t->type,
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
