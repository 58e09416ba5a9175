/* caps.h: what a chat template can do, found out by rendering small conversations and looking for their words. */
#ifndef KVIK_CHAT_CAPS_H
#define KVIK_CHAT_CAPS_H

#include <jansson.h>

#include "chat/answer.h"
#include "tmpl/tmpl.h"

/* Forms in which messages may be handed to it; what it cannot take is rewritten (messages.h). */
struct chat_caps {
	bool content_text, content_list; /* of a message: a text; a list of {"type": "text", "text"} */
	bool system, developer;          /* messages of these roles are shown */
	bool tools_given;                /* it can be given tools, */
	bool tools;                      /* and shows them, or is made for them */
	bool calls;                      /* an assistant's tool calls are shown, */
	bool calls_null;                 /* but only beside a content that is null, */
	bool calls_text;                 /* and only with their arguments as a text of JSON */
	bool calls_apart;                /* but not beside a content: only in a message of their own */
	bool calls_many;                 /* several of one message */
	bool results;                    /* messages of the role tool are shown */
	bool ids_short;                  /* ids of calls must have nine letters and digits */
	const char *thoughts;            /* the member for an assistant's thoughts; NULL: none is shown. Static */
	char *example;                   /* a call as it writes one, of NAME with KEY and VALUE; owned, NULL = none */
	struct answer_style style;
	bool overridden; /* its calls are not what was found out */
};

/* bos, eos: texts of the tokens, or NULL. text: of the template, where its forms of answers are looked for that cannot
 * be rendered. for_tools: it is only used where tools are given. Any thread. The caller releases *caps. */
void chat_caps_find(struct chat_caps *caps, const struct tmpl *t, const char *text, const char *bos, const char *eos,
		    bool for_tools);
/* Calls are read in this format, whatever was found out. */
void chat_caps_override(struct chat_caps *caps, const struct call_format *f);
void chat_caps_release(struct chat_caps *caps);

#endif
