/* store_impl.h: what other files of the room know of a store. */
#ifndef KVIK_STORE_STORE_IMPL_H
#define KVIK_STORE_STORE_IMPL_H

#include "store/key.h"

/* What texts are hashed under, [KEY_SECRET_BYTES]; NULL: the folder has no secret that could be read. */
const uint8_t *store_hash_secret(const struct store *s);

#endif
