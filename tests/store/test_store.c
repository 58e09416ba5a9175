/* test_store.c: what is put can be got, by its place and by its text, now and after a restart; scopes, purges, limits. */
#include "fixture.h"

#include <poll.h>
#include <sys/stat.h>

enum { MIB = 1 << 20 };

static void test_round_trip(void **state)
{
	(void)state;
	char folder[64];
	new_folder(folder);
	struct store *s = fix_open(folder, 256 * MIB);
	uint64_t places[20];
	for (uint64_t i = 0; i < 20; i++) {
		places[i] = fix_put(s, "", i, 5000);
		assert_true(places[i] > 0);
	}
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(fix_get(s, places[i], i, 5000), STORE_OK);
		assert_true(fix_find(s, "", i, 5000) == places[i]);
		assert_true(fix_put(s, "", i, 5000) == places[i]);
	}
	assert_true(fix_find(s, "", 20, 5000) == 0);
	assert_true(fix_find(s, "someone", 3, 5000) == 0);
	struct store_stats st = store_stats(s);
	assert_int_equal(st.records, 20);
	assert_int_equal(st.puts_same, 20);
	assert_true(st.writes);
	store_close(s);

	s = fix_open(folder, 256 * MIB);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(fix_get(s, fix_find(s, "", i, 5000), i, 5000), STORE_OK);
	assert_true(fix_put(s, "", 20, 5000) > 0);
	assert_int_equal(store_stats(s).segments, 1); /* the last one went on */
	for (int f = 0; f < STORE_FAULT_COUNT; f++)
		assert_int_equal(store_stats(s).faults[f], 0);
	store_close(s);
	drop_folder(folder);
}

/* A part has the size it has; a place names nothing after its record is gone. */
static void test_places(void **state)
{
	(void)state;
	char folder[64];
	struct kvik_err err;
	uint8_t room[64];
	new_folder(folder);
	struct store *s = fix_open(folder, 256 * MIB);
	uint64_t place = fix_put(s, "", 1, 20);
	assert_int_equal(store_get(s, place, room, 21, 7, &err), 0);
	assert_int_equal(wait_done(s).end, STORE_GONE);
	assert_int_equal(store_get(s, store_place_part(place, FIX_PARTS), room, 20, 7, &err), 0);
	assert_int_equal(wait_done(s).end, STORE_GONE);
	assert_int_equal(fix_get(s, place, 1, 20), STORE_OK);
	store_erase(s, place);
	assert_int_equal(fix_get(s, place, 1, 20), STORE_GONE);
	uint64_t again = fix_put(s, "", 2, 20);
	assert_true(again != place);
	assert_int_equal(fix_get(s, place, 2, 20), STORE_GONE);
	store_erase(s, place);
	assert_int_equal(fix_get(s, again, 2, 20), STORE_OK);
	assert_int_equal(store_get(s, 0, room, 20, 7, &err), KVIK_ERR_ARG);
	store_close(s);
	s = fix_open(folder, 256 * MIB);
	assert_true(fix_find(s, "", 1, 20) == 0);
	store_close(s);
	drop_folder(folder);
}

static void test_event_file(void **state)
{
	(void)state;
	char folder[64];
	struct fix_record f;
	struct kvik_err err;
	struct store_done d;
	new_folder(folder);
	struct store *s = fix_open(folder, 256 * MIB);
	struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	fix_make(&f, s, "", 1, 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_put(s, &f.r, (const void *const *)f.bytes, 5, &err), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_true(store_next(s, &d));
	}
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_false(store_next(s, &d));
	assert_false(store_wait(s, 1));
	fix_release(&f);
	store_close(s);
	drop_folder(folder);
}

static bool count_each(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	uint32_t *n = ctx;
	assert_true(place > 0 && worth > 0);
	assert_int_equal(r->end, FIX_IDS);
	assert_int_equal(r->parts[2].kind, STORE_STATE);
	++*n;
	return true;
}

static uint32_t count_files(const char *folder)
{
	char command[128];
	snprintf(command, sizeof command, "grep -rl . %s | wc -l", folder);
	FILE *p = popen(command, "r");
	uint32_t n = 0;
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return n;
}

/* Tenants do not meet, and what is purged is in no file any more. */
static void test_scopes(void **state)
{
	(void)state;
	char folder[64], command[512];
	struct kvik_err err;
	new_folder(folder);
	struct store *s = fix_open(folder, 256 * MIB);
	for (uint64_t i = 0; i < 10; i++) {
		fix_put(s, "alice", i, 3000);
		fix_put(s, "bob", i, 3000);
	}
	uint32_t n = 0;
	assert_int_equal(store_each(s, &fix_model, count_each, &n, &err), 0);
	assert_int_equal(n, 20);
	struct store_key other = {{1, 1}};
	assert_int_equal(store_each(s, &other, count_each, &n, &err), 0);
	assert_int_equal(n, 20);
	struct store_key alice = store_scope(s, "alice", 5);
	assert_true(alice.w[0] != store_scope(s, "bob", 3).w[0]);
	assert_int_equal(store_purge(s, alice), 10);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(fix_find(s, "alice", i, 3000) == 0);
		assert_int_equal(fix_get(s, fix_find(s, "bob", i, 3000), i, 3000), STORE_OK);
	}
	assert_int_equal(store_purge(s, store_scope(s, "bob", 3)), 10);
	store_close(s);
	/* no byte of a record is left: heads and data are zeros behind their first line */
	snprintf(command, sizeof command,
		 "for f in %s/*.heads %s/*.data; do tail -c +65 $f | tr -d '\\0' | wc -c; done | sort -u | tr -d '\\n'",
		 folder, folder);
	FILE *p = popen(command, "r");
	char line[32] = "";
	assert_non_null(fgets(line, sizeof line, p));
	pclose(p);
	assert_string_equal(line, "0");
	assert_true(count_files(folder) >= 2);
	s = fix_open(folder, 256 * MIB);
	assert_int_equal(store_stats(s).records, 0);
	assert_true(store_scope(s, "alice", 5).w[0] == alice.w[0]); /* durable */
	store_close(s);
	drop_folder(folder);
}

static void test_secret(void **state)
{
	(void)state;
	char folder[64], path[96];
	struct stat st;
	struct store *s;
	struct kvik_err err;
	new_folder(folder);
	store_close(fix_open(folder, 256 * MIB));
	snprintf(path, sizeof path, "%s/secret", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(chmod(path, 0644), 0);
	struct store_config c = {.where = folder};
	assert_int_equal(store_open(&s, &c, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(store_open(&s, &c, &err), KVIK_ERR_FORMAT);
	drop_folder(folder);
}

/* The ceiling holds, and what was evicted does not come back. */
static void test_ceiling(void **state)
{
	(void)state;
	char folder[64];
	struct kvik_err err;
	struct store *s;
	struct store_config c = {.where = folder, .bytes_max = 16 * MIB, .sync_ms = 3600000};
	new_folder(folder);
	assert_int_equal(store_open(&s, &c, &err), 0);
	uint32_t kept = 0;
	for (uint64_t i = 0; i < 600; i++) {
		assert_true(fix_put(s, "", i, 30000) > 0);
		assert_true(store_stats(s).bytes <= 16 * MIB);
	}
	for (uint64_t i = 0; i < 600; i++) {
		uint64_t place = fix_find(s, "", i, 30000);
		kept += place != 0;
		if (place)
			assert_int_equal(fix_get(s, place, i, 30000), STORE_OK);
	}
	assert_true(kept > 100 && kept < 200);
	assert_int_equal(store_stats(s).evicted, 600 - kept);
	store_close(s);
	assert_int_equal(store_open(&s, &c, &err), 0);
	assert_int_equal(store_stats(s).records, kept);
	store_close(s);
	drop_folder(folder);
}

/* What is asked for again and again outlives what is not: it is written once more before its segment goes. */
static void test_moves(void **state)
{
	(void)state;
	char folder[64];
	struct kvik_err err;
	struct store *s;
	struct store_config c = {.where = folder, .bytes_max = 16 * MIB, .sync_ms = 3600000};
	new_folder(folder);
	assert_int_equal(store_open(&s, &c, &err), 0);
	for (uint64_t i = 0; i < 600; i++) {
		uint64_t place = fix_put(s, "", i, 30000);
		assert_true(place > 0);
		for (int k = 0; k < 2 && i % 12 == 0; k++)
			assert_int_equal(fix_get(s, place, i, 30000), STORE_OK);
		if (i % 4 == 0)
			usleep(2000); /* room is made ahead of need, by another thread */
	}
	assert_true(store_stats(s).bytes_moved > 0 && store_stats(s).evicted > 300);
	store_close(s);
	s = fix_open(folder, 16 * MIB);
	uint32_t used = 0, others = 0;
	for (uint64_t i = 0; i < 600; i++) {
		uint64_t place = fix_find(s, "", i, 30000);
		*(i % 12 ? &others : &used) += place != 0;
		if (place)
			assert_int_equal(fix_get(s, place, i, 30000), STORE_OK);
	}
	printf("%u used, %u others\n", used, others);
	assert_true(11 * used > others); /* one in twelve was used */
	store_close(s);
	drop_folder(folder);
}

/* Who comes second reads, sees what the first one adds, and writes once that has ended. */
static void test_two_processes(void **state)
{
	(void)state;
	char folder[64];
	new_folder(folder);
	struct store_config c = {.where = folder, .bytes_max = 256 * MIB, .sync_ms = 20, .log = fix_log};
	struct store *first, *second;
	struct kvik_err err;
	assert_int_equal(store_open(&first, &c, &err), 0);
	fix_put(first, "", 1, 3000);
	assert_int_equal(store_open(&second, &c, &err), 0);
	assert_true(store_stats(first).writes && !store_stats(second).writes);
	assert_int_equal(store_stats(second).faults[STORE_FAULT_BUSY], 1);
	assert_int_equal(fix_get(second, fix_find(second, "", 1, 3000), 1, 3000), STORE_OK);
	assert_true(fix_put(second, "", 2, 3000) == 0);
	fix_put(first, "", 3, 3000);
	uint64_t place = 0;
	for (int tries = 0; tries < 500 && !place; tries++) {
		usleep(10000);
		place = fix_find(second, "", 3, 3000);
	}
	assert_int_equal(fix_get(second, place, 3, 3000), STORE_OK);
	store_close(first);
	uint64_t mine = 0;
	for (int tries = 0; tries < 500 && !mine; tries++) {
		usleep(10000);
		mine = fix_put(second, "", 4, 3000);
	}
	assert_int_equal(fix_get(second, mine, 4, 3000), STORE_OK);
	store_close(second);
	second = fix_open(folder, 256 * MIB);
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(fix_find(second, "", i, 3000) != 0, i != 2);
	store_close(second);
	drop_folder(folder);
}

static void test_budget(void **state)
{
	(void)state;
	char folder[64];
	new_folder(folder);
	struct store_config c = {.where = folder, .bytes_max = 256 * MIB, .write_per_day = 24 * 10000};
	struct store *s;
	struct kvik_err err;
	struct fix_record f;
	assert_int_equal(store_open(&s, &c, &err), 0);
	for (uint64_t i = 0; i < 4; i++) { /* an hour's part of the budget is 10000 bytes */
		fix_make(&f, s, "", i, 3000);
		assert_int_equal(store_wants(s, f.r.text, 9000), i == 0);
		if (i == 0)
			fix_put(s, "", i, 3000);
		fix_release(&f);
	}
	fix_make(&f, s, "", 2, 3000);
	assert_true(store_wants(s, f.r.text, 9000)); /* it comes again */
	fix_release(&f);
	assert_int_equal(store_stats(s).refused, 3);
	store_close(s);
	drop_folder(folder);
}

static void test_expiry(void **state)
{
	(void)state;
	char folder[64];
	struct fix_record f;
	struct kvik_err err;
	new_folder(folder);
	struct store_config c = {.where = folder, .bytes_max = 256 * MIB, .sync_ms = 20};
	struct store *s;
	assert_int_equal(store_open(&s, &c, &err), 0);
	fix_make(&f, s, "", 1, 3000);
	f.r.expires = 1000;
	assert_int_equal(store_put(s, &f.r, (const void *const *)f.bytes, 1, &err), 0);
	uint64_t place = wait_done(s).place;
	assert_int_equal(fix_get(s, place, 1, 3000), STORE_GONE);
	for (int tries = 0; tries < 500 && store_stats(s).records > 0; tries++)
		usleep(10000);
	assert_int_equal(store_stats(s).expired, 1);
	fix_release(&f);
	store_close(s);
	drop_folder(folder);
}

/* Many requests at once, from two threads' worth of callers: all end, none with another's bytes. */
static void test_many(void **state)
{
	(void)state;
	enum { N = 200, BYTES = 20000 };
	char folder[64];
	struct kvik_err err;
	struct fix_record *f = calloc(N, sizeof *f);
	uint64_t places[N] = {0};
	uint8_t *into = malloc((size_t)N * BYTES), *right = malloc(BYTES);
	new_folder(folder);
	struct store_config c = {.where = folder, .bytes_max = 256 * MIB, .flight_bytes = 1 * MIB};
	struct store *s;
	assert_int_equal(store_open(&s, &c, &err), 0);
	uint32_t asked = 0, ended = 0, full = 0;
	struct store_done d;
	for (uint32_t i = 0; i < N; i++)
		fix_make(&f[i], s, "", i, BYTES);
	while (ended < N) {
		if (asked < N && store_put(s, &f[asked].r, (const void *const *)f[asked].bytes, asked, &err) == 0) {
			asked++;
			continue;
		}
		full += asked < N;
		assert_true(store_stats(s).flight_bytes <= 1 * MIB);
		assert_true(store_wait(s, 20000) && store_next(s, &d));
		assert_int_equal(d.end, STORE_OK);
		places[d.ticket] = d.place;
		ended++;
	}
	assert_true(full > 0);
	for (asked = ended = 0; ended < N;) {
		if (asked < N && store_get(s, places[asked], into + (size_t)asked * BYTES, BYTES, asked, &err) == 0) {
			asked++;
			continue;
		}
		assert_true(store_wait(s, 20000) && store_next(s, &d));
		assert_int_equal(d.end, STORE_OK);
		fix_bytes(d.ticket, 0, right, BYTES);
		assert_memory_equal(into + d.ticket * BYTES, right, BYTES);
		ended++;
	}
	/* closing with requests that nobody waits for */
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(store_get(s, places[i], into + (size_t)i * BYTES, BYTES, i, &err), 0);
	store_close(s);
	for (uint32_t i = 0; i < N; i++)
		fix_release(&f[i]);
	free(f);
	free(into);
	free(right);
	drop_folder(folder);
}

static void test_sealed(void **state)
{
	(void)state;
	char folder[64], key[96], command[256];
	new_folder(folder);
	snprintf(key, sizeof key, "%s.key", folder);
	snprintf(command, sizeof command, "umask 077; printf %%064d 7 >%s", key);
	assert_int_equal(system(command), 0);
	struct store_config c = {.where = folder, .bytes_max = 256 * MIB, .key_file = key};
	struct store *s;
	struct kvik_err err;
	assert_int_equal(store_open(&s, &c, &err), 0);
	uint64_t place = fix_put(s, "", 1, 3000);
	assert_int_equal(fix_get(s, place, 1, 3000), STORE_OK);
	assert_true(fix_find(s, "", 1, 3000) == place);
	store_close(s);
	/* neither the ids nor the bytes are anywhere in the files */
	struct fix_record f;
	assert_int_equal(store_open(&s, &c, &err), 0);
	assert_int_equal(fix_get(s, fix_find(s, "", 1, 3000), 1, 3000), STORE_OK);
	fix_make(&f, s, "", 1, 3000);
	store_close(s);
	char path[128];
	snprintf(path, sizeof path, "cat %s/*.heads %s/*.data", folder, folder);
	FILE *p = popen(path, "r");
	static uint8_t all[1 << 20];
	size_t n = fread(all, 1, sizeof all, p);
	pclose(p);
	assert_true(n > 9000);
	assert_null(memmem(all, n, f.ids + 1, 16));
	assert_null(memmem(all, n, f.bytes[0] + 8, 16));
	fix_release(&f);
	/* another key, and none: never served, said */
	snprintf(command, sizeof command, "printf %%064d 8 >%s", key);
	assert_int_equal(system(command), 0);
	for (int without = 0; without < 2; without++) {
		c.key_file = without ? NULL : key;
		assert_int_equal(store_open(&s, &c, &err), 0);
		assert_true(fix_find(s, "", 1, 3000) == 0);
		assert_true(store_stats(s).faults[STORE_FAULT_SEALED] > 0);
		store_close(s);
	}
	assert_int_equal(chmod(key, 0644), 0);
	c.key_file = key;
	assert_int_equal(store_open(&s, &c, &err), KVIK_ERR_FORMAT);
	unlink(key);
	drop_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_places),
		cmocka_unit_test(test_event_file), cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_secret),     cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_moves),      cmocka_unit_test(test_two_processes),
		cmocka_unit_test(test_budget),     cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_many),       cmocka_unit_test(test_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
