/* test_call_form.c: the form of calls in each template's own way to write them: what a template itself would write is let through and
 * read back as the call, other names and values are not; and what has no such form says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kvik.h>

#include "api/call_form.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define PUBLISHED "../shared/templates/"

static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	for (char *c = copy; *c; c++)
		*c = *c == '`' ? '"' : *c;
	json_t *j = json_loads(copy, 0, NULL);
	assert_non_null(j);
	free(copy);
	return j;
}

static const char tools_text[] =
	"[{`type`: `function`, `function`: {`name`: `f`, `description`: `F`, `strict`: true, `parameters`: {`type`: "
	"`object`, "
	"`properties`: {`city`: {`type`: `string`, `description`: `A city`}}, `required`: [`city`], "
	"`additionalProperties`: false}}}, "
	"{`type`: `function`, `function`: {`name`: `g`, `description`: `G`, `parameters`: {`type`: `object`, "
	"`properties`: {`n`: {"
	"`$ref`: `#/$defs/small`, `description`: `A number`}, `e`: {`type`: `string`, `enum`: [`up`, `down`], "
	"`description`: `Where`}}, "
	"`required`: [`n`], `additionalProperties`: false, `$defs`: {`small`: {`type`: `integer`, `maximum`: 9}}}}}]";

struct setting {
	struct kvik_vocab *v;
	struct chat_template *t;
	json_t *tools, *messages;
	struct tool_choice choice;
	struct chat_prompt p;
};

/* choice: JSON, or NULL. */
static void set(struct setting *s, const char *text, const char *choice)
{
	struct field_error e;
	struct kvik_err err;
	const struct chat_template_source source = {.text = text, .name = "test", .bos = "<BOS>", .eos = "<EOS>"};
	json_t *c = choice ? parse(choice) : NULL, *wanted = c ? json_array_get(c, 0) : NULL;
	if (chat_template_new(&s->t, &source, &err))
		fail_msg("%s", err.text);
	s->tools = parse(tools_text);
	s->messages = parse("[{`role`: `user`, `content`: `Hi`}]");
	assert_int_equal(kvik_vocab_load(&s->v, NULL, NULL), 0);
	assert_int_equal(tool_choice_read(&s->choice, s->tools, wanted, NULL, &e), 0);
	const struct chat_input in = {.messages = s->messages, .tools = s->tools};
	if (chat_template_render(s->t, &in, &s->p, &err))
		fail_msg("%s", err.text);
	if (!s->p.style.calls && !s->p.style.harmony)
		s->p.style.calls = call_format_named("generic");
	json_decref(c);
}

static void release(struct setting *s)
{
	chat_prompt_release(&s->p);
	tool_choice_release(&s->choice);
	chat_template_free(s->t);
	json_decref(s->tools);
	json_decref(s->messages);
	kvik_vocab_free(s->v);
}

static struct kvik_constraint *compile(const json_t *form, const char *what)
{
	struct kvik_constraint *c;
	struct kvik_err err;
	char *text = json_dumps(form, 0);
	if (kvik_constraint_new(&c, NULL, KVIK_CONSTRAINT_TAGS, text, strlen(text), &err))
		fail_msg("%s: %s\n%s", what, err.text, text);
	free(text);
	return c;
}

static bool lets_through(struct kvik_constraint *c, const char *text)
{
	struct kvik_matcher *m;
	assert_int_equal(kvik_matcher_new(&m, c, NULL), 0);
	bool ok = kvik_matcher_feed(m, text, strlen(text)) == strlen(text) && kvik_matcher_accepts(m);
	kvik_matcher_free(m);
	return ok;
}

/* The example with other words. */
static char *call_text(const char *example, const char *name, const char *key, const char *value)
{
	struct buf b = {0};
	while (*example) {
		static const char *const words[] = {"NAME", "KEY", "VALUE"};
		const char *with[] = {name, key, value}, *piece = example;
		size_t n = 1, skip = 1;
		for (size_t k = 0; k < 3; k++)
			if (strncmp(example, words[k], strlen(words[k])) == 0) {
				piece = with[k];
				n = strlen(piece);
				skip = strlen(words[k]);
			}
		assert_true(buf_add_text(&b, piece, n));
		example += skip;
	}
	return b.data;
}

static void hear(void *user, const struct answer_part *p)
{
	if (p->kind == ANSWER_CALL) {
		assert_true(buf_add_text(user, p->name, strlen(p->name)));
		assert_true(buf_add_text(user, p->arguments, strlen(p->arguments)));
	}
}

static void reads_as(const struct setting *s, const char *what, const char *text, const char *name, const char *want)
{
	struct buf b = {0};
	struct answer a = {.style = s->p.style, .called = s->p.called, .tools = s->tools, .fn = hear, .user = &b};
	assert_int_equal(answer_feed(&a, text, strlen(text), NULL), 0);
	assert_int_equal(answer_end(&a, NULL), 0);
	size_t n = strlen(name);
	json_t *got = b.n > n ? json_loads(b.data + n, 0, NULL) : NULL, *wanted = json_loads(want, 0, NULL);
	if (!got || strncmp(b.data, name, n) != 0 || !json_equal(got, wanted))
		fail_msg("%s: '%s' is read as '%s'", what, text, b.n ? b.data : "");
	json_decref(got);
	json_decref(wanted);
	answer_release(&a);
	buf_release(&b);
}

/* True: the template's way has a form. */
static bool check_template(const char *name, const char *text)
{
	struct setting s = {0};
	set(&s, text, "[`required`]");
	json_t *form = call_form(&s.choice, &s.p, s.v);
	bool has = form != NULL;
	if (has && s.p.example) {
		size_t skip = s.p.called ? strlen(s.p.style.calls->open) : 0;
		struct kvik_constraint *c = compile(form, name);
		bool tagged = s.p.style.calls->body == CALL_TAGGED;
		char *good = call_text(s.p.example + skip, "f", "city", "x y"),
		     *other = call_text(s.p.example + skip, "h", "city", "x");
		char *key = call_text(s.p.example + skip, "f", "t", "x");
		if (!lets_through(c, good))
			fail_msg("%s: '%s' is not let through", name, good);
		if (lets_through(c, other) || lets_through(c, key))
			fail_msg("%s: '%s' or '%s' is let through", name, other, key);
		reads_as(&s, name, good, "f", "{\"city\": \"x y\"}");
		if (tagged && strstr(s.p.example, "string=\"true\"") == NULL) {
			char *number = call_text(s.p.example + skip, "g", "n", "7"),
			     *big = call_text(s.p.example + skip, "g", "n", "70");
			if (!lets_through(c, number) || lets_through(c, big))
				fail_msg("%s: '%s', but not '%s'", name, number, big);
			reads_as(&s, name, number, "g", "{\"n\": 7}");
			mem_free(number);
			mem_free(big);
		}
		mem_free(good);
		mem_free(other);
		mem_free(key);
		kvik_constraint_free(c);
	}
	json_decref(form);
	release(&s);
	return has;
}

static const char *const published[] = {"Apriel-1.6-15b-Thinker-fixed",
					"ByteDance-Seed-OSS",
					"GLM-4.6",
					"GigaChat3-10B-A1.8B",
					"MiMo-VL",
					"MiniMax-M3",
					"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
					"Qwen-QwQ-32B",
					"Qwen-Qwen3-0.6B",
					"Qwen3.5-4B",
					"StepFun3.5-Flash",
					"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
					"deepseek-ai-DeepSeek-V3.2",
					"deepseek-ai-DeepSeek-V4",
					"ibm-granite-granite-4.0",
					"meetkai-functionary-medium-v3.1",
					"meta-llama-Llama-3.1-8B-Instruct",
					"meta-llama-Llama-3.3-70B-Instruct",
					"mistralai-Ministral-3-14B-Reasoning-2512",
					"moonshotai-Kimi-K2",
					"openbmb-MiniCPM5-1B",
					"poolside-Laguna-XS-2.1",
					"tencent-Hy3",
					"unsloth-mistral-Devstral-Small-2507"};

static void published_templates(void **state)
{
	(void)state;
	size_t there = 0;
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		char path[256];
		struct file_map map;
		snprintf(path, sizeof path, PUBLISHED "%s.jinja", published[i]);
		if (file_map(&map, path, NULL))
			continue;
		char *text = mem_strndup((const char *)map.data, map.size);
		if (!check_template(published[i], text))
			fail_msg("%s has no form", published[i]);
		mem_free(text);
		file_unmap(&map);
		there++;
	}
	if (there == 0) {
		print_message("skipped: " PUBLISHED " is not there\n");
		skip();
	}
}

#define SMALL(open, args, close)                                                                                     \
	"{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content or '' }}{% " \
	"for t in "                                                                                                  \
	"m.tool_calls or [] %}" open "{{ t.function.name }}" args close "{% endfor %}{% endfor %}"
#define HERMES \
	SMALL("<tool_call>\n{\"name\": \"", "\", \"arguments\": {{ t.function.arguments | tojson }}}", "\n</tool_call>")
#define CODER                                                                                   \
	SMALL("<tool_call>\n<function=",                                                        \
	      ">\n{% for k, v in t.function.arguments.items() %}<parameter={{ k }}>\n{{ v }}\n" \
	      "</parameter>\n{% endfor %}",                                                     \
	      "</function>\n</tool_call>")
#define LFM "{{ tools }}{% for m in messages %}{{ m.content }}{% endfor %}{# List of tools: #}"

struct text_case {
	const char *template, *choice, *text;
	bool ok;
};

static const struct text_case texts[] = {
	{HERMES, "[`required`]", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>",
	 true},
	{HERMES, "[`required`]", "So <tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>",
	 false},
	{HERMES, "[`required`]", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": 1}}\n</tool_call>", false},
	{HERMES, "[`required`]",
	 "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"n\": 9, \"e\": \"up\"}}\n</tool_call>", true},
	{HERMES, "[{`type`: `function`, `function`: {`name`: `g`}}]",
	 "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>", false},
	/* strict: words, and calls that hold */
	{HERMES, NULL, "Just words {} <b>.", true},
	{HERMES, NULL, "Ok.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"x\"}}\n</tool_call>", true},
	{HERMES, NULL, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", false},
	{HERMES, NULL, "Ok <tool_call> is a mark", false},
	{CODER, "[`required`]",
	 "<tool_call>\n<function=g>\n<parameter=n>\n3\n</parameter>\n<parameter=e>\nup\n</parameter>\n</function>\n</"
	 "tool_call>",
	 true},
	{CODER, "[`required`]",
	 "<tool_call>\n<function=g>\n<parameter=n>\n3\n</parameter>\n<parameter=e>\nleft\n</parameter>\n</function>\n</"
	 "tool_call>",
	 false},
	{CODER, "[`required`]", "<tool_call>\n<function=g>\n</function>\n</tool_call>", false},
	{CODER, "[`required`]",
	 "<tool_call>\n<function=f>\n<parameter=city>\nif a < b:\n  </p>\n\"\n</parameter>\n</function>\n</tool_call>",
	 true},
	{CODER, NULL, "a <tool_call>\n<function=f>\n<parameter=city>\n1\n</parameter>\n</function>\n</tool_call> b",
	 true},
};

static void small_templates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct setting s = {0};
		set(&s, texts[i].template, texts[i].choice);
		json_t *form = call_form(&s.choice, &s.p, s.v);
		assert_true(call_form_strict(&s.choice) == (!texts[i].choice || texts[i].choice[1] == '`'));
		assert_non_null(form);
		struct kvik_constraint *c = compile(form, texts[i].text);
		if (lets_through(c, texts[i].text) != texts[i].ok)
			fail_msg("'%s' is %slet through", texts[i].text, texts[i].ok ? "not " : "");
		kvik_constraint_free(c);
		json_decref(form);
		release(&s);
	}
	struct setting s = {0};
	set(&s, LFM, "[`required`]"); /* Python's calls: JSON alone */
	assert_string_equal(s.p.style.calls->name, "lfm2");
	assert_null(call_form(&s.choice, &s.p, s.v));
	release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(published_templates), cmocka_unit_test(small_templates)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
