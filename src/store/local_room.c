/* local_room.c: whole segments leave, the one first whose bytes are worth the least. What in it is worth more than most is
 * written again elsewhere before, ahead of need, by whoever tends the store.
 *
 * Worth ages as in GreedyDual: a record's is that of its tokens plus the worth of what was evicted last when it was used. */
#include "store/local_impl.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum { EXPIRY_SLOTS = 65536, MOVES_MAX = 4096 };

static struct segment *least_worth(const struct local *l)
{
	struct segment *least = NULL;
	double lowest = 0;
	for (struct segment *s = l->segments; s; s = s->next) {
		double worth = s->worth / (double)(segment_bytes(s) + 1);
		if (s != l->active && (!least || worth < lowest)) {
			least = s;
			lowest = worth;
		}
	}
	return least;
}

static void drop_segment(struct local *l, struct segment *s)
{
	const struct store_files *f = l->files;
	char name[SEGMENT_NAME];
	while (s->first) {
		local_remove(l, s->first);
		l->stats.evicted++;
	}
	struct segment **at = &l->segments;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	l->bytes -= segment_bytes(s);
	s->gone = true;
	for (int data = 0; data < 2; data++) { /* heads first: without them data is nothing */
		segment_name(name, s->number, data);
		int rc = f->unlink(f->ctx, l->dir, name);
		if (rc && rc != -ENOENT)
			fault(l->faults, STORE_FAULT_WRITE, "%s: %s", name, strerror(-rc));
	}
	s->refs++;
	local_unref(l, s);
}

bool local_evict_one(struct local *l)
{
	struct segment *s = l->writes ? least_worth(l) : NULL;
	if (!s)
		return false;
	double worth = s->worth / (double)(segment_bytes(s) + 1);
	if (worth > l->age)
		l->age = worth;
	drop_segment(l, s);
	return true;
}

bool local_make_room(struct local *l, uint64_t bytes)
{
	while (l->bytes + bytes > l->bytes_max || l->index.n >= l->records_max)
		if (!local_evict_one(l))
			return false;
	return true;
}

/* ---- Ahead of need ------------------------------------------------------------------------------------------------- */

bool local_hurries(void *b)
{
	struct local *l = b;
	pthread_mutex_lock(&l->lock);
	bool short_of_room = l->writes && l->bytes + local_reserve_bytes(l) > l->bytes_max;
	pthread_mutex_unlock(&l->lock);
	return short_of_room;
}

/* Places of what in the segment that goes next is worth more than the mean; returns how many. */
static uint32_t list_wanted(struct local *l, uint64_t *places)
{
	uint32_t n = 0;
	uint64_t bytes = 0;
	pthread_mutex_lock(&l->lock);
	struct segment *s = l->bytes + local_reserve_bytes(l) > l->bytes_max ? least_worth(l) : NULL;
	double mean = l->index.n ? l->index.worth / l->index.n : 0;
	for (uint32_t i = s ? s->first : 0; i && n < MOVES_MAX && bytes < l->segment_max / 4;
	     i = l->index.slots[i].behind)
		if ((double)l->index.slots[i].worth > mean && l->index.slots[i].hits > 0) {
			places[n++] = index_place(&l->index, i);
			bytes += (uint64_t)l->index.slots[i].data_pages * DATA_PAGE;
		}
	pthread_mutex_unlock(&l->lock);
	return n;
}

static void make_room_ahead(struct local *l)
{
	uint64_t *places = mem_alloc(MOVES_MAX * sizeof *places);
	uint32_t n = places ? list_wanted(l, places) : 0;
	for (uint32_t i = 0; i < n; i++)
		if (!local_move(l, places[i]))
			break;
	mem_free(places);
	pthread_mutex_lock(&l->lock);
	local_make_room(l, local_reserve_bytes(l));
	pthread_mutex_unlock(&l->lock);
}

static void drop_expired(struct local *l)
{
	uint64_t now = (uint64_t)time(NULL);
	pthread_mutex_lock(&l->lock);
	for (uint32_t n = 0; n < EXPIRY_SLOTS && n < l->index.n_slots; n++) {
		l->expiry_hand = l->expiry_hand + 1 < l->index.n_slots ? l->expiry_hand + 1 : 1;
		struct entry *e = l->expiry_hand < l->index.n_slots ? &l->index.slots[l->expiry_hand] : NULL;
		if (e && e->segment && e->expires && e->expires <= now) {
			local_wipe(l, l->expiry_hand);
			l->stats.expired++;
		}
	}
	pthread_mutex_unlock(&l->lock);
}

void local_tend(void *b)
{
	struct local *l = b;
	struct kvik_err err;
	pthread_mutex_lock(&l->lock);
	bool writes = l->writes;
	pthread_mutex_unlock(&l->lock);
	if (!writes) {
		if (!l->read_only && local_try_lock(l))
			fault_note(l->faults, "writes now: the process that did has ended");
		if (local_scan(l, &err))
			fault(l->faults, STORE_FAULT_READ, "%s", err.text);
		return;
	}
	drop_expired(l);
	make_room_ahead(l);
}
