/* sampling.c: see sampling.h. */
#include "api/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

enum { BIAS_MAX = 1024, STOP_IDS_MAX = 1024, PRIORITY_MAX = 1000 };

void sampling_init(struct sampling *s, const struct kvik_sampling *defaults)
{
	*s = (struct sampling){.generate = kvik_generate_params_default(), .n = 1, .skip_special = true};
	s->draw = *defaults;
	s->draw.bias = NULL;
	s->draw.n_bias = 0;
	s->generate.sampling = &s->draw;
}

void sampling_release(struct sampling *s)
{
	mem_free(s->bias);
	mem_free(s->stop_ids);
	s->bias = NULL;
	s->stop_ids = NULL;
}

size_t sampling_fields(struct sampling *s, struct field *table)
{
	struct kvik_generate_params *g = &s->generate;
	struct kvik_sampling *p = &s->draw;
	const struct field fields[] = {
		{"n", FIELD_U32, &s->n, 1, 128},
		{"temperature", FIELD_FLOAT, &p->temperature, 0, 100},
		{"top_p", FIELD_FLOAT, &p->top_p, 0, 1},
		{"top_k", FIELD_COUNT, &p->top_k, -1, 1e9},
		{"min_p", FIELD_FLOAT, &p->min_p, 0, 1},
		{"presence_penalty", FIELD_FLOAT, &p->presence_penalty, -2, 2},
		{"frequency_penalty", FIELD_FLOAT, &p->frequency_penalty, -2, 2},
		{"repeat_penalty", FIELD_FLOAT, &p->repeat_penalty, 0.01, 100},
		{"repetition_penalty", FIELD_FLOAT, &p->repeat_penalty, 0.01, 100},
		{"repeat_last_n", FIELD_JSON, &s->last_n_json, 0, 0},
		{"seed", FIELD_JSON, &s->seed_json, 0, 0},
		{"stop", FIELD_JSON, &s->stop_json, 0, 0},
		{"stop_token_ids", FIELD_JSON, &s->stop_ids_json, 0, 0},
		{"min_tokens", FIELD_COUNT, &g->min_tokens, 0, 1e9},
		{"include_stop_str_in_output", FIELD_BOOL, &g->show_stop, 0, 0},
		{"skip_special_tokens", FIELD_BOOL, &s->skip_special, 0, 0},
		{"logit_bias", FIELD_JSON, &s->bias_json, 0, 0},
		{"ignore_eos", FIELD_BOOL, &g->ignore_end, 0, 0},
		{"priority", FIELD_JSON, &s->priority_json, 0, 0},
	};
	_Static_assert(sizeof fields / sizeof *fields <= SAMPLING_FIELDS, "SAMPLING_FIELDS");
	memcpy(table, fields, sizeof fields);
	return sizeof fields / sizeof *fields;
}

static int add_stop(struct sampling *s, const json_t *v, struct field_error *e)
{
	struct kvik_generate_params *g = &s->generate;
	if (!json_is_string(v) || json_string_length(v) == 0)
		return field_fail(e, "stop", "'stop' must be a text, or a list of texts, none of them empty");
	if (g->n_stop == SAMPLING_STOPS_MAX)
		return field_fail(e, "stop", "'stop' has more than %d texts", SAMPLING_STOPS_MAX);
	s->stops[g->n_stop] = json_string_value(v);
	s->stop_bytes[g->n_stop++] = json_string_length(v);
	return 0;
}

static int read_stops(struct sampling *s, struct field_error *e)
{
	int rc = 0;
	size_t i;
	json_t *v;
	if (!s->stop_json)
		return 0;
	if (!json_is_array(s->stop_json))
		return add_stop(s, s->stop_json, e);
	json_array_foreach(s->stop_json, i, v) if (!rc) rc = add_stop(s, v, e);
	return rc;
}

static int read_stop_ids(struct sampling *s, uint32_t n_vocab, struct field_error *e)
{
	struct kvik_generate_params *g = &s->generate;
	size_t i, n = json_array_size(s->stop_ids_json);
	int64_t id;
	json_t *v;
	if (!json_is_array(s->stop_ids_json) || n > STOP_IDS_MAX)
		return field_fail(e, "stop_token_ids", "'stop_token_ids' must be a list of at most %d ids",
				  STOP_IDS_MAX);
	s->stop_ids = mem_zalloc(n + 1, sizeof *s->stop_ids);
	if (!s->stop_ids)
		return field_fail(e, "stop_token_ids", "no memory for 'stop_token_ids'");
	json_array_foreach(s->stop_ids_json, i, v)
	{
		if (!field_whole(v, 0, (int64_t)n_vocab - 1, &id))
			return field_fail(e, "stop_token_ids", "'stop_token_ids' must be ids below %u", n_vocab);
		s->stop_ids[g->n_stop_ids++] = (uint32_t)id;
	}
	g->stop_ids = s->stop_ids;
	return 0;
}

static int add_bias(struct sampling *s, int64_t id, const json_t *bias, uint32_t n_vocab, struct field_error *e)
{
	if (id < 0 || id >= n_vocab)
		return field_fail(e, "logit_bias", "'logit_bias' must name tokens by ids below %u", n_vocab);
	float b = json_is_false(bias) ? -1e9f : (float)json_number_value(bias);
	if (!json_is_number(bias) && !json_is_false(bias))
		return field_fail(e, "logit_bias", "'logit_bias' of token %lld must be a number", (long long)id);
	struct kvik_sampling *p = &s->draw;
	s->bias[p->n_bias++] = (struct kvik_bias){(uint32_t)id, b};
	return 0;
}

/* The id that a name of an object is; -1: none. */
static int64_t id_of_name(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n < 10 && strspn(name, "0123456789") == n ? strtol(name, NULL, 10) : -1;
}

/* {"13": -1.5}, or as llama-server takes it too: [[13, -1.5], [7, false]]. */
static int read_bias(struct sampling *s, uint32_t n_vocab, struct field_error *e)
{
	const char *key;
	json_t *v;
	size_t i, n = json_is_object(s->bias_json) ? json_object_size(s->bias_json) : json_array_size(s->bias_json);
	int64_t id;
	int rc = 0;
	if (n > BIAS_MAX || (!json_is_object(s->bias_json) && !json_is_array(s->bias_json)))
		return field_fail(e, "logit_bias", "'logit_bias' must be an object of at most %d token ids", BIAS_MAX);
	s->bias = mem_zalloc(n + 1, sizeof *s->bias);
	if (!s->bias)
		return field_fail(e, "logit_bias", "no memory for 'logit_bias'");
	s->draw.bias = s->bias;
	json_object_foreach(s->bias_json, key, v) if (!rc) rc = add_bias(s, id_of_name(key), v, n_vocab, e);
	json_array_foreach(s->bias_json, i, v) if (!rc) rc = add_bias(
		s, field_whole(json_array_get(v, 0), 0, UINT32_MAX, &id) ? id : -1, json_array_get(v, 1), n_vocab, e);
	return rc;
}

/* Any number is a seed; those beyond 63 bits lose their highest. */
static int64_t seed_of(const json_t *v)
{
	if (json_is_integer(v))
		return json_integer_value(v);
	return json_real_value(v) < 0 ? -1 : (int64_t)fmod(json_real_value(v), 0x1p63);
}

/* Without a seed, or with -1, every request draws anew, unless the server has a default: a number that also JavaScript
 * reads back as it is. */
static int read_seed(struct sampling *s, struct field_error *e)
{
	const json_t *v = s->seed_json;
	if (v && (!json_is_number(v) || json_number_value(v) != floor(json_number_value(v))))
		return field_fail(e, "seed", "'seed' must be an integer");
	int64_t seed = v ? seed_of(v) : -1;
	if (seed < 0)
		seed = s->default_seed;
	if (seed >= 0)
		s->draw.seed = (uint64_t)seed;
	else if (getrandom(&s->draw.seed, sizeof s->draw.seed, GRND_NONBLOCK) < 0)
		s->draw.seed = 0;
	else
		s->draw.seed >>= 11;
	return 0;
}

/* vLLM's: lower is earlier. */
static int read_priority(struct sampling *s, struct field_error *e)
{
	double p = json_number_value(s->priority_json);
	if (s->priority_json && (!json_is_number(s->priority_json) || p != floor(p)))
		return field_fail(e, "priority", "'priority' must be an integer; lower is earlier");
	s->priority = (int32_t)(p > PRIORITY_MAX ? -PRIORITY_MAX : p < -PRIORITY_MAX ? PRIORITY_MAX : -p);
	return 0;
}

/* llama-server's: 0 switches the penalties off, -1 means all tokens. */
static int read_last_n(struct sampling *s, struct field_error *e)
{
	struct kvik_sampling *p = &s->draw;
	double n = json_number_value(s->last_n_json);
	if (!json_is_number(s->last_n_json) || n != floor(n) || n < -1)
		return field_fail(e, "repeat_last_n", "'repeat_last_n' must be a whole number, -1 or more");
	p->penalty_last_n = n < 0 ? 0 : n > 1e9 ? (uint32_t)1e9 : (uint32_t)n;
	if (n < 0 || n > 0)
		return 0;
	p->repeat_penalty = 1;
	p->presence_penalty = p->frequency_penalty = 0;
	return 0;
}

int sampling_finish(struct sampling *s, uint32_t n_vocab, struct field_error *e)
{
	s->generate.stop = s->stops;
	s->generate.stop_bytes = s->stop_bytes;
	s->generate.keep_special = !s->skip_special;
	if (s->draw.top_p == 0) { /* the smallest set: the most probable token */
		s->draw.top_k = 1;
		s->draw.top_p = 1;
	}
	int rc = read_stops(s, e);
	if (!rc && s->stop_ids_json)
		rc = read_stop_ids(s, n_vocab, e);
	if (!rc && s->bias_json)
		rc = read_bias(s, n_vocab, e);
	if (!rc && s->last_n_json)
		rc = read_last_n(s, e);
	if (!rc)
		rc = read_priority(s, e);
	return rc ? rc : read_seed(s, e);
}
