/* test_newcomer.c: an architecture that kvik does not have is added, whole, in this file: layers with attention to
 * everything and through two windows, one gated delta net, feed-forwards of 4 experts beside a dense one. Its models
 * then go through all that an engine and sessions do with a cache; one hash of logits over all paths (promise P1), and
 * counters that prove each path was taken. A made-up model is all it takes, since the oracle is the same request alone. */
#include <math.h>

#include "paths.h"

#include "../format/make.h"
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

/* ---- The architecture -------------------------------------------------------------------------------------------- */

enum { DIM = 32, VOCAB = 96, LAYERS = 5, FFN = 48, EXPERTS = 4, RECURRENT = 1 };

static const struct delta_spec delta = {.k_heads = 2, .v_heads = 4, .k_dim = 12, .v_dim = 20, .taps = 4};
static const uint32_t windows[LAYERS] = {0, 0, 24, 0, 70};

static void read_newcomer(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {0};
	struct layer_spec l = {.attention.qk_norm = true, .ffn.biases = BIASES_NONE};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	l.experts = (struct experts_spec){.n = EXPERTS, .used = 2, .dim = 24, .routing.normalize = true};
	hparams_fill(h, &l);
	for (uint32_t i = 0; i < h->n_layers && i < LAYERS; i++) {
		h->layers[i].attention.window = windows[i];
		h->layers[i].attention.gated = i == 3;
		h->layers[i].ffn_kind = i == 0 ? FFN_DENSE : FFN_EXPERTS;
	}
	h->layers[RECURRENT].mixer = MIXER_DELTA;
	h->layers[RECURRENT].attention = (struct attention_spec){0};
	h->layers[RECURRENT].delta = delta;
}

static const struct arch newcomer = {
	.name = "newcomer", .read = read_newcomer, .bind = bind_layer, .layer = block_layer};

/* ---- A model of it ----------------------------------------------------------------------------------------------- */

/* What is in the file: tensors in their order, with their place behind the head. */
struct tensors {
	struct buf *head; /* NULL: only counted */
	FILE *data;       /* NULL: not written yet */
	uint64_t at;
	uint32_t n, random;
};

static float noise(struct tensors *f)
{
	float sum = 0;
	for (int i = 0; i < 4; i++) {
		f->random = f->random * 1664525u + 1013904223u;
		sum += (float)(f->random >> 8) * 0x1p-24f - 0.5f;
	}
	return sum * 1.7f; /* of variance 1 */
}

/* value + noise * size; rows 0: a vector. */
static void tensor(struct tensors *f, int layer, const char *name, uint32_t cols, uint32_t rows, float value,
		   float size)
{
	char full[64];
	uint64_t n = (uint64_t)cols * (rows ? rows : 1);
	snprintf(full, sizeof full, layer < 0 ? "%s" : "blk.%2$d.%1$s", name, layer);
	if (f->head)
		put_tensor(f->head, full, 0, cols, rows, f->at);
	for (uint64_t i = 0; f->data && i < (n + 7) / 8 * 8; i++) {
		float x = i < n ? value + noise(f) * size : 0;
		assert_int_equal(fwrite(&x, sizeof x, 1, f->data), 1);
	}
	f->at += (n + 7) / 8 * 32;
	f->n++;
}

static void matrix(struct tensors *f, int layer, const char *name, uint32_t cols, uint32_t rows)
{
	tensor(f, layer, name, cols, rows, 0, 1.6f / sqrtf((float)cols));
}

static void attention_tensors(struct tensors *f, int i, const struct attention_spec *a)
{
	uint32_t q = a->heads * a->head_dim, kv = a->kv_heads * a->head_dim;
	matrix(f, i, "attn_q.weight", DIM, i == 3 ? 2 * q : q);
	matrix(f, i, "attn_k.weight", DIM, kv);
	matrix(f, i, "attn_v.weight", DIM, kv);
	matrix(f, i, "attn_output.weight", q, DIM);
	tensor(f, i, "attn_q_norm.weight", a->head_dim, 0, 1, 0.3f);
	tensor(f, i, "attn_k_norm.weight", a->head_dim, 0, 1, 0.3f);
}

static void delta_tensors(struct tensors *f, int i)
{
	uint32_t values = delta.v_heads * delta.v_dim;
	matrix(f, i, "attn_qkv.weight", DIM, delta_channels(&delta));
	matrix(f, i, "attn_gate.weight", DIM, values);
	matrix(f, i, "ssm_alpha.weight", DIM, delta.v_heads);
	matrix(f, i, "ssm_beta.weight", DIM, delta.v_heads);
	matrix(f, i, "ssm_out.weight", values, DIM);
	matrix(f, i, "ssm_conv1d.weight", delta.taps, delta_channels(&delta));
	tensor(f, i, "ssm_a", delta.v_heads, 0, -0.2f, 0.05f); /* it remembers for a while */
	tensor(f, i, "ssm_dt.bias", delta.v_heads, 0, 0, 0.5f);
	tensor(f, i, "ssm_norm.weight", delta.v_dim, 0, 1, 0.3f);
}

static void expert_tensors(struct tensors *f, int i)
{
	char name[32];
	static const char *const parts[] = {"gate", "up", "down"};
	matrix(f, i, "ffn_gate_inp.weight", DIM, EXPERTS);
	for (int p = 0; p < 3; p++) {
		snprintf(name, sizeof name, "ffn_%s_exps.weight", parts[p]);
		uint32_t cols = p == 2 ? 24 : DIM, rows = p == 2 ? DIM : 24;
		char full[64];
		uint64_t n = (uint64_t)cols * rows * EXPERTS;
		snprintf(full, sizeof full, "blk.%d.%s", i, name);
		if (f->head) {
			put_str(f->head, full);
			put_u32(f->head, 3);
			put_u64(f->head, cols);
			put_u64(f->head, rows);
			put_u64(f->head, EXPERTS);
			put_u32(f->head, 0);
			put_u64(f->head, f->at);
		}
		for (uint64_t k = 0; f->data && k < n; k++) {
			float x = noise(f) * 1.6f / sqrtf((float)cols);
			assert_int_equal(fwrite(&x, sizeof x, 1, f->data), 1);
		}
		f->at += n * 4;
		f->n++;
	}
}

static void all_tensors(struct tensors *f)
{
	static const struct attention_spec a = {.heads = 4, .kv_heads = 2, .head_dim = 16};
	tensor(f, -1, "token_embd.weight", DIM, VOCAB, 0, 1);
	tensor(f, -1, "output_norm.weight", DIM, 0, 1, 0.3f);
	matrix(f, -1, "output.weight", DIM, VOCAB);
	for (int i = 0; i < LAYERS; i++) {
		tensor(f, i, "attn_norm.weight", DIM, 0, 1, 0.3f);
		tensor(f, i, "ffn_norm.weight", DIM, 0, 1, 0.3f);
		if (i == RECURRENT)
			delta_tensors(f, i);
		else
			attention_tensors(f, i, &a);
		if (i > 0) {
			expert_tensors(f, i);
			continue;
		}
		matrix(f, i, "ffn_gate.weight", DIM, FFN);
		matrix(f, i, "ffn_up.weight", DIM, FFN);
		matrix(f, i, "ffn_down.weight", FFN, DIM);
	}
}

static void write_model(const char *path)
{
	static struct buf head;
	struct tensors f = {0};
	all_tensors(&f);
	put_head(&head, 3, f.n, 9);
	put_key_str(&head, "general.architecture", "newcomer");
	put_key_u32(&head, "newcomer.embedding_length", DIM);
	put_key_u32(&head, "newcomer.block_count", LAYERS);
	put_key_u32(&head, "newcomer.context_length", 4096);
	put_key_u32(&head, "newcomer.feed_forward_length", FFN);
	put_key_u32(&head, "newcomer.attention.head_count", 4);
	put_key_u32(&head, "newcomer.attention.head_count_kv", 2);
	put_key_u32(&head, "newcomer.attention.key_length", 16);
	put_key_f32(&head, "newcomer.attention.layer_norm_rms_epsilon", 1e-6f);
	f = (struct tensors){.head = &head};
	all_tensors(&f);
	put_data(&head, 0);
	f = (struct tensors){.data = fopen(path, "wb"), .random = 1};
	assert_non_null(f.data);
	assert_int_equal(fwrite(head.data, 1, head.n, f.data), head.n);
	all_tensors(&f);
	assert_int_equal(fclose(f.data), 0);
}

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

#define DATA "tests/model/data/"

enum { EVERY = 64 }; /* tokens between snapshots */

/* At most `lost` fewer than could be; never more. */
static void cached_about(const struct job *j, uint32_t could, uint32_t lost)
{
	uint32_t cached = (uint32_t)j->usage.cached_tokens;
	if (cached > could || cached + lost < could)
		fail_msg("%u of %u tokens from the cache", cached, could);
}

static void prefixes_joins_and_forks(struct world *w)
{
	struct desk d;
	open_desk(&d, w, 16, 8, 48);
	struct job cold = new_job(w, 150), again = cold;
	run(&d, &cold);
	same(w, &cold, "an engine");
	assert_int_equal(cold.usage.cached_tokens, 0);
	run(&d, &again);
	same(w, &again, "a warm hit");
	cached_about(&again, 149, 0); /* to the token: a snapshot lies before the last one */

	struct job branch = new_branch(w, &cold, 137, 160), sibling = new_branch(w, &cold, 137, 170);
	run(&d, &branch);
	same(w, &branch, "a hit between snapshots");
	cached_about(&branch, 137, EVERY);
	run(&d, &sibling);
	same(w, &sibling, "a hit where another text parted");
	cached_about(&sibling, 137, 0);

	struct job joint[2] = {new_job(w, 200)};
	joint[1] = new_branch(w, &joint[0], 187, 210);
	struct kvik_engine_stats s = run_together(&d, joint, 2);
	same(w, &joint[0], "being joined");
	same(w, &joint[1], "joining a running request");
	cached_about(&joint[1], 187, 0);
	assert_true(s.prefix_tokens_joined > 0);

	struct job answers = new_job(w, 41);
	answers.choices = CHOICES;
	uint64_t copied = s.kv_pages_copied;
	s = run(&d, &answers);
	same(w, &answers, "a fork");
	assert_true(s.kv_pages_copied >= copied + CHOICES - 1);
	kvik_engine_free(d.e);
}

static void batches(struct world *w)
{
	static const uint32_t sizes[] = {1, 2, 7, BATCH_MAX};
	static struct job jobs[BATCH_MAX];
	struct desk d;
	open_desk(&d, w, BATCH_MAX + 1, BATCH_MAX + 1, 1024);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (uint32_t k = 0; k < sizes[i]; k++)
			jobs[k] = new_job(w, 5 + below(w, 25));
		run_together(&d, jobs, sizes[i]);
		for (uint32_t k = 0; k < sizes[i]; k++) {
			char path[32];
			snprintf(path, sizeof path, "a batch of %u", sizes[i]);
			same(w, &jobs[k], path);
			assert_int_equal(jobs[k].together, sizes[i]);
		}
	}
	kvik_engine_free(d.e);
}

static void evicted_and_computed_again(struct world *w)
{
	enum { OTHERS = 12 };
	struct desk d;
	open_desk(&d, w, 1, 8, 48);
	struct job first = new_job(w, 100), again = first, other = first;
	run(&d, &first);
	same(w, &first, "a small cache");
	for (int i = 0; i < OTHERS; i++) {
		other = new_job(w, 180);
		run(&d, &other);
	}
	same(w, &other, "a full cache");
	assert_true(kvik_engine_get_stats(d.e).prefix_tokens_evicted > 0);
	run(&d, &again);
	same(w, &again, "eviction");
	assert_true(again.usage.cached_tokens < 99);
	kvik_engine_free(d.e);
}

/* More than there is room for to the end, though not at the beginning. */
static void preempted(struct world *w)
{
	enum { RIVALS = 8 };
	struct job rivals[RIVALS];
	struct desk d;
	open_desk(&d, w, 3, RIVALS, 48);
	for (uint32_t i = 0; i < RIVALS; i++) {
		rivals[i] = new_job(w, 12 + i);
		rivals[i].new_tokens = 200;
	}
	struct kvik_engine_stats s = run_together(&d, rivals, RIVALS);
	for (uint32_t i = 0; i < RIVALS; i++)
		same(w, &rivals[i], "preemption");
	/* Where states weigh more than texts, whom there is no room for is not even admitted. */
	assert_true(s.preemptions > 0 || strcmp(w->name, "newcomer") != 0);
	assert_true(s.kv_bytes_peak <= s.kv_bytes_ceiling);
	kvik_engine_free(d.e);
}

/* Chunks, threads, and without a cache: one session each. */
static void however_it_is_cut(struct world *w)
{
	static const uint32_t chunks[] = {1, 7, 64, 512};
	struct job j = new_job(w, 200);
	uint64_t want = alone(w, &j, 0);
	for (size_t i = 0; i < 2 * sizeof chunks / sizeof *chunks; i++) {
		struct kvik_cache_params p = w->cache;
		struct kvik_cache *c;
		p.chunk = chunks[i / 2];
		p.no_kv_cache = i % 2;
		if (p.no_kv_cache && p.chunk < 64)
			continue; /* as many steps as tokens squared */
		struct kvik_session *s = open_session(&c, w, &p, NULL);
		go_on_and_compare(w, s, &j, want, p.no_kv_cache ? "computing all again" : "a chunk");
		kvik_session_free(s);
		kvik_cache_free(c);
	}
}

/* Sessions that fork and roll back to anywhere: what no state is kept for is computed again. */
static void sessions(struct world *w)
{
	static const uint32_t places[] = {149, 128, 127, 64, 63, 17, 16, 1, 0};
	struct kvik_cache_params p = w->cache;
	struct kvik_cache *c;
	p.sessions = 16;
	p.chunk = 48;
	struct job j = new_job(w, 150);
	uint64_t want = alone(w, &j, 0);
	struct kvik_session *s = open_session(&c, w, &p, NULL);
	go_on_and_compare(w, s, &j, want, "a session");
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct job other = new_branch(w, &j, places[i], 150);
		uint64_t want_other = alone(w, &other, 0);
		fork_there(w, s, places[i], &j, want);
		fork_there(w, s, places[i], &other, want_other);
		roll_back(s, places[i]);
		go_on_and_compare(w, s, &other, want_other, "rollback");
		roll_back(s, places[i]);
		go_on_and_compare(w, s, &j, want, "rollback");
	}
	kvik_session_free(s);
	kvik_cache_drop(c);
	assert_int_equal(kvik_session_new(&s, c, NULL, NULL), 0);
	go_on_and_compare(w, s, &j, want, "eviction");
	kvik_session_free(s);
	kvik_cache_free(c);
}

/* A dialogue of 8 turns, each behind all before, and what people do at its end. The last token of an answer is not
 * computed: its text ends before. */
static void dialogue(struct world *w)
{
	enum { TURNS = 8, ASKED = 10, ANSWER = 40, THOUGHT = 15 };
	static struct job turn[TURNS + 1];
	struct desk d;
	w->cache.context = 512;
	open_desk(&d, w, 16, 8, 48);
	for (int t = 0; t < TURNS; t++) {
		uint32_t known = t ? turn[t - 1].n_text : 0;
		turn[t] = new_job(w, known + ASKED);
		turn[t].new_tokens = ANSWER;
		if (t)
			memcpy(turn[t].ids, turn[t - 1].text, known * sizeof *turn[t].ids);
		run(&d, &turn[t]);
		same(w, &turn[t], "a turn");
		cached_about(&turn[t], known, 1);
	}
	const struct job *last = &turn[TURNS - 1];
	struct job *then = &turn[TURNS];
	for (uint32_t more = 0; more < 10; more += 9) { /* the same, and another answer */
		*then = *last;
		reset(then);
		then->new_tokens += more;
		run(&d, then);
		same(w, then, "the same prompt again");
		cached_about(then, last->n - 1, 0);
	}
	*then = new_branch(w, last, last->n - ASKED, last->n + 5);
	run(&d, then);
	same(w, then, "an edited turn");
	cached_about(then, last->n - ASKED, EVERY);

	*then = new_job(w, last->n + ANSWER - THOUGHT + ASKED);
	memcpy(then->ids, last->ids, last->n * sizeof *then->ids);
	memcpy(then->ids + last->n, last->text + last->n + THOUGHT, (ANSWER - 1 - THOUGHT) * sizeof *then->ids);
	run(&d, then);
	same(w, then, "an answer that comes back without its thoughts");
	cached_about(then, last->n, EVERY);
	kvik_engine_free(d.e);
	w->cache.context = CONTEXT;
}

/* What is guessed: the plain texts of some jobs, with every fault_one_in-th token wrong. */
struct guesser {
	const struct job *plain;
	uint32_t n, fault_one_in, n_vocab, seen;
};

static size_t guess(void *user, const uint32_t *ids, size_t n, uint32_t *out, size_t max)
{
	struct guesser *g = user;
	size_t k = 0;
	for (uint32_t i = 0; i < g->n && k == 0; i++) {
		const struct job *j = &g->plain[i];
		if (n > j->n_text || memcmp(j->text, ids, n * sizeof *ids) != 0)
			continue;
		k = j->n_text - n < max ? j->n_text - n : max;
		memcpy(out, j->text + n, k * sizeof *out);
	}
	for (size_t i = 0; i < k && g->fault_one_in > 0; i++)
		if (++g->seen % g->fault_one_in == 0)
			out[i] = (out[i] + 1) % g->n_vocab;
	return k;
}

static struct kvik_engine_stats run_drafted(struct world *w, struct guesser *g, struct job *jobs, uint32_t n,
					    uint32_t sessions, uint32_t drafts)
{
	struct desk d;
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = w->cache;
	struct kvik_err err;
	d = (struct desk){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	cache.sessions = sessions;
	cache.chunk = 48;
	p.cache = &cache;
	p.sequences = n + 1;
	p.itl_factor = 0;
	p.drafts = drafts;
	p.draft = drafts ? guess : NULL;
	p.draft_user = g;
	if (kvik_engine_new(&d.e, w->m, &p, &err))
		fail_msg("%s", err.text);
	struct kvik_engine_stats s = run_together(&d, jobs, n);
	kvik_engine_free(d.e);
	return s;
}

/* Right drafts, wrong ones and some of each: a step in which one was wrong is dropped with the states at its end, and what
 * was right is computed again from the states at its start. The rows of logits are those without drafts; also where there
 * is no room for the second state, and where sequences are preempted meanwhile. */
static void drafts(struct world *w)
{
	enum { JOBS = 6, ANSWER = 40 };
	static struct job plain[JOBS], jobs[JOBS];
	static const struct {
		uint32_t drafts, fault_one_in, sessions;
	} runs[] = {{24, 0, 16}, {24, 1, 16}, {5, 4, 16}, {24, 3, 3}};
	for (uint32_t i = 0; i < JOBS; i++) {
		plain[i] = i % 3 == 2 ? new_branch(w, &plain[i - 1], 30, 50) : new_job(w, 20 + 30 * i % 97);
		plain[i].new_tokens = ANSWER;
		plain[i].choices = i == 4 ? CHOICES : 1;
		memcpy(&jobs[i], &plain[i], sizeof jobs[i]);
	}
	struct kvik_engine_stats without = run_drafted(w, NULL, plain, JOBS, 16, 0);
	same(w, &plain[0], "a batch");
	for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
		struct guesser g = {
			.plain = plain, .n = JOBS, .fault_one_in = runs[r].fault_one_in, .n_vocab = w->n_vocab};
		for (uint32_t i = 0; i < JOBS; i++)
			reset(&jobs[i]);
		struct kvik_engine_stats s = run_drafted(w, &g, jobs, JOBS, runs[r].sessions, runs[r].drafts);
		for (uint32_t i = 0; i < JOBS; i++)
			for (uint32_t c = 0; c < jobs[i].choices; c++)
				if (jobs[i].code != 0 || jobs[i].tokens[c] != ANSWER ||
				    jobs[i].hash[c] != plain[i].hash[c])
					fail_msg("%s: drafts of run %zu change the bits of answer %u of job %u",
						 w->name, r, c, i);
		printf("%s, run %zu: %llu drafts, %llu right; %llu steps instead of %llu\n", w->name, r,
		       (unsigned long long)s.drafts_computed, (unsigned long long)s.drafts_right,
		       (unsigned long long)s.steps, (unsigned long long)without.steps);
		assert_true(s.drafts_computed > 0);
		if (g.fault_one_in == 0)
			assert_true(s.drafts_right * 10 > s.drafts_computed * 9 && s.steps * 3 < without.steps * 2);
		else if (g.fault_one_in == 1)
			assert_int_equal(s.drafts_right, 0);
		else
			assert_true(s.drafts_right > 0 && s.drafts_right < s.drafts_computed);
		assert_true(s.kv_bytes_peak <= s.kv_bytes_ceiling);
	}
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static struct folder dir;
static char file[256];

static int add_newcomer(void **state)
{
	(void)state;
	dir = folder_new();
	folder_path(&dir, "newcomer.gguf", file);
	write_model(file);
	return arch_register(&newcomer, NULL);
}

static int remove_newcomer(void **state)
{
	(void)state;
	folder_free(&dir, (const char *const[]){"newcomer.gguf", NULL});
	return 0;
}

static void each_world(void (*path)(struct world *))
{
	static const struct {
		const char *path; /* NULL: the newcomer */
		enum kvik_dtype k, v;
		uint32_t threads;
		enum kvik_quantize quantize;
		const char *cpu;
	} worlds[] = {
		{NULL, KVIK_F32, KVIK_F32, 1, KVIK_QUANTIZE_NONE, "scalar"},
		{NULL, KVIK_F16, KVIK_F16, 2, KVIK_QUANTIZE_NONE, NULL},
		{NULL, KVIK_INT8, KVIK_INT4, 3, KVIK_QUANTIZE_Q8_0, NULL},
		{DATA "qwen3_5.gguf", KVIK_F32, KVIK_F16, 2, KVIK_QUANTIZE_NONE, NULL},
		{DATA "lfm2.gguf", KVIK_F16, KVIK_F16, 2, KVIK_QUANTIZE_NONE, NULL},
		{DATA "granitehybrid.gguf", KVIK_F16, KVIK_F16, 2, KVIK_QUANTIZE_NONE, NULL},
	};
	for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
		struct kvik_model_params p = kvik_model_params_default();
		struct world w = {.name = worlds[i].path ? worlds[i].path : "newcomer", .random = 7};
		struct kvik_err err;
		p.threads = worlds[i].threads;
		p.cpu = worlds[i].cpu;
		p.quantize = worlds[i].quantize;
		p.act = p.quantize ? KVIK_ACT_INT8 : KVIK_ACT_F32;
		if (kvik_model_load(&w.m, worlds[i].path ? worlds[i].path : file, &p, &err))
			fail_msg("%s", err.text);
		w.n_vocab = kvik_model_get_info(w.m).vocab_size;
		w.cache = kvik_cache_params_default();
		w.cache.context = CONTEXT;
		w.cache.k_dtype = worlds[i].k;
		w.cache.v_dtype = worlds[i].v;
		w.cache.state_every = EVERY;
		path(&w);
		kvik_model_free(w.m);
	}
}

#define EACH_WORLD(path)                  \
	static void test_##path(void **s) \
	{                                 \
		(void)s;                  \
		each_world(path);         \
	}
EACH_WORLD(prefixes_joins_and_forks)
EACH_WORLD(batches)
EACH_WORLD(evicted_and_computed_again)
EACH_WORLD(preempted)
EACH_WORLD(however_it_is_cut)
EACH_WORLD(sessions)
EACH_WORLD(dialogue)
EACH_WORLD(drafts)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes_joins_and_forks),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_evicted_and_computed_again),
		cmocka_unit_test(test_preempted),
		cmocka_unit_test(test_however_it_is_cut),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_dialogue),
		cmocka_unit_test(test_drafts),
	};
	return cmocka_run_group_tests(tests, add_newcomer, remove_newcomer);
}
