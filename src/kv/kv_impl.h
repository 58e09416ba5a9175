/* kv_impl.h: the structs that kv.c and kv_check.c share; nobody else includes it. */
#ifndef KVIK_KV_KV_IMPL_H
#define KVIK_KV_KV_IMPL_H

#include "kv/pages.h"

/* Block table of one group: pages[b] holds tokens b * page_tokens .. */
struct kv_table {
	uint8_t **pages;   /* [cap]; NULL where freed by the window */
	uint32_t n_blocks; /* with pages: committed and reserved */
	uint32_t cap;
	uint32_t freed; /* blocks below are NULL, but for those of the sinks */
};

struct kv_seq {
	struct kv_seq *prev, *next; /* all sequences of the cache */
	uint32_t tokens;            /* committed */
	uint32_t reserved;          /* writable behind them */
	struct kv_table table[];    /* [n_groups] */
};

struct kv {
	struct pages pages;
	struct kv_group_desc desc[KV_GROUPS_MAX];
	uint32_t n_groups;
	uint32_t seq_tokens_max;
	uint32_t n_seqs;
	uint64_t pages_copied, pages_freed_by_window;
	struct kv_seq *seqs; /* owned */
};

#endif
