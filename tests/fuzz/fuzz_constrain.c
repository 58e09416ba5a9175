/* fuzz_constrain.c: a constraint and a text, apart by a NUL; the first byte chooses the kind. Whole or byte by byte the same is
 * taken; what is accepted as JSON is JSON. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "constrain/constrain.h"

static void check(struct constrain *c, bool json, const char *text, size_t n)
{
	struct matcher whole, bytes;
	size_t one = 0;
	matcher_init(&whole, c);
	matcher_init(&bytes, c);
	size_t taken = matcher_feed(&whole, text, n);
	while (one < n && matcher_feed(&bytes, text + one, 1) == 1)
		one++;
	bool accepted = matcher_accepts(&whole);
	if (one != taken || matcher_accepts(&bytes) != accepted)
		abort();
	matcher_rollback(&bytes, one / 2);
	if (matcher_feed(&bytes, text + one - one / 2, one / 2) != one / 2 || matcher_accepts(&bytes) != accepted)
		abort();
	if (accepted && json) {
		json_error_t e;
		json_t *v = json_loadb(text, taken, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
		if (!v && json_error_code(&e) != json_error_numeric_overflow &&
		    json_error_code(&e) != json_error_null_byte_in_key)
			abort();
		json_decref(v);
	}
	matcher_release(&whole);
	matcher_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
	struct constrain *c;
	struct kvik_err err;
	if (!end)
		return 0;
	enum constrain_kind kind = data[0] % 6;
	if (constrain_new(&c, kind, (const char *)data + 1, (size_t)(end - data) - 1, NULL, false, &err) != 0)
		return 0;
	check(c, kind == CONSTRAIN_JSON || kind == CONSTRAIN_SCHEMA, (const char *)end + 1,
	      (size_t)(data + size - end) - 1);
	constrain_free(c);
	return 0;
}
