/* http_keys.c: see http_keys.h. */
#include "http/http_keys.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/mem.h"

enum { KEYS_MAX = 100000, LINE_MAX_BYTES = 1024, KEY_BYTES_MIN = 8 };

static int add(struct http_keys *k, const char *key, const char *name, uint32_t per_minute, uint32_t tenants,
	       struct kvik_err *err)
{
	struct http_key *list = mem_realloc(k->list, k->n + 1, sizeof *list);
	if (!list)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", k->n + 1);
	k->list = list;
	struct http_key *e = &list[k->n];
	*e = (struct http_key){.text = mem_strndup(key, strlen(key)),
			       .name = mem_strndup(name, strlen(name)),
			       .per_minute = per_minute,
			       .tokens = per_minute,
			       .tenant = k->n < tenants ? (uint32_t)k->n : tenants - 1};
	if (!e->text || !e->name || getrandom(&e->scope, sizeof e->scope, 0) != (ssize_t)sizeof e->scope) {
		mem_free(e->text);
		mem_free(e->name);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", k->n + 1);
	}
	e->scope |= 1;
	k->n++;
	return 0;
}

static int read_line(struct http_keys *k, char *line, uint32_t tenants, struct kvik_err *err)
{
	char key[LINE_MAX_BYTES], name[LINE_MAX_BYTES], rest[LINE_MAX_BYTES];
	unsigned per_minute = 0;
	line[strcspn(line, "#\r\n")] = '\0';
	int fields = sscanf(line, "%1023s %1023s %u %1023s", key, name, &per_minute, rest);
	if (fields <= 0)
		return 0;
	if (fields < 2 || fields > 3 || strlen(key) < KEY_BYTES_MIN)
		return err_set(err, KVIK_ERR_FORMAT,
			       "is not 'KEY NAME [requests per minute]' with a key of at least %d characters",
			       KEY_BYTES_MIN);
	if (k->n == KEYS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "more than %d keys", KEYS_MAX);
	return add(k, key, name, per_minute, tenants, err);
}

int http_keys_load(struct http_keys *k, const char *path, uint32_t tenants, struct kvik_err *err)
{
	char line[LINE_MAX_BYTES];
	*k = (struct http_keys){0};
	FILE *f = fopen(path, "r");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
	int rc = 0, at = 0;
	while (!rc && fgets(line, sizeof line, f)) {
		at++;
		rc = read_line(k, line, tenants, err);
		if (rc)
			err_prefix(err, "%s: line %d", path, at);
	}
	fclose(f);
	if (!rc && k->n == 0)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: holds no key, so nobody could ask", path);
	if (rc)
		http_keys_release(k);
	return rc;
}

void http_keys_release(struct http_keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		mem_free(k->list[i].text);
		mem_free(k->list[i].name);
	}
	mem_free(k->list);
	*k = (struct http_keys){0};
}

/* Looks at every byte of the longer one. */
static bool same(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), most = n > m ? n : m;
	unsigned differs = n != m;
	for (size_t i = 0; i < most; i++)
		differs |= (unsigned char)(i < n ? a[i] : 0) ^ (unsigned char)(i < m ? b[i] : 0);
	return differs == 0;
}

struct http_key *http_keys_find(struct http_keys *k, const char *authorization)
{
	static const char bearer[] = "bearer ";
	struct http_key *found = NULL;
	if (!authorization || strncasecmp(authorization, bearer, sizeof bearer - 1) != 0)
		return NULL;
	for (size_t i = 0; i < k->n; i++)
		if (same(k->list[i].text, authorization + sizeof bearer - 1))
			found = &k->list[i];
	return found;
}

bool http_key_take(struct http_key *k, uint64_t now_ms, uint32_t *retry_s)
{
	*retry_s = 0;
	if (k->per_minute == 0)
		return true;
	double per_ms = k->per_minute / 60000.0;
	k->tokens += (double)(now_ms - k->filled_ms) * per_ms;
	k->filled_ms = now_ms;
	if (k->tokens > k->per_minute)
		k->tokens = k->per_minute;
	if (k->tokens >= 1) {
		k->tokens -= 1;
		return true;
	}
	*retry_s = (uint32_t)ceil((1 - k->tokens) / per_ms / 1000);
	return false;
}
