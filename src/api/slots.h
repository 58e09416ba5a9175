/* slots.h: llama-server's slots, as far as they are texts that can be saved: what the last request of a slot (`id_slot`, else 0)
 * ended with, by tenant. There is no place behind a slot: the cache knows its text, or has evicted it. Any thread. */
#ifndef KVIK_API_SLOTS_H
#define KVIK_API_SLOTS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct slot {
	uint64_t scope; /* of whose requests */
	uint32_t id;
	uint64_t used; /* 0: free */
	struct ids text;
};

struct slots {
	pthread_mutex_t lock; /* of all below */
	struct slot *of;      /* [n], owned, allocated when the first is kept */
	uint32_t n;           /* 0: nothing is kept */
	uint64_t clock;
};

void slots_init(struct slots *s, uint32_t n);
void slots_release(struct slots *s);
/* Takes the text, which is empty then; where there are n others the one that was used longest ago is forgotten. */
void slots_keep(struct slots *s, uint64_t scope, uint32_t id, struct ids *text);
/* A copy; false: there is none, or no memory. */
bool slots_find(struct slots *s, uint64_t scope, uint32_t id, struct ids *text);
/* How many tokens are forgotten. */
size_t slots_forget(struct slots *s, uint64_t scope, uint32_t id);

#endif
