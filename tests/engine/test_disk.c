/* test_disk.c: a cache with a disk below it (kvik_cache_params.disk): what memory has no room for comes back, a restart
 * finds what was known, also after kill -9, and whatever happens to the files costs time alone. Each text's logits are
 * compared, to the bit, with those of a session that shares nothing.
 *
 * KVIK_STEPS=n flips so many bits of a record (default 60), evenly spread. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <kvik.h>

enum { CONTEXT = 512, TEXT = 300, TEXTS = 24, VOCAB_MAX = 4096 };

static char folder[64];
static uint32_t n_vocab;

/* ---- The folder -------------------------------------------------------------------------------------------------- */

static void remove_files(bool but_secret)
{
	char path[320];
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (!but_secret || strcmp(e->d_name, "secret") != 0)
			(void)unlink(path);
	}
	if (d)
		closedir(d);
}

static void remove_folder(void)
{
	remove_files(false);
	(void)rmdir(folder);
}

static int make_folder(void **state)
{
	(void)state;
	/* In memory, if there is room: what is tested is not the disk, and to sync one takes most of the time. */
	struct statvfs st;
	bool shm = statvfs("/dev/shm", &st) == 0 && (uint64_t)st.f_bavail * st.f_frsize >= UINT64_C(256) << 20 &&
		   access("/dev/shm", W_OK) == 0;
	snprintf(folder, sizeof folder, "%s/kvik-disk-XXXXXX", shm ? "/dev/shm" : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	(void)state;
	remove_folder();
	return 0;
}

static char *file_ending(const char *end)
{
	static char path[320];
	DIR *d = opendir(folder);
	assert_non_null(d);
	path[0] = '\0';
	for (struct dirent *e; (e = readdir(d));)
		if (strlen(e->d_name) > strlen(end) && !strcmp(e->d_name + strlen(e->d_name) - strlen(end), end))
			snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
	closedir(d);
	assert_true(path[0]);
	return path;
}

/* ---- Caches and texts -------------------------------------------------------------------------------------------- */

static struct kvik_model *load_model(const char *path)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	struct kvik_err err;
	p.threads = 1;
	if (kvik_model_load(&m, path, &p, &err))
		fail_msg("%s", err.text);
	n_vocab = kvik_model_get_info(m).vocab_size;
	assert_true(n_vocab <= VOCAB_MAX);
	return m;
}

struct setting {
	enum kvik_dtype dtype;
	uint32_t window;
	uint64_t memory, scope;
	bool no_disk;
};

static struct kvik_cache *open_cache(struct kvik_model *m, struct setting s)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *c;
	struct kvik_err err;
	p.context = CONTEXT;
	p.sessions = 4;
	p.chunk = 64;
	p.k_dtype = p.v_dtype = s.dtype;
	p.window = s.window;
	p.kv_memory = s.memory;
	p.disk = s.no_disk ? NULL : folder;
	p.disk_bytes = 64 << 20;
	p.disk_sync_ms = 1;
	p.disk_load_always = true;
	if (kvik_cache_new(&c, m, &p, &err))
		fail_msg("%s", err.text);
	return c;
}

static void write_text(uint32_t *ids, uint32_t number)
{
	for (uint32_t i = 0; i < TEXT; i++)
		ids[i] = (number * 7919 + i * 31 + i * i % 17) % (n_vocab - 4) + 3;
}

/* Feeds a text to a new session; its last logits, and how much the cache knew. */
static uint32_t feed(struct kvik_cache *c, struct setting s, uint32_t number, uint32_t n, float *logits)
{
	struct kvik_share share = {.size = sizeof share, .scope = s.scope};
	struct kvik_session *session;
	struct kvik_err err;
	uint32_t ids[TEXT];
	write_text(ids, number);
	if (kvik_session_new(&session, c, &share, &err) || kvik_session_feed(session, ids, n, NULL, &err))
		fail_msg("%s", err.text);
	memcpy(logits, kvik_session_logits(session), n_vocab * sizeof *logits);
	uint32_t found = kvik_session_get_prefix(session).found_tokens;
	kvik_session_free(session);
	return found;
}

static void cold(struct kvik_model *m, struct setting s, uint32_t number, uint32_t n, float *logits)
{
	s.no_disk = true;
	s.memory = 0;
	struct kvik_cache *c = open_cache(m, s);
	assert_int_equal(feed(c, s, number, n, logits), 0);
	kvik_cache_free(c);
}

static uint32_t feed_same(struct kvik_cache *c, struct kvik_model *m, struct setting s, uint32_t number, uint32_t n)
{
	static float warm[VOCAB_MAX], right[VOCAB_MAX];
	cold(m, s, number, n, right);
	uint32_t found = feed(c, s, number, n, warm);
	assert_memory_equal(warm, right, n_vocab * sizeof *right);
	return found;
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};
	nanosleep(&t, NULL);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void restart(const char *model, struct setting s)
{
	struct kvik_model *m = load_model(model);
	struct kvik_cache *c = open_cache(m, s);
	assert_int_equal(feed_same(c, m, s, 1, TEXT), 0);
	assert_int_equal(feed_same(c, m, s, 2, TEXT - 100), 0);
	kvik_cache_free(c);
	c = open_cache(m, s);
	assert_true(feed_same(c, m, s, 1, TEXT) >= TEXT - 1);
	assert_true(feed_same(c, m, s, 2, TEXT) >= TEXT - 101); /* goes on from there */
	kvik_cache_free(c);
	for (uint32_t n = 230; n < 250; n += 5) { /* and, bit by bit, inside a block */
		c = open_cache(m, s);
		assert_true(feed_same(c, m, s, 3, n) >= (n == 230 ? 0 : n - 6));
		kvik_cache_free(c);
	}
	c = open_cache(m, s);
	assert_true(feed_same(c, m, s, 2, TEXT) >= TEXT - 1);
	assert_true(feed_same(c, m, s, 3, 245) >= 244);
	kvik_cache_free(c);
	kvik_model_free(m);
	remove_folder();
}

static void test_restart(void **state)
{
	(void)state;
	restart("tests/model/data/llama-gqa.gguf", (struct setting){.dtype = KVIK_F16});
	restart("tests/model/data/llama-gqa.gguf", (struct setting){.dtype = KVIK_INT8});
	restart("tests/model/data/llama-gqa.gguf", (struct setting){.dtype = KVIK_F16, .window = 50});
	restart("tests/model/data/llama-gqa.gguf", (struct setting){.dtype = KVIK_F16, .scope = 77});
	restart("tests/model/data/qwen2-windows-v4.gguf", (struct setting){.dtype = KVIK_F16});
	restart("tests/model/data/gemma3.gguf", (struct setting){.dtype = KVIK_F16});
	restart("tests/model/data/gptoss-mxfp4", (struct setting){.dtype = KVIK_INT8});
	restart("tests/model/data/gemma4.gguf", (struct setting){.dtype = KVIK_F16}); /* layers that share */
	const char *const kinds[] = {"gemma4-kv", "qwen3_5", "qwen3_5moe", "deepseek2"};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[80];
		snprintf(path, sizeof path, "tests/model/data/%s.gguf", kinds[i]);
		print_message("%s\n", path);
		restart(path, (struct setting){.dtype = KVIK_F16});
	}
}

/* Another model, dtype, window or scope finds nothing. */
static void test_others_find_nothing(void **state)
{
	const struct setting s = {.dtype = KVIK_F16};
	const struct setting others[] = {
		{.dtype = KVIK_BF16}, {.dtype = KVIK_F16, .window = 50}, {.dtype = KVIK_F16, .scope = 7}};
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	feed_same(c, m, s, 1, TEXT);
	kvik_cache_free(c);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		c = open_cache(m, others[i]);
		assert_int_equal(feed_same(c, m, others[i], 1, TEXT), 0);
		kvik_cache_free(c);
	}
	kvik_model_free(m);
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_err err;
	p.threads = 1;
	p.quantize = KVIK_QUANTIZE_Q8_0;
	assert_int_equal(kvik_model_load(&m, "tests/model/data/llama-gqa.gguf", &p, &err), 0);
	c = open_cache(m, s);
	assert_int_equal(feed_same(c, m, s, 1, TEXT), 0);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* Memory for a part of the texts: all come back. */
static void test_more_than_memory(void **state)
{
	const struct setting s = {.dtype = KVIK_F16, .memory = 1200 << 10};
	uint32_t whole = 0;
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	for (uint32_t i = 0; i < 2 * TEXTS; i++) {
		whole += feed_same(c, m, s, i % TEXTS, TEXT) >= TEXT - 1;
		struct kvik_cache_stats st = kvik_cache_get_stats(c);
		assert_true(st.bytes_peak <= st.bytes_ceiling);
		sleep_ms(2);
	}
	print_message("%u of %u texts came back whole\n", whole, (uint32_t)TEXTS);
	assert_true(whole >= TEXTS * 9 / 10);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* Windows alone, and memory for little more than one: the frames before have gone when the text is written. */
static void test_window_moves_on(void **state)
{
	const struct setting s = {.dtype = KVIK_F16, .window = 50, .memory = 400 << 10};
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(feed_same(c, m, s, i, TEXT), 0);
	kvik_cache_free(c);
	c = open_cache(m, s);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(feed_same(c, m, s, i, TEXT) >= TEXT - 1);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* A process that is killed: what it had written by then is found, and right. */
static void test_kill(void **state)
{
	const struct setting s = {.dtype = KVIK_F16};
	float logits[VOCAB_MAX];
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
		struct kvik_cache *c = open_cache(m, s);
		for (uint32_t i = 0; i < 3; i++) {
			(void)feed(c, s, i, TEXT, logits);
			sleep_ms(5);
		}
		for (int i = 0; i < 20; i++) { /* what is older than sync is on its way, and then there */
			(void)feed(c, s, 9, 1, logits);
			sleep_ms(10);
		}
		(void)raise(SIGKILL);
	}
	int how;
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(feed_same(c, m, s, i, TEXT) >= TEXT - 1);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* Two on one folder: one writes, the other reads what there was; both are right. */
static void test_two(void **state)
{
	const struct setting s = {.dtype = KVIK_F16};
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *a = open_cache(m, s);
	feed_same(a, m, s, 1, TEXT);
	kvik_cache_free(a);
	a = open_cache(m, s);
	struct kvik_cache *b = open_cache(m, s);
	for (uint32_t i = 1; i < 4; i++) {
		uint32_t found = feed_same(b, m, s, i, TEXT);
		assert_true(i > 1 || found >= TEXT - 1);
		found = feed_same(a, m, s, i, TEXT);
		assert_true(i > 1 || found >= TEXT - 1);
	}
	kvik_cache_free(b);
	kvik_cache_free(a);
	kvik_model_free(m);
}

static uint8_t *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(1 << 24);
	assert_true(f && bytes);
	*n = fread(bytes, 1, 1 << 24, f);
	fclose(f);
	return bytes;
}

static void flip(const char *path, size_t at, uint8_t bit)
{
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
	int c = fgetc(f);
	assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
	assert_int_equal(fputc(c ^ bit, f), c ^ bit);
	assert_int_equal(fclose(f), 0);
}

/* Wherever a bit of the files is flipped: what is served is right. */
static void test_damage(void **state)
{
	const struct setting s = {.dtype = KVIK_F16};
	const char *given = getenv("KVIK_STEPS");
	size_t steps = given ? (size_t)atol(given) : 60, sizes[2], whole = 0;
	uint8_t *files[2];
	char paths[2][320];
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	feed_same(c, m, s, 1, 40);
	kvik_cache_free(c);
	for (int f = 0; f < 2; f++) {
		snprintf(paths[f], sizeof paths[f], "%s", file_ending(f ? ".data" : ".heads"));
		files[f] = read_file(paths[f], &sizes[f]);
	}
	for (size_t i = 0; i < steps; i++) {
		size_t bits = 8 * (sizes[0] + sizes[1]), bit = i * bits / steps + i % 7;
		int f = bit / 8 >= sizes[0];
		size_t at = bit / 8 - (f ? sizes[0] : 0);
		if (at < sizes[f])
			flip(paths[f], at, (uint8_t)(1u << bit % 8));
		c = open_cache(m, s);
		whole += feed_same(c, m, s, 1, 40) >= 39;
		kvik_cache_free(c);
		remove_files(true);
		for (f = 0; f < 2; f++) {
			FILE *out = fopen(paths[f], "wb");
			assert_true(out && fwrite(files[f], 1, sizes[f], out) == sizes[f]);
			fclose(out);
		}
	}
	print_message("%zu bits of %zu flipped: %zu times all was there all the same\n", steps,
		      8 * (sizes[0] + sizes[1]), whole);
	free(files[0]);
	free(files[1]);
	kvik_model_free(m);
}

/* The folder goes while the cache is at work: nobody fails. */
static void test_vanished(void **state)
{
	const struct setting s = {.dtype = KVIK_F16, .memory = 1200 << 10};
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_cache *c = open_cache(m, s);
	for (uint32_t i = 0; i < 2 * TEXTS; i++) {
		if (i == TEXTS / 2)
			remove_folder();
		feed_same(c, m, s, i % TEXTS, TEXT);
	}
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* ---- An engine --------------------------------------------------------------------------------------------------- */

struct answer {
	uint32_t ids[16], n, cached;
	int code;
	volatile bool ended;
};

static void on_event(void *user, const struct kvik_event *e)
{
	struct answer *a = user;
	if (e->kind == KVIK_EVENT_TOKEN && a->n < 16)
		a->ids[a->n++] = e->token->id;
	if (e->kind == KVIK_EVENT_END) {
		a->cached = (uint32_t)e->usage->cached_tokens;
		a->code = e->error ? e->error->code : 0;
		a->ended = true;
	}
}

static struct kvik_engine *open_engine(struct kvik_model *m, bool disk, uint64_t memory)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_engine_params e = kvik_engine_params_default();
	struct kvik_engine *engine;
	struct kvik_err err;
	p.context = CONTEXT;
	p.chunk = 64;
	p.kv_memory = memory;
	p.disk = disk ? folder : NULL;
	p.disk_bytes = 64 << 20;
	p.disk_sync_ms = 1;
	p.disk_load_always = true;
	e.cache = &p;
	e.sequences = 8;
	if (kvik_engine_new(&engine, m, &e, &err))
		fail_msg("%s", err.text);
	return engine;
}

/* All texts at once. */
static void ask_all(struct kvik_engine *e, struct answer *answers)
{
	struct kvik_err err;
	uint32_t ids[TEXT];
	uint64_t id;
	for (uint32_t i = 0; i < TEXTS; i++) {
		struct kvik_request_params r = kvik_request_params_default();
		struct kvik_generate_params g = kvik_generate_params_default();
		write_text(ids, i);
		answers[i] = (struct answer){0};
		g.max_tokens = 8;
		r.ids = ids;
		r.n_ids = TEXT;
		r.generate = &g;
		r.on_event = on_event;
		r.user = &answers[i];
		if (kvik_engine_submit(e, &r, &id, &err))
			fail_msg("%s", err.text);
	}
	for (uint32_t i = 0; i < TEXTS; i++)
		while (!answers[i].ended)
			sleep_ms(1);
}

static void test_engine(void **state)
{
	static struct answer right[TEXTS], got[TEXTS];
	(void)state;
	struct kvik_model *m = load_model("tests/model/data/llama-gqa.gguf");
	struct kvik_engine *e = open_engine(m, false, 0);
	ask_all(e, right);
	kvik_engine_free(e);
	e = open_engine(m, true, 1500 << 10);
	for (int round = 0; round < 4; round++) {
		if (round == 3) { /* and after a restart */
			kvik_engine_free(e);
			e = open_engine(m, true, 1500 << 10);
		}
		uint64_t cached = 0;
		ask_all(e, got);
		for (uint32_t i = 0; i < TEXTS; i++) {
			assert_int_equal(got[i].code, 0);
			assert_int_equal(got[i].n, right[i].n);
			assert_memory_equal(got[i].ids, right[i].ids, right[i].n * sizeof(uint32_t));
			cached += got[i].cached;
		}
		struct kvik_engine_stats st = kvik_engine_get_stats(e);
		print_message("round %d: %lu of %d prompt tokens cached; %lu loaded, pages read %lu, written %lu; %lu "
			      "failed\n",
			      round, (unsigned long)cached, TEXTS * TEXT, (unsigned long)st.disk_tokens_loaded,
			      (unsigned long)st.disk_pages_read, (unsigned long)st.disk_pages_written,
			      (unsigned long)st.disk_failed);
		assert_true(round == 0 || cached > TEXTS * TEXT / 2);
	}
	kvik_engine_free(e);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill, make_folder,
						drop_folder), /* first: it forks without threads */
		cmocka_unit_test_setup_teardown(test_restart, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_others_find_nothing, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_more_than_memory, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_window_moves_on, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_two, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_damage, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_vanished, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_engine, make_folder, drop_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
