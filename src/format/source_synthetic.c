/* source_synthetic.c: a model of a real shape with random weights, in memory: for benchmarks without downloads.
 *
 * A shape is a config.json; which tensors belong to it the architecture says, by asking for them (model/synthetic.h).
 * They are listed first, then one region gives them their places; their bytes are made when they are needed. A mix
 * such as q4_k_m keeps the tensors at Q6_K that llama.cpp's llama-quantize keeps there, so that speeds compare; types
 * whose block does not divide a row fall back as they do there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/embed.h"
#include "format/hf_json.h"
#include "format/source_impl.h"
#include "format/synthetic.h"

EMBED_FILE(shapes, KVIK_SHAPES_PATH);

static const struct {
	const char *name;
	struct synthetic_types types;
} mixes[] = {
	{"q4_k_m", {WTYPE_Q4_K, WTYPE_Q6_K, WTYPE_Q4_K}},
	{"q5_k_m", {WTYPE_Q5_K, WTYPE_Q6_K, WTYPE_Q5_K}},
};

enum { TENSORS_PER_LAYER = 64, TENSORS_BESIDES = 16, TENSOR_ALIGN = 4096 };

/* ---- The specification ------------------------------------------------------------------------------------------- */

/* Appends to the names that an error lists; what does not fit is left out. */
static void append(char *list, size_t cap, const char *name)
{
	size_t n = strlen(list);
	snprintf(list + n, cap - n, "%s%s", n ? ", " : "", name);
}

/* A copy of the shape's configuration. */
static int find_shape(json_t **config, const json_t *shapes, const char *spec, size_t bytes, struct kvik_err *err)
{
	char known[600] = "";
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)shapes, name, v)
	{
		if (strlen(name) == bytes && memcmp(name, spec, bytes) == 0) {
			*config = json_deep_copy(v);
			return *config ? 0 : err_set(err, KVIK_ERR_NOMEM, "%s: no memory", spec);
		}
		append(known, sizeof known, name);
	}
	return err_set(err, KVIK_ERR_ARG, "synthetic model '%.60s': no such shape; write SHAPE:TYPE, SHAPE one of %s",
		       spec, known);
}

static int find_types(struct synthetic_types *types, const char *spec, const char *type, struct kvik_err *err)
{
	char known[300] = "";
	for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
		if (strcasecmp(mixes[i].name, type) == 0) {
			*types = mixes[i].types;
			return 0;
		}
		append(known, sizeof known, mixes[i].name);
	}
	for (int t = 0; t < WTYPE_COUNT; t++) {
		const char *name = wtype_name((enum wtype)t);
		if (strcasecmp(name, type) == 0) {
			*types = (struct synthetic_types){(enum wtype)t, (enum wtype)t, (enum wtype)t};
			return 0;
		}
		append(known, sizeof known, name);
	}
	return err_set(err, KVIK_ERR_ARG, "synthetic model '%.60s': no such type; write SHAPE:TYPE, TYPE one of %s",
		       spec, known);
}

/* ---- Configuration ----------------------------------------------------------------------------------------------- */

/* layer_types: n becomes a list in which each n-th is full. */
static int expand_layer_types(json_t *config, json_int_t layers)
{
	json_t *every = json_object_get(config, "layer_types"), *list;
	if (!json_is_integer(every))
		return 0;
	json_int_t n = json_integer_value(every);
	int bad = (list = json_array()) ? 0 : -1;
	for (json_int_t l = 1; l <= layers && !bad; l++)
		bad = json_array_append_new(list,
					    json_string(n && l % n == 0 ? "full_attention" : "sliding_attention"));
	return bad || json_object_set(config, "layer_types", list) ? (json_decref(list), -1) : (json_decref(list), 0);
}

static bool has_experts(const json_t *config)
{
	static const char *const names[] = {"num_experts", "num_local_experts", "n_routed_experts"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (json_integer_value(json_object_get(config, names[i])) > 0)
			return true;
	return false;
}

/* Of SHAPE@LAYERS: the first of its layers. */
static int cut_layers(json_t *config, const char *at, const char *spec, struct kvik_err *err)
{
	json_int_t layers = json_integer_value(json_object_get(config, "num_hidden_layers"));
	char *end;
	long n = strtol(at, &end, 10);
	if (end == at || (*end && *end != ':') || n < 1 || n > layers)
		return err_set(err, KVIK_ERR_ARG, "synthetic model '%.60s': the layers after '@' must be 1 to %d", spec,
			       (int)layers);
	return json_integer_set(json_object_get(config, "num_hidden_layers"), n);
}

static int read_spec(struct source *s, const json_t *shapes, struct kvik_err *err)
{
	const char *spec = s->path, *colon = strchr(spec, ':');
	size_t shape = strcspn(spec, "@:");
	struct synthetic *y = &s->synthetic;
	int rc = find_shape(&s->config, shapes, spec, shape, err);
	if (!rc && spec[shape] == '@')
		rc = cut_layers(s->config, spec + shape + 1, spec, err);
	if (!rc)
		rc = find_types(&y->types, spec, colon ? colon + 1 : "q4_0", err);
	if (rc)
		return rc;
	y->layers = (uint32_t)json_integer_value(json_object_get(s->config, "num_hidden_layers"));
	y->tied = json_is_true(json_object_get(s->config, "tie_word_embeddings"));
	if (y->types.base == WTYPE_MXFP4 && has_experts(s->config)) /* as such models are published */
		y->types.base = y->types.more = WTYPE_Q8_0;
	if (expand_layer_types(s->config, y->layers) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", spec);
	return source_grow(s, (size_t)y->layers * TENSORS_PER_LAYER + TENSORS_BESIDES, err);
}

int source_begin_synthetic(struct source **out, const char *spec, uint64_t seed, struct kvik_err *err)
{
	struct source *s;
	json_t *shapes = NULL;
	int rc = source_new(&s, spec, err);
	*out = NULL;
	if (rc)
		return rc;
	s->synthetic.seed = seed;
	rc = hf_json_load(&shapes, (const char *)embed_shapes_begin, (size_t)(embed_shapes_end - embed_shapes_begin),
			  "synthetic_shapes.json", err);
	if (!rc)
		rc = read_spec(s, shapes, err);
	json_decref(shapes);
	if (rc)
		source_free(s);
	else
		*out = s;
	return rc;
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
static enum wtype output_type(const struct synthetic_types *types)
{
	bool small = wtype_block_elems(types->base) > 1 && types->base != WTYPE_Q8_0;
	return small ? WTYPE_Q6_K : types->base;
}

/* Whether llama-quantize spends more bits on attn_v and ffn_down of this layer. */
static bool more_bits(uint32_t layer, uint32_t layers)
{
	return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static enum wtype matrix_type(const struct synthetic *y, int layer, const char *name)
{
	bool precious = strncmp(name, "attn_v.", 7) == 0 || strncmp(name, "ffn_down", 8) == 0;
	if (strcmp(name, "output.weight") == 0 || (y->tied && strcmp(name, "token_embd.weight") == 0))
		return output_type(&y->types);
	if (strncmp(name, "ffn_gate_inp", 12) == 0) /* a router */
		return WTYPE_F32;
	if (layer >= 0 && precious && more_bits((uint32_t)layer, y->layers) && y->types.more != y->types.base)
		return y->types.more;
	return strstr(name, "_exps.") ? y->types.experts : y->types.base;
}

const struct source_tensor *source_describe(struct source *s, int layer, const char *name, const uint64_t dims[3],
					    bool floats)
{
	struct source_tensor *t = &s->tensors[s->n_tensors];
	bool matrix = !floats && dims[1] * dims[2] > 1;
	enum wtype type = matrix ? fitting(matrix_type(&s->synthetic, layer, name), dims[0]) : WTYPE_F32;
	if (s->n_tensors == s->cap_tensors)
		return NULL;
	*t = (struct source_tensor){.type = type, .dims = {dims[0], dims[1], dims[2], 1}};
	t->n_dims = dims[2] > 1 ? 3 : dims[1] > 1 ? 2 : 1;
	t->bytes = dims[0] / wtype_block_elems(type) * wtype_block_bytes(type) * dims[1] * dims[2];
	if (layer < 0)
		snprintf(t->name, sizeof t->name, "%s", name);
	else
		snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, name);
	for (size_t i = 0; i < s->n_tensors; i++)
		if (strcmp(s->tensors[i].name, t->name) == 0)
			return &s->tensors[i];
	s->n_tensors++;
	return t;
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
	uint64_t seed = s->synthetic.seed + (uint64_t)(t - s->tensors);
	uint8_t *to = s->region.data + (t->data - s->region.data);
	if (t->n_dims == 1 && (strstr(t->name, "norm") || strstr(t->name, ".scale")))
		synthetic_fill_norm((float *)(void *)to, t->dims[0], seed);
	else
		synthetic_fill(t->type, to, t->dims[0] * t->dims[1] * t->dims[2], seed);
}

int source_end_synthetic(struct source *s, struct kvik_err *err)
{
	int rc = place_tensors(s, err);
	return rc ? rc : source_index(s, err);
}
