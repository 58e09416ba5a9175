/* template.c: see template.h. */
#include "chat/template.h"

#include <string.h>

#include "base/mem.h"
#include "chat/caps.h"
#include "chat/chat_text.h"
#include "chat/messages.h"
#include "chat/tools.h"

struct form {
	struct tmpl *tmpl; /* NULL: there is none */
	struct chat_caps caps;
};

struct chat_template {
	struct form usual, with_tools;
	char *bos, *eos, *unk, *pad; /* NULL = none */
};

static int form_new(struct form *f, const char *text, const struct chat_template_source *s, struct kvik_err *err)
{
	int rc = tmpl_parse(&f->tmpl, text, strlen(text), s->name, err);
	if (!rc)
		chat_caps_find(&f->caps, f->tmpl, text, s->bos, s->eos, text == s->tool_text);
	if (!rc && s->calls)
		chat_caps_override(&f->caps, s->calls);
	return rc;
}

static void form_release(struct form *f)
{
	tmpl_free(f->tmpl);
	chat_caps_release(&f->caps);
}

static bool copy(char **to, const char *text)
{
	*to = text ? mem_strndup(text, strlen(text)) : NULL;
	return *to || !text;
}

int chat_template_new(struct chat_template **out, const struct chat_template_source *s, struct kvik_err *err)
{
	struct chat_template *t = mem_zalloc(1, sizeof *t);
	*out = NULL;
	if (!t || !copy(&t->bos, s->bos) || !copy(&t->eos, s->eos) || !copy(&t->unk, s->unk) ||
	    !copy(&t->pad, s->pad)) {
		chat_template_free(t);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a chat template");
	}
	int rc = form_new(&t->usual, s->text, s, err);
	if (!rc && s->tool_text)
		rc = form_new(&t->with_tools, s->tool_text, s, err);
	if (rc)
		chat_template_free(t);
	else
		*out = t;
	return rc;
}

void chat_template_free(struct chat_template *t)
{
	if (!t)
		return;
	form_release(&t->usual);
	form_release(&t->with_tools);
	mem_free(t->bos);
	mem_free(t->eos);
	mem_free(t->unk);
	mem_free(t->pad);
	mem_free(t);
}

void chat_prompt_release(struct chat_prompt *p)
{
	tmpl_text_release(&p->text);
}

/* ---- The last message -------------------------------------------------------------------------------------------- */

/* The text of a last message that is the assistant's and can be gone on with; NULL: there is none. Borrowed. */
static const json_t *last_said(const json_t *messages)
{
	const json_t *m = json_array_get(messages, json_array_size(messages) - 1);
	const char *role = json_string_value(json_object_get(m, "role"));
	const json_t *content = json_object_get(m, "content");
	if (!role || strcmp(role, "assistant") != 0 || json_array_size(json_object_get(m, "tool_calls")) > 0)
		return NULL;
	if (json_is_array(content)) /* of a template that takes lists: the last part */
		content = json_object_get(json_array_get(content, json_array_size(content) - 1), "text");
	return json_string_length(content) > 0 ? content : NULL;
}

static void cut(struct tmpl_text *t, size_t bytes)
{
	t->bytes = bytes;
	t->text[bytes] = '\0';
	while (t->n_borders > 0 && t->borders[t->n_borders - 1] >= bytes)
		t->n_borders--;
	while (t->n_data > 0 && t->data[t->n_data - 1].from >= bytes)
		t->n_data--;
	if (t->n_data > 0 && t->data[t->n_data - 1].to > bytes)
		t->data[t->n_data - 1].to = bytes;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Cuts off what the template writes behind the last message, as transformers does it: the text is looked for from the
 * end, without the blanks around it, which templates strip; those at its end are put back where they were. */
static int cut_behind(struct tmpl_text *t, const json_t *said, struct kvik_err *err)
{
	const char *s = json_string_value(said);
	size_t n = json_string_length(said), blanks = 0;
	while (n > 0 && is_blank(*s)) {
		s++;
		n--;
	}
	for (; n > 0 && is_blank(s[n - 1]); n--)
		blanks++;
	for (size_t at = t->bytes >= n ? t->bytes - n + 1 : 0; at-- > 0;) {
		if (memcmp(t->text + at, s, n) != 0)
			continue;
		size_t end = at + n;
		for (size_t k = 0; k < blanks && end < t->bytes && t->text[end] == s[n + k]; k++)
			end++;
		cut(t, end);
		return 0;
	}
	return err_set(err, KVIK_ERR_ARG,
		       "the last message cannot be continued: the chat template does not show its text as it is");
}

/* ---- Rendering --------------------------------------------------------------------------------------------------- */

/* Does the text end inside of thoughts: is the last mark one that opens them? */
static bool ends_thinking(const struct tmpl_text *t, const struct answer_style *s)
{
	if (!s->think_open)
		return false;
	size_t n = strlen(s->think_open), close = strlen(s->think_close);
	for (size_t at = t->bytes; at-- > 0;) {
		if (t->bytes - at >= close && memcmp(t->text + at, s->think_close, close) == 0)
			return false;
		if (t->bytes - at >= n && memcmp(t->text + at, s->think_open, n) == 0) {
			for (size_t i = 0; i < t->n_data; i++) /* not one that somebody wrote in a message */
				if (t->data[i].from <= at && at < t->data[i].to)
					return false;
			while (at + n < t->bytes && is_blank(t->text[at + n]))
				n++;
			return at + n == t->bytes;
		}
	}
	return false;
}

/* Has the template itself written the mark that opens a call? */
static bool ends_with_call(const struct tmpl_text *t, const struct call_format *f)
{
	size_t n = f && f->open ? strlen(f->open) : 0;
	if (n == 0 || t->bytes < n || memcmp(t->text + t->bytes - n, f->open, n) != 0)
		return false;
	return t->n_data == 0 || t->data[t->n_data - 1].to <= t->bytes - n;
}

static int render(const struct chat_template *t, const struct form *f, const struct chat_input *in, const json_t *list,
		  struct chat_prompt *p, struct kvik_err *err)
{
	const json_t *said = in->last == CHAT_LAST_AUTO || in->last == CHAT_LAST_CONTINUE ? last_said(list) : NULL;
	if (in->last == CHAT_LAST_CONTINUE && !said)
		return err_set(err, KVIK_ERR_ARG,
			       "only a last message of the role assistant, with a text, can be continued");
	const struct chat_vars vars = {.messages = list,
				       .tools = f->caps.tools_given ? in->tools : NULL,
				       .more = in->more,
				       .bos = t->bos,
				       .eos = t->eos,
				       .unk = t->unk,
				       .pad = t->pad,
				       .add_generation_prompt = !said && in->last != CHAT_LAST_CLOSE};
	int rc = chat_text(f->tmpl, &vars, &p->text, err);
	if (!rc && said)
		rc = cut_behind(&p->text, said, err);
	p->style = f->caps.style;
	p->example = f->caps.example;
	p->called = !rc && ends_with_call(&p->text, p->style.calls);
	if (!in->tools && !p->called)
		p->style.calls = NULL;
	else if (!f->caps.calls && !f->caps.tools && !f->caps.overridden)
		p->style.calls = call_format_named("generic"); /* as messages.c has explained it */
	p->thinks = !rc && ends_thinking(&p->text, &p->style);
	return rc;
}

int chat_template_render(const struct chat_template *t, const struct chat_input *in, struct chat_prompt *p,
			 struct kvik_err *err)
{
	struct chat_input with = *in;
	struct kvik_err unread;
	*p = (struct chat_prompt){0};
	if (!err)
		err = &unread;
	if (json_object_get(in->more, "messages") || json_object_get(in->more, "tools"))
		return err_set(err, KVIK_ERR_ARG, "messages and tools cannot be variables of the template, too");
	json_t *tools = json_array_size(in->tools) > 0 ? tools_form(in->tools, err) : NULL;
	if (json_array_size(in->tools) > 0 && !tools)
		return err->code;
	with.tools = tools;
	const struct form *f = tools && t->with_tools.tmpl ? &t->with_tools : &t->usual;
	json_t *list = messages_form(&f->caps, in->messages, tools, err);
	int rc = list ? render(t, f, &with, list, p, err) : err->code;
	json_decref(list);
	json_decref(tools);
	return rc;
}
