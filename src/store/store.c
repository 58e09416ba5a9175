/* store.c: requests go to threads and come back as completions. What a thread does with one is the backend's.
 *
 *     free --> asked: gets, has | puts --> running --> done ring --> free
 *
 * Invariants, under the lock: 1. Each request is free, asked, running or done. 2. flight_bytes is the sum of those that
 * are not free. 3. The event file is readable exactly while the ring is not empty. Gets go before puts, and one thread at
 * least does no puts. */
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "store/admit.h"
#include "store/local.h"
#include "store/redis.h"
#include "store/shared.h"
#include "store/store_impl.h"

enum { THREADS_MAX = 64, RUN_MAX = 64 }; /* gets of one record that go together */

enum kind { GET, HAS, PUT };

struct request {
	enum kind kind;
	uint64_t ticket, place;
	void *into;
	uint64_t bytes;
	struct copy *copy; /* owned; of HAS and PUT */
	uint64_t asked_ns;
	enum store_end end;
	struct request *next;
};

/* A record that a caller gave, and where its parts are: one allocation. */
struct copy {
	struct store_record record;
	const void **data; /* [n_parts] */
};

struct queue {
	struct request *first, *last;
};

struct store {
	struct backend backend;
	struct faults faults;
	struct uring_hand *uring;
	struct store_files uring_table;
	struct redis *redis; /* NULL: records do not lie there */
	struct store_files redis_table;
	char *where;
	uint64_t flight_max;
	uint32_t sync_ms;
	uint32_t n_threads;
	pthread_t threads[THREADS_MAX], keeper;
	bool has_keeper;
	int event;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work, done, keep;
	struct request *requests; /* [STORE_REQUESTS_MAX] */
	struct request *free;
	struct queue reads, puts, ended;
	uint32_t puts_running;
	uint64_t flight, flight_bytes;
	bool stops;
	bool hurries; /* the keeper is to make room now */
	struct admit admit;
	struct store_stats stats; /* what is counted here */
};

/* ---- Queues, under the lock ---------------------------------------------------------------------------------------- */

static void push(struct queue *q, struct request *r)
{
	r->next = NULL;
	if (q->first)
		q->last->next = r;
	else
		q->first = r;
	q->last = r;
}

static struct request *pop(struct queue *q)
{
	struct request *r = q->first;
	if (r)
		q->first = r->next;
	return r;
}

static void finish(struct store *s, struct request *r)
{
	uint64_t ns = os_clock_ns() - r->asked_ns;
	if (r->kind == PUT) {
		s->stats.puts++;
		s->stats.puts_failed += r->end != STORE_OK;
		s->stats.put_ns += ns;
	} else if (r->kind == GET) {
		s->stats.gets++;
		s->stats.gets_failed += r->end != STORE_OK;
		s->stats.get_ns += ns;
	}
	mem_free(r->copy);
	r->copy = NULL;
	uint64_t one = 1;
	if (!s->ended.first && write(s->event, &one, sizeof one) < 0 && errno != EAGAIN)
		fault(&s->faults, STORE_FAULT_MEMORY, "eventfd: %s", strerror(errno));
	push(&s->ended, r);
	pthread_cond_broadcast(&s->done);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------- */

/* Gets of parts of one record that were asked one behind the other; run[0] is taken already. */
static uint32_t take_run(struct store *s, struct request **run)
{
	uint32_t n = 1;
	while (n < RUN_MAX && run[0]->kind == GET && s->reads.first && s->reads.first->kind == GET &&
	       s->reads.first->place >> 8 == run[0]->place >> 8)
		run[n++] = pop(&s->reads);
	return n;
}

static void run_gets(struct store *s, struct request **run, uint32_t n)
{
	struct backend_read reads[RUN_MAX];
	for (uint32_t i = 0; i < n; i++)
		reads[i] = (struct backend_read){run[i]->place, run[i]->into, (uint32_t)run[i]->bytes, STORE_FAILED};
	s->backend.ops->get(s->backend.b, reads, n);
	for (uint32_t i = 0; i < n; i++)
		run[i]->end = reads[i].end;
}

static void run(struct store *s, struct request **run, uint32_t n)
{
	const struct backend_ops *ops = s->backend.ops;
	struct request *r = run[0];
	if (r->kind == GET)
		run_gets(s, run, n);
	else if (r->kind == HAS)
		r->end = ops->has(s->backend.b, &r->copy->record, &r->place);
	else
		r->end = ops->put(s->backend.b, &r->copy->record, r->copy->data, &r->place);
}

static void *work(void *arg)
{
	struct store *s = arg;
	struct request *taken[RUN_MAX];
	pthread_mutex_lock(&s->lock);
	for (;;) {
		bool may_put = s->puts_running + 1 < s->n_threads || s->n_threads == 1 || s->stops;
		taken[0] = pop(&s->reads);
		if (!taken[0] && may_put)
			taken[0] = pop(&s->puts);
		if (!taken[0] && s->stops && !s->puts.first)
			break;
		if (!taken[0]) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		uint32_t n = take_run(s, taken);
		bool puts = taken[0]->kind == PUT;
		s->puts_running += puts;
		pthread_mutex_unlock(&s->lock);
		run(s, taken, n);
		bool hurries = puts && s->backend.ops->hurries(s->backend.b);
		pthread_mutex_lock(&s->lock);
		if (hurries && !s->hurries) {
			s->hurries = true;
			pthread_cond_signal(&s->keep);
		}
		s->puts_running -= puts;
		if (puts && s->puts.first)
			pthread_cond_signal(&s->work);
		for (uint32_t i = 0; i < n; i++)
			finish(s, taken[i]);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct timespec after_ms(uint32_t ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t ns = (uint64_t)t.tv_nsec + ms * UINT64_C(1000000);
	t.tv_sec += (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	return t;
}

/* Syncs when it is time, and makes room then and when room gets short. */
static void *keep(void *arg)
{
	struct store *s = arg;
	struct timespec due = after_ms(s->sync_ms);
	pthread_mutex_lock(&s->lock);
	for (;;) {
		int rc = 0;
		while (!s->stops && !s->hurries && rc == 0)
			rc = pthread_cond_timedwait(&s->keep, &s->lock, &due);
		if (s->stops)
			break;
		struct timespec now = after_ms(0);
		bool is_due = now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec >= due.tv_nsec);
		s->hurries = false;
		pthread_mutex_unlock(&s->lock);
		if (is_due) {
			s->backend.ops->sync(s->backend.b);
			due = after_ms(s->sync_ms);
		}
		s->backend.ops->tend(s->backend.b);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- Open and close ------------------------------------------------------------------------------------------------ */

static int start_threads(struct store *s, struct kvik_err *err)
{
	for (uint32_t n = s->n_threads; s->n_threads > 0 && n > 0; n--) {
		int rc = os_thread_new(&s->threads[s->n_threads - n], work, s);
		if (rc) {
			s->n_threads -= n;
			return err_set(err, KVIK_ERR_NOMEM, "store: a thread cannot be started: %s", strerror(rc));
		}
	}
	int rc = os_thread_new(&s->keeper, keep, s);
	s->has_keeper = rc == 0;
	return rc ? err_set(err, KVIK_ERR_NOMEM, "store: a thread cannot be started: %s", strerror(rc)) : 0;
}

static void init_conditions(struct store *s)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->done, &monotonic);
	pthread_cond_init(&s->keep, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static int open_backend(struct store *s, struct store_config *c, struct kvik_err *err)
{
	if (!c->files) {
		uring_new(&s->uring, &s->uring_table, files_system());
		c->files = s->uring ? &s->uring_table : files_system();
	}
	static const char shared[] = "shared:", redis[] = "redis://";
	if (strncmp(s->where, redis, sizeof redis - 1) == 0) {
		int rc = redis_open(&s->redis, &s->redis_table, s->where, err);
		if (rc)
			return rc;
		s->faults.where = redis_name(s->redis); /* nobody logs a password */
		c->files = &s->redis_table;
		return shared_open(&s->backend, s->faults.where, c, &s->faults, err);
	}
	if (strncmp(s->where, shared, sizeof shared - 1) == 0)
		return shared_open(&s->backend, s->where + sizeof shared - 1, c, &s->faults, err);
	if (strstr(s->where, "://"))
		return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: a store is a folder, shared:FOLDER, or redis://HOST",
			       s->where);
	return local_open(&s->backend, s->where, c, &s->faults, err);
}

static int check_config(struct store_config *c, struct kvik_err *err)
{
	c->flight_bytes = c->flight_bytes ? c->flight_bytes : UINT64_C(64) << 20;
	c->records_max = c->records_max ? c->records_max : 4000000;
	c->threads = c->threads ? c->threads : 4;
	c->sync_ms = c->sync_ms ? c->sync_ms : 1000;
	if (c->threads > THREADS_MAX || !c->where || !*c->where)
		return err_set(err, KVIK_ERR_ARG, "store: it is to be somewhere, and has 1..%d threads", THREADS_MAX);
	return 0;
}

int store_open(struct store **out, const struct store_config *given, struct kvik_err *err)
{
	struct store_config c = *given;
	int rc = check_config(&c, err);
	if (rc)
		return rc;
	struct store *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	s->where = mem_strndup(c.where, strlen(c.where));
	s->requests = mem_zalloc(STORE_REQUESTS_MAX, sizeof *s->requests);
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->flight_max = c.flight_bytes;
	s->sync_ms = c.sync_ms;
	s->faults.log = c.log;
	s->faults.ctx = c.log_ctx;
	s->faults.where = s->where;
	init_conditions(s);
	admit_init(&s->admit, c.write_per_day, os_clock_ns());
	if (!s->where || !s->requests || s->event < 0)
		rc = err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	for (uint32_t i = 0; !rc && i < STORE_REQUESTS_MAX; i++) {
		s->requests[i].next = s->free;
		s->free = &s->requests[i];
	}
	if (!rc)
		rc = open_backend(s, &c, err);
	s->n_threads = rc ? 0 : c.threads;
	if (!rc)
		rc = start_threads(s, err);
	if (rc) {
		store_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stops = true;
	pthread_cond_broadcast(&s->work);
	pthread_cond_broadcast(&s->keep);
	pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
	if (s->has_keeper)
		pthread_join(s->keeper, NULL);
	if (s->backend.ops)
		s->backend.ops->close(s->backend.b);
	uring_free(s->uring);
	redis_close(s->redis);
	if (s->event >= 0)
		close(s->event);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->done);
	pthread_cond_destroy(&s->keep);
	pthread_mutex_destroy(&s->lock);
	mem_free(s->requests);
	mem_free(s->where);
	mem_free(s);
}

struct store_key store_scope(const struct store *s, const char *tenant, size_t n)
{
	return s->backend.secret ? secret_tag(s->backend.secret, tenant, n) : (struct store_key){{0, 0}};
}

const uint8_t *store_hash_secret(const struct store *s)
{
	return s->backend.secret ? s->backend.secret->hash : NULL;
}

struct store_key store_text_key(const struct store *s, struct store_key fingerprint, struct store_key scope,
				const uint32_t *ids, uint32_t n)
{
	if (!s->backend.secret)
		return (struct store_key){{0, 0}};
	return key_of_text(s->backend.secret->hash, fingerprint, scope, ids, n);
}

/* ---- Requests ------------------------------------------------------------------------------------------------------ */

static struct copy *copy_record(const struct store_record *r, const void *const *data)
{
	size_t parts = data ? r->n_parts : 0, n = r->end - r->start;
	struct copy *c = mem_alloc(sizeof *c + parts * (sizeof *c->data + sizeof *r->parts) + n * sizeof *r->ids);
	if (!c)
		return NULL;
	c->data = (void *)(c + 1);
	struct store_part *p = (void *)(c->data + parts);
	uint32_t *ids = (void *)(p + parts);
	if (parts) {
		memcpy(c->data, data, parts * sizeof *data);
		memcpy(p, r->parts, parts * sizeof *p);
	}
	memcpy(ids, r->ids, n * sizeof *ids);
	c->record = *r;
	c->record.parts = p;
	c->record.n_parts = (uint32_t)parts;
	c->record.ids = ids;
	return c;
}

/* Takes copy. */
static int ask(struct store *s, struct request wanted, struct kvik_err *err)
{
	pthread_mutex_lock(&s->lock);
	bool fits = s->free && (s->flight == 0 || s->flight_bytes + wanted.bytes <= s->flight_max);
	if (fits) {
		struct request *r = s->free;
		s->free = r->next;
		*r = wanted;
		r->asked_ns = os_clock_ns();
		s->flight++;
		s->flight_bytes += r->bytes;
		push(r->kind == PUT ? &s->puts : &s->reads, r);
		if (r->kind == PUT)
			admit_wrote(&s->admit, r->bytes);
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	if (fits)
		return 0;
	mem_free(wanted.copy);
	return err_set(err, KVIK_ERR_FULL, "store: too much is on its way");
}

bool store_wants(struct store *s, struct store_key text, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	bool wants = admit_wants(&s->admit, text, bytes, os_clock_ns());
	s->stats.refused += !wants;
	pthread_mutex_unlock(&s->lock);
	return wants;
}

static bool range_ok(const struct store_record *r)
{
	return r->end > r->start && r->end - r->start <= STORE_IDS_MAX && r->ids;
}

int store_put(struct store *s, const struct store_record *r, const void *const *data, uint64_t ticket,
	      struct kvik_err *err)
{
	uint64_t bytes = 0;
	bool ok = range_ok(r) && r->n_parts > 0 && r->n_parts <= STORE_PARTS_MAX;
	for (uint32_t i = 0; ok && i < r->n_parts; i++) {
		const struct store_part *p = &r->parts[i];
		ok = p->kind < STORE_KINDS && p->zero == 0 && p->bytes > 0 && p->bytes <= STORE_PART_BYTES_MAX &&
		     data[i];
		bytes += p->bytes;
	}
	if (!ok)
		return err_set(err, KVIK_ERR_ARG,
			       "store: a record has 1..%d ids and 1..%d parts with something in them", STORE_IDS_MAX,
			       STORE_PARTS_MAX);
	struct copy *c = copy_record(r, data);
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory for a request");
	return ask(s, (struct request){.kind = PUT, .ticket = ticket, .bytes = bytes, .copy = c}, err);
}

int store_get(struct store *s, uint64_t place, void *into, uint32_t bytes, uint64_t ticket, struct kvik_err *err)
{
	if (place == 0 || !into || bytes == 0)
		return err_set(err, KVIK_ERR_ARG, "store: a get has a place and room for its bytes");
	return ask(s, (struct request){.kind = GET, .ticket = ticket, .place = place, .into = into, .bytes = bytes},
		   err);
}

int store_has(struct store *s, const struct store_record *r, uint64_t ticket, struct kvik_err *err)
{
	if (!range_ok(r))
		return err_set(err, KVIK_ERR_ARG, "store: a record has 1..%d ids", STORE_IDS_MAX);
	struct copy *c = copy_record(r, NULL);
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory for a request");
	return ask(s, (struct request){.kind = HAS, .ticket = ticket, .copy = c}, err);
}

bool store_next(struct store *s, struct store_done *out)
{
	pthread_mutex_lock(&s->lock);
	struct request *r = pop(&s->ended);
	if (r) {
		*out = (struct store_done){r->ticket, r->end, r->place};
		s->flight--;
		s->flight_bytes -= r->bytes;
		r->next = s->free;
		s->free = r;
		uint64_t drained;
		if (!s->ended.first && read(s->event, &drained, sizeof drained) < 0)
			out->ticket = r->ticket; /* not readable: it was not written, as finish has said */
	}
	pthread_mutex_unlock(&s->lock);
	return r != NULL;
}

int store_fd(const struct store *s)
{
	return s->event;
}

bool store_wait(struct store *s, uint32_t ms)
{
	struct timespec until = after_ms(ms);
	pthread_mutex_lock(&s->lock);
	int rc = 0;
	while (!s->ended.first && rc == 0)
		rc = pthread_cond_timedwait(&s->done, &s->lock, &until);
	bool any = s->ended.first;
	pthread_mutex_unlock(&s->lock);
	return any;
}

/* ---- The rest ------------------------------------------------------------------------------------------------------ */

void store_erase(struct store *s, uint64_t place)
{
	s->backend.ops->erase(s->backend.b, place);
}

uint64_t store_purge(struct store *s, struct store_key scope)
{
	return s->backend.ops->purge(s->backend.b, scope);
}

int store_each(struct store *s, const struct store_key *fingerprint, store_each_fn *fn, void *ctx, struct kvik_err *err)
{
	return s->backend.ops->each(s->backend.b, fingerprint, fn, ctx, err);
}

void store_sync(struct store *s)
{
	s->backend.ops->sync(s->backend.b);
}

struct store_stats store_stats(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	struct store_stats out = s->stats;
	out.flight = s->flight;
	out.flight_bytes = s->flight_bytes;
	pthread_mutex_unlock(&s->lock);
	s->backend.ops->stats(s->backend.b, &out);
	for (uint32_t i = 0; i < STORE_FAULT_COUNT; i++)
		out.faults[i] = atomic_load(&s->faults.n[i]);
	return out;
}
