/* routes.h: the handlers of each path. A handler takes the parsed body's reference (NULL for GET) and answers the call,
 * now or later. */
#ifndef KVIK_API_ROUTES_H
#define KVIK_API_ROUTES_H

#include <kvik.h>

#include "api/call.h"
#include "chat/template.h"

struct reply_prompt;
struct tool_choice;

typedef void route_fn(struct api_call *c, json_t *body);

route_fn openai_chat, openai_completions, openai_embeddings, openai_model, openai_models, openai_responses;
route_fn ollama_chat, ollama_generate, ollama_embed, ollama_embeddings, ollama_tags, ollama_ps, ollama_show,
	ollama_version;
route_fn anthropic_messages_call, anthropic_count_tokens;
route_fn native_completion, native_infill, native_tokenize, native_detokenize, native_apply_template, native_props,
	native_slots, native_slot, native_health;

/* What a chat asks for; all borrowed, any may be NULL but the messages. */
struct chat_request {
	json_t *messages, *tools;
	const struct tool_choice *choice; /* which of them may or must be called; NULL: any may, as models do */
	json_t *kwargs;                   /* more variables of the template */
	json_t *add_generation_prompt;    /* true or false; NULL: as the last message has it */
	json_t *continue_final;           /* the same */
	bool parse_special;               /* special tokens written in messages are tokens */
};

/* The prompt of messages through the model's chat template. On an error the call is answered and -1 returned; the
 * caller releases *p in any case. */
int chat_render(struct api_call *c, const struct chat_request *q, struct chat_prompt *p);
/* The same as the one prompt of c->reply, which also learns how the answer is to be read. */
int chat_prompt(struct api_call *c, const struct chat_request *q);
/* Text to p->ids, at least one. add_special: with the token that begins a text. 0, or -1: the call was answered. */
int prompt_tokenize(struct api_call *c, struct reply_prompt *p, const char *text, size_t bytes, bool add_special);
/* An entry of OpenAI's logprobs of chat, and its texts. */
json_t *chat_logprob(const struct api_call *c, const struct kvik_token *t);
/* The text of one token, as far as it is text; freed with kvik_free. NULL: none. */
char *call_token_text(const struct api_call *c, uint32_t id, size_t *bytes);

#endif
