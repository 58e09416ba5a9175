/* line.h: lines that a person types or a program pipes in. On a terminal: an editor with history, Ctrl-C that drops the
 * line, Alt-Enter for a line break, and pasted text that stays whole; else plain lines. Owner: one thread. */
#ifndef KVIK_CLI_LINE_H
#define KVIK_CLI_LINE_H

#include "base/err.h"

struct line;

struct line_config {
	const char *history;      /* file of earlier lines; NULL = none is kept */
	const char *const *words; /* NULL-terminated, static: what Tab completes at the start of a line; may be NULL */
};

/* Over standard input. */
int line_new(struct line **out, const struct line_config *c, struct kvik_err *err) MUST_CHECK;
void line_free(struct line *l);
bool line_is_terminal(const struct line *l);

enum line_state { LINE_END, LINE_TEXT, LINE_DROPPED /* Ctrl-C */ };

/* The next line without its end; *text: [*n] and a NUL, valid until the next call. Returns enum line_state or an
 * error: IO, NOMEM, LIMIT (longer than 16 MiB). */
int line_read(struct line *l, const char *prompt, const char **text, size_t *n, struct kvik_err *err) MUST_CHECK;
/* What was said as a whole, for the history (which may be several lines). */
void line_remember(struct line *l, const char *text);

#endif
