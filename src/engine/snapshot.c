/* snapshot.c: a session as bytes, and bytes as a session.
 *
 *     [128: head] ids [n] | pages: group by group, block by block those that the next query sees | a state of each group of
 *     states | logits [n_logits] | [16: sum]
 *
 * How many pages there are follows from the plan of the cache and `held`, the plan from the fingerprint: the head says the
 * length of it all, so that what does not add up is refused before anything is reserved. The sum is of everything behind
 * the head, which has one of its own; pages are read into their places, and become the cache's when the sum is right.
 *
 * Owner: the cache's thread. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/session.h"
#include "engine/snapshot.h"

static const char magic[32] = "kvik snapshot 1\n";

/* Little-endian, as it lies in memory. */
struct head {
	char magic[32];
	struct hash128 fingerprint;
	uint32_t n, held;  /* tokens of the session; those whose keys and values are there */
	uint32_t n_logits; /* 0, or of the vocabulary */
	uint32_t zero;
	uint64_t bytes; /* of the snapshot */
	uint8_t zeros[40];
	struct hash128 sum; /* of all before */
};
_Static_assert(sizeof(struct head) == 128, "the head is as drawn");

static struct hash128 sum_of(const struct head *h)
{
	return hash128_bytes(h, offsetof(struct head, sum));
}

static bool equal(struct hash128 a, struct hash128 b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

static bool is_state(const struct kvik_cache *c, uint32_t group)
{
	return group >= c->plan.state_group;
}

static uint32_t blocks_of(const struct kvik_cache *c, uint32_t group, uint32_t held)
{
	uint32_t p = c->plan.desc[group].page_tokens;
	return held / p + (held % p != 0);
}

uint64_t snapshot_bytes(const struct kvik_cache *c, uint32_t n, uint32_t held, uint32_t n_logits)
{
	uint64_t bytes = sizeof(struct head) + n * UINT64_C(4) + n_logits * UINT64_C(4) + sizeof(struct hash128);
	for (uint32_t g = 0; g < c->plan.n_groups && held > 0; g++) {
		uint64_t pages = is_state(c, g);
		for (uint32_t b = 0; !is_state(c, g) && b < blocks_of(c, g, held); b++)
			pages += kv_block_needed(&c->plan.desc[g], b, held);
		bytes += pages * c->plan.desc[g].page_bytes;
	}
	return bytes;
}

static uint8_t *new_page(const struct kvik_cache *c)
{
	size_t most = 0;
	for (uint32_t g = 0; g < c->plan.n_groups; g++)
		most = c->plan.desc[g].page_bytes > most ? c->plan.desc[g].page_bytes : most;
	return mem_alloc(most);
}

/* ---- Out --------------------------------------------------------------------------------------------------------- */

struct saving {
	struct kvik_cache *c;
	struct kv_seq *seq; /* at head.held */
	struct head head;
	struct hash128 sum;
	uint8_t *page; /* room for the largest */
	kvik_write_fn *write;
	void *user;
};

static bool put(struct saving *v, const void *bytes, size_t n)
{
	v->sum = hash128_chain(v->sum, bytes, n);
	return n == 0 || v->write(v->user, bytes, n);
}

static bool put_page(struct saving *v, uint32_t group, kv_page page, uint32_t tokens)
{
	cache_read_page(v->c, group, page, tokens, v->page);
	return put(v, v->page, v->c->plan.desc[group].page_bytes);
}

static bool put_group(struct saving *v, uint32_t group)
{
	uint32_t held = v->head.held, p = v->c->plan.desc[group].page_tokens;
	kv_page page;
	if (is_state(v->c, group))
		return kv_state_at(v->c->kv, v->seq, group, &page) == held && put_page(v, group, page, 0);
	struct page_table blocks = kv_seq_blocks(v->seq, group, NULL);
	bool ok = true;
	for (uint32_t b = 0; b < blocks_of(v->c, group, held) && ok; b++)
		if (kv_block_needed(&v->c->plan.desc[group], b, held))
			ok = put_page(v, group, page_table_at(&blocks, b), held - b * p < p ? held - b * p : p);
	return ok;
}

static int save(struct saving *v, const struct kvik_session *s, struct kvik_err *err)
{
	v->head.bytes = snapshot_bytes(v->c, v->head.n, v->head.held, v->head.n_logits);
	v->head.sum = sum_of(&v->head);
	v->page = new_page(v->c);
	if (!v->page)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a snapshot");
	bool ok = v->write(v->user, &v->head, sizeof v->head) && put(v, s->ids, v->head.n * sizeof *s->ids);
	for (uint32_t g = 0; g < v->c->plan.n_groups && v->head.held > 0 && ok; g++)
		ok = put_group(v, g);
	ok = ok && put(v, s->logits, v->head.n_logits * sizeof *s->logits) && v->write(v->user, &v->sum, sizeof v->sum);
	mem_free(v->page);
	return ok ? 0 : err_set(err, KVIK_ERR_IO, "the snapshot could not be written");
}

int kvik_session_save(const struct kvik_session *s, size_t n_tokens, kvik_write_fn *write, void *user,
		      struct kvik_err *err)
{
	struct saving v = {.c = s->cache, .write = write, .user = user};
	if (n_tokens > s->n)
		return err_set(err, KVIK_ERR_ARG, "the session has %zu tokens, not %zu", s->n, n_tokens);
	cache_tick(s->cache);
	int rc = cache_fingerprint(s->cache, &v.head.fingerprint, err);
	if (!rc)
		rc = session_fork_seq(&v.seq, s, n_tokens, err);
	if (rc)
		return rc;
	memcpy(v.head.magic, magic, sizeof magic);
	v.head.n = (uint32_t)n_tokens;
	v.head.held = kv_seq_tokens(v.seq);
	v.head.n_logits = s->has_logits && n_tokens == s->n ? cache_vocab_size(s->cache) : 0;
	rc = save(&v, s, err);
	kv_seq_free(s->cache->kv, v.seq);
	return rc;
}

/* ---- In ---------------------------------------------------------------------------------------------------------- */

struct restoring {
	struct kvik_cache *c;
	struct kvik_session *s;
	struct head head;
	struct hash128 sum;
	uint8_t *page;
	kvik_read_fn *read;
	void *user;
};

static int get(struct restoring *v, void *bytes, size_t n, struct kvik_err *err)
{
	if (n > 0 && !v->read(v->user, bytes, n))
		return err_set(err, KVIK_ERR_IO, "the snapshot ends early, or could not be read");
	v->sum = hash128_chain(v->sum, bytes, n);
	return 0;
}

/* Whatever the bytes are, what follows takes no more than the cache allows. */
static int get_head(struct restoring *v, struct kvik_err *err)
{
	struct head *h = &v->head;
	struct hash128 mine;
	uint32_t vocab = cache_vocab_size(v->c);
	if (!v->read(v->user, h, sizeof *h))
		return err_set(err, KVIK_ERR_IO, "the snapshot ends early, or could not be read");
	if (memcmp(h->magic, magic, sizeof magic) != 0)
		return err_set(err, KVIK_ERR_FORMAT, "it is no snapshot of this version of kvik");
	if (!equal(h->sum, sum_of(h)))
		return err_set(err, KVIK_ERR_FORMAT, "the snapshot is damaged");
	int rc = cache_fingerprint(v->c, &mine, err);
	if (rc)
		return rc;
	if (!equal(h->fingerprint, mine))
		return err_set(err, KVIK_ERR_ARG,
			       "the snapshot was made with another model, other dtypes or windows of the cache, or on "
			       "another level of the CPU");
	if (h->n > v->c->params.context)
		return err_set(err, KVIK_ERR_LIMIT, "the snapshot has %u tokens; a session may have %u: raise --ctx",
			       h->n, v->c->params.context);
	if (h->held > h->n || (h->n_logits != 0 && h->n_logits != vocab) ||
	    h->bytes != snapshot_bytes(v->c, h->n, h->held, h->n_logits))
		return err_set(err, KVIK_ERR_FORMAT, "the snapshot's parts do not add up");
	return 0;
}

int snapshot_read_all(struct buf *b, kvik_read_fn *read, void *user, struct kvik_err *err)
{
	enum { PIECE = 1 << 20 };
	struct head h;
	if (!read(user, &h, sizeof h))
		return err_set(err, KVIK_ERR_IO, "the snapshot ends early, or could not be read");
	if (memcmp(h.magic, magic, sizeof magic) != 0)
		return err_set(err, KVIK_ERR_FORMAT, "it is no snapshot of this version of kvik");
	if (!equal(h.sum, sum_of(&h)) || h.bytes < sizeof h)
		return err_set(err, KVIK_ERR_FORMAT, "the snapshot is damaged");
	bool room = buf_add(b, &h, sizeof h);
	while (room && b->n < h.bytes) { /* piece by piece: no more is taken than is there */
		size_t n = h.bytes - b->n < PIECE ? (size_t)(h.bytes - b->n) : PIECE;
		room = buf_reserve(b, n);
		if (room && !read(user, b->data + b->n, n))
			return err_set(err, KVIK_ERR_IO, "the snapshot ends early, or could not be read");
		b->n += room ? n : 0;
	}
	return room ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a snapshot");
}

static int get_page(struct restoring *v, uint32_t group, kv_page page, struct kvik_err *err)
{
	int rc = get(v, v->page, v->c->plan.desc[group].page_bytes, err);
	if (!rc)
		device_backend(v->c->model->device)->page_write(v->c->pages, group, page, v->page);
	return rc;
}

static int get_group(struct restoring *v, uint32_t group, struct kvik_err *err)
{
	if (is_state(v->c, group)) {
		struct kv_state_step step;
		kv_state_step(v->c->kv, v->s->seq, group, &step);
		return get_page(v, group, step.page[0], err);
	}
	struct page_table blocks = kv_seq_blocks(v->s->seq, group, NULL);
	int rc = 0;
	for (uint32_t b = 0; b < blocks_of(v->c, group, v->head.held) && !rc; b++)
		if (kv_block_needed(&v->c->plan.desc[group], b, v->head.held))
			rc = get_page(v, group, page_table_at(&blocks, b), err);
	return rc;
}

static int get_body(struct restoring *v, struct kvik_err *err)
{
	struct kvik_session *s = v->s;
	struct hash128 sum;
	int rc = session_grow(s, v->head.n, err);
	if (!rc)
		rc = get(v, s->ids, v->head.n * sizeof *s->ids, err);
	if (!rc && v->head.held > 0)
		rc = kv_reserve_whole(v->c->kv, s->seq, v->head.held, err);
	for (uint32_t g = 0; g < v->c->plan.n_groups && v->head.held > 0 && !rc; g++)
		rc = get_group(v, g, err);
	if (!rc)
		rc = get(v, s->logits, v->head.n_logits * sizeof *s->logits, err);
	if (!rc && !v->read(v->user, &sum, sizeof sum))
		rc = err_set(err, KVIK_ERR_IO, "the snapshot ends early, or could not be read");
	if (!rc && (!equal(sum, v->sum) || check_ids(v->c->model, s->ids, v->head.n, NULL)))
		rc = err_set(err, KVIK_ERR_FORMAT, "the snapshot is damaged");
	return rc;
}

int kvik_session_restore(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *share,
			 kvik_read_fn *read, void *user, struct kvik_err *err)
{
	struct restoring v = {.c = c, .read = read, .user = user};
	*out = NULL;
	int rc = get_head(&v, err);
	if (!rc)
		rc = kvik_session_new(&v.s, c, share, err);
	if (rc)
		return rc;
	v.page = new_page(c);
	rc = v.page ? get_body(&v, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for a snapshot");
	mem_free(v.page);
	if (rc) {
		kvik_session_free(v.s);
		return rc;
	}
	if (v.head.held > 0)
		kv_commit_ids(c->kv, v.s->seq, v.s->ids, v.head.held);
	kv_mark(c->kv, v.s->seq);
	v.s->n = v.head.n;
	v.s->has_logits = v.head.n_logits > 0;
	*out = v.s;
	return 0;
}
