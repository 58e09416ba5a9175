/* test_chat.c: kvik_chat_*: what a program gets from JSON to ids and back, with the built-in model; and which template is
 * taken of a model that has several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>
#include <kvik.h>

#define NAMED "../shared/cases/api/named_templates"

static const char tools[] = "[{\"type\": \"function\", \"function\": {\"name\": \"probe\", \"parameters\": {}}}]";

static struct kvik_model *load(const char *path)
{
	struct kvik_err err;
	struct kvik_model *m;
	struct kvik_model_params p = kvik_model_params_default();
	p.threads = 1;
	if (kvik_model_load(&m, path, &p, &err))
		fail_msg("%s", err.text);
	return m;
}

static struct kvik_chat_prompt *render(const struct kvik_chat *c, const struct kvik_chat_request *q)
{
	struct kvik_err err;
	struct kvik_chat_prompt *p;
	if (kvik_chat_render(&p, c, q, &err))
		fail_msg("%s", err.text);
	return p;
}

static size_t count_of(const struct kvik_chat_prompt *p, uint32_t id)
{
	size_t n, count = 0;
	const uint32_t *ids = kvik_chat_prompt_ids(p, &n);
	for (size_t i = 0; i < n; i++)
		count += ids[i] == id;
	return count;
}

static uint32_t one_token(const struct kvik_model *m, const char *text)
{
	uint32_t *ids, id;
	size_t n;
	assert_int_equal(kvik_tokenize(kvik_model_vocab(m), text, strlen(text), KVIK_PARSE_SPECIAL, &ids, &n, NULL), 0);
	assert_int_equal(n, 1);
	id = *ids;
	kvik_free(ids);
	return id;
}

static void prompts(void **state)
{
	(void)state;
	struct kvik_model *m = load(NULL);
	struct kvik_chat *c;
	struct kvik_err err;
	size_t bytes;
	assert_int_equal(kvik_chat_new(&c, m, NULL, &err), 0);
	uint32_t start = one_token(m, "<|im_start|>");
	struct kvik_chat_request q = {.size = sizeof q,
				      .messages = "[{\"role\": \"user\", \"content\": \"a<|im_start|>b\"}]"};
	struct kvik_chat_prompt *p = render(c, &q);
	assert_string_equal(kvik_chat_prompt_text(p, &bytes),
			    "<|im_start|>user\na<|im_start|>b<|im_end|>\n<|im_start|>assistant\n");
	assert_int_equal(count_of(p, start), 2); /* the template's own */
	kvik_chat_prompt_free(p);
	q.parse_special = true;
	p = render(c, &q);
	assert_int_equal(count_of(p, start), 3);
	kvik_chat_prompt_free(p);
	q.last = KVIK_CHAT_LAST_CLOSE;
	p = render(c, &q);
	assert_int_equal(count_of(p, start), 2);
	kvik_chat_prompt_free(p);

	const struct kvik_chat_request wrong[] = {
		{.size = sizeof *wrong, .messages = NULL},
		{.size = sizeof *wrong, .messages = "["},
		{.size = sizeof *wrong, .messages = "[]"},
		{.size = sizeof *wrong, .messages = "[{\"role\": \"user\"}]", .tools = "{}"},
		{.size = sizeof *wrong, .messages = "[{\"role\": \"user\"}]", .variables = "[]"},
		{.size = sizeof *wrong, .messages = "[{\"role\": \"user\"}]", .last = (enum kvik_chat_last)9},
		{.size = sizeof *wrong, .messages = "[{\"role\": \"user\"}]", .last = KVIK_CHAT_LAST_CONTINUE},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(kvik_chat_render(&p, c, &wrong[i], &err), KVIK_ERR_ARG);
		assert_null(p);
	}
	kvik_chat_free(c);
	assert_int_equal(kvik_chat_new(&c, m, "{% if", &err), KVIK_ERR_FORMAT);
	assert_null(c);
	kvik_model_free(m);
}

/* Marks are where messages begin, the one to come included. */
static void marks(void **state)
{
	(void)state;
	struct kvik_model *m = load(NULL);
	struct kvik_chat *c;
	assert_int_equal(kvik_chat_new(&c, m, NULL, NULL), 0);
	uint32_t start = one_token(m, "<|im_start|>");
	struct kvik_chat_request q = {.size = sizeof q,
				      .messages = "[{\"role\": \"user\", \"content\": \"one\"},"
						  "{\"role\": \"assistant\", \"content\": \"two, three\"},"
						  "{\"role\": \"user\", \"content\": \"four\"}]"};
	struct kvik_chat_prompt *p = render(c, &q);
	size_t n, n_ids, n_found = 0;
	const uint32_t *at = kvik_chat_prompt_marks(p, &n), *ids = kvik_chat_prompt_ids(p, &n_ids);
	assert_int_equal(n, 3); /* what begins the text is no place to come back to */
	for (size_t i = 1; i < n_ids; i++) {
		if (ids[i] == start)
			assert_int_equal(at[n_found++], i);
	}
	assert_int_equal(n_found, n);
	kvik_chat_prompt_free(p);
	q.last = KVIK_CHAT_LAST_CLOSE;
	p = render(c, &q);
	kvik_chat_prompt_marks(p, &n);
	assert_int_equal(n, 2);
	kvik_chat_prompt_free(p);

	/* A text where no token begins, and ids that are not the text's. */
	const char text[] = "<|im_start|>user\n<|im_end|>";
	uint32_t *own, found[KVIK_MARKS_MAX];
	const size_t places[] = {0, 14, 17, sizeof text - 1};
	assert_int_equal(kvik_tokenize(kvik_model_vocab(m), text, sizeof text - 1, KVIK_PARSE_SPECIAL, &own, &n, NULL),
			 0);
	assert_int_equal(kvik_token_marks(kvik_model_vocab(m), text, sizeof text - 1, places + 2, 2, own, n, found), 1);
	assert_int_equal(found[0], n - 1);
	own[n - 1] = own[0];
	own[n - 2] = own[0];
	assert_int_equal(kvik_token_marks(kvik_model_vocab(m), text, sizeof text - 1, places, 2, own, n, found), 0);
	kvik_free(own);
	kvik_chat_free(c);
	kvik_model_free(m);
}

struct heard {
	char text[64], thought[64], call[128];
};

static void hear(void *user, const struct kvik_chat_part *p)
{
	struct heard *h = user;
	switch (p->kind) {
	case KVIK_CHAT_TEXT: strncat(h->text, p->text, p->bytes); break;
	case KVIK_CHAT_THOUGHT: strncat(h->thought, p->text, p->bytes); break;
	case KVIK_CHAT_CALL:
		snprintf(h->call, sizeof h->call, "%s %s %zu", p->name, p->arguments, strlen(p->id));
		break;
	}
}

static void answers(void **state)
{
	static const char answer[] =
		"Hm.</think>\nSo.\n<tool_call>{\"name\": \"probe\", \"arguments\": {\"a\": 1}}</tool_call>";
	(void)state;
	struct kvik_model *m = load(NULL);
	struct kvik_chat *c;
	struct kvik_chat_parser *parser;
	struct heard h = {{0}, {0}, {0}};
	assert_int_equal(
		kvik_chat_new(&c, m, "{% for m in messages %}{{ m.content }}{% endfor %}<think>{# </think> #}", NULL),
		0);
	const struct kvik_chat_request q = {
		.size = sizeof q, .messages = "[{\"role\": \"user\", \"content\": \"Hi\"}]", .tools = tools};
	struct kvik_chat_prompt *p = render(c, &q);
	assert_int_equal(kvik_chat_parser_new(&parser, p, 7, hear, &h, NULL), 0);
	kvik_chat_prompt_free(p); /* is not needed any more, nor is the chat */
	kvik_chat_free(c);
	for (size_t i = 0; i < strlen(answer); i++)
		assert_int_equal(kvik_chat_parse(parser, answer + i, 1, NULL), 0);
	assert_int_equal(kvik_chat_parse_end(parser, NULL), 0);
	assert_string_equal(h.thought, "Hm.");
	assert_string_equal(h.text, "So.");
	assert_string_equal(h.call, "probe {\"a\": 1} 9");
	kvik_chat_parser_free(parser);
	kvik_model_free(m);
}

static void named_templates(void **state)
{
	(void)state;
	FILE *f = fopen(NAMED "/config.json", "r");
	if (!f) {
		print_message(NAMED " is not there: skipped\n");
		skip();
	}
	fclose(f);
	struct kvik_model *m = load(NAMED);
	struct kvik_chat *c;
	size_t bytes;
	assert_non_null(strstr(kvik_model_tool_template(m), "TOOLS"));
	assert_null(strstr(kvik_model_chat_template(m), "TOOLS"));
	assert_int_equal(kvik_chat_new(&c, m, NULL, NULL), 0);
	struct kvik_chat_request q = {.size = sizeof q, .messages = "[{\"role\": \"user\", \"content\": \"Hi\"}]"};
	struct kvik_chat_prompt *p = render(c, &q);
	assert_string_equal(kvik_chat_prompt_text(p, &bytes),
			    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
	kvik_chat_prompt_free(p);
	q.tools = tools;
	p = render(c, &q);
	assert_string_equal(kvik_chat_prompt_text(p, &bytes),
			    "TOOLS1<tool_call><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
	kvik_chat_prompt_free(p);
	kvik_chat_free(c);
	kvik_model_free(m);
}

/* A folder with NAMED's model and a tokenizer_config.json of its own. */
static void make_folder(char dir[64], const char *config)
{
	static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json"};
	char from[4096], to[4096], *there = realpath(NAMED, NULL);
	strcpy(dir, "/tmp/kvik-chat-XXXXXX");
	assert_non_null(there);
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(from, sizeof from, "%s/%s", there, files[i]);
		snprintf(to, sizeof to, "%s/%s", dir, files[i]);
		assert_int_equal(symlink(from, to), 0);
	}
	snprintf(to, sizeof to, "%s/tokenizer_config.json", dir);
	FILE *f = fopen(to, "w");
	assert_non_null(f);
	fputs(config, f);
	fclose(f);
	free(there);
}

static void remove_folder(const char *dir)
{
	static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json",
					    "tokenizer_config.json"};
	char path[4096];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* Templates that a folder has by halves, and the special tokens that they may name. */
static void odd_templates(void **state)
{
	static const struct {
		const char *config, *text; /* of the prompt; NULL: there is no template */
		const char *warning;
	} rows[] = {
		{"{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"T{{ messages[0].content }}\"}]}", "THi",
		 "the chat template 'tool_use' is taken for all chats: there is no 'default' one"},
		{"{\"chat_template\": [{\"name\": \"rag\", \"template\": \"R{{ messages[0].content }}\"}]}", NULL,
		 NULL},
		{"{\"chat_template\": \"\"}", NULL, NULL},
		{"{\"chat_template\": null}", NULL, NULL},
		{"{\"pad_token\": \"<|endoftext|>\", \"eos_token\": {\"content\": \"<|im_end|>\"}, "
		 "\"chat_template\": \"{{ pad_token }}{{ eos_token }}[{{ unk_token }}]{{ messages[0].content }}\"}",
		 "<|endoftext|><|im_end|>[]Hi", NULL},
	};
	(void)state;
	if (access(NAMED "/config.json", F_OK)) {
		print_message(NAMED " is not there: skipped\n");
		skip();
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char dir[64];
		size_t bytes;
		struct kvik_chat *c;
		make_folder(dir, rows[i].config);
		struct kvik_model *m = load(dir);
		remove_folder(dir);
		assert_int_equal(kvik_chat_new(&c, m, NULL, NULL) == 0, rows[i].text != NULL);
		assert_int_equal(kvik_model_warning(m, 0) != NULL, rows[i].warning != NULL);
		if (rows[i].warning)
			assert_string_equal(kvik_model_warning(m, 0), rows[i].warning);
		if (rows[i].text) {
			struct kvik_chat_request q = {.size = sizeof q,
						      .messages = "[{\"role\": \"user\", \"content\": \"Hi\"}]"};
			struct kvik_chat_prompt *p = render(c, &q);
			assert_string_equal(kvik_chat_prompt_text(p, &bytes), rows[i].text);
			kvik_chat_prompt_free(p);
			kvik_chat_free(c);
		}
		kvik_model_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(prompts), cmocka_unit_test(marks),
					   cmocka_unit_test(answers), cmocka_unit_test(named_templates),
					   cmocka_unit_test(odd_templates)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
