/* special.c: tokens that are cut out of the text before anything else looks at it: the longest one that matches, from
 * the left. Any thread. */
#include "token/unicode.h"
#include "token/vocab_impl.h"

bool special_in_data(const struct sink *s, const char *text, size_t bytes)
{
	size_t from = (size_t)(text - s->text), low = 0, high = s->n_data;
	while (low < high) { /* the first stretch that ends behind `from` */
		size_t middle = low + (high - low) / 2;
		if (s->data[middle].to > from)
			high = middle;
		else
			low = middle + 1;
	}
	return low < s->n_data && s->data[low].from < from + bytes;
}

/* The longest special token at this place; NULL: none. *bytes: of its text. */
static const struct special *special_at(const struct sink *out, const struct special_set *set, const char *text,
					size_t left, unsigned flags, size_t *bytes)
{
	const struct vocab *v = out->v;
	uint8_t first = (uint8_t)text[0];
	const struct special *found = NULL;
	uint32_t node = 0;
	if (!(set->first[first / 64] >> first % 64 & 1))
		return NULL;
	for (size_t i = 0; i < left; i++) {
		const struct trie_edge *e = trie_step(&set->texts, node, (uint8_t)text[i]);
		if (!e)
			break;
		const struct special *s = e->value >= 0 ? &v->specials[e->value] : NULL;
		if (s && (!s->control || (flags & VOCAB_PARSE_SPECIAL && !special_in_data(out, text, i + 1)))) {
			found = s;
			*bytes = i + 1;
		}
		node = e->to;
	}
	return found;
}

static bool inside_word(const char *text, size_t start, size_t end, size_t bytes)
{
	unsigned n;
	return (start > 0 && uni_word(uni_previous(text, start, &n))) ||
	       (end < bytes && uni_word(uni_next(text + end, bytes - end, &n)));
}

/* Where the white space that ends at start begins, not before floor. */
static size_t strip_left(const char *text, size_t floor, size_t start)
{
	unsigned n;
	while (start > floor && uni_white(uni_previous(text + floor, start - floor, &n)))
		start -= n;
	return start;
}

static size_t strip_right(const char *text, size_t end, size_t bytes)
{
	unsigned n;
	while (end < bytes && uni_white(uni_next(text + end, bytes - end, &n)))
		end += n;
	return end;
}

int special_split(const struct special_set *set, const char *text, size_t bytes, unsigned flags,
		  special_plain_fn *plain, struct sink *out)
{
	size_t done = 0; /* everything before has been handed on */
	int rc = 0;
	for (size_t at = 0, n = 1; at < bytes && !rc; at += n) {
		n = 1;
		const struct special *s = special_at(out, set, text + at, bytes - at, flags, &n);
		if (!s || (s->single_word && inside_word(text, at, at + n, bytes)))
			continue;
		size_t start = s->lstrip && at > done ? strip_left(text, done, at) : at;
		if (start > done)
			rc = plain(out, text + done, start - done, done == 0);
		if (!rc)
			rc = sink_add(out, s->id);
		done = s->rstrip ? strip_right(text, at + n, bytes) : at + n;
	}
	return rc || done >= bytes ? rc : plain(out, text + done, bytes - done, done == 0);
}
