/* test_kvplan.c: what the plan says a sequence costs, against what the cache takes for it; layers by window in groups.
 * The seed is printed; KVIK_SEED repeats a run. */
#include "../kernels/check.h"

#include "model/kvplan.h"

static struct hparams random_hparams(void)
{
	static const uint32_t windows[] = {0, 1, 16, 33, 100};
	struct hparams h = {.n_layers = 1 + random_below(4)};
	struct attention_spec a = {.kv_heads = 1 + random_below(3), .head_dim = 2 * (1 + random_below(64))};
	for (uint32_t l = 0; l < h.n_layers; l++) {
		h.layers[l].attention = a;
		h.layers[l].attention.window = windows[random_below(5)];
	}
	return h;
}

static uint64_t used(const struct kv *kv, uint32_t n_groups)
{
	struct kv_stats s = kv_stats(kv);
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < n_groups; g++)
		bytes += s.group[g].bytes_used;
	return bytes;
}

/* The most that a sequence of so many tokens holds, computed in chunks but for a first step of `first`. */
static uint64_t measure(const struct kvplan *p, uint32_t tokens, uint32_t chunk, uint32_t first)
{
	struct kv_config c = {
		.memory_bytes = 1 << 30, .n_groups = p->n_groups, .groups = p->desc, .seq_tokens_max = tokens};
	struct kv *kv;
	struct kv_seq *seq;
	uint64_t most = 0;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	assert_int_equal(kv_seq_new(&seq, kv, NULL), 0);
	for (uint32_t at = 0, n; at < tokens; at += n) {
		n = at == 0 ? first : chunk;
		n = n < tokens - at ? n : tokens - at;
		assert_int_equal(kv_reserve(kv, seq, n, NULL), 0);
		uint64_t now = used(kv, p->n_groups);
		most = now > most ? now : most;
		kv_commit(kv, seq, n);
	}
	kv_free(kv);
	return most;
}

/* The plan is for any position of the chunks in the pages; one of these is the worst. */
static uint64_t measure_worst(const struct kvplan *p, uint32_t tokens, uint32_t chunk)
{
	uint64_t most = 0;
	for (uint32_t first = 1; first <= KV_PAGE_TOKENS && first <= chunk; first++) {
		uint64_t held = measure(p, tokens, chunk, first);
		most = held > most ? held : most;
	}
	return most;
}

static void costs_what_the_plan_says(void **state)
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		struct hparams h = random_hparams();
		struct kvplan_params params = {.k = (enum kv_dtype)random_below(KV_DTYPE_COUNT),
					       .v = (enum kv_dtype)random_below(KV_DTYPE_COUNT),
					       .window = random_below(2) * random_below(200),
					       .sinks = random_below(40)};
		struct kvplan p;
		bool whole = round % 2; /* long enough for the worst case to come about */
		uint32_t tokens = whole ? 900 : 1 + random_below(400);
		uint32_t chunk = KV_PAGE_TOKENS + random_below(100);
		assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
		uint64_t said = kvplan_seq_bytes(&p, tokens, chunk, 0), held = measure_worst(&p, tokens, chunk);
		bool exact = whole && p.n_groups == 1; /* several are not at their worst at once */
		if (held > said || (exact && held < said))
			fail_msg("%u tokens in chunks of %u, window %u, sinks %u: said %llu bytes, held %llu", tokens,
				 chunk, params.window, params.sinks, (unsigned long long)said,
				 (unsigned long long)held);
	}
}

/* Layers of one shape. */
static struct hparams with_windows(uint32_t n_layers, uint32_t kv_heads, uint32_t head_dim, const uint32_t *windows)
{
	struct hparams h = {.n_layers = n_layers};
	for (uint32_t l = 0; l < n_layers; l++)
		h.layers[l].attention =
			(struct attention_spec){.kv_heads = kv_heads, .head_dim = head_dim, .window = windows[l]};
	return h;
}

static void shapes_make_groups(void **state)
{
	(void)state;
	struct hparams h = with_windows(4, 2, 8, (const uint32_t[]){0, 64, 0, 64});
	struct kvplan p;
	h.layers[2].attention.head_dim = 16;
	h.layers[3].attention.kv_heads = 1;
	assert_int_equal(kvplan_init(&p, &h, &(struct kvplan_params){.k = KV_F16, .v = KV_F16}, NULL), 0);
	assert_int_equal(p.n_groups, 4);
	for (uint32_t l = 0; l < 4; l++) {
		assert_int_equal(p.layout[p.group[l]].head_dim, h.layers[l].attention.head_dim);
		assert_int_equal(p.layout[p.group[l]].kv_heads, h.layers[l].attention.kv_heads);
	}
	assert_int_equal(kvplan_token_bytes(&p), 2 * 2 * (2 * 8 + 2 * 8 + 2 * 16 + 8));
}

static void windows_make_groups(void **state)
{
	(void)state;
	struct hparams h = with_windows(5, 2, 8, (const uint32_t[]){0, 64, 0, 64, 32});
	struct kvplan p;
	struct kvplan_params params = {.k = KV_F16, .v = KV_INT8, .sinks = 4};
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
	assert_int_equal(p.n_groups, 3);
	assert_int_equal(p.group[0], p.group[2]);
	assert_int_equal(p.index[3], 1);
	assert_int_equal(p.desc[p.group[0]].sinks, 0);
	assert_int_equal(p.desc[p.group[4]].window, 32);
	assert_int_equal(p.desc[p.group[4]].sinks, 4);
	assert_int_equal(kvplan_token_bytes(&p), 5 * 2 * (8 * 2 + 8 + 4));
	params.window = 48; /* the smaller one counts */
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
	assert_int_equal(p.n_groups, 2);
	assert_int_equal(p.desc[p.group[1]].window, 48);
	struct kvik_err err;
	h.n_layers = 20;
	for (uint32_t l = 0; l < 20; l++)
		h.layers[l].attention = (struct attention_spec){.kv_heads = 2, .head_dim = 8, .window = l + 1};
	assert_int_equal(kvplan_init(&p, &h, &(struct kvplan_params){0}, &err), KVIK_ERR_LIMIT);
}

static void exempt_layers_make_groups(void **state)
{
	(void)state;
	struct hparams h = with_windows(6, 2, 32, (const uint32_t[]){0, 64, 0, 64, 0, 64});
	struct kvik_layers exempt[] = {{0, 1}, {-1, -1}};
	struct kvplan_params params = {
		.k = KV_INT8, .v = KV_INT4, .exempt = exempt, .n_exempt = 2, .exempt_k = KV_F16, .exempt_v = KV_F32};
	struct kvplan p;
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
	assert_int_equal(p.n_groups, 4); /* full and window, each in both dtypes */
	for (uint32_t l = 0; l < 6; l++) {
		bool is = l < 2 || l == 5;
		const struct kv_layout *layout = &p.layout[p.group[l]];
		assert_true(layout->k == (is ? KV_F16 : KV_INT8) && layout->v == (is ? KV_F32 : KV_INT4));
		assert_int_equal(p.desc[p.group[l]].window, h.layers[l].attention.window);
		assert_int_equal(p.desc[p.group[l]].page_bytes, layout->page_bytes);
	}
	assert_int_equal(p.index[5], 1);
	assert_int_equal(p.layout[p.group[5]].layers, 2);
	assert_int_equal(kvplan_token_bytes(&p), 2 * (3 * 32 * (2 + 4) + 3 * (32 + 4 + 20)));
	static const struct kvik_layers wrong[] = {{6, 6}, {-7, -1}, {3, 2}, {-1, 0}, {0, 6}};
	struct kvik_err err;
	params.n_exempt = 1;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		params.exempt = &wrong[i];
		assert_int_equal(kvplan_init(&p, &h, &params, &err), KVIK_ERR_ARG);
	}
}

/* Layers that keep a state share the last group: one page for all of them. */
static void states_are_one_page(void **state)
{
	(void)state;
	struct hparams h = with_windows(4, 2, 8, (const uint32_t[]){0, 0, 0, 64});
	struct delta_spec small = {.k_heads = 1, .v_heads = 2, .k_dim = 5, .v_dim = 17, .taps = 3};
	struct delta_spec large = {.k_heads = 2, .v_heads = 2, .k_dim = 16, .v_dim = 16, .taps = 4};
	struct kvplan_params params = {.k = KV_F16, .v = KV_F16};
	struct kvplan p;
	h.layers[0] = (struct layer_spec){.mixer = MIXER_DELTA, .delta = small};
	h.layers[2] = (struct layer_spec){.mixer = MIXER_DELTA, .delta = large};
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
	assert_true(p.n_groups == 3 && p.state_group == 2 && p.group[0] == 2 && p.group[2] == 2);
	/* two inputs of 44 channels, rounded up to 96; two heads of two tiles of 5 by 16 */
	uint64_t first = (96 + 2 * 2 * 5 * 16) * 4, second = (3 * 96 + 2 * 16 * 16) * 4;
	assert_true(p.state_at[0] == 0 && p.state_at[2] == first);
	assert_int_equal(p.desc[2].page_bytes, first + second);
	assert_int_equal(kv_kind(&p.desc[2]), KV_KIND_STATE);
	assert_int_equal(kvplan_token_bytes(&p), 2 * 2 * 2 * 8 * 2);
	assert_true(kvplan_state_bytes(&p) >= first + second);
	struct kvik_layers exempt = {0, 0};
	params.exempt = &exempt;
	params.n_exempt = 1;
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), KVIK_ERR_ARG);
	exempt.last = 1;
	assert_int_equal(kvplan_init(&p, &h, &params, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs_what_the_plan_says), cmocka_unit_test(windows_make_groups),
		cmocka_unit_test(shapes_make_groups),       cmocka_unit_test(exempt_layers_make_groups),
		cmocka_unit_test(states_are_one_page),
	};
	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
