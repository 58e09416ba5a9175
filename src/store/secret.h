/* secret.h: the secret of a folder, and what is derived from it by HMAC-SHA256 (OpenSSL).
 *
 * 32 random bytes in the file `secret`, mode 0600, made once: tags of tenants and keys of texts are the same after a
 * restart, and say nothing to whoever does not have it. Servers that share records share the file. Any thread. */
#ifndef KVIK_STORE_SECRET_H
#define KVIK_STORE_SECRET_H

#include "store/files.h"
#include "store/key.h"

struct secret {
	uint8_t bytes[32];
	uint8_t hash[KEY_SECRET_BYTES]; /* of texts: key.h */
};

/* From the folder; made if it is not there and may be. IO: it can be neither read nor made; FORMAT: not ours, or others
 * may read it. */
int secret_load(struct secret *s, const struct store_files *f, int dir, bool make, struct kvik_err *err) MUST_CHECK;
struct store_key secret_tag(const struct secret *s, const char *tenant, size_t n);

/* out = HMAC-SHA256(key, what || bytes); `what` keeps different uses apart. */
void secret_derive(const uint8_t key[32], const char *what, const void *bytes, size_t n, uint8_t out[32]);
bool secret_random(void *out, size_t n); /* false: the system has none */

#endif
