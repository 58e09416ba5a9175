/* test_gguf.c: a hand-made GGUF read back, cut at every length, damaged at every byte; duplicates; real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"

struct buf {
	uint8_t data[1024];
	size_t n;
};

static void put(struct buf *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof b->data);
	memcpy(b->data + b->n, p, n);
	b->n += n;
}

static void put_u32(struct buf *b, uint32_t v)
{
	put(b, &v, 4);
}

static void put_u64(struct buf *b, uint64_t v)
{
	put(b, &v, 8);
}

static void put_str(struct buf *b, const char *s)
{
	put_u64(b, strlen(s));
	put(b, s, strlen(s));
}

/* Five keys, two tensors: "a" F32 [2, 3] and the other Q8_0 [32]. */
static void make(struct buf *b, const char *second)
{
	*b = (struct buf){0};
	put(b, "GGUF", 4);
	put_u32(b, 3);
	put_u64(b, 2);
	put_u64(b, 5);
	put_str(b, "general.architecture");
	put_u32(b, 8);
	put_str(b, "llama");
	put_str(b, "x.i8");
	put_u32(b, 1);
	put(b, "\xfe", 1);
	put_str(b, "x.f32");
	put_u32(b, 6);
	put(b, &(float){1.5f}, 4);
	put_str(b, "x.flag");
	put_u32(b, 7);
	put(b, "\1", 1);
	put_str(b, "x.list");
	put_u32(b, 9);
	put_u32(b, 8);
	put_u64(b, 2);
	put_str(b, "one");
	put_str(b, "two");
	put_str(b, "a");
	put_u32(b, 2);
	put_u64(b, 2);
	put_u64(b, 3);
	put_u32(b, 0);
	put_u64(b, 0);
	put_str(b, second);
	put_u32(b, 1);
	put_u64(b, 32);
	put_u32(b, 8);
	put_u64(b, 32);
	while (b->n % 32)
		put(b, "", 1);
	for (int i = 0; i < 32 + 34; i++)
		put(b, &(uint8_t){(uint8_t)i}, 1);
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
	for (long i = 1; i <= 5; i++) {
		mem_fail_at(i);
		assert_int_equal(open_copy(b.data, b.n), KVIK_ERR_NOMEM);
	}
	mem_fail_at(0);
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
		cmocka_unit_test(real_files_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
