/* chat.c: kvik_chat_*: the chat room for those who use the library: JSON in, ids out. Any thread. */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "chat/json_read.h"
#include "chat/template.h"
#include "engine/loaded.h"
#include "engine/sized.h"

struct kvik_chat {
	const struct kvik_vocab *vocab; /* the model's */
	struct chat_template *template;
};

struct kvik_chat_prompt {
	struct chat_prompt p;
	json_t *tools; /* NULL = none */
	uint32_t *ids; /* [n_ids] */
	size_t n_ids;
	uint32_t marks[KVIK_MARKS_MAX]; /* [n_marks] */
	size_t n_marks;
};

/* ---- Templates --------------------------------------------------------------------------------------------------- */

/* *text: NULL where there is no such token; freed with mem_free. */
static int token_text(char **text, const struct kvik_vocab *v, uint32_t id, struct kvik_err *err)
{
	char *bytes = NULL;
	size_t n = 0;
	*text = NULL;
	if (id == KVIK_NO_ID)
		return 0;
	int rc = kvik_token_bytes(v, id, &bytes, &n, err);
	*text = rc ? NULL : mem_strndup(bytes ? bytes : "", n);
	if (!rc && !*text)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the text of a token");
	kvik_free(bytes);
	return rc;
}

static int load(struct kvik_chat *c, const struct kvik_model *m, const char *text, struct kvik_err *err)
{
	char *bos = NULL, *eos = NULL, *unk = NULL, *pad = NULL;
	int rc = token_text(&bos, c->vocab, kvik_vocab_bos(c->vocab), err);
	if (!rc)
		rc = token_text(&eos, c->vocab, kvik_vocab_eos(c->vocab), err);
	if (!rc)
		rc = token_text(&unk, c->vocab, kvik_vocab_unk(c->vocab), err);
	if (!rc)
		rc = token_text(&pad, c->vocab, kvik_vocab_pad(c->vocab), err);
	const struct chat_template_source s = {.text = text ? text : m->chat_template,
					       .tool_text = text ? NULL : m->tool_template,
					       .name = text ? "the chat template" : "the model's chat template",
					       .bos = bos,
					       .eos = eos,
					       .unk = unk,
					       .pad = pad};
	if (!rc)
		rc = chat_template_new(&c->template, &s, err);
	mem_free(bos);
	mem_free(eos);
	mem_free(unk);
	mem_free(pad);
	return rc;
}

int kvik_chat_new(struct kvik_chat **out, const struct kvik_model *m, const char *text, struct kvik_err *err)
{
	*out = NULL;
	if (!m->vocab.v)
		return err_set(err, KVIK_ERR_ARG, "this model has no vocabulary, so that it cannot chat");
	if (!text && !m->chat_template)
		return err_set(err, KVIK_ERR_ARG, "this model has no chat template; give the text of one");
	struct kvik_chat *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a chat");
	c->vocab = &m->vocab;
	int rc = load(c, m, text, err);
	if (rc)
		kvik_chat_free(c);
	else
		*out = c;
	return rc;
}

void kvik_chat_free(struct kvik_chat *c)
{
	if (!c)
		return;
	chat_template_free(c->template);
	mem_free(c);
}

/* ---- Prompts ----------------------------------------------------------------------------------------------------- */

/* NULL stays NULL. */
static int parse(json_t **out, const char *text, const char *what, struct kvik_err *err)
{
	json_error_t e;
	*out = text ? json_read(text, strlen(text), JSON_ALLOW_NUL, &e) : NULL;
	if (text && !*out)
		return err_set(err, KVIK_ERR_ARG, "%s: no valid JSON: line %d, column %d: %s", what, e.line, e.column,
			       e.text);
	return 0;
}

static int tokenize(struct kvik_chat_prompt *p, const struct kvik_chat *c, bool parse_special, struct kvik_err *err)
{
	const struct tmpl_text *t = &p->p.text;
	struct kvik_span *data = mem_zalloc(t->n_data + 1, sizeof *data);
	if (!data)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a prompt");
	for (size_t i = 0; i < t->n_data; i++)
		data[i] = (struct kvik_span){t->data[i].from, t->data[i].to};
	int rc = kvik_tokenize_data(c->vocab, t->text, t->bytes, KVIK_PARSE_SPECIAL, data,
				    parse_special ? 0 : t->n_data, &p->ids, &p->n_ids, err);
	mem_free(data);
	if (!rc)
		p->n_marks = kvik_token_marks(c->vocab, t->text, t->bytes, t->borders, t->n_borders, p->ids, p->n_ids,
					      p->marks);
	return rc;
}

int kvik_chat_request_init(struct kvik_chat_request *q)
{
	const struct kvik_chat_request own = {.last = KVIK_CHAT_LAST_AUTO};
	return SIZED_WRITE(kvik_chat_request, q, &own, NULL);
}

static int render(struct kvik_chat_prompt *p, const struct kvik_chat *c, const struct kvik_chat_request *q,
		  struct kvik_err *err)
{
	static const enum chat_last last[] = {[KVIK_CHAT_LAST_AUTO] = CHAT_LAST_AUTO,
					      [KVIK_CHAT_LAST_CONTINUE] = CHAT_LAST_CONTINUE,
					      [KVIK_CHAT_LAST_BEGIN] = CHAT_LAST_BEGIN,
					      [KVIK_CHAT_LAST_CLOSE] = CHAT_LAST_CLOSE};
	json_t *messages = NULL, *variables = NULL;
	if ((unsigned)q->last >= sizeof last / sizeof *last)
		return err_set(err, KVIK_ERR_ARG, "there is no enum kvik_chat_last %d", (int)q->last);
	int rc = parse(&messages, q->messages ? q->messages : "null", "messages", err);
	if (!rc)
		rc = parse(&p->tools, q->tools, "tools", err);
	if (!rc)
		rc = parse(&variables, q->variables, "variables", err);
	if (!rc && variables && !json_is_object(variables))
		rc = err_set(err, KVIK_ERR_ARG, "variables: must be a JSON object");
	if (!rc && p->tools && !json_is_array(p->tools))
		rc = err_set(err, KVIK_ERR_ARG, "tools: must be a JSON list");
	const struct chat_input in = {messages, p->tools, variables, last[q->last]};
	if (!rc)
		rc = chat_template_render(c->template, &in, &p->p, err);
	if (!rc)
		rc = tokenize(p, c, q->parse_special, err);
	json_decref(messages);
	json_decref(variables);
	return rc;
}

int kvik_chat_render(struct kvik_chat_prompt **out, const struct kvik_chat *c, const struct kvik_chat_request *given,
		     struct kvik_err *err)
{
	struct kvik_chat_request q = kvik_chat_request_default();
	*out = NULL;
	int rc = SIZED_READ(kvik_chat_request, &q, given, err);
	if (rc)
		return rc;
	struct kvik_chat_prompt *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a prompt");
	rc = render(p, c, &q, err);
	if (rc)
		kvik_chat_prompt_free(p);
	else
		*out = p;
	return rc;
}

void kvik_chat_prompt_free(struct kvik_chat_prompt *p)
{
	if (!p)
		return;
	chat_prompt_release(&p->p);
	json_decref(p->tools);
	mem_free(p->ids);
	mem_free(p);
}

const uint32_t *kvik_chat_prompt_ids(const struct kvik_chat_prompt *p, size_t *n)
{
	*n = p->n_ids;
	return p->ids;
}

const uint32_t *kvik_chat_prompt_marks(const struct kvik_chat_prompt *p, size_t *n)
{
	*n = p->n_marks;
	return p->marks;
}

const char *kvik_chat_prompt_text(const struct kvik_chat_prompt *p, size_t *bytes)
{
	*bytes = p->p.text.bytes;
	return p->p.text.text;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

struct kvik_chat_parser {
	struct answer answer;
	json_t *tools;
	kvik_chat_part_fn *on_part;
	void *user;
};

static void tell(void *user, const struct answer_part *p)
{
	static const enum kvik_chat_part_kind kinds[] = {
		[ANSWER_TEXT] = KVIK_CHAT_TEXT, [ANSWER_THOUGHT] = KVIK_CHAT_THOUGHT, [ANSWER_CALL] = KVIK_CHAT_CALL};
	const struct kvik_chat_parser *parser = user;
	if (p->kind == ANSWER_CALL_BEGIN || p->kind == ANSWER_ARGUMENTS || p->kind == ANSWER_LOST)
		return; /* calls are told when they are whole */
	parser->on_part(parser->user, &(struct kvik_chat_part){.size = sizeof(struct kvik_chat_part),
							       .kind = kinds[p->kind],
							       .text = p->text,
							       .bytes = p->bytes,
							       .index = p->index,
							       .id = p->id,
							       .name = p->name,
							       .arguments = p->arguments});
}

int kvik_chat_parser_new(struct kvik_chat_parser **out, const struct kvik_chat_prompt *p, uint64_t id,
			 kvik_chat_part_fn *on_part, void *user, struct kvik_err *err)
{
	struct kvik_chat_parser *parser = *out = mem_zalloc(1, sizeof *parser);
	if (!parser)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a parser");
	parser->tools = json_incref(p->tools);
	parser->on_part = on_part;
	parser->user = user;
	parser->answer = (struct answer){.style = p->p.style,
					 .thinks = p->p.thinks,
					 .called = p->p.called,
					 .tools = parser->tools,
					 .id = id,
					 .fn = tell,
					 .user = parser};
	return 0;
}

void kvik_chat_parser_free(struct kvik_chat_parser *p)
{
	if (!p)
		return;
	answer_release(&p->answer);
	json_decref(p->tools);
	mem_free(p);
}

int kvik_chat_parse(struct kvik_chat_parser *p, const char *text, size_t bytes, struct kvik_err *err)
{
	return answer_feed(&p->answer, text, bytes, err);
}

int kvik_chat_parse_end(struct kvik_chat_parser *p, struct kvik_err *err)
{
	return answer_end(&p->answer, err);
}
