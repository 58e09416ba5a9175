/* chat.h: a conversation: its messages, their text through a chat template, and a session that holds the tokens.
 *
 * An answer is always the model's answer to the whole rendered conversation; what the session already holds of it is
 * not computed again. So a changed system message, a template that drops old thoughts, an undone turn or a loaded
 * file need no care: only what differs is computed. Owner: one thread. */
#ifndef KVIK_CLI_CHAT_H
#define KVIK_CLI_CHAT_H

#include <signal.h>

#include <jansson.h>

#include <kvik.h>

#include "base/err.h"

struct chat;

struct chat_config {
	struct kvik_model *model;  /* borrowed, as all here */
	const char *template;      /* Jinja */
	const char *template_name; /* for error texts */
	struct kvik_cache_params cache;
	const volatile sig_atomic_t *stop; /* not 0: the running answer ends soon */
};
int chat_new(struct chat **out, const struct chat_config *c, struct kvik_err *err) MUST_CHECK;
void chat_free(struct chat *c);

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

/* An array of {"role", "content"}; borrowed, valid until it changes. */
const json_t *chat_messages(const struct chat *c);
/* The text becomes the user's next message. Bytes that are no UTF-8: ARG. */
int chat_say(struct chat *c, const char *text, size_t n, struct kvik_err *err) MUST_CHECK;
/* The system message; an empty one takes it away. */
int chat_system(struct chat *c, const char *text, struct kvik_err *err) MUST_CHECK;
void chat_reset(struct chat *c); /* forgets all messages but the system's */
/* Takes back the last message of the user and what followed it; false: there is none. */
bool chat_undo(struct chat *c);
/* Takes back the answer to the last message of the user; false: there is no such message. */
bool chat_unanswer(struct chat *c);
/* {"messages": [...]}. A save replaces the file whole or not at all; a load changes nothing when it fails. */
int chat_save(const struct chat *c, const char *path, struct kvik_err *err) MUST_CHECK;
int chat_load(struct chat *c, const char *path, struct kvik_err *err) MUST_CHECK;

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

struct chat_turn {
	uint32_t *prompt;        /* [n_prompt], the whole rendered conversation */
	size_t n_prompt, reused; /* reused: of these, tokens that the session held or the cache knew */
	char *text;              /* [text_bytes], the answer */
	size_t text_bytes;
	double prefill_ms;
	struct kvik_generation generation; /* of the answer alone */
};
/* Answers the last message and appends the answer, also one that was stopped half-way; one stopped before it began
 * takes the message back, as an error does. The caller releases *t in every case. */
int chat_answer(struct chat *c, const struct kvik_generate_params *params, kvik_token_fn *on_token, void *user,
		struct chat_turn *t, struct kvik_err *err) MUST_CHECK;
void chat_turn_release(struct chat_turn *t);

struct kvik_cache_stats chat_cache_stats(const struct chat *c);
size_t chat_tokens(const struct chat *c); /* that the session holds */
uint32_t chat_context(const struct chat *c);

#endif
