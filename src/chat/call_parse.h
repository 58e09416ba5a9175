/* call_parse.h: reads tool calls out of a text that is still coming: one call (or list of calls) at a time, each byte looked
 * at a bounded number of times, arguments told as they come. Any thread; one at a time. */
#ifndef KVIK_CHAT_CALL_PARSE_H
#define KVIK_CHAT_CALL_PARSE_H

#include "chat/call_format.h"
#include "chat/call_values.h"

/* Who hears of calls. */
struct call_listener {
	void *user;
	bool (*begin)(void *user, const char *name, size_t bytes); /* false: no more calls are taken */
	void (*arguments)(void *user, const char *text, size_t bytes);
	bool (*end)(void *user); /* false: what came as arguments is no JSON object */
};

/* A zeroed one with the public fields is ready. */
struct call_parser {
	const struct call_format *f;
	const json_t *tools; /* of the request, for the types of arguments and the names of bare calls; NULL = none */
	struct call_listener to;
	size_t at; /* the calls begin here, with a mark; then: read up to here */
	/* results */
	size_t done_at; /* behind the last call that has ended; 0: none has */
	bool plain;     /* what was read is no call but the mark before text (call_format.plain) */
	/* private */
	int step;
	char name[CALL_NAME_BYTES]; /* [name_bytes] of the call at hand */
	size_t name_bytes;
	bool in_list, bare, tagged; /* tagged: a bare call has its mark */
	bool some, fresh;           /* an argument was told; the value at hand has not begun */
	char close;                 /* of members */
	enum call_type type;        /* of the argument at hand, */
	size_t key_at, key_bytes;   /* and where its key stands */
	size_t object_at;           /* where the JSON of the call at hand begins */
	struct {
		size_t at, depth;
		bool in_string, escaped;
	} json;          /* brackets counted so far */
	size_t retry_at; /* before the text has so many bytes nothing new can be told */
};

/* Goes on at p->at, in a text whose beginning has not changed. final: no more comes; a missing last mark is forgiven then.
 * CALL_READ: p->at is behind all of it. CALL_NONE: what follows done_at (if that is 0: all of it) is no call. */
enum call_read call_parse(struct call_parser *p, const char *text, size_t bytes, bool final);

#endif
