/* source_synthetic.c: a model of a real shape with random weights, in memory: for benchmarks without downloads.
 *
 * Tensors are listed first, then one region gives them their places; their bytes are made when they are needed. A mix
 * such as q4_k_m keeps the tensors at Q6_K that llama.cpp's llama-quantize keeps there, so that speeds compare; types
 * whose block does not divide a row fall back as they do there. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "format/hf_json.h"
#include "format/source_impl.h"
#include "format/synthetic.h"
#include "format/synthetic_tables.h"

struct shape {
	const char *name, *model_type;
	uint32_t layers, dim, heads, kv_heads, head_dim, ffn_dim, vocab, context;
	double eps, theta;
	uint32_t llama3, window, full_every;
	bool tied;
};

static const struct shape shapes[] = {
#define SHAPE_ROW(name, model_type, ...) {name, model_type, __VA_ARGS__},
	SYNTHETIC_SHAPES(SHAPE_ROW)
#undef SHAPE_ROW
};

struct mix {
	const char *name;
	enum wtype base, more; /* more: of half of attn_v and ffn_down */
};

static const struct mix mixes[] = {
	{"q4_k_m", WTYPE_Q4_K, WTYPE_Q6_K},
	{"q5_k_m", WTYPE_Q5_K, WTYPE_Q6_K},
};

enum { TENSORS_PER_LAYER = 14, TENSORS_BESIDES = 3, TENSOR_ALIGN = 4096 };

/* ---- The specification ------------------------------------------------------------------------------------------- */

/* Appends to the names that an error lists; what does not fit is left out. */
static void append(char *list, size_t cap, const char *name)
{
	size_t n = strlen(list);
	snprintf(list + n, cap - n, "%s%s", n ? ", " : "", name);
}

static int find_shape(const char *spec, size_t bytes, const struct shape **shape, struct kvik_err *err)
{
	char known[400] = "";
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		if (strlen(shapes[i].name) == bytes && memcmp(shapes[i].name, spec, bytes) == 0) {
			*shape = &shapes[i];
			return 0;
		}
		append(known, sizeof known, shapes[i].name);
	}
	return err_set(err, KVIK_ERR_ARG, "synthetic model '%.60s': no such shape; write SHAPE:TYPE, SHAPE one of %s",
		       spec, known);
}

static int find_mix(const char *spec, const char *type, struct mix *mix, struct kvik_err *err)
{
	char known[300] = "";
	for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
		if (strcasecmp(mixes[i].name, type) == 0) {
			*mix = mixes[i];
			return 0;
		}
		append(known, sizeof known, mixes[i].name);
	}
	for (int t = 0; t < WTYPE_COUNT; t++) {
		const char *name = wtype_name((enum wtype)t);
		if (strcasecmp(name, type) == 0) {
			*mix = (struct mix){name, (enum wtype)t, (enum wtype)t};
			return 0;
		}
		append(known, sizeof known, name);
	}
	return err_set(err, KVIK_ERR_ARG, "synthetic model '%.60s': no such type; write SHAPE:TYPE, TYPE one of %s",
		       spec, known);
}

static int parse(const char *spec, const struct shape **shape, struct mix *mix, struct kvik_err *err)
{
	const char *colon = strchr(spec, ':');
	int rc = find_shape(spec, colon ? (size_t)(colon - spec) : strlen(spec), shape, err);
	return rc ? rc : find_mix(spec, colon ? colon + 1 : "q4_0", mix, err);
}

/* ---- Configuration ----------------------------------------------------------------------------------------------- */

/* As the config.json of such a model; -1: no memory. */
static int set_config(struct source *s, const struct shape *p)
{
	int bad = 0;
	json_t *c =
		json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:b}", "model_type", p->model_type,
			  "num_hidden_layers", (int)p->layers, "hidden_size", (int)p->dim, "num_attention_heads",
			  (int)p->heads, "num_key_value_heads", (int)p->kv_heads, "head_dim", (int)p->head_dim,
			  "intermediate_size", (int)p->ffn_dim, "vocab_size", (int)p->vocab, "max_position_embeddings",
			  (int)p->context, "rms_norm_eps", p->eps, "tie_word_embeddings", (int)p->tied);
	json_t *rope = json_pack("{s:s, s:f}", "rope_type", p->llama3 ? "llama3" : "default", "rope_theta", p->theta);
	if (p->llama3)
		bad |= json_object_update_new(rope, json_pack("{s:f, s:f, s:f, s:i}", "factor", (double)p->llama3,
							      "low_freq_factor", 1.0, "high_freq_factor", 4.0,
							      "original_max_position_embeddings", 8192));
	bad |= json_object_set_new(c, "rope_parameters", rope);
	if (p->window) {
		json_t *types = json_array();
		for (uint32_t l = 0; l < p->layers; l++) {
			bool full = p->full_every && (l + 1) % p->full_every == 0;
			bad |= json_array_append_new(types, json_string(full ? "full_attention" : "sliding_attention"));
		}
		bad |= json_object_set_new(c, "sliding_window", json_integer(p->window));
		bad |= json_object_set_new(c, "layer_types", types);
	} else if (strcmp(p->model_type, "mistral") == 0) {
		bad |= json_object_set_new(c, "sliding_window", json_null());
	}
	s->config = c;
	return bad || !c ? -1 : 0;
}

/* ---- Tensors ----------------------------------------------------------------------------------------------------- */

/* The type of a matrix whose rows have cols elements. */
static enum wtype fitting(enum wtype want, uint64_t cols)
{
	if (cols % wtype_block_elems(want) == 0)
		return want;
	switch (want) {
	case WTYPE_Q4_K: return WTYPE_Q5_0;
	case WTYPE_Q5_K: return WTYPE_Q5_1;
	case WTYPE_Q6_K: return WTYPE_Q8_0;
	default: return WTYPE_IQ4_NL;
	}
}

/* The output matrix, or the embedding that doubles as one. */
static enum wtype output_type(const struct mix *mix)
{
	bool small = wtype_block_elems(mix->base) > 1 && mix->base != WTYPE_Q8_0;
	return small ? WTYPE_Q6_K : mix->base;
}

/* Whether llama-quantize spends more bits on attn_v and ffn_down of this layer. */
static bool more_bits(uint32_t layer, uint32_t layers)
{
	return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

__attribute__((format(printf, 5, 6))) static void add(struct source *s, enum wtype type, uint64_t cols, uint64_t rows,
						      const char *name, ...)
{
	struct source_tensor *t = &s->tensors[s->n_tensors++];
	type = fitting(type, cols);
	*t = (struct source_tensor){.type = type, .n_dims = rows > 1 ? 2 : 1, .dims = {cols, rows, 1, 1}};
	t->bytes = cols / wtype_block_elems(type) * wtype_block_bytes(type) * rows;
	va_list ap;
	va_start(ap, name);
	vsnprintf(t->name, sizeof t->name, name, ap);
	va_end(ap);
}

static void add_layer(struct source *s, const struct shape *p, const struct mix *mix, uint32_t l)
{
	enum wtype more = more_bits(l, p->layers) ? mix->more : mix->base;
	uint64_t q = (uint64_t)p->heads * p->head_dim, kv = (uint64_t)p->kv_heads * p->head_dim;
	add(s, WTYPE_F32, p->dim, 1, "blk.%u.attn_norm.weight", l);
	add(s, mix->base, p->dim, q, "blk.%u.attn_q.weight", l);
	add(s, mix->base, p->dim, kv, "blk.%u.attn_k.weight", l);
	add(s, more, p->dim, kv, "blk.%u.attn_v.weight", l);
	add(s, mix->base, q, p->dim, "blk.%u.attn_output.weight", l);
	if (strcmp(p->model_type, "qwen2") == 0) {
		add(s, WTYPE_F32, q, 1, "blk.%u.attn_q.bias", l);
		add(s, WTYPE_F32, kv, 1, "blk.%u.attn_k.bias", l);
		add(s, WTYPE_F32, kv, 1, "blk.%u.attn_v.bias", l);
	}
	if (strcmp(p->model_type, "qwen3") == 0) {
		add(s, WTYPE_F32, p->head_dim, 1, "blk.%u.attn_q_norm.weight", l);
		add(s, WTYPE_F32, p->head_dim, 1, "blk.%u.attn_k_norm.weight", l);
	}
	add(s, WTYPE_F32, p->dim, 1, "blk.%u.ffn_norm.weight", l);
	add(s, mix->base, p->dim, p->ffn_dim, "blk.%u.ffn_gate.weight", l);
	add(s, mix->base, p->dim, p->ffn_dim, "blk.%u.ffn_up.weight", l);
	add(s, more, p->ffn_dim, p->dim, "blk.%u.ffn_down.weight", l);
}

static int list_tensors(struct source *s, const struct shape *p, const struct mix *mix, struct kvik_err *err)
{
	int rc = source_grow(s, (size_t)p->layers * TENSORS_PER_LAYER + TENSORS_BESIDES, err);
	if (rc)
		return rc;
	add(s, p->tied ? output_type(mix) : mix->base, p->dim, p->vocab, "token_embd.weight");
	for (uint32_t l = 0; l < p->layers; l++)
		add_layer(s, p, mix, l);
	add(s, WTYPE_F32, p->dim, 1, "output_norm.weight");
	if (!p->tied)
		add(s, output_type(mix), p->dim, p->vocab, "output.weight");
	return 0;
}

/* Bytes that a tensor has in the region: whole pages, so that dropping it touches no other. */
static uint64_t room_of(const struct source_tensor *t)
{
	return (t->bytes + TENSOR_ALIGN - 1) / TENSOR_ALIGN * TENSOR_ALIGN;
}

static int place_tensors(struct source *s, struct kvik_err *err)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < s->n_tensors; i++)
		bytes += room_of(&s->tensors[i]);
	int rc = region_new(&s->region, bytes, s->path, err);
	const uint8_t *at = s->region.data;
	for (size_t i = 0; i < s->n_tensors && !rc; i++) {
		s->tensors[i].data = at;
		at += room_of(&s->tensors[i]);
	}
	return rc;
}

void source_fill_synthetic(const struct source *s, const struct source_tensor *t)
{
	uint64_t seed = s->seed + (uint64_t)(t - s->tensors);
	uint8_t *to = s->region.data + (t->data - s->region.data);
	if (strstr(t->name, "norm.weight"))
		synthetic_fill_norm((float *)(void *)to, t->dims[0], seed);
	else
		synthetic_fill(t->type, to, t->dims[0] * t->dims[1], seed);
}

int source_make_synthetic(struct source *s, uint64_t seed, struct kvik_err *err)
{
	const struct shape *shape = NULL;
	struct mix mix = {0};
	int rc = parse(s->path, &shape, &mix, err);
	if (rc)
		return rc;
	if (set_config(s, shape) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", s->path);
	rc = list_tensors(s, shape, &mix, err);
	s->seed = seed;
	return rc ? rc : place_tensors(s, err);
}
