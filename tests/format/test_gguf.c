/* test_gguf.c: a hand-made GGUF read back, cut at every length, damaged at every byte; each kind of malformed file by
 * the error it gets; real files. */
#include "make.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"

/* Six keys, two tensors: "a" F32 [2, 3] and the other Q8_0 [32]. */
static void make(struct buf *b, const char *second)
{
	put_head(b, 3, 2, 6);
	put_key_str(b, "general.architecture", "llama");
	put_str(b, "x.i8");
	put_u32(b, 1);
	put(b, "\xfe", 1);
	put_key_f32(b, "x.f32", 1.5f);
	put_str(b, "x.flag");
	put_u32(b, 7);
	put(b, "\1", 1);
	put_key_array(b, "x.list", 8, 2);
	put_str(b, "one");
	put_str(b, "two");
	put_key_array(b, "x.nested", 9, 2);
	put_u32(b, 4);
	put_u64(b, 1);
	put_u32(b, 77);
	put_u32(b, 8);
	put_u64(b, 0);
	put_tensor(b, "a", 0, 2, 3, 0);
	put_tensor(b, second, 8, 32, 0, 32);
	put_data(b, 32 + 34);
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	struct buf b;
	struct gguf *g;
	struct kvik_err err;
	make(&b, "b");
	assert_int_equal(gguf_open(&g, b.data, b.n, "test", &err), 0);
	struct gguf_str s;
	uint64_t u;
	double f;
	bool flag;
	struct gguf_array a;
	assert_int_equal(gguf_get_str(g, "general.architecture", &s, &err), 1);
	assert_int_equal(s.bytes, 5);
	assert_memory_equal(s.text, "llama", 5);
	assert_int_equal(gguf_get_f64(g, "x.i8", &f, &err), 1);
	assert_true(f == -2);
	assert_int_equal(gguf_get_u64(g, "x.i8", &u, &err), KVIK_ERR_FORMAT);
	assert_int_equal(gguf_get_f64(g, "x.f32", &f, &err), 1);
	assert_true(f == 1.5);
	assert_int_equal(gguf_get_bool(g, "x.flag", &flag, &err), 1);
	assert_true(flag);
	assert_int_equal(gguf_get_array(g, "x.list", &a, &err), 1);
	assert_true(a.n == 2 && a.type == 8);
	assert_int_equal(gguf_get_array(g, "x.nested", &a, &err), 1);
	assert_true(a.n == 2 && a.type == 9 && a.data[12] == 77);
	assert_int_equal(gguf_get_u64(g, "absent", &u, &err), 0);
	assert_int_equal(gguf_get_str(g, "x.flag", &s, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "x.flag"));
	assert_int_equal(gguf_tensor_count(g), 2);
	const struct gguf_tensor *t = gguf_tensor_at(g, 1);
	assert_int_equal(t->type, WTYPE_Q8_0);
	assert_int_equal(t->bytes, 34);
	assert_ptr_equal(t->data + 34, b.data + b.n);
	assert_int_equal(gguf_tensor_at(g, 0)->dims[1], 3);
	gguf_free(g);
}

/* In a heap block of exactly its size, so that ASan sees one byte too far. */
static int open_copy(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct gguf *g;
	memcpy(copy, data, n);
	int rc = gguf_open(&g, copy, n, "test", NULL);
	gguf_free(g);
	free(copy);
	return rc;
}

static void no_damage_does_harm(void **state)
{
	(void)state;
	struct buf b;
	make(&b, "b");
	for (size_t n = 0; n < b.n; n++)
		assert_true(open_copy(b.data, n) < 0);
	for (size_t i = 0; i < b.n; i++)
		for (int v = 0; v < 256; v++) {
			uint8_t old = b.data[i];
			b.data[i] = (uint8_t)v;
			(void)open_copy(b.data, b.n);
			b.data[i] = old;
		}
	assert_int_equal(open_copy(b.data, b.n), 0);
}

static void names_occur_once(void **state)
{
	(void)state;
	struct buf b;
	struct gguf *g;
	struct kvik_err err;
	make(&b, "a");
	assert_int_equal(gguf_open(&g, b.data, b.n, "test", &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "tensor 'a' occurs twice"));
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	struct buf b;
	make(&b, "b");
	for (long i = 1; i <= 6; i++) {
		mem_fail_at(i);
		assert_int_equal(open_copy(b.data, b.n), KVIK_ERR_NOMEM);
	}
	mem_fail_at(0);
}

/* ---- Each kind of malformed file, by the error it gets ----------------------------------------------------------- */

static void must_fail(const struct buf *b, int code, const char *says)
{
	struct gguf *g;
	struct kvik_err err = {.text = "no error"};
	int rc = gguf_open(&g, b->data, b->n, "m.gguf", &err);
	gguf_free(g);
	if (rc != code || !strstr(err.text, says) || strncmp(err.text, "m.gguf: ", 8) != 0)
		fail_msg("got %d, '%s'; wanted %d, '%s'", rc, err.text, code, says);
}

static void other_files_and_versions(void **state)
{
	(void)state;
	struct buf b = {0};
	must_fail(&b, KVIK_ERR_FORMAT, "not a GGUF file");
	put(&b, "{\"a\":1}", 7);
	must_fail(&b, KVIK_ERR_FORMAT, "not a GGUF file");
	put_head(&b, 1, 0, 0);
	must_fail(&b, KVIK_ERR_UNSUPPORTED, "version 1");
	put_head(&b, 4, 0, 0);
	must_fail(&b, KVIK_ERR_UNSUPPORTED, "version 4");
	put_head(&b, 0x03000000, 0, 0);
	must_fail(&b, KVIK_ERR_UNSUPPORTED, "big-endian");
	put_head(&b, 2, 0, 0);
	assert_int_equal(open_copy(b.data, b.n), 0);
}

static void impossible_counts(void **state)
{
	(void)state;
	static const uint64_t counts[] = {1, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX / 12, UINT64_MAX / 8};
	struct buf b;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		put_head(&b, 3, counts[i], 0);
		must_fail(&b, KVIK_ERR_FORMAT, "more tensors than the file can hold");
		put_head(&b, 3, 0, counts[i]);
		must_fail(&b, KVIK_ERR_FORMAT, "more keys than the file can hold");
		for (uint32_t type = 0; type < 13; type++) {
			put_head(&b, 3, 0, 1);
			put_key_array(&b, "x", type, counts[i]);
			must_fail(&b, KVIK_ERR_FORMAT, "an array longer than the file");
		}
		put_head(&b, 3, 0, 1);
		put_u64(&b, counts[i] + 24 < counts[i] ? counts[i] : counts[i] + 24);
		put(&b, "xxxxxxxxxxxx", 12);
		must_fail(&b, KVIK_ERR_FORMAT, "a string longer than the file");
	}
}

static void impossible_keys(void **state)
{
	(void)state;
	struct buf b;
	put_head(&b, 3, 0, 1);
	put_key_u32(&b, "", 1);
	must_fail(&b, KVIK_ERR_FORMAT, "a key of impossible length");
	put_head(&b, 3, 0, 1);
	put_str(&b, "x");
	put_u32(&b, 13);
	put_u64(&b, 0);
	must_fail(&b, KVIK_ERR_FORMAT, "a value of unknown type");
	put_head(&b, 3, 0, 1);
	put_key_array(&b, "x", 13, 0);
	must_fail(&b, KVIK_ERR_FORMAT, "an array of unknown type");
	put_head(&b, 3, 0, 2);
	put_key_u32(&b, "x\ny", 1);
	put_key_u32(&b, "x\ny", 2);
	must_fail(&b, KVIK_ERR_FORMAT, "key 'x?y' occurs twice");
	put_head(&b, 3, 0, 1);
	put_key_array(&b, "x", 9, 1);
	for (int i = 0; i < 20; i++) {
		put_u32(&b, 9);
		put_u64(&b, 1);
	}
	must_fail(&b, KVIK_ERR_FORMAT, "nests arrays too deeply");
}

static void make_one(struct buf *b, uint32_t type, uint64_t cols, uint64_t rows, uint64_t offset)
{
	put_head(b, 3, 1, 0);
	put_tensor(b, "t", type, cols, rows, offset);
	put_data(b, 64);
}

static void impossible_tensors(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		uint64_t cols, rows, offset;
		int code;
		const char *says;
	} cases[] = {
		{0, 0, 0, 0, KVIK_ERR_FORMAT, "'t' has an empty dim"},
		{2, 33, 0, 0, KVIK_ERR_FORMAT, "no whole number of blocks"},
		{0, UINT64_MAX, 2, 0, KVIK_ERR_FORMAT, "larger than any memory"},
		{0, 1ull << 62, 1ull << 2, 0, KVIK_ERR_FORMAT, "larger than any memory"},
		{0, 1ull << 62, 1, 0, KVIK_ERR_FORMAT, "larger than the file"},
		{0, UINT64_MAX / 4, 1, 0, KVIK_ERR_FORMAT, "larger than the file"},
		{0, 17, 0, 0, KVIK_ERR_FORMAT, "lies beyond the end"},
		{0, 1, 0, 64, KVIK_ERR_FORMAT, "lies beyond the end"},
		{0, 1, 0, UINT64_MAX - 31, KVIK_ERR_FORMAT, "lies beyond the end"},
		{0, 1, 0, 1, KVIK_ERR_FORMAT, "is not aligned"},
		{4, 32, 0, 0, KVIK_ERR_UNSUPPORTED, "type number 4"},
		{99999, 32, 0, 0, KVIK_ERR_UNSUPPORTED, "type number 99999"},
	};
	struct buf b;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		make_one(&b, cases[i].type, cases[i].cols, cases[i].rows, cases[i].offset);
		must_fail(&b, cases[i].code, cases[i].says);
	}
	make_one(&b, 0, 16, 0, 0);
	assert_int_equal(open_copy(b.data, b.n), 0);
}

static void impossible_dims(void **state)
{
	(void)state;
	static const uint32_t counts[] = {0, 5, UINT32_MAX};
	struct buf b;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		put_head(&b, 3, 1, 0);
		put_str(&b, "t");
		put_u32(&b, counts[i]);
		put_data(&b, 64);
		must_fail(&b, KVIK_ERR_FORMAT, "impossible number of dims");
	}
}

static void impossible_alignments(void **state)
{
	(void)state;
	static const uint32_t aligns[] = {0, 3, 48, 1u << 21, UINT32_MAX};
	struct buf b;
	for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
		put_head(&b, 3, 0, 1);
		put_key_u32(&b, "general.alignment", aligns[i]);
		must_fail(&b, KVIK_ERR_FORMAT, "general.alignment");
	}
	put_head(&b, 3, 0, 1);
	put_key_str(&b, "general.alignment", "32");
	must_fail(&b, KVIK_ERR_FORMAT, "general.alignment");
}

static void tensors_do_not_overlap(void **state)
{
	(void)state;
	struct buf b;
	put_head(&b, 3, 2, 0);
	put_tensor(&b, "a", 0, 16, 0, 0);
	put_tensor(&b, "b", 0, 8, 0, 32);
	put_data(&b, 64);
	must_fail(&b, KVIK_ERR_FORMAT, "'b' overlaps another");
}

static void real_files_open(void **state)
{
	(void)state;
	static const char path[] = "../shared/models/stories260K/stories260K.gguf";
	if (access(path, R_OK) != 0) {
		print_message("skipped: %s is not here\n", path);
		skip();
	}
	struct file_map m;
	struct gguf *g;
	struct kvik_err err;
	uint64_t layers;
	assert_int_equal(file_map(&m, path, &err), 0);
	assert_int_equal(gguf_open(&g, m.data, m.size, path, &err), 0);
	assert_int_equal(gguf_get_u64(g, "llama.block_count", &layers, &err), 1);
	assert_int_equal(layers, 5);
	gguf_free(g);
	file_unmap(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read), cmocka_unit_test(no_damage_does_harm),
		cmocka_unit_test(names_occur_once),         cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(other_files_and_versions), cmocka_unit_test(impossible_counts),
		cmocka_unit_test(impossible_keys),          cmocka_unit_test(impossible_tensors),
		cmocka_unit_test(impossible_dims),          cmocka_unit_test(impossible_alignments),
		cmocka_unit_test(tensors_do_not_overlap),   cmocka_unit_test(real_files_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
