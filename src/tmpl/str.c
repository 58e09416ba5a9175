/* str.c: immutable strings with a known number of code points.
 *
 * Appending (x = x + y in a loop, the way templates build text) would copy the whole each time; a long result therefore
 * gets room behind it (struct strbuf), and the next append to that same string writes into the room. Strings made
 * before keep their length, so they never see what was added. */
#include <string.h>

#include "tmpl/unicode.h"
#include "tmpl/vm.h"

enum { ROOM_FROM = 256 }; /* bytes; shorter results are simply copied */

static struct value make(struct vm *vm, const char *s, size_t n, size_t chars, struct strbuf *buf)
{
	struct str *str = vm_alloc(vm, sizeof *str);
	*str = (struct str){s ? s : "", n, chars, buf};
	return value_str(str);
}

struct value str_borrow(struct vm *vm, const char *s, size_t n)
{
	vm_work(vm, n);
	return make(vm, s, n, utf8_count(s, n), NULL);
}

struct value str_copy(struct vm *vm, const char *s, size_t n)
{
	char *copy = vm_alloc(vm, n);
	if (n)
		memcpy(copy, s, n);
	return str_borrow(vm, copy, n);
}

struct value str_lit(struct vm *vm, const char *s)
{
	return str_borrow(vm, s, strlen(s));
}

struct value str_concat(struct vm *vm, const struct str *a, const struct str *b)
{
	size_t n = a->n + b->n, chars = a->chars + b->chars;
	if (b->n == 0)
		return value_str(a);
	vm_work(vm, b->n);
	struct strbuf *buf = a->buf;
	if (buf && a->s + a->n == buf->data + buf->used && b->n <= buf->cap - buf->used) {
		memcpy(buf->data + buf->used, b->s, b->n);
		buf->used += b->n;
		return make(vm, a->s, n, chars, buf);
	}
	vm_work(vm, a->n);
	size_t cap = n >= ROOM_FROM && a->n >= b->n ? 2 * n : n;
	buf = vm_alloc(vm, sizeof *buf + cap);
	*buf = (struct strbuf){.used = n, .cap = cap};
	memcpy(buf->data, a->s, a->n);
	memcpy(buf->data + a->n, b->s, b->n);
	return make(vm, buf->data, n, chars, buf);
}

struct value str_slice(struct vm *vm, const struct str *s, size_t from, size_t to)
{
	size_t n = to - from;
	if (s->chars == s->n)
		return make(vm, s->s + from, n, n, NULL);
	return str_borrow(vm, s->s + from, n);
}

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
