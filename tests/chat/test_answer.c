/* test_answer.c: what models say, think and call, in every format of the table, whole and cut at every byte; and texts
 * that look like calls and are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "chat/answer.h"

#define BAR "\xEF\xBD\x9C"
#define BLOCK "\xE2\x96\x81"
#define DS(what) "<" BAR "tool" BLOCK what BAR ">"
#define DSML(what) "<" BAR "DSML" BAR what
#define DSML_END(what) "</" BAR "DSML" BAR what
#define MM(what) "]<]minimax[>[" what

struct answer_case {
	const char *format;       /* NULL: no tools */
	const char *open, *close; /* of thoughts */
	bool thinks;
	const char *text;                   /* that the model writes */
	const char *thought, *said, *calls; /* calls: name{..} one after the other */
};

static const struct answer_case cases[] = {
	/* no format: everything is text */
	{NULL, NULL, NULL, false, "Hi <tool_call>{} \n", "", "Hi <tool_call>{} \n", ""},
	/* hermes */
	{"hermes", NULL, NULL, false, "Just text. ", "", "Just text. ", ""},
	{"hermes", NULL, NULL, false, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", "",
	 "f{\"a\":1}"},
	{"hermes", NULL, NULL, false,
	 "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": "
	 "\"}</tool_call>\\\"\"}}\n</tool_call>\n<tool_call>\n"
	 "{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
	 "", "Let me see.", "f{\"s\":\"}</tool_call>\\\"\"}g{}"},
	{"hermes", NULL, NULL, false, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}", "", "",
	 "f{\"a\":1}"},
	{"hermes", NULL, NULL, false, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}", "",
	 "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}", ""}, /* cut off */
	{"hermes", NULL, NULL, false, "<tool_call>oops</tool_call> and <tool", "",
	 "<tool_call>oops</tool_call> and <tool", ""},
	{"hermes", NULL, NULL, false, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\nDone.", "", "Done.",
	 "f{}"},
	{"hermes", NULL, NULL, false, "a <<tool_call>{\"name\": \"f\", \"parameters\": {}}</tool_call>", "", "a <",
	 "f{}"},
	{"generic", NULL, NULL, false, "So.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", "",
	 "So.", "f{}"},
	{"generic", NULL, NULL, false, " {\"name\": \"f\", \"arguments\": {\"a\": 1}}", "", "", "f{\"a\":1}"},
	{"generic", NULL, NULL, false, "{\"name\": \"h\", \"arguments\": {}}", "",
	 "{\"name\": \"h\", \"arguments\": {}}", ""},
	/* thoughts */
	{"hermes", "<think>", "</think>", false,
	 "<think>\nHm.\n  So.\n</think>\n\nYes.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
	 "Hm.\n  So.", "Yes.", "f{}"},
	{NULL, "<think>", "</think>", true, "\nHm. \n</think>\n\nYes.\n", "Hm.", "Yes.\n", ""},
	{NULL, "<think>", "</think>", true, "<think>Hm.</think>Yes.", "Hm.", "Yes.", ""},
	{NULL, "<think>", "</think>", true, "Hm. < /think>", "Hm. < /think>", "", ""}, /* never closed */
	{NULL, "<think>", "</think>", false, " <thin air", "", " <thin air", ""},
	{NULL, "<think>", "</think>", false, "A <think> later", "", "A <think> later", ""},
	{NULL, "[THINK]", "[/THINK]", false, "[THINK]a[/b][/THINK]c", "a[/b]", "c", ""},
	{NULL, "<think>", "</think>", false, "<think></think>\nYes", "", "Yes", ""},
	/* mistral, old and new */
	{"mistral", NULL, NULL, false,
	 "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": [1, {}]}}, {\"name\": \"g\", "
	 "\"arguments\": {}, \"id\": \"abc\"}]",
	 "", "", "f{\"a\":[1,{}]}g{}"},
	{"mistral", NULL, NULL, false, "Wait.[TOOL_CALLS]f[ARGS]{\"a\": \"[TOOL_CALLS]\"}[TOOL_CALLS]g[ARGS]{}", "",
	 "Wait.", "f{\"a\":\"[TOOL_CALLS]\"}g{}"},
	{"mistral", NULL, NULL, false, "[TOOL_CALLS] none", "", "[TOOL_CALLS] none", ""},
	/* functionary */
	{"functionary", NULL, NULL, false, "<function=f>{\"a\": 1}</function><function=g>{}</function>", "", "",
	 "f{\"a\":1}g{}"},
	/* llama 3 */
	{"llama3", NULL, NULL, false, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "", "f{\"a\":1}"},
	{"llama3", NULL, NULL, false,
	 " <|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"f\", \"parameters\": {}}", "", "",
	 "f{}f{}"},
	{"llama3", NULL, NULL, false, "{\"name\": \"unknown\", \"parameters\": {}}", "",
	 "{\"name\": \"unknown\", \"parameters\": {}}", ""},
	{"llama3", NULL, NULL, false, "{\"a\": 1} is JSON", "", "{\"a\": 1} is JSON", ""},
	{"llama3", NULL, NULL, false, "See {\"name\": \"f\", \"parameters\": {}}", "",
	 "See {\"name\": \"f\", \"parameters\": {}}", ""},
	/* a name and tagged arguments */
	{"qwen3-coder", NULL, NULL, false,
	 "Ok\n<tool_call>\n<function=f>\n<parameter=s>\n12\n</parameter>\n<parameter=n>\n12\n</"
	 "parameter>\n<parameter=o>\n"
	 "{\"k\": [true]}\n</parameter>\n<parameter=free>\na < "
	 "b\n\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n"
	 "<function=g>\n</function>\n</tool_call>",
	 "", "Ok", "f{\"s\":\"12\",\"n\":12,\"o\":{\"k\":[true]},\"free\":\"a < b\\n\"}g{}"},
	{"qwen3-coder", NULL, NULL, false, "<function=f>\n<parameter=n>1</parameter></function>", "", "", "f{\"n\":1}"},
	{"qwen3-coder", NULL, NULL, false, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 1}}\n</tool_call>",
	 "", "", "f{\"n\":1}"},
	{"seed-oss", NULL, NULL, false,
	 "<seed:tool_call>\n<function=f>\n<parameter=s>x</parameter>\n</function>\n</seed:tool_call>", "", "",
	 "f{\"s\":\"x\"}"},
	{"glm", NULL, NULL, false,
	 "\n<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>true</arg_value>\n<arg_key>n</arg_key>\n<arg_value>3</"
	 "arg_value>\n"
	 "</tool_call>\n<tool_call>g\n</tool_call>",
	 "", "", "f{\"s\":\"true\",\"n\":3}g{}"},
	{"minimax-m2", NULL, NULL, false,
	 "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"s\">x y</parameter>\n</invoke>\n<invoke "
	 "name=\"g\">\n"
	 "</invoke>\n</minimax:tool_call>",
	 "", "", "f{\"s\":\"x y\"}g{}"},
	{"minimax-m3", NULL, NULL, false,
	 MM("<tool_call>\n") MM("<invoke name=\"f\">") MM("<s>x") MM("</s>") MM("<n>3") MM("</n>") MM("</invoke>\n")
		 MM("</tool_call>"),
	 "", "", "f{\"s\":\"x\",\"n\":3}"},
	{"deepseek-v3.2", NULL, NULL, false,
	 "\n\n" DSML("function_calls>\n") DSML("invoke name=\"f\">\n") DSML("parameter name=\"free\" string=\"true\">3")
		 DSML_END("parameter>\n") DSML("parameter name=\"s\" string=\"false\">[3]") DSML_END("parameter>\n")
			 DSML_END("invoke>\n") DSML_END("function_calls>"),
	 "", "", "f{\"free\":\"3\",\"s\":[3]}"},
	{"minicpm", NULL, NULL, false,
	 "<function name=\"f\"><param name=\"s\">x</param></function>\n<function name=\"g\"></function>", "", "",
	 "f{\"s\":\"x\"}g{}"},
	{"hunyuan", NULL, NULL, false,
	 "<tool_calls:opensource>\n<tool_call:opensource>f<tool_sep:opensource>\n<arg_key:opensource>s</"
	 "arg_key:opensource>\n"
	 "<arg_value:opensource>x</arg_value:opensource>\n</tool_call:opensource>\n</tool_calls:opensource>",
	 "", "", "f{\"s\":\"x\"}"},
	/* a name and JSON */
	{"deepseek-v3", NULL, NULL, false,
	 DS("calls" BLOCK "begin") DS("call" BLOCK "begin") "function" DS("sep") "f\n```json\n{\"a\": 1}\n```" DS(
		 "call" BLOCK
		 "end") "\n" DS("call" BLOCK "begin") "function" DS("sep") "g\n```json\n{}\n```" DS("call" BLOCK "end")
		 DS("calls" BLOCK "end"),
	 "", "", "f{\"a\":1}g{}"},
	{"deepseek-v3.1", NULL, NULL, false,
	 "Ok." DS("calls" BLOCK "begin") DS("call" BLOCK "begin") "f" DS("sep") "{\"a\": 1}" DS("call" BLOCK "end")
		 DS("calls" BLOCK "end"),
	 "", "Ok.", "f{\"a\":1}"},
	{"kimi-k2", NULL, NULL, false,
	 "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": "
	 "1}<|tool_call_end|>"
	 "<|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
	 "", "", "f{\"a\":1}g{}"},
	/* JSON elsewhere */
	{"command-r", NULL, NULL, false,
	 "Action: ```json\n[\n {\"tool_name\": \"f\", \"parameters\": {\"a\": 1}}\n]```", "", "", "f{\"a\":1}"},
	{"command-r7b", NULL, NULL, false,
	 "<|START_ACTION|>[\n {\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {}}\n]<|END_ACTION|>", "",
	 "", "f{}"},
	{"nemotron", NULL, NULL, false, "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>", "", "", "f{}"},
	{"tool_calls", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", true,
	 "One.\n[BEGIN FINAL RESPONSE]\nSo.\n<tool_calls>[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", "
	 "\"arguments\": {}}]"
	 "</tool_calls>",
	 "One.", "So.", "f{}g{}"},
	{"phi4", NULL, NULL, false, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>", "", "", "f{}"},
	{"gigachat", NULL, NULL, false,
	 "function call<|role_sep|>\n{\"name\": \"f\", \"arguments\": {}}<|message_sep|>\n\n", "", "", "f{}"},
	/* not JSON at all */
	{"lfm2", NULL, NULL, false,
	 "<|tool_call_start|>[f(s='it\\'s', n=-3, o={'k': [True, None, 1.5, (1, 2)]}), g()]<|tool_call_end|>Checking.",
	 "", "Checking.", "f{\"s\":\"it's\",\"n\":-3,\"o\":{\"k\":[true,null,1.5,[1,2]]}}g{}"},
	{"lfm2", NULL, NULL, false, "<|tool_call_start|>[f(s=']", "", "<|tool_call_start|>[f(s=']", ""},
	{"gemma4", "<|channel>thought", "<channel|>", false,
	 "<|channel>thought\nHm.\n<channel|><|tool_call>call:f{s:<|\"|>a, "
	 "{b}<|\"|>,n:3,o:{k:[true,<|\"|>x<|\"|>]}}<tool_call|>"
	 "<|tool_call>call:g{}<tool_call|>",
	 "Hm.", "", "f{\"s\":\"a, {b}\",\"n\":3,\"o\":{\"k\":[true,\"x\"]}}g{}"},
	{"llama4", NULL, NULL, false, "<|python_start|>[f(s=\"a\", n=2)]<|python_end|>", "", "",
	 "f{\"s\":\"a\",\"n\":2}"},
	{"llama3", NULL, NULL, false, "[f(s='a'), g()]", "", "", "f{\"s\":\"a\"}g{}"},
	{"llama3", NULL, NULL, false, "[{\"name\": \"f\", \"parameters\": {}}, {\"name\": \"g\", \"parameters\": {}}]",
	 "", "", "f{}g{}"},
	{"llama3", NULL, NULL, false, "[1, 2] are numbers", "", "[1, 2] are numbers", ""},
	{"llama3", NULL, NULL, false, "[h(x=1)]", "", "[h(x=1)]", ""},
	{"llama3", NULL, NULL, false, "So <|python_tag|>f.call(s=\"x\")", "", "So", "f{\"s\":\"x\"}"},
	{"llama3", NULL, NULL, false, "{\"name\": \"f\", \"parameters\": {}} I called.", "", "I called.", "f{}"},
	{"functiongemma", NULL, NULL, false,
	 "<start_function_call>call:f{s:<escape>a}b<escape>,n:1}<end_function_call>", "", "",
	 "f{\"s\":\"a}b\",\"n\":1}"},
	/* names that are keys, ids before and behind names, names that mean text */
	{"apertus", "<|inner_prefix|>", "<|inner_suffix|>", false,
	 "<|inner_prefix|>Hm.<|inner_suffix|><|tools_prefix|>[{\"f\": {\"a\": 1}}, {\"g\": {}}]<|tools_suffix|>", "Hm.",
	 "", "f{\"a\":1}g{}"},
	{"solar", NULL, NULL, false,
	 "<|tool_calls|><|tool_call:begin|>a1b2c3d4e5<|tool_call:name|>f<|tool_call:args|>{\"a\": 1}<|tool_call:end|>",
	 "", "", "f{\"a\":1}"},
	{"mistral", NULL, NULL, false, "[TOOL_CALLS]f[CALL_ID]bbc5b7ede[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", "", "",
	 "f{\"a\":1}g{}"},
	{"functionary-v3.2", NULL, NULL, false, ">>>all\nHi >>there.>>>f\n{\"a\": 1}>>>g\n{}", "", "Hi >>there.",
	 "f{\"a\":1}g{}"},
	{"firefunction", NULL, NULL, false,
	 "Ok functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, "
	 "{\"name\": \"g\", \"arguments\": {}}]",
	 "", "Ok", "f{\"a\":1}g{}"},
	{"gigachat3.1", NULL, NULL, false, "Ok<|function_call|>{\"name\": \"f\", \"arguments\": {}}", "", "Ok", "f{}"},
	{"longcat", NULL, NULL, false,
	 "<longcat_tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</longcat_tool_call>", "", "", "f{}"},
	{"internlm2", NULL, NULL, false,
	 "Ok.\n<|action_start|><|plugin|>\n{\"name\": \"f\", \"parameters\": {}}"
	 "<|action_end|>\n",
	 "", "Ok.", "f{}"},
	/* members in another order, arguments as a text, inside of "function", or none */
	{"hermes", NULL, NULL, false,
	 "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"f\"}</tool_call>"
	 "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": "
	 "2}\"}}</tool_call>"
	 "<tool_call>{\"id\": 3, \"name\": \"g\", \"arguments\": {}, \"more\": [1]}</tool_call><tool_call>{\"name\": "
	 "\"g\"}</tool_call>",
	 "", "", "f{\"a\":1}f{\"a\":2}g{}g{}"},
	/* what goes wrong late is text as well, from the mark or the last whole call on */
	{"hermes", NULL, NULL, false, "Ok <tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1, b}}</tool_call> so",
	 "", "Ok <tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1, b}}</tool_call> so", ""},
	{"mistral", NULL, NULL, false, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, oops] so", "", ", oops] so",
	 "f{}"},
	{"qwen3-coder", NULL, NULL, false, "<tool_call>\n<function=f>\n<parameter=s>\nabc", "",
	 "<tool_call>\n<function=f>\n<parameter=s>\nabc", ""},
	/* tagged values by their types */
	{"qwen3-coder", NULL, NULL, false,
	 "<tool_call>\n<function=f>\n<parameter=o>\nNone\n</parameter>\n<parameter=s>\na\"b\\c\n\td\n</parameter>\n</"
	 "tool_call>",
	 "", "", "f{\"o\":null,\"s\":\"a\\\"b\\\\c\\n\\td\"}"},
	/* gpt-oss */
	{"harmony", NULL, NULL, false,
	 "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes <|2.", "Hm.",
	 "Yes <|2.", ""},
	{"harmony", NULL, NULL, false,
	 "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I "
	 "look.<|end|><|start|>"
	 "assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\":1}<|call|>",
	 "Hm.", "I look.", "f{\"a\":1}"},
	{"harmony", NULL, NULL, false, "<|start|>assistant<|channel|>commentary to=functions.f<|message|>{\"a\"", "",
	 "{\"a\"", ""},
	{"harmony", NULL, NULL, false, "<|channel|>final<|message|>Yes<|return|>", "", "Yes", ""},
};

/* f has a schema: s is a text, n and o are not; of free and g nothing is said. */
static json_t *tools(void)
{
	return json_pack("[{s:s, s:{s:s, s:{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}}}}}, {s:s, s:{s:s}}]", "type", "function",
			 "function", "name", "f", "parameters", "type", "object", "properties", "s", "type", "string",
			 "n", "type", "integer", "o", "type", "object", "type", "function", "function", "name", "g");
}

struct heard {
	struct buf thought, said, calls;
	struct buf arguments; /* of the call at hand, in pieces */
	size_t n, lost;
};

static void hear(void *user, const struct answer_part *p)
{
	struct heard *h = user;
	if (p->kind == ANSWER_CALL_BEGIN) {
		h->arguments.n = 0;
		assert_int_equal(p->index, h->n);
		assert_true(buf_add_text(&h->arguments, p->name, strlen(p->name)));
	} else if (p->kind == ANSWER_ARGUMENTS) {
		assert_int_equal(p->index, h->n);
		assert_true(p->bytes > 0 && buf_add_text(&h->arguments, p->text, p->bytes));
	} else if (p->kind == ANSWER_LOST) {
		h->lost++;
		h->n += p->index == h->n && h->arguments.n > 0; /* its index is used up */
		h->arguments.n = 0;
	} else if (p->kind == ANSWER_CALL) {
		char whole[4096];
		snprintf(whole, sizeof whole, "%s%s", p->name, p->arguments);
		assert_string_equal(h->arguments.data, whole);
		h->arguments.n = 0;
		assert_int_equal(p->index, h->n++);
		assert_int_equal(strlen(p->id), 9);
		assert_int_equal(strspn(p->id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), 9);
		json_t *args = json_loads(p->arguments, 0, NULL);
		char *compact = json_dumps(args, JSON_COMPACT);
		assert_true(json_is_object(args));
		assert_true(buf_add_text(&h->calls, p->name, strlen(p->name)));
		assert_true(buf_add_text(&h->calls, compact, strlen(compact)));
		free(compact);
		json_decref(args);
	} else {
		assert_true(p->bytes > 0);
		assert_true(buf_add_text(p->kind == ANSWER_THOUGHT ? &h->thought : &h->said, p->text, p->bytes));
	}
}

static void ignore(void *user, const struct answer_part *p)
{
	(void)user;
	(void)p;
}

static void check(const char *what, const struct answer_case *c, size_t cut, const struct buf *got, const char *want)
{
	const char *text = got->data ? got->data : "";
	if (strcmp(text, want) != 0)
		fail_msg("%s, cut at %zu of '%s'\n%s: '%s', not '%s'", c->format ? c->format : "-", cut, c->text, what,
			 text, want);
}

/* step: bytes at a time; cut: SIZE_MAX, or two pieces. */
static void run(const struct answer_case *c, const json_t *t, size_t step, size_t cut)
{
	struct heard h = {0};
	struct answer a = {.thinks = c->thinks, .tools = t, .id = 42, .fn = hear, .user = &h};
	size_t n = strlen(c->text);
	a.style.think_open = c->open;
	a.style.think_close = c->close;
	a.style.harmony = c->format && strcmp(c->format, "harmony") == 0;
	if (c->format && !a.style.harmony) {
		a.style.calls = call_format_named(c->format);
		assert_non_null(a.style.calls);
	}
	for (size_t at = 0, bytes; at < n; at += bytes) {
		bytes = cut < n ? (at == 0 ? cut : n - cut) : n - at < step ? n - at : step;
		char *piece = mem_strndup(c->text + at, bytes); /* exactly so many bytes, for the sanitizer */
		assert_int_equal(answer_feed(&a, piece, bytes, NULL), 0);
		mem_free(piece);
		if (bytes == 0)
			break;
	}
	assert_int_equal(answer_end(&a, NULL), 0);
	check("thought", c, cut, &h.thought, c->thought);
	check("said", c, cut, &h.said, c->said);
	check("calls", c, cut, &h.calls, c->calls);
	buf_release(&h.arguments);
	buf_release(&h.thought);
	buf_release(&h.said);
	buf_release(&h.calls);
	answer_release(&a);
}

static void every_format(void **state)
{
	(void)state;
	json_t *t = tools();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		run(&cases[i], t, SIZE_MAX, SIZE_MAX);
		run(&cases[i], t, 1, SIZE_MAX);
		run(&cases[i], t, 3, SIZE_MAX);
		for (size_t cut = 1; cut < strlen(cases[i].text); cut++)
			run(&cases[i], t, 0, cut);
	}
	for (size_t k = 0; k < call_formats_n; k++) {
		bool tested = strcmp(call_formats[k].name, "deepseek-v4") == 0; /* as v3.2 */
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			tested |= cases[i].format && strcmp(cases[i].format, call_formats[k].name) == 0 &&
				  *cases[i].calls;
		if (!tested)
			fail_msg("%s has no test", call_formats[k].name);
	}
	json_decref(t);
}

/* What is certain is told at once, not at the end. */
static void comes_as_it_is_known(void **state)
{
	(void)state;
	struct heard h = {0};
	struct answer a = {.fn = hear, .user = &h};
	a.style.calls = call_format_named("hermes");
	a.style.think_open = "<think>";
	a.style.think_close = "</think>";
	assert_int_equal(answer_feed(&a, "<think>Hm", 9, NULL), 0);
	assert_string_equal(h.thought.data, "Hm");
	assert_int_equal(answer_feed(&a, "</think>\n\nYes, <tool", 20, NULL), 0);
	assert_string_equal(h.said.data, "Yes,");
	static const struct {
		const char *text, *arguments; /* name{.. as far as told */
		size_t whole;
	} steps[] = {{"_call>{\"name\":\"f\",", "", 0},
		     {"\"arguments\":{", "f{", 0},
		     {"\"a\": \"b", "f{\"a\": \"b", 0},
		     {"c\"}", "f{\"a\": \"bc\"}", 0},
		     {"}", "", 1},
		     {"</tool_call><tool_call>{\"name\": \"g\", \"arguments\": {}}", "", 2}};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_int_equal(answer_feed(&a, steps[i].text, strlen(steps[i].text), NULL), 0);
		assert_string_equal(h.arguments.n ? h.arguments.data : "", steps[i].arguments);
		assert_int_equal(h.n, steps[i].whole);
	}
	assert_int_equal(answer_end(&a, NULL), 0);
	buf_release(&h.arguments);
	buf_release(&h.arguments);
	buf_release(&h.thought);
	buf_release(&h.said);
	buf_release(&h.calls);
	answer_release(&a);
}

/* What comes out of pieces, the text of special tokens between slashes. */
static void hear_pieces(struct answer *a, struct heard *h, const char *text)
{
	*h = (struct heard){0};
	a->fn = hear;
	a->user = h;
	for (bool token = false; *text; token = !token) {
		size_t n = strcspn(text, "/");
		int rc = token ? answer_feed_token(a, text, n, NULL) : answer_feed(a, text, n, NULL);
		assert_int_equal(rc, 0);
		text += n + (text[n] == '/');
	}
	assert_int_equal(answer_end(a, NULL), 0);
	answer_release(a);
}

static const char *got(const struct buf *b)
{
	return b->n ? b->data : "";
}

/* A mark that is a token of the vocabulary is only that: the same letters in others are text. */
static void marks_are_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *format, *text, *thought, *said, *calls;
	} pieces[] = {
		{"mistral", "See [TOOL_CALLS]f[ARGS]{}", "", "See [TOOL_CALLS]f[ARGS]{}", ""},
		{"mistral", "See [TOOL_CALLS] /[TOOL_CALLS]/f/[ARGS]/{}", "", "See [TOOL_CALLS]", "f{}"},
		{"mistral", "[THINK]a/[THINK]/b", "", "[THINK]a[THINK]b", ""}, /* thoughts begin an answer, or never */
		{"mistral", "/[THINK]/a[/b", "a[", "", ""},
		{"llama3", "<|python_tag|>f.call(s='x')", "", "<|python_tag|>f.call(s='x')", ""},
		{"llama3", "/<|python_tag|>/f.call(s='x')", "", "", "f{\"s\":\"x\"}"},
		{"hermes", "a/<|other|>/b", "", "ab", ""},
		{"harmony",
		 "/<|channel|>/analysis/<|message|>/a <|end|> "
		 "b/<|end|>//<|start|>/assistant/<|channel|>/final/<|message|>/c<|call|>",
		 "a <|end|> b", "c<|call|>", ""},
		{"harmony",
		 "/<|channel|>/commentary to=functions.f /<|constrain|>/json/<|message|>/{\"s\": "
		 "\"<|call|>\"}/<|call|>/",
		 "", "", "f{\"s\":\"<|call|>\"}"},
	};
	json_t *t = tools();
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct heard h;
		struct answer a = {.hides = true, .tools = t};
		a.style.calls = call_format_named(pieces[i].format);
		a.style.harmony = !a.style.calls;
		a.style.think_open = "[THINK]";
		a.style.think_close = "[/THINK]";
		a.style.think_is_token = a.style.open_is_token = a.style.harmony_is_token = true;
		hear_pieces(&a, &h, pieces[i].text);
		if (strcmp(got(&h.thought), pieces[i].thought) || strcmp(got(&h.said), pieces[i].said) ||
		    strcmp(got(&h.calls), pieces[i].calls))
			fail_msg("%s: '%s' '%s' '%s'", pieces[i].text, got(&h.thought), got(&h.said), got(&h.calls));
		buf_release(&h.thought);
		buf_release(&h.said);
		buf_release(&h.calls);
		buf_release(&h.arguments);
	}
	json_decref(t);
}

/* The prompt has written the mark, and marks around what is said are left out. */
static void around_an_answer(void **state)
{
	(void)state;
	struct heard h;
	struct answer a = {.called = true, .style = {.calls = call_format_named("functionary-v3.2")}};
	hear_pieces(&a, &h, "f\n{\"a\": 1}");
	assert_string_equal(got(&h.calls), "f{\"a\":1}");
	buf_release(&h.calls);
	buf_release(&h.arguments);
	a = (struct answer){.called = true, .style = {.calls = call_format_named("functionary-v3.2")}};
	hear_pieces(&a, &h, "all\nHi.");
	assert_string_equal(got(&h.said), "Hi.");
	buf_release(&h.said);
	a = (struct answer){.style = {.calls = call_format_named("command-r7b"),
				      .think_open = "<|START_THINKING|>",
				      .think_close = "<|END_THINKING|>",
				      .say_open = "<|START_RESPONSE|>",
				      .say_close = "<|END_RESPONSE|>"}};
	hear_pieces(&a, &h, "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Hi < there.<|END_RESPONSE|>");
	assert_string_equal(got(&h.thought), "Hm.");
	assert_string_equal(got(&h.said), "Hi < there.");
	buf_release(&h.thought);
	buf_release(&h.said);
}

/* Long arguments cost time in proportion to them, however small the pieces: the work of each piece is bounded. */
static void long_arguments(void **state)
{
	(void)state;
	enum { BYTES = 300000 };
	static const char *const calls[][3] = {
		{"hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"", "\"}}</tool_call>"},
		{"hermes", "<tool_call>{\"arguments\": {\"s\": \"", "\"}, \"name\": \"f\"}</tool_call>"},
		{"qwen3-coder", "<function=f><parameter=s>", "</parameter></function>"},
		{"qwen3-coder", "<function=f><parameter=free>", "</parameter></function>"},
		{"lfm2", "<|tool_call_start|>[f(s='", "')]"},
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct heard h = {0};
		struct answer a = {.style = {.calls = call_format_named(calls[i][0])}, .fn = ignore, .user = &h};
		assert_int_equal(answer_feed(&a, calls[i][1], strlen(calls[i][1]), NULL), 0);
		for (size_t n = 0; n < BYTES; n += 3)
			assert_int_equal(answer_feed(&a, "abc", 3, NULL), 0);
		assert_int_equal(answer_feed(&a, calls[i][2], strlen(calls[i][2]), NULL), 0);
		assert_int_equal(answer_end(&a, NULL), 0);
		assert_int_equal(a.n_calls, 1);
		assert_true(a.arguments.n > BYTES);
		answer_release(&a);
	}
}

/* Each allocation fails in turn: an error, and nothing lost. */
static void every_allocation_may_fail(void **state)
{
	(void)state;
	json_t *t = tools();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int rc = KVIK_ERR_NOMEM;
		for (long at = 1; rc; at++) {
			struct answer a = {.thinks = cases[i].thinks, .tools = t, .fn = ignore};
			struct kvik_err err;
			a.style.think_open = cases[i].open;
			a.style.think_close = cases[i].close;
			a.style.calls = cases[i].format ? call_format_named(cases[i].format) : NULL;
			a.style.harmony = cases[i].format && !a.style.calls;
			mem_fail_at(at);
			rc = answer_feed(&a, cases[i].text, strlen(cases[i].text), &err);
			if (!rc)
				rc = answer_end(&a, &err);
			mem_fail_at(0);
			assert_true(rc == 0 || rc == KVIK_ERR_NOMEM);
			answer_release(&a);
			if (at > 1000)
				fail_msg("no end");
		}
	}
	json_decref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format),     cmocka_unit_test(comes_as_it_is_known),
		cmocka_unit_test(marks_are_tokens), cmocka_unit_test(around_an_answer),
		cmocka_unit_test(long_arguments),   cmocka_unit_test(every_allocation_may_fail)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
