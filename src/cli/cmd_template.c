/* cmd_template.c: `kvik template`: what a chat template makes of messages, without loading the model. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "tmpl/tmpl.h"

struct template_opts {
	const char *context, *name, *now;
	bool show;
};

static const struct usage usage = {
	"template [OPTIONS] [MODEL|FILE]",
	"Prints the text that a chat template makes of the variables given to it: messages, tools, "
	"add_generation_prompt,\n"
	"bos_token, eos_token, and whatever else the template asks for. MODEL may also be a file that is a template. "
	"Errors of\n"
	"the template, raise_exception among them, end with status 1.",
	"  echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' > c.json\n"
	"  kvik template model.gguf --context c.json\n"
	"  kvik template chat_template.jinja --context - --now 1753956000 < c.json\n"};

static int parse_now(const char *text, int64_t *now, struct kvik_err *err)
{
	char *end = NULL;
	*now = text ? (int64_t)strtoll(text, &end, 10) : (int64_t)time(NULL);
	if (text && (end == text || *end))
		return err_set(err, KVIK_ERR_ARG, "--now must be whole seconds since 1970, not '%s'", text);
	return 0;
}

static int load_context(json_t **variables, const char *path, struct kvik_err *err)
{
	char *text = NULL;
	size_t n;
	json_error_t e;
	*variables = NULL;
	if (!path)
		return err_set(err, KVIK_ERR_ARG,
			       "give --context FILE: the variables of the template, as a JSON object");
	int rc = read_text(path, &text, &n, err);
	if (rc)
		return rc;
	*variables = json_loadb(text, n, JSON_ALLOW_NUL, &e);
	mem_free(text);
	if (!*variables)
		return err_set(err, KVIK_ERR_FORMAT, "%s: line %d: %s", path, e.line, e.text);
	return 0;
}

static int render(const struct template_opts *o, const char *text, const char *path, struct kvik_err *err)
{
	struct tmpl *t = NULL;
	json_t *variables = NULL;
	char *out = NULL;
	size_t n = 0;
	int64_t now;
	int rc = parse_now(o->now, &now, err);
	if (!rc)
		rc = load_context(&variables, o->context, err);
	if (!rc)
		rc = tmpl_parse(&t, text, strlen(text), path, err);
	if (!rc)
		rc = tmpl_render(t, variables, now, NULL, &out, &n, err);
	if (!rc && (fwrite(out, 1, n, stdout) != n || fflush(stdout)))
		rc = err_set(err, KVIK_ERR_IO, "the text could not be written");
	mem_free(out);
	tmpl_free(t);
	json_decref(variables);
	return rc;
}

static int run(int argc, char **argv)
{
	struct template_opts o = {0};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Options:"},
		{OPT_TEXT, 'c', "context", &o.context, .arg = "FILE",
		 .help = "The variables, a JSON object; - is standard input."},
		{OPT_TEXT, 0, "now", &o.now, .arg = "UNIX",
		 .help = "The time strftime_now tells, in seconds since 1970 (default: the clock); as UTC."},
		{OPT_TEXT, 0, "name", &o.name, .arg = "NAME",
		 .help = "This one of a model's templates, e.g. tool_use."},
		{OPT_FLAG, 0, "show", &o.show, .help = "Print the template itself."},
	};
	struct opt_list l = {0};
	struct kvik_err err;
	const char *rest[1];
	char *text = NULL;
	int status;
	OPT_LIST_ADD(&l, opts);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	int rc = kvik_chat_template_load(&text, n > 0 ? rest[0] : NULL, o.name, &err);
	if (!rc && o.show)
		fputs(text, stdout);
	else if (!rc)
		rc = render(&o, text, n > 0 ? rest[0] : NULL, &err);
	kvik_free(text);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_template = {"template", "what a chat template makes of messages", run};
