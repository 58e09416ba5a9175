/* gguf.h: a strict, bounded reader of GGUF versions 2 and 3 (little-endian). Everything it gives out is a view into the
 * caller's bytes, which must outlive it. Read-only after gguf_open; any thread. Source: the GGUF specification. */
#ifndef KVIK_FORMAT_GGUF_H
#define KVIK_FORMAT_GGUF_H

#include "base/err.h"
#include "base/wtype.h"

#define GGUF_DIMS_MAX 4
#define GGUF_NAME_MAX 65535 /* bytes of a key */

struct gguf_str {
	const char *text; /* [bytes], not NUL-terminated */
	size_t bytes;
};

struct gguf_tensor {
	struct gguf_str name;
	enum wtype type;
	uint32_t n_dims;
	uint64_t dims[GGUF_DIMS_MAX]; /* dims[0] is the length of a row, contiguous; unused ones are 1 */
	const uint8_t *data;
	size_t bytes;
};

struct gguf_array {
	uint32_t type; /* element type number of the specification */
	uint64_t n;
	const uint8_t
		*data; /* elements as in the file; strings have their length before, inner arrays type and count */
};

struct gguf;

/* name: for error texts. Errors: FORMAT (what, which key or tensor), UNSUPPORTED, NOMEM. */
int gguf_open(struct gguf **out, const uint8_t *data, size_t bytes, const char *name, struct kvik_err *err) MUST_CHECK;
void gguf_free(struct gguf *g);

size_t gguf_tensor_count(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);

/* Keys in the order of their bytes. */
size_t gguf_key_count(const struct gguf *g);
struct gguf_str gguf_key_at(const struct gguf *g, size_t i);
bool gguf_has(const struct gguf *g, const char *key);

/* Getters: 1 = found, 0 = no such key, KVIK_ERR_FORMAT = the key has another type or the number does not fit. */
int gguf_get_u64(const struct gguf *g, const char *key, uint64_t *v, struct kvik_err *err) MUST_CHECK;
int gguf_get_f64(const struct gguf *g, const char *key, double *v, struct kvik_err *err) MUST_CHECK;
int gguf_get_bool(const struct gguf *g, const char *key, bool *v, struct kvik_err *err) MUST_CHECK;
int gguf_get_str(const struct gguf *g, const char *key, struct gguf_str *v, struct kvik_err *err) MUST_CHECK;
int gguf_get_array(const struct gguf *g, const char *key, struct gguf_array *v, struct kvik_err *err) MUST_CHECK;

#endif
