/* retain.h: what requests want kept when they have ended: priorities, times to live, pins. Owner: the engine's thread. */
#ifndef KVIK_ENGINE_RETAIN_H
#define KVIK_ENGINE_RETAIN_H

#include "engine/engine.h"

/* r has ended well. */
void retain_prompt(struct kvik_engine *e, const struct request *r);
/* Before matches: pins whose time is over go, those of others are found. */
void retain_tick(struct kvik_engine *e);
void retain_free(struct kvik_engine *e);

#endif
