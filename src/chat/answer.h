/* answer.h: the text of a model, as it comes, cut into what it says, what it thinks and the tools it calls. Any thread;
 * one at a time. */
#ifndef KVIK_CHAT_ANSWER_H
#define KVIK_CHAT_ANSWER_H

#include "base/err.h"
#include "chat/call_format.h"

/* How a model answers; read off its template. */
struct answer_style {
	const struct call_format *calls;      /* NULL: no tools, or nothing is known */
	const char *think_open, *think_close; /* around thoughts, at the beginning; NULL: none. Static */
	bool harmony;                         /* gpt-oss: channels with headers, instead of both */
};

enum answer_kind { ANSWER_TEXT, ANSWER_THOUGHT, ANSWER_CALL };

struct answer_part {
	enum answer_kind kind;
	const char *text; /* [bytes], of TEXT and THOUGHT: what has come */
	size_t bytes;
	size_t index;                      /* of a CALL, from 0 */
	const char *id, *name, *arguments; /* arguments: the text of a JSON object */
};
typedef void answer_fn(void *user, const struct answer_part *p);

struct answer {
	struct answer_style style;
	bool thinks;         /* the prompt has opened the thoughts */
	const json_t *tools; /* borrowed; of the request, for the types of arguments; NULL = none */
	uint64_t id;         /* from which ids of calls are made */
	answer_fn *fn;
	void *user;
	/* private */
	struct buf text;
	size_t at;    /* everything before has been told */
	size_t begin; /* of what is said, behind the thoughts */
	bool fresh;   /* blanks at `at` are left out */
	int state;
	size_t n_calls;
};

/* The caller fills in the public fields of a zeroed answer, feeds text as it comes and then ends it, whatever happened;
 * fn is called meanwhile. What is neither thought nor call comes as TEXT, whole; blanks around thoughts and before calls
 * are left out. Errors: NOMEM. */
int answer_feed(struct answer *a, const char *text, size_t bytes, struct kvik_err *err) MUST_CHECK;
int answer_end(struct answer *a, struct kvik_err *err) MUST_CHECK;
void answer_release(struct answer *a);
bool answer_thinks(const struct answer *a); /* what was fed last belongs to the thoughts */

#define ANSWER_ID_BYTES 10
/* Nine letters and digits, which every published template accepts. */
void answer_call_id(uint64_t id, size_t index, char out[ANSWER_ID_BYTES]);

/* For harmony.c */
void answer_tell(struct answer *a, enum answer_kind kind, size_t from, size_t to);
void answer_tell_call(struct answer *a, const char *name, const char *arguments);
int answer_harmony(struct answer *a, bool final, struct kvik_err *err) MUST_CHECK;
bool answer_harmony_thinks(const struct answer *a);

#endif
