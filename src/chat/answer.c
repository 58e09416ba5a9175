/* answer.c: see answer.h. The text is kept whole; `at` runs through it, and stays before what may become a mark. */
#include "chat/answer.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "chat/json_read.h"

enum state { START, THINKING, SAYING, CALLING, CALLED };

void answer_call_id(uint64_t id, size_t index, char out[ANSWER_ID_BYTES])
{
	static const char set[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint64_t h = hash_mix(hash_mix(id) + HASH_STEP * (index + 1));
	for (size_t i = 0; i < ANSWER_ID_BYTES - 1; i++, h /= 62)
		out[i] = set[h % 62];
	out[ANSWER_ID_BYTES - 1] = '\0';
}

void answer_tell(struct answer *a, enum answer_kind kind, size_t from, size_t to)
{
	if (to > from)
		a->fn(a->user, &(struct answer_part){.kind = kind, .text = a->text.data + from, .bytes = to - from});
}

/* ---- Calls, as they are read ------------------------------------------------------------------------------------- */

static void tell_call(struct answer *a, enum answer_kind kind)
{
	char id[ANSWER_ID_BYTES];
	answer_call_id(a->id, a->n_calls, id);
	a->fn(a->user, &(struct answer_part){.kind = kind,
					     .index = a->n_calls,
					     .id = id,
					     .name = a->name,
					     .arguments = kind == ANSWER_CALL ? a->arguments.data : NULL});
}

bool answer_call_begin(struct answer *a, const char *name, size_t bytes)
{
	if (a->n_calls == CALLS_MAX || bytes > CALL_NAME_BYTES)
		return false;
	memcpy(a->name, name, bytes);
	a->name[bytes] = '\0';
	a->arguments.n = 0;
	a->begun = true;
	tell_call(a, ANSWER_CALL_BEGIN);
	return true;
}

void answer_call_arguments(struct answer *a, const char *text, size_t bytes)
{
	a->no_memory |= !buf_add_text(&a->arguments, text, bytes);
	if (!a->no_memory && bytes > 0)
		a->fn(a->user, &(struct answer_part){
				       .kind = ANSWER_ARGUMENTS, .index = a->n_calls, .text = text, .bytes = bytes});
}

bool answer_call_end(struct answer *a)
{
	json_t *args = a->no_memory ? NULL : json_read(a->arguments.data, a->arguments.n, JSON_ALLOW_NUL, NULL);
	bool ok = json_is_object(args);
	json_decref(args);
	if (!ok)
		return false;
	tell_call(a, ANSWER_CALL);
	a->begun = false;
	a->n_calls++;
	return true;
}

void answer_call_lost(struct answer *a)
{
	a->fn(a->user, &(struct answer_part){.kind = ANSWER_LOST, .index = a->n_calls});
	a->n_calls += a->begun;
	a->begun = false;
}

/* struct call_listener */
static bool on_begin(void *user, const char *name, size_t bytes)
{
	return answer_call_begin(user, name, bytes);
}

static void on_arguments(void *user, const char *text, size_t bytes)
{
	answer_call_arguments(user, text, bytes);
}

static bool on_end(void *user)
{
	return answer_call_end(user);
}

/* ---- Text -------------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t skip_blanks(const struct answer *a, size_t at)
{
	while (at < a->text.n && is_blank(a->text.data[at]))
		at++;
	return at;
}

/* Where the blanks that end at `to` begin. */
static size_t back_over_blanks(const struct answer *a, size_t from, size_t to)
{
	while (to > from && is_blank(a->text.data[to - 1]))
		to--;
	return to;
}

/* Where `mark` stands at or after from, or what may become it; *whole: all of it is there. The end: nowhere. */
static size_t find(const struct answer *a, const char *mark, bool is_token, size_t from, bool *whole)
{
	size_t at = a->text.n;
	if (!call_find_mark(mark, is_token ? &a->tokens : NULL, a->text.data, a->text.n, from, &at, whole))
		return a->text.n;
	return at;
}

/* Tells what is certain to be of this kind, up to `to`: blanks at its end wait for what follows them. */
static void tell_held(struct answer *a, enum answer_kind kind, size_t to, bool all)
{
	size_t end = all ? to : back_over_blanks(a, a->at, to);
	answer_tell(a, kind, a->at, end);
	a->at = end > a->at ? end : a->at;
}

/* ---- Thoughts ---------------------------------------------------------------------------------------------------- */

/* Does a mark stand at `at`? *more: what is there may become it. */
static bool stands(const struct answer *a, const char *mark, bool is_token, size_t at, bool *more)
{
	bool whole = false;
	bool here = mark && find(a, mark, is_token, at, &whole) == at && at < a->text.n;
	*more = mark && !whole && (here || at == a->text.n);
	return here && whole;
}

/* Does the text open its thoughts? False: not known yet. */
static bool start(struct answer *a, bool final)
{
	const char *open = a->style.think_open;
	bool more;
	size_t at = skip_blanks(a, 0);
	bool opens = stands(a, open, a->style.think_is_token, at, &more);
	if (more && !final)
		return false;
	a->at = opens ? at + strlen(open) : 0; /* some open them again that the prompt has opened */
	a->state = opens || a->thinks ? THINKING : SAYING;
	a->fresh = opens || a->thinks;
	return true;
}

static bool think(struct answer *a, bool final)
{
	bool whole;
	if (a->fresh)
		a->at = skip_blanks(a, a->at);
	if (a->fresh && a->at == a->text.n)
		return false;
	a->fresh = false;
	size_t close = find(a, a->style.think_close, a->style.think_is_token, a->at, &whole);
	tell_held(a, ANSWER_THOUGHT, final && !whole ? a->text.n : close, false);
	if (!whole)
		return false;
	a->at = close + strlen(a->style.think_close);
	a->fresh = true;
	a->state = SAYING;
	return true;
}

/* ---- What is said, and calls ------------------------------------------------------------------------------------- */

static void begin_call(struct answer *a, size_t mark)
{
	a->call = (struct call_parser){
		.f = a->style.calls, .tools = a->tools, .to = {a, on_begin, on_arguments, on_end}, .at = mark};
	a->mark = mark;
	a->state = CALLING;
}

/* What follows the last whole call is text after all: it, or the first character of the mark, behind which there may be
 * another one. */
static void give_back(struct answer *a)
{
	if (a->begun || a->style.calls->body != CALL_BARE || a->call.tagged)
		answer_call_lost(a);
	a->state = SAYING;
	if (a->call.done_at) {
		a->at = a->begin = a->call.done_at;
	} else {
		tell_held(a, ANSWER_TEXT, a->mark + 1, true);
	}
}

static int calling(struct answer *a, bool final, bool *more, struct kvik_err *err)
{
	enum call_read result = call_parse(&a->call, a->text.data, a->text.n, final);
	*more = result != CALL_MORE;
	if (a->no_memory)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a tool call");
	if (result == CALL_NONE)
		give_back(a);
	if (result == CALL_READ) {
		a->at = a->begin = a->call.at;
		a->state = a->call.plain ? SAYING : CALLED;
	}
	return 0;
}

/* The marks around what is said are left out: *at is where such a one stands, or may. Its bytes; 0 = not certain. */
static size_t find_around(const struct answer *a, size_t *at)
{
	const char *const marks[] = {a->style.say_open, a->style.say_close};
	size_t bytes = 0;
	bool whole;
	*at = a->text.n;
	for (size_t i = 0; i < 2; i++) {
		size_t place = marks[i] ? find(a, marks[i], false, a->at, &whole) : a->text.n;
		if (place < *at) {
			*at = place;
			bytes = whole ? strlen(marks[i]) : 0;
		}
	}
	return bytes;
}

/* Says what comes before the next mark. *mark: of a call, where one is certain to begin; else there is none. */
static bool say_until(struct answer *a, bool final, size_t *mark, bool *more)
{
	bool certain = false;
	size_t around, n = find_around(a, &around), held = a->text.n;
	const struct call_marks m = {a->style.calls, a->style.section_is_token, a->style.open_is_token};
	*mark = a->text.n;
	*more = false;
	if (m.f && call_find(&m, &a->tokens, a->text.data, a->text.n, a->begin, a->at, mark, &certain))
		held = *mark;
	if (around < held && n > 0) {
		tell_held(a, ANSWER_TEXT, around, true);
		a->at = around + n;
		a->begin = a->at;
		*more = true;
		return false;
	}
	if (certain && *mark <= around)
		return true;
	held = around < held ? around : held;
	tell_held(a, ANSWER_TEXT, final ? a->text.n : held, final || !m.f);
	return false;
}

/* *more: there may be something to do. */
static void say(struct answer *a, bool final, bool *more)
{
	size_t mark;
	*more = false;
	if (a->fresh)
		a->begin = a->at = skip_blanks(a, a->at);
	if (a->fresh && a->at == a->text.n)
		return;
	a->fresh = false;
	if (say_until(a, final, &mark, more)) {
		tell_held(a, ANSWER_TEXT, mark, false);
		begin_call(a, mark);
		*more = true;
	}
}

/* Behind a call: blanks, more calls, or text again. */
static bool go_on(struct answer *a, bool final)
{
	size_t at = skip_blanks(a, a->at), mark;
	bool certain = false;
	const struct call_marks m = {a->style.calls, a->style.section_is_token, a->style.open_is_token};
	if (at == a->text.n)
		return false;
	bool found = call_find(&m, &a->tokens, a->text.data, a->text.n, at, at, &mark, &certain) && mark == at;
	if (found && !certain && !final)
		return false;
	a->at = a->begin = at;
	if (found && certain)
		begin_call(a, at);
	else
		a->state = SAYING;
	return true;
}

static int advance(struct answer *a, bool final, struct kvik_err *err)
{
	bool more = true;
	int rc = 0;
	while (more && !rc) {
		switch ((enum state)a->state) {
		case START: more = start(a, final); break;
		case THINKING: more = think(a, final); break;
		case SAYING: say(a, final, &more); break;
		case CALLING: rc = calling(a, final, &more, err); break;
		case CALLED: more = go_on(a, final); break;
		}
	}
	return rc;
}

/* ---- Feeding ----------------------------------------------------------------------------------------------------- */

/* Is a special token one of those that make up marks? */
static bool is_mark(const struct answer_style *s, const char *text, size_t bytes)
{
	const struct call_format *f = s->calls;
	const char *const marks[] = {s->think_open,
				     s->think_close,
				     s->say_open,
				     s->say_close,
				     f ? f->section : NULL,
				     f ? f->section_end : NULL,
				     f ? f->open : NULL,
				     f ? f->close : NULL,
				     f ? f->name_end : NULL,
				     f ? f->name_cut : NULL,
				     f ? f->id_end : NULL,
				     f ? f->key : NULL,
				     f ? f->key_end : NULL,
				     f ? f->value : NULL,
				     f ? f->value_end : NULL,
				     "<|\"|>",
				     "<escape>"};
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (marks[i] && memmem(marks[i], strlen(marks[i]), text, bytes))
			return true;
	return s->harmony;
}

static int add(struct answer *a, const char *text, size_t bytes, bool is_token, struct kvik_err *err)
{
	struct call_token *t = a->tokens.v;
	if (is_token)
		t = mem_grow(a->tokens.v, &a->tokens.cap, a->tokens.n, sizeof *t);
	if (is_token && t) {
		a->tokens.v = t;
		t[a->tokens.n++] = (struct call_token){a->text.n, a->text.n + bytes};
	}
	if ((is_token && !t) || !buf_add(&a->text, text, bytes))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the answer");
	return 0;
}

static int feed(struct answer *a, const char *text, size_t bytes, bool is_token, struct kvik_err *err)
{
	int rc = 0;
	if (bytes == 0 || (is_token && a->hides && !is_mark(&a->style, text, bytes)))
		return 0;
	if (a->called && a->style.calls && a->text.n == 0)
		rc = add(a, a->style.calls->open, strlen(a->style.calls->open), true, err);
	if (!rc)
		rc = add(a, text, bytes, is_token, err);
	return rc ? rc : a->style.harmony ? answer_harmony(a, false, err) : advance(a, false, err);
}

int answer_feed(struct answer *a, const char *text, size_t bytes, struct kvik_err *err)
{
	return feed(a, text, bytes, false, err);
}

int answer_feed_token(struct answer *a, const char *text, size_t bytes, struct kvik_err *err)
{
	return feed(a, text, bytes, true, err);
}

void answer_any_mark(struct answer *a)
{
	struct answer_style *s = &a->style;
	s->think_is_token = s->section_is_token = s->open_is_token = s->harmony_is_token = false;
}

int answer_end(struct answer *a, struct kvik_err *err)
{
	if (a->text.n == 0)
		return 0;
	return a->style.harmony ? answer_harmony(a, true, err) : advance(a, true, err);
}

bool answer_thinks(const struct answer *a)
{
	return a->style.harmony ? answer_harmony_thinks(a) : a->state == THINKING;
}

void answer_release(struct answer *a)
{
	buf_release(&a->text);
	buf_release(&a->arguments);
	mem_free(a->tokens.v);
}
