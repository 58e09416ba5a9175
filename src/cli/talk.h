/* talk.h: a conversation on a terminal or through pipes: messages are read, answers are printed as they come, and lines
 * that begin with a slash are commands. Owner: one thread. */
#ifndef KVIK_CLI_TALK_H
#define KVIK_CLI_TALK_H

#include <kvik.h>

#include "base/buf.h"
#include "cli/chat.h"
#include "cli/gen.h"
#include "cli/line.h"

struct talk {
	struct chat *chat;
	struct line *in;
	const struct kvik_generate_params *params;
	struct kvik_constraint *form; /* of answers; NULL: any text */
	volatile sig_atomic_t *stop;  /* set by Ctrl-C; cleared before an answer */
	bool json, quiet;
	bool done;                                  /* /quit, or the end of the input */
	uint64_t redrawn;                           /* answers asked for again; each draws with a seed of its own */
	struct buf said;                            /* the message being read */
	json_t *ids;                                /* of the running answer; only with json */
	uint64_t turns, reused, computed, answered; /* answers; tokens of all of them */
};

/* Reads and answers until the input ends or /quit. On a terminal errors are shown and the talk goes on; else the first
 * one ends it. */
int talk_run(struct talk *t, struct kvik_err *err) MUST_CHECK;
/* Answers the last message and prints the answer. */
int talk_answer(struct talk *t, struct kvik_err *err) MUST_CHECK;
void talk_release(struct talk *t); /* what it holds itself */

/* text: a line that begins with a slash. Errors: ARG (no such command), as the command. */
int talk_command(struct talk *t, const char *text, struct kvik_err *err) MUST_CHECK;
extern const char *const talk_command_words[]; /* NULL-terminated: "/help", ... */

#endif
