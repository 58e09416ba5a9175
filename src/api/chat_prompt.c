/* chat_prompt.c: messages and tools through the model's chat template into a prompt. */
#include <stdio.h>
#include <string.h>

#include "api/call_form.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "chat/template.h"

/* Both fields together, as vLLM and transformers have them. -1: the call was answered. */
static int last_of(struct api_call *c, const struct chat_request *q, enum chat_last *last)
{
	const char *wrong = NULL;
	bool begins = q->add_generation_prompt && json_is_true(q->add_generation_prompt);
	bool closes = q->add_generation_prompt && !begins;
	if (q->add_generation_prompt && !json_is_boolean(q->add_generation_prompt))
		wrong = "add_generation_prompt";
	else if (q->continue_final && !json_is_boolean(q->continue_final))
		wrong = "continue_final_message";
	if (wrong) {
		call_error(c, 400, "invalid_request_error", wrong, "'%s' must be true or false", wrong);
		return -1;
	}
	if (q->continue_final && json_is_true(q->continue_final) && begins) {
		call_error(c, 400, "invalid_request_error", "continue_final_message",
			   "'continue_final_message' and 'add_generation_prompt' cannot both be true");
		return -1;
	}
	if (q->continue_final && json_is_true(q->continue_final))
		*last = CHAT_LAST_CONTINUE;
	else if (closes)
		*last = CHAT_LAST_CLOSE;
	else
		*last = begins || q->continue_final ? CHAT_LAST_BEGIN : CHAT_LAST_AUTO;
	return 0;
}

/* Is it the first time that this name is seen? When all places are taken: no. */
static bool is_new(struct api *a, const char *name)
{
	uint64_t hash = hash_bytes(name, strlen(name)) | 1;
	for (size_t i = 0; i < sizeof a->unread / sizeof *a->unread; i++) {
		uint64_t seen = 0;
		if (atomic_compare_exchange_strong(&a->unread[i], &seen, hash))
			return true;
		if (seen == hash)
			return false;
	}
	return false;
}

void api_warn_once(struct api *a, const char *text)
{
	if (a->config.warn && is_new(a, text))
		a->config.warn(text);
}

/* A variable that the template does not read changes nothing: clients set some of them for every model, so that is no
 * error, but it is not said to nobody. */
static void warn_unread(struct api *a, const json_t *words)
{
	const char *name, *const *t, *const texts[] = {a->config.chat_template, a->config.tool_template, NULL};
	struct kvik_err cut;
	char text[640];
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)words, name, v)
	{
		for (t = texts; *t && !strstr(*t, name); t++)
			;
		if (*t || !a->config.warn || !is_new(a, name))
			continue;
		err_set(&cut, KVIK_ERR_ARG, "%.60s", name); /* at a whole character */
		snprintf(text, sizeof text,
			 "requests set '%s', which the chat template does not read: it changes nothing", cut.text);
		a->config.warn(text);
	}
}

int chat_render(struct api_call *c, const struct chat_request *q, struct chat_prompt *p)
{
	struct chat_input in = {.messages = q->messages, .tools = q->tools, .more = q->kwargs};
	struct kvik_err err;
	*p = (struct chat_prompt){0};
	if (!c->api->chat_template) {
		call_error(c, 400, "invalid_request_error", "messages",
			   "this model has no chat template: use /v1/completions, or give one with --chat-template");
		return -1;
	}
	if (last_of(c, q, &in.last))
		return -1;
	warn_unread(c->api, q->kwargs);
	int rc = chat_template_render(c->api->chat_template, &in, p, &err);
	if (rc && err.code == KVIK_ERR_ARG)
		call_error(c, 400, "invalid_request_error", strncmp(err.text, "tools", 5) ? "messages" : "tools", "%s",
			   err.text);
	else if (rc)
		call_kvik_error(c, &err, 0);
	return rc;
}

/* Is the mark written with a token that is not shown unless asked for? */
static bool is_special(const struct kvik_vocab *v, const char *mark)
{
	uint32_t *plain = NULL, *special = NULL;
	size_t n_plain, n_special;
	if (!mark || kvik_tokenize(v, mark, strlen(mark), 0, &plain, &n_plain, NULL))
		return false;
	bool differs = !kvik_tokenize(v, mark, strlen(mark), KVIK_PARSE_SPECIAL, &special, &n_special, NULL) &&
		       (n_plain != n_special || memcmp(plain, special, n_plain * sizeof *plain) != 0);
	kvik_free(plain);
	kvik_free(special);
	return differs;
}

/* Which marks are special tokens; true: some are. */
static bool find_special_marks(const struct kvik_vocab *v, struct answer_style *s)
{
	const struct call_format *f = s->calls;
	const char *const others[] = {
		s->think_close,         s->say_open,           s->say_close,           f ? f->close : NULL,
		f ? f->name_end : NULL, f ? f->key_end : NULL, f ? f->value_end : NULL};
	s->think_is_token = is_special(v, s->think_open);
	s->section_is_token = f && is_special(v, f->section);
	s->open_is_token = f && is_special(v, f->open);
	s->harmony_is_token = s->harmony && is_special(v, "<|channel|>");
	bool found = s->think_is_token || s->section_is_token || s->open_is_token || s->harmony;
	for (size_t i = 0; i < sizeof others / sizeof *others && !found; i++)
		found = is_special(v, others[i]);
	return found;
}

/* What is far too long for the context is refused before the work of making tokens of it; and whose client has gone
 * meanwhile needs none. True: the call was answered. */
static bool is_too_long(struct api_call *c, const char *text, size_t bytes)
{
	const struct api_engine *e = &c->api->config.engine;
	size_t least = kvik_tokens_min(e->vocab, text, bytes);
	if (least > e->context)
		call_error(c, 400, "invalid_request_error", NULL,
			   "the prompt has %zu bytes, which are at least %zu tokens; the context has %u", bytes, least,
			   e->context);
	return least > e->context || call_is_over(c);
}

/* A prompt has at least one token. */
static int check_ids(struct api_call *c, struct reply_prompt *p, int rc, struct kvik_err *err)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	if (!rc && p->n_ids == 0 && kvik_vocab_bos(v) != KVIK_NO_ID) {
		uint32_t *one = mem_alloc(sizeof *one); /* kvik_free's allocator */
		if (one) {
			*one = kvik_vocab_bos(v);
			p->ids = one;
			p->n_ids = 1;
		}
	}
	if (!rc && p->n_ids == 0)
		rc = err_set(err, KVIK_ERR_ARG, "the prompt is empty");
	if (rc)
		call_kvik_error(c, err, 0);
	return rc;
}

/* Special tokens that messages write are text. */
static int tokenize(struct api_call *c, struct reply_prompt *p, const struct tmpl_text *text, bool parse_special)
{
	const struct api_engine *e = &c->api->config.engine;
	struct kvik_err err;
	struct kvik_span *data = mem_zalloc(text->n_data + 1, sizeof *data);
	for (size_t i = 0; data && i < text->n_data; i++)
		data[i] = (struct kvik_span){text->data[i].from, text->data[i].to};
	int rc = data ? kvik_tokenize_data(e->vocab, text->text, text->bytes, KVIK_PARSE_SPECIAL, data,
					   parse_special ? 0 : text->n_data, &p->ids, &p->n_ids, &err)
		      : err_set(&err, KVIK_ERR_NOMEM, "no memory for the prompt");
	mem_free(data);
	if (!rc && (e->model.window > 0 || e->model.state_layers > 0))
		p->n_marks = kvik_token_marks(e->vocab, text->text, text->bytes, text->borders, text->n_borders, p->ids,
					      p->n_ids, p->marks);
	return check_ids(c, p, rc, &err);
}

/* A form for the calls that must be, or that are strict: the model's own way to write them, else JSON alone. */
static int hold_to_calls(struct api_call *c, const struct tool_choice *choice, const struct chat_prompt *made,
			 struct field_error *e)
{
	struct reply *r = c->reply;
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	bool strict = !choice->must && !structured_constraint(&r->structured) && call_form_strict(choice);
	if (!choice->must && !strict)
		return 0;
	enum kvik_constraint_kind kind = KVIK_CONSTRAINT_TAGS;
	json_t *form = call_form(choice, made, v);
	if (!form && strict) {
		if (c->api->config.warn && is_new(c->api, "strict"))
			c->api->config.warn(
				"'strict' tools: calls that this model need not make are not held to their schemas");
		return 0;
	}
	if (!form) {
		form = tool_choice_schema(choice);
		kind = KVIK_CONSTRAINT_SCHEMA;
		r->must_call = true;
	}
	int rc = form ? structured_call(&r->structured, kind, form, r->constraints, v, e)
		      : field_fail(e, "tools", "out of memory");
	r->form_whole = r->style.harmony && choice->must && kind == KVIK_CONSTRAINT_TAGS;
	json_decref(form);
	return rc;
}

/* An answer of a given form may think before it, and says nothing beside it. */
static void hold_behind_thoughts(struct reply *r)
{
	struct answer_style *s = &r->style;
	if (!structured_constraint(&r->structured) || r->form_whole)
		return;
	if (r->must_call) { /* the form is the whole answer, without the marks of the model's own calls */
		s->harmony = r->called = false;
		s->calls = call_format_named("generic");
	}
	r->form_opens = s->harmony ? "<|channel|>" : s->think_open;
	r->form_closes = s->harmony ? "<|channel|>final<|message|>" : s->think_close;
}

int chat_prompt(struct api_call *c, const struct chat_request *q)
{
	struct reply_prompt *p = reply_add_prompt(c);
	struct reply *r = c->reply;
	struct chat_prompt made;
	struct field_error e;
	if (!p)
		return -1;
	int rc = chat_render(c, q, &made);
	if (!rc && is_too_long(c, made.text.text, made.text.bytes))
		rc = -1;
	if (!rc)
		rc = tokenize(c, p, &made.text, q->parse_special);
	r->style = made.style;
	r->thinks = made.thinks;
	r->tools = json_incref(q->tools);
	r->called = made.called;
	if (!rc && q->choice && hold_to_calls(c, q->choice, &made, &e)) {
		call_bad_field(c, &e);
		rc = -1;
	}
	hold_behind_thoughts(r);
	r->keeps_special = r->sampling.generate.keep_special;
	if (!rc && find_special_marks(c->api->config.engine.vocab, &r->style))
		r->sampling.generate.keep_special = true;
	p->text = made.text.text;
	p->text_bytes = made.text.bytes;
	made.text.text = NULL;
	chat_prompt_release(&made);
	return rc;
}

int prompt_tokenize(struct api_call *c, struct reply_prompt *p, const char *text, size_t bytes, bool add_special)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	unsigned flags = KVIK_PARSE_SPECIAL | (add_special ? KVIK_ADD_SPECIAL : 0u);
	struct kvik_err err;
	if (!v) {
		call_error(c, 400, "invalid_request_error", "prompt", "this model has no vocabulary: send token ids");
		return -1;
	}
	if (is_too_long(c, text, bytes))
		return -1;
	return check_ids(c, p, kvik_tokenize(v, text, bytes, flags, &p->ids, &p->n_ids, &err), &err);
}

char *call_token_text(const struct api_call *c, uint32_t id, size_t *bytes)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	char *text = NULL;
	if (!v || id >= kvik_vocab_size(v) || kvik_token_bytes(v, id, &text, bytes, NULL))
		return NULL;
	return text;
}
