/* http_keys.c: see http_keys.h. */
#include "http/http_keys.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"

enum { KEYS_MAX = 100000, LINE_BYTES = 1024, KEY_BYTES_MIN = 8, RATE_MAX = 1000000 };

static const char want[] = "a line is 'KEY NAME [REQUESTS PER MINUTE]'";

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static bool is_space(int c)
{
	return c == ' ' || c == '\t';
}

/* The next line up to its end or to a "#" that begins a word; the rest, a comment, may be of any length. 1, 0 at the
 * end of the file, or an error. */
static int next_line(FILE *f, char line[LINE_BYTES], struct kvik_err *err)
{
	size_t n = 0;
	bool comment = false;
	int c = getc(f);
	if (c == EOF)
		return 0;
	for (; c != EOF && c != '\n'; c = getc(f)) {
		comment = comment || (c == '#' && (n == 0 || is_space(line[n - 1])));
		if (comment)
			continue;
		if (n == LINE_BYTES - 1)
			return err_set(err, KVIK_ERR_FORMAT, "is longer than %d characters; %s", LINE_BYTES - 1, want);
		line[n++] = (char)c;
	}
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	if (strlen(line) != n)
		return err_set(err, KVIK_ERR_FORMAT, "holds a NUL; %s", want);
	return 1;
}

/* Cuts a line at its white space. Returns how many words there are; one more than max when there are too many. */
static int split(char *line, char **words, int max)
{
	int n = 0;
	for (char *at = line + strspn(line, " \t"); *at && n <= max; n++) {
		size_t bytes = strcspn(at, " \t");
		char *next = at + bytes + strspn(at + bytes, " \t");
		if (n < max)
			words[n] = at;
		at[bytes] = '\0';
		at = next;
	}
	return n;
}

/* A key travels in a header: anything else than visible ASCII could never be given. */
static bool can_be_sent(const char *key)
{
	while (*key > ' ' && *key < 127)
		key++;
	return *key == '\0';
}

static int read_rate(const char *text, uint32_t *per_minute, struct kvik_err *err)
{
	uint64_t v = 0;
	bool digits = *text != '\0';
	for (; *text && digits; text++) {
		digits = *text >= '0' && *text <= '9';
		v = v > RATE_MAX ? v : v * 10 + (uint64_t)(*text - '0');
	}
	if (!digits || v < 1 || v > RATE_MAX)
		return err_set(err, KVIK_ERR_FORMAT,
			       "the third word is not a rate from 1 to %d requests per minute (none: no limit); %s",
			       RATE_MAX, want);
	*per_minute = (uint32_t)v;
	return 0;
}

/* A namespace that whoever has the key has, and nobody without it: the same after a restart, for what is on a disk
 * (--kv-disk). 0: no memory. */
static uint64_t scope_of(const char *key)
{
	static const char what[] = "kvik: namespace of prefixes, by key";
	unsigned char hash[32];
	uint64_t scope;
	if (!HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)what, sizeof what, hash, NULL))
		return 0;
	memcpy(&scope, hash, sizeof scope);
	return scope | 1;
}

static int add(struct http_keys *k, const struct http_key *e, uint32_t tenants, struct kvik_err *err)
{
	struct http_key *list = k->n == KEYS_MAX ? NULL : mem_grow(k->list, &k->cap, k->n, sizeof *list);
	if (k->n == KEYS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "more than %d keys", KEYS_MAX);
	if (!list)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", k->n + 1);
	k->list = list;
	struct http_key *to = &list[k->n++];
	*to = *e;
	to->text = mem_strndup(e->text, strlen(e->text));
	to->name = mem_strndup(e->name, strlen(e->name));
	to->tokens = e->per_minute;
	to->tenant = k->n <= tenants ? (uint32_t)k->n - 1 : tenants - 1;
	to->scope = scope_of(e->text);
	if (!to->text || !to->name || to->scope == 0)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", k->n);
	return 0;
}

static int read_line(struct http_keys *k, char *line, uint32_t at, uint32_t tenants, struct kvik_err *err)
{
	char *words[3];
	struct http_key e = {.line = at};
	int n = split(line, words, 3);
	if (n == 0)
		return 0;
	if (n < 2 || n > 3)
		return err_set(err, KVIK_ERR_FORMAT, "has %s words; %s", n < 2 ? "too few" : "too many", want);
	e.text = words[0];
	e.name = words[1];
	if (strlen(e.text) < KEY_BYTES_MIN || !can_be_sent(e.text))
		return err_set(err, KVIK_ERR_FORMAT, "the key must be at least %d visible ASCII characters; %s",
			       KEY_BYTES_MIN, want);
	int rc = n == 3 ? read_rate(words[2], &e.per_minute, err) : 0;
	return rc ? rc : add(k, &e, tenants, err);
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	const struct http_key *x = *(struct http_key *const *)a, *y = *(struct http_key *const *)b;
	int order = strcmp(x->text, y->text);
	return order ? order : x->line < y->line ? -1 : 1;
}

/* A key twice would be two tenants of which only one is ever served. */
static int check_twice(const struct http_keys *k, struct kvik_err *err)
{
	struct http_key **sorted = mem_zalloc(k->n, sizeof *sorted);
	int rc = 0;
	if (!sorted)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", k->n);
	for (size_t i = 0; i < k->n; i++)
		sorted[i] = &k->list[i];
	qsort(sorted, k->n, sizeof(struct http_key *), by_text);
	for (size_t i = 1; i < k->n && !rc; i++)
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
			rc = err_set(err, KVIK_ERR_FORMAT, "line %u: the key of line %u (%s) again", sorted[i]->line,
				     sorted[i - 1]->line, sorted[i - 1]->name);
	mem_free(sorted);
	return rc;
}

static int read_file(struct http_keys *k, FILE *f, uint32_t tenants, struct kvik_err *err)
{
	char line[LINE_BYTES];
	uint32_t at = 0;
	for (;;) {
		at++;
		int rc = next_line(f, line, err);
		if (rc == 0)
			break;
		rc = rc < 0 ? rc : read_line(k, line, at, tenants, err);
		if (rc) {
			err_prefix(err, "line %u", at);
			return rc;
		}
	}
	if (ferror(f))
		return err_set(err, KVIK_ERR_IO, "%s", strerror(errno));
	return k->n ? check_twice(k, err) : err_set(err, KVIK_ERR_FORMAT, "holds no key, so nobody could ask");
}

int http_keys_load(struct http_keys *k, const char *path, uint32_t tenants, struct kvik_err *err)
{
	*k = (struct http_keys){0};
	FILE *f = fopen(path, "r");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
	int rc = read_file(k, f, tenants, err);
	fclose(f);
	if (rc) {
		err_prefix(err, "%s", path);
		http_keys_release(k);
	}
	return rc;
}

void http_keys_release(struct http_keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		mem_free(k->list[i].text);
		mem_free(k->list[i].name);
		api_account_release(k->list[i].account);
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

static struct http_key *find(struct http_keys *k, const char *given)
{
	struct http_key *found = NULL;
	for (size_t i = 0; given && i < k->n; i++)
		if (same(k->list[i].text, given))
			found = &k->list[i];
	return found;
}

struct http_key *http_keys_find(struct http_keys *k, const char *authorization, const char *x_api_key)
{
	static const char bearer[] = "bearer ";
	struct http_key *found = NULL;
	if (authorization && strncasecmp(authorization, bearer, sizeof bearer - 1) == 0) {
		authorization += sizeof bearer - 1;
		found = find(k, authorization + strspn(authorization, " "));
	}
	return found ? found : find(k, x_api_key);
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
