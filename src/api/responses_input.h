/* responses_input.h: what a request to /v1/responses has said so far, as messages. Any thread. */
#ifndef KVIK_API_RESPONSES_INPUT_H
#define KVIK_API_RESPONSES_INPUT_H

#include "api/call.h"

/* `instructions` (NULL = none) and `input`, a text or a list of items: messages, calls of functions, their outputs, and
 * thoughts. A new reference; NULL: the call was answered. */
json_t *responses_messages(struct api_call *c, json_t *input, json_t *instructions);

#endif
