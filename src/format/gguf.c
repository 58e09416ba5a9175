/* gguf.c: the GGUF reader.
 *
 *     "GGUF" u32 version  u64 tensors  u64 keys | keys: str key, u32 type, value | tensors: str name, u32 n_dims,
 *     u64 dims[], u32 type, u64 offset | padding to general.alignment | tensor data
 *
 * One pass over a bounded cursor; counts are checked against the bytes that are left before anything is allocated, so
 * memory stays within a small multiple of the file. Keys and tensors are sorted by name once: duplicates show as equal
 * neighbours, look-ups are binary searches.
 *
 * Invariants: 1. every view lies inside [data, data + bytes). 2. No two keys and no two tensors share a name.
 * 3. A tensor's bytes are exactly those of its dims and type. 4. No two tensors share a byte. */
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum gguf_type { U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARRAY, U64, I64, F64, TYPE_COUNT };

static const uint8_t type_bytes[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum { KEY_BYTES_MIN = 8 + 4 + 1, TENSOR_BYTES_MIN = 8 + 4 + 8 + 4 + 8, STR_BYTES_MIN = 8, ARRAY_BYTES_MIN = 4 + 8 };
enum { NESTING_MAX = 8, SHOWN_MAX = 200 /* bytes of a name in an error text */ };

struct entry {
	struct gguf_str key;
	uint32_t type;
	const uint8_t *value; /* of a string: its text; of an array: its first element */
	uint64_t n;           /* bytes of a string, elements of an array */
	uint32_t elem;        /* element type of an array */
};

struct gguf {
	struct entry *entries;       /* sorted by key */
	struct gguf_tensor *tensors; /* in file order */
	size_t n_entries, n_tensors;
};

struct cursor {
	const uint8_t *data;
	size_t size, at;
	const char *name; /* of the file, for errors */
	struct kvik_err *err;
};

static int malformed(const struct cursor *c, const char *what)
{
	return err_set(c->err, KVIK_ERR_FORMAT, "%s: GGUF %s at byte %zu; the file is damaged or was not copied whole",
		       c->name, what, c->at);
}

static int take(struct cursor *c, void *out, size_t bytes)
{
	if (bytes > c->size - c->at)
		return malformed(c, "ends early");
	memcpy(out, c->data + c->at, bytes);
	c->at += bytes;
	return 0;
}

static int take_str(struct cursor *c, struct gguf_str *s)
{
	uint64_t n = 0;
	int rc = take(c, &n, sizeof n);
	if (rc)
		return rc;
	if (n > c->size - c->at)
		return malformed(c, "has a string longer than the file");
	*s = (struct gguf_str){(const char *)c->data + c->at, (size_t)n};
	c->at += (size_t)n;
	return 0;
}

static int skip_elements(struct cursor *c, uint32_t type, uint64_t n, int depth);

/* The head of an array: element type and count; then its elements. */
static int skip_array(struct cursor *c, uint32_t *type, uint64_t *n, const uint8_t **first, int depth)
{
	int rc = take(c, type, sizeof *type);
	if (!rc)
		rc = take(c, n, sizeof *n);
	if (rc)
		return rc;
	*first = c->data + c->at;
	return skip_elements(c, *type, *n, depth);
}

static int skip_elements(struct cursor *c, uint32_t type, uint64_t n, int depth)
{
	if (type >= TYPE_COUNT)
		return malformed(c, "has an array of unknown type");
	if (depth > NESTING_MAX)
		return malformed(c, "nests arrays too deeply");
	size_t each = type == STR ? STR_BYTES_MIN : type == ARRAY ? ARRAY_BYTES_MIN : type_bytes[type];
	if (n > (c->size - c->at) / each)
		return malformed(c, "has an array longer than the file");
	if (type != STR && type != ARRAY) {
		c->at += (size_t)n * each;
		return 0;
	}
	int rc = 0;
	for (uint64_t i = 0; i < n && !rc; i++) {
		struct gguf_str s;
		uint32_t inner;
		uint64_t inner_n;
		const uint8_t *first;
		rc = type == STR ? take_str(c, &s) : skip_array(c, &inner, &inner_n, &first, depth + 1);
	}
	return rc;
}

static int take_entry(struct cursor *c, struct entry *e)
{
	int rc = take_str(c, &e->key);
	if (rc)
		return rc;
	if (e->key.bytes == 0 || e->key.bytes > GGUF_NAME_MAX)
		return malformed(c, "has a key of impossible length");
	rc = take(c, &e->type, sizeof e->type);
	if (rc)
		return rc;
	if (e->type == ARRAY)
		return skip_array(c, &e->elem, &e->n, &e->value, 1);
	if (e->type == STR) {
		struct gguf_str s;
		rc = take_str(c, &s);
		if (!rc) {
			e->value = (const uint8_t *)s.text;
			e->n = s.bytes;
		}
		return rc;
	}
	if (e->type >= TYPE_COUNT)
		return malformed(c, "has a value of unknown type");
	if (type_bytes[e->type] > c->size - c->at)
		return malformed(c, "ends early");
	e->value = c->data + c->at;
	c->at += type_bytes[e->type];
	return 0;
}

static int compare_str(struct gguf_str a, struct gguf_str b)
{
	size_t n = a.bytes < b.bytes ? a.bytes : b.bytes;
	int d = memcmp(a.text, b.text, n);
	return d ? d : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_str(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static int compare_names(const void *a, const void *b)
{
	return compare_str(*(const struct gguf_str *)a, *(const struct gguf_str *)b);
}

static int duplicate(const struct cursor *c, const char *kind, struct gguf_str name)
{
	int shown = name.bytes < SHOWN_MAX ? (int)name.bytes : SHOWN_MAX;
	return err_set(c->err, KVIK_ERR_FORMAT, "%s: GGUF %s '%.*s' occurs twice; convert the model again", c->name,
		       kind, shown, name.text);
}

static int read_entries(struct gguf *g, struct cursor *c, uint64_t n)
{
	if (n > (c->size - c->at) / KEY_BYTES_MIN)
		return malformed(c, "announces more keys than the file can hold");
	g->entries = mem_zalloc((size_t)n, sizeof *g->entries);
	if (!g->entries)
		return err_set(c->err, KVIK_ERR_NOMEM, "%s: no memory for %zu keys", c->name, (size_t)n);
	for (; g->n_entries < n; g->n_entries++) {
		int rc = take_entry(c, &g->entries[g->n_entries]);
		if (rc)
			return rc;
	}
	qsort(g->entries, g->n_entries, sizeof *g->entries, compare_entries);
	for (size_t i = 1; i < g->n_entries; i++)
		if (compare_entries(&g->entries[i - 1], &g->entries[i]) == 0)
			return duplicate(c, "key", g->entries[i].key);
	return 0;
}

static int bad_tensor(const struct cursor *c, const struct gguf_tensor *t, const char *what)
{
	int shown = t->name.bytes < SHOWN_MAX ? (int)t->name.bytes : SHOWN_MAX;
	return err_set(c->err, KVIK_ERR_FORMAT,
		       "%s: GGUF tensor '%.*s' %s; the file is damaged or was not copied whole", c->name, shown,
		       t->name.text, what);
}

/* Bytes of the tensor from its dims and type, without overflow. */
static int measure(const struct cursor *c, struct gguf_tensor *t)
{
	uint32_t block = wtype_block_elems(t->type);
	if (t->dims[0] % block != 0)
		return bad_tensor(c, t, "has rows that are no whole number of blocks");
	uint64_t blocks = t->dims[0] / block;
	for (uint32_t i = 1; i < GGUF_DIMS_MAX; i++)
		if (__builtin_mul_overflow(blocks, t->dims[i], &blocks))
			return bad_tensor(c, t, "is larger than any memory");
	if (__builtin_mul_overflow(blocks, wtype_block_bytes(t->type), &t->bytes) || t->bytes > c->size)
		return bad_tensor(c, t, "is larger than the file");
	return 0;
}

/* Reads one description; data becomes an offset for now. */
static int take_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t *offset)
{
	uint32_t ggml = 0;
	int rc = take_str(c, &t->name);
	if (!rc)
		rc = take(c, &t->n_dims, sizeof t->n_dims);
	if (rc)
		return rc;
	if (t->n_dims < 1 || t->n_dims > GGUF_DIMS_MAX)
		return bad_tensor(c, t, "has an impossible number of dims");
	for (uint32_t i = 0; i < GGUF_DIMS_MAX; i++) {
		t->dims[i] = 1;
		rc = i < t->n_dims ? take(c, &t->dims[i], sizeof t->dims[i]) : 0;
		if (rc)
			return rc;
		if (t->dims[i] == 0)
			return bad_tensor(c, t, "has an empty dim");
	}
	rc = take(c, &ggml, sizeof ggml);
	if (!rc)
		rc = take(c, offset, sizeof *offset);
	if (rc)
		return rc;
	int type = wtype_from_ggml(ggml);
	if (type < 0)
		return err_set(c->err, KVIK_ERR_UNSUPPORTED,
			       "%s: GGUF tensor '%.*s' has type number %u, which kvik does not read; use a Q4_K_M or "
			       "Q8_0 file",
			       c->name, (int)(t->name.bytes < SHOWN_MAX ? t->name.bytes : SHOWN_MAX), t->name.text,
			       ggml);
	t->type = (enum wtype)type;
	return measure(c, t);
}

static int check_names(const struct gguf *g, const struct cursor *c)
{
	struct gguf_str *names = mem_zalloc(g->n_tensors, sizeof *names);
	if (!names)
		return err_set(c->err, KVIK_ERR_NOMEM, "%s: no memory for %zu tensor names", c->name, g->n_tensors);
	int rc = 0;
	for (size_t i = 0; i < g->n_tensors; i++)
		names[i] = g->tensors[i].name;
	qsort(names, g->n_tensors, sizeof *names, compare_names);
	for (size_t i = 1; i < g->n_tensors && !rc; i++)
		if (compare_str(names[i - 1], names[i]) == 0)
			rc = duplicate(c, "tensor", names[i]);
	mem_free(names);
	return rc;
}

static int compare_data(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;
	return (x->data > y->data) - (x->data < y->data);
}

static int check_overlaps(const struct gguf *g, const struct cursor *c)
{
	const struct gguf_tensor **by_data = mem_zalloc(g->n_tensors, sizeof *by_data);
	if (!by_data)
		return err_set(c->err, KVIK_ERR_NOMEM, "%s: no memory for %zu tensors", c->name, g->n_tensors);
	int rc = 0;
	for (size_t i = 0; i < g->n_tensors; i++)
		by_data[i] = &g->tensors[i];
	qsort(by_data, g->n_tensors, sizeof *by_data, compare_data);
	for (size_t i = 1; i < g->n_tensors && !rc; i++)
		if (by_data[i]->data < by_data[i - 1]->data + by_data[i - 1]->bytes)
			rc = bad_tensor(c, by_data[i], "overlaps another");
	mem_free(by_data);
	return rc;
}

/* Turns offsets into views, once the start of the data is known. */
static int place_tensors(struct gguf *g, struct cursor *c, const uint64_t *offsets)
{
	uint64_t align = 32;
	int rc = gguf_get_u64(g, "general.alignment", &align, c->err);
	if (rc < 0) {
		err_prefix(c->err, "%s", c->name);
		return rc;
	}
	if (align == 0 || align > 1u << 20 || (align & (align - 1)) != 0)
		return malformed(c, "has a general.alignment that is no power of two up to 1 MiB");
	size_t start = (c->at + (size_t)align - 1) & ~((size_t)align - 1);
	for (size_t i = 0; i < g->n_tensors; i++) {
		struct gguf_tensor *t = &g->tensors[i];
		if (offsets[i] % align != 0)
			return bad_tensor(c, t, "is not aligned");
		if (start > c->size || offsets[i] > c->size - start || t->bytes > c->size - start - (size_t)offsets[i])
			return bad_tensor(c, t, "lies beyond the end");
		t->data = c->data + start + (size_t)offsets[i];
	}
	return check_overlaps(g, c);
}

static int read_tensors(struct gguf *g, struct cursor *c, uint64_t n)
{
	if (n > (c->size - c->at) / TENSOR_BYTES_MIN)
		return malformed(c, "announces more tensors than the file can hold");
	g->tensors = mem_zalloc((size_t)n, sizeof *g->tensors);
	uint64_t *offsets = mem_zalloc((size_t)n, sizeof *offsets);
	int rc = g->tensors && offsets
			 ? 0
			 : err_set(c->err, KVIK_ERR_NOMEM, "%s: no memory for %zu tensors", c->name, (size_t)n);
	for (; !rc && g->n_tensors < n; g->n_tensors++)
		rc = take_tensor(c, &g->tensors[g->n_tensors], &offsets[g->n_tensors]);
	if (!rc)
		rc = check_names(g, c);
	if (!rc)
		rc = place_tensors(g, c, offsets);
	mem_free(offsets);
	return rc;
}

static int read_all(struct gguf *g, struct cursor *c)
{
	char magic[4];
	uint32_t version = 0;
	uint64_t n_tensors = 0, n_entries = 0;
	if (c->size < 4 || memcmp(c->data, "GGUF", 4) != 0)
		return err_set(c->err, KVIK_ERR_FORMAT,
			       "%s: not a GGUF file; kvik takes GGUF files and Hugging Face folders", c->name);
	int rc = take(c, magic, sizeof magic);
	if (!rc)
		rc = take(c, &version, sizeof version);
	if (rc)
		return rc;
	if (version != 2 && version != 3)
		return err_set(
			c->err, KVIK_ERR_UNSUPPORTED,
			"%s: GGUF version %u%s; kvik reads little-endian versions 2 and 3: convert the model again",
			c->name, version, version > 0xFFFFFF ? " (a big-endian file)" : "");
	rc = take(c, &n_tensors, sizeof n_tensors);
	if (!rc)
		rc = take(c, &n_entries, sizeof n_entries);
	if (!rc)
		rc = read_entries(g, c, n_entries);
	return rc ? rc : read_tensors(g, c, n_tensors);
}

int gguf_open(struct gguf **out, const uint8_t *data, size_t bytes, const char *name, struct kvik_err *err)
{
	struct cursor c = {.data = data, .size = bytes, .name = name, .err = err};
	struct gguf *g = mem_zalloc(1, sizeof *g);
	*out = NULL;
	if (!g)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", name);
	int rc = read_all(g, &c);
	if (rc)
		gguf_free(g);
	else
		*out = g;
	return rc;
}

void gguf_free(struct gguf *g)
{
	if (!g)
		return;
	mem_free(g->entries);
	mem_free(g->tensors);
	mem_free(g);
}

size_t gguf_tensor_count(const struct gguf *g)
{
	return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
	return &g->tensors[i];
}

size_t gguf_key_count(const struct gguf *g)
{
	return g->n_entries;
}

struct gguf_str gguf_key_at(const struct gguf *g, size_t i)
{
	return g->entries[i].key;
}

static const struct entry *find(const struct gguf *g, const char *key)
{
	struct entry want = {.key = {key, strlen(key)}};
	return bsearch(&want, g->entries, g->n_entries, sizeof want, compare_entries);
}

bool gguf_has(const struct gguf *g, const char *key)
{
	return find(g, key) != NULL;
}

static int wrong_type(const char *key, const char *want, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "GGUF key '%s' is not %s; convert the model again", key, want);
}

/* Sign-extends the little-endian integer of the entry; false when it is none. */
static bool integer(const struct entry *e, int64_t *v, bool *is_unsigned)
{
	static const bool is_signed[TYPE_COUNT] = {[I8] = true, [I16] = true, [I32] = true, [I64] = true};
	if (e->type == F32 || e->type == F64 || e->type == BOOL || e->type == STR || e->type == ARRAY)
		return false;
	uint64_t raw = 0;
	unsigned bits = 8u * type_bytes[e->type];
	memcpy(&raw, e->value, type_bytes[e->type]);
	if (is_signed[e->type] && bits < 64 && raw >> (bits - 1))
		raw |= ~0ull << bits;
	memcpy(v, &raw, sizeof *v);
	*is_unsigned = !is_signed[e->type];
	return true;
}

int gguf_get_u64(const struct gguf *g, const char *key, uint64_t *v, struct kvik_err *err)
{
	const struct entry *e = find(g, key);
	int64_t i;
	bool is_unsigned;
	if (!e)
		return 0;
	if (!integer(e, &i, &is_unsigned) || (!is_unsigned && i < 0))
		return wrong_type(key, "an integer of at least 0", err);
	*v = (uint64_t)i;
	return 1;
}

int gguf_get_f64(const struct gguf *g, const char *key, double *v, struct kvik_err *err)
{
	const struct entry *e = find(g, key);
	int64_t i;
	bool is_unsigned;
	float f;
	if (!e)
		return 0;
	if (e->type == F32) {
		memcpy(&f, e->value, sizeof f);
		*v = (double)f;
	} else if (e->type == F64) {
		memcpy(v, e->value, sizeof *v);
	} else if (integer(e, &i, &is_unsigned)) {
		*v = is_unsigned ? (double)(uint64_t)i : (double)i;
	} else {
		return wrong_type(key, "a number", err);
	}
	return 1;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool *v, struct kvik_err *err)
{
	const struct entry *e = find(g, key);
	if (!e)
		return 0;
	if (e->type != BOOL || e->value[0] > 1)
		return wrong_type(key, "true or false", err);
	*v = e->value[0] != 0;
	return 1;
}

int gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *v, struct kvik_err *err)
{
	const struct entry *e = find(g, key);
	if (!e)
		return 0;
	if (e->type != STR)
		return wrong_type(key, "a string", err);
	*v = (struct gguf_str){(const char *)e->value, (size_t)e->n};
	return 1;
}

int gguf_get_array(const struct gguf *g, const char *key, struct gguf_array *v, struct kvik_err *err)
{
	const struct entry *e = find(g, key);
	if (!e)
		return 0;
	if (e->type != ARRAY)
		return wrong_type(key, "an array", err);
	*v = (struct gguf_array){e->elem, e->n, e->value};
	return 1;
}
