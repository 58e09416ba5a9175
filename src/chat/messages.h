/* messages.h: messages as clients send them, as a template can take them. Any thread. */
#ifndef KVIK_CHAT_MESSAGES_H
#define KVIK_CHAT_MESSAGES_H

#include <jansson.h>

#include "base/err.h"
#include "chat/caps.h"

/* A list of messages that the template shows whole. What it has no form for is told in words: tools (NULL = none) and
 * their calls and results between <tool_call> and <tool_response>, a system message at the beginning of the user's. NULL:
 * an error: ARG (no list of messages, a part of one that is no text, ...), NOMEM. The caller's reference. */
json_t *messages_form(const struct chat_caps *c, const json_t *messages, const json_t *tools, struct kvik_err *err);

#endif
