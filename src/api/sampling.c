/* sampling.c: see sampling.h. */
#include "api/sampling.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

enum { BIAS_MAX = 1024 };

void sampling_init(struct sampling *s, float temperature)
{
	*s = (struct sampling){.generate = kvik_generate_params_default(), .n = 1};
	s->generate.sampling.temperature = temperature;
}

void sampling_release(struct sampling *s)
{
	mem_free(s->bias);
	s->bias = NULL;
}

size_t sampling_fields(struct sampling *s, struct field *table)
{
	struct kvik_sampling *p = &s->generate.sampling;
	const struct field fields[] = {
		{"n", FIELD_U32, &s->n, 1, 128},
		{"temperature", FIELD_FLOAT, &p->temperature, 0, 100},
		{"top_p", FIELD_FLOAT, &p->top_p, 0, 1},
		{"top_k", FIELD_U32, &p->top_k, 0, 1e9},
		{"min_p", FIELD_FLOAT, &p->min_p, 0, 1},
		{"presence_penalty", FIELD_FLOAT, &p->presence_penalty, -2, 2},
		{"frequency_penalty", FIELD_FLOAT, &p->frequency_penalty, -2, 2},
		{"repeat_penalty", FIELD_FLOAT, &p->repeat_penalty, 0.01, 100},
		{"repetition_penalty", FIELD_FLOAT, &p->repeat_penalty, 0.01, 100},
		{"repeat_last_n", FIELD_U32, &p->penalty_last_n, 0, 1e9},
		{"seed", FIELD_JSON, &s->seed_json, 0, 0},
		{"stop", FIELD_JSON, &s->stop_json, 0, 0},
		{"logit_bias", FIELD_JSON, &s->bias_json, 0, 0},
		{"ignore_eos", FIELD_BOOL, &s->generate.ignore_end, 0, 0},
		{"user", FIELD_NO_EFFECT, NULL, 0, 0},
		{"safety_identifier", FIELD_NO_EFFECT, NULL, 0, 0},
		{"prompt_cache_key", FIELD_NO_EFFECT, NULL, 0, 0},
		{"metadata", FIELD_NO_EFFECT, NULL, 0, 0},
		{"service_tier", FIELD_NO_EFFECT, NULL, 0, 0},
		{"cache_prompt", FIELD_NO_EFFECT, NULL, 0, 0}, /* the cache never changes an answer */
	};
	_Static_assert(sizeof fields / sizeof *fields <= SAMPLING_FIELDS, "SAMPLING_FIELDS");
	memcpy(table, fields, sizeof fields);
	return sizeof fields / sizeof *fields;
}

static int add_stop(struct sampling *s, const json_t *v, struct field_error *e)
{
	if (!json_is_string(v) || json_string_length(v) == 0 || strlen(json_string_value(v)) != json_string_length(v))
		return field_fail(e, "stop", "'stop' must be a text, or a list of texts, none of them empty");
	if (s->generate.n_stop == SAMPLING_STOPS_MAX)
		return field_fail(e, "stop", "'stop' has more than %d texts", SAMPLING_STOPS_MAX);
	s->stops[s->generate.n_stop++] = json_string_value(v);
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

static int add_bias(struct sampling *s, double id, const json_t *bias, uint32_t n_vocab, struct field_error *e)
{
	if (!(id >= 0 && id < n_vocab))
		return field_fail(e, "logit_bias", "'logit_bias' names token %g, but the vocabulary has %u", id,
				  n_vocab);
	float b = json_is_false(bias) ? -1e9f : (float)json_number_value(bias);
	if (!json_is_number(bias) && !json_is_false(bias))
		return field_fail(e, "logit_bias", "'logit_bias' of token %g must be a number", id);
	struct kvik_sampling *p = &s->generate.sampling;
	s->bias[p->n_bias++] = (struct kvik_bias){(uint32_t)id, b};
	return 0;
}

/* {"13": -1.5}, or as llama-server takes it too: [[13, -1.5], [7, false]]. */
static int read_bias(struct sampling *s, uint32_t n_vocab, struct field_error *e)
{
	const char *key;
	json_t *v;
	size_t i, n = json_is_object(s->bias_json) ? json_object_size(s->bias_json) : json_array_size(s->bias_json);
	int rc = 0;
	if (n > BIAS_MAX || (!json_is_object(s->bias_json) && !json_is_array(s->bias_json)))
		return field_fail(e, "logit_bias", "'logit_bias' must be an object of at most %d token ids", BIAS_MAX);
	s->bias = mem_zalloc(n + 1, sizeof *s->bias);
	if (!s->bias)
		return field_fail(e, "logit_bias", "no memory for 'logit_bias'");
	s->generate.sampling.bias = s->bias;
	json_object_foreach(s->bias_json, key, v)
	{
		char *end;
		double id = isdigit((unsigned char)key[0]) ? strtod(key, &end) : -1;
		if (!rc)
			rc = add_bias(s, id < 0 || *end ? -1 : id, v, n_vocab, e);
	}
	json_array_foreach(s->bias_json, i, v) if (!rc) rc =
		add_bias(s, json_is_integer(json_array_get(v, 0)) ? json_number_value(json_array_get(v, 0)) : -1,
			 json_array_get(v, 1), n_vocab, e);
	return rc;
}

/* Without a seed, or with -1, every request draws anew, unless the server has a default: a number that also JavaScript
 * reads back as it is. */
static int read_seed(struct sampling *s, struct field_error *e)
{
	const json_t *v = s->seed_json;
	if (v && !json_is_integer(v))
		return field_fail(e, "seed", "'seed' must be an integer");
	int64_t seed = v && json_integer_value(v) >= 0 ? json_integer_value(v) : s->default_seed;
	if (seed >= 0)
		s->generate.sampling.seed = (uint64_t)seed;
	else if (getrandom(&s->generate.sampling.seed, sizeof s->generate.sampling.seed, GRND_NONBLOCK) < 0)
		s->generate.sampling.seed = 0;
	else
		s->generate.sampling.seed >>= 11;
	return 0;
}

int sampling_finish(struct sampling *s, uint32_t n_vocab, struct field_error *e)
{
	s->generate.stop = s->stops;
	if (s->generate.sampling.top_p == 0) { /* the smallest set: the most probable token */
		s->generate.sampling.top_k = 1;
		s->generate.sampling.top_p = 1;
	}
	int rc = read_stops(s, e);
	if (!rc && s->bias_json)
		rc = read_bias(s, n_vocab, e);
	return rc ? rc : read_seed(s, e);
}
