/* test_after_thoughts.c: when the form of an answer begins that may think first. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/after_thoughts.h"

static struct kvik_vocab *vocab;

/* A form that allows the first token alone, and counts what it is told. */
struct form {
	size_t processed, accepted;
};

static void process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *row, size_t n_vocab)
{
	struct form *f = user;
	(void)choice;
	(void)ids;
	(void)n;
	f->processed++;
	for (size_t i = 1; i < n_vocab; i++)
		row[i] = -INFINITY;
}

static void accept(void *user, uint32_t choice, uint32_t id)
{
	struct form *f = user;
	(void)choice;
	(void)id;
	f->accepted++;
}

struct answer_state {
	struct form form;
	struct kvik_processor inner;
	struct after_thoughts *after;
	const struct kvik_processor *p;
	float *row;
	size_t n_vocab;
};

static void begin(struct answer_state *s, const char *open, const char *close)
{
	*s = (struct answer_state){.n_vocab = kvik_vocab_size(vocab)};
	s->inner = (struct kvik_processor){
		.size = sizeof s->inner, .user = &s->form, .process = process, .accept = accept};
	s->after = after_thoughts_new(&s->inner, vocab, 2, open, close);
	assert_non_null(s->after);
	s->p = after_thoughts_processor(s->after);
	s->row = calloc(s->n_vocab, sizeof *s->row);
}

static void end(struct answer_state *s)
{
	after_thoughts_free(s->after);
	free(s->row);
}

/* How many tokens the row of choice 1 allows, whose likeliest is `best`. */
static size_t allowed(struct answer_state *s, uint32_t best)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_vocab; i++)
		s->row[i] = i == best ? 1 : 0;
	s->p->process(s->p->user, 1, NULL, 0, s->row, s->n_vocab);
	for (size_t i = 0; i < s->n_vocab; i++)
		n += s->row[i] > -INFINITY;
	return n;
}

static uint32_t token(const char *text)
{
	uint32_t *ids, id;
	size_t n;
	assert_int_equal(kvik_tokenize(vocab, text, strlen(text), 0, &ids, &n, NULL), 0);
	assert_true(n > 0);
	id = ids[n - 1];
	kvik_free(ids);
	return id;
}

static void write(struct answer_state *s, const char *text)
{
	uint32_t *ids;
	size_t n;
	assert_int_equal(kvik_tokenize(vocab, text, strlen(text), 0, &ids, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		s->p->accept(s->p->user, 1, ids[i]);
	kvik_free(ids);
}

/* The prompt has opened the thoughts: all but the end is allowed until they are closed. */
static void opened_by_the_prompt(void **state)
{
	struct answer_state s;
	(void)state;
	begin(&s, NULL, "</think>");
	assert_int_equal(allowed(&s, 5), s.n_vocab - 1);
	assert_true(s.row[kvik_vocab_eos(vocab)] == -INFINITY);
	write(&s,
	      "Hm, so </thin it is. And much more than the room for the mark: one, two, three, four, five. </think");
	assert_int_equal(allowed(&s, 5), s.n_vocab - 1);
	assert_int_equal(s.form.processed, 0);
	write(&s, ">");
	assert_int_equal(s.form.accepted, 0);
	assert_int_equal(allowed(&s, 5), 1);
	write(&s, "a");
	assert_true(s.form.accepted > 0);
	end(&s);
}

/* The model opens them itself, or does not. */
static void opened_by_the_model(void **state)
{
	struct answer_state s;
	uint32_t open = token("a");
	(void)state;
	begin(&s, "a", "b");
	assert_int_equal(allowed(&s, open), 1);
	assert_true(s.row[open] > -INFINITY);
	write(&s, "a");
	assert_int_equal(allowed(&s, 5), s.n_vocab - 1);
	write(&s, "b");
	assert_int_equal(allowed(&s, 5), 1);
	assert_true(s.row[0] > -INFINITY);
	end(&s);
	begin(&s, "a", "b");
	assert_int_equal(allowed(&s, token("c")), 1);
	assert_true(s.row[0] > -INFINITY);
	assert_int_equal(s.form.processed, 1);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(opened_by_the_prompt),
					   cmocka_unit_test(opened_by_the_model)};
	int rc = kvik_vocab_load(&vocab, NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	kvik_vocab_free(vocab);
	return rc;
}
