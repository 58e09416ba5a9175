/* disk.c: tickets of the cache become requests of the store, and completions end them; see disk.h.
 *
 * A record is put together from the tickets that kv hands out for it, one after another, and then given to the store as a
 * whole. Pages are written from where they lie, and read to there, without a copy; but for those whose later slots a
 * sequence may be writing meanwhile, and those of devices that the host cannot read.
 *
 * Nothing here fails anybody: what the store refuses or loses is computed again. */
#include "engine/disk_impl.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"

enum {
	TICKETS = 512,    /* below STORE_REQUESTS_MAX */
	SILENT_MS = 2000, /* a disk from which nothing comes for so long is not waited for */
	FLUSH_SILENT_MS = 20000,
	BOOKS_PART = 16 /* at most one of so many parts of the memory is for the books of cold pages */
};
/* Requests are named by a record's address, or by that of a read and this bit; what nobody waits for by 0. */
#define READ_BIT 1u
#define NOBODYS 0
#define BYTES_PER_US_GUESS 500.0 /* until something was read */
#define READ_US_GUESS 300.0

/* ---- Records on their way out ------------------------------------------------------------------------------------ */

struct leaving {
	struct store_record record;
	uint32_t n; /* tickets so far, of record.n_parts */
	bool failed;
	uint64_t bytes, begun_ns;
	uint32_t *ids, *tickets;
	struct store_part *parts;
	void **data, **copies; /* [n_parts]; copies are owned, or NULL */
};

static void free_leaving(struct leaving *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		mem_free(l->copies[i]);
	mem_free(l->ids);
	mem_free(l->tickets);
	mem_free(l->parts);
	mem_free(l->data);
	mem_free(l->copies);
	mem_free(l);
}

static struct leaving *new_leaving(uint32_t n_ids, uint32_t n_parts)
{
	struct leaving *l = mem_zalloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->ids = mem_zalloc(n_ids, sizeof *l->ids);
	l->tickets = mem_zalloc(n_parts, sizeof *l->tickets);
	l->parts = mem_zalloc(n_parts, sizeof *l->parts);
	l->data = mem_zalloc(n_parts, sizeof *l->data);
	l->copies = mem_zalloc(n_parts, sizeof *l->copies);
	if (l->ids && l->tickets && l->parts && l->data && l->copies)
		return l;
	free_leaving(l);
	return NULL;
}

struct store_key disk_tag(const struct disk *d, const struct kv_scope *scope)
{
	bool public = scope->secret[0] == 0 && scope->secret[1] == 0;
	return store_scope(d->store, public ? NULL : (const char *)scope->secret, public ? 0 : sizeof scope->secret);
}

static double bytes_per_us(const struct disk *d)
{
	double us = (double)d->in.busy_ns / 1e3;
	return us > 1000 ? (double)d->in.bytes / us : BYTES_PER_US_GUESS;
}

static double load_us(const struct disk *d, uint64_t bytes)
{
	return (double)bytes / bytes_per_us(d);
}

bool disk_note_frame(struct disk *d, struct store_key text)
{
	return set_add(&d->frames, text.w[0]) == SET_NEW;
}

/* Before a record of the frame at `start`: the store knows the frames before it, if only by their ids. Windows may have
 * moved on from them before they were written, and leaves leave first. */
static void tell_frames(struct disk *d, const struct kv_leaving *l, struct store_key tag, uint32_t start)
{
	static const uint8_t nothing[64];
	const void *data = nothing;
	const struct store_part part = {.kind = STORE_PAGES, .group = DISK_NO_GROUP, .bytes = sizeof nothing};
	for (uint32_t end = start; end > 0; end -= DISK_FRAME) {
		struct store_record r = {
			.fingerprint = d->fingerprint,
			.scope = tag,
			.text = store_text_key(d->store, d->fingerprint, tag, l->ids, end),
			.parent = store_text_key(d->store, d->fingerprint, tag, l->ids, end - DISK_FRAME),
			.start = end - DISK_FRAME,
			.end = end,
			.ids = l->ids + end - DISK_FRAME,
			.parts = &part,
			.n_parts = 1,
			.priority = l->priority};
		if (!disk_note_frame(d, r.text) || store_put(d->store, &r, &data, NOBODYS, NULL) != 0)
			return;
	}
}

/* kv asks: is this worth more than computing it again? */
static uint64_t keep(void *ctx, const struct kv_leaving *l)
{
	struct disk *d = ctx;
	uint32_t start = l->start / DISK_FRAME * DISK_FRAME;
	if (l->n_pages > STORE_PARTS_MAX || l->end - start > STORE_IDS_MAX)
		return 0;
	struct store_key tag = disk_tag(d, l->scope);
	struct store_key text = store_text_key(d->store, d->fingerprint, tag, l->ids, l->end);
	bool pays = d->always || d->prefill_us <= 0 || load_us(d, l->bytes) < (l->end - l->start) * d->prefill_us;
	struct leaving *r =
		pays && store_wants(d->store, text, l->bytes) ? new_leaving(l->end - start, l->n_pages) : NULL;
	if (!r) {
		d->stats.refused++;
		return 0;
	}
	tell_frames(d, l, tag, start);
	if (l->end % DISK_FRAME == 0)
		(void)disk_note_frame(d, text);
	memcpy(r->ids, l->ids + start, (l->end - start) * sizeof *r->ids);
	r->record = (struct store_record){.fingerprint = d->fingerprint,
					  .scope = tag,
					  .text = text,
					  .parent = store_text_key(d->store, d->fingerprint, tag, l->ids, start),
					  .start = start,
					  .end = l->end,
					  .ids = r->ids,
					  .parts = r->parts,
					  .n_parts = l->n_pages,
					  .priority = l->priority,
					  .expires = l->ttl ? (uint64_t)time(NULL) + l->ttl / 1000 + 1 : 0};
	return (uint64_t)(uintptr_t)r;
}

/* The store drops what it has no room for by itself, and finds out what is damaged. */
static void forget(void *ctx, uint64_t place)
{
	(void)ctx, (void)place;
}

/* ---- Flow -------------------------------------------------------------------------------------------------------- */

static void flow_begin(struct disk *d, struct flow *f)
{
	uint64_t now = os_clock_ns();
	if (d->in.n + d->out.n == 0)
		d->moved_ns = now;
	if (f->n++ == 0)
		f->since_ns = now;
}

static void flow_end(struct disk *d, struct flow *f, uint64_t bytes)
{
	uint64_t now = os_clock_ns();
	d->moved_ns = now;
	f->busy_ns += now - f->since_ns;
	f->since_ns = now;
	f->bytes += bytes;
	f->done++;
	f->n--;
}

static bool is_silent(const struct disk *d, uint64_t ms)
{
	return d->in.n + d->out.n > 0 && os_clock_ns() - d->moved_ns > ms * 1000000;
}

/* ---- Tickets ----------------------------------------------------------------------------------------------------- */

static const struct backend *backend_of(const struct disk *d)
{
	return device_backend(d->cache->model->device);
}

static void *page_at(const struct disk *d, const struct kv_io *io)
{
	return backend_of(d)->page_at(d->cache->pages, io->group, io->page);
}

static size_t page_bytes(const struct disk *d, uint32_t group)
{
	return d->cache->plan.desc[group].page_bytes;
}

static enum store_kind kind_of(const struct kv_group_desc *g)
{
	return g->page_tokens == 0 ? STORE_STATE : g->window ? STORE_WINDOW : STORE_PAGES;
}

/* The page's bytes as they are now; later slots may still change. */
static void add_page(struct disk *d, struct leaving *l, const struct kv_io *io)
{
	const struct kv_group_desc *g = &d->cache->plan.desc[io->group];
	void *at = page_at(d, io);
	if (!at || io->tokens < g->page_tokens) {
		void *copy = l->copies[l->n] = mem_alloc(page_bytes(d, io->group));
		l->failed |= !copy;
		if (copy)
			cache_read_page(d->cache, io->group, io->page, io->tokens, copy);
		at = copy;
	}
	l->data[l->n] = at;
	l->parts[l->n] = (struct store_part){.kind = (uint8_t)kind_of(g),
					     .group = (uint16_t)io->group,
					     .block = io->block,
					     .tokens = io->tokens,
					     .bytes = (uint32_t)page_bytes(d, io->group)};
	l->bytes += page_bytes(d, io->group);
	l->tickets[l->n++] = io->ticket;
}

static void end_record(struct disk *d, struct leaving *l, bool ok, uint64_t place)
{
	d->stats.pages_written += ok ? l->n : 0;
	d->stats.failed += !ok;
	for (uint32_t i = 0; i < l->n; i++)
		kv_io_done(d->cache->kv, l->tickets[i], ok, ok ? store_place_part(place, i) : 0);
	free_leaving(l);
}

/* False: the store is too busy; again later. */
static bool put(struct disk *d, struct leaving *l)
{
	int rc = l->failed
			 ? KVIK_ERR_NOMEM
			 : store_put(d->store, &l->record, (const void *const *)l->data, (uint64_t)(uintptr_t)l, NULL);
	if (rc == KVIK_ERR_FULL && d->in.n + d->out.n > 0)
		return false;
	if (rc) {
		end_record(d, l, false, 0);
		return true;
	}
	flow_begin(d, &d->out);
	return true;
}

/* The same. A page that the host cannot reach is read beside it, and brought there when it has come. */
struct arriving {
	struct kv_io io;
	void *bytes;
};

static bool get(struct disk *d, const struct kv_io *io)
{
	void *at = page_at(d, io), *beside = at ? NULL : mem_alloc(page_bytes(d, io->group));
	struct arriving *a = mem_alloc(sizeof *a);
	int rc = !a || (!at && !beside) ? KVIK_ERR_NOMEM : 0;
	if (!rc) {
		*a = (struct arriving){.io = *io, .bytes = beside};
		rc = store_get(d->store, io->place, at ? at : beside, (uint32_t)page_bytes(d, io->group),
			       (uint64_t)(uintptr_t)a | READ_BIT, NULL);
	}
	if (!rc) {
		flow_begin(d, &d->in);
		return true;
	}
	mem_free(a);
	mem_free(beside);
	if (rc == KVIK_ERR_FULL && d->in.n + d->out.n > 0)
		return false;
	d->stats.failed++;
	kv_io_done(d->cache->kv, io->ticket, false, 0);
	return true;
}

/* One ticket; false: it is held. */
static bool take_ticket(struct disk *d, const struct kv_io *io)
{
	if (!io->write)
		return get(d, io);
	struct leaving *l = (struct leaving *)(uintptr_t)io->record;
	add_page(d, l, io);
	if (l->n < l->record.n_parts || put(d, l))
		return true;
	d->held_record = l;
	return true;
}

static void take_tickets(struct disk *d)
{
	struct kv_io io;
	if (d->held_record) {
		struct leaving *l = d->held_record;
		d->held_record = NULL;
		if (!put(d, l))
			d->held_record = l;
	}
	if (d->held && !d->held_record)
		d->held = !take_ticket(d, &d->held_io);
	while (!d->held && !d->held_record && kv_io_next(d->cache->kv, &io))
		if (!take_ticket(d, &io)) {
			d->held = true;
			d->held_io = io;
		}
}

static void end_read(struct disk *d, struct arriving *a, bool ok)
{
	flow_end(d, &d->in, ok ? page_bytes(d, a->io.group) : 0);
	d->stats.pages_read += ok;
	d->stats.failed += !ok;
	if (ok && a->bytes)
		backend_of(d)->page_write(d->cache->pages, a->io.group, a->io.page, a->bytes);
	kv_io_done(d->cache->kv, a->io.ticket, ok, 0);
	mem_free(a->bytes);
	mem_free(a);
}

bool disk_run(struct disk *d)
{
	struct store_done done;
	uint64_t ended = d->in.done + d->out.done + d->stats.failed;
	if (d->watches) {
		pthread_mutex_lock(&d->lock);
		d->news = false;
		pthread_cond_signal(&d->ran);
		pthread_mutex_unlock(&d->lock);
	}
	take_tickets(d);
	while (store_next(d->store, &done)) {
		if (done.ticket & READ_BIT) {
			end_read(d, (struct arriving *)(uintptr_t)(done.ticket & ~(uint64_t)READ_BIT),
				 done.end == STORE_OK);
		} else if (done.ticket != NOBODYS) {
			struct leaving *l = (struct leaving *)(uintptr_t)done.ticket;
			flow_end(d, &d->out, l->bytes);
			end_record(d, l, done.end == STORE_OK, done.place);
		}
	}
	take_tickets(d);
	return d->in.done + d->out.done + d->stats.failed != ended;
}

void disk_wait(struct disk *d, uint32_t ms)
{
	if (d->in.n + d->out.n > 0) /* else nothing will come */
		(void)store_wait(d->store, ms);
}

int64_t disk_due_us(const struct disk *d)
{
	int64_t due = INT64_MAX, now = (int64_t)(os_clock_ns() / 1000);
	if (kv_store_waits(d->cache->kv))
		due = now + (int64_t)d->ops.sync_after * 1000 / 2 + 1000;
	if (d->in.n > 0 && now + SILENT_MS * 1000 < due)
		due = now + SILENT_MS * 1000;
	return due;
}

/* ---- News for a thread that sleeps ------------------------------------------------------------------------------- */

static void *watch(void *disk)
{
	struct disk *d = disk;
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		pthread_mutex_unlock(&d->lock);
		bool some = store_wait(d->store, 200);
		pthread_mutex_lock(&d->lock);
		if (!some || d->stop)
			continue;
		d->news = true;
		pthread_mutex_unlock(&d->lock);
		d->fn(d->fn_ctx);
		pthread_mutex_lock(&d->lock);
		while (d->news && !d->stop)
			pthread_cond_wait(&d->ran, &d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int disk_watch(struct disk *d, void (*fn)(void *ctx), void *ctx, struct kvik_err *err)
{
	d->fn = fn;
	d->fn_ctx = ctx;
	if (os_thread_new(&d->watcher, watch, d) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "no thread to watch the disk of the cache");
	d->watches = true;
	return 0;
}

static void stop_watching(struct disk *d)
{
	if (!d->watches)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->ran);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->watcher, NULL);
	d->watches = false;
}

/* ---- Load or compute --------------------------------------------------------------------------------------------- */

bool disk_pays(void *disk, uint32_t from, uint32_t to)
{
	const struct disk *d = disk;
	if (is_silent(d, SILENT_MS))
		return false;
	if (d->always || d->prefill_us <= 0)
		return true;
	uint64_t bytes = (to - from) * kvplan_token_bytes(&d->cache->plan);
	return READ_US_GUESS + load_us(d, bytes) < (to - from) * d->prefill_us;
}

void disk_prefill_us(struct disk *d, double us_per_token)
{
	d->prefill_us = us_per_token;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

int disk_open(struct disk **out, struct kvik_cache *c, struct kvik_err *err)
{
	const struct kvik_cache_params *p = &c->params;
	struct disk *d = *out = mem_zalloc(1, sizeof *d);
	if (!d)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the disk of a cache");
	d->cache = c;
	d->always = p->disk_load_always;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ran, NULL);
	struct store_config sc = {.where = p->disk,
				  .bytes_max = p->disk_bytes,
				  .sync_ms = p->disk_sync_ms,
				  .key_file = p->disk_key,
				  .log = p->disk_log,
				  .log_ctx = p->disk_log_user};
	struct hash128 model;
	int rc = cache_fingerprint(c, &model, err);
	if (!rc) {
		d->fingerprint = (struct store_key){{model.w[0], model.w[1]}};
		rc = store_open(&d->store, &sc, err);
	}
	if (rc) {
		disk_close(d);
		*out = NULL;
	}
	return rc;
}

const struct kv_store *disk_store(struct disk *d, uint64_t room)
{
	const struct kvplan *plan = &d->cache->plan;
	double pages = 0; /* for a byte that is cold: of all groups, since kv counts the limit for each */
	for (uint32_t g = 0; g < plan->n_groups; g++)
		pages += 1.0 / (double)plan->desc[g].page_bytes;
	double most = (double)room / BOOKS_PART / (pages * (sizeof(struct kv_io) + sizeof(uint64_t)));
	uint64_t bytes_max = store_stats(d->store).bytes_max;
	d->ops = (struct kv_store){.ctx = d,
				   .keep = keep,
				   .forget = forget,
				   .io_max = TICKETS,
				   .cold_bytes = (double)bytes_max < most ? bytes_max : (uint64_t)most,
				   .sync_after = d->cache->params.disk_sync_ms};
	return &d->ops;
}

/* Whatever is under way comes to its end; kv is asked for more while `write`. */
static void drain(struct disk *d, bool write)
{
	while (!is_silent(d, FLUSH_SILENT_MS)) {
		bool more = write && kv_store_all(d->cache->kv);
		disk_run(d);
		if (!more && d->in.n + d->out.n == 0 && !d->held && !d->held_record)
			return;
		disk_wait(d, 100);
	}
}

void disk_flush(struct disk *d)
{
	stop_watching(d);
	drain(d, true);
	while (d->in.n + d->out.n > 0) { /* the store's threads have our pages */
		disk_run(d);
		disk_wait(d, 100);
	}
	store_sync(d->store);
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	stop_watching(d);
	store_close(d->store);
	set_release(&d->frames);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->ran);
	mem_free(d);
}

struct disk_stats disk_stats(const struct disk *d)
{
	struct disk_stats o = d->stats;
	struct store_stats s = store_stats(d->store);
	o.bytes = s.bytes;
	o.bytes_max = s.bytes_max;
	o.records = s.records;
	o.bytes_read = s.bytes_read;
	o.bytes_written = s.bytes_written;
	o.evicted = s.evicted;
	for (int i = 0; i < STORE_FAULT_COUNT; i++)
		o.faults += s.faults[i];
	o.read_ms_sum = (double)s.get_ns / 1e6;
	o.write_ms_sum = (double)s.put_ns / 1e6;
	return o;
}
