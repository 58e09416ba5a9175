/* io.h: tickets for the store (store.h), and the nodes whose pages are there. Owner: one thread. */
#ifndef KVIK_KV_IO_H
#define KVIK_KV_IO_H

#include "kv/kv_impl.h" /* struct io is the tree's: tree.h */

enum { IO_NODE_PAGES = 512 }; /* nodes with more of them are not spilled */

int io_init(struct io *io, const struct kv_store *store, struct kvik_err *err) MUST_CHECK;
void io_release(struct io *io);
uint64_t io_bytes(const struct io *io);

#endif
