/* answer.c: see answer.h. The text is kept whole; `at` runs through it, and stays before what may become a mark. */
#include "chat/answer.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum state { START, THINKING, SAYING, CALLED };

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

void answer_tell_call(struct answer *a, const char *name, const char *arguments)
{
	char id[ANSWER_ID_BYTES];
	answer_call_id(a->id, a->n_calls, id);
	a->fn(a->user,
	      &(struct answer_part){
		      .kind = ANSWER_CALL, .index = a->n_calls++, .id = id, .name = name, .arguments = arguments});
}

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
static size_t find(const struct answer *a, const char *mark, size_t from, bool *whole)
{
	size_t n = strlen(mark), left = a->text.n - from;
	const char *at = memmem(a->text.data + from, left, mark, n);
	*whole = at != NULL;
	if (at)
		return (size_t)(at - a->text.data);
	for (size_t k = n - 1 < left ? n - 1 : left; k > 0; k--)
		if (memcmp(a->text.data + a->text.n - k, mark, k) == 0)
			return a->text.n - k;
	return a->text.n;
}

/* Tells what is certain to be of this kind, up to `to`: blanks at its end wait for what follows them. */
static void tell_held(struct answer *a, enum answer_kind kind, size_t to, bool all)
{
	size_t end = all ? to : back_over_blanks(a, a->at, to);
	answer_tell(a, kind, a->at, end);
	a->at = end > a->at ? end : a->at;
}

/* ---- Thoughts ---------------------------------------------------------------------------------------------------- */

/* Does the text open its thoughts? False: not known yet. */
static bool start(struct answer *a, bool final)
{
	const char *open = a->style.think_open;
	size_t n = open ? strlen(open) : 0, at = skip_blanks(a, 0), left = a->text.n - at;
	if (open && left < n && memcmp(a->text.data + at, open, left) == 0 && !final)
		return false;
	bool opens = open && left >= n && memcmp(a->text.data + at, open, n) == 0;
	a->at = opens ? at + n : 0; /* some open them again that the prompt has opened */
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
	size_t close = find(a, a->style.think_close, a->at, &whole);
	tell_held(a, ANSWER_THOUGHT, final && !whole ? a->text.n : close, false);
	if (!whole)
		return false;
	a->at = close + strlen(a->style.think_close);
	a->fresh = true;
	a->state = SAYING;
	return true;
}

/* ---- What is said, and calls ------------------------------------------------------------------------------------- */

static int read_calls(struct answer *a, size_t at, bool final, enum call_read *result, struct kvik_err *err)
{
	struct calls calls = {0};
	bool ok = call_read(a->style.calls, a->tools, a->text.data, a->text.n, &at, final, &calls, result);
	for (size_t i = 0; ok && i < calls.n && a->n_calls < CALLS_MAX; i++)
		answer_tell_call(a, calls.v[i].name, calls.v[i].arguments);
	calls_release(&calls);
	if (!ok)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a tool call");
	if (*result == CALL_READ) {
		a->at = at;
		a->state = CALLED;
	}
	return 0;
}

/* *more: there may be something to do. */
static int say(struct answer *a, bool final, bool *more, struct kvik_err *err)
{
	size_t mark = a->text.n;
	bool certain = false;
	enum call_read result;
	*more = false;
	if (a->fresh)
		a->begin = a->at = skip_blanks(a, a->at);
	if (a->fresh && a->at == a->text.n)
		return 0;
	a->fresh = false;
	if (!a->style.calls) {
		tell_held(a, ANSWER_TEXT, a->text.n, true);
		return 0;
	}
	const char *said = a->text.data + a->begin; /* what is said begins here: a bare call must stand there */
	bool found = call_find(a->style.calls, said, a->text.n - a->begin, a->at - a->begin, &mark, &certain);
	mark = found ? mark + a->begin : a->text.n;
	if (!found || !certain) {
		tell_held(a, ANSWER_TEXT, final ? a->text.n : mark, final);
		return 0;
	}
	tell_held(a, ANSWER_TEXT, mark, false);
	int rc = read_calls(a, mark, final, &result, err);
	if (rc || result == CALL_MORE)
		return rc;
	*more = true;
	if (result == CALL_NONE) { /* the mark is text; behind its first character there may be another */
		tell_held(a, ANSWER_TEXT, mark + 1, true);
		if (a->style.calls->body == CALL_BARE)
			a->at = mark + 1;
	}
	return 0;
}

/* Behind a call: blanks, more calls, or text again. */
static int go_on(struct answer *a, bool final, bool *more, struct kvik_err *err)
{
	size_t at = skip_blanks(a, a->at), mark;
	bool certain;
	enum call_read result = CALL_NONE;
	*more = false;
	if (at == a->text.n)
		return 0;
	bool found = call_find(a->style.calls, a->text.data + at, a->text.n - at, 0, &mark, &certain) && mark == 0;
	if (found && !certain && !final)
		return 0;
	int rc = found && certain ? read_calls(a, at, final, &result, err) : 0;
	if (rc || result == CALL_MORE)
		return rc;
	*more = true;
	if (result == CALL_NONE) {
		a->begin = at;
		a->at = at;
		a->state = SAYING;
		if (a->style.calls->body == CALL_BARE || (found && certain)) { /* text, whatever it looks like */
			answer_tell(a, ANSWER_TEXT, at, at + 1);
			a->at = at + 1;
		}
	}
	return 0;
}

static int advance(struct answer *a, bool final, struct kvik_err *err)
{
	bool more = true;
	int rc = 0;
	while (more && !rc) {
		switch ((enum state)a->state) {
		case START: more = start(a, final); break;
		case THINKING: more = think(a, final); break;
		case SAYING: rc = say(a, final, &more, err); break;
		case CALLED: rc = go_on(a, final, &more, err); break;
		}
	}
	return rc;
}

int answer_feed(struct answer *a, const char *text, size_t bytes, struct kvik_err *err)
{
	if (!buf_add(&a->text, text, bytes))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the answer");
	return bytes == 0 ? 0 : a->style.harmony ? answer_harmony(a, false, err) : advance(a, false, err);
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
}
