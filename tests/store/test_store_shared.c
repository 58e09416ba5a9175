/* test_store_shared.c: a folder that two servers use at once: what one has put the other finds, without having read the
 * folder; whatever happens to its files, nothing wrong is served. */
#include "memory_files.h"

#include <sys/stat.h>

enum { BYTES = 3000 };

static struct store *open_shared(const char *folder)
{
	char where[96];
	snprintf(where, sizeof where, "shared:%s", folder);
	return fix_open(where, 0);
}

static void test_two_servers(void **state)
{
	(void)state;
	char folder[64];
	struct kvik_err err;
	new_folder(folder);
	struct store *a = open_shared(folder), *b = open_shared(folder);
	assert_true(store_scope(a, "x", 1).w[0] == store_scope(b, "x", 1).w[0]); /* one secret */
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t place = fix_put(i % 2 ? a : b, "", i, BYTES);
		assert_int_equal(fix_get(i % 2 ? a : b, place, i, BYTES), STORE_OK);
		uint64_t other = fix_find(i % 2 ? b : a, "", i, BYTES);
		assert_int_equal(fix_get(i % 2 ? b : a, other, i, BYTES), STORE_OK);
		assert_true(fix_find(a, "someone", i, BYTES) == 0);
	}
	assert_true(fix_put(a, "", 0, BYTES) > 0);
	assert_int_equal(store_stats(a).puts_same, 1);
	/* both at once: one file, both are told it is there */
	struct fix_record f;
	fix_make(&f, a, "", 77, BYTES);
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_put(i ? a : b, &f.r, (const void *const *)f.bytes, 1, &err), 0);
	assert_int_equal(wait_done(a).end, STORE_OK);
	assert_int_equal(wait_done(b).end, STORE_OK);
	fix_release(&f);
	/* erased by one: gone for the other */
	uint64_t place = fix_find(b, "", 3, BYTES);
	store_erase(a, fix_find(a, "", 3, BYTES));
	assert_int_equal(fix_get(b, place, 3, BYTES), STORE_GONE);
	fix_put(b, "t", 5, BYTES);
	assert_int_equal(store_purge(a, store_scope(a, "", 0)), 10);
	assert_true(fix_find(b, "", 1, BYTES) == 0);
	assert_int_equal(fix_get(b, fix_find(b, "t", 5, BYTES), 5, BYTES), STORE_OK);
	for (int k = 0; k < STORE_FAULT_COUNT; k++)
		assert_int_equal(store_stats(a).faults[k] + store_stats(b).faults[k], 0);
	store_close(a);
	store_close(b);
	drop_folder(folder);
}

static struct store *mem_shared(struct mem_disk *d)
{
	struct store *s;
	struct kvik_err err;
	struct store_config c = {
		.where = "shared:memory", .threads = 1, .sync_ms = 3600000, .files = &d->files, .log = fix_log};
	return store_open(&s, &c, &err) ? NULL : s;
}

static struct mem_file *find_record(struct mem_disk *d)
{
	for (int i = 0; i < MEM_FILES; i++)
		if (d->file[i].used && strstr(d->file[i].name, ".rec"))
			return &d->file[i];
	return NULL;
}

static void test_every_bit_and_cut(void **state)
{
	(void)state;
	enum { SMALL = 40 };
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_shared(d);
	uint64_t place = fix_put(s, "", 7, SMALL);
	assert_int_equal(fix_get(s, place, 7, SMALL), STORE_OK);
	struct mem_file *f = find_record(d);
	uint64_t size = f->now.size;
	uint32_t served = 0;
	mem_save(d);
	for (uint64_t at = 0; at < 8 * size; at++) {
		f->now.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
		place = fix_find(s, "", 7, SMALL);
		served += place && fix_get(s, place, 7, SMALL) == STORE_OK;
		mem_restore(d);
	}
	assert_int_equal(served, 8 * (64 - SMALL + 64 - SMALL - 13)); /* between the parts nothing lies */
	for (uint64_t cut = 0; cut < size; cut++) {
		mem_resize(&f->now, cut);
		place = fix_find(s, "", 7, SMALL);
		assert_false(place && fix_get(s, place, 7, SMALL) == STORE_OK);
		mem_restore(d);
	}
	store_close(s);
	mem_disk_free(d);
}

/* Each call fails in turn: what was confirmed is there, nothing wrong is, no half-written file has a record's name. */
static void test_every_call_fails(void **state)
{
	(void)state;
	static const int errors[] = {EIO, ENOSPC};
	for (int e = 0; e < 4; e++) {
		bool fired = true;
		for (uint64_t at = 1; fired; at++) {
			struct mem_disk *d = mem_disk_new(at);
			bool kept[4] = {false};
			d->fail_at = at;
			d->error = errors[e % 2];
			d->how = e < 2 ? MEM_ERROR : MEM_TORN;
			struct store *s = mem_shared(d);
			for (uint64_t i = 0; i < 4 && s; i++) {
				uint64_t place = fix_put(s, "", i, 500);
				kept[i] = place != 0;
				if (place)
					fix_get(s, place, i, 500);
				fix_find(s, "", i, 500);
			}
			store_close(s);
			fired = d->faults > 0;
			d->off = true;
			s = mem_shared(d);
			for (uint64_t i = 0; i < 4; i++) {
				uint64_t place = fix_find(s, "", i, 500);
				if (place)
					assert_int_equal(fix_get(s, place, i, 500), STORE_OK);
				assert_true(place || !kept[i]);
			}
			store_close(s);
			mem_disk_free(d);
		}
	}
}

static bool count(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	assert_true(r->n_parts == FIX_PARTS && place > 0 && worth > 0);
	++*(uint32_t *)ctx;
	return true;
}

static void test_each(void **state)
{
	(void)state;
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_shared(d);
	struct kvik_err err;
	uint32_t n = 0;
	for (uint64_t i = 0; i < 9; i++)
		fix_put(s, "", i, 500);
	int fd = mem_open(d, MEM_DIR, "notes.txt", O_CREAT | O_RDWR, 0600);
	mem_close(d, fd);
	assert_int_equal(store_each(s, &fix_model, count, &n, &err), 0);
	assert_int_equal(n, 9);
	assert_int_equal(store_stats(s).faults[STORE_FAULT_FOREIGN], 1);
	store_close(s);
	mem_disk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_servers),
		cmocka_unit_test(test_every_bit_and_cut),
		cmocka_unit_test(test_every_call_fails),
		cmocka_unit_test(test_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
