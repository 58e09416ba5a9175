/* roles.c: tokens known by their text: those that end a turn or a text, and those around the parts of a text with a
 * hole (FIM). Files name some of them only, and old ones give them the wrong type. Source: the names that llama.cpp's
 * llama-vocab.cpp knows. Thread: the builder's. */
#include "token/vocab_impl.h"

#define DEEPSEEK(name) "<\xEF\xBD\x9C" name "\xEF\xBD\x9C>"

static int64_t find_name(const struct vocab *v, const char *name)
{
	return vocab_find(v, name, strlen(name));
}

static int64_t first_of(const struct vocab *v, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && find_name(v, names[i]) >= 0)
			return find_name(v, names[i]);
	return -1;
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

/* Where there are separate tokens for the ends of a turn and of a call, <|end|> only ends a message. */
static bool ends_only_message(const struct vocab *v, const char *name)
{
	bool call = find_name(v, "<|call|>") >= 0 || find_name(v, "<|calls|>") >= 0;
	bool turn = find_name(v, "<|return|>") >= 0 || find_name(v, "<|flush|>") >= 0;
	return call && turn && strcmp(name, "<|end|>") == 0;
}

int64_t vocab_guess_eot(const struct vocab *v)
{
	static const char *const names[] = {"<|eot_id|>",
					    "<|im_end|>",
					    "<|end|>",
					    "<end_of_turn>",
					    "<|endoftext|>",
					    "<|end_of_text|>",
					    "<EOT>",
					    "_<EOT>",
					    "[EOT]",
					    DEEPSEEK("end\xE2\x96\x81of\xE2\x96\x81sentence"),
					    "<end_of_utterance>"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (find_name(v, names[i]) >= 0 && !ends_only_message(v, names[i]))
			return find_name(v, names[i]);
	return -1;
}

void vocab_add_end(struct vocab *v, int64_t id)
{
	for (size_t i = 0; i < v->n_ends; i++)
		if (v->ends[i] == id)
			return;
	if (id >= 0 && v->n_ends < VOCAB_ENDS_MAX)
		v->ends[v->n_ends++] = (uint32_t)id;
}

/* A token that steers is not text, whatever type the file gives it. */
static void make_control(struct vocab *v, int64_t id)
{
	if (id >= 0)
		v->tokens[id].attrs = VOCAB_ATTR_CONTROL | (v->tokens[id].attrs & TOKEN_ADDED);
}

void vocab_add_known_ends(struct vocab *v)
{
	static const char *const names[] = {"<|eot_id|>",
					    "<|im_end|>",
					    "<|end|>",
					    "<|return|>",
					    "<|call|>",
					    "<|calls|>",
					    "<|flush|>",
					    "<end_of_turn>",
					    "<|endoftext|>",
					    "<|eom_id|>",
					    "<EOT>",
					    "_<EOT>",
					    "[EOT]",
					    "[EOS]",
					    "<|end_of_text|>",
					    "<end_of_utterance>",
					    "<eos>",
					    "<turn|>",
					    "<|tool_response>",
					    "[e~[",
					    DEEPSEEK("end\xE2\x96\x81of\xE2\x96\x81sentence")};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int64_t id = find_name(v, names[i]);
		if (id < 0 || ends_only_message(v, names[i]))
			continue;
		vocab_add_end(v, id);
		make_control(v, id);
	}
	/* Gemma's vocabularies have the tag of struck-out text under this name. */
	int64_t s = find_name(v, "</s>");
	if (s >= 0 && v->tokens[s].attrs & VOCAB_ATTR_CONTROL && find_name(v, "<|tool_response>") < 0)
		vocab_add_end(v, s);
}

/* ---- Fill in the middle ------------------------------------------------------------------------------------------ */

void vocab_find_fim(struct vocab *v)
{
	enum { NAMES = 8 };
	static const char *const names[VOCAB_FIM_COUNT][NAMES] = {
		[VOCAB_FIM_PREFIX] = {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",
				      DEEPSEEK("fim\xE2\x96\x81\x62\x65gin"), "<PRE>", "\xE2\x96\x81<PRE>",
				      "<|code_prefix|>", "<|prefix|>"},
		[VOCAB_FIM_SUFFIX] = {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", DEEPSEEK("fim\xE2\x96\x81hole"),
				      "<SUF>", "\xE2\x96\x81<SUF>", "<|code_suffix|>", "<|suffix|>"},
		[VOCAB_FIM_MIDDLE] = {"<|fim_middle|>", "<fim-middle>", "<fim_middle>",
				      DEEPSEEK("fim\xE2\x96\x81\x65nd"), "<MID>", "\xE2\x96\x81<MID>",
				      "<|code_middle|>", "<|middle|>"},
		[VOCAB_FIM_PAD] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"},
		[VOCAB_FIM_REPO] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"},
		[VOCAB_FIM_FILE] = {"<|file_sep|>"},
	};
	for (size_t i = 0; i < VOCAB_FIM_COUNT; i++)
		if (v->fim[i] < 0)
			v->fim[i] = first_of(v, names[i], NAMES);
}

void vocab_make_fim_control(struct vocab *v)
{
	for (size_t i = 0; i < VOCAB_FIM_COUNT; i++)
		make_control(v, v->fim[i]);
}

/* What a model writes when it goes on past its hole. */
void vocab_add_fim_ends(struct vocab *v)
{
	for (size_t i = VOCAB_FIM_PAD; i < VOCAB_FIM_COUNT; i++)
		vocab_add_end(v, v->fim[i]);
}

int64_t vocab_fim(const struct vocab *v, enum vocab_fim role)
{
	return v->fim[role];
}
