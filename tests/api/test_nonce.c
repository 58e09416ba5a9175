/* test_nonce.c: what differs without a meaning is recognised wherever in it the difference lies; words and code are not. */
#include "api/nonce.h"

#include <string.h>

#include "support/must.h"

/* '|' stands before the byte at which two texts differ. */
static const struct {
	const char *text;
	enum nonce is;
} cases[] = {
	{"x-anthropic-billing-header: cc_version=2.1.4.f1e; cc_entrypoint=cli; cch=|1a2b3;\nYou are", NONCE_BILLING},
	{"x-anthropic-billing-header: cc_version=2.1.|5.f1e; cc_entrypoint=cli; cch=1a2b3;", NONCE_BILLING},
	{"x-anthropic-billing-header: cch=1a2b3;\nYou |are", NONCE_NONE},
	{"session |123e4567-e89b-12d3-a456-426614174000 of", NONCE_UUID},
	{"session 123e4567-e89b-12d3-a456-4266141740|00", NONCE_UUID},
	{"session 123e4567-e89b-12d3-a456-4266141|", NONCE_NONE},
	{"Today is 2026-11-2|8.", NONCE_TIME},
	{"Now it is |2026-11-28T07:10:00.123Z", NONCE_TIME},
	{"at 07:1|0:00 you", NONCE_TIME},
	{"ratio 3|:2", NONCE_NONE},
	{"trace 4bf92f3577b34da6|a3ce929d0e0e4736 x", NONCE_HEX},
	{"trace deadbeefdeadbee|f", NONCE_NONE},
	{"time=17640|00000", NONCE_NUMBER},
	{"time=17640000|", NONCE_NONE},
	{"The quick |brown fox", NONCE_NONE},
	{"def |face(): return 0", NONCE_NONE},
	{"|", NONCE_NONE},
	{"2026-11-28|", NONCE_TIME},
};

static void test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256];
		size_t at = strcspn(cases[i].text, "|"), n = strlen(cases[i].text) - 1;
		memcpy(text, cases[i].text, at);
		memcpy(text + at, cases[i].text + at + 1, n - at);
		if (nonce_at(text, n, at) != cases[i].is)
			fail_msg("%s: %d", cases[i].text, (int)nonce_at(text, n, at));
	}
	assert_int_equal(nonce_at("abc", 3, 4), NONCE_NONE);
	assert_null(nonce_name(NONCE_NONE));
	for (int i = 1; i < NONCES; i++)
		assert_true(strlen(nonce_name((enum nonce)i)) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
