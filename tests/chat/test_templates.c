/* test_templates.c: the published templates at hand, and small ones for each thing a template may want: what is found out
 * about them, that nothing of a conversation is lost, and that what kvik answers it takes back as history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "chat/caps.h"
#include "chat/template.h"

#define PUBLISHED "../shared/templates/"

static struct chat_template *make(const char *text, const char *tool_text)
{
	struct kvik_err err;
	struct chat_template *t;
	const struct chat_template_source s = {
		.text = text, .tool_text = tool_text, .name = "test", .bos = "<BOS>", .eos = "<EOS>"};
	if (chat_template_new(&t, &s, &err))
		fail_msg("%s", err.text);
	return t;
}

static json_t *parse(const char *text)
{
	json_error_t e;
	char *copy = strdup(text);
	for (char *c = copy; *c; c++)
		*c = *c == '`' ? '"' : *c;
	json_t *j = json_loads(copy, 0, &e);
	if (!j)
		fail_msg("%s: %s", copy, e.text);
	free(copy);
	return j;
}

/* ---- Small templates --------------------------------------------------------------------------------------------- */

#define CHATML \
	"{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[A]{% endif %}"
#define LISTS                                                                                                         \
	"{% for m in messages %}[{{ m.role }}]{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% endif " \
	"%}"                                                                                                          \
	"{% endfor %}{% endfor %}"
#define CALLS                                                                                                     \
	"{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content or '' }}" \
	"{% for t in m.tool_calls or [] %}<tool_call>{\"name\": \"{{ t.function.name }}\", \"arguments\": "       \
	"{{ t.function.arguments | tojson }}}</tool_call>{{ t.id }}{% endfor %}{% endfor %}"
#define ONE_CALL                                                                                                    \
	"{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if "   \
	"m.tool_calls "                                                                                             \
	"%}{% if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}{\"name\": \"{{ "               \
	"m.tool_calls[0].function.name }}\", \"parameters\": {{ m.tool_calls[0].function.arguments | tojson }}}{% " \
	"endif %}"                                                                                                  \
	"{% endfor %}"
#define CALL(id, name, arguments) \
	"{`id`: `" id "`, `type`: `function`, `function`: {`name`: `" name "`, `arguments`: " arguments "}}"

struct render_case {
	const char *name, *text, *messages;
	enum chat_last last;
	const char *want; /* NULL: an error */
};

static const struct render_case renders[] = {
	{"text stays text", CHATML, "[{`role`: `user`, `content`: `Hi`}]", CHAT_LAST_AUTO, "[user]Hi[A]"},
	{"parts are joined", CHATML,
	 "[{`role`: `user`, `content`: [{`type`: `text`, `text`: `a`}, {`type`: `text`, `text`: `b`}]}]",
	 CHAT_LAST_AUTO, "[user]a\nb[A]"},
	{"text becomes a list", LISTS, "[{`role`: `user`, `content`: `Hi`}]", CHAT_LAST_AUTO, "[user]Hi"},
	{"a list stays one", LISTS,
	 "[{`role`: `user`, `content`: [{`type`: `input_text`, `text`: `a`}, {`type`: `text`, `text`: `b`}]}]",
	 CHAT_LAST_AUTO, "[user]ab"},
	{"null content", CHATML,
	 "[{`role`: `user`, `content`: null}, {`role`: `assistant`}, {`role`: `user`, `content`: `b`}]", CHAT_LAST_AUTO,
	 "[user][assistant][user]b[A]"},
	{"developer is system", CHATML, "[{`role`: `developer`, `content`: `d`}, {`role`: `user`, `content`: `u`}]",
	 CHAT_LAST_AUTO, "[system]d[user]u[A]"},
	{"developer where it is known", CHATML "{# 'developer' #}",
	 "[{`role`: `developer`, `content`: `d`}, {`role`: `user`}]", CHAT_LAST_AUTO, "[developer]d[user][A]"},
	{"system is told by the user",
	 "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ m.role }}]"
	 "{{ m.content }}{% endfor %}",
	 "[{`role`: `system`, `content`: `s`}, {`role`: `user`, `content`: `u`}]", CHAT_LAST_AUTO, "[user]s\n\nu"},
	{"an answer is gone on with", CHATML "!",
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: `Once `}]", CHAT_LAST_AUTO,
	 "[user]u[assistant]Once "},
	{"as a template trims it", "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}!{% endfor %}",
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: ` Once `}]", CHAT_LAST_CONTINUE,
	 "[user]u![assistant]Once"},
	{"or it is over", CHATML, "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: `a`}]",
	 CHAT_LAST_BEGIN, "[user]u[assistant]a[A]"},
	{"and nothing follows", CHATML, "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: `a`}]",
	 CHAT_LAST_CLOSE, "[user]u[assistant]a"},
	{"nothing to go on with", CHATML, "[{`role`: `user`, `content`: `u`}]", CHAT_LAST_CONTINUE, NULL},
	{"no image", CHATML, "[{`role`: `user`, `content`: [{`type`: `image_url`, `image_url`: {`url`: `x`}}]}]",
	 CHAT_LAST_AUTO, NULL},
	{"no messages", CHATML, "[]", CHAT_LAST_AUTO, NULL},
	{"no role", CHATML, "[{`content`: `u`}]", CHAT_LAST_AUTO, NULL},
	{"content of a number", CHATML, "[{`role`: `user`, `content`: 3}]", CHAT_LAST_AUTO, NULL},
	{"arguments in a text", CALLS,
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: null, `tool_calls`: [" CALL(
		 "i1", "f", "`{\\`a\\`: 1}`") "]}, {`role`: `tool`, `tool_call_id`: `i1`, `content`: `r`}]",
	 CHAT_LAST_AUTO,
	 "[user]u[assistant]<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>i1[tool]r"},
	{"arguments as an object", CALLS,
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `tool_calls`: [" CALL("i1", "f", "{`a`: 1}") "]}]",
	 CHAT_LAST_AUTO, "[user]u[assistant]<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>i1"},
	{"the call of old", CALLS,
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `function_call`: {`name`: `f`, `arguments`: `{}`}}, "
	 "{`role`: `function`, `name`: `f`, `content`: `r`}]",
	 CHAT_LAST_AUTO,
	 "[user]u[assistant]<tool_call>{\"name\": \"f\", "
	 "\"arguments\": {}}</tool_call>*[tool]r"},
	{"arguments that are none", CALLS,
	 "[{`role`: `user`}, {`role`: `assistant`, `tool_calls`: [" CALL("i1", "f", "`{`") "]}]", CHAT_LAST_AUTO, NULL},
	{"several calls one by one", ONE_CALL,
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: `c`, `tool_calls`: [" CALL(
		 "i1", "f",
		 "{}") ", " CALL("i2", "g",
				 "{}") "]}, {`role`: `tool`, `tool_call_id`: `i2`, `content`: `r2`}, {`role`: `tool`, "
				       "`tool_call_id`: `i1`, `content`: `r1`}]",
	 CHAT_LAST_AUTO,
	 "[user]u[assistant]c{\"name\": \"f\", \"parameters\": {}}[tool]r1[assistant]{\"name\": \"g\", \"parameters\": "
	 "{}}[tool]r2"},
	{"calls in words", CHATML,
	 "[{`role`: `user`, `content`: `u`}, {`role`: `assistant`, `content`: `c`, `tool_calls`: [" CALL(
		 "i1", "f", "`{\\`a\\`: 1}`") "]}, {`role`: `tool`, `tool_call_id`: `i1`, `content`: `r`}]",
	 CHAT_LAST_AUTO,
	 "[user]u[assistant]c\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>[tool]r[A]"},
};

/* "*" in want stands for an id of nine. */
static bool matches(const char *got, const char *want)
{
	for (; *want; want++) {
		if (*want != '*' && *got++ != *want)
			return false;
		if (*want == '*' && strlen(got) < 9)
			return false;
		got += *want == '*' ? 9 : 0;
	}
	return !*got;
}

static void small_templates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof renders / sizeof *renders; i++) {
		const struct render_case *r = &renders[i];
		struct chat_template *t = make(r->text, NULL);
		struct chat_prompt p;
		struct kvik_err err = {0};
		json_t *messages = parse(r->messages);
		const struct chat_input in = {.messages = messages, .last = r->last};
		int rc = chat_template_render(t, &in, &p, &err);
		if (rc ? r->want != NULL : !r->want || !matches(p.text.text, r->want))
			fail_msg("%s\nwanted: %s\ngot:    %s", r->name, r->want ? r->want : "(an error)",
				 rc ? err.text : p.text.text);
		assert_true(rc == 0 || rc == KVIK_ERR_ARG);
		chat_prompt_release(&p);
		json_decref(messages);
		chat_template_free(t);
	}
}

static char *render(const struct chat_template *t, const json_t *messages, const json_t *tools,
		    struct answer_style *style)
{
	struct chat_prompt p;
	struct kvik_err err;
	const struct chat_input in = {.messages = messages, .tools = tools};
	if (chat_template_render(t, &in, &p, &err)) {
		chat_prompt_release(&p);
		print_message("%s\n", err.text);
		return NULL;
	}
	char *text = strdup(p.text.text);
	*style = p.style;
	chat_prompt_release(&p);
	return text;
}

/* Tools reach the model whatever the template knows. */
static void tools_are_never_dropped(void **state)
{
	(void)state;
	struct answer_style style;
	json_t *messages = parse("[{`role`: `system`, `content`: `Be brief.`}, {`role`: `user`, `content`: `Hi`}]");
	json_t *tools = parse("[{`type`: `function`, `function`: {`name`: `probe`, `parameters`: {}}}]");
	struct chat_template *t = make(CHATML, NULL);
	char *text = render(t, messages, tools, &style);
	assert_non_null(strstr(text, "\"name\": \"probe\""));
	assert_non_null(strstr(text, "Be brief.[user]Hi[A]"));
	assert_string_equal(style.calls->name, "generic");
	free(text);
	text = render(t, messages, NULL, &style);
	assert_string_equal(text, "[system]Be brief.[user]Hi[A]");
	assert_null(style.calls);
	free(text);
	chat_template_free(t);

	t = make(CHATML, "TOOLS" CALLS); /* tool_use is taken where tools are given */
	text = render(t, messages, tools, &style);
	assert_memory_equal(text, "TOOLS[{\"type\"", 13);
	free(text);
	text = render(t, messages, NULL, &style);
	assert_string_equal(text, "[system]Be brief.[user]Hi[A]");
	free(text);
	chat_template_free(t);

	t = make(CHATML, "TOOLS{{ tools | length }}" CHATML); /* also one that only counts them */
	text = render(t, messages, tools, &style);
	assert_string_equal(text, "TOOLS1[system]Be brief.[user]Hi[A]");
	free(text);
	chat_template_free(t);
	json_decref(messages);
	json_decref(tools);
}

static void formats_can_be_given(void **state)
{
	(void)state;
	struct chat_template *t;
	struct answer_style style;
	const struct chat_template_source s = {.text = CHATML, .name = "test", .calls = call_format_named("mistral")};
	json_t *messages = parse("[{`role`: `user`, `content`: `Hi`}]");
	json_t *tools = parse("[{`type`: `function`, `function`: {`name`: `probe`}}]");
	assert_int_equal(chat_template_new(&t, &s, NULL), 0);
	free(render(t, messages, tools, &style));
	assert_string_equal(style.calls->name, "mistral");
	free(render(t, messages, NULL, &style));
	assert_null(style.calls);
	chat_template_free(t);
	json_decref(messages);
	json_decref(tools);
}

static void thoughts_begin_in_the_prompt(void **state)
{
	(void)state;
	json_t *messages = parse("[{`role`: `user`, `content`: `<think>`}]");
	static const struct {
		const char *tail;
		bool thinks;
	} cases[] = {{"<think>\n", true}, {"<think>\n\n</think>\n\n", false}, {"", false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct chat_prompt p;
		struct kvik_err err;
		char text[512];
		snprintf(text, sizeof text, "{# </think> #}{%% for m in messages %%}{{ m.content }}{%% endfor %%}%s",
			 cases[i].tail);
		struct chat_template *t = make(text, NULL);
		const struct chat_input in = {.messages = messages};
		assert_int_equal(chat_template_render(t, &in, &p, &err), 0);
		assert_string_equal(p.style.think_open, "<think>");
		assert_int_equal(p.thinks, cases[i].thinks);
		chat_prompt_release(&p);
		chat_template_free(t);
	}
	json_decref(messages);
}

/* ---- Published templates ----------------------------------------------------------------------------------------- */

/* What is found out: t and l: content as text, as a list; s: system; d: developer; T: tools; c: calls, a: not beside a content, m: several; r:
 * results. */
static const struct {
	const char *name, *caps, *format, *think;
} published[] = {
	{"Apriel-1.6-15b-Thinker-fixed", "tlsTcmr", "tool_calls", "Here are my reasoning steps:"},
	{"ByteDance-Seed-OSS", "tsTcmr", "seed-oss", "<seed:think>"},
	{"CohereForAI-c4ai-command-r-plus-tool_use", "tsTcmr", "command-r", "-"},
	{"GLM-4.6", "tlsTcmr", "glm", "<think>"},
	{"GigaChat3-10B-A1.8B", "tsTcr", "gigachat", "-"},
	{"HuggingFaceTB-SmolLM3-3B", "tsr", "-", "<think>"},
	{"Kimi-K2-Thinking", "tlsT", "kimi-k2", "<think>"},
	{"LFM2.5-8B-A1B", "tlsTcmr", "lfm2", "<think>"},
	{"MiMo-VL", "tsTcmr", "hermes", "-"},
	{"MiniMax-M3", "tlsdTcmr", "minimax-m3", "<mm:think>"},
	{"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "tsTcmr", "qwen3-coder", "<think>"},
	{"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "tsTcamr", "hermes", "-"},
	{"Qwen-QwQ-32B", "tsTcmr", "hermes", "<think>"},
	{"Qwen-Qwen3-0.6B", "tsTcmr", "hermes", "<think>"},
	{"Qwen3.5-4B", "tlsTcmr", "qwen3-coder", "<think>"},
	{"StepFun3.5-Flash", "tlsTcmr", "qwen3-coder", "<think>"},
	{"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "tscmr", "deepseek-v3", "<think>"},
	{"deepseek-ai-DeepSeek-V3.2", "tsTcmr", "deepseek-v3.2", "<think>"},
	{"deepseek-ai-DeepSeek-V4", "tsdTcmr", "deepseek-v4", "<think>"},
	{"google-gemma-2-2b-it", "t", "-", "-"},
	{"google-gemma-4-31B-it", "tlsdTcmr", "gemma4", "<|channel>thought"},
	{"ibm-granite-granite-4.0", "tlsTcmr", "hermes", "-"},
	{"llama-cpp-deepseek-r1", "ts", "-", "<think>"},
	{"meetkai-functionary-medium-v3.1", "tsTcmr", "functionary", "-"},
	{"meta-llama-Llama-3.1-8B-Instruct", "tsTcar", "llama3", "-"},
	{"meta-llama-Llama-3.3-70B-Instruct", "tsTcar", "llama3", "-"},
	{"mistralai-Ministral-3-14B-Reasoning-2512", "tlsTcmr", "mistral", "[THINK]"},
	{"moonshotai-Kimi-K2", "tlsTcmr", "kimi-k2", "-"},
	{"openbmb-MiniCPM5-1B", "tsTcmr", "minicpm", "<think>"},
	{"poolside-Laguna-XS-2.1", "tsTcmr", "glm", "<think>"},
	{"tencent-Hy3", "tlsTcmr", "hunyuan", "<think:opensource>"},
	{"unsloth-mistral-Devstral-Small-2507", "tlsTcmr", "mistral", "-"},
};

static void caps_text(const struct chat_caps *c, char out[16])
{
	snprintf(out, 16, "%s%s%s%s%s%s%s%s%s", c->content_text ? "t" : "", c->content_list ? "l" : "",
		 c->system ? "s" : "", c->developer ? "d" : "", c->tools ? "T" : "", c->calls ? "c" : "",
		 c->calls_apart ? "a" : "", c->calls_many ? "m" : "", c->results ? "r" : "");
}

static void fnv1a(const char *s, size_t n, char hash[17])
{
	uint64_t h = 0xCBF29CE484222325u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001B3u;
	snprintf(hash, 17, "%016llx", (unsigned long long)h);
}

struct heard {
	json_t *calls;
	struct buf said;
};

static void hear(void *user, const struct answer_part *p)
{
	struct heard *h = user;
	if (p->kind == ANSWER_CALL)
		json_array_append_new(h->calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", p->id, "type", "function",
							  "function", "name", p->name, "arguments", p->arguments));
	else if (p->kind == ANSWER_TEXT)
		assert_true(buf_add_text(&h->said, p->text, p->bytes));
}

/* A call as a model with this template would write it. */
static char *written_call(const struct chat_caps *c, const char *city)
{
	static const char kimi[] =
		"<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>"
		"{\"KEY\": \"VALUE\"}<|tool_call_end|><|tool_calls_section_end|>";
	static const char hermes[] = "<tool_call>{\"name\": \"NAME\", \"arguments\": {\"KEY\": \"VALUE\"}}</tool_call>";
	const char *at = c->example ? c->example : c->tools ? kimi : hermes;
	struct buf b = {0};
	while (*at) {
		static const char *const words[] = {"NAME", "KEY", "VALUE"};
		const char *with[] = {"get_weather", "city", city}, *piece = at;
		size_t n = 1, skip = 1;
		for (size_t k = 0; k < 3; k++)
			if (strncmp(at, words[k], strlen(words[k])) == 0) {
				piece = with[k];
				n = strlen(piece);
				skip = strlen(words[k]);
			}
		assert_true(buf_add_text(&b, piece, n));
		at += skip;
	}
	return b.data;
}

/* The model's answer to the messages so far: what it writes is read, told as an OpenAI message and appended. */
static void answer_with_calls(const char *name, const struct chat_template *t, const struct chat_caps *caps,
			      json_t *messages, const json_t *tools, const char *const *cities, uint64_t id)
{
	struct chat_prompt p;
	struct kvik_err err;
	const struct chat_input in = {.messages = messages, .tools = tools};
	if (chat_template_render(t, &in, &p, &err))
		fail_msg("%s", err.text);
	struct heard h = {.calls = json_array()};
	struct answer a = {.style = p.style, .tools = tools, .id = id, .fn = hear, .user = &h};
	size_t n = 0;
	for (; cities[n]; n++) {
		char *text = written_call(caps, cities[n]);
		if (n > 0 && p.style.calls->body == CALL_BARE)
			assert_int_equal(answer_feed(&a, ";", 1, NULL), 0);
		assert_int_equal(answer_feed(&a, text, strlen(text), NULL), 0);
		mem_free(text);
	}
	assert_int_equal(answer_end(&a, NULL), 0);
	if (json_array_size(h.calls) != n || h.said.n > 0)
		fail_msg("%s: %zu calls of %zu, and text '%s'", name, json_array_size(h.calls), n,
			 h.said.data ? h.said.data : "");
	json_array_append_new(messages,
			      json_pack("{s:s, s:n, s:O}", "role", "assistant", "content", "tool_calls", h.calls));
	for (size_t i = 0; i < n; i++) {
		json_t *c = json_array_get(h.calls, i), *f = json_object_get(c, "function");
		char want[64];
		snprintf(want, sizeof want, "{\"city\":\"%s\"}", cities[i]);
		assert_string_equal(json_string_value(json_object_get(f, "name")), "get_weather");
		json_t *args = json_loads(json_string_value(json_object_get(f, "arguments")), 0, NULL);
		char *compact = json_dumps(args, JSON_COMPACT);
		assert_string_equal(compact, want);
		free(compact);
		json_decref(args);
		json_array_append_new(messages,
				      json_pack("{s:s, s:O, s:s+}", "role", "tool", "tool_call_id",
						json_object_get(c, "id"), "content", "weather of ", cities[i]));
	}
	json_decref(h.calls);
	buf_release(&h.said);
	answer_release(&a);
	chat_prompt_release(&p);
}

static void must_show(const char *name, const struct chat_template *t, const json_t *messages, const json_t *tools,
		      const char *const *words)
{
	struct answer_style style;
	char *text = render(t, messages, tools, &style);
	if (!text)
		fail_msg("%s refuses its own answers", name);
	for (; *words; words++)
		if (!strstr(text, *words))
			fail_msg("%s: '%s' is lost:\n%s", name, *words, text);
	free(text);
}

/* Three turns with tools; each answer goes back as history. */
static void three_turns(const char *name, const struct chat_template *t, const struct chat_caps *caps,
			const json_t *tools)
{
	json_t *messages = parse("[{`role`: `system`, `content`: `Be brief.`}, {`role`: `user`, `content`: `Paris?`}]");
	must_show(name, t, messages, tools, (const char *const[]){"Be brief.", "Paris?", "get_weather", NULL});
	answer_with_calls(name, t, caps, messages, tools, (const char *const[]){"Paris", NULL}, 1);
	json_object_set_new(json_array_get(messages, 2), "content", json_string("I will look."));
	must_show(
		name, t, messages, tools,
		(const char *const[]){"Be brief.", "Paris?", "I will look.", "get_weather", "weather of Paris", NULL});
	json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "assistant", "content", "Sunny."));
	json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", "Oslo and Rome?"));
	answer_with_calls(name, t, caps, messages, tools, (const char *const[]){"Oslo", "Rome", NULL}, 2);
	must_show(name, t, messages, tools,
		  (const char *const[]){"weather of Paris", "Sunny.", "Oslo and Rome?", "weather of Oslo",
					"weather of Rome", NULL});
	json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "assistant", "content", "Snow and rain."));
	json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", "Thanks!"));
	must_show(name, t, messages, tools,
		  (const char *const[]){"Snow and rain.", "weather of Rome", "Thanks!", NULL});
	json_decref(messages);
}

/* Where the template has a form for everything, the prompt is the one that transformers makes. */
static bool same_as_transformers(const char *name, const struct chat_template *t, const json_t *golden,
				 const char *file)
{
	const char *want = json_string_value(json_object_get(json_object_get(golden, "hashes"), file));
	struct answer_style style;
	char hash[17];
	if (!want)
		return false;
	char *text = render(t, json_object_get(golden, "talk"), json_object_get(golden, "tools"), &style);
	assert_non_null(text);
	fnv1a(text, strlen(text), hash);
	if (strcmp(hash, want) != 0)
		fail_msg("%s: not what transformers makes of it:\n%s", name, text);
	free(text);
	return true;
}

static void check_published(size_t i, const json_t *golden, size_t *same)
{
	const char *name = published[i].name;
	char file[128], path[256], got[16];
	struct file_map map;
	struct tmpl *tmpl;
	struct chat_caps caps;
	snprintf(file, sizeof file, "%s.jinja", name);
	snprintf(path, sizeof path, PUBLISHED "%s", file);
	if (file_map(&map, path, NULL)) {
		print_message("%s is not there: left out\n", path);
		return;
	}
	char *text = mem_strndup((const char *)map.data, map.size);
	bool for_tools = strstr(name, "tool_use");
	assert_int_equal(tmpl_parse(&tmpl, text, map.size, name, NULL), 0);
	chat_caps_find(&caps, tmpl, text, "<BOS>", "<EOS>", for_tools);
	caps_text(&caps, got);
	const char *format = caps.style.calls ? caps.style.calls->name : "-";
	const char *think = caps.style.think_open ? caps.style.think_open : "-";
	if (strcmp(got, published[i].caps) != 0 || strcmp(format, published[i].format) != 0 ||
	    strcmp(think, published[i].think) != 0)
		fail_msg("%s: found '%s', %s, %s", name, got, format, think);
	struct chat_template *t = make(text, for_tools ? text : NULL);
	three_turns(name, t, &caps, json_object_get(golden, "tools"));
	if (caps.tools && caps.calls && caps.calls_many && caps.results && caps.system)
		*same += same_as_transformers(name, t, golden, file);
	chat_template_free(t);
	chat_caps_release(&caps);
	tmpl_free(tmpl);
	mem_free(text);
	file_unmap(&map);
}

static void published_templates(void **state)
{
	(void)state;
	json_error_t e;
	json_t *golden = json_load_file("tests/chat/golden.json", 0, &e);
	size_t same = 0;
	assert_non_null(golden);
	if (!file_exists(PUBLISHED "Qwen-Qwen3-0.6B.jinja")) {
		json_decref(golden);
		print_message("no published templates in " PUBLISHED ": skipped\n");
		skip();
	}
	for (size_t i = 0; i < sizeof published / sizeof *published; i++)
		check_published(i, golden, &same);
	print_message("%zu templates as transformers renders them\n", same);
	assert_true(same >= 20);
	json_decref(golden);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_templates),      cmocka_unit_test(tools_are_never_dropped),
		cmocka_unit_test(formats_can_be_given), cmocka_unit_test(thoughts_begin_in_the_prompt),
		cmocka_unit_test(published_templates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
