/* http_work.c: see http_work.h. */
#include "http/http_work.h"

#include <malloc.h>
#include <pthread.h>

#include "base/mem.h"
#include "base/os.h"

enum { LANES = 3, THREADS_MAX = 2, GROUPS = 256 };

static const struct {
	uint64_t upto; /* bytes of a body */
	int threads;
	int background; /* how much they give way to others */
} kinds[LANES] = {{32 << 10, 2, 0}, {1 << 20, 1, 5}, {UINT64_MAX, 1, 10}};

struct lane {
	struct http_work *work;
	pthread_t threads[THREADS_MAX];
	int n_threads;
	int background;
	struct heap waiting;          /* under the lock, like the rest: by finish_tag */
	uint64_t clock, last[GROUPS]; /* start_tag of the job that began last; finish_tag of each client's last */
	uint32_t n;
	pthread_cond_t wake;
};

struct http_work {
	pthread_mutex_t lock;
	struct lane lanes[LANES];
	struct http_job *ended_first, **ended_last; /* under the lock */
	bool stop;                                  /* under the lock */
	struct event *wake;                         /* of the loop; active when jobs have ended */
	void (*ended)(void *ctx, struct http_job *job);
	void *ctx;
};

/* ---- The lanes' threads ------------------------------------------------------------------------------------------ */

static bool before(const struct heap_link *a, const struct heap_link *b)
{
	return HEAP_ELEMENT(a, struct http_job, link)->finish_tag < HEAP_ELEMENT(b, struct http_job, link)->finish_tag;
}

/* Under the lock. NULL: it is over. */
static struct http_job *next_job(struct lane *l)
{
	while (!l->waiting.top && !l->work->stop)
		pthread_cond_wait(&l->wake, &l->work->lock);
	if (l->work->stop)
		return NULL;
	struct http_job *job = HEAP_ELEMENT(l->waiting.top, struct http_job, link);
	heap_remove(&l->waiting, &job->link);
	l->n--;
	if (job->start_tag > l->clock)
		l->clock = job->start_tag;
	return job;
}

static void work_on(struct http_job *job)
{
	enum { LARGE = 1 << 20 };
	size_t bytes = job->body.n;
	api_call_run(job->call, &job->body);
	if (bytes > LARGE)
		malloc_trim(0); /* millions of small blocks were freed: the system gets them back now */
}

static void *run(void *arg)
{
	struct lane *l = arg;
	struct http_work *w = l->work;
	struct http_job *job;
	os_thread_background(l->background);
	pthread_mutex_lock(&w->lock);
	while ((job = next_job(l))) {
		pthread_mutex_unlock(&w->lock);
		work_on(job);
		pthread_mutex_lock(&w->lock);
		job->next = NULL;
		*w->ended_last = job;
		w->ended_last = &job->next;
		event_active(w->wake, EV_READ, 0);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- The loop's side --------------------------------------------------------------------------------------------- */

void http_work_submit(struct http_work *w, struct http_job *job)
{
	job->lane = 0;
	while (job->body.n > kinds[job->lane].upto)
		job->lane++;
	pthread_mutex_lock(&w->lock);
	struct lane *l = &w->lanes[job->lane];
	uint64_t *last = &l->last[job->group % GROUPS];
	job->start_tag = *last > l->clock ? *last : l->clock;
	*last = job->finish_tag = job->start_tag + job->body.n + 1;
	heap_push(&l->waiting, &job->link);
	l->n++;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&w->lock);
}

bool http_work_take_back(struct http_work *w, struct http_job *job)
{
	pthread_mutex_lock(&w->lock);
	struct lane *l = &w->lanes[job->lane];
	bool waits = heap_has(&l->waiting, &job->link);
	if (waits) {
		heap_remove(&l->waiting, &job->link);
		l->n--;
	}
	pthread_mutex_unlock(&w->lock);
	return waits;
}

uint32_t http_work_waiting(struct http_work *w)
{
	uint32_t n = 0;
	pthread_mutex_lock(&w->lock);
	for (int i = 0; i < LANES; i++)
		n += w->lanes[i].n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

void http_job_free(struct http_job *job)
{
	if (!job)
		return;
	api_call_release(job->call);
	buf_release(&job->body);
	mem_free(job);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct http_work *w = ctx;
	(void)fd;
	(void)what;
	pthread_mutex_lock(&w->lock);
	struct http_job *job = w->ended_first;
	w->ended_first = NULL;
	w->ended_last = &w->ended_first;
	pthread_mutex_unlock(&w->lock);
	for (struct http_job *next; job; job = next) {
		next = job->next;
		w->ended(w->ctx, job);
	}
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static int start_lane(struct http_work *w, int i, struct kvik_err *err)
{
	struct lane *l = &w->lanes[i];
	for (; l->n_threads < kinds[i].threads; l->n_threads++)
		if (os_thread_new(&l->threads[l->n_threads], run, l))
			return err_set(err, KVIK_ERR_NOMEM, "no thread for the server's requests");
	return 0;
}

int http_work_new(struct http_work **out, struct event_base *base, void (*ended)(void *ctx, struct http_job *job),
		  void *ctx, struct kvik_err *err)
{
	*out = NULL;
	struct http_work *w = mem_zalloc(1, sizeof *w);
	if (!w)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	w->ended = ended;
	w->ctx = ctx;
	w->ended_last = &w->ended_first;
	pthread_mutex_init(&w->lock, NULL);
	for (int i = 0; i < LANES; i++) {
		w->lanes[i].work = w;
		w->lanes[i].background = kinds[i].background;
		w->lanes[i].waiting.before = before;
		pthread_cond_init(&w->lanes[i].wake, NULL);
	}
	w->wake = event_new(base, -1, EV_READ | EV_PERSIST, on_wake, w);
	int rc = w->wake ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	for (int i = 0; i < LANES && !rc; i++)
		rc = start_lane(w, i, err);
	if (rc)
		http_work_free(w);
	else
		*out = w;
	return rc;
}

static void free_lane(struct lane *l)
{
	pthread_cond_broadcast(&l->wake);
	for (int t = 0; t < l->n_threads; t++)
		pthread_join(l->threads[t], NULL);
	while (l->waiting.top) {
		struct http_job *job = HEAP_ELEMENT(l->waiting.top, struct http_job, link);
		heap_remove(&l->waiting, &job->link);
		http_job_free(job);
	}
	pthread_cond_destroy(&l->wake);
}

void http_work_free(struct http_work *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < LANES; i++)
		free_lane(&w->lanes[i]);
	for (struct http_job *job = w->ended_first, *next; job; job = next) {
		next = job->next;
		http_job_free(job);
	}
	if (w->wake)
		event_free(w->wake);
	pthread_mutex_destroy(&w->lock);
	mem_free(w);
}
