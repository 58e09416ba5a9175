/* cmd_chat.c: `kvik chat`: a conversation with a model. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "cli/cmd.h"
#include "cli/form.h"
#include "cli/talk.h"

struct chat_opts {
	struct model_opts model;
	struct cache_opts cache;
	struct gen_opts gen;
	struct form_opts form;
	const char *system, *template, *template_name, *load;
	bool json;
};

static const struct usage usage = {
	"chat [OPTIONS] [MODEL]",
	"Talks with a model, in its own chat template. Only what is new in a turn is computed; the rest is in the KV "
	"cache.\n"
	"On a terminal lines can be edited and /help lists the commands; from a pipe every line is a message (or a "
	"command),\n"
	"answers go to standard output and the first error ends it with a status that is not 0. Lines typed are kept "
	"in "
	"~/.kvik_history,\n"
	"or where KVIK_HISTORY says (empty: nowhere).",
	"  kvik chat model.gguf --temp 0.7 --system 'You are brief.'\n"
	"  printf 'My name is Tom.\\nWhat is my name?\\n' | kvik chat -q\n"
	"  kvik chat base-model.gguf --template ./Qwen3-0.6B --load talk.json\n"};

static volatile sig_atomic_t interrupted; /* a signal handler has no context to find it in */

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void add_chat_opts(struct opt_list *l, struct chat_opts *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Conversation:"},
		{OPT_TEXT, 's', "system", &o->system, .arg = "TEXT", .help = "The system message."},
		{OPT_TEXT, 0, "template", &o->template, .arg = "FILE",
		 .help = "Jinja template instead of the model's own: a file, or a model that has one."},
		{OPT_TEXT, 0, "template-name", &o->template_name, .arg = "NAME",
		 .help = "This one of a model's templates, e.g. tool_use."},
		{OPT_TEXT, 0, "load", &o->load, .arg = "FILE", .help = "Go on from a conversation written by /save."},
		{OPT_FLAG, 'q', "quiet", &o->model.quiet, .help = "No line of figures after an answer."},
		{OPT_FLAG, 0, "json", &o->json, .help = "Every answer is one line of JSON."},
	};
	OPT_LIST_ADD(l, opts);
}

/* *path: the file of earlier lines, freed with mem_free; NULL: none is kept. */
static int history_path(char **path, struct kvik_err *err)
{
	const char *given = getenv("KVIK_HISTORY"), *home = getenv("HOME");
	static const char name[] = "/.kvik_history";
	*path = NULL;
	if (given ? !*given : !home || !*home)
		return 0;
	size_t n = strlen(given ? given : home);
	char *p = mem_alloc(n + sizeof name);
	if (!p)
		return err_set(err, KVIK_ERR_NOMEM, "no memory");
	snprintf(p, n + sizeof name, "%s%s", given ? given : home, given ? "" : name);
	*path = p;
	return 0;
}

/* On a terminal Ctrl-C stops the answer; in a pipe it ends the program, as everywhere. */
static void catch_interrupt(const struct line *in)
{
	struct sigaction act = {.sa_handler = on_interrupt};
	if (line_is_terminal(in))
		sigaction(SIGINT, &act, NULL);
}

static int talk(const struct chat_opts *o, struct chat *chat, struct kvik_constraint *form, const char *name,
		struct kvik_err *err)
{
	struct talk t = {.chat = chat,
			 .params = &o->gen.params,
			 .form = form,
			 .stop = &interrupted,
			 .json = o->json,
			 .quiet = o->model.quiet};
	struct line_config lc = {.words = talk_command_words};
	char *history;
	int rc = history_path(&history, err);
	lc.history = history;
	if (!rc)
		rc = line_new(&t.in, &lc, err);
	if (!rc) {
		catch_interrupt(t.in);
		if (line_is_terminal(t.in) && !o->model.quiet)
			fprintf(stderr, "kvik chat: %s, %u tokens of context; /help lists the commands\n", name,
				chat_context(chat));
		rc = talk_run(&t, err);
	}
	line_free(t.in);
	talk_release(&t);
	mem_free(history);
	return rc;
}

/* The text of the template that --template names, or of the model. */
static int find_template(const struct chat_opts *o, const struct kvik_model *m, const char *path, char **text,
			 struct kvik_err *err)
{
	const char *own = kvik_model_chat_template(m);
	*text = NULL;
	if (o->template || o->template_name)
		return kvik_chat_template_load(text, o->template ? o->template : path, o->template_name, err);
	if (!own)
		return err_set(err, KVIK_ERR_ARG,
			       "this model has no chat template: give one with --template FILE (a Jinja file, or a "
			       "model of the same family), or use `kvik run`");
	*text = mem_strndup(own, strlen(own));
	return *text ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the chat template");
}

static int start(struct chat_opts *o, struct kvik_model *m, const char *path, struct kvik_err *err)
{
	struct chat *chat = NULL;
	struct kvik_constraint *form = NULL;
	char *template;
	if (!kvik_model_vocab(m))
		return err_set(err, KVIK_ERR_ARG, "this model has no vocabulary, so that it cannot chat");
	int rc = find_template(o, m, path, &template, err);
	struct chat_config c = {.model = m,
				.template = template,
				.cache = o->cache.params,
				.stop = &interrupted,
				.template_name = o->template ? o->template : "the model's chat template"};
	if (!rc)
		rc = chat_new(&chat, &c, err);
	if (!rc && o->load)
		rc = chat_load(chat, o->load, err);
	if (!rc && o->system)
		rc = chat_system(chat, o->system, err);
	if (!rc)
		rc = form_constraint(&form, &o->form, kvik_model_vocab(m), NULL, err);
	if (!rc)
		rc = talk(o, chat, form, path ? path : "kvik-mini", err);
	chat_free(chat);
	kvik_constraint_free(form);
	kvik_free(template);
	return rc;
}

static int finish_gen_opts(struct gen_opts *o, const struct kvik_model *m, struct kvik_err *err)
{
	struct kvik_sampling s = recommended_sampling(m);
	if (getrandom(&s.seed, sizeof s.seed, GRND_NONBLOCK) < 0)
		s.seed = os_clock_ns();
	return gen_opts_finish(o, &s, err);
}

static int run(int argc, char **argv)
{
	struct chat_opts o = {0};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	add_chat_opts(&l, &o);
	add_gen_opts(&l, &o.gen,
		     &(struct gen_help){"Most tokens of an answer (default: as many as fit the context).",
					"Drawing (default: as the model's makers recommend, else --temp 0.8 --top-k 40 "
					"--top-p 0.95 --min-p 0.05):",
					"Same seed, same answers (default: each run draws anew)."});
	add_form_opts(&l, &o.form, "What answers must be like (default: any text):");
	add_cache_opts(&l, &o.cache);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&o.model, n, rest);
	int rc = cache_opts_finish(&o.cache, &err);
	if (!rc)
		rc = load_model(&m, path, &o.model, &err);
	if (!rc)
		rc = finish_gen_opts(&o.gen, m, &err);
	if (!rc)
		rc = start(&o, m, path, &err);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_chat = {"chat", "talk with a model", run};
