/* json_read.c: see json_read.h. Only a text that jansson refuses for a number's size is looked at again: there these
 * numbers are put between quotes, behind a random mark, and found again in what jansson makes of it. */
#include "chat/json_read.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "tmpl/number.h"
#include "tmpl/tmpl.h"

enum { MARK_BYTES = 16 };

/* ---- Quoting ----------------------------------------------------------------------------------------------------- */

/* Behind a string that begins at `at`; its escapes are jansson's to judge. */
static size_t skip_string(const char *text, size_t bytes, size_t at)
{
	for (at++; at < bytes && text[at] != '"'; at++)
		at += text[at] == '\\';
	return at + 1 < bytes ? at + 1 : bytes;
}

static size_t skip_digits(const char *text, size_t bytes, size_t at)
{
	while (at < bytes && isdigit((unsigned char)text[at]))
		at++;
	return at;
}

/* Behind the number of JSON's grammar that begins at `at`; at: there is none. */
static size_t skip_number(const char *text, size_t bytes, size_t at)
{
	size_t from = at + (text[at] == '-'), to = skip_digits(text, bytes, from), more;
	if (to == from || (text[from] == '0' && to > from + 1))
		return at;
	if (to < bytes && text[to] == '.' && (more = skip_digits(text, bytes, to + 1)) > to + 1)
		to = more;
	if (to < bytes && (text[to] == 'e' || text[to] == 'E')) {
		size_t sign = to + 1 < bytes && (text[to + 1] == '+' || text[to + 1] == '-');
		more = skip_digits(text, bytes, to + 1 + sign);
		to = more > to + 1 + sign ? more : to;
	}
	return to;
}

static bool is_whole(const char *number, size_t n)
{
	return !memchr(number, '.', n) && !memchr(number, 'e', n) && !memchr(number, 'E', n);
}

/* text: a number, with a character behind it that is no part of it, or its end. */
static bool is_too_large(const char *text, size_t n)
{
	char number[400]; /* more digits than a double's largest has */
	if (n < 19 && is_whole(text, n))
		return false;
	if (n >= sizeof number)
		return true;
	memcpy(number, text, n);
	number[n] = '\0';
	errno = 0;
	if (is_whole(text, n))
		(void)strtoimax(number, NULL, 10);
	else
		return isinf(strtod(number, NULL));
	return errno == ERANGE;
}

/* The same text with "MARK1234..." for each number that is too large. */
static bool quote_numbers(struct buf *out, const char *text, size_t bytes, const char *mark)
{
	bool ok = buf_reserve(out, bytes);
	for (size_t at = 0, to; at < bytes && ok; at = to) {
		bool digit = isdigit((unsigned char)text[at]) || text[at] == '-';
		to = text[at] == '"' ? skip_string(text, bytes, at) : digit ? skip_number(text, bytes, at) : at + 1;
		if (to == at)
			to = at + 1;
		bool quote = digit && is_too_large(text + at, to - at);
		if (quote)
			ok = buf_add(out, "\"", 1) && buf_add(out, mark, MARK_BYTES);
		ok = ok && buf_add(out, text + at, to - at) && (!quote || buf_add(out, "\"", 1));
	}
	return ok;
}

/* ---- Finding again ----------------------------------------------------------------------------------------------- */

static json_t *huge(const char *digits, size_t n)
{
	struct buf b = {0};
	bool ok = buf_add(&b, TMPL_NUMBER, 1) && buf_add(&b, digits, n);
	json_t *v = ok ? json_stringn_nocheck(b.data, b.n) : NULL;
	buf_release(&b);
	return v;
}

typedef json_t *exchange_fn(const json_t *v, const void *ctx); /* NULL: v stays */

/* Depth is bounded: jansson has read it. */
static void exchange(json_t *v, exchange_fn *f, const void *ctx)
{
	const char *key;
	json_t *member, *other;
	size_t i;
	json_object_foreach(v, key, member)
	{
		if ((other = f(member, ctx)))
			json_object_set_new_nocheck(v, key, other);
		else
			exchange(member, f, ctx);
	}
	json_array_foreach(v, i, member)
	{
		if ((other = f(member, ctx)))
			json_array_set_new(v, i, other);
		else
			exchange(member, f, ctx);
	}
}

static json_t *marked_to_huge(const json_t *v, const void *mark)
{
	const char *s = json_string_value(v);
	bool marked = s && json_string_length(v) > MARK_BYTES && memcmp(s, mark, MARK_BYTES) == 0;
	return marked ? huge(s + MARK_BYTES, json_string_length(v) - MARK_BYTES) : NULL;
}

/* Letters that no client can guess. */
static void make_mark(char mark[MARK_BYTES])
{
	unsigned char random[MARK_BYTES] = {0};
	if (getrandom(random, sizeof random, GRND_NONBLOCK) < 0)
		random[0] = 1; /* a client that knows it can send numbers as strings: no harm */
	for (int i = 0; i < MARK_BYTES; i++)
		mark[i] = (char)('a' + random[i] % 26);
}

json_t *json_read(const char *text, size_t bytes, size_t flags, json_error_t *e)
{
	json_error_t unread;
	e = e ? e : &unread;
	json_t *o = json_loadb(text, bytes, flags, e);
	if (o || json_error_code(e) != json_error_numeric_overflow)
		return o;
	char mark[MARK_BYTES];
	struct buf quoted = {0};
	make_mark(mark);
	if (quote_numbers(&quoted, text, bytes, mark))
		o = json_loadb(quoted.data, quoted.n, flags, e);
	buf_release(&quoted);
	json_t *whole = marked_to_huge(o, mark);
	if (!whole) {
		exchange(o, marked_to_huge, mark);
		return o;
	}
	json_decref(o);
	return whole;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

/* Does it hold a number that jansson would not write, or not as it was: 0.1 as 0.10000000000000001? */
static bool holds_own_number(const json_t *v)
{
	const char *key;
	json_t *member;
	size_t i;
	bool found = json_is_real(v) || json_is_huge(v);
	json_object_foreach((json_t *)(uintptr_t)v, key, member) if (!found) found = holds_own_number(member);
	json_array_foreach((json_t *)(uintptr_t)v, i, member) if (!found) found = holds_own_number(member);
	return found;
}

/* The digits behind `mark`, so that they are found again in the text. */
static json_t *number_to_marked(const json_t *v, const void *mark)
{
	char digits[FLOAT_REPR_MAX];
	if (json_is_huge(v))
		return json_sprintf("%s%s", (const char *)mark, json_string_value(v) + 1);
	if (!json_is_real(v))
		return NULL;
	float_repr(json_real_value(v), digits);
	return json_sprintf("%s%s", (const char *)mark, digits);
}

/* Takes the quotes and the marks off the numbers. */
static void unquote(char *text, const char *mark)
{
	char *to = text, *from = text, *at;
	while ((at = strstr(from, mark))) {
		char *digits = at + strlen(mark), *end = strchr(digits, '"');
		size_t before = (size_t)(at - 1 - from);
		memmove(to, from, before);
		memmove(to + before, digits, (size_t)(end - digits));
		to += before + (size_t)(end - digits);
		from = end + 1;
	}
	memmove(to, from, strlen(from) + 1);
}

char *json_write(const json_t *v, size_t flags)
{
	char mark[MARK_BYTES + 1] = "";
	if (!holds_own_number(v))
		return json_dumps(v, flags);
	json_t *copy = json_deep_copy(v), *whole;
	make_mark(mark);
	whole = number_to_marked(v, mark);
	if (!whole)
		exchange(copy, number_to_marked, mark);
	char *text = json_dumps(whole ? whole : copy, flags);
	json_decref(whole);
	json_decref(copy);
	if (text)
		unquote(text, mark);
	return text;
}

/* ---- What became of them ----------------------------------------------------------------------------------------- */

bool json_is_huge(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) > 0 && json_string_value(v)[0] == TMPL_NUMBER[0];
}

static json_t *huge_to_real(const json_t *v, const void *ctx)
{
	(void)ctx;
	if (!json_is_huge(v))
		return NULL;
	double x = strtod(json_string_value(v) + 1, NULL);
	return json_real(x > DBL_MAX ? DBL_MAX : x < -DBL_MAX ? -DBL_MAX : x);
}

void json_huge_to_real(json_t *object, const char *const *keep)
{
	const char *key;
	json_t *v, *real;
	json_object_foreach(object, key, v)
	{
		const char *const *k = keep;
		while (*k && strcmp(*k, key) != 0)
			k++;
		if (*k)
			continue;
		if ((real = huge_to_real(v, NULL)))
			json_object_set_new_nocheck(object, key, real);
		else
			exchange(v, huge_to_real, NULL);
	}
}
