/* template.h: a model's chat templates, and what they can do: messages and tools in, a prompt out, and how the answer to
 * it is to be read. Read-only once made: any number of threads may render at once. */
#ifndef KVIK_CHAT_TEMPLATE_H
#define KVIK_CHAT_TEMPLATE_H

#include <jansson.h>

#include "base/err.h"
#include "chat/answer.h"
#include "tmpl/tmpl.h"

struct chat_template;

struct chat_template_source {
	const char *text;                /* Jinja */
	const char *tool_text;           /* another one, taken where tools are given ("tool_use"); NULL = none */
	const char *name;                /* for error texts */
	const char *bos, *eos;           /* texts of the tokens that begin and end a text; NULL = none */
	const char *unk, *pad;           /* and of those that templates may know besides */
	const struct call_format *calls; /* how tool calls are written; NULL: as the template shows */
};

/* The source is borrowed for the call. Errors: as of tmpl_parse. */
int chat_template_new(struct chat_template **out, const struct chat_template_source *s,
		      struct kvik_err *err) MUST_CHECK;
void chat_template_free(struct chat_template *t);

/* What becomes of a last message that is the assistant's. */
enum chat_last {
	CHAT_LAST_AUTO,     /* it is gone on with; after any other the assistant begins to speak */
	CHAT_LAST_CONTINUE, /* the last message must be gone on with: else an error */
	CHAT_LAST_BEGIN,    /* it is over, and the assistant begins to speak again */
	CHAT_LAST_CLOSE     /* it is over, and nothing follows */
};

struct chat_input {
	const json_t *messages; /* as OpenAI has them */
	const json_t *tools;    /* a list, or NULL */
	const json_t *more;     /* an object of further variables of the template, or NULL */
	enum chat_last last;
};

struct chat_prompt {
	struct tmpl_text text;
	struct answer_style style; /* of what comes */
	const char *example; /* a call as the template writes one, of NAME with KEY and VALUE; its own, NULL = none */
	bool thinks;         /* the prompt ends inside of thoughts, */
	bool called;         /* or with the mark that opens a call */
};

/* The caller releases *p in any case. Errors: ARG (messages that are none, content that is no text), those of the
 * template (tmpl_render_text). */
int chat_template_render(const struct chat_template *t, const struct chat_input *in, struct chat_prompt *p,
			 struct kvik_err *err) MUST_CHECK;
void chat_prompt_release(struct chat_prompt *p);

#endif
