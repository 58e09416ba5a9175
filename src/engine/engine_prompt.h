/* engine_prompt.h: what a step brings for prompts themselves: hidden states pooled into embeddings, and the
 * log-probability of each token. Owner: the engine's thread. */
#ifndef KVIK_ENGINE_ENGINE_PROMPT_H
#define KVIK_ENGINE_ENGINE_PROMPT_H

#include <kvik.h>

#include "engine/engine.h"

int engine_prompt_new(struct engine_prompt **out, uint32_t n_vocab, struct kvik_err *err) MUST_CHECK;
void engine_prompt_free(struct engine_prompt *p);

/* Of how many of the item's tokens the hidden states are wanted: all or none. */
uint32_t engine_prompt_rows(const struct sched_item *it);
/* Takes e->hidden, the rows that engine_prompt_rows asked for, item after item. */
void engine_prompt_take(struct kvik_engine *e, const struct sched_plan *plan);

#endif
