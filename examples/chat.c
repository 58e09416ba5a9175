/* chat.c: a conversation with tools in the hands of a program: messages through the model's own chat template into a
 * prompt, and the answer as text, thoughts and calls. Says what the prompt is, too.
 *
 *   cc chat.c -lkvik && ./a.out [model.gguf] ["What is the weather in Paris?"] */
#include <stdio.h>
#include <string.h>

#include <kvik.h>

static const char tools[] =
	"[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": \"Tells the "
	"weather.\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": "
	"\"string\"}}, \"required\": [\"city\"]}}}]";

struct program {
	struct kvik_model *model;
	struct kvik_chat *chat;
	struct kvik_chat_prompt *prompt;
	struct kvik_chat_parser *parser;
	struct kvik_cache *cache;
	struct kvik_session *session;
	struct kvik_err err;
};

static void on_part(void *user, const struct kvik_chat_part *p)
{
	(void)user;
	switch (p->kind) {
	case KVIK_CHAT_TEXT: printf("%.*s", (int)p->bytes, p->text); break;
	case KVIK_CHAT_THOUGHT: printf("(%.*s)", (int)p->bytes, p->text); break;
	case KVIK_CHAT_CALL: printf("\n-> %s %s(%s)\n", p->id, p->name, p->arguments); break;
	}
}

static bool on_token(void *user, const struct kvik_token *t)
{
	struct program *p = user;
	return kvik_chat_parse(p->parser, t->text, t->text_bytes, &p->err) == 0;
}

static int run(struct program *p, const char *path, const char *question)
{
	char messages[1024];
	struct kvik_chat_request q = {.size = sizeof q, .messages = messages, .tools = tools};
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_generation done = {.size = sizeof done};
	const uint32_t *ids;
	size_t n, bytes;
	snprintf(messages, sizeof messages, "[{\"role\": \"user\", \"content\": \"%s\"}]", question);
	int rc = kvik_model_load(&p->model, path, NULL, &p->err); /* NULL: the built-in model */
	if (!rc)
		rc = kvik_chat_new(&p->chat, p->model, NULL, &p->err);
	if (!rc)
		rc = kvik_chat_render(&p->prompt, p->chat, &q, &p->err);
	if (rc)
		return rc;
	ids = kvik_chat_prompt_ids(p->prompt, &n);
	printf("%s\n[%lu tokens]\n", kvik_chat_prompt_text(p->prompt, &bytes), (unsigned long)n);
	rc = kvik_chat_parser_new(&p->parser, p->prompt, 1, on_part, NULL, &p->err);
	if (!rc)
		rc = kvik_cache_new(&p->cache, p->model, NULL, &p->err);
	if (!rc)
		rc = kvik_session_new(&p->session, p->cache, NULL, &p->err);
	g.max_tokens = 48;
	g.keep_special = true; /* marks of calls may be special tokens */
	if (!rc)
		rc = kvik_generate(p->session, ids, n, &g, on_token, p, &done, &p->err);
	if (!rc)
		rc = kvik_chat_parse_end(p->parser, &p->err);
	putchar('\n');
	return rc;
}

int main(int argc, char **argv)
{
	struct program p;
	memset(&p, 0, sizeof p);
	int rc = run(&p, argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : "What is the weather in Paris?");
	if (rc)
		fprintf(stderr, "%s\n", p.err.text);
	kvik_session_free(p.session);
	kvik_cache_free(p.cache);
	kvik_chat_parser_free(p.parser);
	kvik_chat_prompt_free(p.prompt);
	kvik_chat_free(p.chat);
	kvik_model_free(p.model);
	return rc ? 1 : 0;
}
