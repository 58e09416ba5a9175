/* test_load.c: a model that does not fit its hyperparameters, lacks a tensor or has one too many is refused by a text
 * that names it; every allocation may fail. Files are the good ones of data/ with a few bytes changed. */
#include "golden.h"

#include "base/mem.h"

struct bytes {
	uint8_t *data;
	size_t n;
};

static struct bytes file_bytes(const char *path)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	struct bytes b = {.n = (size_t)ftell(f)};
	b.data = malloc(b.n);
	rewind(f);
	assert_int_equal(fread(b.data, 1, b.n, f), b.n);
	fclose(f);
	return b;
}

static uint8_t *find(const struct bytes *b, const char *text)
{
	uint8_t *at = memmem(b->data, b->n, text, strlen(text));
	assert_non_null(at);
	return at;
}

/* to: as long as from */
static void rename_to(const struct bytes *b, const char *from, const char *to)
{
	memcpy(find(b, from), to, strlen(to));
}

/* The value of a u32 or f32 key lies behind the key and its type. */
static void set_key(const struct bytes *b, const char *key, const void *value)
{
	memcpy(find(b, key) + strlen(key) + 4, value, 4);
}

static void set_u32(const struct bytes *b, const char *key, uint32_t value)
{
	set_key(b, key, &value);
}

/* Opens and loads; returns the code. */
static int load(const struct bytes *b, struct kvik_err *err)
{
	struct source *s = NULL;
	struct model *m = NULL;
	struct model_params p = {.quantize = -1};
	assert_int_equal(device_new(&p.device, &backend_cpu, NULL, 2, NULL), 0);
	int rc = source_open_memory(&s, b->data, b->n, "bad.gguf", err);
	if (!rc)
		rc = model_load(&m, s, &p, err);
	assert_true((rc == 0) == (m != NULL));
	model_free(m);
	source_free(s);
	device_free(p.device);
	return rc;
}

static void refused(struct bytes *b, int code, const char *text)
{
	struct kvik_err err = {0};
	int rc = load(b, &err);
	if (rc != code || !strstr(err.text, text) || !strstr(err.text, "bad.gguf"))
		fail_msg("code %d, text '%s'; expected %d, '%s'", rc, err.text, code, text);
	free(b->data);
}

static void tensors_must_be_those_of_the_architecture(void **state)
{
	(void)state;
	struct bytes b = file_bytes(DATA "llama-mqa-bias.gguf");
	rename_to(&b, "blk.1.ffn_norm.weight", "blk.1.ffn_nork.weight");
	refused(&b, KVIK_ERR_FORMAT, "'blk.1.ffn_norm.weight' is missing");

	b = file_bytes(DATA "llama-mqa-bias.gguf");
	rename_to(&b, "output_norm.weight", "output_narm.weight");
	refused(&b, KVIK_ERR_FORMAT, "'output_norm.weight' is missing");

	b = file_bytes(DATA "llama-mqa-bias.gguf"); /* its biases are optional, so this one is only left over */
	rename_to(&b, "blk.0.ffn_up.bias", "blk.0.ffn_ap.bias");
	refused(&b, KVIK_ERR_UNSUPPORTED, "'blk.0.ffn_ap.bias' has no place");

	b = file_bytes(DATA "qwen2.gguf"); /* here they are not */
	rename_to(&b, "blk.1.attn_k.bias", "blk.1.attn_x.bias");
	refused(&b, KVIK_ERR_FORMAT, "'blk.1.attn_k.bias' is missing");

	b = file_bytes(DATA "qwen3.gguf");
	rename_to(&b, "blk.0.attn_q_norm.weight", "blk.0.attn_q_nurm.weight");
	refused(&b, KVIK_ERR_FORMAT, "'blk.0.attn_q_norm.weight' is missing");

	b = file_bytes(DATA "llama-llama3.gguf");
	float zero = 0;
	struct source *s;
	assert_int_equal(source_open_memory(&s, b.data, b.n, "x", NULL), 0);
	memcpy((uint8_t *)(uintptr_t)source_find(s, "rope_freqs.weight")->data + 8, &zero, 4);
	source_free(s);
	refused(&b, KVIK_ERR_FORMAT, "rope_freqs.weight");
}

static void sizes_must_agree(void **state)
{
	static const struct {
		const char *key;
		uint32_t value;
		const char *text;
	} cases[] = {
		{"llama.block_count", 1, "'blk.1."}, /* left over */
		{"llama.block_count", 3, "'blk.2.attn_norm.weight' is missing"},
		{"llama.block_count", 0, "layers"},
		{"llama.block_count", 100000, "layers"},
		{"llama.embedding_length", 64, "'token_embd.weight' has 96 rows of 32"},
		{"llama.feed_forward_length", 49, "'blk.0.ffn_gate.weight' has 48 rows of 32"},
		{"llama.attention.head_count", 3, "head"},
		{"llama.attention.head_count", 8, "'blk.0.attn_q.weight'"},
		{"llama.attention.head_count_kv", 3, "share"},
		{"llama.attention.head_count_kv", 0, "KV heads"},
		{"llama.attention.key_length", 8, "length"},
		{"llama.rope.dimension_count", 7, "even"},
		{"llama.rope.dimension_count", 18, "rotated"},
		{"llama.rope.dimension_count", 0, "rotated"},
		{"llama.rope.freq_base", 0, "theta"},
		{"llama.rope.freq_base", 0x7f800000, "theta"},                     /* infinity */
		{"llama.attention.layer_norm_rms_epsilon", 0x7fc00000, "epsilon"}, /* not a number */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes b = file_bytes(DATA "llama-partial.gguf");
		struct kvik_err err = {0};
		set_u32(&b, cases[i].key, cases[i].value);
		if (load(&b, &err) == 0 || !strstr(err.text, cases[i].text) || !strstr(err.text, "bad.gguf"))
			fail_msg("%s = %u: '%s', expected '%s'", cases[i].key, cases[i].value, err.text, cases[i].text);
		free(b.data);
	}
}

/* All that a user of the room allocates, once; the first error is returned. */
static int load_all(const char *path, struct device *device, bool quantized, struct kvik_err *err)
{
	struct source *s = NULL;
	struct model *m = NULL;
	struct model_work *w = NULL;
	struct model_params p = {.device = device, .int8 = true, .quantize = quantized ? WTYPE_Q8_0 : -1};
	int rc = source_open(&s, path, err);
	if (!rc)
		rc = model_load(&m, s, &p, err);
	if (!rc)
		rc = model_work_new(&w, m, 32, 4, err);
	model_work_free(w);
	model_free(m);
	source_free(s);
	return rc;
}

static void every_allocation_may_fail(void **state)
{
	static const char *const paths[] = {DATA "llama-llama3.gguf", DATA "llama-q8_0.gguf", DATA "qwen2",
					    DATA "qwen3moe", DATA "deepseek3"};
	struct device *device;
	(void)state;
	assert_int_equal(device_new(&device, &backend_cpu, NULL, 2, NULL), 0);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		int rc = KVIK_ERR_NOMEM;
		long n = 1;
		for (; n < 1000 && rc; n++) {
			struct kvik_err err = {0};
			mem_fail_at(n);
			rc = load_all(paths[i], device, true, &err);
			mem_fail_at(0);
			if (rc && (rc != KVIK_ERR_NOMEM || err.text[0] == '\0'))
				fail_msg("%s: allocation %ld failed: code %d, '%s'", paths[i], n, rc, err.text);
		}
		assert_int_equal(rc, 0);
		assert_true(n > 10);
	}
	device_free(device);
}

static void parameters_are_counted(void **state)
{
	(void)state;
	struct runner r;
	runner_open(&r, &(struct runner_params){.path = DATA "qwen2"});
	const struct hparams *h = model_hparams(r.model);
	const struct attention_spec *a = &h->layers[0].attention;
	uint64_t q = (uint64_t)a->heads * a->head_dim, kv = (uint64_t)a->kv_heads * a->head_dim;
	uint64_t layer = h->dim * (2 + 2 * q + 2 * kv + 3 * (uint64_t)h->layers[0].ffn.dim) + q + 2 * kv;
	assert_int_equal(model_parameters(r.model), h->n_layers * layer + (uint64_t)h->n_vocab * h->dim + h->dim);
	assert_true(model_weight_bytes(r.model) >= 2 * model_parameters(r.model));
	runner_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_must_be_those_of_the_architecture),
		cmocka_unit_test(sizes_must_agree),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(parameters_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
