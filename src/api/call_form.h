/* call_form.h: the calls of tools in the model's own way to write them, as a structural tag (kvik.h, KVIK_CONSTRAINT_TAGS): the
 * marks as the chat template writes them, the arguments by the schemas of the functions. Any thread. */
#ifndef KVIK_API_CALL_FORM_H
#define KVIK_API_CALL_FORM_H

#include <kvik.h>

#include "api/tool_choice.h"
#include "chat/template.h"

/* The tag of answers that are calls (choice->must), or in which calls may be. A new reference; NULL: this way to write calls has
 * no such form, or these schemas have none in it. */
json_t *call_form(const struct tool_choice *choice, const struct chat_prompt *prompt, const struct kvik_vocab *v);
/* Does one of the tools want its schema held, though it need not be called? */
bool call_form_strict(const struct tool_choice *choice);

#endif
