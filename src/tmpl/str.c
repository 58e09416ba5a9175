/* str.c: immutable strings with a known number of code points.
 *
 * Appending (x = x + y in a loop, the way templates build text) would copy the whole each time; a long result therefore
 * gets room behind it (struct strbuf), and the next append to that same string writes into the room. Strings made
 * before keep their length, so they never see what was added. */
#include <string.h>

#include "tmpl/unicode.h"
#include "tmpl/vm.h"

enum { ROOM_FROM = 256 }; /* bytes; shorter results are simply copied */

static struct value make(struct vm *vm, struct str str)
{
	struct str *kept = vm_alloc(vm, sizeof *kept);
	if (!str.s)
		str.s = "";
	*kept = str;
	return value_str(kept);
}

struct value str_borrow(struct vm *vm, const char *s, size_t n, enum origin origin)
{
	vm_work(vm, n);
	return make(vm, (struct str){.s = s, .n = n, .chars = utf8_count(s, n), .origin = (uint8_t)origin});
}

struct value str_copy(struct vm *vm, const char *s, size_t n, enum origin origin)
{
	char *copy = vm_alloc(vm, n);
	if (n)
		memcpy(copy, s, n);
	return str_borrow(vm, copy, n, origin);
}

struct value str_lit(struct vm *vm, const char *s)
{
	return str_borrow(vm, s, strlen(s), FROM_TEMPLATE);
}

struct value str_like(struct vm *vm, const struct str *s, const char *bytes)
{
	struct str like = *s;
	vm_work(vm, s->n);
	like.s = bytes;
	like.chars = utf8_count(bytes, s->n);
	like.buf = NULL;
	return make(vm, like);
}

enum origin str_origin(const struct str *s, size_t at)
{
	return (enum origin)(s->origins ? s->origins[at] : s->origin);
}

/* ---- Appending --------------------------------------------------------------------------------------------------- */

/* Writes s into the room of buf at its end; the caller has seen that it fits. */
static void append(struct vm *vm, struct strbuf *buf, const struct str *s)
{
	bool alike = !s->origins && (buf->used == 0 || s->origin == buf->origin);
	if (s->n == 0)
		return;
	if (alike && !buf->origins) {
		buf->origin = s->origin;
	} else if (!buf->origins) {
		buf->origins = vm_alloc(vm, buf->cap);
		memset(buf->origins, buf->origin, buf->used);
	}
	memcpy(buf->data + buf->used, s->s, s->n);
	if (buf->origins && s->origins)
		memcpy(buf->origins + buf->used, s->origins, s->n);
	else if (buf->origins)
		memset(buf->origins + buf->used, s->origin, s->n);
	buf->used += s->n;
}

/* The n bytes that end with what is used of buf. */
static struct value end_of(struct vm *vm, struct strbuf *buf, size_t n, size_t chars)
{
	size_t from = buf->used - n;
	return make(vm, (struct str){buf->data + from, n, chars, buf, buf->origins ? buf->origins + from : NULL,
				     buf->origin});
}

struct value str_concat(struct vm *vm, const struct str *a, const struct str *b)
{
	size_t n = a->n + b->n, chars = a->chars + b->chars;
	if (b->n == 0)
		return value_str(a);
	vm_work(vm, b->n);
	struct strbuf *buf = a->buf;
	if (buf && a->s + a->n == buf->data + buf->used && b->n <= buf->cap - buf->used) {
		append(vm, buf, b);
		return end_of(vm, buf, n, chars);
	}
	vm_work(vm, a->n);
	size_t cap = n >= ROOM_FROM && a->n >= b->n ? 2 * n : n;
	buf = vm_alloc(vm, sizeof *buf + cap);
	*buf = (struct strbuf){.cap = cap};
	append(vm, buf, a);
	append(vm, buf, b);
	return end_of(vm, buf, n, chars);
}

struct value str_slice(struct vm *vm, const struct str *s, size_t from, size_t to)
{
	struct str slice = {.s = s->s + from, .n = to - from, .origin = s->origin};
	if (s->origins)
		slice.origins = s->origins + from;
	if (s->chars != s->n)
		vm_work(vm, slice.n);
	slice.chars = s->chars == s->n ? slice.n : utf8_count(slice.s, slice.n);
	return make(vm, slice);
}

/* ---- Comparing and finding --------------------------------------------------------------------------------------- */

bool str_equal(const struct str *a, const struct str *b)
{
	return a->n == b->n && (a->s == b->s || memcmp(a->s, b->s, a->n) == 0);
}

bool str_is(const struct str *a, const char *text)
{
	return a->n == strlen(text) && memcmp(a->s, text, a->n) == 0;
}

/* UTF-8 sorts as its code points do. */
int str_compare(const struct str *a, const struct str *b)
{
	int order = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);
	return order ? order : a->n < b->n ? -1 : a->n > b->n;
}

size_t str_offset(const struct str *s, size_t chars)
{
	if (s->chars == s->n)
		return chars < s->n ? chars : s->n;
	size_t at = 0;
	for (; at < s->n && chars > 0; chars--) {
		unsigned bytes;
		utf8_get(s->s + at, &bytes);
		at += bytes;
	}
	return at;
}

size_t str_find(struct vm *vm, const struct str *s, const struct str *what, size_t from, size_t to)
{
	if (from > to || what->n > to - from)
		return SIZE_MAX;
	const char *at = memmem(s->s + from, to - from, what->s, what->n);
	vm_work(vm, (at ? (size_t)(at - s->s) : to) - from);
	return at ? (size_t)(at - s->s) : SIZE_MAX;
}

size_t str_rfind(struct vm *vm, const struct str *s, const struct str *what, size_t from, size_t to)
{
	if (from > to || what->n > to - from)
		return SIZE_MAX;
	for (size_t at = to - what->n + 1; at-- > from;) {
		vm_work(vm, STEP_BYTES + (what->n && s->s[at] == what->s[0] ? what->n : 0));
		if (memcmp(s->s + at, what->s, what->n) == 0)
			return at;
	}
	return SIZE_MAX;
}
