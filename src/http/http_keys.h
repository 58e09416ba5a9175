/* http_keys.h: API keys. A file of lines "KEY NAME [REQUESTS PER MINUTE]"; a "#" that begins a word begins a comment.
 * Each key is a tenant: it shares the machine fairly with the others and its cached prefixes with nobody. A name may
 * have several keys, a key only one name.
 *
 * Owner: the event loop. */
#ifndef KVIK_HTTP_KEYS_H
#define KVIK_HTTP_KEYS_H

#include "api/api.h"
#include "base/err.h"

struct http_key {
	char *text, *name;   /* owned */
	uint32_t line;       /* of the file */
	uint32_t per_minute; /* 0 = no limit */
	double tokens;       /* of the bucket: requests it may make now */
	uint64_t filled_ms;
	uint32_t tenant;
	uint64_t scope;              /* secret, as the key is, and the key's for ever; never 0 */
	struct api_account *account; /* held; NULL until the server sets it */
	bool sees_all;               /* the figures of all keys */
};

struct http_keys {
	struct http_key *list; /* [n] */
	size_t n, cap;
};

/* tenants: how many the engine has. Errors: IO, FORMAT (the line), NOMEM; *k is then empty. */
int http_keys_load(struct http_keys *k, const char *path, uint32_t tenants, struct kvik_err *err) MUST_CHECK;
void http_keys_release(struct http_keys *k);
/* The key in the value of an Authorization header ("Bearer KEY") or of an X-Api-Key header, either of which may be
 * NULL, in a time that does not depend on how much of it is right; NULL: none. */
struct http_key *http_keys_find(struct http_keys *k, const char *authorization, const char *x_api_key);
/* Takes one request from the key's allowance; else the seconds to wait. */
bool http_key_take(struct http_key *k, uint64_t now_ms, uint32_t *retry_s);

#endif
