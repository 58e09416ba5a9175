/* errand.c: see errand.h; and the errands that there are: a text of the cache goes to a file, or comes from one. Files are read
 * and written on the caller's thread, the owner copies bytes. */
#include "engine/errand.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/snapshot.h"

int engine_errand(struct kvik_engine *e, int (*run)(struct kvik_cache *c, void *ctx, struct kvik_err *err), void *ctx,
		  struct kvik_err *err)
{
	struct errand mine = {.run = run, .ctx = ctx, .err = err};
	pthread_mutex_lock(&e->lock);
	if (e->draining || e->stop) {
		pthread_mutex_unlock(&e->lock);
		return err_set(err, KVIK_ERR_CANCELLED, "the engine is shutting down");
	}
	mine.next = e->errands;
	e->errands = &mine;
	pthread_cond_signal(&e->wake);
	while (!mine.done)
		pthread_cond_wait(&e->quiet, &e->lock);
	pthread_mutex_unlock(&e->lock);
	return mine.rc;
}

void engine_run_errands(struct kvik_engine *e)
{
	pthread_mutex_lock(&e->lock);
	while (e->errands) {
		struct errand *r = e->errands;
		e->errands = r->next;
		pthread_mutex_unlock(&e->lock);
		r->rc = r->run(e->cache, r->ctx, r->err);
		pthread_mutex_lock(&e->lock);
		r->done = true; /* and is gone, once the lock is free */
		pthread_cond_broadcast(&e->quiet);
	}
	pthread_mutex_unlock(&e->lock);
}

/* ---- A text to bytes, and back ----------------------------------------------------------------------------------- */

struct text {
	const struct kvik_share *share;
	const uint32_t *ids; /* [n] */
	size_t n, saved;
	uint32_t *restored; /* [n], owned by whoever asked */
	struct buf bytes;
	size_t read;
};

static bool add(void *user, const void *bytes, size_t n)
{
	return buf_add(user, bytes, n);
}

static bool take(void *user, void *bytes, size_t n)
{
	struct text *t = user;
	if (t->bytes.n - t->read < n)
		return false;
	memcpy(bytes, t->bytes.data + t->read, n);
	t->read += n;
	return true;
}

static int to_bytes(struct kvik_cache *c, void *ctx, struct kvik_err *err)
{
	struct text *t = ctx;
	struct kvik_session *s = NULL;
	int rc = kvik_session_new(&s, c, t->share, err);
	if (!rc)
		rc = kvik_session_take(s, t->ids, t->n, &t->saved, err);
	if (!rc && t->saved == 0)
		rc = err_set(err, KVIK_ERR_ARG, "the cache knows nothing of this text any more");
	if (!rc)
		rc = kvik_session_save(s, t->saved, add, &t->bytes, err);
	kvik_session_free(s);
	return rc;
}

static int from_bytes(struct kvik_cache *c, void *ctx, struct kvik_err *err)
{
	struct text *t = ctx;
	struct kvik_session *s = NULL;
	int rc = kvik_session_restore(&s, c, t->share, take, t, err);
	if (rc)
		return rc;
	t->n = kvik_session_tokens(s);
	t->restored = mem_zalloc(t->n + 1, sizeof *t->restored); /* for kvik_free */
	if (t->restored)
		memcpy(t->restored, kvik_session_ids(s), t->n * sizeof *t->restored);
	else
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the ids of a snapshot");
	kvik_session_free(s);
	return rc;
}

/* ---- And files --------------------------------------------------------------------------------------------------- */

static int write_bytes(void *ctx, kvik_write_fn *write, void *user, struct kvik_err *err)
{
	const struct text *t = ctx;
	return write(user, t->bytes.data, t->bytes.n) ? 0
						      : err_set(err, KVIK_ERR_IO, "the snapshot could not be written");
}

int kvik_engine_save_file(struct kvik_engine *e, const struct kvik_share *share, const uint32_t *ids, size_t n,
			  const char *path, size_t *saved, uint64_t *bytes, struct kvik_err *err)
{
	struct text t = {.share = share, .ids = ids, .n = n};
	int rc = engine_errand(e, to_bytes, &t, err);
	if (!rc)
		rc = snapshot_write_file(path, write_bytes, &t, bytes, err);
	if (!rc && saved)
		*saved = t.saved;
	buf_release(&t.bytes);
	return rc;
}

static int read_bytes(void *ctx, kvik_read_fn *read, void *user, struct kvik_err *err)
{
	struct text *t = ctx;
	return snapshot_read_all(&t->bytes, read, user, err);
}

int kvik_engine_restore_file(struct kvik_engine *e, const struct kvik_share *share, const char *path, uint32_t **ids,
			     size_t *n, uint64_t *bytes, struct kvik_err *err)
{
	struct text t = {.share = share};
	*ids = NULL;
	*n = 0;
	int rc = snapshot_read_file(path, read_bytes, &t, err);
	if (!rc && (rc = engine_errand(e, from_bytes, &t, err)))
		err_prefix(err, "%s", path);
	if (!rc) {
		*ids = t.restored;
		*n = t.n;
		if (bytes)
			*bytes = t.bytes.n;
	}
	buf_release(&t.bytes);
	return rc;
}
