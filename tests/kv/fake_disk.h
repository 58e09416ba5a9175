/* fake_disk.h: a store for the tests: takes tickets when it likes, ends them in any order and some badly, refuses some of
 * what it is offered, and knows which places are in use. With a clock (disk_run_to) each takes its time, and some never
 * end. */
#ifndef TESTS_KV_FAKE_DISK_H
#define TESTS_KV_FAKE_DISK_H

#include "fake_memory.h"
#include "kv/kv.h"

enum { DISK_PENDING = 64, DISK_PLACES = 1 << 16 };

/* What it was told of a piece of text, and where its pages are. */
struct disk_record {
	struct kv_scope scope;
	uint32_t *ids, start, end; /* owned, [end] */
	uint32_t n_pages, n;       /* written so far */
	struct {
		struct kv_io io;
		uint64_t place;
	} pages[];
};

struct fake_disk {
	struct kv_store store;
	struct disk_record **records; /* [n_records], owned; named by their number from 1 */
	uint32_t n_records;
	uint8_t *places[DISK_PLACES]; /* owned; NULL: unused; place 0 is none */
	uint32_t last, n_used;
	struct {
		struct kv_io io;
		uint8_t *bytes; /* of a write, as they were when it was taken */
		int64_t done_us;
	} pending[DISK_PENDING];
	uint32_t n_pending;
	uint64_t random;
	uint32_t fails_one_in, refuses_one_in; /* 0: never */
	int64_t now_us, ended_us;              /* ended: when something did last, or there was nothing to do */
	uint32_t latency_us, hangs_one_in;     /* by the clock; a ticket takes 1..latency */
	uint64_t kept, refused, written, read, failed;
};

static inline uint32_t disk_below(struct fake_disk *d, uint32_t n)
{
	d->random = d->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(d->random >> 33) % n;
}

static inline uint64_t disk_keep(void *ctx, const struct kv_leaving *l)
{
	struct fake_disk *d = ctx;
	fake_must(l->start < l->end && l->ids && l->bytes > 0 && l->n_pages > 0);
	bool keep = d->refuses_one_in == 0 || disk_below(d, d->refuses_one_in) > 0;
	d->kept += keep;
	d->refused += !keep;
	if (!keep)
		return 0;
	struct disk_record *r = calloc(1, sizeof *r + l->n_pages * sizeof r->pages[0]);
	d->records = realloc(d->records, (d->n_records + 1) * sizeof(struct disk_record *));
	fake_must(r && d->records);
	*r = (struct disk_record){.scope = *l->scope, .start = l->start, .end = l->end, .n_pages = l->n_pages};
	r->ids = malloc(l->end * sizeof *r->ids);
	fake_must(r->ids);
	memcpy(r->ids, l->ids, l->end * sizeof *r->ids);
	d->records[d->n_records] = r;
	return ++d->n_records;
}

static inline void disk_release(struct fake_disk *d)
{
	for (uint32_t i = 0; i < d->n_records; i++) {
		free(d->records[i]->ids);
		free(d->records[i]);
	}
	free(d->records);
	d->records = NULL;
	for (uint32_t i = 0; i < DISK_PLACES; i++) {
		free(d->places[i]);
		d->places[i] = NULL;
	}
}

static inline void disk_forget(void *ctx, uint64_t place)
{
	struct fake_disk *d = ctx;
	fake_must(place > 0 && place < DISK_PLACES && d->places[place]);
	free(d->places[place]);
	d->places[place] = NULL;
	d->n_used--;
}

static inline void disk_init(struct fake_disk *d, uint64_t cold_bytes, uint32_t io_max, uint64_t seed)
{
	*d = (struct fake_disk){.random = seed, .fails_one_in = 10, .refuses_one_in = 8};
	d->store = (struct kv_store){
		.ctx = d, .keep = disk_keep, .forget = disk_forget, .io_max = io_max, .cold_bytes = cold_bytes};
}

static inline uint64_t disk_new_place(struct fake_disk *d, uint8_t *bytes)
{
	fake_must(d->n_used < DISK_PLACES - 1);
	do
		d->last = d->last % (DISK_PLACES - 1) + 1;
	while (d->places[d->last]);
	d->places[d->last] = bytes;
	d->n_used++;
	return d->last;
}

/* at: of the page's bytes. */
typedef uint8_t *disk_page_fn(void *ctx, uint32_t group, kv_page page);

static inline void disk_take(struct fake_disk *d, struct kv *kv, const struct kv_group_desc *desc, disk_page_fn *at,
			     void *ctx)
{
	struct kv_io io;
	while (d->n_pending < DISK_PENDING && kv_io_next(kv, &io)) {
		uint8_t *bytes = NULL;
		if (io.write) {
			bytes = malloc(desc[io.group].page_bytes);
			fake_must(bytes && io.record >= 1 && io.record <= d->n_records);
			memcpy(bytes, at(ctx, io.group, io.page), desc[io.group].page_bytes);
		} else {
			fake_must(io.place > 0 && d->places[io.place]);
		}
		if (d->n_pending == 0)
			d->ended_us = d->now_us;
		d->pending[d->n_pending].io = io;
		d->pending[d->n_pending].bytes = bytes;
		if (d->latency_us > 0 && d->hangs_one_in && disk_below(d, d->hangs_one_in) == 0)
			d->pending[d->n_pending].done_us = INT64_MAX;
		else if (d->latency_us > 0)
			d->pending[d->n_pending].done_us = d->now_us + 1 + disk_below(d, d->latency_us);
		d->n_pending++;
	}
}

static inline void disk_end(struct fake_disk *d, struct kv *kv, const struct kv_group_desc *desc, disk_page_fn *at,
			    void *ctx, uint32_t i)
{
	struct kv_io io = d->pending[i].io;
	uint8_t *bytes = d->pending[i].bytes;
	bool ok = d->fails_one_in == 0 || disk_below(d, d->fails_one_in) > 0;
	uint64_t place = 0;
	d->pending[i] = d->pending[--d->n_pending];
	d->failed += !ok;
	if (io.write && ok) {
		struct disk_record *r = d->records[io.record - 1];
		place = disk_new_place(d, bytes);
		d->written++;
		fake_must(r->n < r->n_pages);
		r->pages[r->n].io = io;
		r->pages[r->n++].place = place;
	} else if (io.write) {
		free(bytes);
	} else {
		uint8_t *to = at(ctx, io.group, io.page);
		size_t n = desc[io.group].page_bytes;
		memcpy(to, d->places[io.place], ok ? n : n / 2); /* torn */
		d->read += ok;
	}
	kv_io_done(kv, io.ticket, ok, place);
}

/* Tells a new cache of the records that are whole, as a store does at its start; places of an earlier life are all good.
 * Returns the tokens that were new to it. */
static inline uint32_t disk_adopt(struct fake_disk *d, struct kv *kv, const struct kv_group_desc *desc,
				  uint32_t n_groups)
{
	uint64_t *places = calloc(1 << 16, sizeof *places);
	uint32_t tokens = 0;
	fake_must(places);
	for (uint32_t start = 0; start < 4096; start += 4)
		for (uint32_t i = 0; i < d->n_records; i++) {
			const struct disk_record *r = d->records[i];
			struct kv_share share = {.scope = r->scope};
			uint32_t n = 0;
			bool whole = r->start == start && r->n == r->n_pages, taken;
			for (uint32_t g = 0; g < n_groups && whole; g++) {
				uint32_t p = desc[g].page_tokens, first = p ? r->start / p : r->end;
				for (uint32_t b = first; b <= (p ? (r->end - 1) / p : r->end); b++, n++) {
					places[n] = 0;
					for (uint32_t k = 0; k < r->n; k++)
						if (r->pages[k].io.group == g && r->pages[k].io.block == b)
							places[n] = r->pages[k].place;
					if (places[n] && !d->places[places[n]])
						whole = false; /* forgotten: what had it was gone */
				}
			}
			if (whole && kv_adopt(kv, &share, r->ids, r->start, r->end, places, &taken, NULL) == 0)
				tokens += taken ? r->end - r->start : 0;
		}
	free(places);
	return tokens;
}

/* What is due by now ends; what is new is taken. */
static inline void disk_run_to(struct fake_disk *d, struct kv *kv, const struct kv_group_desc *desc, disk_page_fn *at,
			       void *ctx, int64_t now_us)
{
	d->now_us = now_us;
	for (uint32_t i = d->n_pending; i-- > 0;)
		if (d->pending[i].done_us <= now_us) {
			d->ended_us = now_us;
			disk_end(d, kv, desc, at, ctx, i);
		}
	disk_take(d, kv, desc, at, ctx);
}

/* When the next one ends; INT64_MAX: none does. */
static inline int64_t disk_next(const struct fake_disk *d)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < d->n_pending; i++)
		next = d->pending[i].done_us < next ? d->pending[i].done_us : next;
	return next;
}

/* Some I/O goes on. all: until nothing is under way. */
static inline void disk_run(struct fake_disk *d, struct kv *kv, const struct kv_group_desc *desc, disk_page_fn *at,
			    void *ctx, bool all)
{
	do {
		if (all || disk_below(d, 2))
			disk_take(d, kv, desc, at, ctx);
		while (d->n_pending > 0 && (all || disk_below(d, 3) > 0))
			disk_end(d, kv, desc, at, ctx, disk_below(d, d->n_pending));
		disk_take(d, kv, desc, at, ctx);
	} while (all && d->n_pending > 0);
}

#endif
