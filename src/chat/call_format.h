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
	CALL_PYTHONIC, /* [name(key='value', ..), ..], or one without brackets */
	CALL_BRACED,   /* name{key:<|"|>value<|"|>,..} */
	CALL_BARE      /* CALL_JSON or CALL_PYTHONIC without any mark, where a text begins; ; between several */
};

/* Marks; NULL or "" = none. Blanks between them never matter. */
struct call_format {
	const char *name;
	enum call_body body;
	const char *section, *section_end; /* around all calls, or around each */
	const char *open, *close;          /* around one call */
	const char *name_prefix;           /* "functions.": not part of the name */
	const char *name_cut;              /* where a name has ended before its mark: [CALL_ID] */
	const char *id_end;                /* behind an id that stands before the name */
	const char *name_end;
	const char *plain;                             /* a name that means: what follows is said */
	const char *key, *key_end, *value, *value_end; /* CALL_TAGGED */
	const char *hint;                              /* words of templates of this family that write no calls */
	bool bare_too;                                 /* a CALL_BARE is understood, too */
	bool keyed;                                    /* CALL_JSON: {NAME: {..}}, too */
};
#define CALL_NAME_BYTES 128 /* no longer name is one */
#define CALLS_MAX 64        /* of an answer */

/* [call_formats_n]: in the order in which a template is asked for them: the more particular first. */
extern const struct call_format call_formats[];
extern const size_t call_formats_n;
const struct call_format *call_format_named(const char *name); /* NULL: there is none */

/* What a text has: */
enum call_read {
	CALL_READ, /* what was asked for; it has been read */
	CALL_MORE, /* it ends before that can be told */
	CALL_NONE  /* something else */
};

/* Stretches of a text that are special tokens, ascending. */
struct call_token {
	size_t from, to;
};
struct call_tokens {
	struct call_token *v; /* [n], owned */
	size_t n, cap;
};
bool call_is_token(const struct call_tokens *t, size_t at); /* one begins at `at` */

/* The earliest of a mark at or after from (then *whole), else of what may be its beginning at the end of the text. token: the
 * mark must begin with one of these; NULL: any text will do. False: nowhere. */
bool call_find_mark(const char *mark, const struct call_tokens *token, const char *text, size_t bytes, size_t from,
		    size_t *at, bool *whole);

/* A format, and which of its first marks are special tokens of the vocabulary: the same letters written by other tokens are
 * text then. */
struct call_marks {
	const struct call_format *f;
	bool section_is_token, open_is_token;
};

/* Where calls may begin at or after `from` in what is said, which begins at `said`: *begin is the place, *certain: the mark is
 * there whole (else the text ends inside of what may become one). False: nowhere. */
bool call_find(const struct call_marks *m, const struct call_tokens *t, const char *text, size_t bytes, size_t said,
	       size_t from, size_t *begin, bool *certain);

#endif
