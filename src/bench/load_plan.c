/* load_plan.c: what is asked and when, drawn from a seed before the run. Pure.
 *
 * Every number has a counter of its own (conversation, turn, what for), so that another rate leaves the lengths as they
 * are, and more conversations leave the first ones as they are. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "bench/load.h"

enum { TURNS_MAX = 1000, TOTAL_MAX = 10000000 };

/* Streams of numbers. */
enum { DRAW_ARRIVAL = 1, DRAW_PREFIX, DRAW_THINK, DRAW_PROMPT, DRAW_OUTPUT };

uint64_t load_mix(uint64_t seed, uint64_t counter)
{
	return hash_mix(seed + (counter + 1) * HASH_STEP);
}

/* Within (0, 1). */
static double uniform(const struct load_shape *s, int what, uint64_t i)
{
	uint64_t bits = load_mix(load_mix(s->seed, (uint64_t)what), i);
	return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

static double exponential(const struct load_shape *s, int what, uint64_t i, double mean)
{
	return -mean * log(uniform(s, what, i));
}

/* Lognormal with this mean, by Box and Muller. */
static uint32_t length(const struct load_shape *s, int what, uint64_t i, uint32_t mean)
{
	double sigma = (double)s->spread;
	double normal = sqrt(-2 * log(uniform(s, what, 2 * i))) * cos(2 * acos(-1.0) * uniform(s, what, 2 * i + 1));
	double v = round(mean * exp(sigma * normal - sigma * sigma / 2));
	return v < 1 ? 1 : v > s->length_max ? s->length_max : (uint32_t)v;
}

static void draw(struct load_plan *p, size_t i, double *clock)
{
	const struct load_shape *s = &p->shape;
	struct load_turn *turns = p->turns + i * s->turns;
	for (uint32_t t = 0; t < s->turns; t++) {
		uint64_t k = (uint64_t)i * TURNS_MAX + t;
		turns[t] = (struct load_turn){.prompt = length(s, DRAW_PROMPT, k, s->prompt),
					      .output = length(s, DRAW_OUTPUT, k, s->output),
					      .think_s = t ? exponential(s, DRAW_THINK, k, s->think_s) : 0};
	}
	if (s->rate > 0)
		*clock += exponential(s, DRAW_ARRIVAL, i, 1 / s->rate);
	p->conversation[i] = (struct load_conversation){
		.arrival = *clock, .prefix = (uint32_t)(uniform(s, DRAW_PREFIX, i) * s->prefixes), .turn = turns};
}

int load_plan_make(struct load_plan *p, const struct load_shape *s, struct kvik_err *err)
{
	double clock = 0;
	*p = (struct load_plan){.shape = *s};
	if (s->turns == 0 || s->turns > TURNS_MAX || s->prefixes == 0 ||
	    (uint64_t)s->conversations * s->turns > TOTAL_MAX)
		return err_set(err, KVIK_ERR_ARG, "at most %d turns, and %d requests in all", TURNS_MAX, TOTAL_MAX);
	p->conversation = mem_zalloc(s->conversations, sizeof *p->conversation);
	p->turns = mem_zalloc((size_t)s->conversations * s->turns, sizeof *p->turns);
	if (!p->conversation || !p->turns) {
		load_plan_release(p);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the plan of %u conversations", s->conversations);
	}
	for (; p->n < s->conversations; p->n++) {
		draw(p, p->n, &clock);
		if (s->rate > 0 && s->duration_s > 0 && clock > s->duration_s)
			break;
	}
	return 0;
}

void load_plan_release(struct load_plan *p)
{
	mem_free(p->conversation);
	mem_free(p->turns);
	*p = (struct load_plan){0};
}

bool load_words(struct buf *to, uint64_t seed, size_t n)
{
	/* short, frequent English words: a token each in most vocabularies */
	static const char *const words[] = {
		"the",    "of",    "and",  "to",    "in",    "is",      "was",   "for",   "on",    "that", "with",
		"as",     "be",    "at",   "by",    "this",  "from",    "have",  "not",   "but",   "what", "all",
		"were",   "when",  "we",   "there", "can",   "more",    "if",    "out",   "so",    "said", "up",
		"its",    "about", "into", "them",  "then",  "some",    "time",  "two",   "first", "new",  "water",
		"long",   "day",   "get",  "come",  "made",  "may",     "part",  "over",  "sound", "take", "only",
		"little", "work",  "know", "place", "year",  "live",    "back",  "give",  "most",  "very", "after",
		"thing",  "name",  "good", "man",   "think", "say",     "great", "where", "help",  "much", "before",
		"line",   "right", "too",  "mean",  "old",   "same",    "tell",  "boy",   "show",  "form", "three",
		"small",  "set",   "put",  "end",   "does",  "another", "well",  "large",
	};
	enum { WORDS = sizeof words / sizeof *words };
	for (size_t i = 0; i < n; i++) {
		const char *w = words[load_mix(seed, i) % WORDS];
		if (!buf_add_text(to, " ", 1) || !buf_add_text(to, w, strlen(w)))
			return false;
	}
	return true;
}
