/* infill_end.c: see infill_end.h. The end is drawn like any token: the row allows no other. Whether the next line is indented less
 * is judged by the likeliest token, so that nothing of that line has been shown. */
#include "api/infill_end.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

struct one {
	uint64_t start_ns; /* 0: no token yet */
	bool line;         /* there was a line break, */
	bool begins;       /* and nothing but blanks since: */
	uint32_t blanks;
};

struct infill_end {
	struct kvik_processor processor;
	const struct kvik_processor *inner; /* or NULL */
	const struct kvik_vocab *v;
	uint64_t limit_ns; /* 0: none */
	uint32_t indent;
	struct one *ones; /* [choices] */
};

/* Follows the beginning of lines. True: one began with too few blanks. */
static bool follow(const struct infill_end *t, struct one *o, uint32_t id)
{
	char *text = NULL;
	size_t n = 0;
	bool less = false;
	if (id >= kvik_vocab_size(t->v) || kvik_token_bytes(t->v, id, &text, &n, NULL))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool blank = text[i] == ' ' || text[i] == '\t';
		if (text[i] == '\n') {
			o->line = o->begins = true;
			o->blanks = 0;
		} else if (o->begins && blank) {
			o->blanks++;
		} else {
			less |= o->begins && o->blanks < t->indent;
			o->begins = false;
		}
	}
	kvik_free(text);
	return less;
}

static uint32_t likeliest(const float *row, size_t n)
{
	size_t best = 0;
	for (size_t i = 1; i < n; i++)
		best = row[i] > row[best] ? i : best;
	return (uint32_t)best;
}

static bool is_over(const struct infill_end *t, const struct one *o, const float *row, size_t n_vocab)
{
	struct one next = *o;
	if (t->limit_ns && o->line && os_clock_ns() - o->start_ns >= t->limit_ns)
		return true;
	return t->indent > 0 && o->line && follow(t, &next, likeliest(row, n_vocab));
}

static void process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *row, size_t n_vocab)
{
	const struct infill_end *t = user;
	struct one *o = &t->ones[choice];
	uint32_t end = kvik_vocab_eos(t->v);
	if (t->inner && t->inner->process)
		t->inner->process(t->inner->user, choice, ids, n, row, n_vocab);
	if (!o->start_ns)
		o->start_ns = os_clock_ns();
	if (end < n_vocab && is_over(t, o, row, n_vocab))
		for (size_t i = 0; i < n_vocab; i++)
			row[i] = i == end ? 0 : -INFINITY;
}

static void accept(void *user, uint32_t choice, uint32_t id)
{
	const struct infill_end *t = user;
	if (t->inner && t->inner->accept)
		t->inner->accept(t->inner->user, choice, id);
	follow(t, &t->ones[choice], id);
}

static size_t forced(void *user, uint32_t choice, uint32_t *ids, size_t max)
{
	const struct infill_end *t = user;
	return t->inner && t->inner->forced ? t->inner->forced(t->inner->user, choice, ids, max) : 0;
}

struct infill_end *infill_end_new(const struct kvik_processor *inner, const struct kvik_vocab *v, uint32_t choices,
				  uint32_t ms, uint32_t indent)
{
	struct infill_end *t = mem_zalloc(1, sizeof *t);
	struct one *ones = t ? mem_zalloc(choices, sizeof *ones) : NULL;
	if (!ones) {
		mem_free(t);
		return NULL;
	}
	*t = (struct infill_end){.processor = {.size = sizeof t->processor,
					       .user = t,
					       .process = process,
					       .accept = accept,
					       .forced = forced},
				 .inner = inner,
				 .v = v,
				 .limit_ns = (uint64_t)ms * 1000000,
				 .indent = indent,
				 .ones = ones};
	return t;
}

void infill_end_free(struct infill_end *t)
{
	if (!t)
		return;
	mem_free(t->ones);
	mem_free(t);
}

const struct kvik_processor *infill_end_processor(const struct infill_end *t)
{
	return &t->processor;
}
