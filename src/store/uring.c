/* uring.c: a batch goes to the kernel in one call and is waited for in one: many reads are in flight from one thread.
 * Whatever comes back short, or not at all, is done again the plain way, so this can be no worse. A hand has as many
 * rings as there are threads in it at once. */
#include "store/files.h"

#include <errno.h>
#include <pthread.h>

#include <liburing.h>

#include "base/mem.h"

enum { DEPTH = 64, RINGS_MAX = 64 };

struct ring {
	struct io_uring ring;
	struct ring *next;
};

struct uring_hand {
	const struct store_files *below;
	pthread_mutex_t lock;
	struct ring *idle;
	uint32_t n;
};

static struct ring *new_ring(void)
{
	struct ring *r = mem_zalloc(1, sizeof *r);
	if (r && io_uring_queue_init(DEPTH, &r->ring, 0) < 0) {
		mem_free(r);
		r = NULL;
	}
	return r;
}

static struct ring *take_ring(struct uring_hand *h)
{
	pthread_mutex_lock(&h->lock);
	struct ring *r = h->idle;
	bool more = !r && h->n < RINGS_MAX;
	if (r)
		h->idle = r->next;
	h->n += more;
	pthread_mutex_unlock(&h->lock);
	if (!more)
		return r;
	r = new_ring();
	if (!r) {
		pthread_mutex_lock(&h->lock);
		h->n--;
		pthread_mutex_unlock(&h->lock);
	}
	return r;
}

static void drop_ring(struct uring_hand *h, struct ring *r)
{
	io_uring_queue_exit(&r->ring);
	mem_free(r);
	pthread_mutex_lock(&h->lock);
	h->n--;
	pthread_mutex_unlock(&h->lock);
}

static void give_ring(struct uring_hand *h, struct ring *r)
{
	pthread_mutex_lock(&h->lock);
	r->next = h->idle;
	h->idle = r;
	pthread_mutex_unlock(&h->lock);
}

/* At most DEPTH of them. Returns only when none is in flight: their memory is the caller's. false: the kernel takes no
 * more, and the ring is of no further use. */
static bool run_ring(struct io_uring *ring, struct file_io *ios, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct io_uring_sqe *e = io_uring_get_sqe(ring);
		ios[i].rc = -EAGAIN;
		if (ios[i].write)
			io_uring_prep_write(e, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at);
		else
			io_uring_prep_read(e, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at);
		io_uring_sqe_set_data(e, &ios[i]);
	}
	for (uint32_t out = 0, in = 0; in < n;) {
		int rc = out < n ? io_uring_submit_and_wait(ring, 1) : 0;
		if (rc < 0 && rc != -EINTR && in == out)
			return false;
		out += rc > 0 ? (uint32_t)rc : 0;
		struct io_uring_cqe *c;
		if (in < out && io_uring_wait_cqe(ring, &c) == 0) {
			struct file_io *io = io_uring_cqe_get_data(c);
			io->rc = c->res == (int)io->n ? 0 : c->res < 0 ? c->res : -EAGAIN;
			io_uring_cqe_seen(ring, c);
			in++;
		}
	}
	return true;
}

static void hand_batch(void *ctx, struct file_io *ios, uint32_t n)
{
	struct uring_hand *h = ctx;
	struct ring *r = n > 1 ? take_ring(h) : NULL; /* a single one is a call either way */
	for (uint32_t i = 0; i < n; i += DEPTH) {
		uint32_t m = n - i < DEPTH ? n - i : DEPTH;
		if (r && !run_ring(&r->ring, ios + i, m)) {
			drop_ring(h, r);
			r = NULL;
		}
		for (uint32_t k = i; k < i + m; k++)
			if (!r || ios[k].rc == -EAGAIN || ios[k].rc == -EINTR)
				h->below->batch(h->below->batch_ctx, &ios[k], 1);
	}
	if (r)
		give_ring(h, r);
}

void uring_new(struct uring_hand **out, struct store_files *table, const struct store_files *below)
{
	struct ring *probe = new_ring();
	struct uring_hand *h = probe ? mem_zalloc(1, sizeof *h) : NULL;
	*out = h;
	if (!h) {
		if (probe)
			io_uring_queue_exit(&probe->ring);
		mem_free(probe);
		return;
	}
	pthread_mutex_init(&h->lock, NULL);
	h->below = below;
	h->idle = probe;
	h->n = 1;
	*table = *below;
	table->name = "io_uring";
	table->batch = hand_batch;
	table->batch_ctx = h;
}

void uring_free(struct uring_hand *h)
{
	if (!h)
		return;
	for (struct ring *r = h->idle, *next; r; r = next) {
		next = r->next;
		io_uring_queue_exit(&r->ring);
		mem_free(r);
	}
	pthread_mutex_destroy(&h->lock);
	mem_free(h);
}
