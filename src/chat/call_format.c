/* call_format.c: the table. Sources: the chat templates that the models are published with, and their model cards. */
#include "chat/call_format.h"

#include <string.h>

#define BAR "\xEF\xBD\x9C"   /* U+FF5C, DeepSeek's and Hunyuan's bar */
#define BLOCK "\xE2\x96\x81" /* U+2581, DeepSeek's blank */
#define DSML "<" BAR "DSML" BAR
#define DSML_END "</" BAR "DSML" BAR
#define MINIMAX "]<]minimax[>["

const struct call_format call_formats[] = {
	/* DeepSeek V3, R1 and distilled */
	{.name = "deepseek-v3",
	 .body = CALL_NAMED,
	 .section = "<" BAR "tool" BLOCK "calls" BLOCK "begin" BAR ">",
	 .section_end = "<" BAR "tool" BLOCK "calls" BLOCK "end" BAR ">",
	 .open = "<" BAR "tool" BLOCK "call" BLOCK "begin" BAR ">function<" BAR "tool" BLOCK "sep" BAR ">",
	 .name_end = "\n```json",
	 .close = "```<" BAR "tool" BLOCK "call" BLOCK "end" BAR ">"},
	{.name = "deepseek-v3.1",
	 .body = CALL_NAMED,
	 .section = "<" BAR "tool" BLOCK "calls" BLOCK "begin" BAR ">",
	 .section_end = "<" BAR "tool" BLOCK "calls" BLOCK "end" BAR ">",
	 .open = "<" BAR "tool" BLOCK "call" BLOCK "begin" BAR ">",
	 .name_end = "<" BAR "tool" BLOCK "sep" BAR ">",
	 .close = "<" BAR "tool" BLOCK "call" BLOCK "end" BAR ">"},
	{.name = "deepseek-v3.2",
	 .body = CALL_TAGGED,
	 .section = DSML "function_calls>",
	 .section_end = DSML_END "function_calls>",
	 .open = DSML "invoke name=\"",
	 .name_end = "\">",
	 .key = DSML "parameter name=\"",
	 .key_end = ">",
	 .value_end = DSML_END "parameter>",
	 .close = DSML_END "invoke>"},
	{.name = "deepseek-v4",
	 .body = CALL_TAGGED,
	 .section = DSML "tool_calls>",
	 .section_end = DSML_END "tool_calls>",
	 .open = DSML "invoke name=\"",
	 .name_end = "\">",
	 .key = DSML "parameter name=\"",
	 .key_end = ">",
	 .value_end = DSML_END "parameter>",
	 .close = DSML_END "invoke>"},
	{.name = "kimi-k2",
	 .body = CALL_NAMED,
	 .section = "<|tool_calls_section_begin|>",
	 .section_end = "<|tool_calls_section_end|>",
	 .open = "<|tool_call_begin|>",
	 .name_prefix = "functions.",
	 .name_end = "<|tool_call_argument_begin|>",
	 .close = "<|tool_call_end|>"},
	{.name = "minimax-m3",
	 .body = CALL_TAGGED,
	 .section = MINIMAX "<tool_call>",
	 .section_end = MINIMAX "</tool_call>",
	 .open = MINIMAX "<invoke name=\"",
	 .name_end = "\">",
	 .key = MINIMAX "<",
	 .key_end = ">",
	 .value_end = MINIMAX "</", /* and the key again */
	 .close = MINIMAX "</invoke>"},
	{.name = "minimax-m2",
	 .body = CALL_TAGGED,
	 .section = "<minimax:tool_call>",
	 .section_end = "</minimax:tool_call>",
	 .open = "<invoke name=\"",
	 .name_end = "\">",
	 .key = "<parameter name=\"",
	 .key_end = "\">",
	 .value_end = "</parameter>",
	 .close = "</invoke>"},
	{.name = "hunyuan",
	 .body = CALL_TAGGED,
	 .section = "<tool_calls:opensource>",
	 .section_end = "</tool_calls:opensource>",
	 .open = "<tool_call:opensource>",
	 .name_end = "<tool_sep:opensource>",
	 .key = "<arg_key:opensource>",
	 .key_end = "</arg_key:opensource>",
	 .value = "<arg_value:opensource>",
	 .value_end = "</arg_value:opensource>",
	 .close = "</tool_call:opensource>"},
	{.name = "seed-oss",
	 .body = CALL_TAGGED,
	 .section = "<seed:tool_call>",
	 .section_end = "</seed:tool_call>",
	 .open = "<function=",
	 .name_end = ">",
	 .key = "<parameter=",
	 .key_end = ">",
	 .value_end = "</parameter>",
	 .close = "</function>"},
	/* Qwen 2.5 and 3, Hermes, Granite 4, MiMo, SmolLM3; and the way tools are explained to templates that know none */
	{.name = "hermes", .body = CALL_JSON, .open = "<tool_call>", .close = "</tool_call>"},
	/* Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5 */
	{.name = "qwen3-coder",
	 .body = CALL_TAGGED,
	 .section = "<tool_call>",
	 .section_end = "</tool_call>",
	 .open = "<function=",
	 .name_end = ">",
	 .key = "<parameter=",
	 .key_end = ">",
	 .value_end = "</parameter>",
	 .close = "</function>"},
	/* GLM 4.5 and later, Laguna */
	{.name = "glm",
	 .body = CALL_TAGGED,
	 .open = "<tool_call>",
	 .key = "<arg_key>",
	 .key_end = "</arg_key>",
	 .value = "<arg_value>",
	 .value_end = "</arg_value>",
	 .close = "</tool_call>"},
	{.name = "minicpm",
	 .body = CALL_TAGGED,
	 .open = "<function name=\"",
	 .name_end = "\">",
	 .key = "<param name=\"",
	 .key_end = "\">",
	 .value_end = "</param>",
	 .close = "</function>"},
	/* all of Mistral's: [TOOL_CALLS][{..}], [TOOL_CALLS]name[CALL_ID]id[ARGS]{..}, and without an id */
	{.name = "mistral", .body = CALL_NAMED, .open = "[TOOL_CALLS]", .name_cut = "[CALL_ID]", .name_end = "[ARGS]"},
	{.name = "functionary", .body = CALL_NAMED, .open = "<function=", .name_end = ">", .close = "</function>"},
	{.name = "functionary-v3.2", .body = CALL_NAMED, .open = ">>>", .name_end = "\n", .plain = "all"},
	{.name = "firefunction", .body = CALL_JSON, .open = "functools"},
	{.name = "command-r7b", .body = CALL_JSON, .open = "<|START_ACTION|>", .close = "<|END_ACTION|>"},
	{.name = "command-r", .body = CALL_JSON, .open = "Action:", .name_end = "```json", .close = "```"},
	{.name = "nemotron", .body = CALL_JSON, .open = "<TOOLCALL>", .close = "</TOOLCALL>"},
	/* Apriel, Jamba, Hunyuan A13B */
	{.name = "tool_calls", .body = CALL_JSON, .open = "<tool_calls>", .close = "</tool_calls>"},
	/* Phi-4-mini, Granite 3 */
	{.name = "phi4", .body = CALL_JSON, .open = "<|tool_call|>", .close = "<|/tool_call|>"},
	{.name = "gigachat", .body = CALL_JSON, .open = "function call<|role_sep|>", .close = "<|message_sep|>"},
	{.name = "apertus", .body = CALL_JSON, .open = "<|tools_prefix|>", .close = "<|tools_suffix|>", .keyed = true},
	{.name = "longcat", .body = CALL_JSON, .open = "<longcat_tool_call>", .close = "</longcat_tool_call>"},
	{.name = "internlm2", .body = CALL_JSON, .open = "<|action_start|><|plugin|>", .close = "<|action_end|>"},
	{.name = "solar",
	 .body = CALL_NAMED,
	 .section = "<|tool_calls|>",
	 .open = "<|tool_call:begin|>",
	 .id_end = "<|tool_call:name|>",
	 .name_end = "<|tool_call:args|>",
	 .close = "<|tool_call:end|>"},
	{.name = "llama4", .body = CALL_PYTHONIC, .open = "<|python_start|>", .close = "<|python_end|>"},
	{.name = "gigachat3.1", .body = CALL_JSON, .open = "<|function_call|>", .close = "<|message_sep|>"},
	{.name = "lfm2",
	 .body = CALL_PYTHONIC,
	 .open = "<|tool_call_start|>",
	 .close = "<|tool_call_end|>",
	 .hint = "List of tools: "},
	{.name = "gemma4", .body = CALL_BRACED, .open = "<|tool_call>call:", .close = "<tool_call|>"},
	{.name = "functiongemma",
	 .body = CALL_BRACED,
	 .open = "<start_function_call>call:",
	 .close = "<end_function_call>"},
	{.name = "llama3", .body = CALL_BARE, .open = "<|python_tag|>"},
	/* as tools are explained to models whose template knows none (messages.c) */
	{.name = "generic", .body = CALL_JSON, .open = "<tool_call>", .close = "</tool_call>", .bare_too = true},
};
const size_t call_formats_n = sizeof call_formats / sizeof *call_formats;

const struct call_format *call_format_named(const char *name)
{
	for (size_t i = 0; i < call_formats_n; i++)
		if (strcmp(call_formats[i].name, name) == 0)
			return &call_formats[i];
	return NULL;
}

bool call_is_token(const struct call_tokens *t, size_t at)
{
	for (size_t i = t->n; i-- > 0 && t->v[i].from >= at;)
		if (t->v[i].from == at)
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool call_find_mark(const char *mark, const struct call_tokens *token, const char *text, size_t bytes, size_t from,
		    size_t *begin, bool *certain)
{
	size_t n = strlen(mark), left = bytes - from;
	const char *at = text + from;
	while ((at = memmem(at, bytes - (size_t)(at - text), mark, n)) && token &&
	       !call_is_token(token, (size_t)(at - text)))
		at++;
	*certain = at != NULL;
	if (at)
		*begin = (size_t)(at - text);
	for (size_t k = n - 1 < left ? n - 1 : left; !at && k > 0; k--) {
		if (memcmp(text + bytes - k, mark, k) == 0 && (!token || call_is_token(token, bytes - k))) {
			*begin = bytes - k;
			return true;
		}
	}
	return at != NULL;
}

/* What begins a call without marks: an object, Python's list of calls, or the mark that may stand there. */
static bool find_bare(const struct call_marks *m, const struct call_tokens *t, const char *text, size_t bytes,
		      size_t at, bool *certain)
{
	size_t place;
	*certain = at < bytes && (text[at] == '{' || text[at] == '[');
	if (*certain || at == bytes)
		return true;
	return call_find_mark(m->f->open, m->open_is_token ? t : NULL, text, bytes, at, &place, certain) && place == at;
}

bool call_find(const struct call_marks *m, const struct call_tokens *t, const char *text, size_t bytes, size_t said,
	       size_t from, size_t *begin, bool *certain)
{
	const struct call_format *f = m->f;
	size_t other, at = from;
	bool sure;
	while (at < bytes && is_blank(text[at]))
		at++;
	if (f->bare_too && from == said && at < bytes && (text[at] == '{' || text[at] == '[')) {
		*begin = at;
		return *certain = true;
	}
	if (f->body == CALL_BARE) {
		*begin = at;
		if (from == said && find_bare(m, t, text, bytes, at, certain))
			return true;
		return call_find_mark(f->open, m->open_is_token ? t : NULL, text, bytes, from, begin, certain);
	}
	bool found = call_find_mark(f->section ? f->section : f->open,
				    (f->section ? m->section_is_token : m->open_is_token) ? t : NULL, text, bytes, from,
				    begin, certain);
	/* models forget the mark around calls */
	if (f->section && call_find_mark(f->open, m->open_is_token ? t : NULL, text, bytes, from, &other, &sure) &&
	    (!found || other < *begin)) {
		found = true;
		*begin = other;
		*certain = sure;
	}
	return found;
}
