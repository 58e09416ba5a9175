/* special.c: tokens that are cut out of the text before anything else looks at it: the longest one that matches, from
 * the left. Any thread. */
#include <ctype.h>
#include <stdlib.h>

#include "token/utf8.h"
#include "token/vocab_impl.h"

int vocab_add_special(struct vocab *v, const struct special *s, struct kvik_err *err)
{
	struct special *list = mem_realloc(v->specials, v->n_specials + 1, sizeof *list);
	if (!list)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the special tokens");
	v->specials = list;
	v->specials[v->n_specials++] = *s;
	uint8_t first = (uint8_t)v->text.data[v->tokens[s->id].start];
	v->special_first[first / 64] |= 1ull << first % 64;
	return 0;
}

struct order {
	uint32_t bytes;
	size_t index;
	struct special s;
};

static int longest_first(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

int vocab_sort_specials(struct vocab *v, struct kvik_err *err)
{
	struct order *list = mem_zalloc(v->n_specials, sizeof *list);
	if (!list)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the special tokens");
	for (size_t i = 0; i < v->n_specials; i++)
		list[i] = (struct order){v->tokens[v->specials[i].id].bytes, i, v->specials[i]};
	qsort(list, v->n_specials, sizeof *list, longest_first);
	for (size_t i = 0; i < v->n_specials; i++)
		v->specials[i] = list[i].s;
	mem_free(list);
	return 0;
}

static bool word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool applies(const struct special *s, enum special_pass pass, unsigned flags)
{
	if (s->control && !(flags & VOCAB_PARSE_SPECIAL))
		return false;
	return pass == SPECIAL_ANY || s->normalized == (pass == SPECIAL_NORMALIZED);
}

static const struct special *special_at(const struct vocab *v, const char *text, size_t at, size_t bytes,
					enum special_pass pass, unsigned flags)
{
	uint8_t first = (uint8_t)text[at];
	if (!(v->special_first[first / 64] >> first % 64 & 1))
		return NULL;
	for (size_t i = 0; i < v->n_specials; i++) {
		const struct special *s = &v->specials[i];
		const struct token *t = &v->tokens[s->id];
		if (t->bytes > bytes - at || !applies(s, pass, flags) ||
		    memcmp(v->text.data + t->start, text + at, t->bytes) != 0)
			continue;
		size_t end = at + t->bytes;
		if (s->single_word && ((at > 0 && word_byte(text[at - 1])) || (end < bytes && word_byte(text[end]))))
			continue;
		return s;
	}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int special_split(const struct vocab *v, const char *text, size_t bytes, enum special_pass pass, unsigned flags,
		  special_plain_fn *plain, struct sink *out)
{
	size_t start = 0, at = 0;
	int rc = 0;
	while (at < bytes && !rc) {
		const struct special *s = special_at(v, text, at, bytes, pass, flags);
		if (!s) {
			at++;
			continue;
		}
		size_t end = at;
		while (s->lstrip && end > start && is_blank(text[end - 1]))
			end--;
		if (end > start)
			rc = plain(out, text + start, end - start, start == 0);
		if (!rc)
			rc = sink_add(out, s->id);
		at += v->tokens[s->id].bytes;
		while (s->rstrip && at < bytes && is_blank(text[at]))
			at++;
		start = at;
	}
	return rc || start == bytes ? rc : plain(out, text + start, bytes - start, start == 0);
}
