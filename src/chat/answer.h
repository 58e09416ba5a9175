/* answer.h: the text of a model, as it comes, cut into what it says, what it thinks and the tools it calls. Any thread;
 * one at a time. */
#ifndef KVIK_CHAT_ANSWER_H
#define KVIK_CHAT_ANSWER_H

#include "base/err.h"
#include "chat/call_parse.h"

/* How a model answers; read off its template. */
struct answer_style {
	const struct call_format *calls;      /* NULL: no tools, or nothing is known */
	const char *think_open, *think_close; /* around thoughts, at the beginning; NULL: none. Static */
	const char *say_open, *say_close;     /* around what is said, left out; NULL: none. Static */
	bool harmony;                         /* gpt-oss: channels with headers, instead of all of these */
	/* These marks are special tokens of the vocabulary: the same letters written by other tokens are text. */
	bool think_is_token, section_is_token, open_is_token, harmony_is_token;
};

enum answer_kind {
	ANSWER_TEXT,
	ANSWER_THOUGHT,
	ANSWER_CALL_BEGIN, /* a call: its index, id and name */
	ANSWER_ARGUMENTS,  /* a piece of the text of its arguments */
	ANSWER_CALL,       /* it is whole: with all of its arguments */
	ANSWER_LOST        /* what looked like a call is none: it comes as TEXT, whatever was told of it before */
};

struct answer_part {
	enum answer_kind kind;
	const char *text; /* [bytes], of TEXT, THOUGHT and ARGUMENTS: what has come */
	size_t bytes;
	size_t index;          /* of a call, ascending from 0; a lost one that had begun has one, too */
	const char *id, *name; /* of CALL_BEGIN and CALL */
	const char *arguments; /* of CALL: the text of a JSON object; all pieces together */
};
typedef void answer_fn(void *user, const struct answer_part *p);

struct answer {
	struct answer_style style;
	bool thinks;         /* the prompt has opened the thoughts */
	bool called;         /* the prompt has written the mark that opens a call (style.calls->open) */
	bool hides;          /* special tokens that are no marks are left out */
	const json_t *tools; /* borrowed; of the request, for the types of arguments; NULL = none */
	uint64_t id;         /* from which ids of calls are made */
	answer_fn *fn;
	void *user;
	/* private */
	struct buf text;
	struct call_tokens tokens; /* special ones in text */
	size_t at;                 /* everything before has been told */
	size_t begin;              /* of what is said, behind the thoughts */
	size_t mark;               /* where the call at hand began */
	bool fresh;                /* blanks at `at` are left out */
	int state;
	struct call_parser call;
	struct buf arguments; /* of the call at hand; NUL-terminated */
	char name[CALL_NAME_BYTES + 1];
	bool begun, no_memory; /* a call has been told that has not ended */
	size_t n_calls;
};

/* The caller fills in the public fields of a zeroed answer, feeds text as it comes and then ends it, whatever happened;
 * fn is called meanwhile. What is neither thought nor call comes as TEXT, whole; blanks around thoughts and before calls
 * are left out. Errors: NOMEM. */
int answer_feed(struct answer *a, const char *text, size_t bytes, struct kvik_err *err) MUST_CHECK;
/* The text of a special token. */
int answer_feed_token(struct answer *a, const char *text, size_t bytes, struct kvik_err *err) MUST_CHECK;
/* From now on text is taken for a mark that looks like one, whichever tokens wrote it. */
void answer_any_mark(struct answer *a);
int answer_end(struct answer *a, struct kvik_err *err) MUST_CHECK;
void answer_release(struct answer *a);
bool answer_thinks(const struct answer *a); /* what was fed last belongs to the thoughts */

#define ANSWER_ID_BYTES 10
/* Nine letters and digits, which every published template accepts. */
void answer_call_id(uint64_t id, size_t index, char out[ANSWER_ID_BYTES]);

/* For harmony.c */
void answer_tell(struct answer *a, enum answer_kind kind, size_t from, size_t to);
bool answer_call_begin(struct answer *a, const char *name, size_t bytes); /* false: none is taken any more */
void answer_call_arguments(struct answer *a, const char *text, size_t bytes);
bool answer_call_end(struct answer *a); /* false: the arguments are no JSON object */
void answer_call_lost(struct answer *a);
int answer_harmony(struct answer *a, bool final, struct kvik_err *err) MUST_CHECK;
bool answer_harmony_thinks(const struct answer *a);

#endif
