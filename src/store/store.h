/* store.h: what the cache knew, outside of memory: records of computed text that outlive the process.
 *
 * A record holds what a model made of the tokens start..end of a text, when everything before start was known: parts
 * (pages, window pages, states; opaque bytes), the ids of these tokens, and who may use them. It is named by the key of
 * its whole text (key.h), so that whoever has the same text finds it; it counts only while its sums are right. What is
 * damaged, foreign, cut or gone is counted, named once in the log, and never served: no fault of the disk is an error of
 * a request.
 *
 *     store_put --> queue --> threads: sum, seal, write --> completions --> store_next     (store_fd is readable)
 *     store_get -->           threads: read, open, check -->
 *
 * One store serves all models, caches and tenants of a process. All calls below may come from any thread, except that
 * store_open and store_close frame the rest; none of those that take a ticket waits for the disk. Rules, format and
 * reasons: src/store/README.md. */
#ifndef KVIK_STORE_STORE_H
#define KVIK_STORE_STORE_H

#include "base/err.h"

struct store_files; /* files.h */

enum {
	STORE_IDS_MAX = 8192,     /* of one record */
	STORE_PARTS_MAX = 256,    /* of one record */
	STORE_REQUESTS_MAX = 1024 /* that may be out at a time */
};
#define STORE_PART_BYTES_MAX (UINT32_C(1) << 30)

struct store_key {
	uint64_t w[2];
};

enum store_kind { STORE_PAGES, STORE_WINDOW, STORE_STATE, STORE_KINDS };
const char *store_kind_name(enum store_kind kind); /* "pages" */

/* A part of a record: a page of a group, or a state. */
struct store_part {
	uint8_t kind; /* enum store_kind */
	uint8_t zero;
	uint16_t group;
	uint32_t block;  /* of the text; of a state its position */
	uint32_t tokens; /* in the page; of a state 0 */
	uint32_t bytes;  /* 1..STORE_PART_BYTES_MAX */
};

/* A record, without its bytes. */
struct store_record {
	struct store_key fingerprint;  /* of model, dtypes, window, layout and numerics: key.h */
	struct store_key scope;        /* who may use it: secret.h */
	struct store_key text, parent; /* of the tokens 0..end, and 0..start */
	uint32_t start, end;
	const uint32_t *ids;            /* [end - start] */
	const struct store_part *parts; /* [n_parts] */
	uint32_t n_parts;
	uint8_t priority; /* what has a lower one leaves first */
	uint64_t expires; /* seconds since 1970; 0: never */
};

/* How a request ended. */
enum store_end {
	STORE_OK,
	STORE_GONE,    /* there is no such record (any more) */
	STORE_DAMAGED, /* it was there, and is not what was written; it is gone now */
	STORE_FAILED   /* the disk failed, is full or slow; or no memory */
};

struct store_config {
	/* A folder (made if missing), or "shared:FOLDER" that many servers use at once (shared.h). */
	const char *where;
	uint64_t bytes_max;     /* of a folder: of all its files; 0: half of what is free on that disk at start */
	uint64_t flight_bytes;  /* of requests that are out; 0: 64 MiB */
	uint64_t write_per_day; /* bytes; above it only what comes often is written; 0: no limit */
	uint32_t records_max;   /* 0: 4 million (some 100 bytes of memory each, as they come) */
	uint32_t threads;       /* 0: 4 */
	uint32_t sync_ms;       /* what is older is on the disk itself (power may fail); 0: 1000 */
	bool read_only;
	const char *key_file; /* records are sealed by AES-256-GCM; NULL: they lie in the clear */
	/* One line per kind of fault, and what is worth knowing at start; from any thread. NULL: nobody listens. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	const struct store_files *files; /* borrowed; NULL: the system's */
};

struct store;

/* Reads what is there. IO: the folder is neither there nor can be made; ARG; NOMEM. A folder that cannot be written, or
 * that another process writes, is read. */
int store_open(struct store **out, const struct store_config *c, struct kvik_err *err) MUST_CHECK;
/* Ends what is queued, syncs. Completions that nobody took are lost. NULL is fine. */
void store_close(struct store *s);

/* The tag of a tenant in this folder: by its secret, the same after a restart. n = 0: the public scope. */
struct store_key store_scope(const struct store *s, const char *tenant, size_t n);
/* The key of a text: of `n` tokens. Costs a hash of 4 n bytes. */
struct store_key store_text_key(const struct store *s, struct store_key fingerprint, struct store_key scope,
				const uint32_t *ids, uint32_t n);

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

/* Places name parts of records: kv's places. They are good until the record is gone, which a get says. 0 is none. */
static inline uint64_t store_place_part(uint64_t record, uint32_t part)
{
	return record | part;
}

/* Is it worth its writing now (see write_per_day)? To be asked before the bytes are brought together. */
bool store_wants(struct store *s, struct store_key text, uint64_t bytes);
/* data[n_parts] is read until the request is done; the record itself is copied. The same text, start and parts once
 * more: nothing is written, its place is told. FULL: too much is out; take completions, ask again. ARG. */
int store_put(struct store *s, const struct store_record *r, const void *const *data, uint64_t ticket,
	      struct kvik_err *err) MUST_CHECK;
/* The bytes of a part, to `into` once it is done; on any other end than OK what is there is undefined. FULL; ARG. Gets
 * of parts of one record that follow each other are read together. */
int store_get(struct store *s, uint64_t place, void *into, uint32_t bytes, uint64_t ticket,
	      struct kvik_err *err) MUST_CHECK;
/* Is there a record of this text, start, fingerprint, scope, and these ids? All other fields of r are not looked at.
 * The place of its part 0 is told. */
int store_has(struct store *s, const struct store_record *r, uint64_t ticket, struct kvik_err *err) MUST_CHECK;

struct store_done {
	uint64_t ticket;
	enum store_end end;
	uint64_t place; /* put, has: of the record's part 0 */
};

/* The next completion; false: there is none now. */
bool store_next(struct store *s, struct store_done *out);
/* Readable while there are completions: for an event loop. */
int store_fd(const struct store *s);
/* Waits until there is a completion, or for so long; false: there is none. */
bool store_wait(struct store *s, uint32_t ms);

/* ---- At any time, at once or after some reads of heads ----------------------------------------------------------- */

/* Drops a record: what is there is not right, or nobody wants it. Its bytes are wiped. */
void store_erase(struct store *s, uint64_t place);
/* Drops all records of a scope and wipes their bytes; returns how many. */
uint64_t store_purge(struct store *s, struct store_key scope);

/* Calls fn for all records of a fingerprint (NULL: of any) in ascending order of `start`, so that what comes before a
 * record comes first, with the place of its part 0 and its worth (greater: more). fn returns whether to go on. Reads
 * all their heads. NOMEM. */
typedef bool store_each_fn(void *ctx, const struct store_record *r, uint64_t place, double worth);
int store_each(struct store *s, const struct store_key *fingerprint, store_each_fn *fn, void *ctx,
	       struct kvik_err *err) MUST_CHECK;

/* Everything that was done is on the disk itself when this returns. */
void store_sync(struct store *s);

/* ---- From store to store: pack.c ----------------------------------------------------------------------------------- */

struct store_packed {
	uint64_t records, bytes;
	uint64_t skipped; /* damaged, sealed, or, coming in, without what comes before */
};
/* All records of a scope (and of a fingerprint, if it is not NULL) into a file of its own (mode 0600, in the clear); it
 * must not be there yet. IO, NOMEM. */
int store_export(struct store *s, struct store_key scope, const struct store_key *fingerprint, const char *path,
		 struct store_packed *out, struct kvik_err *err) MUST_CHECK;
/* Its records into a scope of this store, whatever secret and scope they come from. FORMAT: it is no such file, or cut. */
int store_import(struct store *s, struct store_key scope, const char *path, struct store_packed *out,
		 struct kvik_err *err) MUST_CHECK;
/* Reads all parts of a record, as long as nobody else uses the store: its completions are taken here. into[n_parts]: owned
 * by the caller (mem_free), NULL on failure. */
enum store_end store_read(struct store *s, const struct store_record *r, uint64_t place, void **into);

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

/* X(name, word, what it means to the reader of a log) */
#define STORE_FAULTS(X)                                                                            \
	X(DAMAGED, "damaged", "a record whose sums are wrong is not used")                         \
	X(TORN, "torn", "a record that was cut short is not used")                                 \
	X(FOREIGN, "foreign", "a file that is not a segment of this version is left alone")        \
	X(SEALED, "sealed", "a record was sealed with another key")                                \
	X(READ, "read", "the disk could not be read")                                              \
	X(WRITE, "write", "the disk could not be written")                                         \
	X(SPACE, "space", "the disk is full; older records make room")                             \
	X(SYNC, "sync", "the disk did not confirm what was written")                               \
	X(READ_ONLY, "read_only", "the folder cannot be written; it is read")                      \
	X(BUSY, "busy", "another process writes this folder; it is read until that one has ended") \
	X(VANISHED, "vanished", "the folder is gone; nothing is written any more")                 \
	X(MEMORY, "memory", "no memory for a request")

enum store_fault {
#define STORE_FAULT_ENUM(name, word, text) STORE_FAULT_##name,
	STORE_FAULTS(STORE_FAULT_ENUM)
#undef STORE_FAULT_ENUM
		STORE_FAULT_COUNT
};
const char *store_fault_name(enum store_fault f); /* "damaged" */

struct store_stats {
	bool writes;      /* this process writes here */
	bool sealed;      /* what it writes is encrypted */
	const char *hand; /* "io_uring", "pread", ... */
	uint64_t bytes, bytes_max, records;
	uint32_t segments;
	uint64_t puts, puts_same, puts_failed; /* same: it was there already */
	uint64_t gets, gets_failed;
	uint64_t refused;                                /* by the write budget */
	uint64_t bytes_written, bytes_read, bytes_moved; /* moved: written again to save it from eviction */
	uint64_t evicted, expired, erased;
	uint64_t put_ns, get_ns; /* sums, from call to completion */
	uint64_t flight_bytes, flight;
	uint64_t faults[STORE_FAULT_COUNT];
};
struct store_stats store_stats(struct store *s);

#endif
