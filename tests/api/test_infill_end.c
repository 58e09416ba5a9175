/* test_infill_end.c: when completions in editors end. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/infill_end.h"

static struct kvik_vocab *vocab;

struct setting {
	struct infill_end *t;
	const struct kvik_processor *p;
	float *row;
	size_t n;
};

static void begin(struct setting *s, uint32_t ms, uint32_t indent)
{
	s->t = infill_end_new(NULL, vocab, 1, ms, indent);
	assert_non_null(s->t);
	s->p = infill_end_processor(s->t);
	s->n = kvik_vocab_size(vocab);
	s->row = calloc(s->n, sizeof *s->row);
}

static void end(struct setting *s)
{
	infill_end_free(s->t);
	free(s->row);
}

static uint32_t last_token(const char *text)
{
	uint32_t *ids, id;
	size_t n;
	assert_int_equal(kvik_tokenize(vocab, text, strlen(text), 0, &ids, &n, NULL), 0);
	id = ids[n - 1];
	kvik_free(ids);
	return id;
}

/* Is the end the only token allowed, where `text` ends with the likeliest one? */
static bool is_over(struct setting *s, const char *text)
{
	uint32_t best = last_token(text);
	for (size_t i = 0; i < s->n; i++)
		s->row[i] = i == best ? 1 : 0;
	s->p->process(s->p->user, 0, NULL, 0, s->row, s->n);
	size_t allowed = 0;
	for (size_t i = 0; i < s->n; i++)
		allowed += s->row[i] > -INFINITY;
	assert_true(allowed == s->n || (allowed == 1 && s->row[kvik_vocab_eos(vocab)] > -INFINITY));
	return allowed == 1;
}

static void write(struct setting *s, const char *text)
{
	uint32_t *ids;
	size_t n;
	assert_int_equal(kvik_tokenize(vocab, text, strlen(text), 0, &ids, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		s->p->accept(s->p->user, 0, ids[i]);
	kvik_free(ids);
}

static void by_indentation(void **state)
{
	struct setting s;
	(void)state;
	begin(&s, 0, 2);
	write(&s, "a = 1");
	assert_false(is_over(&s, "b")); /* the first line goes on where the editor is */
	write(&s, "\n");
	assert_false(is_over(&s, "\n")); /* an empty line is none */
	assert_true(is_over(&s, "b"));
	write(&s, "\n  ");
	assert_false(is_over(&s, "b"));
	write(&s, "b = 2");
	assert_false(is_over(&s, "c"));
	end(&s);
}

static void by_time(void **state)
{
	struct setting s;
	(void)state;
	begin(&s, 1, 0);
	assert_false(is_over(&s, "a"));
	nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
	write(&s, "abc");
	assert_false(is_over(&s, "a")); /* no line yet */
	write(&s, "\n");
	assert_true(is_over(&s, "a"));
	end(&s);
	begin(&s, 1000000, 0);
	assert_false(is_over(&s, "a"));
	write(&s, "a\nb\n");
	assert_false(is_over(&s, "a"));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(by_indentation), cmocka_unit_test(by_time)};
	int rc = kvik_vocab_load(&vocab, NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	kvik_vocab_free(vocab);
	return rc;
}
