/* reply_show.c: parts of answers that dialects share; see reply.h. */
#include "api/doctor.h"
#include "api/reply.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/routes.h"

const struct reply_prompt *reply_prompt_of(const struct reply *r, uint32_t choice)
{
	return &r->prompts[choice / r->sampling.n];
}

const char *reply_model(const struct api_call *c)
{
	return c->reply->model ? c->reply->model : c->api->config.model_name;
}

json_t *reply_floats(const float *v, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_real((double)v[i]));
	return list;
}

json_t *reply_arguments(const char *text)
{
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	return o ? o : json_object();
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

struct kvik_usage reply_total(const struct reply *r)
{
	struct kvik_usage sum = r->prompts[0].usage;
	for (uint32_t i = 1; i < r->n_prompts; i++) {
		const struct kvik_usage *u = &r->prompts[i].usage;
		sum.prompt_tokens += u->prompt_tokens;
		sum.new_tokens += u->new_tokens;
		sum.cached_tokens += u->cached_tokens;
		sum.preemptions += u->preemptions;
		sum.queue_ms = later(sum.queue_ms, u->queue_ms);
		sum.first_token_ms = later(sum.first_token_ms, u->first_token_ms);
		sum.total_ms = later(sum.total_ms, u->total_ms);
	}
	return sum;
}

/* Rates are 0 where there was no time to measure. */
static double per_second(uint32_t n, double ms)
{
	return ms > 0 ? n * 1e3 / ms : 0;
}

json_t *reply_timings(const struct api_call *c, uint32_t choice)
{
	const struct reply *r = c->reply;
	const struct reply_choice *ch = &r->choices[choice];
	const struct reply_prompt *p = reply_prompt_of(r, choice);
	const struct kvik_usage *u = &p->usage;
	uint32_t cached = p->ended ? u->cached_tokens : 0, prompt_n = (uint32_t)p->n_ids - cached;
	double so_far_ms = ch->token_ns ? (double)(ch->token_ns - r->start_ns) / 1e6 : 0;
	double first_ms = ch->token_ns ? (double)(ch->first_token_ns - r->start_ns) / 1e6 : 0;
	double prompt_ms = p->ended ? u->first_token_ms - u->queue_ms : first_ms;
	double predicted_ms = p->ended ? u->total_ms - u->first_token_ms : so_far_ms - first_ms;
	return json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n", (json_int_t)cached, "prompt_n",
			 (json_int_t)prompt_n, "prompt_ms", prompt_ms, "prompt_per_token_ms",
			 prompt_n ? prompt_ms / prompt_n : 0.0, "prompt_per_second", per_second(prompt_n, prompt_ms),
			 "predicted_n", (json_int_t)ch->tokens, "predicted_ms", predicted_ms, "predicted_per_token_ms",
			 ch->tokens ? predicted_ms / ch->tokens : 0.0, "predicted_per_second",
			 per_second(ch->tokens, predicted_ms));
}

json_t *reply_unsent_ids(struct reply *r, uint32_t choice)
{
	struct reply_choice *ch = &r->choices[choice];
	json_t *list = json_array();
	for (; ch->ids_sent < json_array_size(ch->ids); ch->ids_sent++)
		json_array_append(list, json_array_get(ch->ids, ch->ids_sent));
	return list;
}

json_t *reply_usage(const struct api_call *c)
{
	const struct kvik_usage u = reply_total(c->reply);
	json_int_t thoughts = 0;
	for (uint32_t i = 0; i < c->reply->n_choices; i++)
		thoughts += c->reply->choices[i].thought_tokens;
	return json_pack("{s:I, s:I, s:I, s:{s:I}, s:{s:I}}", "prompt_tokens", (json_int_t)u.prompt_tokens,
			 "completion_tokens", (json_int_t)u.new_tokens, "total_tokens",
			 (json_int_t)u.prompt_tokens + u.new_tokens, "prompt_tokens_details", "cached_tokens",
			 (json_int_t)u.cached_tokens, "completion_tokens_details", "reasoning_tokens", thoughts);
}

json_t *reply_usage_so_far(const struct api_call *c, uint32_t choice)
{
	json_int_t prompt = (json_int_t)reply_prompt_of(c->reply, choice)->n_ids;
	json_int_t tokens = c->reply->choices[choice].tokens;
	return json_pack("{s:I, s:I, s:I}", "prompt_tokens", prompt, "completion_tokens", tokens, "total_tokens",
			 prompt + tokens);
}

static void set_by_id(const struct api_call *c, json_t *o, uint32_t id, float logprob, uint32_t rank)
{
	char key[16];
	size_t n = 0;
	char *text = call_token_text(c, id, &n);
	json_t *decoded = text ? json_stringn(text, n) : NULL; /* NULL too when the bytes are no whole characters */
	snprintf(key, sizeof key, "%u", id);
	json_object_set_new(o, key,
			    json_pack("{s:f, s:I, s:o}", "logprob", logprob < -9999.0f ? -9999.0 : (double)logprob,
				      "rank", (json_int_t)rank, "decoded_token",
				      decoded ? decoded : json_string("\xef\xbf\xbd")));
	kvik_free(text);
}

/* The token itself, then the most probable ones, of which it may be one. */
json_t *reply_logprobs_by_id(const struct api_call *c, const struct kvik_token *t)
{
	if (isnan(t->logprob)) /* the first: nothing is before it */
		return json_null();
	json_t *o = json_object();
	set_by_id(c, o, t->id, t->logprob, t->rank);
	for (uint32_t i = 0; i < t->n_top && i < c->reply->by_id_top; i++)
		if (t->top[i].id != t->id)
			set_by_id(c, o, t->top[i].id, t->top[i].logprob, i + 1);
	return o;
}

double reply_number(float x)
{
	char text[32];
	snprintf(text, sizeof text, "%.7g", (double)x);
	return strtod(text, NULL);
}

const char *reply_finish(const struct reply *r, uint32_t choice)
{
	const struct reply_choice *ch = &r->choices[choice];
	return json_array_size(ch->calls) > 0 ? "tool_calls" : kvik_finish_name(ch->finish);
}

/* {"id", "text"}, or null. */
static json_t *token_json(const struct api_call *c, uint32_t id)
{
	size_t n = 0;
	if (id == KVIK_NO_ID)
		return json_null();
	char *text = call_token_text(c, id, &n);
	json_t *o = json_pack("{s:I, s:o?}", "id", (json_int_t)id, "text", text ? json_stringn(text, n) : NULL);
	kvik_free(text);
	return o;
}

static const char *miss_text(enum kvik_miss m)
{
	static const char *const texts[KVIK_MISS_COUNT] = {
		[KVIK_MISS_NONE] = "all of the prompt was known; its last token is always computed",
		[KVIK_MISS_NEW] = "nothing longer was cached, as far as is remembered",
		[KVIK_MISS_DIFFERS] = "what is cached goes on with another token",
		[KVIK_MISS_EVICTED] = "the rest was cached and left to make room: more --kv-memory would have kept it",
		[KVIK_MISS_EXPIRED] = "the rest was cached and its time to live was over",
		[KVIK_MISS_WINDOW] = "the tokens are cached, but a sliding window there was given up for memory",
		[KVIK_MISS_STATE] = "the tokens are cached, but no state of a recurrent layer there",
		[KVIK_MISS_COLD] = "this request has every token computed and does not look into the cache",
	};
	return (size_t)m < KVIK_MISS_COUNT ? texts[m] : "?";
}

/* "nonce", and the text around the place where the cache goes on differently: "before" and "after" its border. */
static void add_difference(const struct api_call *c, const struct reply_prompt *of, json_t *o)
{
	size_t bytes, at;
	char *text = doctor_text(c, of, &bytes, &at);
	const char *nonce = nonce_name(of->nonce);
	if (!text)
		return;
	json_object_set_new(o, "before", json_stringn(text, at));
	json_object_set_new(o, "after", json_stringn(text + at, bytes - at));
	if (nonce)
		json_object_set_new(o, "nonce", json_string(nonce));
	kvik_free(text);
}

static json_t *prefix_json(const struct api_call *c, const struct reply_prompt *of)
{
	const struct kvik_prefix *p = &of->prefix;
	bool inside = p->miss != KVIK_MISS_NONE && p->matched_tokens < of->n_ids;
	json_t *o =
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "scope",
			  c->salted  ? "salt"
			  : c->scope ? "key"
				     : "public",
			  "found_tokens", (json_int_t)p->found_tokens, "joined_tokens", (json_int_t)p->joined_tokens,
			  "matched_tokens", (json_int_t)p->matched_tokens, "miss", kvik_miss_name(p->miss), "miss_text",
			  miss_text(p->miss), "token", token_json(c, inside ? of->ids[p->matched_tokens] : KVIK_NO_ID),
			  "cached_token", token_json(c, p->other));
	add_difference(c, of, o);
	return o;
}

static json_t *explain(const struct api_call *c, const struct reply_prompt *p)
{
	const struct kvik_usage *u = &p->usage;
	return json_pack("{s:I, s:I, s:o, s:I, s:f, s:f, s:f}", "prompt_tokens", (json_int_t)u->prompt_tokens,
			 "cached_tokens", (json_int_t)u->cached_tokens, "prefix", prefix_json(c, p), "preemptions",
			 (json_int_t)u->preemptions, "queue_ms", u->queue_ms, "first_token_ms", u->first_token_ms,
			 "total_ms", u->total_ms);
}

json_t *reply_explain(const struct api_call *c)
{
	const struct reply *r = c->reply;
	if (r->n_prompts == 1)
		return explain(c, &r->prompts[0]);
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n_prompts; i++)
		json_array_append_new(list, explain(c, &r->prompts[i]));
	return list;
}
