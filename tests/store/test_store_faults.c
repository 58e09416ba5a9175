/* test_store_faults.c: a disk that fails, forgets and lies: nothing wrong is ever served, nothing ends the process, and what
 * was confirmed is there. On a disk in memory; KVIK_STEPS scales the random parts. */
#include "memory_files.h"

#include "base/mem.h"
#include "support/seed.h"

enum { KIB = 1024, MIB = 1 << 20, BYTES = 700 };

static uint64_t steps(uint64_t usual)
{
	const char *given = getenv("KVIK_STEPS");
	return given ? strtoull(given, NULL, 0) : usual;
}

/* ---- Every call fails once ----------------------------------------------------------------------------------------- */

/* A life of a store; kept[i]: record i was confirmed and not erased. */
static void live(struct mem_disk *d, bool *kept)
{
	for (int opened = 0; opened < 2; opened++) {
		struct store *s = mem_store(d, 16 * MIB);
		if (!s)
			continue;
		uint64_t place[4] = {0};
		for (uint64_t i = 0; i < 4; i++) {
			uint64_t id = (uint64_t)opened * 4 + i;
			place[i] = fix_put(s, i == 3 ? "gone" : "", id, BYTES);
			kept[id] = place[i] != 0;
		}
		store_sync(s);
		for (uint64_t i = 0; i < 4; i++)
			if (place[i])
				fix_get(s, place[i], (uint64_t)opened * 4 + i, BYTES);
		if (place[2])
			store_erase(s, place[2]);
		store_purge(s, store_scope(s, "gone", 4));
		kept[opened * 4 + 2] = kept[opened * 4 + 3] = false;
		store_close(s);
	}
}

static void check_life(struct mem_disk *d, const bool *kept, bool may_miss)
{
	d->off = true;
	struct store *s = mem_store(d, 16 * MIB);
	assert_non_null(s);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t place = fix_find(s, i % 4 == 3 ? "gone" : "", i, BYTES);
		enum store_end end = place ? fix_get(s, place, i, BYTES) : STORE_GONE;
		if (place && i % 4 < 2)
			assert_int_equal(end, STORE_OK); /* of the others the erasure may have failed half way */
		if (kept[i] && !may_miss)
			assert_true(place > 0);
	}
	uint64_t place = fix_put(s, "", 100, BYTES); /* and it goes on */
	assert_int_equal(fix_get(s, place, 100, BYTES), STORE_OK);
	store_close(s);
}

static void sweep(int error, enum mem_fault how)
{
	uint64_t at = 1;
	for (bool fired = true; fired; at++) {
		struct mem_disk *d = mem_disk_new(at);
		bool kept[8] = {false};
		d->fail_at = at;
		d->error = error;
		d->how = how;
		live(d, kept);
		fired = d->faults > 0;
		check_life(d, kept, error == ENOSPC);
		mem_disk_free(d);
	}
	assert_true(at > 100); /* there were so many calls */
}

static void test_every_call_fails(void **state)
{
	(void)state;
	sweep(EIO, MEM_ERROR);
	sweep(ENOSPC, MEM_ERROR);
	sweep(ENOSPC, MEM_TORN);
	sweep(EIO, MEM_SHORT);
	sweep(EINTR, MEM_TORN);
}

/* No memory, at each allocation in turn. */
static void test_every_allocation_fails(void **state)
{
	(void)state;
	for (long at = 1; at < 80; at++) {
		struct mem_disk *d = mem_disk_new(1);
		struct store *s;
		struct fix_record f;
		struct kvik_err err;
		mem_fail_at(at);
		s = mem_store(d, 16 * MIB);
		if (s) {
			fix_make(&f, s, "", 1, BYTES);
			uint8_t *into = malloc(BYTES);
			struct store_done done = {0};
			if (store_put(s, &f.r, (const void *const *)f.bytes, 1, &err) == 0)
				done = wait_done(s);
			if (done.place && store_get(s, done.place, into, BYTES, 2, &err) == 0 &&
			    wait_done(s).end == STORE_OK)
				assert_memory_equal(into, f.bytes[0], BYTES);
			if (store_has(s, &f.r, 3, &err) == 0)
				wait_done(s);
			fix_release(&f);
			free(into);
			store_close(s);
		}
		mem_fail_at(0);
		s = mem_store(d, 16 * MIB);
		assert_non_null(s);
		store_close(s);
		mem_disk_free(d);
	}
}

/* ---- Bits ---------------------------------------------------------------------------------------------------------- */

static void test_every_bit(void **state)
{
	(void)state;
	enum { SMALL = 40 };
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_store(d, 16 * MIB);
	assert_true(fix_put(s, "", 7, SMALL) > 0);
	store_close(s);
	uint32_t served = 0, flips = 0;
	mem_save(d);
	for (int i = 0; i < MEM_FILES; i++) {
		struct mem_file *f = &d->file[i];
		if (!f->used || f->now.size < 64 || strcmp(f->name, "secret") == 0)
			continue;
		uint64_t size = f->now.size;
		for (uint64_t at = 0; at < size; at += at == 63 && f->now.size > 4096 ? 4096 - 63 : 1)
			for (int bit = 0; bit < 8; bit++, flips++) {
				f->now.bytes[at] ^= (uint8_t)(1 << bit);
				s = mem_store(d, 16 * MIB);
				uint64_t place =
					fix_find(s, "", 7, SMALL); /* what is served is right: fix_get checks */
				served += place && fix_get(s, place, 7, SMALL) == STORE_OK;
				store_close(s);
				mem_restore(d);
			}
	}
	assert_true(flips > 4000);
	/* only the spaces between the parts do not matter: 24 + 11 bytes, and what pads nothing is not there */
	assert_int_equal(served, 8 * (64 - SMALL + 64 - SMALL - 13));
	mem_disk_free(d);
}

/* ---- Cut and foreign files ----------------------------------------------------------------------------------------- */

static void test_every_cut(void **state)
{
	(void)state;
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_store(d, 16 * MIB);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(fix_put(s, "", i, 50) > 0);
	store_close(s);
	mem_save(d);
	for (int i = 0; i < MEM_FILES; i++) {
		struct mem_file *f = &d->file[i];
		if (!f->used || f->now.size < 64 || strcmp(f->name, "secret") == 0)
			continue;
		for (uint64_t cut = 0, size = f->now.size; cut<size; cut += size> 8192 ? 61 : 7) {
			mem_resize(&f->now, cut);
			s = mem_store(d, 16 * MIB);
			uint32_t found = 0;
			for (uint64_t k = 0; k < 3; k++) {
				uint64_t place = fix_find(s, "", k, 50);
				found += place && fix_get(s, place, k, 50) == STORE_OK;
			}
			assert_true(found < 3);
			uint64_t place = fix_put(s, "", 100, 50); /* goes to what is left, or to a new segment */
			assert_int_equal(fix_get(s, place, 100, 50), STORE_OK);
			store_close(s);
			mem_restore(d);
		}
	}
	mem_disk_free(d);
}

static void test_foreign_files(void **state)
{
	(void)state;
	static const char *const names[] = {"notes.txt", "00000000000a.heads", "00000000000a.data",
					    "000000000001.heads.bak", "zzzzzzzzzzzz.heads"};
	struct mem_disk *d = mem_disk_new(1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = mem_open(d, MEM_DIR, names[i], O_CREAT | O_RDWR, 0600);
		assert_true(mem_pwrite(d, fd,
				       "somebody's notes, which are long enough to hold a magic line of 64 bytes ...",
				       76, 0) == 76);
		mem_close(d, fd);
	}
	struct store *s = mem_store(d, 16 * MIB);
	assert_non_null(s);
	assert_int_equal(store_stats(s).faults[STORE_FAULT_FOREIGN], 4);
	uint64_t place = fix_put(s, "", 1, 50);
	assert_int_equal(fix_get(s, place, 1, 50), STORE_OK);
	store_close(s);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(mem_named(d, names[i])->now.size, 76); /* left alone */
	mem_disk_free(d);
}

/* ---- States of the folder ------------------------------------------------------------------------------------------ */

static void test_read_only(void **state)
{
	(void)state;
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_store(d, 16 * MIB);
	fix_put(s, "", 1, 50);
	store_close(s);
	d->read_only = true;
	s = mem_store(d, 16 * MIB);
	assert_false(store_stats(s).writes);
	assert_int_equal(store_stats(s).faults[STORE_FAULT_READ_ONLY], 1);
	assert_int_equal(fix_get(s, fix_find(s, "", 1, 50), 1, 50), STORE_OK);
	assert_true(fix_put(s, "", 2, 50) == 0);
	store_close(s);
	mem_disk_free(d);
}

static void test_full_and_vanished(void **state)
{
	(void)state;
	struct mem_disk *d = mem_disk_new(1);
	struct store *s = mem_store(d, 4 * MIB);
	uint64_t first = fix_put(s, "", 1, 50);
	d->full = true;
	uint32_t failed = 0;
	for (uint64_t i = 2; i < 12; i++)
		failed += fix_put(s, "", i, 50) == 0;
	assert_int_equal(failed, 10);
	assert_true(store_stats(s).faults[STORE_FAULT_SPACE] > 0);
	d->full = false;
	assert_true(fix_put(s, "", 20, 50) > 0);
	(void)first; /* may have made room */
	d->vanished = true;
	uint64_t last = fix_put(s, "", 21, 50); /* into the segment that is open */
	for (uint64_t i = 22; i < 40; i++)
		fix_put(s, "", i, 60 * KIB);
	assert_true(store_stats(s).faults[STORE_FAULT_VANISHED] > 0);
	assert_int_equal(fix_get(s, last, 21, 50), STORE_OK);
	store_close(s);
	mem_disk_free(d);
}

/* ---- At random ----------------------------------------------------------------------------------------------------- */

/* Puts, gets, look-ups and erasures against a dictionary; one call in so many fails. */
static void run_random(struct mem_disk *d, uint64_t n, uint32_t fails_one_in, uint64_t max)
{
	enum { IDS = 64 };
	uint64_t places[IDS] = {0};
	struct store *s = mem_store(d, max);
	assert_non_null(s);
	uint64_t lost = 0;
	d->fails_one_in = fails_one_in;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t id = mem_random(d) % IDS;
		uint32_t bytes = (uint32_t)(200 + mix(id) % (max > 8 * MIB ? 20000 : max / 80));
		switch (mem_random(d) % 8) {
		case 0:
		case 1:
		case 2: {
			uint64_t place = fix_put(s, id % 3 ? "" : "third", id, bytes);
			places[id] = place ? place : places[id];
			break;
		}
		case 3:
		case 4:
			if (places[id]) {
				enum store_end end = fix_get(s, places[id], id, bytes);
				if (end == STORE_GONE || end == STORE_DAMAGED)
					places[id] = 0, lost++;
				if (!fails_one_in)
					assert_true(end == STORE_OK || end == STORE_GONE);
			}
			break;
		case 5: {
			uint64_t place = fix_find(s, id % 3 ? "" : "third", id, bytes);
			if (place)
				assert_true(!places[id] || place == places[id] || fails_one_in);
			if (!fails_one_in && !place && places[id])
				places[id] = 0, lost++;
			break;
		}
		case 6:
			if (places[id] && mem_random(d) % 4 == 0) {
				store_erase(s, places[id]);
				places[id] = 0;
			}
			break;
		default:
			if (mem_random(d) % 64 == 0) {
				store_purge(s, store_scope(s, "third", 5));
				for (uint64_t k = 0; k < IDS; k += 3)
					places[k] = 0;
			}
			if (mem_random(d) % 16 == 0) { /* again, from what is on the disk */
				store_close(s);
				d->off = true;
				s = mem_store(d, max);
				d->off = false;
				assert_non_null(s);
				for (uint64_t k = 0; k < IDS; k++) {
					uint64_t was = places[k];
					places[k] =
						fix_find(s, k % 3 ? "" : "third", k,
							 (uint32_t)(200 + mix(k) % (max > 8 * MIB ? 20000 : max / 80)));
					if (!fails_one_in && !was)
						assert_true(places[k] == 0); /* what was erased stays so */
				}
			}
		}
		assert_true(store_stats(s).bytes <= max);
	}
	d->off = true;
	uint32_t there = 0;
	for (uint64_t k = 0; k < IDS; k++)
		there += places[k] &&
			 fix_get(s, places[k], k, (uint32_t)(200 + mix(k) % (max > 8 * MIB ? 20000 : max / 80))) ==
				 STORE_OK;
	if (!fails_one_in && max > 8 * MIB) {
		assert_int_equal(lost, 0);
		assert_true(there > 0);
	}
	store_close(s);
	d->off = false;
}

static void test_random(void **state)
{
	(void)state;
	uint64_t seed = seed_of_run();
	for (uint64_t i = 0; i < 4; i++) {
		struct mem_disk *d = mem_disk_new(seed + i);
		run_random(d, steps(800), 0, i % 2 ? 1 * MIB : 64 * MIB);
		mem_disk_free(d);
		d = mem_disk_new(seed + 100 + i);
		d->how = i % 3;
		d->error = i % 2 ? EIO : ENOSPC;
		run_random(d, steps(800), 20, 1 * MIB); /* 5 % */
		mem_disk_free(d);
	}
}

/* The power fails at any time: what was synced is there, and nothing wrong is. */
static void test_power(void **state)
{
	(void)state;
	enum { IDS = 48 };
	uint64_t seed = seed_of_run();
	for (uint64_t round = 0; round < steps(100); round++) {
		struct mem_disk *d = mem_disk_new(seed + round);
		bool synced[IDS] = {false};
		for (int life = 0; life < 3; life++) {
			struct store *s = mem_store(d, 64 * MIB);
			assert_non_null(s);
			bool put[IDS] = {false};
			uint64_t n = mem_random(d) % 16;
			for (uint64_t i = 0; i < n; i++) {
				uint64_t id = mem_random(d) % IDS;
				put[id] |= fix_put(s, "", id, 900) != 0;
				if (mem_random(d) % 6 == 0) {
					store_sync(s);
					for (int k = 0; k < IDS; k++)
						synced[k] |= put[k];
				}
			}
			/* as if killed: what closing would sync is lost with the power too */
			d->fails_one_in = 1;
			d->how = MEM_ERROR;
			store_close(s);
			d->fails_one_in = 0;
			mem_lose_power(d);
			s = mem_store(d, 64 * MIB);
			assert_non_null(s);
			for (uint64_t k = 0; k < IDS; k++) {
				uint64_t place = fix_find(s, "", k, 900);
				bool there = place && fix_get(s, place, k, 900) == STORE_OK;
				if (synced[k] && !there)
					fail_msg("seed %llu round %llu: record %llu was synced and is gone",
						 (unsigned long long)seed, (unsigned long long)round,
						 (unsigned long long)k);
			}
			store_close(s);
		}
		mem_disk_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_fails),
		cmocka_unit_test(test_every_allocation_fails),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_foreign_files),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_full_and_vanished),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_power),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
