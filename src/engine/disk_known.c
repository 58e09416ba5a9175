/* disk_known.c: what the disk has from before.
 *
 * The store tells its records in ascending order of the frame in which they begin. One that fills its frame is what the
 * next frame's records go on from (their parent), so all ids of a path are known when a record is adopted:
 *
 *     frame 0            frame 1              frame 2
 *     [0 .......... 128) [128 .......... 256) [256 ... 301)       parent of each: the text up to its frame
 *     [0 .... 38)                             [256 ....... 380)
 *
 * Records of one frame of one text add to each other (each has the pages that the disk lacked when it was written), so
 * those of a level are taken in the order of their first page. Owner: the cache's thread. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "engine/disk_impl.h"
#include "store/key.h"

/* ---- Records ----------------------------------------------------------------------------------------------------- */

/* A text up to the end of a frame. */
struct frame {
	struct store_key text;
	uint32_t parent; /* index + 1; 0: it is the first */
	uint32_t next;   /* of its bucket; index + 1 */
	uint32_t ids[DISK_FRAME];
};

/* A record of the level at hand. */
struct piece {
	struct store_key text, parent;
	uint32_t start, first, end; /* its frame, its first page's first token */
	uint8_t priority;
	uint64_t expires, place;
	uint32_t n_parts;
	uint32_t ids[DISK_FRAME];
	struct store_part *parts; /* owned */
};

enum { BUCKETS = 1 << 14, PLACES_MAX = KV_GROUPS_MAX * DISK_FRAME };

struct known {
	struct disk *d;
	struct kv_scope scope;
	struct store_key tag;
	struct frame *frames; /* [n_frames] of frames_cap */
	uint32_t n_frames, frames_cap;
	uint32_t buckets[BUCKETS];
	struct piece *pieces; /* [n_pieces] of pieces_cap */
	uint32_t n_pieces, pieces_cap;
	uint32_t *ids; /* [context] */
	uint64_t places[PLACES_MAX];
	bool full; /* no room for more */
};

static uint32_t bucket(struct store_key k)
{
	return (uint32_t)k.w[0] & (BUCKETS - 1);
}

static uint32_t find_frame(const struct known *k, struct store_key text)
{
	uint32_t i = k->buckets[bucket(text)];
	while (i && !key_equal(k->frames[i - 1].text, text))
		i = k->frames[i - 1].next;
	return i;
}

/* Room for one more; false: no memory. */
static bool grow(void **array, uint32_t n, uint32_t *cap, size_t bytes)
{
	if (n < *cap)
		return true;
	uint32_t more = *cap ? 2 * *cap : 64;
	void *bigger = mem_realloc(*array, more, bytes);
	if (!bigger)
		return false;
	*array = bigger;
	*cap = more;
	return true;
}

static bool add_frame(struct known *k, const struct piece *p, uint32_t parent)
{
	if (find_frame(k, p->text))
		return true;
	if (!grow((void **)&k->frames, k->n_frames, &k->frames_cap, sizeof *k->frames))
		return false;
	struct frame *f = &k->frames[k->n_frames++];
	*f = (struct frame){.text = p->text, .parent = parent, .next = k->buckets[bucket(p->text)]};
	memcpy(f->ids, p->ids, sizeof f->ids);
	k->buckets[bucket(p->text)] = k->n_frames;
	(void)disk_note_frame(k->d, p->text);
	return true;
}

/* Where kv_adopt looks for each page of first..end. False: there are too many. */
static bool list_places(struct known *k, const struct piece *p)
{
	const struct kvplan *plan = &k->d->cache->plan;
	uint32_t n = 0;
	for (uint32_t g = 0; g < plan->n_groups; g++) {
		uint32_t tokens = plan->desc[g].page_tokens, b = tokens ? p->first / tokens : p->end;
		for (uint32_t last = tokens ? (p->end - 1) / tokens : p->end; b <= last; b++, n++) {
			if (n == PLACES_MAX)
				return false;
			k->places[n] = 0;
			for (uint32_t i = 0; i < p->n_parts; i++)
				if (p->parts[i].group == g && p->parts[i].block == b)
					k->places[n] = store_place_part(p->place, i);
		}
	}
	return true;
}

static void adopt(struct known *k, const struct piece *p)
{
	uint64_t now = (uint64_t)time(NULL);
	struct kv_share share = {.scope = k->scope, .priority = p->priority};
	uint32_t parent = p->start ? find_frame(k, p->parent) : 0;
	bool taken;
	if (p->expires && p->expires <= now)
		return;
	share.ttl = p->expires ? (p->expires - now) * 1000 : 0;
	if ((p->start > 0 && !parent) || !list_places(k, p))
		return; /* what comes before it is not there any more */
	uint32_t at = p->start;
	for (uint32_t i = parent; i; i = k->frames[i - 1].parent)
		memcpy(k->ids + (at -= DISK_FRAME), k->frames[i - 1].ids, sizeof k->frames[0].ids);
	memcpy(k->ids + p->start, p->ids, (p->end - p->start) * sizeof *k->ids);
	int rc = kv_adopt(k->d->cache->kv, &share, k->ids, p->first, p->end, k->places, &taken, NULL);
	k->full |= rc != 0 && rc != KVIK_ERR_ARG; /* else it lacks a page, or what comes before it does */
	if (!rc && taken)
		k->d->stats.tokens_known += p->end - p->first;
	if (p->end - p->start == DISK_FRAME)
		k->full |= !add_frame(k, p, parent);
}

static int in_order(const void *a, const void *b)
{
	const struct piece *p = a, *q = b;
	if (p->first != q->first)
		return p->first < q->first ? -1 : 1;
	return p->end == q->end ? 0 : p->end > q->end ? -1 : 1; /* the longest has most */
}

static void adopt_level(struct known *k)
{
	if (k->n_pieces > 0)
		qsort(k->pieces, k->n_pieces, sizeof *k->pieces, in_order);
	for (uint32_t i = 0; i < k->n_pieces; i++) {
		/* Nodes are memory too: most of it is for what is computed. */
		struct kv_stats st = kv_stats(k->d->cache->kv);
		k->full |= st.bytes_tables > st.memory_bytes / 4;
		if (!k->full)
			adopt(k, &k->pieces[i]);
		mem_free(k->pieces[i].parts);
	}
	k->n_pieces = 0;
}

static bool collect(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	struct known *k = ctx;
	const struct kvplan *plan = &k->d->cache->plan;
	(void)worth;
	if (!key_equal(r->scope, k->tag) || r->end - r->start > DISK_FRAME || r->start % DISK_FRAME ||
	    r->end > k->d->cache->params.context)
		return true;
	if (k->n_pieces > 0 && k->pieces[0].start != r->start)
		adopt_level(k);
	struct store_part *parts = k->full ? NULL : mem_zalloc(r->n_parts, sizeof *parts);
	if (!parts || !grow((void **)&k->pieces, k->n_pieces, &k->pieces_cap, sizeof *k->pieces)) {
		mem_free(parts);
		return false;
	}
	struct piece *p = &k->pieces[k->n_pieces++];
	*p = (struct piece){.text = r->text,
			    .parent = r->parent,
			    .start = r->start,
			    .first = r->end,
			    .end = r->end,
			    .priority = r->priority,
			    .expires = r->expires,
			    .place = place,
			    .n_parts = r->n_parts,
			    .parts = parts};
	memcpy(p->ids, r->ids, (r->end - r->start) * sizeof *p->ids);
	memcpy(parts, r->parts, r->n_parts * sizeof *parts);
	for (uint32_t i = 0; i < r->n_parts; i++) {
		uint32_t tokens = r->parts[i].group < plan->n_groups ? plan->desc[r->parts[i].group].page_tokens : 0;
		if (tokens && (uint64_t)r->parts[i].block * tokens < p->first)
			p->first = r->parts[i].block * tokens;
	}
	if (p->first < p->start || p->first >= p->end)
		p->first = p->start; /* no record of ours: it will lack pages */
	return true;
}

static void adopt_scope(struct disk *d, const struct kv_scope *scope, struct store_key tag)
{
	struct known *k = mem_zalloc(1, sizeof *k);
	if (!k)
		return;
	k->d = d;
	k->scope = *scope;
	k->tag = tag;
	k->ids = mem_zalloc(d->cache->params.context, sizeof *k->ids);
	if (k->ids && store_each(d->store, &d->fingerprint, collect, k, NULL) == 0)
		adopt_level(k);
	for (uint32_t i = 0; i < k->n_pieces; i++)
		mem_free(k->pieces[i].parts);
	mem_free(k->pieces);
	mem_free(k->frames);
	mem_free(k->ids);
	mem_free(k);
}

void disk_find(void *disk, const struct kv_share *share, const uint32_t *ids, uint32_t n)
{
	struct disk *d = disk;
	struct store_key tag = disk_tag(d, &share->scope);
	(void)ids, (void)n;
	for (uint32_t i = 0; i < d->n_scopes; i++)
		if (key_equal(d->scopes[i], tag))
			return;
	if (d->n_scopes == DISK_SCOPES)
		return; /* the others begin anew */
	d->scopes[d->n_scopes++] = tag;
	adopt_scope(d, &share->scope, tag);
}

void disk_attach(struct disk *d)
{
	const struct kv_share public = {0};
	disk_find(d, &public, NULL, 0);
}
