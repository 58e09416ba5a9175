/* retain.c: "x_kvik": {...} of a request: how long the cache is to keep what.
 *
 *   {"explain": true,                      how the prompt met the cache is told in the answer
 *    "priority": 1, "ttl": 600,            of prompt and answer: what has a lower one leaves first; seconds after the last use
 *    "session": "chat 17",                 whose pins these are: a new one takes the place of the last
 *    "retain": [{"tokens": 812, "priority": 5, "ttl": 86400, "pin": true}, ...]}     the same of the prompt's first tokens
 *
 * Everything is of the key's own prefixes. */
#include <string.h>

#include "api/reply.h"
#include "base/hash.h"

enum { TTL_MAX_S = 366 * 86400, PRIORITY_MAX = 255, TOKENS_MAX = 1 << 30 };

static int read_piece(struct reply *r, json_t *piece, struct field_error *e)
{
	uint32_t tokens = 0, priority = 0, ttl = 0;
	bool pin = false;
	const struct field fields[] = {{"tokens", FIELD_U32, &tokens, 1, TOKENS_MAX},
				       {"priority", FIELD_U32, &priority, 0, PRIORITY_MAX},
				       {"ttl", FIELD_U32, &ttl, 1, TTL_MAX_S},
				       {"pin", FIELD_BOOL, &pin, 0, 0}};
	if (!json_is_object(piece))
		return field_fail(e, "x_kvik.retain", "'x_kvik.retain' must be a list of objects");
	int rc = fields_read(piece, fields, sizeof fields / sizeof *fields, e);
	if (!rc)
		r->retain[r->n_retain++] = (struct kvik_retain){
			.tokens = tokens, .priority = (uint8_t)priority, .pin = pin, .ttl_ms = ttl * UINT64_C(1000)};
	return rc;
}

static int read_retain(struct reply *r, json_t *list, struct field_error *e)
{
	size_t i;
	json_t *piece;
	int rc = 0;
	if (list && (!json_is_array(list) || json_array_size(list) > KVIK_RETAIN_MAX))
		return field_fail(e, "x_kvik.retain", "'x_kvik.retain' must be a list of at most %d objects",
				  KVIK_RETAIN_MAX);
	json_array_foreach(list, i, piece)
	{
		rc = rc ? rc : read_piece(r, piece, e);
	}
	return rc;
}

int reply_read_x_kvik(struct reply *r, struct field_error *e)
{
	uint32_t priority = 0, ttl = 0;
	const char *session = NULL;
	json_t *retain = NULL;
	const struct field fields[] = {{"explain", FIELD_BOOL, &r->explain, 0, 0},
				       {"priority", FIELD_U32, &priority, 0, PRIORITY_MAX},
				       {"ttl", FIELD_U32, &ttl, 1, TTL_MAX_S},
				       {"session", FIELD_STRING, &session, 0, 0},
				       {"retain", FIELD_JSON, &retain, 0, 0}};
	if (!r->x_kvik || json_is_boolean(r->x_kvik)) {
		r->explain = json_is_true(r->x_kvik);
		return 0;
	}
	if (!json_is_object(r->x_kvik))
		return field_fail(e, "x_kvik", "'x_kvik' must be true or an object");
	int rc = fields_read(r->x_kvik, fields, sizeof fields / sizeof *fields, e);
	if (!rc)
		rc = read_retain(r, retain, e);
	r->keep_priority = (uint8_t)priority;
	r->keep_ttl_ms = ttl * UINT64_C(1000);
	r->session = session ? hash_bytes(session, strlen(session)) | 1 : 0;
	return rc;
}
