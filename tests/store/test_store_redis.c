/* test_store_redis.c: records in a Redis server of its own, on a port and in a folder of its own: what one store has put
 * another finds; the server is killed and started again under load, and nothing worse happens than that records are not
 * found: each fault is counted, each request ends. */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { BYTES = 3000, LARGE = (3 << 20) + 17 /* several pieces */ };

static char folder[64], where[64];
static int port;
static pid_t server;

static int free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &n), 0);
	close(s);
	return ntohs(a.sin_port);
}

static bool answers(void)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char got[8] = "";
	bool ok = connect(s, (struct sockaddr *)&a, sizeof a) == 0;
	if (ok) /* while it loads its file it says -LOADING */
		ok = send(s, "AUTH pw\r\nPING\r\n", 15, MSG_NOSIGNAL) == 15 && recv(s, got, 5, MSG_WAITALL) == 5 &&
		     memcmp(got, "+OK\r\n", 5) == 0 && recv(s, got, 5, MSG_WAITALL) == 5 &&
		     memcmp(got, "+PONG", 5) == 0;
	close(s);
	return ok;
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void start_server(void)
{
	char at[8];
	snprintf(at, sizeof at, "%d", port);
	server = fork();
	if (server == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execlp("redis-server", "redis-server", "--port", at, "--bind", "127.0.0.1", "--dir", folder, "--save",
		       "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "pw", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !answers(); i++)
		wait_ms(10);
	assert_true(answers());
}

static void kill_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static int begin(void **state)
{
	(void)state;
	new_folder(folder);
	port = free_port();
	snprintf(where, sizeof where, "redis://:pw@127.0.0.1:%d/3", port);
	start_server();
	return 0;
}

static int end(void **state)
{
	(void)state;
	kill_server();
	drop_folder(folder);
	return 0;
}

static void test_two_servers(void **state)
{
	(void)state;
	struct store *a = fix_open(where, 0), *b = fix_open(where, 0);
	assert_true(store_scope(a, "x", 1).w[0] == store_scope(b, "x", 1).w[0]); /* one secret */
	for (uint64_t i = 0; i < 10; i++) {
		uint32_t bytes = i == 7 ? LARGE : BYTES;
		uint64_t place = fix_put(i % 2 ? a : b, "", i, bytes);
		assert_int_equal(fix_get(i % 2 ? a : b, place, i, bytes), STORE_OK);
		uint64_t other = fix_find(i % 2 ? b : a, "", i, bytes);
		assert_int_equal(fix_get(i % 2 ? b : a, other, i, bytes), STORE_OK);
		assert_true(fix_find(a, "someone", i, bytes) == 0);
	}
	assert_true(fix_put(a, "", 0, BYTES) > 0);
	assert_int_equal(store_stats(a).puts_same, 1);
	uint64_t place = fix_find(b, "", 3, BYTES);
	store_erase(a, fix_find(a, "", 3, BYTES));
	assert_int_equal(fix_get(b, place, 3, BYTES), STORE_GONE);
	assert_true(fix_put(b, "t", 5, BYTES) > 0);
	assert_int_equal(store_purge(a, store_scope(a, "", 0)), 9);
	assert_true(fix_find(b, "", 1, BYTES) == 0);
	assert_int_equal(fix_get(b, fix_find(b, "t", 5, BYTES), 5, BYTES), STORE_OK);
	for (int k = 0; k < STORE_FAULT_COUNT; k++)
		assert_int_equal(store_stats(a).faults[k] + store_stats(b).faults[k], 0);
	store_close(a);
	store_close(b);
}

/* Killed and started again while records come and go: what is found is right; what was confirmed is found in the end. */
static void test_killed_under_load(void **state)
{
	enum { ROUNDS = 2, EACH = 12 };
	bool kept[ROUNDS * EACH] = {false};
	uint32_t failed = 0;
	(void)state;
	struct store *s = fix_open(where, 0);
	for (uint64_t i = 0; i < ROUNDS * EACH; i++) {
		if (i % EACH == 4)
			kill_server();
		if (i % EACH == 8) {
			start_server();
			wait_ms(1050); /* for so long nobody tries again */
		}
		kept[i] = fix_put(s, "k", i, BYTES) != 0;
		failed += !kept[i];
		uint64_t place = fix_find(s, "k", i / 2, BYTES);
		enum store_end got = place ? fix_get(s, place, i / 2, BYTES) : STORE_GONE;
		assert_true(got == STORE_OK || got == STORE_GONE || got == STORE_FAILED);
	}
	assert_true(failed >= ROUNDS * 3 && failed <= ROUNDS * 6);
	struct store_stats st = store_stats(s);
	assert_int_equal(st.puts_failed, failed);
	assert_true(st.faults[STORE_FAULT_WRITE] >= failed && st.faults[STORE_FAULT_DAMAGED] == 0);
	for (uint64_t i = 0; i < ROUNDS * EACH; i++)
		if (kept[i])
			assert_int_equal(fix_get(s, fix_find(s, "k", i, BYTES), i, BYTES), STORE_OK);
	store_close(s);
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {"redis://",      "redis://:70000",       "redis://h:x",  "redis://h:1:2",
					    "redis://h:1/x", "redis://h:1/99999999", "redis://h:0/1"};
	struct kvik_err err;
	struct store *s = NULL;
	char bad[80];
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct store_config c = {.where = wrong[i]};
		assert_int_equal(store_open(&s, &c, &err), KVIK_ERR_ARG);
	}
	snprintf(bad, sizeof bad, "redis://:secretword@127.0.0.1:%d", port);
	struct store_config c = {.where = bad};
	assert_int_equal(store_open(&s, &c, &err), KVIK_ERR_IO);
	assert_null(strstr(err.text, "secretword"));
	assert_non_null(strstr(err.text, "password"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_servers), cmocka_unit_test(test_addresses),
					   cmocka_unit_test(test_killed_under_load)};
	signal(SIGPIPE, SIG_DFL); /* the store must not need it ignored */
	return cmocka_run_group_tests(tests, begin, end);
}
