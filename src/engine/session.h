/* session.h: the inside of a session. Owner: the cache's thread. */
#ifndef KVIK_ENGINE_SESSION_H
#define KVIK_ENGINE_SESSION_H

#include <kvik.h>

#include "engine/cache.h"

struct kvik_session {
	struct kvik_cache *cache;
	struct kv_seq *seq; /* owned */
	uint32_t *ids;      /* [n], owned */
	size_t n, cap;
	size_t cached; /* tokens of the last feed that the cache had */
	float *logits; /* [n_vocab], owned: of the last token, if has_logits */
	bool has_logits;
};

#endif
