/* source_gguf.c: one GGUF file, or the parts of a split one (NAME-00001-of-00003.gguf; keys split.no, split.count and
 * split.tensors.count in each). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "format/source_impl.h"

static int add_tensor(struct source *s, const struct gguf_tensor *t, struct kvik_err *err)
{
	struct source_tensor *to = &s->tensors[s->n_tensors];
	if (t->name.bytes == 0 || t->name.bytes >= SOURCE_NAME_MAX || memchr(t->name.text, 0, t->name.bytes))
		return err_set(err, KVIK_ERR_FORMAT, "%s: a tensor's name is empty or longer than %d bytes", s->path,
			       SOURCE_NAME_MAX - 1);
	*to = (struct source_tensor){.type = t->type, .n_dims = t->n_dims, .data = t->data, .bytes = t->bytes};
	memcpy(to->name, t->name.text, t->name.bytes);
	memcpy(to->dims, t->dims, sizeof to->dims);
	s->n_tensors++;
	return 0;
}

int source_add_gguf(struct source *s, const uint8_t *data, size_t bytes, const char *name, struct kvik_err *err)
{
	struct gguf **parts = mem_realloc(s->parts, s->n_parts + 1, sizeof *parts), *g = NULL;
	if (!parts)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", name);
	s->parts = parts;
	int rc = gguf_open(&g, data, bytes, name, err);
	if (rc)
		return rc;
	s->parts[s->n_parts++] = g;
	rc = source_grow(s, gguf_tensor_count(g), err);
	for (size_t i = 0; i < gguf_tensor_count(g) && !rc; i++)
		rc = add_tensor(s, gguf_tensor_at(g, i), err);
	return rc;
}

struct split {
	uint64_t no, count, tensors;
};

static int read_split(const struct source *s, size_t part, struct split *split, struct kvik_err *err)
{
	const struct gguf *g = s->parts[part];
	*split = (struct split){0, 1, 0};
	int rc = gguf_get_u64(g, "split.no", &split->no, err);
	if (rc >= 0)
		rc = gguf_get_u64(g, "split.count", &split->count, err);
	if (rc >= 0)
		rc = gguf_get_u64(g, "split.tensors.count", &split->tensors, err);
	if (rc < 0)
		err_prefix(err, "%s", s->path);
	return rc < 0 ? rc : 0;
}

/* The path of part `no` of `count`; buffer: at least strlen(path) + 1. */
static int part_path(const struct source *s, uint64_t no, uint64_t count, char *buffer, struct kvik_err *err)
{
	char from[32], to[32];
	size_t n = strlen(s->path);
	snprintf(from, sizeof from, "-00001-of-%05llu.gguf", (unsigned long long)count);
	snprintf(to, sizeof to, "-%05llu-of-%05llu.gguf", (unsigned long long)no, (unsigned long long)count);
	if (n < strlen(from) || strcmp(s->path + n - strlen(from), from) != 0)
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: is part 1 of %llu, so its name must end in '%s' for the others to be found",
			       s->path, (unsigned long long)count, from);
	memcpy(buffer, s->path, n - strlen(from));
	memcpy(buffer + n - strlen(from), to, strlen(to) + 1);
	return 0;
}

static int add_part(struct source *s, uint64_t no, uint64_t count, struct kvik_err *err)
{
	struct file_map m;
	struct split split;
	char *path = mem_alloc(strlen(s->path) + 1);
	if (!path)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	int rc = part_path(s, no, count, path, err);
	if (!rc) {
		rc = source_map(s, path, &m, err);
		if (rc)
			err_prefix(err, "part %llu of %llu is needed too", (unsigned long long)no,
				   (unsigned long long)count);
	}
	if (!rc)
		rc = source_add_gguf(s, m.data, m.size, path, err);
	if (!rc)
		rc = read_split(s, s->n_parts - 1, &split, err);
	if (!rc && (split.no != no - 1 || split.count != count))
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: says it is part %llu of %llu; the parts were mixed up", path,
			     (unsigned long long)split.no + 1, (unsigned long long)split.count);
	mem_free(path);
	return rc;
}

int source_open_gguf(struct source *s, struct kvik_err *err)
{
	struct file_map m;
	struct split first = {0, 1, 0};
	int rc = source_map(s, s->path, &m, err);
	if (!rc)
		rc = source_add_gguf(s, m.data, m.size, s->path, err);
	if (!rc)
		rc = read_split(s, 0, &first, err);
	if (rc)
		return rc;
	if (first.no != 0)
		return err_set(err, KVIK_ERR_ARG, "%s: is part %llu of a split model; give its first part", s->path,
			       (unsigned long long)first.no + 1);
	if (first.count > SOURCE_PARTS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "%s: split into %llu parts; at most %d", s->path,
			       (unsigned long long)first.count, SOURCE_PARTS_MAX);
	for (uint64_t no = 2; no <= first.count && !rc; no++)
		rc = add_part(s, no, first.count, err);
	if (!rc && first.count > 1 && first.tensors != 0 && first.tensors != s->n_tensors)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: %llu tensors announced, but the parts hold %zu", s->path,
			     (unsigned long long)first.tensors, s->n_tensors);
	return rc;
}
