/* after_thoughts.c: see after_thoughts.h. Per answer a state: MAY until the first token, if the model has to open its thoughts
 * itself: where the likeliest token is the mark it becomes the only one. Then THINKS, in which everything is allowed but the
 * end, and then HELD for good. */
#include "api/after_thoughts.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { CLOSE_BYTES = 64 };
enum state { MAY, THINKS, HELD };

struct one {
	enum state state;
	char tail[2 * CLOSE_BYTES]; /* [n] of the thoughts */
	size_t n;
};

struct after_thoughts {
	struct kvik_processor processor;
	const struct kvik_processor *inner;
	const struct kvik_vocab *v;
	const char *open, *close;
	struct one *ones; /* [choices] */
};

static uint32_t likeliest(const float *row, size_t n)
{
	size_t best = 0;
	for (size_t i = 1; i < n; i++)
		best = row[i] > row[best] ? i : best;
	return (uint32_t)best;
}

/* Is the mark this token, but for blanks around? */
static bool is_mark(const struct after_thoughts *a, uint32_t id)
{
	char *text = NULL;
	size_t n = 0;
	const char *at = id < kvik_vocab_size(a->v) && !kvik_token_bytes(a->v, id, &text, &n, NULL)
				 ? memmem(text, n, a->open, strlen(a->open))
				 : NULL;
	bool is = at != NULL;
	for (size_t i = 0; is && i < n; i++)
		is = (text + i >= at && text + i < at + strlen(a->open)) || strchr(" \n", text[i]);
	kvik_free(text);
	return is;
}

static void process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *row, size_t n_vocab)
{
	struct after_thoughts *a = user;
	struct one *o = &a->ones[choice];
	if (o->state == MAY) {
		uint32_t first = likeliest(row, n_vocab);
		o->state = is_mark(a, first) ? THINKS : HELD;
		for (size_t i = 0; o->state == THINKS && i < n_vocab; i++)
			row[i] = i == first ? row[i] : -INFINITY;
	}
	uint32_t end = kvik_vocab_eos(a->v);
	if (o->state == THINKS && end < n_vocab)
		row[end] = -INFINITY;
	if (o->state == HELD && a->inner->process)
		a->inner->process(a->inner->user, choice, ids, n, row, n_vocab);
}

/* The thoughts end with the token in which their mark ends. */
static void think(const struct after_thoughts *a, struct one *o, uint32_t id)
{
	char *text = NULL;
	size_t n = 0, keep = strlen(a->close) - 1;
	if (id >= kvik_vocab_size(a->v) || kvik_token_bytes(a->v, id, &text, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++) {
		if (o->n == sizeof o->tail) {
			memmove(o->tail, o->tail + o->n - keep, keep);
			o->n = keep;
		}
		o->tail[o->n++] = text[i];
		if (o->n > keep && memcmp(o->tail + o->n - keep - 1, a->close, keep + 1) == 0)
			o->state = HELD;
	}
	kvik_free(text);
}

static void accept(void *user, uint32_t choice, uint32_t id)
{
	struct after_thoughts *a = user;
	struct one *o = &a->ones[choice];
	if (o->state == HELD && a->inner->accept)
		a->inner->accept(a->inner->user, choice, id);
	else
		think(a, o, id);
}

static size_t forced(void *user, uint32_t choice, uint32_t *ids, size_t max)
{
	const struct after_thoughts *a = user;
	return a->ones[choice].state == HELD && a->inner->forced ? a->inner->forced(a->inner->user, choice, ids, max)
								 : 0;
}

struct after_thoughts *after_thoughts_new(const struct kvik_processor *inner, const struct kvik_vocab *v,
					  uint32_t choices, const char *open, const char *close)
{
	struct after_thoughts *a = mem_zalloc(1, sizeof *a);
	struct one *ones = a && strlen(close) <= CLOSE_BYTES ? mem_zalloc(choices, sizeof *ones) : NULL;
	if (!ones) {
		mem_free(a);
		return NULL;
	}
	*a = (struct after_thoughts){.processor = {.size = sizeof a->processor,
						   .user = a,
						   .process = process,
						   .accept = accept,
						   .forced = forced},
				     .inner = inner,
				     .v = v,
				     .open = open,
				     .close = close,
				     .ones = ones};
	for (uint32_t i = 0; i < choices; i++)
		ones[i].state = open ? MAY : THINKS;
	return a;
}

void after_thoughts_free(struct after_thoughts *a)
{
	if (!a)
		return;
	mem_free(a->ones);
	mem_free(a);
}

const struct kvik_processor *after_thoughts_processor(const struct after_thoughts *a)
{
	return &a->processor;
}
