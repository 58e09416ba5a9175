/* record_io.h: a record between memory and files, with its sums and seals: what all backends on files do alike. Any thread. */
#ifndef KVIK_STORE_RECORD_IO_H
#define KVIK_STORE_RECORD_IO_H

#include "store/backend.h"
#include "store/seal.h"

/* A record that is ready to be written. */
struct record {
	struct head_view v;
	struct file_io *ios; /* [n_parts] */
	void *sealed;        /* owned; the parts' bytes if they are sealed */
};

/* Head, sums and, if s is on, sealed bytes of r; only data_at and the head's own sum are missing. false: no memory or no
 * randomness; to be released either way. */
bool record_ready(struct record *w, const struct seal *s, const struct store_record *r,
		  const void *const *data) MUST_CHECK;
void record_release(struct record *w);
/* Its parts, to data_at on; 0 or -errno. */
int record_write(const struct store_files *f, int fd, struct record *w) MUST_CHECK;

struct record_io {
	const struct store_files *files;
	struct faults *faults;
	const struct seal *seal;
};

/* A head of so many bytes into buf (aligned; its size), checked; its ids are opened if it is sealed, and key is set. */
enum store_end record_read_head(const struct record_io *io, int fd, uint64_t at, uint32_t bytes, void *buf,
				struct head_view *v, uint8_t key[32]);
/* The parts that reads[n] (at most STORE_PARTS_MAX) ask for, of the record whose head is v; each says how it went. Returns
 * the bytes that were right. */
uint64_t record_read_parts(const struct record_io *io, int fd, const struct head_view *v, const uint8_t key[32],
			   struct backend_read *reads, uint32_t n);
/* What backends have as `get`: get(b, buf, reads, n) for as many parts as a record may have, buf being of the size of a head; what
 * has no memory FAILED. */
void record_get(struct faults *faults, void (*get)(void *b, void *buf, struct backend_read *reads, uint32_t n), void *b,
		struct backend_read *reads, uint32_t n);
/* Is it the record that r asks for? Its ids decide. */
bool record_is(const struct head_view *v, const struct store_record *r);

#endif
