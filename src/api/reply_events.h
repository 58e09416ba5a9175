/* reply_events.h: the engine's events of a reply's prompts; see reply.h. */
#ifndef KVIK_API_REPLY_EVENTS_H
#define KVIK_API_REPLY_EVENTS_H

#include <kvik.h>

#include "api/reply.h"

/* kvik_event_fn; user: a struct reply_prompt. */
void reply_on_event(void *user, const struct kvik_event *e);
/* n_closed prompts will have no (more) events; the call is answered with the error if it has none yet, and the other
 * prompts are cancelled. */
void reply_fail(struct api_call *c, uint32_t n_closed, const struct kvik_err *err, uint64_t retry_ms);

/* What an answer of a chat was read to be; user: the struct reply_choice. */
void reply_on_part(void *user, const struct answer_part *p);

#endif
