/* redis.c: see redis.h. Connections are taken from a few that are kept; one that has failed is dropped. */
#include "store/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "store/secret.h"

enum {
	KEPT = 8,
	HANDLES = 256,
	PIECE = 1 << 20,
	CONNECT_MS = 500,
	ANSWER_MS = 2000,
	AGAIN_MS = 1000,    /* after a failure nobody tries for so long */
	UNFINISHED_S = 600, /* after which what a writer has left behind is gone */
	NAME_MAX_BYTES = 96,
	PIECES_MAX = 1 << 16, /* of one name */
	PIPELINE = 64         /* commands on their way at once */
};

/* An open name, or one that is being written and has no name for others yet (fd is then good up to rename or unlink). */
struct handle {
	bool used, open, writes;
	char name[NAME_MAX_BYTES];
	uint64_t id, size;
};

struct redis {
	char *host, *user, *password; /* owned; user and password may be NULL */
	int port, db;
	char name[160];
	pthread_mutex_t lock; /* of all below */
	redisContext *kept[KEPT];
	uint32_t n_kept;
	uint64_t down_until_ns;
	struct handle handles[HANDLES];
};

/* ---- Connections --------------------------------------------------------------------------------------------------- */

/* hiredis 0.14 writes to a socket that the other side may have closed: SIGPIPE must not end the process. */
struct quiet {
	sigset_t before;
	bool pending;
};

static void quiet_begin(struct quiet *q)
{
	sigset_t pipe, now;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&now);
	q->pending = sigismember(&now, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe, &q->before);
}

static void quiet_end(struct quiet *q)
{
	sigset_t pipe;
	const struct timespec none = {0};
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	if (!q->pending)
		while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

static struct timeval of_ms(int ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

static bool is_ok(redisReply *reply)
{
	bool ok = reply && reply->type != REDIS_REPLY_ERROR;
	if (reply)
		freeReplyObject(reply);
	return ok;
}

static redisContext *connect_to(const struct redis *r)
{
	redisContext *c = redisConnectWithTimeout(r->host, r->port, of_ms(CONNECT_MS));
	bool ok = c && !c->err && redisSetTimeout(c, of_ms(ANSWER_MS)) == REDIS_OK;
	if (ok && r->password)
		ok = is_ok(r->user ? redisCommand(c, "AUTH %s %s", r->user, r->password)
				   : redisCommand(c, "AUTH %s", r->password));
	if (ok)
		ok = is_ok(r->db ? redisCommand(c, "SELECT %d", r->db) : redisCommand(c, "PING"));
	if (!ok && c)
		redisFree(c);
	return ok ? c : NULL;
}

/* NULL: nobody answers. */
static redisContext *take(struct redis *r)
{
	pthread_mutex_lock(&r->lock);
	redisContext *c = r->n_kept > 0 ? r->kept[--r->n_kept] : NULL;
	bool down = !c && os_clock_ns() < r->down_until_ns;
	pthread_mutex_unlock(&r->lock);
	if (c || down)
		return c;
	c = connect_to(r);
	if (!c) {
		pthread_mutex_lock(&r->lock);
		r->down_until_ns = os_clock_ns() + AGAIN_MS * UINT64_C(1000000);
		pthread_mutex_unlock(&r->lock);
	}
	return c;
}

static void give(struct redis *r, redisContext *c)
{
	pthread_mutex_lock(&r->lock);
	bool keep = !c->err && r->n_kept < KEPT;
	if (keep)
		r->kept[r->n_kept++] = c;
	if (c->err) { /* the others are of the same server */
		while (r->n_kept > 0)
			redisFree(r->kept[--r->n_kept]);
	}
	pthread_mutex_unlock(&r->lock);
	if (!keep)
		redisFree(c);
}

/* One command and its answer, the caller's; NULL: *rc says why not. A connection that has gone stale is tried once anew. */
static redisReply *ask(struct redis *r, int *rc, const char *format, ...)
{
	struct quiet q;
	redisReply *reply = NULL;
	quiet_begin(&q);
	*rc = -EIO;
	for (int tries = 0; tries < 2 && !reply; tries++) {
		redisContext *c = take(r);
		if (!c)
			break;
		va_list args;
		va_start(args, format);
		reply = redisvCommand(c, format, args);
		va_end(args);
		give(r, c);
	}
	quiet_end(&q);
	if (!reply)
		return NULL;
	if (reply->type == REDIS_REPLY_ERROR) {
		*rc = strncmp(reply->str, "OOM", 3) == 0 ? -ENOSPC : -EIO;
		freeReplyObject(reply);
		return NULL;
	}
	*rc = 0;
	return reply;
}

/* ---- Handles ------------------------------------------------------------------------------------------------------- */

/* A free one; -EMFILE. Under the lock. */
static int new_handle(struct redis *r, const char *name, bool writes)
{
	for (int i = 0; i < HANDLES; i++)
		if (!r->handles[i].used) {
			struct handle *h = &r->handles[i];
			*h = (struct handle){.used = true, .open = true, .writes = writes};
			snprintf(h->name, sizeof h->name, "%s", name);
			return i;
		}
	return -EMFILE;
}

static struct handle get_handle(struct redis *r, int fd)
{
	pthread_mutex_lock(&r->lock);
	struct handle h = fd >= 0 && fd < HANDLES ? r->handles[fd] : (struct handle){.used = false};
	pthread_mutex_unlock(&r->lock);
	return h;
}

/* Takes what is being written under a name out of the table; false: nothing is. */
static bool take_unfinished(struct redis *r, const char *name, struct handle *h)
{
	bool found = false;
	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < HANDLES && !found; i++)
		if (r->handles[i].used && r->handles[i].writes && strcmp(r->handles[i].name, name) == 0) {
			*h = r->handles[i];
			r->handles[i].used = r->handles[i].open;
			r->handles[i].name[0] = 0;
			found = true;
		}
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* What is under a name; -ENOENT. */
static int find(struct redis *r, const char *name, struct handle *h)
{
	int rc;
	unsigned long long id, size;
	redisReply *reply = ask(r, &rc, "GET kvik:f:%s", name);
	if (!reply)
		return rc;
	if (reply->type != REDIS_REPLY_STRING)
		rc = -ENOENT;
	else if (sscanf(reply->str, "%16llx %llu", &id, &size) != 2 || size > (uint64_t)PIECES_MAX * PIECE)
		rc = -EBADMSG;
	freeReplyObject(reply);
	if (!rc) {
		h->id = id;
		h->size = size;
	}
	return rc;
}

static int r_open_dir(void *ctx, const char *path, bool make)
{
	(void)ctx, (void)path, (void)make;
	return HANDLES;
}

static int r_open(void *ctx, int dir, const char *name, int flags, uint32_t mode)
{
	struct redis *r = ctx;
	struct handle h = {.used = false};
	bool writes = flags & O_CREAT;
	(void)dir, (void)mode;
	if (strlen(name) >= NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	if (writes && !secret_random(&h.id, sizeof h.id))
		return -ENOSYS;
	int rc = writes ? 0 : find(r, name, &h);
	if (rc)
		return rc;
	pthread_mutex_lock(&r->lock);
	int fd = new_handle(r, name, writes);
	if (fd >= 0) {
		r->handles[fd].id = h.id;
		r->handles[fd].size = h.size;
	}
	pthread_mutex_unlock(&r->lock);
	return fd;
}

static void r_close(void *ctx, int fd)
{
	struct redis *r = ctx;
	pthread_mutex_lock(&r->lock);
	if (fd >= 0 && fd < HANDLES) {
		struct handle *h = &r->handles[fd];
		h->open = false;
		h->used = h->writes && h->name[0];
	}
	pthread_mutex_unlock(&r->lock);
}

static int r_size(void *ctx, int fd, uint64_t *size, uint32_t *mode)
{
	*size = get_handle(ctx, fd).size;
	if (mode)
		*mode = 0600;
	return 0;
}

/* ---- Bytes --------------------------------------------------------------------------------------------------------- */

/* A stretch of one piece. */
struct stretch {
	struct file_io *io;
	uint64_t id;
	uint32_t piece, at, n, from; /* from: in io->bytes */
};

static bool append(redisContext *c, const struct stretch *s)
{
	if (!s->io->write)
		return redisAppendCommand(c, "GETRANGE kvik:d:%016llx:%u %u %u", (unsigned long long)s->id, s->piece,
					  s->at, s->at + s->n - 1) == REDIS_OK;
	return redisAppendCommand(c, "SETRANGE kvik:d:%016llx:%u %u %b", (unsigned long long)s->id, s->piece, s->at,
				  (char *)s->io->bytes + s->from, (size_t)s->n) == REDIS_OK &&
	       redisAppendCommand(c, "EXPIRE kvik:d:%016llx:%u %d", (unsigned long long)s->id, s->piece,
				  UNFINISHED_S) == REDIS_OK;
}

static void take_answer(redisContext *c, const struct stretch *s)
{
	redisReply *reply = NULL;
	int rc = redisGetReply(c, (void **)&reply) == REDIS_OK && reply ? 0 : -EIO;
	if (!rc && reply->type == REDIS_REPLY_ERROR)
		rc = strncmp(reply->str, "OOM", 3) == 0 ? -ENOSPC : -EIO;
	else if (!rc && !s->io->write && (reply->type != REDIS_REPLY_STRING || reply->len != s->n))
		rc = -ENODATA;
	else if (!rc && !s->io->write)
		memcpy((char *)s->io->bytes + s->from, reply->str, s->n);
	if (reply)
		freeReplyObject(reply);
	if (s->io->write && !c->err && redisGetReply(c, (void **)&reply) == REDIS_OK && reply)
		freeReplyObject(reply); /* of EXPIRE */
	s->io->rc = s->io->rc ? s->io->rc : rc;
}

/* At most PIPELINE of them at once; false: the connection is lost. */
static bool move(redisContext *c, const struct stretch *s, uint32_t n)
{
	uint32_t sent = 0;
	while (sent < n && append(c, &s[sent]))
		sent++;
	for (uint32_t i = 0; i < n; i++)
		if (i < sent && !c->err)
			take_answer(c, &s[i]);
		else
			s[i].io->rc = -EIO;
	return !c->err && sent == n;
}

static void r_batch(void *ctx, struct file_io *ios, uint32_t n)
{
	struct redis *r = ctx;
	struct stretch s[PIPELINE];
	struct quiet q;
	uint32_t n_s = 0;
	quiet_begin(&q);
	redisContext *c = take(r);
	for (uint32_t i = 0; i < n; i++) {
		struct file_io *io = &ios[i];
		struct handle h = get_handle(r, io->fd);
		bool fits = io->write ? io->at + io->n <= (uint64_t)PIECES_MAX * PIECE : io->at + io->n <= h.size;
		io->rc = !c ? -EIO : fits ? 0 : io->write ? -EFBIG : -ENODATA;
		for (uint32_t done = 0, m; done < io->n && !io->rc; done += m) {
			uint32_t at = (uint32_t)((io->at + done) % PIECE);
			m = PIECE - at < io->n - done ? PIECE - at : io->n - done;
			s[n_s++] = (struct stretch){io, h.id, (uint32_t)((io->at + done) / PIECE), at, m, done};
			if (n_s == PIPELINE) {
				move(c, s, n_s);
				n_s = 0;
			}
		}
		if (io->write && !io->rc) {
			pthread_mutex_lock(&r->lock);
			struct handle *to = &r->handles[io->fd];
			to->size = io->at + io->n > to->size ? io->at + io->n : to->size;
			pthread_mutex_unlock(&r->lock);
		}
	}
	if (n_s > 0)
		move(c, s, n_s);
	if (c)
		give(r, c);
	quiet_end(&q);
}

static ssize_t r_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
	uint64_t size = get_handle(ctx, fd).size;
	size_t most = at >= size ? 0 : size - at < n ? size - at : n;
	struct file_io io = {.fd = fd, .bytes = bytes, .n = most < PIECE ? (uint32_t)most : PIECE, .at = at};
	r_batch(ctx, &io, 1);
	return io.rc == -ENODATA ? 0 : io.rc ? io.rc : (ssize_t)io.n;
}

static ssize_t r_pwrite(void *ctx, int fd, const void *bytes, size_t n, uint64_t at)
{
	struct file_io io = {.fd = fd,
			     .write = true,
			     .bytes = (void *)(uintptr_t)bytes,
			     .n = n < PIECE ? (uint32_t)n : PIECE,
			     .at = at};
	r_batch(ctx, &io, 1);
	return io.rc ? io.rc : (ssize_t)io.n;
}

/* ---- Names --------------------------------------------------------------------------------------------------------- */

static int each_piece(struct redis *r, const struct handle *h, const char *command)
{
	int rc = 0;
	for (uint64_t k = 0; k * PIECE < h->size && !rc; k++) {
		redisReply *reply = ask(r, &rc, "%s kvik:d:%016llx:%llu", command, (unsigned long long)h->id,
					(unsigned long long)k);
		if (reply)
			freeReplyObject(reply);
	}
	return rc;
}

/* All of it is there: it gets its name, if nobody has it. */
static int publish(struct redis *r, const char *from, const char *to)
{
	struct handle h, there = {.used = false};
	char value[48];
	int rc;
	if (!take_unfinished(r, from, &h))
		return -ENOENT;
	snprintf(value, sizeof value, "%016llx %llu", (unsigned long long)h.id, (unsigned long long)h.size);
	rc = each_piece(r, &h, "PERSIST");
	redisReply *reply = rc ? NULL : ask(r, &rc, "SET kvik:f:%s %s NX", to, value);
	if (reply && reply->type == REDIS_REPLY_NIL) /* another's; or ours, and the first answer was lost */
		rc = find(r, to, &there) == 0 && there.id == h.id ? 0 : -EEXIST;
	if (reply)
		freeReplyObject(reply);
	if (rc)
		(void)each_piece(r, &h, "DEL");
	return rc;
}

static int r_link(void *ctx, int dir, const char *from, const char *to)
{
	(void)dir;
	return publish(ctx, from, to);
}

/* Of two that write the same, the first stays. */
static int r_rename(void *ctx, int dir, const char *from, const char *to)
{
	(void)dir;
	int rc = publish(ctx, from, to);
	return rc == -EEXIST ? 0 : rc;
}

static int r_unlink(void *ctx, int dir, const char *name)
{
	struct redis *r = ctx;
	struct handle h = {.used = false};
	int rc = 0;
	(void)dir;
	if (!take_unfinished(r, name, &h)) {
		rc = find(r, name, &h);
		redisReply *reply = rc && rc != -EBADMSG ? NULL : ask(r, &rc, "DEL kvik:f:%s", name);
		if (reply)
			freeReplyObject(reply);
	}
	return rc ? rc : each_piece(r, &h, "DEL");
}

static int r_list(void *ctx, int dir, void (*fn)(void *to, const char *name), void *to)
{
	struct redis *r = ctx;
	char cursor[32] = "0";
	int rc = 0;
	(void)dir;
	do {
		redisReply *reply = ask(r, &rc, "SCAN %s MATCH kvik:f:* COUNT 1000", cursor);
		if (!reply)
			return rc;
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		    reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_ARRAY)
			rc = -EBADMSG;
		for (size_t i = 0; !rc && i < reply->element[1]->elements; i++) {
			const redisReply *key = reply->element[1]->element[i];
			if (key->type == REDIS_REPLY_STRING && key->len > 7 && key->len < NAME_MAX_BYTES)
				fn(to, key->str + 7);
		}
		if (!rc)
			snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
		freeReplyObject(reply);
	} while (!rc && strcmp(cursor, "0") != 0);
	return rc;
}

static int r_sync(void *ctx, int fd)
{
	(void)ctx, (void)fd; /* Redis's own matter: appendonly */
	return 0;
}

static int not_here(void)
{
	return -ENOTSUP;
}

static int r_truncate(void *ctx, int fd, uint64_t size)
{
	(void)ctx, (void)fd, (void)size;
	return not_here();
}

static int r_punch(void *ctx, int fd, uint64_t at, uint64_t n)
{
	(void)ctx, (void)fd, (void)at, (void)n;
	return not_here();
}

static int r_lock(void *ctx, int fd)
{
	(void)ctx, (void)fd;
	return not_here();
}

static int r_free_bytes(void *ctx, int dir, uint64_t *bytes)
{
	(void)ctx, (void)dir, (void)bytes;
	return not_here();
}

/* ---- As a whole ---------------------------------------------------------------------------------------------------- */

static char *part_of(const char *from, const char *to)
{
	return mem_strndup(from, (size_t)(to - from));
}

/* redis://[[USER:]PASSWORD@]HOST[:PORT][/DB] */
static int parse(struct redis *r, const char *where, struct kvik_err *err)
{
	const char *at = where + strlen("redis://"), *slash = strchr(at, '/'), *end = slash ? slash : at + strlen(at);
	const char *host = at, *colon;
	char *rest;
	for (const char *p = at; p < end; p++)
		host = *p == '@' ? p + 1 : host;
	if (host > at) {
		colon = memchr(at, ':', (size_t)(host - 1 - at));
		r->user = colon && colon > at ? part_of(at, colon) : NULL;
		r->password = part_of(colon ? colon + 1 : at, host - 1);
	}
	colon = memchr(host, ':', (size_t)(end - host));
	long port = colon ? strtol(colon + 1, &rest, 10) : 6379;
	bool wrong = colon && (rest != end || rest == colon + 1);
	long db = slash && slash[1] ? strtol(slash + 1, &rest, 10) : 0;
	wrong |= slash && slash[1] && *rest;
	r->host = part_of(host, colon ? colon : end);
	if (!r->host || (host > at && !r->password))
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	if (wrong || !*r->host || port < 1 || port > 65535 || db < 0 || db > 65535)
		return err_set(err, KVIK_ERR_ARG, "a Redis store is redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]");
	r->port = (int)port;
	r->db = (int)db;
	snprintf(r->name, sizeof r->name, "redis://%s:%d/%d", r->host, r->port, r->db);
	return 0;
}

const char *redis_name(const struct redis *r)
{
	return r->name;
}

void redis_close(struct redis *r)
{
	if (!r)
		return;
	while (r->n_kept > 0)
		redisFree(r->kept[--r->n_kept]);
	mem_free(r->host);
	mem_free(r->user);
	mem_free(r->password);
	pthread_mutex_destroy(&r->lock);
	mem_free(r);
}

int redis_open(struct redis **out, struct store_files *table, const char *where, struct kvik_err *err)
{
	struct redis *r = *out = mem_zalloc(1, sizeof *r);
	if (!r)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	pthread_mutex_init(&r->lock, NULL);
	int rc = parse(r, where, err);
	int no;
	redisReply *pong = rc ? NULL : ask(r, &no, "PING");
	if (pong)
		freeReplyObject(pong);
	else if (!rc)
		rc = err_set(err, KVIK_ERR_IO, "%s: nobody answers there, or not with this password", r->name);
	if (rc) {
		redis_close(r);
		*out = NULL;
		return rc;
	}
	*table = (struct store_files){.ctx = r,
				      .name = "redis",
				      .open_dir = r_open_dir,
				      .open = r_open,
				      .close = r_close,
				      .pread = r_pread,
				      .pwrite = r_pwrite,
				      .batch = r_batch,
				      .batch_ctx = r,
				      .sync = r_sync,
				      .truncate = r_truncate,
				      .punch = r_punch,
				      .size = r_size,
				      .link = r_link,
				      .rename = r_rename,
				      .unlink = r_unlink,
				      .lock = r_lock,
				      .list = r_list,
				      .free_bytes = r_free_bytes};
	return 0;
}
