/* form.c: see form.h. */
#include "cli/form.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"

void add_form_opts(struct opt_list *l, struct form_opts *o, const char *heading)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = heading},
		{OPT_TEXT, 0, "schema", &o->schema, .arg = "FILE", .help = "JSON under this JSON Schema."},
		{OPT_TEXT, 0, "regex", &o->regex, .arg = "TEXT",
		 .help = "The whole text matches this regular expression."},
		{OPT_TEXT, 0, "choice", &o->choice, .arg = "JSON",
		 .help = "One of the strings of this list: '[\"yes\", \"no\"]'."},
		{OPT_TEXT, 0, "grammar", &o->grammar, .arg = "FILE",
		 .help = "A text of this grammar, in llama.cpp's GBNF or in Lark's notation."},
		{OPT_TEXT, 0, "structural-tag", &o->tags, .arg = "FILE",
		 .help = "Free text with parts of a given form: vLLM's structural tags, as JSON."},
	};
	OPT_LIST_ADD(l, opts);
}

unsigned form_opts_given(const struct form_opts *o)
{
	return (unsigned)!!o->schema + !!o->regex + !!o->choice + !!o->grammar + !!o->tags;
}

double thread_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compile(struct kvik_constraint **out, const struct form_opts *o, const struct kvik_vocab *v,
		   const char *text, size_t n, double *us, struct kvik_err *err)
{
	enum kvik_constraint_kind kind = o->schema    ? KVIK_CONSTRAINT_SCHEMA
					 : o->regex   ? KVIK_CONSTRAINT_REGEX
					 : o->choice  ? KVIK_CONSTRAINT_CHOICE
					 : o->grammar ? KVIK_CONSTRAINT_GRAMMAR
						      : KVIK_CONSTRAINT_TAGS;
	/* The vocabulary's own part, which is made once: not what is timed. */
	int rc = kvik_constraint_new(out, v, KVIK_CONSTRAINT_JSON, NULL, 0, err);
	kvik_constraint_free(*out);
	*out = NULL;
	double start = thread_us();
	if (!rc)
		rc = kvik_constraint_new(out, v, kind, text, n, err);
	if (us)
		*us = thread_us() - start;
	return rc;
}

int form_constraint(struct kvik_constraint **out, const struct form_opts *o, const struct kvik_vocab *v, double *us,
		    struct kvik_err *err)
{
	const char *file = o->schema ? o->schema : o->grammar ? o->grammar : o->tags, *text = o->regex;
	char *read = NULL;
	size_t n = 0;
	*out = NULL;
	if (form_opts_given(o) == 0)
		return 0;
	if (form_opts_given(o) > 1)
		return err_set(err, KVIK_ERR_ARG,
			       "give one of --schema, --regex, --choice, --grammar and --structural-tag");
	if (!v)
		return err_set(err, KVIK_ERR_ARG, "a text of a given form needs a model with a vocabulary");
	int rc = file ? read_text(file, &read, &n, err) : 0;
	if (!file) {
		text = o->regex ? o->regex : o->choice;
		n = strlen(text);
	}
	if (!rc)
		rc = compile(out, o, v, file ? read : text, n, us, err);
	mem_free(read);
	return rc;
}
