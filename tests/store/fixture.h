/* fixture.h: what the tests of the store share: a folder of its own, records whose bytes follow from a number, and calls
 * that wait. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

static inline void new_folder(char out[64])
{
	strcpy(out, "/tmp/kvik-store-XXXXXX");
	assert_non_null(mkdtemp(out));
}

static inline void drop_folder(const char *path)
{
	char command[256];
	snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", path, path);
	assert_int_equal(system(command), 0);
}

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

enum { FIX_IDS = 32, FIX_PARTS = 3 };

/* Record number i: a text of its own. */
struct fix_record {
	struct store_record r;
	uint32_t ids[FIX_IDS];
	struct store_part parts[FIX_PARTS];
	uint8_t *bytes[FIX_PARTS]; /* owned */
};

static inline void fix_bytes(uint64_t i, uint32_t part, uint8_t *out, uint32_t n)
{
	for (uint32_t k = 0; k < n; k += 8) {
		uint64_t word = mix(i * 1000003 + part * 77 + k);
		memcpy(out + k, &word, n - k < 8 ? n - k : 8);
	}
}

static const struct store_key fix_model = {{0x1234, 0x5678}};

static inline void fix_make(struct fix_record *f, const struct store *s, const char *tenant, uint64_t i, uint32_t bytes)
{
	memset(f, 0, sizeof *f);
	for (uint32_t k = 0; k < FIX_IDS; k++)
		f->ids[k] = (uint32_t)mix(i * FIX_IDS + k) % 50000;
	f->ids[0] = (uint32_t)i;
	struct store_key scope = store_scope(s, tenant, strlen(tenant));
	for (uint32_t p = 0; p < FIX_PARTS; p++) {
		f->parts[p] = (struct store_part){.kind = (uint8_t)p,
						  .group = (uint16_t)p,
						  .block = p,
						  .tokens = p == STORE_STATE ? 0 : FIX_IDS,
						  .bytes = bytes + 13 * p};
		f->bytes[p] = malloc(f->parts[p].bytes);
		fix_bytes(i, p, f->bytes[p], f->parts[p].bytes);
	}
	f->r = (struct store_record){.fingerprint = fix_model,
				     .scope = scope,
				     .text = store_text_key(s, fix_model, scope, f->ids, FIX_IDS),
				     .parent = store_text_key(s, fix_model, scope, f->ids, 0),
				     .start = 0,
				     .end = FIX_IDS,
				     .ids = f->ids,
				     .parts = f->parts,
				     .n_parts = FIX_PARTS};
}

static inline void fix_release(struct fix_record *f)
{
	for (uint32_t p = 0; p < FIX_PARTS; p++)
		free(f->bytes[p]);
}

static inline struct store_done wait_done(struct store *s)
{
	struct store_done d;
	while (!store_next(s, &d))
		assert_true(store_wait(s, 20000));
	return d;
}

/* 0: it was not written. */
static inline uint64_t fix_put(struct store *s, const char *tenant, uint64_t i, uint32_t bytes)
{
	struct fix_record f;
	struct kvik_err err;
	fix_make(&f, s, tenant, i, bytes);
	assert_int_equal(store_put(s, &f.r, (const void *const *)f.bytes, i, &err), 0);
	struct store_done d = wait_done(s);
	assert_int_equal(d.ticket, i);
	fix_release(&f);
	return d.end == STORE_OK ? d.place : 0;
}

/* All parts; what comes is right, or the test ends. */
static inline enum store_end fix_get(struct store *s, uint64_t place, uint64_t i, uint32_t bytes)
{
	uint8_t *got[FIX_PARTS], *right = malloc(bytes + 13 * FIX_PARTS);
	struct kvik_err err;
	enum store_end worst = STORE_OK;
	for (uint32_t p = 0; p < FIX_PARTS; p++) {
		got[p] = calloc(1, bytes + 13 * p);
		assert_int_equal(store_get(s, store_place_part(place, p), got[p], bytes + 13 * p, p, &err), 0);
	}
	for (uint32_t k = 0; k < FIX_PARTS; k++) {
		struct store_done d = wait_done(s);
		uint32_t p = (uint32_t)d.ticket;
		fix_bytes(i, p, right, bytes + 13 * p);
		if (d.end == STORE_OK)
			assert_memory_equal(got[p], right, bytes + 13 * p);
		worst = d.end > worst ? d.end : worst;
	}
	for (uint32_t p = 0; p < FIX_PARTS; p++)
		free(got[p]);
	free(right);
	return worst;
}

/* Finds it by its text; 0: not there. */
static inline uint64_t fix_find(struct store *s, const char *tenant, uint64_t i, uint32_t bytes)
{
	struct fix_record f;
	struct kvik_err err;
	fix_make(&f, s, tenant, i, bytes);
	assert_int_equal(store_has(s, &f.r, i, &err), 0);
	struct store_done d = wait_done(s);
	fix_release(&f);
	return d.end == STORE_OK ? d.place : 0;
}

static inline void fix_log(void *ctx, const char *line)
{
	(void)ctx;
	if (getenv("KVIK_TEST_LOG"))
		fprintf(stderr, "%s\n", line);
}

static inline struct store *fix_open(const char *folder, uint64_t bytes_max)
{
	struct store *s;
	struct kvik_err err;
	struct store_config c = {.where = folder, .bytes_max = bytes_max, .log = fix_log};
	int rc = store_open(&s, &c, &err);
	if (rc)
		fail_msg("%s", err.text);
	return s;
}

#endif
