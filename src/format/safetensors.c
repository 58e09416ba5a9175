/* safetensors.c: the header is parsed by jansson (duplicate keys rejected); offsets are checked against the file, the
 * shape and each other: as the format demands, the tensors cover all bytes after the header, each once. Any thread. */
#include "format/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { HEADER_MAX = 100 << 20 };

struct span {
	uint64_t begin, end;
};

struct reader {
	const char *name;
	const uint8_t *data; /* after the header */
	uint64_t bytes;
	struct span *spans; /* of the tensors so far */
	size_t n_spans;
	struct kvik_err *err;
};

static int bad(const struct reader *r, const char *tensor, const char *what)
{
	return err_set(r->err, KVIK_ERR_FORMAT,
		       "%s: safetensors tensor '%.200s' %s; the file is damaged or was not copied whole", r->name,
		       tensor, what);
}

static int dtype_of(const struct reader *r, const char *tensor, const char *dtype, enum wtype *type)
{
	static const struct {
		const char *name;
		enum wtype type;
	} known[] = {{"F32", WTYPE_F32}, {"F16", WTYPE_F16}, {"BF16", WTYPE_BF16}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(dtype, known[i].name) == 0) {
			*type = known[i].type;
			return 0;
		}
	return err_set(
		r->err, KVIK_ERR_UNSUPPORTED,
		"%s: safetensors tensor '%.200s' has dtype %.20s; kvik reads F32, F16 and BF16: use an unquantised "
		"folder or a GGUF file",
		r->name, tensor, dtype);
}

static bool whole(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static int read_shape(const struct reader *r, const json_t *shape, struct safetensor *t)
{
	if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_DIMS_MAX)
		return bad(r, t->name, "has no shape of at most 4 dims");
	t->n_dims = (uint32_t)json_array_size(shape);
	uint64_t elems = 1;
	for (uint32_t i = 0; i < t->n_dims; i++)
		if (!whole(json_array_get(shape, i), &t->dims[i]) || t->dims[i] == 0 ||
		    __builtin_mul_overflow(elems, t->dims[i], &elems))
			return bad(r, t->name, "has an impossible dim");
	if (__builtin_mul_overflow(elems, t->is_bytes ? 1 : wtype_block_bytes(t->type), &t->bytes))
		return bad(r, t->name, "is larger than any memory");
	return 0;
}

static int read_offsets(struct reader *r, const char *tensor, const json_t *v, struct span *s)
{
	const json_t *offsets = json_object_get(v, "data_offsets");
	if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !whole(json_array_get(offsets, 0), &s->begin) ||
	    !whole(json_array_get(offsets, 1), &s->end))
		return bad(r, tensor, "has no pair of data_offsets");
	if (s->begin > s->end || s->end > r->bytes)
		return bad(r, tensor, "lies beyond the end");
	r->spans[r->n_spans++] = *s;
	return 0;
}

static int read_tensor(struct reader *r, const char *name, const json_t *v, struct safetensor *t)
{
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	struct span s;
	*t = (struct safetensor){.name = name};
	if (!dtype)
		return bad(r, name, "has no dtype");
	t->is_bytes = strcmp(dtype, "U8") == 0;
	int rc = t->is_bytes ? 0 : dtype_of(r, name, dtype, &t->type);
	if (!rc)
		rc = read_shape(r, json_object_get(v, "shape"), t);
	if (!rc)
		rc = read_offsets(r, name, v, &s);
	if (rc)
		return rc;
	if (s.end - s.begin != t->bytes)
		return bad(r, name, "has data_offsets that do not fit its shape");
	t->data = r->data + s.begin;
	return 0;
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

static int check_cover(struct reader *r)
{
	uint64_t at = 0;
	size_t i = 0;
	qsort(r->spans, r->n_spans, sizeof *r->spans, compare_spans);
	while (i < r->n_spans && r->spans[i].begin == at)
		at = r->spans[i++].end;
	if (i == r->n_spans && at == r->bytes)
		return 0;
	return err_set(
		r->err, KVIK_ERR_FORMAT,
		"%s: at byte %llu of the data, its safetensors tensors overlap or leave a gap; the file is damaged "
		"or was not copied whole",
		r->name, (unsigned long long)at);
}

static int read_all(struct reader *r, json_t *header, bool (*skip)(const char *), safetensors_fn *fn, void *user)
{
	const char *name;
	json_t *v;
	r->spans = mem_zalloc(json_object_size(header), sizeof *r->spans);
	if (!r->spans)
		return err_set(r->err, KVIK_ERR_NOMEM, "%s: no memory", r->name);
	json_object_foreach(header, name, v)
	{
		struct safetensor t;
		struct span s;
		int rc;
		if (strcmp(name, "__metadata__") == 0)
			continue;
		if (skip(name)) {
			rc = read_offsets(r, name, v, &s);
		} else {
			rc = read_tensor(r, name, v, &t);
			if (!rc)
				rc = fn(user, &t, r->err);
		}
		if (rc)
			return rc;
	}
	return check_cover(r);
}

int safetensors_read(const uint8_t *data, size_t bytes, const char *name, bool (*skip)(const char *tensor),
		     safetensors_fn *fn, void *user, struct kvik_err *err)
{
	struct reader r = {.name = name, .err = err};
	uint64_t header_bytes = 0;
	json_error_t where;
	if (bytes < 8)
		return err_set(err, KVIK_ERR_FORMAT, "%s: too short for a safetensors file", name);
	memcpy(&header_bytes, data, 8);
	if (header_bytes > bytes - 8 || header_bytes > HEADER_MAX)
		return err_set(
			err, KVIK_ERR_FORMAT,
			"%s: its safetensors header would be %llu bytes; the file is damaged or no safetensors file",
			name, (unsigned long long)header_bytes);
	json_t *header = json_loadb((const char *)data + 8, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(header)) {
		json_decref(header);
		return err_set(err, KVIK_ERR_FORMAT, "%s: the safetensors header is not a JSON object: %s (byte %d)",
			       name, header ? "another type" : where.text, where.position + 8);
	}
	r.data = data + 8 + header_bytes;
	r.bytes = bytes - 8 - header_bytes;
	int rc = read_all(&r, header, skip, fn, user);
	mem_free(r.spans);
	json_decref(header);
	return rc;
}
