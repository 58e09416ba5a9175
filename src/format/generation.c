/* generation.c: one table of fields with both their names. Sources: the keys of llama.cpp's llama-arch.cpp,
 * GenerationConfig of HF Transformers. */
#include "format/generation.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"

static const struct field {
	const char *gguf, *json;
	enum generation_field field;
	double min, max;
} fields[] = {
	{"general.sampling.temp", "temperature", GENERATION_TEMPERATURE, 0, 100},
	{"general.sampling.top_k", "top_k", GENERATION_TOP_K, -1, INT32_MAX},
	{"general.sampling.top_p", "top_p", GENERATION_TOP_P, 1e-6, 1},
	{"general.sampling.min_p", "min_p", GENERATION_MIN_P, 0, 1},
	{"general.sampling.penalty_repeat", "repetition_penalty", GENERATION_REPEAT_PENALTY, 1e-3, 100},
	{"general.sampling.penalty_last_n", NULL, GENERATION_PENALTY_LAST_N, -1, INT32_MAX},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* -1 stands for all tokens, or all candidates; kvik's parameters say 0 in both cases. */
static uint32_t count(double value)
{
	return value > 0 ? (uint32_t)value : 0;
}

static void set(struct generation *g, enum generation_field field, double value)
{
	g->given |= field;
	switch (field) {
	case GENERATION_TEMPERATURE: g->temperature = (float)value; break;
	case GENERATION_TOP_K: g->top_k = count(value); break;
	case GENERATION_TOP_P: g->top_p = (float)value; break;
	case GENERATION_MIN_P: g->min_p = (float)value; break;
	case GENERATION_REPEAT_PENALTY: g->repeat_penalty = (float)value; break;
	case GENERATION_PENALTY_LAST_N: g->penalty_last_n = count(value); break;
	}
	if (field == GENERATION_PENALTY_LAST_N && value == 0)
		set(g, GENERATION_REPEAT_PENALTY, 1); /* no token counts, so there is no penalty */
}

static int take(struct generation *g, const struct field *f, const char *key, double value, const char *name,
		struct warnings *w, struct kvik_err *err)
{
	if (!(value >= f->min && value <= f->max))
		return warn_add(w, err, "%s: '%s' is %g, outside of %g..%g, and is not used", name, key, value, f->min,
				f->max);
	set(g, f->field, value);
	return 0;
}

/* *room: for n ids, in g->suppressed. */
static int suppress_room(struct generation *g, size_t n, const char *name, struct kvik_err *err)
{
	uint32_t *ids = mem_zalloc(n ? n : 1, sizeof *ids);
	if (!ids)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", name);
	mem_free(g->suppressed);
	g->suppressed = ids;
	g->n_suppressed = 0;
	return 0;
}

void generation_release(struct generation *g)
{
	mem_free(g->suppressed);
	*g = (struct generation){0};
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------- */

/* Number keys that change the text, by the value at which they do not. */
static int refuse_gguf(const struct gguf *file, const char *name, struct warnings *w, struct kvik_err *err)
{
	static const char *const off_at_zero[] = {"general.sampling.xtc_probability", "general.sampling.mirostat"};
	struct gguf_str sequence;
	for (size_t i = 0; i < sizeof off_at_zero / sizeof *off_at_zero; i++) {
		double value = 0;
		int rc = gguf_get_f64(file, off_at_zero[i], &value, err);
		if (rc > 0 && value != 0)
			rc = warn_add(w, err, "%s: '%s' is %g, but kvik does not have this sampler", name,
				      off_at_zero[i], value);
		if (rc < 0)
			return rc;
	}
	int rc = gguf_get_str(file, "general.sampling.sequence", &sequence, err);
	if (rc > 0)
		rc = warn_add(w, err,
			      "%s: 'general.sampling.sequence' is '%.*s'; kvik's order is penalties, temperature, "
			      "top_k, top_p, min_p",
			      name, (int)(sequence.bytes < 100 ? sequence.bytes : 100), sequence.text);
	return rc;
}

static int suppressed_of_gguf(struct generation *g, const struct gguf *file, const char *name, struct kvik_err *err)
{
	static const char key[] = "tokenizer.ggml.suppress_tokens";
	enum { ELEM_U32 = 4, ELEM_I32 = 5 };
	struct gguf_array a = {0};
	int rc = gguf_get_array(file, key, &a, err);
	if (rc <= 0)
		return rc;
	if (a.type != ELEM_I32 && a.type != ELEM_U32)
		return err_set(err, KVIK_ERR_FORMAT, "GGUF key '%s' is not an array of ids; convert the model again",
			       key);
	rc = suppress_room(g, (size_t)a.n, name, err);
	for (uint64_t i = 0; i < a.n && !rc; i++) {
		int32_t id;
		memcpy(&id, a.data + 4 * i, sizeof id);
		if (id >= 0)
			g->suppressed[g->n_suppressed++] = (uint32_t)id;
	}
	return rc;
}

int generation_of_gguf(struct generation *g, const struct gguf *file, const char *name, struct warnings *w,
		       struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < FIELDS && rc >= 0; i++) {
		double value = 0;
		rc = gguf_get_f64(file, fields[i].gguf, &value, err);
		if (rc > 0)
			rc = take(g, &fields[i], fields[i].gguf, value, name, w, err);
	}
	if (rc >= 0)
		rc = refuse_gguf(file, name, w, err);
	if (rc >= 0)
		rc = suppressed_of_gguf(g, file, name, err);
	if (rc < 0)
		err_prefix(err, "%s", name);
	return rc < 0 ? rc : 0;
}

/* ---- generation_config.json -------------------------------------------------------------------------------------- */

/* Fields that would change the text, and the number at which they do not; null, false, 0 and [] never do. */
static const struct {
	const char *field;
	double neutral;
} refused[] = {
	{"typical_p", 1},
	{"epsilon_cutoff", 0},
	{"eta_cutoff", 0},
	{"top_h", 0},
	{"no_repeat_ngram_size", 0},
	{"bad_words_ids", 0},
	{"force_words_ids", 0},
	{"sequence_bias", 0},
	{"forced_bos_token_id", -1},
	{"forced_eos_token_id", -1},
	{"begin_suppress_tokens", 0},
	{"stop_strings", 0},
	{"num_beams", 1},
	{"penalty_alpha", 0},
	{"guidance_scale", 1},
	{"exponential_decay_length_penalty", 0},
	{"min_length", 0},
	{"min_new_tokens", 0},
	{"watermarking_config", 0},
};

static const json_t *get(const json_t *root, const char *field)
{
	const json_t *v = json_object_get(root, field);
	return json_is_null(v) ? NULL : v;
}

static int wrong(const char *name, const char *field, const char *what, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "%s: '%s' is not %s; is the file intact?", name, field, what);
}

static bool neutral(const json_t *v, double number)
{
	if (!v || json_is_false(v))
		return true;
	if (json_is_array(v) || json_is_object(v))
		return json_array_size(v) + json_object_size(v) == 0;
	return json_is_number(v) && (json_number_value(v) == number || (number >= 0 && json_number_value(v) == 0));
}

static int refuse_json(const json_t *root, const char *name, struct warnings *w, struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < sizeof refused / sizeof *refused && !rc; i++)
		if (!neutral(get(root, refused[i].field), refused[i].neutral))
			rc = warn_add(w, err, "%s: '%s' is set, but kvik does not do that", name, refused[i].field);
	return rc;
}

static int suppressed_of_json(struct generation *g, const json_t *root, const char *name, struct kvik_err *err)
{
	static const char field[] = "suppress_tokens";
	const json_t *list = get(root, field);
	if (!list)
		return 0;
	if (!json_is_array(list))
		return wrong(name, field, "a list of token ids", err);
	int rc = suppress_room(g, json_array_size(list), name, err);
	for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
		const json_t *id = json_array_get(list, i);
		if (!json_is_integer(id) || json_integer_value(id) > UINT32_MAX)
			return wrong(name, field, "a list of token ids", err);
		if (json_integer_value(id) >= 0)
			g->suppressed[g->n_suppressed++] = (uint32_t)json_integer_value(id);
	}
	return rc;
}

static int read_fields(struct generation *g, const json_t *root, const char *name, struct warnings *w,
		       struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < FIELDS && !rc; i++) {
		const json_t *v = fields[i].json ? get(root, fields[i].json) : NULL;
		if (v && !json_is_number(v))
			return wrong(name, fields[i].json, "a number", err);
		if (v)
			rc = take(g, &fields[i], fields[i].json, json_number_value(v), name, w, err);
	}
	return rc;
}

int generation_of_json(struct generation *g, const json_t *root, const char *name, struct warnings *w,
		       struct kvik_err *err)
{
	const json_t *sample = get(root, "do_sample");
	int rc = read_fields(g, root, name, w, err);
	if (!rc && sample && !json_is_boolean(sample))
		rc = wrong(name, "do_sample", "true or false", err);
	/* Transformers counts all tokens, and asks for greedy text by do_sample. */
	if (!rc && g->given & GENERATION_REPEAT_PENALTY)
		set(g, GENERATION_PENALTY_LAST_N, -1);
	if (!rc && json_is_false(sample))
		set(g, GENERATION_TEMPERATURE, 0);
	if (!rc)
		rc = refuse_json(root, name, w, err);
	return rc ? rc : suppressed_of_json(g, root, name, err);
}
