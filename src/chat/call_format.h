/* call_format.h: how models write tool calls in their text: one table for all families, one parser over it. Any thread. */
#ifndef KVIK_CHAT_CALL_FORMAT_H
#define KVIK_CHAT_CALL_FORMAT_H

#include <jansson.h>

#include "base/buf.h"

/* What stands between `open` and `close`. */
enum call_body {
	CALL_JSON,     /* name_end if there is one, {"name": .., "arguments": {..}} or a list of such */
	CALL_NAMED,    /* name, name_end, {..}; a CALL_JSON is understood, too */
	CALL_TAGGED,   /* name, name_end, then key..key_end value..value_end for each argument */
	CALL_PYTHONIC, /* [name(key='value', ..), ..] */
	CALL_BRACED,   /* name{key:<|"|>value<|"|>,..} */
	CALL_BARE      /* CALL_JSON without any mark: the whole text is the call, or several with ; between */
};

/* Marks; NULL or "" = none. Blanks between them never matter. */
struct call_format {
	const char *name;
	enum call_body body;
	const char *section, *section_end; /* around all calls, or around each */
	const char *open, *close;          /* around one call */
	const char *name_prefix;           /* "functions.": not part of the name */
	const char *name_end;
	const char *key, *key_end, *value, *value_end; /* CALL_TAGGED */
	bool bare_too;                                 /* a CALL_BARE is understood, too */
};
#define CALL_NAME_BYTES 128 /* no longer name is one */
#define CALLS_MAX 64        /* of an answer */

/* [call_formats_n]: in the order in which a template is asked for them: the more particular first. */
extern const struct call_format call_formats[];
extern const size_t call_formats_n;
const struct call_format *call_format_named(const char *name); /* NULL: there is none */

/* One call as it was read. arguments: JSON, of an object. */
struct call {
	char *name, *arguments;
};
struct calls {
	struct call *v; /* [n], owned */
	size_t n, cap;
};
void calls_release(struct calls *c);

enum call_read {
	CALL_READ, /* *at is behind what was read */
	CALL_MORE, /* the text ends inside a call */
	CALL_NONE  /* it is no call */
};

/* Where calls may begin at or after `from`: *begin is the place, *certain: the mark is there whole (else the text ends
 * inside of what may become one). False: nowhere. */
bool call_find(const struct call_format *f, const char *text, size_t bytes, size_t from, size_t *begin, bool *certain);
/* Reads the calls at *at, which begin with a mark, up to the end of one call (or list of calls). final: no more text
 * comes, so that a missing last mark is forgiven. tools: of the request, for the types of CALL_TAGGED's values and to
 * tell a bare call from other JSON; may be NULL. False: no memory. */
bool call_read(const struct call_format *f, const json_t *tools, const char *text, size_t bytes, size_t *at, bool final,
	       struct calls *out, enum call_read *result);

#endif
