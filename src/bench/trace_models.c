/* trace_models.c: caches of blocks to compare with, see trace.h. A block is named by all text up to its end, so what hits
 * is a prefix of the prompt: the blocks before the first that is not there. */
#include "base/heap.h"
#include "base/mem.h"
#include "bench/trace.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory to replay a trace");
}

int trace_hits_all(const struct trace *t, uint64_t *hits, struct kvik_err *err)
{
	uint32_t known = 0; /* numbers are given in the order of first use */
	(void)err;
	*hits = 0;
	for (size_t i = 0; i < t->n_blocks; i++) {
		*hits += t->blocks[i] < known;
		known = t->blocks[i] < known ? known : t->blocks[i] + 1;
	}
	return 0;
}

/* ---- Least recently used ------------------------------------------------------------------------------------------- */

/* A ring through all blocks that are there, from the oldest to the newest; its head is the entry [n_names]. */
struct ring {
	struct {
		uint32_t older, newer;
		bool there;
	} * of;
	uint32_t head;
};

static void take_out(struct ring *r, uint32_t b)
{
	r->of[r->of[b].older].newer = r->of[b].newer;
	r->of[r->of[b].newer].older = r->of[b].older;
	r->of[b].there = false;
}

static void put_newest(struct ring *r, uint32_t b)
{
	r->of[b].newer = r->head;
	r->of[b].older = r->of[r->head].older;
	r->of[r->of[b].older].newer = b;
	r->of[r->head].older = b;
	r->of[b].there = true;
}

int trace_hits_lru(const struct trace *t, uint64_t room, uint64_t *hits, struct kvik_err *err)
{
	struct ring r = {.of = mem_zalloc((size_t)t->n_names + 1, sizeof *r.of), .head = t->n_names};
	uint64_t n = 0;
	*hits = 0;
	if (!r.of)
		return no_memory(err);
	r.of[r.head].older = r.of[r.head].newer = r.head;
	for (size_t i = 0; i < t->n_requests; i++) {
		const struct trace_request *q = &t->requests[i];
		const uint32_t *b = t->blocks + q->first;
		for (uint32_t k = 0; k < q->n_blocks && r.of[b[k]].there; k++)
			++*hits;
		for (uint32_t k = q->n_blocks; k-- > 0; n++) {
			if (r.of[b[k]].there) {
				take_out(&r, b[k]);
				n--;
			}
			put_newest(&r, b[k]);
		}
		for (; n > room; n--)
			take_out(&r, r.of[r.head].newer);
	}
	mem_free(r.of);
	return 0;
}

/* ---- The optimum --------------------------------------------------------------------------------------------------- */

struct block {
	struct heap_link link;
	size_t next;    /* request that uses it next */
	uint32_t depth; /* what comes before it in a prompt is used whenever it is */
};

static bool leaves_before(const struct heap_link *la, const struct heap_link *lb)
{
	const struct block *a = HEAP_ELEMENT(la, struct block, link), *b = HEAP_ELEMENT(lb, struct block, link);
	return a->next != b->next ? a->next > b->next : a->depth > b->depth;
}

/* For each place in t->blocks the next request that has the same block. */
static void find_next(const struct trace *t, size_t *next, size_t *last)
{
	for (uint32_t b = 0; b < t->n_names; b++)
		last[b] = SIZE_MAX;
	for (size_t i = t->n_requests; i-- > 0;) {
		const struct trace_request *q = &t->requests[i];
		for (uint32_t k = 0; k < q->n_blocks; k++)
			next[q->first + k] = last[t->blocks[q->first + k]];
		for (uint32_t k = 0; k < q->n_blocks; k++)
			last[t->blocks[q->first + k]] = i;
	}
}

int trace_hits_optimal(const struct trace *t, uint64_t room, uint64_t *hits, struct kvik_err *err)
{
	struct block *of = mem_zalloc(t->n_names, sizeof *of);
	size_t *next = mem_zalloc(t->n_blocks, sizeof *next), *last = mem_zalloc(t->n_names, sizeof *last);
	struct heap h = {.before = leaves_before};
	uint64_t n = 0;
	bool ok = of && next && last;
	*hits = 0;
	if (ok)
		find_next(t, next, last);
	for (size_t i = 0; i < t->n_requests && ok; i++) {
		const struct trace_request *q = &t->requests[i];
		bool prefix = true;
		for (uint32_t k = 0; k < q->n_blocks; k++) {
			struct block *b = &of[t->blocks[q->first + k]];
			bool there = heap_has(&h, &b->link);
			prefix &= there;
			*hits += prefix;
			if (there)
				heap_remove(&h, &b->link);
			n += !there;
			b->next = next[q->first + k];
			b->depth = k;
			heap_push(&h, &b->link);
		}
		for (; n > room; n--)
			heap_remove(&h, h.top);
	}
	mem_free(of);
	mem_free(next);
	mem_free(last);
	return ok ? 0 : no_memory(err);
}
