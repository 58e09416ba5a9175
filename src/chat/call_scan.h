/* call_scan.h: looking at a text that may go on: whether something stands there, stands there not, or cannot be told
 * yet. */
#ifndef KVIK_CHAT_CALL_SCAN_H
#define KVIK_CHAT_CALL_SCAN_H

#include "chat/call_format.h"

struct scan {
	const char *s;
	size_t n, at;
	bool final;     /* nothing comes behind n */
	bool no_memory; /* then what was read does not count */
	unsigned level; /* of nested values */
};

/* Each moves `at` behind what it read, only where it answers CALL_READ. */
void scan_blanks(struct scan *s);
enum call_read scan_expect(struct scan *s, const char *mark); /* NULL or "" is there always */
enum call_read scan_until(struct scan *s, const char *mark, const char **from, size_t *n); /* and behind the mark */
/* One argument: key=value of Python's, key:value of Gemma's with <|"|> around texts; the caller's references, also where it
 * answers something else than CALL_READ (scan_literal.c). */
enum call_read scan_python_member(struct scan *s, json_t **key, json_t **value);
enum call_read scan_braced_member(struct scan *s, json_t **key, json_t **value);

#endif
