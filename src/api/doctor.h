/* doctor.h: why prompts are not found further in the cache: counted for all, told for each. */
#ifndef KVIK_API_DOCTOR_H
#define KVIK_API_DOCTOR_H

#include "api/reply.h"

/* The prompt has met the cache; before the answer is written. On the engine's consumer thread. */
void doctor_see(struct api_call *c, struct reply_prompt *p);
/* The text around the token at which the cache goes on differently; *at: where in it that token begins. Freed with kvik_free;
 * NULL: there is none. */
char *doctor_text(const struct api_call *c, const struct reply_prompt *p, size_t *bytes, size_t *at);

#endif
