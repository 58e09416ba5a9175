/* talk_command.c: the commands of a talk, from one table. */
#include <string.h>

#include "cli/talk.h"

typedef int command_fn(struct talk *t, const char *arg, struct kvik_err *err);

struct command {
	const char *word, *arg, *help; /* arg: NULL = it takes none */
	command_fn *run;
};

static command_fn help, reset, undo, again, set_system, save, load, stats, quit;

/* X(word, argument, function, help) */
#define COMMANDS(X)                                                                            \
	X("/help", NULL, help, "this list")                                                    \
	X("/reset", NULL, reset, "forget the conversation, but for the system message")        \
	X("/undo", NULL, undo, "take back the last message and its answer")                    \
	X("/regen", NULL, again, "answer the last message again, with another seed")           \
	X("/system", "TEXT", set_system, "set the system message; without TEXT, take it away") \
	X("/save", "FILE", save, "write the conversation as JSON")                             \
	X("/load", "FILE", load, "go on from a conversation written by /save")                 \
	X("/stats", NULL, stats, "tokens computed and reused, memory of the KV cache")         \
	X("/quit", NULL, quit, "end, as Ctrl-D does")

static const struct command commands[] = {
#define COMMAND_ROW(w, a, f, h) {w, a, h, f},
	COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

const char *const talk_command_words[] = {
#define COMMAND_WORD(w, a, f, h) w,
	COMMANDS(COMMAND_WORD)
#undef COMMAND_WORD
		NULL};

static int help(struct talk *t, const char *arg, struct kvik_err *err)
{
	(void)t, (void)arg, (void)err;
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(stderr, "%-8s %-5s %s\n", commands[i].word, commands[i].arg ? commands[i].arg : "",
			commands[i].help);
	fprintf(stderr,
		"\nA backslash at the end of a line, Alt-Enter, or \"\"\" before and after, make a message of several "
		"lines.\nTwo slashes begin a message with one. Ctrl-C stops an answer, Ctrl-D ends.\n");
	return 0;
}

static int reset(struct talk *t, const char *arg, struct kvik_err *err)
{
	(void)arg, (void)err;
	chat_reset(t->chat);
	t->redrawn = 0;
	return 0;
}

static int undo(struct talk *t, const char *arg, struct kvik_err *err)
{
	(void)arg;
	return chat_undo(t->chat) ? 0 : err_set(err, KVIK_ERR_ARG, "/undo: nothing was said yet");
}

static int again(struct talk *t, const char *arg, struct kvik_err *err)
{
	(void)arg;
	if (!chat_unanswer(t->chat))
		return err_set(err, KVIK_ERR_ARG, "/regen: nothing was said yet");
	t->redrawn++;
	if (t->params->sampling->temperature == 0 && !t->quiet)
		fprintf(stderr, "[at temperature 0 the answer stays the same; start with --temp for others]\n");
	return talk_answer(t, err);
}

static int set_system(struct talk *t, const char *arg, struct kvik_err *err)
{
	return chat_system(t->chat, arg, err);
}

static int save(struct talk *t, const char *arg, struct kvik_err *err)
{
	if (!*arg)
		return err_set(err, KVIK_ERR_ARG, "/save FILE: the name of the file is missing");
	return chat_save(t->chat, arg, err);
}

static int load(struct talk *t, const char *arg, struct kvik_err *err)
{
	if (!*arg)
		return err_set(err, KVIK_ERR_ARG, "/load FILE: the name of the file is missing");
	int rc = chat_load(t->chat, arg, err);
	if (!rc && !t->quiet)
		fprintf(stderr, "[%zu messages]\n", json_array_size(chat_messages(t->chat)));
	return rc;
}

static int stats(struct talk *t, const char *arg, struct kvik_err *err)
{
	struct kvik_cache_stats kv = chat_cache_stats(t->chat);
	char used[32], ceiling[32], each[32];
	(void)arg, (void)err;
	fprintf(stderr,
		"messages %zu | answers %llu | tokens: %zu of %u held, %llu of prompts reused, %llu computed, %llu "
		"generated\nKV cache %s of %s in %llu pages, %s a token\n",
		json_array_size(chat_messages(t->chat)), (unsigned long long)t->turns, chat_tokens(t->chat),
		chat_context(t->chat), (unsigned long long)t->reused, (unsigned long long)t->computed,
		(unsigned long long)t->answered, human_bytes(kv.bytes_used, used),
		human_bytes(kv.bytes_ceiling, ceiling), (unsigned long long)kv.pages_used,
		human_bytes(kv.bytes_per_token, each));
	return 0;
}

static int quit(struct talk *t, const char *arg, struct kvik_err *err)
{
	(void)arg, (void)err;
	t->done = true;
	return 0;
}

int talk_command(struct talk *t, const char *text, struct kvik_err *err)
{
	size_t n = strcspn(text, " \t\n");
	const char *arg = text + n + strspn(text + n, " \t\n");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &commands[i];
		if (strlen(c->word) != n || memcmp(c->word, text, n) != 0)
			continue;
		if (!c->arg && *arg)
			return err_set(err, KVIK_ERR_ARG, "%s takes nothing after it", c->word);
		return c->run(t, arg, err);
	}
	return err_set(err, KVIK_ERR_ARG, "no command %.*s: /help lists them, and // begins a message with a slash",
		       (int)n, text);
}
