/* constrain.c: one lock around a machine over bytes, its remembered steps and its masks. */
#include "constrain/constrain.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/earley.h"
#include "constrain/grammar_read.h"
#include "constrain/json.h"
#include "constrain/mask.h"

struct constrain {
	pthread_mutex_t lock;
	enum { OF_JSON, OF_REGEX, OF_GRAMMAR } is;
	struct schema schema; /* of JSON */
	struct json json;
	struct json_scratch scratch;
	struct dfa *dfa; /* of a regular expression, of choices */
	struct grammar grammar;
	struct earley earley;
	bool answers;
	struct masks masks;
	uint32_t round; /* how often it has started afresh */
};

/* ---- Machines ---------------------------------------------------------------------------------------------------- */

static uint32_t step_json(void *ctx, uint32_t state, uint8_t byte)
{
	return json_step(ctx, state, byte);
}

static bool accepts_json(void *ctx, uint32_t state)
{
	return json_accepts(ctx, state);
}

static uint32_t free_json(void *ctx, uint32_t state)
{
	return json_free_characters(ctx, state);
}

static uint32_t step_dfa(void *ctx, uint32_t state, uint8_t byte)
{
	return dfa_step(ctx, state, byte);
}

static bool accepts_dfa(void *ctx, uint32_t state)
{
	return dfa_accepts(ctx, state);
}

static uint32_t step_earley(void *ctx, uint32_t state, uint8_t byte)
{
	return earley_step(ctx, state, byte);
}

static bool accepts_earley(void *ctx, uint32_t state)
{
	return earley_accepts(ctx, state);
}

static uint32_t free_earley(void *ctx, uint32_t state)
{
	return earley_free_characters(ctx, state);
}

static uint32_t cost_earley(void *ctx, uint32_t state)
{
	return earley_cost(ctx, state);
}

static int start_json(struct constrain *c, struct kvik_err *err)
{
	int rc = json_init(&c->json, &c->schema, c->answers, &c->scratch, err);
	c->masks.m = (struct machine){&c->json, step_json, accepts_json, free_json, NULL, c->json.start};
	return rc;
}

static int start_earley(struct constrain *c, struct kvik_err *err)
{
	int rc = earley_init(&c->earley, &c->grammar, err);
	c->masks.m =
		(struct machine){&c->earley, step_earley, accepts_earley, free_earley, cost_earley, c->earley.start};
	return rc;
}

/* ---- Compiling --------------------------------------------------------------------------------------------------- */

static int compile_json(struct constrain *c, enum constrain_kind kind, const char *text, size_t bytes,
			struct kvik_err *err)
{
	static const char object[] = "{\"type\": \"object\"}";
	int rc = kind == CONSTRAIN_JSON ? schema_compile(&c->schema, object, sizeof object - 1, err)
					: schema_compile(&c->schema, text, bytes, err);
	return rc ? rc : start_json(c, err);
}

static int compile_regex(struct constrain *c, const char *text, size_t bytes, struct kvik_err *err)
{
	struct re_prog prog;
	c->is = OF_REGEX;
	int rc = re_compile(&prog, text, bytes, 0, err);
	if (rc) {
		re_prog_release(&prog);
		return rc;
	}
	if (dfa_new(&c->dfa, &prog) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a regular expression");
	if (dfa_start(c->dfa) == DFA_DEAD)
		return err_set(err, KVIK_ERR_ARG, "regular expression: no text matches it");
	c->masks.m = (struct machine){c->dfa, step_dfa, accepts_dfa, NULL, NULL, dfa_start(c->dfa)};
	return 0;
}

/* "a|b\.c" */
static bool add_choice(struct buf *pattern, const json_t *choice, bool first)
{
	static const char special[] = "\\^$.|?*+()[]{}/";
	const char *text = json_string_value(choice);
	bool ok = first || buf_add(pattern, "|", 1);
	for (size_t i = 0; ok && i < json_string_length(choice); i++)
		ok = (!memchr(special, text[i], sizeof special - 1) || buf_add(pattern, "\\", 1)) &&
		     buf_add(pattern, text + i, 1);
	return ok;
}

static int compile_choice(struct constrain *c, const char *text, size_t bytes, struct kvik_err *err)
{
	json_error_t e;
	json_t *list = json_loadb(text, bytes, JSON_ALLOW_NUL, &e);
	struct buf pattern = {0};
	int rc = 0;
	if (!json_is_array(list) || json_array_size(list) == 0)
		rc = err_set(err, KVIK_ERR_FORMAT, "choices: no list of strings");
	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		if (!json_is_string(json_array_get(list, i)))
			rc = err_set(err, KVIK_ERR_FORMAT, "choices: number %zu is no string", i);
		else if (!add_choice(&pattern, json_array_get(list, i), i == 0))
			rc = err_set(err, KVIK_ERR_NOMEM, "no memory for choices");
	}
	if (!rc)
		rc = compile_regex(c, pattern.data ? pattern.data : "", pattern.n, err);
	buf_release(&pattern);
	json_decref(list);
	return rc;
}

static int compile_grammar(struct constrain *c, enum constrain_kind kind, const char *text, size_t bytes,
			   struct kvik_err *err)
{
	struct grammar *g = &c->grammar;
	c->is = OF_GRAMMAR;
	grammar_init(g, c->masks.t, c->answers, err);
	uint32_t start = kind == CONSTRAIN_TAGS ? tags_read(g, text, bytes) : grammar_read(g, text, bytes);
	int rc = grammar_finish(g, start);
	return rc ? rc : start_earley(c, err);
}

int constrain_new(struct constrain **out, enum constrain_kind kind, const char *text, size_t bytes,
		  const struct trie *trie, bool answers, struct kvik_err *err)
{
	struct constrain *c = mem_zalloc(1, sizeof *c);
	int rc;
	*out = NULL;
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	pthread_mutex_init(&c->lock, NULL);
	c->answers = answers;
	c->masks.t = trie;
	if (bytes > CONSTRAIN_TEXT_MAX)
		rc = err_set(err, KVIK_ERR_LIMIT, "a constraint of %zu bytes; up to %d are taken", bytes,
			     CONSTRAIN_TEXT_MAX);
	else if (kind == CONSTRAIN_REGEX)
		rc = compile_regex(c, text, bytes, err);
	else if (kind == CONSTRAIN_CHOICE)
		rc = compile_choice(c, text, bytes, err);
	else if (kind == CONSTRAIN_GRAMMAR || kind == CONSTRAIN_TAGS)
		rc = compile_grammar(c, kind, text, bytes, err);
	else
		rc = compile_json(c, kind, text, bytes, err);
	if (rc) {
		constrain_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void constrain_free(struct constrain *c)
{
	if (!c)
		return;
	masks_release(&c->masks);
	json_release(&c->json);
	json_scratch_release(&c->scratch);
	schema_release(&c->schema);
	dfa_free(c->dfa);
	earley_release(&c->earley);
	grammar_release(&c->grammar);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

/* ---- Matching ---------------------------------------------------------------------------------------------------- */

void matcher_init(struct matcher *m, struct constrain *c)
{
	*m = (struct matcher){.c = c, .state = c->masks.m.start, .round = 0};
	pthread_mutex_lock(&c->lock);
	m->state = c->masks.m.start;
	m->round = c->round;
	pthread_mutex_unlock(&c->lock);
}

void matcher_release(struct matcher *m)
{
	buf_release(&m->text);
}

static uint32_t follow(struct constrain *c, uint32_t state, const char *bytes, size_t n, size_t *taken)
{
	for (*taken = 0; *taken < n; ++*taken) {
		uint32_t next = masks_step(&c->masks, state, (uint8_t)bytes[*taken]);
		if (!next)
			break;
		state = next;
	}
	return state;
}

static size_t kept_bytes(const struct constrain *c)
{
	return c->masks.bytes + (c->is == OF_JSON      ? json_bytes(&c->json)
				 : c->is == OF_GRAMMAR ? earley_bytes(&c->earley)
						       : 0);
}

static int restart(struct constrain *c)
{
	struct kvik_err err;
	int rc = 0;
	if (c->is == OF_JSON) {
		json_release(&c->json);
		return start_json(c, &err);
	}
	if (c->is == OF_REGEX)
		return 0; /* bounded by DFA_STATES_MAX */
	earley_release(&c->earley);
	for (size_t i = 0; i < c->grammar.n_pieces && !rc; i++)
		rc = piece_restart(c->grammar.pieces[i]);
	return rc ? rc : start_earley(c, &err);
}

/* Frees what was found out, when it is too much. Without memory to begin again nothing matches any more. */
static void start_afresh(struct constrain *c)
{
	if (kept_bytes(c) <= CONSTRAIN_BYTES_MAX)
		return;
	masks_release(&c->masks);
	c->round++;
	if (restart(c) != 0)
		c->masks.m.start = 0;
}

/* Locks the constraint, with m where it belongs. A text that needs all the room by itself does not go on. */
static void enter(struct matcher *m)
{
	struct constrain *c = m->c;
	size_t taken;
	pthread_mutex_lock(&c->lock);
	start_afresh(c);
	if (m->round != c->round) {
		m->state = follow(c, c->masks.m.start, m->text.data, m->text.n, &taken);
		m->state = taken == m->text.n && kept_bytes(c) <= CONSTRAIN_BYTES_MAX ? m->state : 0;
		m->round = c->round;
	}
}

size_t matcher_feed(struct matcher *m, const char *bytes, size_t n)
{
	size_t taken = 0;
	if (!buf_reserve(&m->text, n))
		return 0;
	enter(m);
	if (m->state)
		m->state = follow(m->c, m->state, bytes, n, &taken);
	pthread_mutex_unlock(&m->c->lock);
	if (taken > 0)
		(void)buf_add(&m->text, bytes, taken); /* there is room */
	return taken;
}

void matcher_rollback(struct matcher *m, size_t bytes)
{
	size_t taken;
	m->text.n -= bytes < m->text.n ? bytes : m->text.n;
	enter(m);
	m->state = follow(m->c, m->c->masks.m.start, m->text.data, m->text.n, &taken);
	pthread_mutex_unlock(&m->c->lock);
}

bool matcher_accepts(struct matcher *m)
{
	enter(m);
	bool ok = m->state && m->c->masks.m.accepts(m->c->masks.m.ctx, m->state);
	pthread_mutex_unlock(&m->c->lock);
	return ok;
}

bool matcher_is_whole(struct matcher *m)
{
	struct constrain *c = m->c;
	enter(m);
	bool whole = m->state && c->masks.m.accepts(c->masks.m.ctx, m->state);
	for (unsigned b = 0; whole && b < 256; b++)
		whole = b == ' ' || b == '\t' || b == '\n' || b == '\r' || !masks_step(&c->masks, m->state, (uint8_t)b);
	pthread_mutex_unlock(&c->lock);
	return whole;
}

bool matcher_mask(struct matcher *m, uint32_t *mask)
{
	uint32_t any = 0, words = m->c->masks.t->words;
	enter(m);
	masks_fill(&m->c->masks, m->state, mask);
	pthread_mutex_unlock(&m->c->lock);
	for (uint32_t i = 0; i < words && !any; i++)
		any = mask[i];
	return any != 0;
}

/* The one byte that can follow; -1: none, or several, or the text may end. */
static int only_byte(struct constrain *c, uint32_t state)
{
	int only = -1;
	if (c->masks.m.accepts(c->masks.m.ctx, state))
		return -1;
	for (int b = 0; b < 256; b++)
		if (masks_step(&c->masks, state, (uint8_t)b)) {
			if (only >= 0)
				return -1;
			only = b;
		}
	return only;
}

void matcher_forced(struct matcher *m, struct buf *out, size_t max)
{
	uint32_t state;
	int b;
	enter(m);
	for (state = m->state; state && out->n < max && (b = only_byte(m->c, state)) >= 0;) {
		char byte = (char)b;
		if (!buf_add(out, &byte, 1))
			break;
		state = masks_step(&m->c->masks, state, (uint8_t)b);
	}
	pthread_mutex_unlock(&m->c->lock);
}
