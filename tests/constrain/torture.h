/* torture.h: each allocation fails once, while a constraint is made and while a text is followed. Afterwards all is freed, what
 * could not be made is NOMEM, and what finds no memory says no. */
#ifndef TESTS_CONSTRAIN_TORTURE_H
#define TESTS_CONSTRAIN_TORTURE_H

#include "base/mem.h"
#include "constrain/constrain.h"

/* form[form_bytes] of this kind lets text[bytes] through; t: the vocabulary's, or NULL. */
static inline void torture(enum constrain_kind kind, const char *form, size_t form_bytes, const struct trie *t,
			   const char *text, size_t bytes)
{
	unsigned in_a_row = 0; /* that nothing failed in: beyond the last allocation */
	for (long at = 1; in_a_row < 100; at++) {
		struct constrain *c;
		struct matcher m;
		struct kvik_err err;
		mem_fail_at(at);
		int rc = constrain_new(&c, kind, form, form_bytes, t, false, &err);
		if (rc) {
			mem_fail_at(0);
			assert_int_equal(rc, KVIK_ERR_NOMEM);
			assert_null(c);
			continue;
		}
		matcher_init(&m, c);
		size_t taken = matcher_feed(&m, text, bytes);
		/* What finds no memory says no; what is only remembered may be lacking. */
		in_a_row = taken == bytes && matcher_accepts(&m) ? in_a_row + 1 : 0;
		mem_fail_at(0);
		matcher_release(&m);
		constrain_free(c);
		assert_true(at < 5000);
	}
}

#endif
