/* generate.c: the simplest generation: one session, in the caller's thread. */
#include "base/os.h"
#include "engine/emit.h"
#include "engine/session.h"
#include "engine/sized.h"

static double ms_since(uint64_t start_ns)
{
	return (double)(os_clock_ns() - start_ns) / 1e6;
}

/* A full context or cache ends a text that has begun; it is no error. */
static bool is_full(int rc)
{
	return rc == KVIK_ERR_FULL || rc == KVIK_ERR_LIMIT;
}

static bool show(kvik_token_fn *on_token, void *user, const struct kvik_token *t)
{
	return !on_token || on_token(user, t);
}

/* Samples, shows and feeds until something ends it. */
static int run(struct kvik_session *s, struct emit *e, kvik_token_fn *on_token, void *user,
	       struct kvik_generation *result, struct kvik_err *err)
{
	struct emit_room room = {s->cache->row, s->cache->sample_scratch};
	struct kvik_token t;
	for (;;) {
		int state = emit_next(e, &room, s->logits, s->ids, s->n, &t, err);
		if (state < 0)
			return state;
		result->finish = state == EMIT_STOP ? KVIK_FINISH_STOP : KVIK_FINISH_LENGTH;
		if (!show(on_token, user, &t)) {
			result->finish = KVIK_FINISH_CANCELLED;
			return 0;
		}
		if (state != EMIT_GOES_ON)
			return 0;
		int rc = kvik_session_feed(s, &t.id, 1, NULL, err);
		if (rc)
			return is_full(rc) ? 0 : rc;
	}
}

int kvik_generate(struct kvik_session *s, const uint32_t *prompt, size_t n, const struct kvik_generate_params *params,
		  kvik_token_fn *on_token, void *user, struct kvik_generation *result, struct kvik_err *err)
{
	struct emit e;
	struct kvik_token t;
	struct kvik_generation g = {.prompt_tokens = (uint32_t)n};
	int rc = result ? SIZED_CHECK(kvik_generation, result, err) : 0;
	if (rc)
		return rc;
	rc = emit_init(&e, s->cache->model, params, err);
	uint64_t start = os_clock_ns();
	if (!rc)
		rc = kvik_session_feed(s, prompt, n, NULL, err);
	if (!rc && !s->has_logits)
		rc = err_set(err, KVIK_ERR_ARG, "an empty prompt, and nothing to go on from: give at least one token");
	g.prefill_ms = ms_since(start);
	g.cached_tokens = s->prefix.found_tokens;
	start = os_clock_ns();
	if (!rc)
		rc = run(s, &e, on_token, user, &g, err);
	if (rc == KVIK_ERR_CANCELLED) {
		g.finish = KVIK_FINISH_CANCELLED;
		rc = 0;
	}
	if (!rc && g.finish != KVIK_FINISH_CANCELLED && emit_flush(&e, &t) && !show(on_token, user, &t))
		g.finish = KVIK_FINISH_CANCELLED;
	g.decode_ms = ms_since(start);
	g.new_tokens = e.new_tokens;
	emit_release(&e);
	return rc || !result ? rc : SIZED_WRITE(kvik_generation, result, &g, err);
}
