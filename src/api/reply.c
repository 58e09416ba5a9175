/* reply.c: the life of what a generating call collects, and its submission; see reply.h. */
#include "api/reply.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/after_thoughts.h"
#include "api/infill_end.h"
#include "api/reply_events.h"
#include "api/weigh.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

enum { TOKENS_MAX = 1 << 30 };

struct reply *reply_new(struct api_call *c, const struct dialect *d, json_t *body, const char *prefix)
{
	struct reply *r = mem_zalloc(1, sizeof *r);
	if (!r) {
		json_decref(body);
		return NULL;
	}
	r->dialect = d;
	r->body = body;
	r->created = time(NULL);
	snprintf(r->id, sizeof r->id, "%s%s", prefix, c->request_id);
	sampling_init(&r->sampling, &c->api->config.sampling);
	r->sampling.default_seed = c->api->config.seed;
	r->constraints = &c->api->constraints;
	r->slot = -1;
	c->reply = r;
	return r;
}

static void free_prompts(struct reply *r)
{
	for (uint32_t i = 0; i < r->n_prompts; i++) {
		struct reply_prompt *p = &r->prompts[i];
		kvik_free(p->ids);
		mem_free(p->text);
		mem_free(p->echo);
		mem_free(p->embedding);
		kvik_constrained_free(p->constrained);
		after_thoughts_free(p->after);
		infill_end_free(p->infill_end);
		json_decref(p->logprobs);
		json_decref(p->by_id);
	}
	mem_free(r->prompts);
}

static void release_chat(struct reply_choice *ch)
{
	answer_release(&ch->answer);
	buf_release(&ch->said);
	buf_release(&ch->thought);
	buf_release(&ch->arguments);
	json_decref(ch->calls);
}

void reply_free(struct reply *r)
{
	if (!r)
		return;
	if (r->state && r->dialect->release)
		r->dialect->release(r);
	free_prompts(r);
	for (uint32_t i = 0; i < r->n_choices; i++) {
		buf_release(&r->choices[i].text);
		release_chat(&r->choices[i]);
		json_decref(r->choices[i].logprobs);
		json_decref(r->choices[i].ids);
	}
	mem_free(r->choices);
	sampling_release(&r->sampling);
	structured_release(&r->structured, r->constraints);
	json_decref(r->body);
	json_decref(r->tools);
	ids_release(&r->text);
	mem_free(r->state);
	mem_free(r);
}

int reply_read(struct api_call *c, const struct field *own, size_t n, struct field_error *e)
{
	enum { OWN_MAX = 28 };
	struct reply *r = c->reply;
	struct field fields[SAMPLING_FIELDS + STRUCTURED_FIELDS + OWN_MAX];
	size_t shared = sampling_fields(&r->sampling, fields);
	shared += structured_fields(&r->structured, fields + shared);
	assert(n <= OWN_MAX);
	memcpy(fields + shared, own, n * sizeof *own);
	int rc = fields_read(r->body, fields, shared + n, e);
	uint32_t n_vocab = c->api->config.engine.model.vocab_size;
	if (!rc)
		rc = reply_read_x_kvik(r, e);
	if (!rc)
		rc = sampling_finish(&r->sampling, n_vocab, e);
	return rc ? rc : structured_finish(&r->structured, r->constraints, c->api->config.engine.vocab, e);
}

int reply_read_stream_options(struct reply *r, const json_t *options, struct field_error *e)
{
	const struct field fields[] = {
		{"include_usage", FIELD_BOOL, &r->include_usage, 0, 0},
		{"continuous_usage_stats", FIELD_BOOL, &r->usage_in_chunks, 0, 0},
		{"include_obfuscation", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	if (!options)
		return 0;
	if (!json_is_object(options))
		return field_fail(e, "stream_options", "'stream_options' must be an object");
	int rc = fields_read(options, fields, sizeof fields / sizeof *fields, e);
	r->include_usage |= r->usage_in_chunks;
	return rc;
}

int reply_read_prompt_logprobs(struct reply *r, const json_t *top, struct field_error *e)
{
	int64_t n;
	if (!top)
		return 0;
	if (!field_whole(top, 0, KVIK_LOGPROBS_MAX, &n))
		return field_fail(e, "prompt_logprobs", "'prompt_logprobs' must be a number from 0 to %d",
				  KVIK_LOGPROBS_MAX);
	if (r->stream)
		return field_fail(e, "prompt_logprobs", "'prompt_logprobs' and 'stream' do not go together");
	r->prompt_by_id = true;
	r->by_id_top = (uint32_t)n;
	return 0;
}

int reply_read_cache_salt(struct api_call *c, const json_t *salt, struct field_error *e)
{
	if (!salt)
		return 0;
	if (!json_is_string(salt) || json_string_length(salt) == 0)
		return field_fail(e, "cache_salt", "'cache_salt' must be a text that is not empty");
	c->salted = true;
	c->scope = hash_chain(c->scope, json_string_value(salt), json_string_length(salt));
	c->scope += c->scope == 0; /* which would be the public one */
	return 0;
}

int reply_read_max_tokens(struct api_call *c, const char *name, const json_t *v, bool zero_ok, struct field_error *e)
{
	struct reply *r = c->reply;
	uint32_t limit = c->api->config.tokens_max;
	double asked = json_number_value(v);
	if (v && (!json_is_number(v) || asked != floor(asked) || asked < -2)) /* -2: llama-server's "to the end" */
		return field_fail(e, name, "'%s' must be a whole number; -1: as long as fits", name);
	bool zero = v && !(asked < 0) && !(asked > 0);
	if (zero && !zero_ok)
		return field_fail(e, name,
				  "'%s' must be at least 1, or left out: then the answer may be as long as fits", name);
	uint32_t n = zero ? 1 : asked > TOKENS_MAX ? TOKENS_MAX : asked > 0 ? (uint32_t)asked : 0;
	r->no_answer = zero;
	r->sampling.generate.max_tokens = !n || (limit && limit < n) ? limit : n;
	return 0;
}

/* ---- Start ------------------------------------------------------------------------------------------------------- */

static bool new_choice(const struct reply *r, struct reply_choice *ch)
{
	if (r->wants_logprobs)
		ch->logprobs = json_array();
	if (r->wants_ids)
		ch->ids = json_array();
	return buf_add_text(&ch->text, "", 0);
}

/* The answer of a chat is read as it comes. */
static bool new_chat(struct api_call *c, uint32_t i)
{
	const struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	ch->call = c;
	ch->index = i;
	ch->calls = json_array();
	ch->answer = (struct answer){.style = r->style,
				     .thinks = r->thinks,
				     .called = r->called,
				     .hides = !r->keeps_special,
				     .tools = r->tools,
				     .id = hash_bytes(c->request_id, strlen(c->request_id)) + i,
				     .fn = reply_on_part,
				     .user = ch};
	return ch->calls && buf_add_text(&ch->said, "", 0) && buf_add_text(&ch->thought, "", 0);
}

static bool new_choices(struct api_call *c)
{
	struct reply *r = c->reply;
	uint32_t n = r->n_prompts * r->sampling.n;
	r->choices = mem_zalloc(n, sizeof *r->choices);
	r->n_choices = r->choices ? n : 0;
	bool ok = r->choices != NULL;
	for (uint32_t i = 0; i < r->n_choices; i++)
		ok = new_choice(r, &r->choices[i]) && (!r->is_chat || new_chat(c, i)) && ok;
	return ok;
}

/* The engine tells of a token's own probability when it tells of others. */
static uint32_t at_least_one(uint32_t top)
{
	return top > 0 ? top : 1;
}

static uint32_t prompt_top(const struct reply *r)
{
	uint32_t echo = r->echo_logprobs ? at_least_one(r->top_logprobs) : 0;
	uint32_t by_id = r->prompt_by_id ? at_least_one(r->by_id_top) : 0;
	return echo > by_id ? echo : by_id;
}

/* Each request of the engine has matchers of its own, for its answers. */
static int hold_to_form(const struct reply *r, struct reply_prompt *p, struct kvik_generate_params *g,
			struct kvik_err *err)
{
	struct kvik_constraint *form = structured_constraint(&r->structured);
	if (!form)
		return 0;
	int rc = kvik_constrained_new(&p->constrained, form, r->sampling.n, err);
	if (rc)
		return rc;
	g->processor = kvik_constrained_processor(p->constrained);
	if (!r->form_closes)
		return 0;
	p->after = after_thoughts_new(g->processor, p->call->api->config.engine.vocab, r->sampling.n,
				      r->thinks ? NULL : r->form_opens, r->form_closes);
	if (!p->after)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	g->processor = after_thoughts_processor(p->after);
	return 0;
}

/* Completions in editors. */
static int end_in_time(const struct reply *r, struct reply_prompt *p, struct kvik_generate_params *g,
		       struct kvik_err *err)
{
	const struct kvik_vocab *v = p->call->api->config.engine.vocab;
	if (!v || (r->predict_ms == 0 && r->indent == 0))
		return 0;
	p->infill_end = infill_end_new(g->processor, v, r->sampling.n, r->predict_ms, r->indent);
	if (!p->infill_end)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a request");
	g->processor = infill_end_processor(p->infill_end);
	return 0;
}

static int submit_params(const struct api_call *c, struct reply_prompt *p, struct kvik_err *err)
{
	const struct reply *r = c->reply;
	const struct api_engine *engine = &c->api->config.engine;
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = r->sampling.generate;
	struct kvik_share share = kvik_share_default();
	g.n_logprobs = r->wants_logprobs ? at_least_one(r->top_logprobs) : 0;
	share.scope = c->scope;
	share.priority = r->keep_priority;
	share.ttl_ms = r->keep_ttl_ms;
	q.retain = r->retain;
	q.n_retain = r->n_retain;
	q.session = r->session;
	q.ids = p->ids;
	q.n_ids = p->n_ids;
	q.marks = p->marks;
	q.n_marks = p->n_marks;
	q.generate = &g;
	q.share = &share;
	q.choices = r->sampling.n;
	q.tenant = c->tenant;
	q.pooling = r->pooling;
	q.prompt_logprobs = prompt_top(r);
	q.priority = r->sampling.priority;
	q.on_event = reply_on_event;
	q.user = p;
	int rc = hold_to_form(r, p, &g, err);
	if (!rc)
		rc = end_in_time(r, p, &g, err);
	return rc ? rc : engine->submit(engine->ctx, &q, &p->engine_id, err);
}

/* The lock keeps an abort from missing the request that is just being submitted. */
static int submit(struct api_call *c, struct reply_prompt *p, struct kvik_err *err)
{
	uint32_t n = c->reply->sampling.n;
	api_call_hold(c); /* for the engine's events */
	pthread_mutex_lock(&c->lock);
	int rc = c->aborted || c->reply->failed ? err_set(err, KVIK_ERR_CANCELLED, "the client has gone")
						: submit_params(c, p, err);
	pthread_mutex_unlock(&c->lock);
	if (rc)
		api_call_release(c);
	else
		metrics_run(c->metrics, (int32_t)n);
	return rc;
}

/* What was only needed to make the prompts is given back; the rest is counted. */
static void settle_input(struct api_call *c)
{
	static const char *const inputs[] = {"prompt", "messages", "input", "metadata"};
	struct reply *r = c->reply;
	uint64_t bytes = 0;
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
		json_object_del(r->body, inputs[i]);
	for (uint32_t i = 0; i < r->n_prompts; i++)
		bytes += r->prompts[i].n_ids * sizeof(uint32_t) + r->prompts[i].text_bytes;
	call_count(c, bytes + weigh_json(r->body));
}

void reply_start(struct api_call *c)
{
	struct reply *r = c->reply;
	struct kvik_err err;
	if (r->sampling.n > c->api->config.choices_max) {
		call_error(c, 400, "invalid_request_error", "n", "'n' may be at most %u on this server",
			   c->api->config.choices_max);
		return;
	}
	if (!new_choices(c)) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	if (c->api->slots.n > 0 && r->n_prompts == 1 && r->pooling == KVIK_POOLING_NONE)
		r->no_memory |= !ids_append(&r->text, r->prompts[0].ids, r->prompts[0].n_ids);
	settle_input(c);
	r->start_ns = os_clock_ns();
	r->n_open = r->n_prompts;
	pthread_mutex_lock(&c->lock);
	c->started = true; /* who aborts the call looks at its prompts from here on */
	pthread_mutex_unlock(&c->lock);
	for (uint32_t i = 0; i < r->n_prompts; i++) {
		struct reply_prompt *p = &r->prompts[i];
		p->call = c;
		p->first_choice = i * r->sampling.n;
		if (r->echo_logprobs)
			p->logprobs = json_array();
		if (r->prompt_by_id)
			p->by_id = json_array();
		if (submit(c, p, &err)) {
			reply_fail(c, r->n_prompts - i, &err, 0);
			return;
		}
	}
}
