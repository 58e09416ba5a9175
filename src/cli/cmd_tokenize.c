/* cmd_tokenize.c: `kvik tokenize`: text to token ids and back, through standard input. */
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/ids.h"

struct tokenize_opts {
	bool decode, special, plain, json;
	const char *text, *file, *ids;
};

static const struct usage usage = {
	"tokenize [OPTIONS] [MODEL]",
	"Reads text from standard input and prints its token ids, separated by blanks, on one line; with --decode the\n"
	"other way round. MODEL may also be a tokenizer.json, a tokenizer.model (SentencePiece) or a GGUF file that "
	"holds a vocabulary alone.",
	"  echo -n 'Hello world' | kvik tokenize model.gguf\n"
	"  kvik tokenize ./tokenizer.json --decode --ids 9906,1917\n"};

static int write_ids(const uint32_t *ids, size_t n, bool json, struct kvik_err *err)
{
	for (size_t i = 0; i < n; i++)
		printf(json ? "%s%u" : "%s%u", i == 0 ? (json ? "[" : "") : json ? "," : " ", ids[i]);
	printf(json ? (n ? "]\n" : "[]\n") : "\n");
	return fflush(stdout) ? err_set(err, KVIK_ERR_IO, "the ids could not be written") : 0;
}

static int encode(const struct tokenize_opts *o, const struct kvik_vocab *v, const char *text, size_t n,
		  struct kvik_err *err)
{
	unsigned flags = (o->special ? KVIK_ADD_SPECIAL : 0u) | (o->plain ? 0u : KVIK_PARSE_SPECIAL);
	uint32_t *ids;
	size_t count;
	int rc = kvik_tokenize(v, text, n, flags, &ids, &count, err);
	if (!rc)
		rc = write_ids(ids, count, o->json, err);
	kvik_free(ids);
	return rc;
}

static int decode(const struct tokenize_opts *o, const struct kvik_vocab *v, const char *list, struct kvik_err *err)
{
	uint32_t *ids = NULL;
	char *text = NULL;
	size_t n = 0, bytes = 0;
	int rc = list[strspn(list, " \t\r\n,[]")] ? ids_parse(list, &ids, &n, err) : 0;
	if (!rc)
		rc = kvik_detokenize(v, ids, n, o->special ? KVIK_KEEP_SPECIAL : 0u, &text, &bytes, err);
	if (!rc && (fwrite(text, 1, bytes, stdout) != bytes || fflush(stdout)))
		rc = err_set(err, KVIK_ERR_IO, "the text could not be written");
	kvik_free(text);
	kvik_free(ids);
	return rc;
}

static int work(const struct tokenize_opts *o, const struct kvik_vocab *v, struct kvik_err *err)
{
	char *text = NULL;
	size_t n = 0;
	int rc = 0;
	if (o->text)
		return o->decode ? decode(o, v, o->text, err) : encode(o, v, o->text, strlen(o->text), err);
	if (o->ids)
		return decode(o, v, o->ids, err);
	rc = read_text(o->file ? o->file : "-", &text, &n, err);
	if (!rc)
		rc = o->decode ? decode(o, v, text, err) : encode(o, v, text, n, err);
	mem_free(text);
	return rc;
}

static int run(int argc, char **argv)
{
	struct tokenize_opts o = {0};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Options:"},
		{OPT_FLAG, 'd', "decode", &o.decode, .help = "Ids (numbers between blanks or commas) to text."},
		{OPT_FLAG, 0, "special", &o.special,
		 .help = "With the model's begin and end tokens; decoding: special tokens as their text."},
		{OPT_FLAG, 0, "plain", &o.plain, .help = "Special tokens written in the text are plain text."},
		{OPT_TEXT, 'p', "prompt", &o.text, .arg = "TEXT", .help = "This text instead of standard input."},
		{OPT_TEXT, 'f', "file", &o.file, .arg = "FILE", .help = "This file instead of standard input."},
		{OPT_TEXT, 0, "ids", &o.ids, .arg = "1,2,3|@FILE", .help = "Decode these ids."},
		{OPT_FLAG, 0, "json", &o.json, .help = "Ids as a JSON array."},
	};
	struct opt_list l = {0};
	struct kvik_vocab *v = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	OPT_LIST_ADD(&l, opts);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	int rc = kvik_vocab_load(&v, n > 0 ? rest[0] : NULL, &err);
	for (size_t i = 0; !rc && kvik_vocab_warning(v, i); i++)
		show_warning(kvik_vocab_warning(v, i));
	if (!rc)
		rc = work(&o, v, &err);
	kvik_vocab_free(v);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_tokenize = {"tokenize", "text to token ids and back", run};
