/* test_safetensors.c: a hand-made file read back, cut at every length, damaged at every byte; each kind of malformed
 * header by the error it gets. */
#include "make.h"

#include "base/mem.h"
#include "format/safetensors.h"

/* header: JSON with ' for "; then so many bytes of data. */
static void make(struct buf *b, const char *header, size_t data)
{
	char *text = quoted(header);
	*b = (struct buf){0};
	put_u64(b, strlen(text));
	put(b, text, strlen(text));
	for (size_t i = 0; i < data; i++)
		put(b, &(uint8_t){(uint8_t)i}, 1);
	free(text);
}

static const char good[] = "{'__metadata__':{'format':'pt'},"
			   "'a':{'dtype':'F32','shape':[2,3],'data_offsets':[0,24]},"
			   "'b':{'dtype':'BF16','shape':[4],'data_offsets':[32,40]},"
			   "'x.useless':{'dtype':'I64','shape':[1],'data_offsets':[24,32]},"
			   "'c':{'dtype':'F16','shape':[],'data_offsets':[40,42]}}";

static bool useless(const char *tensor)
{
	return strcmp(tensor, "x.useless") == 0;
}

struct seen {
	struct safetensor t[8];
	char names[8][16];
	size_t n;
	int fail; /* returned by the callback */
};

static int see(void *user, const struct safetensor *t, struct kvik_err *err)
{
	struct seen *s = user;
	if (s->fail)
		return err_set(err, s->fail, "enough");
	assert_in_range(s->n, 0, 7);
	snprintf(s->names[s->n], sizeof s->names[0], "%s", t->name);
	s->t[s->n++] = *t;
	return 0;
}

/* From a heap block of exactly its size, so that ASan sees one byte too far. */
static int read_copy(const uint8_t *data, size_t n, struct seen *s, struct kvik_err *err)
{
	uint8_t *copy = malloc(n ? n : 1);
	memcpy(copy, data, n);
	int rc = safetensors_read(copy, n, "m.safetensors", useless, see, s, err);
	volatile uint8_t sum = 0; /* every byte that was given out can be read */
	for (size_t i = 0; i < s->n && !rc; i++)
		for (uint64_t k = 0; k < s->t[i].bytes; k++)
			sum = (uint8_t)(sum + s->t[i].data[k]);
	free(copy);
	return rc;
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	struct buf b;
	struct seen s = {0};
	struct kvik_err err;
	make(&b, good, 42);
	assert_int_equal(safetensors_read(b.data, b.n, "m", useless, see, &s, &err), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.names[0], "a");
	assert_true(s.t[0].type == WTYPE_F32 && s.t[0].n_dims == 2 && s.t[0].dims[0] == 2 && s.t[0].dims[1] == 3);
	assert_ptr_equal(s.t[0].data, b.data + b.n - 42);
	assert_true(s.t[1].type == WTYPE_BF16 && s.t[1].bytes == 8 && s.t[1].data[0] == 32);
	assert_true(s.t[2].type == WTYPE_F16 && s.t[2].n_dims == 0 && s.t[2].bytes == 2);
	s = (struct seen){.fail = KVIK_ERR_CANCELLED};
	assert_int_equal(safetensors_read(b.data, b.n, "m", useless, see, &s, &err), KVIK_ERR_CANCELLED);
	assert_string_equal(err.text, "enough");
}

static void no_damage_does_harm(void **state)
{
	(void)state;
	struct buf b;
	make(&b, good, 42);
	for (size_t n = 0; n < b.n; n++) {
		struct seen s = {0};
		struct kvik_err err = {0};
		assert_int_equal(read_copy(b.data, n, &s, &err), KVIK_ERR_FORMAT);
		assert_int_equal(strncmp(err.text, "m.safetensors: ", 15), 0);
	}
	for (size_t i = 0; i < b.n - 42; i++)
		for (int v = 0; v < 256; v++) {
			struct seen s = {0};
			uint8_t old = b.data[i];
			b.data[i] = (uint8_t)v;
			(void)read_copy(b.data, b.n, &s, NULL);
			b.data[i] = old;
		}
}

static void must_fail(const struct buf *b, int code, const char *says)
{
	struct seen s = {0};
	struct kvik_err err = {.text = "no error"};
	int rc = read_copy(b->data, b->n, &s, &err);
	if (rc != code || !strstr(err.text, says) || strncmp(err.text, "m.safetensors: ", 15) != 0)
		fail_msg("got %d, '%s'; wanted %d, '%s'", rc, err.text, code, says);
}

static void each_kind_of_malformed_header(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		int code;
		const char *says;
	} cases[] = {
		{"", KVIK_ERR_FORMAT, "not a JSON object"},
		{"[]", KVIK_ERR_FORMAT, "not a JSON object"},
		{"{'a':1,'a':2}", KVIK_ERR_FORMAT, "duplicate"},
		{"{'a':7}", KVIK_ERR_FORMAT, "'a' has no dtype"},
		{"{'a':{}}", KVIK_ERR_FORMAT, "'a' has no dtype"},
		{"{'a':{'dtype':'F32'}}", KVIK_ERR_FORMAT, "'a' has no shape"},
		{"{'a':{'dtype':'F8_E4M3','shape':[1],'data_offsets':[0,1]}}", KVIK_ERR_UNSUPPORTED, "dtype F8_E4M3"},
		{"{'a':{'dtype':'F32','shape':[4]}}", KVIK_ERR_FORMAT, "'a' has no pair of data_offsets"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[0]}}", KVIK_ERR_FORMAT, "no pair of data_offsets"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[0,16,16]}}", KVIK_ERR_FORMAT, "no pair"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[-16,0]}}", KVIK_ERR_FORMAT, "no pair"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[0.0,16.0]}}", KVIK_ERR_FORMAT, "no pair"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[16,0]}}", KVIK_ERR_FORMAT, "beyond the end"},
		{"{'a':{'dtype':'F32','shape':[8],'data_offsets':[0,32]}}", KVIK_ERR_FORMAT, "beyond the end"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[9223372036854775800,9223372036854775807]}}",
		 KVIK_ERR_FORMAT, "beyond the end"},
		{"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT, "do not fit its shape"},
		{"{'a':{'dtype':'F32','shape':[-4],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT, "impossible dim"},
		{"{'a':{'dtype':'F32','shape':[0],'data_offsets':[0,0]}}", KVIK_ERR_FORMAT, "impossible dim"},
		{"{'a':{'dtype':'F32','shape':[4.0],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT, "impossible dim"},
		{"{'a':{'dtype':'F32','shape':[9223372036854775807,4],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT,
		 "impossible dim"},
		{"{'a':{'dtype':'F32','shape':[9223372036854775807],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT,
		 "larger than any memory"},
		{"{'a':{'dtype':'F32','shape':[1,1,1,1,4],'data_offsets':[0,16]}}", KVIK_ERR_FORMAT, "at most 4"},
		{"{'a':{'dtype':'F32','shape':4,'data_offsets':[0,16]}}", KVIK_ERR_FORMAT, "'a' has no shape"},
		{"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'b':{'dtype':'F32','shape':[3],"
		 "'data_offsets':[4,16]}}",
		 KVIK_ERR_FORMAT, "overlap or leave a gap"},
		{"{'a':{'dtype':'F32','shape':[4],'data_offsets':[0,16]},'b':{'dtype':'F32','shape':[1],"
		 "'data_offsets':[12,16]}}",
		 KVIK_ERR_FORMAT, "overlap or leave a gap"},
		{"{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'b':{'dtype':'F32','shape':[2],"
		 "'data_offsets':[8,16]}}",
		 KVIK_ERR_FORMAT, "at byte 4 of the data"},
		{"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,12]}}", KVIK_ERR_FORMAT, "at byte 12 of the data"},
		{"{'x.useless':{'dtype':'I64','data_offsets':[0,99]}}", KVIK_ERR_FORMAT, "beyond the end"},
		{"{}", KVIK_ERR_FORMAT, "at byte 0 of the data"},
	};
	struct buf b;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		make(&b, cases[i].header, 16);
		must_fail(&b, cases[i].code, cases[i].says);
	}
}

static void impossible_header_lengths(void **state)
{
	(void)state;
	static const uint64_t lengths[] = {1000, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
	struct buf b = {0};
	must_fail(&b, KVIK_ERR_FORMAT, "too short");
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		make(&b, "{}", 0);
		memcpy(b.data, &lengths[i], 8);
		must_fail(&b, KVIK_ERR_FORMAT, "header would be");
	}
	make(&b, "{}", 0);
	assert_int_equal(read_copy(b.data, b.n, &(struct seen){0}, NULL), 0);
}

static void a_failed_allocation_is_reported(void **state)
{
	(void)state;
	struct buf b;
	struct seen s = {0};
	make(&b, good, 42);
	mem_fail_at(1);
	int rc = safetensors_read(b.data, b.n, "m", useless, see, &s, NULL);
	mem_fail_at(0);
	assert_int_equal(rc, KVIK_ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),        cmocka_unit_test(no_damage_does_harm),
		cmocka_unit_test(each_kind_of_malformed_header),   cmocka_unit_test(impossible_header_lengths),
		cmocka_unit_test(a_failed_allocation_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
