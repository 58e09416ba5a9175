/* test_dequant.c: stored blocks expand, and rows quantise, to the bits of the gguf Python package (dequant_golden.bin,
 * made by make_dequant.py). Where the package gives a NaN, any NaN will do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "kernels/dequant.h"

static const char *golden_path(void)
{
	const char *given = getenv("KVIK_DEQUANT_GOLDEN");
	return given ? given : "tests/kernels/dequant_golden.bin";
}

enum { DEQUANTISE, QUANTISE };

struct record {
	uint32_t kind, ggml, elems, in_bytes, out_bytes;
};

static void check_dequant(enum wtype t, const struct record *r, const uint8_t *in, const uint8_t *want)
{
	float *got = mem_alloc(r->out_bytes), expect;
	assert_non_null(got);
	assert_int_equal(r->out_bytes, r->elems * sizeof *got);
	dequant_row(t, in, r->elems, got);
	for (uint32_t i = 0; i < r->elems; i++) {
		memcpy(&expect, want + 4 * (size_t)i, 4);
		if (memcmp(&got[i], &expect, 4) != 0 && !(isnan(got[i]) && isnan(expect)))
			fail_msg("%s: element %u is %.9g, not %.9g", wtype_name(t), i, (double)got[i], (double)expect);
	}
	mem_free(got);
}

static void check_quant(enum wtype t, const struct record *r, const uint8_t *in, const uint8_t *want)
{
	float *x = mem_alloc(r->in_bytes);
	uint8_t *got = mem_alloc(r->out_bytes);
	assert_true(x && got);
	memcpy(x, in, r->in_bytes);
	quant_row(t, x, r->elems, got);
	for (uint32_t i = 0; i < r->out_bytes; i++)
		if (got[i] != want[i])
			fail_msg("%s: byte %u of block %u is %u, not %u", wtype_name(t), i % wtype_block_bytes(t),
				 i / wtype_block_bytes(t), got[i], want[i]);
	mem_free(x);
	mem_free(got);
}

/* Runs the records of one kind; returns how many types they covered. */
static int check_all(uint32_t kind)
{
	struct file_map m;
	struct kvik_err err;
	struct record r;
	int n = 0;
	if (file_map(&m, golden_path(), &err) != 0)
		fail_msg("%s", err.text);
	for (size_t at = 0; at < m.size; at += sizeof r + r.in_bytes + r.out_bytes) {
		memcpy(&r, m.data + at, sizeof r);
		const uint8_t *in = m.data + at + sizeof r;
		int t = wtype_from_ggml(r.ggml);
		assert_true(t >= 0);
		if (r.kind != kind)
			continue;
		if (kind == DEQUANTISE)
			check_dequant((enum wtype)t, &r, in, in + r.in_bytes);
		else
			check_quant((enum wtype)t, &r, in, in + r.in_bytes);
		n++;
	}
	file_unmap(&m);
	return n;
}

static void every_type_expands_to_the_bits_of_the_package(void **state)
{
	(void)state;
	assert_int_equal(check_all(DEQUANTISE), WTYPE_COUNT);
}

static void rows_quantise_to_the_bits_of_the_package(void **state)
{
	(void)state;
	assert_int_equal(check_all(QUANTISE), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_expands_to_the_bits_of_the_package),
		cmocka_unit_test(rows_quantise_to_the_bits_of_the_package),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
