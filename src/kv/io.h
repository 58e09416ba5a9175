/* io.h: tickets for the store (store.h), and the nodes whose pages are there. Owner: one thread. */
#ifndef KVIK_KV_IO_H
#define KVIK_KV_IO_H

#include "kv/kv_impl.h" /* struct io is the tree's: tree.h */

enum { IO_NODE_PAGES = 512 }; /* nodes with more of them are not spilled */
enum { IO_MEMORY_PART = 8 };  /* one of so many parts of the memory may be under way, to and from the store together */

/* tokens_max: of a path. */
int io_init(struct tree *t, const struct kv_store *store, uint32_t tokens_max, struct kvik_err *err) MUST_CHECK;
void io_release(struct io *io);
uint64_t io_bytes(const struct io *io);
/* Most bytes of pages that may be under way: so much less is there for sequences, however slow the store is. */
uint64_t io_memory(const struct tree *t);

/* Tickets that are not out. */
uint32_t io_free(const struct io *io);
/* May memory of so many bytes more be under way? */
bool io_has_memory(const struct tree *t, uint64_t bytes);
/* One of the free tickets, with its number set, is there to be taken. */
void io_add(struct tree *t, struct kv_io ticket);

#endif
