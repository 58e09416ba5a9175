/* test_store_crash.c: a process that writes is killed (kill -9) at random instants; what it was told is done is there
 * afterwards, and nothing wrong is. KVIK_STEPS: how often. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "support/seed.h"

enum { BYTES = 6000, MIB = 1 << 20, OUT = 16 };

/* Puts records from `first` on for ever; tells through the pipe which are done. */
static void write_for_ever(const char *folder, uint64_t first, uint64_t bytes_max, int pipe_to)
{
	struct store_config c = {.where = folder, .bytes_max = bytes_max, .sync_ms = 5};
	struct store *s;
	struct kvik_err err;
	static struct fix_record f[OUT];
	if (store_open(&s, &c, &err))
		_exit(9);
	for (uint64_t i = first;; i++) {
		struct fix_record *r = &f[(i - first) % OUT]; /* the first ones have one each; then whose is done */
		if (i - first >= OUT) {
			struct store_done d = wait_done(s);
			if (d.end == STORE_OK && write(pipe_to, &d.ticket, sizeof d.ticket) != sizeof d.ticket)
				_exit(8);
			for (r = f; r->ids[0] != (uint32_t)d.ticket;)
				r++;
			fix_release(r);
		}
		fix_make(r, s, "", i, BYTES);
		if (store_put(s, &r->r, (const void *const *)r->bytes, i, &err))
			_exit(7);
	}
}

static void test_kill(void **state)
{
	bool small = *state;
	const char *given = getenv("KVIK_STEPS");
	uint64_t rounds = given ? strtoull(given, NULL, 0) : 12, random = seed_of_run(), n_found = 0;
	uint64_t bytes_max = small ? 8 * MIB : UINT64_C(8192) * MIB;
	char folder[64];
	new_folder(folder);
	size_t n_told = 0, cap = 1 << 20;
	uint64_t *told = malloc(cap * sizeof *told), next = 0;
	for (uint64_t round = 0; round < rounds; round++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t child = fork();
		if (child == 0)
			write_for_ever(folder, next, bytes_max, fds[1]);
		close(fds[1]);
		random = mix(random + round);
		usleep((useconds_t)(2000 + random % 60000));
		kill(child, SIGKILL);
		int status;
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status)); /* it did not end by itself */
		size_t before = n_told;
		while (n_told < cap && read(fds[0], &told[n_told], sizeof *told) == sizeof *told)
			n_told++;
		close(fds[0]);
		struct store *s = fix_open(folder, bytes_max);
		assert_true(store_stats(s).writes); /* the lock went with the process */
		assert_int_equal(store_stats(s).faults[STORE_FAULT_DAMAGED], 0);
		/* of this round all, of those before some; more than what was told may be there, and is right too */
		uint64_t highest = next + 1;
		for (size_t i = 0; i < n_told; i++) {
			highest = told[i] > highest ? told[i] : highest;
			if (i < before && mix(random + i) % 16)
				continue;
			uint64_t place = fix_find(s, "", told[i], BYTES);
			if (!small)
				assert_true(place > 0);
			if (place)
				assert_int_equal(fix_get(s, place, told[i], BYTES), STORE_OK);
			n_found += place != 0;
		}
		for (uint64_t i = next; i < highest + OUT; i++) {
			uint64_t place = fix_find(s, "", i, BYTES);
			if (place)
				assert_int_equal(fix_get(s, place, i, BYTES), STORE_OK);
		}
		next = highest + OUT + 1;
		store_close(s);
	}
	printf("%zu confirmed, %llu looked for and found\n", n_told, (unsigned long long)n_found);
	assert_true(n_told > 0 && n_found > 0);
	free(told);
	drop_folder(folder);
}

int main(void)
{
	static bool small = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill), cmocka_unit_test_prestate(test_kill, &small), /* with evictions */
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
