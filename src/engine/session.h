/* session.h: the inside of a session. Owner: the cache's thread. */
#ifndef KVIK_ENGINE_SESSION_H
#define KVIK_ENGINE_SESSION_H

#include <stdatomic.h>

#include <kvik.h>

#include "engine/cache.h"

struct kvik_session {
	struct kvik_cache *cache;
	struct kv_seq *seq; /* owned */
	uint32_t *ids;      /* [n], owned */
	size_t n, cap;
	struct kvik_prefix prefix; /* how the last feed met the cache */
	uint64_t step;             /* kvik_cache.step of the last one it was in */
	atomic_bool interrupted;   /* any thread's */
	float *logits;             /* [n_vocab], owned: of the last token, if has_logits */
	bool has_logits;
};

/* A session over seq, which it owns from now on; on an error seq is freed. NOMEM. */
int session_adopt(struct kvik_session **out, struct kvik_cache *c, struct kv_seq *seq, struct kvik_err *err) MUST_CHECK;
/* Room for n ids in all. */
int session_grow(struct kvik_session *s, size_t n, struct kvik_err *err) MUST_CHECK;
/* Pages for n tokens. A session that finds none gives up its place in the tree, so that nodes can go which none but it
 * needs: a stream through a window then goes on without end. */
int session_reserve(struct kvik_session *s, uint32_t n, struct kvik_err *err) MUST_CHECK;
/* Takes from the tree what it has of the ids after the session's tokens, up to `to`; prefix says how that went. That it
 * has no room to look is no error: then they are computed. */
int session_match(struct kvik_session *s, size_t to, struct kvik_err *err) MUST_CHECK;
/* Computes what the sequence does not hold of the session's tokens. */
int session_catch_up(struct kvik_session *s, struct kvik_err *err) MUST_CHECK;
/* A sequence of the first n tokens, or of as many of them as the cache can fork; errors as kv_fork. */
int session_fork_seq(struct kv_seq **out, const struct kvik_session *s, size_t n, struct kvik_err *err) MUST_CHECK;

#endif
