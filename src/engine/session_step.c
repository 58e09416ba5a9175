/* session_step.c: steps that the caller plans: several sessions of a cache in one pass of the model, and what the cache
 * knows without computing.
 *
 * A step is checked, given room, computed and committed, in this order; only the last two cannot fail. Owner: the
 * cache's thread. */
#include <string.h>

#include "base/mem.h"
#include "engine/session.h"
#include "engine/sized.h"

int kvik_session_take(struct kvik_session *s, const uint32_t *ids, size_t n, size_t *taken, struct kvik_err *err)
{
	size_t before = s->n;
	*taken = 0;
	s->prefix = CACHE_PREFIX_COLD;
	cache_tick(s->cache);
	int rc = check_ids(s->cache->model, ids, n, err);
	if (!rc)
		rc = session_grow(s, before + n, err);
	if (rc || n == 0)
		return rc;
	memcpy(s->ids + before, ids, n * sizeof *ids);
	rc = session_match(s, before + n, err);
	*taken = s->n - before;
	if (*taken > 0)
		s->has_logits = false;
	return rc;
}

/* The caller's items as this library has them, and what they are together. */
struct step {
	struct step_item *items; /* [n_items], of the cache */
	const struct kvik_step_item *given;
	size_t n_items, n_tokens, n_rows;
};

/* The i-th of the caller's: their size is the distance from one to the next. */
static int read_item(struct kvik_step_item *own, const struct step *step, size_t i, struct kvik_err *err)
{
	const char *first = (const char *)step->given;
	const struct kvik_step_item *given = (const void *)(first + i * step->given->size);
	*own = (struct kvik_step_item){0};
	int rc = SIZED_READ(kvik_step_item, own, given, err);
	if (!rc && given->size != step->given->size)
		rc = err_set(err, KVIK_ERR_ARG, "item %zu of a step has another size than the first", i);
	return rc;
}

static int check_item(struct step *step, struct kvik_cache *c, const struct kvik_step_item *own, size_t i,
		      struct kvik_err *err)
{
	struct kvik_session *s = own->session;
	if (!s || s->cache != c)
		return err_set(err, KVIK_ERR_ARG, "item %zu of a step: its session is none of this cache", i);
	if (s->step == c->step)
		return err_set(err, KVIK_ERR_ARG, "item %zu of a step: its session is in it twice", i);
	s->step = c->step;
	step->n_tokens += own->n;
	step->n_rows += own->rows;
	if (own->n == 0 || own->rows > own->n)
		return err_set(err, KVIK_ERR_ARG, "item %zu of a step: %u tokens and %u rows", i, own->n, own->rows);
	if (step->n_tokens > c->params.chunk)
		return err_set(err, KVIK_ERR_ARG,
			       "a step has more than the cache's %u tokens: raise chunk, or split it", c->params.chunk);
	return check_ids(c->model, own->ids, own->n, err);
}

static int read_items(struct step *step, struct kvik_cache *c, struct kvik_err *err)
{
	c->step++;
	for (size_t i = 0; i < step->n_items; i++) {
		struct kvik_step_item own;
		int rc = read_item(&own, step, i, err);
		if (!rc)
			rc = check_item(step, c, &own, i, err);
		if (!rc)
			rc = session_catch_up(own.session, err);
		if (!rc)
			rc = session_grow(own.session, own.session->n + own.n, err);
		if (rc)
			return rc;
		/* Behind the session's tokens, where they count for nothing until they are committed. */
		memcpy(own.session->ids + own.session->n, own.ids, own.n * sizeof *own.ids);
		step->items[i] = (struct step_item){.session = own.session,
						    .seq = own.session->seq,
						    .ids = own.session->ids + own.session->n,
						    .n = own.n,
						    .n_logits = own.rows};
	}
	return 0;
}

/* Pages for all, or for none. */
static int reserve(const struct step *step, struct kvik_cache *c, struct kvik_err *err)
{
	int rc = 0;
	size_t i = 0;
	for (; i < step->n_items && !rc; i++) {
		const struct step_item *it = &step->items[i];
		rc = session_reserve(it->session, it->n, err);
		if (!rc && it->n_logits > 0)
			kv_state_want(c->kv, it->seq, (uint32_t)it->session->n + it->n - 1);
	}
	while (rc && i-- > 0)
		if (kv_truncate(c->kv, step->items[i].seq, kv_seq_tokens(step->items[i].seq), NULL)) {
			/* it keeps its reservation until it is used */
		}
	return rc;
}

static void commit(const struct step *step, struct kvik_cache *c, const float *logits)
{
	size_t n_vocab = cache_vocab_size(c);
	for (size_t i = 0; i < step->n_items; i++) {
		const struct step_item *it = &step->items[i];
		struct kvik_session *s = it->session;
		kv_commit_ids(c->kv, s->seq, it->ids, it->n);
		s->n += it->n;
		s->has_logits = it->n_logits > 0;
		if (!s->has_logits)
			continue;
		logits += it->n_logits * n_vocab;
		memcpy(s->logits, logits - n_vocab, n_vocab * sizeof *logits);
		if (it->n > 1)
			kv_mark(c->kv, s->seq);
	}
}

int kvik_cache_step(struct kvik_cache *c, const struct kvik_step_item *items, size_t n_items, float *logits,
		    struct kvik_err *err)
{
	struct step step = {.given = items, .n_items = n_items};
	if (n_items == 0)
		return 0;
	if (c->params.no_kv_cache)
		return err_set(err, KVIK_ERR_ARG, "a step goes on from a KV cache, and this one keeps none");
	if (n_items > c->params.chunk)
		return err_set(err, KVIK_ERR_ARG,
			       "a step of %zu items; the cache computes %u tokens at a time: raise chunk", n_items,
			       c->params.chunk);
	if (n_items > c->items_cap) {
		struct step_item *more = mem_realloc(c->items, n_items, sizeof *more);
		if (!more)
			return err_set(err, KVIK_ERR_NOMEM, "no memory for a step of %zu items", n_items);
		c->items = more;
		c->items_cap = n_items;
	}
	step.items = c->items;
	cache_tick(c);
	int rc = read_items(&step, c, err);
	if (!rc && step.n_rows > 0 && !logits)
		rc = err_set(err, KVIK_ERR_ARG, "rows are wanted, and there is no room for their logits");
	if (!rc)
		rc = reserve(&step, c, err);
	if (rc)
		return rc;
	cache_forward(c, step.items, (uint32_t)n_items, logits, NULL);
	commit(&step, c, logits);
	return 0;
}
