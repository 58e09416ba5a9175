/* test_opts.c: the option parser: every kind, every way to write one, and errors that name the remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/opts.h"

static struct {
	bool json, quiet;
	uint32_t n;
	uint64_t seed, memory;
	float temp;
	const char *prompt;
	int act;
} got;

static const char *const acts[] = {"auto", "f32", "int8", NULL};

static const struct opt table[] = {
	{.kind = OPT_HEADING, .help = "Text"},
	{.kind = OPT_TEXT, .letter = 'p', .name = "prompt", .value = &got.prompt, .arg = "TEXT", .help = "the prompt"},
	{.kind = OPT_U32,
	 .letter = 'n',
	 .name = "tokens",
	 .value = &got.n,
	 .max = 1000,
	 .arg = "N",
	 .help = "how many"},
	{.kind = OPT_U64, .name = "seed", .value = &got.seed, .arg = "S", .help = "of the draw"},
	{.kind = OPT_SIZE, .name = "kv-memory", .value = &got.memory, .arg = "BYTES", .help = "ceiling"},
	{.kind = OPT_FLOAT, .name = "temp", .value = &got.temp, .max = 100, .arg = "T", .help = "temperature"},
	{.kind = OPT_CHOICE, .name = "act", .value = &got.act, .choices = acts, .arg = "KIND", .help = "activations"},
	{.kind = OPT_FLAG, .letter = 'j', .name = "json", .value = &got.json, .help = "one object"},
	{.kind = OPT_FLAG, .letter = 'q', .name = "quiet", .value = &got.quiet, .help = "no progress"},
	{0},
};

static struct kvik_err err;
static const char *rest[2];

/* Splits a command line at blanks (in place) and parses it. */
static int parse(const char *line)
{
	static char copy[256];
	char *argv[16] = {(char *)(uintptr_t) "kvik"};
	int argc = 1;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	memset(&got, 0, sizeof got);
	return opts_parse(table, argc, argv, rest, 2, &err);
}

static void every_kind_is_parsed(void **state)
{
	(void)state;
	assert_int_equal(parse("model.gguf -p hi --tokens=7 --seed 18446744073709551615 --kv-memory 3G --temp 0.5 "
			       "--act int8 -jq x"),
			 2);
	assert_string_equal(rest[0], "model.gguf");
	assert_string_equal(rest[1], "x");
	assert_string_equal(got.prompt, "hi");
	assert_int_equal(got.n, 7);
	assert_true(got.seed == UINT64_MAX && got.memory == 3ull << 30);
	assert_true(got.temp == 0.5f && got.act == 2 && got.json && got.quiet);
	assert_int_equal(parse("-n5 -- --json -"), 2);
	assert_int_equal(got.n, 5);
	assert_false(got.json);
	assert_string_equal(rest[0], "--json");
}

static void expect_error(const char *line, const char *text)
{
	assert_int_equal(parse(line), KVIK_ERR_ARG);
	if (!strstr(err.text, text))
		fail_msg("'%s' said '%s', not '%s'", line, err.text, text);
}

static void errors_name_the_remedy(void **state)
{
	(void)state;
	expect_error("--promt x", "did you mean --prompt?");
	expect_error("--nonsense", "--help");
	expect_error("-x", "-x");
	expect_error("-n", "--tokens N");
	expect_error("-n 1001", "0 to 1000");
	expect_error("-n -1", "0 to 1000");
	expect_error("-n 1x", "'1x'");
	expect_error("--seed 18446744073709551616", "--seed");
	expect_error("--kv-memory 20000000T", "--kv-memory");
	expect_error("--kv-memory 3Q", "4G");
	expect_error("--temp nan", "--temp");
	expect_error("--act fast", "auto, f32, int8");
	expect_error("--json=1", "no value");
	expect_error("a b c", "unexpected 'c'");
}

static void help_shows_every_option(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	opts_help(table, f);
	fclose(f);
	assert_non_null(strstr(text, "\nText\n"));
	assert_non_null(strstr(text, "  -p, --prompt TEXT"));
	assert_non_null(strstr(text, "      --act KIND"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_parsed),
		cmocka_unit_test(errors_name_the_remedy),
		cmocka_unit_test(help_shows_every_option),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
