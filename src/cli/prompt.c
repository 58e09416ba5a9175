/* prompt.c: see prompt.h. */
#include "cli/prompt.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/ids.h"

void add_prompt_opts(struct opt_list *l, struct prompt_opts *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Prompt (one of these; else standard input):"},
		{OPT_TEXT, 'p', "prompt", &o->text, .arg = "TEXT", .help = "The text to go on from; may be empty."},
		{OPT_TEXT, 'f', "file", &o->file, .arg = "FILE", .help = "The same from a file."},
		{OPT_TEXT, 0, "ids", &o->ids, .arg = "1,2,3|@FILE", .help = "Token ids instead of text."},
	};
	OPT_LIST_ADD(l, opts);
}

/* The whole prompt as text, in memory the caller frees. */
static int get_text(const struct prompt_opts *o, char **text, size_t *n, struct kvik_err *err)
{
	if (o->file)
		return read_text(o->file, text, n, err);
	if (!o->text && !isatty(STDIN_FILENO))
		return read_text("-", text, n, err);
	const char *given = o->text ? o->text : "";
	*n = strlen(given);
	*text = mem_strndup(given, *n);
	return *text ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the prompt");
}

static int begin_token(const struct kvik_vocab *v, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	uint32_t bos = kvik_vocab_bos(v);
	if (bos == KVIK_NO_ID)
		return err_set(err, KVIK_ERR_ARG,
			       "the prompt is empty, and this model has no token that begins a text: give -p TEXT");
	*ids = mem_alloc(sizeof **ids);
	if (!*ids)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the prompt");
	**ids = bos;
	*n = 1;
	return 0;
}

int read_prompt(const struct prompt_opts *o, const struct kvik_vocab *v, uint32_t **ids, size_t *n,
		struct kvik_err *err)
{
	char *text;
	size_t bytes;
	*ids = NULL;
	*n = 0;
	if ((o->text != NULL) + (o->file != NULL) + (o->ids != NULL) > 1)
		return err_set(err, KVIK_ERR_ARG, "give only one of --prompt, --file and --ids");
	if (o->ids)
		return ids_parse(o->ids, ids, n, err);
	if (o->goes_on && !o->text && !o->file)
		return 0;
	if (!v)
		return err_set(err, KVIK_ERR_ARG, "this model has no vocabulary: give --ids instead of text");
	int rc = get_text(o, &text, &bytes, err);
	if (rc)
		return rc;
	rc = kvik_tokenize(v, text, bytes, (o->goes_on ? 0 : KVIK_ADD_SPECIAL) | KVIK_PARSE_SPECIAL, ids, n, err);
	mem_free(text);
	return !rc && *n == 0 && !o->goes_on ? begin_token(v, ids, n, err) : rc;
}
