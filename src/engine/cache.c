/* cache.c: a cache of keys and values for one model: its plan of groups, its pages, and the buffers of a step.
 *
 * Owner: one thread; all its sessions belong to that thread too. */
#include "engine/cache.h"

#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "engine/disk.h"
#include "engine/sized.h"
#include "sample/sample.h"

enum { CHUNK_DEFAULT = 512, CHUNK_MAX = 65536, SESSIONS_MAX = 1 << 20 };

const char *kvik_dtype_name(enum kvik_dtype d)
{
	static const char *const names[] = {
#define DTYPE_TEXT(name, text) [KVIK_##name] = text,
		KVIK_DTYPES(DTYPE_TEXT)
#undef DTYPE_TEXT
	};
	return d < KVIK_DTYPE_COUNT ? names[d] : "?";
}

/* One list of dtypes for callers and one for kernels: they must stay in step. */
#define DTYPE_SAME(name, text) _Static_assert((int)KVIK_##name == (int)KV_##name, "dtype " text);
KVIK_DTYPES(DTYPE_SAME)
#undef DTYPE_SAME

int kvik_cache_params_init(struct kvik_cache_params *p)
{
	const struct kvik_cache_params own = {.k_dtype = KVIK_F16,
					      .v_dtype = KVIK_F16,
					      .exempt_k_dtype = KVIK_F16,
					      .exempt_v_dtype = KVIK_F16,
					      .floor_k_dtype = KVIK_INT4,
					      .floor_v_dtype = KVIK_INT4,
					      .chunk = CHUNK_DEFAULT,
					      .disk_sync_ms = 1000,
					      .sessions = 1};
	return SIZED_WRITE(kvik_cache_params, p, &own, NULL);
}

int cache_resolve(struct kvik_cache_params *p, const struct kvik_cache_params *given, const struct hparams *h,
		  struct kvik_err *err)
{
	*p = kvik_cache_params_default();
	int rc = SIZED_READ(kvik_cache_params, p, given, err);
	if (rc)
		return rc;
	const enum kvik_dtype all[] = {p->k_dtype,        p->v_dtype,       p->exempt_k_dtype,
				       p->exempt_v_dtype, p->floor_k_dtype, p->floor_v_dtype};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i] >= KVIK_DTYPE_COUNT)
			return err_set(err, KVIK_ERR_ARG, "the cache's dtypes are not of enum kvik_dtype");
	if (p->floor_after_ms && p->no_kv_cache)
		return err_set(err, KVIK_ERR_ARG, "without a KV cache nothing can age: leave out --kv-floor");
	if (p->disk && (p->floor_after_ms || p->no_kv_cache))
		return err_set(err, KVIK_ERR_ARG, "%s",
			       p->no_kv_cache
				       ? "without a KV cache there is nothing to keep on a disk: leave out --kv-disk"
				       : "what --kv-floor has made smaller is not what was computed, and would "
					 "count as that on the disk: leave out one of --kv-floor and --kv-disk");
	if (p->n_exempt > KVIK_EXEMPT_MAX)
		return err_set(err, KVIK_ERR_ARG, "%u ranges of exempt layers; there may be %d", p->n_exempt,
			       KVIK_EXEMPT_MAX);
	if (p->n_exempt && p->exempt_k_dtype == p->k_dtype && p->exempt_v_dtype == p->v_dtype)
		return err_set(err, KVIK_ERR_ARG,
			       "the exempt layers would be stored like all others, in %s/%s: give them another dtype "
			       "(--kv-exempt-dtype)",
			       kvik_dtype_name(p->k_dtype), kvik_dtype_name(p->v_dtype));
	if (p->chunk < 1 || p->chunk > CHUNK_MAX)
		return err_set(err, KVIK_ERR_ARG, "chunk must be 1..%d, not %u", CHUNK_MAX, p->chunk);
	if (p->sessions < 1 || p->sessions > SESSIONS_MAX)
		return err_set(err, KVIK_ERR_ARG, "sessions must be 1..%d, not %u", SESSIONS_MAX, p->sessions);
	if (p->context == 0)
		p->context = h->context;
	return 0;
}

_Static_assert((int)KVIK_FP8 == (int)KV_FP8 && (int)KVIK_INT4 == (int)KV_INT4 &&
		       (int)KVIK_DTYPE_COUNT == (int)KV_DTYPE_COUNT,
	       "the dtypes of kvik.h are those of a page, in the same order");

int cache_plan(struct kvplan *plan, const struct hparams *h, const struct kvik_cache_params *p, struct kvik_err *err)
{
	struct kvplan_params pp = {.k = (enum kv_dtype)p->k_dtype,
				   .v = (enum kv_dtype)p->v_dtype,
				   .window = p->window,
				   .sinks = p->sinks,
				   .exempt = p->exempt,
				   .n_exempt = p->n_exempt,
				   .exempt_k = (enum kv_dtype)p->exempt_k_dtype,
				   .exempt_v = (enum kv_dtype)p->exempt_v_dtype,
				   .has_floor = p->floor_after_ms > 0,
				   .floor_k = (enum kv_dtype)p->floor_k_dtype,
				   .floor_v = (enum kv_dtype)p->floor_v_dtype};
	int rc = kvplan_init(plan, h, &pp, err);
	if (rc)
		return rc;
	bool windowed = false, packs = false;
	for (uint32_t g = 0; g < plan->n_groups; g++) {
		windowed |= plan->desc[g].window != 0;
		packs |= plan->desc[g].packed_bytes != 0;
	}
	if (p->floor_after_ms && !packs)
		return err_set(err, KVIK_ERR_ARG,
			       "no page of this model is smaller in %s/%s than in %s/%s: choose another --kv-floor",
			       kvik_dtype_name(p->floor_k_dtype), kvik_dtype_name(p->floor_v_dtype),
			       kvik_dtype_name(p->k_dtype), kvik_dtype_name(p->v_dtype));
	if (p->state_every && kvplan_state_bytes(plan) == 0)
		return err_set(
			err, KVIK_ERR_ARG,
			"no layer of this model keeps a state, so there is nothing to keep every %u tokens: leave out "
			"--state-every",
			p->state_every);
	if (p->sinks && !windowed)
		return err_set(err, KVIK_ERR_ARG,
			       "sinks only have a meaning with a window, and no layer has one: give --window too");
	return 0;
}

/* As many as weigh no more than the keys and values between two, but not so few that a text which parts from another is
 * computed again for long. Taking them costs no time to speak of (Qwen3.5's layers, 2048 tokens: 25 s of a processor with
 * 16, 4 or 1 of them), and memory only while nothing is worth more. */
uint32_t cache_state_every(const struct kvplan *plan, const struct kvik_cache_params *p)
{
	enum { LEAST = 256, MOST = 1024 };
	uint64_t state = kvplan_state_bytes(plan), token = kvplan_token_bytes(plan);
	uint32_t every = LEAST;
	if (state == 0 || p->state_every)
		return state ? p->state_every : 0;
	while (every < MOST && every * token < state)
		every *= 2;
	return every;
}

uint64_t cache_session_bytes(const struct kvplan *plan, const struct kvik_cache_params *p)
{
	return kvplan_seq_bytes(plan, p->context, p->chunk, cache_state_every(plan, p));
}

/* Pages and tables of `sessions` sequences of `context` tokens. Tables are bounded from above: every page (of at least
 * 4096 bytes) has its counts in each group's books and up to three entries in block tables; the ghost list takes up to
 * 1/128 of all. */
uint64_t cache_bytes(const struct kvplan *plan, const struct kvik_cache_params *p)
{
	enum { PAGE_BYTES_MIN = 4096, SESSION_BYTES = 8192, CACHE_BYTES = 65536, GHOST_PART = 127 };
	uint64_t pages = p->sessions * cache_session_bytes(plan, p);
	uint64_t tables = pages / PAGE_BYTES_MIN * (24 * (uint64_t)plan->n_groups + 12);
	uint64_t tree = p->sessions * kv_tree_bytes(plan->desc, plan->n_groups, p->context, p->chunk);
	uint64_t all = pages + tables + tree + (uint64_t)p->sessions * SESSION_BYTES + CACHE_BYTES;
	return all + all / GHOST_PART;
}

static int new_kv(struct kvik_cache *c, struct kvik_err *err)
{
	struct kvik_cache_params *p = &c->params;
	struct device *d = c->model->device;
	struct kv_memory memory;
	if (p->kv_memory == 0) {
		/* More than the machine has would only be found out in the middle of a text. */
		uint64_t most = os_memory_available() / 8 * 7;
		p->kv_memory = cache_bytes(&c->plan, p);
		if (p->disk)
			p->kv_memory += p->kv_memory / 4; /* what is under way to and from it, and books */
		if (most && p->kv_memory > most)
			p->kv_memory = most;
	}
	struct kv_config kc = {.memory_bytes = p->kv_memory,
			       .n_groups = c->plan.n_groups,
			       .groups = c->plan.desc,
			       .seq_tokens_max = p->context,
			       .memory = &memory,
			       .store = c->disk ? disk_store(c->disk, p->kv_memory) : NULL,
			       .state_every = cache_state_every(&c->plan, p),
			       .pack_after = p->floor_after_ms};
	int rc = device_backend(d)->pages_new(&c->pages, device_dev(d), c->plan.layout, c->plan.packed,
					      c->plan.state_group, &memory, err);
	if (!rc)
		rc = kv_new(&c->kv, &kc, err);
	if (!rc && c->disk)
		disk_attach(c->disk);
	return rc;
}

static int new_buffers(struct kvik_cache *c, struct kvik_err *err)
{
	uint32_t n_vocab = cache_vocab_size(c), chunk = c->params.chunk;
	c->seqs = mem_zalloc(chunk, sizeof *c->seqs);
	c->ids = mem_zalloc(chunk, sizeof *c->ids);
	c->logit_tokens = mem_zalloc(chunk, sizeof *c->logit_tokens);
	c->hidden_tokens = mem_zalloc(chunk, sizeof *c->hidden_tokens);
	c->row = mem_zalloc(n_vocab, sizeof *c->row);
	c->sample_scratch = mem_alloc(sample_scratch_bytes(n_vocab));
	if (!c->seqs || !c->ids || !c->logit_tokens || !c->hidden_tokens || !c->row || !c->sample_scratch)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the buffers of a cache");
	return model_work_new(&c->work, c->model->model, chunk, chunk, err);
}

int kvik_cache_new(struct kvik_cache **out, struct kvik_model *m, const struct kvik_cache_params *params,
		   struct kvik_err *err)
{
	*out = NULL;
	struct kvik_cache *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a cache");
	c->model = m;
	int rc = cache_resolve(&c->params, params, model_hparams(m->model), err);
	if (!rc)
		rc = cache_plan(&c->plan, model_hparams(m->model), &c->params, err);
	if (!rc)
		rc = new_buffers(c, err);
	if (!rc && c->params.disk)
		rc = disk_open(&c->disk, c, err);
	if (!rc)
		rc = new_kv(c, err);
	if (rc)
		kvik_cache_free(c);
	else
		*out = c;
	return rc;
}

void kvik_cache_free(struct kvik_cache *c)
{
	if (!c)
		return;
	if (c->disk && c->kv)
		disk_flush(c->disk);
	kv_free(c->kv);
	disk_close(c->disk);
	if (c->pages)
		device_backend(c->model->device)->pages_free(c->pages);
	model_work_free(c->work);
	mem_free(c->seqs);
	mem_free(c->ids);
	mem_free(c->logit_tokens);
	mem_free(c->hidden_tokens);
	mem_free(c->items);
	mem_free(c->row);
	mem_free(c->sample_scratch);
	mem_free(c);
}

uint32_t cache_vocab_size(const struct kvik_cache *c)
{
	return model_hparams(c->model->model)->n_vocab;
}

void cache_read_page(const struct kvik_cache *c, uint32_t group, kv_page page, uint32_t tokens, void *to)
{
	device_backend(c->model->device)->page_read(c->pages, group, page, to);
	if (tokens < c->plan.desc[group].page_tokens)
		kv_layout_clear(&c->plan.layout[group], to, tokens);
}

/* ---- A step ------------------------------------------------------------------------------------------------------ */

void cache_forward(struct kvik_cache *c, const struct step_item *items, uint32_t n_items, float *logits, float *hidden)
{
	struct model_batch b = {.batch = {.ids = c->ids, .seqs = c->seqs, .n_seqs = n_items, .pages = c->pages},
				.plan = &c->plan,
				.logit_tokens = c->logit_tokens,
				.logits = logits,
				.hidden_tokens = c->hidden_tokens,
				.hidden = hidden};
	for (uint32_t i = 0; i < n_items; i++) {
		const struct step_item *it = &items[i];
		struct batch_seq *s = &c->seqs[i];
		*s = (struct batch_seq){.position = kv_seq_tokens(it->seq), .n_tokens = it->n};
		for (uint32_t g = 0; g < c->plan.n_groups; g++)
			s->blocks[g] = kv_seq_blocks(it->seq, g, NULL);
		kv_state_begin(c->kv, it->seq);
		if (cache_keeps_states(c))
			kv_state_step(c->kv, it->seq, c->plan.state_group, &s->state);
		memcpy(c->ids + b.batch.n_tokens, it->ids, it->n * sizeof *it->ids);
		b.batch.n_tokens += it->n;
		for (uint32_t k = it->n_logits; k > 0; k--)
			c->logit_tokens[b.n_logits++] = b.batch.n_tokens - k;
		for (uint32_t k = it->n_hidden; k > 0; k--)
			c->hidden_tokens[b.n_hidden++] = b.batch.n_tokens - k;
	}
	model_forward(c->model->model, c->work, &b);
}
