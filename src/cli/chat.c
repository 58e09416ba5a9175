/* chat.c: a conversation over one session.
 *
 * Invariants: `messages` is an array of objects with a role and a content of text. The session's tokens may be any: of
 * a conversation that was since undone, or of an answer that its template shows otherwise; what counts is the prefix
 * they share with the text to be answered. */
#include "cli/chat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/os.h"
#include "chat/template.h"
#include "cli/common.h"

struct chat {
	const struct kvik_vocab *vocab; /* borrowed */
	struct chat_template *template;
	struct kvik_cache *cache;
	struct kvik_session *session;
	json_t *messages;
	uint32_t marks[KVIK_MARKS_MAX]; /* [n_marks] of the text to be answered: where its last messages begin */
	size_t n_marks;
	uint32_t context, piece; /* tokens: most of the session; fed between two looks at *stop */
	const volatile sig_atomic_t *stop;
};

static char *token_text(const struct kvik_vocab *v, uint32_t id)
{
	char *bytes = NULL, *text = NULL;
	size_t n;
	if (id != KVIK_NO_ID && !kvik_token_bytes(v, id, &bytes, &n, NULL))
		text = mem_strndup(bytes, n);
	kvik_free(bytes);
	return text;
}

static int load_template(struct chat *c, const struct chat_config *config, struct kvik_err *err)
{
	char *bos = token_text(c->vocab, kvik_vocab_bos(c->vocab)),
	     *eos = token_text(c->vocab, kvik_vocab_eos(c->vocab)),
	     *unk = token_text(c->vocab, kvik_vocab_unk(c->vocab)),
	     *pad = token_text(c->vocab, kvik_vocab_pad(c->vocab));
	const struct chat_template_source s = {.text = config->template,
					       .name = config->template_name,
					       .bos = bos,
					       .eos = eos,
					       .unk = unk,
					       .pad = pad};
	int rc = chat_template_new(&c->template, &s, err);
	mem_free(bos);
	mem_free(eos);
	mem_free(unk);
	mem_free(pad);
	return rc;
}

int chat_new(struct chat **out, const struct chat_config *config, struct kvik_err *err)
{
	struct chat *c = mem_zalloc(1, sizeof *c);
	*out = NULL;
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a conversation");
	uint32_t trained = kvik_model_get_info(config->model).context;
	c->vocab = kvik_model_vocab(config->model);
	c->messages = json_array();
	c->context = config->cache.context ? config->cache.context : trained;
	c->piece = config->cache.chunk ? config->cache.chunk : 1;
	c->stop = config->stop;
	int rc = load_template(c, config, err);
	if (!rc)
		rc = kvik_cache_new(&c->cache, config->model, &config->cache, err);
	if (!rc)
		rc = kvik_session_new(&c->session, c->cache, NULL, err);
	if (rc)
		chat_free(c);
	else
		*out = c;
	return rc;
}

void chat_free(struct chat *c)
{
	if (!c)
		return;
	kvik_session_free(c->session);
	kvik_cache_free(c->cache);
	chat_template_free(c->template);
	json_decref(c->messages);
	mem_free(c);
}

struct kvik_cache_stats chat_cache_stats(const struct chat *c)
{
	return kvik_cache_get_stats(c->cache);
}

size_t chat_tokens(const struct chat *c)
{
	return kvik_session_tokens(c->session);
}

uint32_t chat_context(const struct chat *c)
{
	return c->context;
}

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

const json_t *chat_messages(const struct chat *c)
{
	return c->messages;
}

/* NULL: no memory, or text is no UTF-8. */
static json_t *message(const char *role, const char *text, size_t n)
{
	return json_pack("{s:s, s:s%}", "role", role, "content", text, n);
}

static bool has_role(const json_t *m, const char *role)
{
	const char *have = json_string_value(json_object_get(m, "role"));
	return have && strcmp(have, role) == 0;
}

int chat_say(struct chat *c, const char *text, size_t n, struct kvik_err *err)
{
	json_t *m = message("user", text, n);
	if (!m || json_array_append_new(c->messages, m))
		return err_set(err, KVIK_ERR_ARG, "the message is no UTF-8 text (or there is no memory for it)");
	return 0;
}

static bool has_system(const struct chat *c)
{
	return has_role(json_array_get(c->messages, 0), "system");
}

int chat_system(struct chat *c, const char *text, struct kvik_err *err)
{
	json_t *m = message("system", text, strlen(text));
	if (!m)
		return err_set(err, KVIK_ERR_ARG, "the system message is no UTF-8 text");
	if (has_system(c))
		json_array_remove(c->messages, 0);
	if (*text)
		return json_array_insert_new(c->messages, 0, m) ? err_set(err, KVIK_ERR_NOMEM, "no memory") : 0;
	json_decref(m);
	return 0;
}

/* Keeps the first n. */
static void cut(struct chat *c, size_t n)
{
	while (json_array_size(c->messages) > n)
		json_array_remove(c->messages, json_array_size(c->messages) - 1);
}

void chat_reset(struct chat *c)
{
	cut(c, has_system(c));
}

/* Messages up to and with the last one of the user; 0: there is none. */
static size_t last_said(const struct chat *c)
{
	size_t n = json_array_size(c->messages);
	while (n > 0 && !has_role(json_array_get(c->messages, n - 1), "user"))
		n--;
	return n;
}

bool chat_undo(struct chat *c)
{
	size_t n = last_said(c);
	if (n > 0)
		cut(c, n - 1);
	return n > 0;
}

bool chat_unanswer(struct chat *c)
{
	size_t n = last_said(c);
	if (n > 0)
		cut(c, n);
	return n > 0;
}

int chat_save(const struct chat *c, const char *path, struct kvik_err *err)
{
	char part[4096];
	json_t *all = json_pack("{s:O}", "messages", c->messages);
	if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) {
		json_decref(all);
		return err_set(err, KVIK_ERR_ARG, "the name of the file is too long");
	}
	int bad = !all || json_dump_file(all, part, JSON_INDENT(1)) || rename(part, path);
	json_decref(all);
	return bad ? err_set(err, KVIK_ERR_IO, "%s: could not be written: %s", path, strerror(errno)) : 0;
}

static bool are_messages(const json_t *list)
{
	size_t i;
	json_t *m;
	json_array_foreach((json_t *)list, i, m)
	{
		if (!json_is_string(json_object_get(m, "role")) || !json_is_string(json_object_get(m, "content")))
			return false;
	}
	return json_is_array(list);
}

int chat_load(struct chat *c, const char *path, struct kvik_err *err)
{
	json_error_t e;
	char *text = NULL;
	size_t n = 0;
	int rc = read_text(path, &text, &n, err);
	if (rc)
		return rc;
	json_t *all = json_loadb(text, n, 0, &e);
	mem_free(text);
	if (!all)
		return err_set(err, KVIK_ERR_FORMAT, "%s: line %d: %s", path, e.line, e.text);
	json_t *list = json_is_array(all) ? all : json_object_get(all, "messages");
	if (are_messages(list)) {
		json_incref(list);
		json_decref(c->messages);
		c->messages = list;
	} else {
		rc = err_set(err, KVIK_ERR_FORMAT,
			     "%s: not a conversation: it must hold {\"messages\": [{\"role\": ..., \"content\": "
			     "...}]}, with texts",
			     path);
	}
	json_decref(all);
	return rc;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* Special tokens written in messages are text. */
static int tokenize(struct chat *c, const struct tmpl_text *text, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	struct kvik_span *data = mem_zalloc(text->n_data + 1, sizeof *data);
	if (!data)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the conversation");
	for (size_t i = 0; i < text->n_data; i++)
		data[i] = (struct kvik_span){text->data[i].from, text->data[i].to};
	int rc = kvik_tokenize_data(c->vocab, text->text, text->bytes, KVIK_PARSE_SPECIAL, data, text->n_data, ids, n,
				    err);
	mem_free(data);
	c->n_marks = rc ? 0
			: kvik_token_marks(c->vocab, text->text, text->bytes, text->borders, text->n_borders, *ids, *n,
					   c->marks);
	return rc;
}

/* The conversation as token ids. */
static int render(struct chat *c, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	const struct chat_input in = {.messages = c->messages};
	struct chat_prompt prompt;
	int rc = chat_template_render(c->template, &in, &prompt, err);
	if (!rc)
		rc = tokenize(c, &prompt.text, ids, n, err);
	chat_prompt_release(&prompt);
	if (!rc && *n == 0)
		rc = err_set(err, KVIK_ERR_FORMAT, "the chat template made an empty text of the conversation");
	if (!rc && *n >= c->context)
		rc = err_set(err, KVIK_ERR_LIMIT,
			     "the conversation has %zu tokens and the context ends at %u: take back a turn (/undo), "
			     "begin anew (/reset), or start with a larger --ctx",
			     *n, c->context);
	return rc;
}

/* Leaves the session with the longest prefix of ids that it can go on from; *kept: its tokens. At least one token is
 * left to be fed, as logits are not kept. */
static int keep_prefix(struct chat *c, const uint32_t *ids, size_t n, size_t *kept, struct kvik_err *err)
{
	const uint32_t *have = kvik_session_ids(c->session);
	size_t n_have = kvik_session_tokens(c->session), same = 0;
	while (same < n - 1 && same < n_have && have[same] == ids[same])
		same++;
	int rc = same < n_have ? kvik_session_truncate(c->session, same, err) : 0;
	if (rc == KVIK_ERR_LIMIT) { /* a window has freed what the next token would see */
		same = 0;
		rc = kvik_session_truncate(c->session, 0, err);
	}
	for (size_t i = 0; i < c->n_marks && !rc; i++)
		kvik_session_mark(c->session, c->marks[i]);
	*kept = same;
	return rc;
}

/* Feeds what the session does not hold, in pieces, so that a stop is heard; *stopped: it was. The cache may know more
 * of it, from turns that were taken back. */
static int feed(struct chat *c, struct chat_turn *t, bool *stopped, struct kvik_err *err)
{
	int rc = 0;
	for (size_t at = t->reused, n; at < t->n_prompt && !rc; at += n) {
		n = t->n_prompt - at < c->piece ? t->n_prompt - at : c->piece;
		*stopped = c->stop && *c->stop;
		if (*stopped)
			return 0;
		rc = kvik_session_feed(c->session, t->prompt + at, n, NULL, err);
		t->reused += kvik_session_get_prefix(c->session).found_tokens;
	}
	return rc;
}

struct listener {
	const struct chat *chat;
	struct buf text;
	bool failed;
	kvik_token_fn *on_token;
	void *user;
};

static bool hear(void *user, const struct kvik_token *t)
{
	struct listener *l = user;
	l->failed |= !buf_add(&l->text, t->text, t->text_bytes);
	bool more = l->on_token(l->user, t);
	return more && !l->failed && !(l->chat->stop && *l->chat->stop);
}

static int generate(struct chat *c, const struct kvik_generate_params *params, struct listener *l, struct chat_turn *t,
		    struct kvik_err *err)
{
	int rc = kvik_generate(c->session, NULL, 0, params, hear, l, &t->generation, err);
	if (!rc && !buf_add(&l->text, "", 1))
		l->failed = true;
	if (l->failed)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the answer");
	t->text_bytes = rc ? 0 : l->text.n - 1;
	t->text = l->text.data;
	json_t *answer = rc ? NULL : message("assistant", t->text, t->text_bytes);
	if (!rc && (!answer || json_array_append_new(c->messages, answer)))
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the answer");
	return rc;
}

int chat_answer(struct chat *c, const struct kvik_generate_params *params, kvik_token_fn *on_token, void *user,
		struct chat_turn *t, struct kvik_err *err)
{
	struct listener l = {.chat = c, .on_token = on_token, .user = user};
	bool stopped = false;
	*t = (struct chat_turn){.generation = {.size = sizeof t->generation, .finish = KVIK_FINISH_CANCELLED}};
	uint64_t start = os_clock_ns();
	int rc = render(c, &t->prompt, &t->n_prompt, err);
	if (!rc)
		rc = keep_prefix(c, t->prompt, t->n_prompt, &t->reused, err);
	if (!rc)
		rc = feed(c, t, &stopped, err);
	t->prefill_ms = (double)(os_clock_ns() - start) / 1e6;
	if (!rc && !stopped)
		rc = generate(c, params, &l, t, err);
	if (t->text != l.text.data)
		buf_release(&l.text);
	if (rc || stopped)
		chat_undo(c);
	return rc;
}

void chat_turn_release(struct chat_turn *t)
{
	kvik_free(t->prompt);
	mem_free(t->text);
	*t = (struct chat_turn){0};
}
