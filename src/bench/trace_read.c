/* trace_read.c: see trace.h. Lines are read one by one; names become small numbers by a hash table. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/trace.h"

enum { LINE_MAX_BYTES = 16 << 20, BLOCKS_MOST = 1 << 30 };

/* Names -> numbers: open addressing; 0 is free, else number + 1. */
struct names {
	uint64_t *name; /* [n], owned */
	uint32_t *slot; /* [n_slots], owned: a power of two */
	size_t cap;
	uint32_t n, n_slots;
};

static uint32_t *slot_of(const struct names *s, uint64_t name)
{
	uint64_t at = (name ^ name >> 29) * UINT64_C(0x9E3779B97F4A7C15) >> 20;
	for (;; at++) {
		uint32_t *slot = &s->slot[at & (s->n_slots - 1)];
		if (*slot == 0 || s->name[*slot - 1] == name)
			return slot;
	}
}

static bool more_slots(struct names *s)
{
	uint32_t *old = s->slot, n = s->n_slots;
	uint32_t *slots = mem_zalloc(n ? 2 * (size_t)n : 1024, sizeof *slots);
	if (!slots)
		return false;
	s->slot = slots;
	s->n_slots = n ? 2 * n : 1024;
	for (uint32_t i = 0; i < s->n; i++)
		*slot_of(s, s->name[i]) = i + 1;
	mem_free(old);
	return true;
}

/* False: no memory. */
static bool number_of(struct names *s, uint64_t name, uint32_t *number)
{
	if (2 * (s->n + 1) > s->n_slots && !more_slots(s))
		return false;
	uint32_t *slot = slot_of(s, name);
	if (*slot == 0) {
		uint64_t *names = mem_grow(s->name, &s->cap, s->n, sizeof *names);
		if (!names)
			return false;
		s->name = names;
		s->name[s->n++] = name;
		*slot = s->n;
	}
	*number = *slot - 1;
	return true;
}

struct reading {
	struct trace *t;
	struct names names;
	size_t requests_cap, blocks_cap;
};

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for a trace");
}

static int add_block(struct reading *r, uint64_t name, struct kvik_err *err)
{
	struct trace *t = r->t;
	uint32_t *blocks = mem_grow(t->blocks, &r->blocks_cap, t->n_blocks, sizeof *blocks);
	if (!blocks)
		return no_memory(err);
	t->blocks = blocks;
	if (!number_of(&r->names, name, &t->blocks[t->n_blocks]))
		return no_memory(err);
	t->n_blocks++;
	t->n_names = r->names.n;
	return 0;
}

static int add_request(struct reading *r, uint64_t ms, uint32_t tokens, uint32_t n_blocks, struct kvik_err *err)
{
	struct trace *t = r->t;
	struct trace_request *requests = mem_grow(t->requests, &r->requests_cap, t->n_requests, sizeof *requests);
	if (!requests)
		return no_memory(err);
	t->requests = requests;
	t->requests[t->n_requests++] = (struct trace_request){
		.ms = ms, .tokens = tokens, .n_blocks = n_blocks, .first = t->n_blocks - n_blocks};
	t->n_tokens += tokens;
	t->tokens_max = tokens > t->tokens_max ? tokens : t->tokens_max;
	return 0;
}

static bool is_count(const json_t *v, json_int_t least, json_int_t most)
{
	return json_is_integer(v) && json_integer_value(v) >= least && json_integer_value(v) <= most;
}

/* What is wrong with the line; NULL: it has been added, or *rc says why not. */
static const char *add_line(struct reading *r, const json_t *line, int *rc, struct kvik_err *err)
{
	const json_t *tokens = json_object_get(line, "input_length"), *ids = json_object_get(line, "hash_ids"),
		     *ms = json_object_get(line, "timestamp");
	size_t n = json_array_size(ids), block = r->t->block_tokens;
	if (!is_count(tokens, 1, 1 << 30))
		return "input_length is no number of tokens";
	if (ms && !is_count(ms, 0, INT64_MAX))
		return "timestamp is no number of milliseconds";
	json_int_t length = json_integer_value(tokens);
	if (!json_is_array(ids) || n != ((size_t)length + block - 1) / block)
		return "hash_ids are not as many blocks as input_length makes (is --block right?)";
	if (r->t->n_blocks + n > BLOCKS_MOST)
		return "that are more blocks than can be counted";
	for (size_t i = 0; i < n && !*rc; i++) {
		const json_t *id = json_array_get(ids, i);
		if (!json_is_integer(id))
			return "hash_ids must be whole numbers";
		*rc = add_block(r, (uint64_t)json_integer_value(id), err);
	}
	if (!*rc)
		*rc = add_request(r, (uint64_t)json_integer_value(ms), (uint32_t)length, (uint32_t)n, err);
	return NULL;
}

static int read_line(struct reading *r, const char *text, size_t n, const char *name, uint64_t number,
		     struct kvik_err *err)
{
	json_error_t where;
	int rc = 0;
	if (strspn(text, " \t\r\n") == n)
		return 0;
	json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	const char *wrong = json_is_object(line) ? add_line(r, line, &rc, err) : "it is no JSON object";
	json_decref(line);
	return wrong ? err_set(err, KVIK_ERR_FORMAT, "%s: line %llu: %s", name, (unsigned long long)number, wrong) : rc;
}

int trace_read(struct trace *t, FILE *from, const char *name, uint32_t block_tokens, struct kvik_err *err)
{
	struct reading r = {.t = t};
	char *line = NULL;
	size_t cap = 0;
	uint64_t number = 0;
	ssize_t n;
	int rc = 0;
	*t = (struct trace){.block_tokens = block_tokens};
	while (!rc && (n = getline(&line, &cap, from)) >= 0) {
		number++;
		if (n > LINE_MAX_BYTES)
			rc = err_set(err, KVIK_ERR_FORMAT, "%s: line %llu is too long", name,
				     (unsigned long long)number);
		else
			rc = read_line(&r, line, (size_t)n, name, number, err);
	}
	if (!rc && ferror(from))
		rc = err_set(err, KVIK_ERR_IO, "%s cannot be read", name);
	if (!rc && t->n_requests == 0)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s has no requests", name);
	free(line); /* getline's */
	mem_free(r.names.name);
	mem_free(r.names.slot);
	return rc;
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*state >> 32) * n >> 32);
}

int trace_conversations(struct trace *t, uint32_t conversations, uint32_t tokens, uint32_t revisits, uint64_t seed,
			struct kvik_err *err)
{
	enum { BLOCK = 128 };
	struct reading r = {.t = t};
	uint32_t n = (tokens + BLOCK - 1) / BLOCK;
	int rc = 0;
	*t = (struct trace){.block_tokens = BLOCK};
	for (uint64_t i = 0; i < (uint64_t)conversations + revisits && !rc; i++) {
		uint64_t who = i < conversations ? i : random_below(&seed, conversations);
		for (uint32_t b = 0; b < n && !rc; b++)
			rc = add_block(&r, who * n + b, err);
		if (!rc)
			rc = add_request(&r, i * 1000, tokens, n, err);
	}
	mem_free(r.names.name);
	mem_free(r.names.slot);
	return rc;
}

void trace_free(struct trace *t)
{
	mem_free(t->requests);
	mem_free(t->blocks);
	*t = (struct trace){0};
}
