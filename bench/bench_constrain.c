/* bench_constrain.c: what constraints cost: for each line {"name", "schema", "tests": [{"valid", "data"}]} of standard input (as in
 * MaskBench) the time to compile the schema and, walking the tokens of each valid instance, the time of each mask. A token that
 * its mask forbids is an error. Times are the thread's processor time.
 *
 *     xz -dc maskbench.jsonl.xz | build/bench_constrain VOCABULARY [EVERY] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <kvik.h>

struct times {
	double *us;
	size_t n, cap;
};

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void add(struct times *t, double us)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 1 << 16;
		t->us = realloc(t->us, t->cap * sizeof *t->us);
		if (!t->us)
			abort();
	}
	t->us[t->n++] = us;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void show(const char *what, struct times *t)
{
	double sum = 0;
	if (t->n == 0)
		return;
	qsort(t->us, t->n, sizeof *t->us, compare);
	for (size_t i = 0; i < t->n; i++)
		sum += t->us[i];
	printf("%-8s %8zu: mean %.1f us, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", what, t->n, sum / (double)t->n,
	       t->us[t->n / 2], t->us[t->n * 99 / 100], t->us[t->n * 999 / 1000], t->us[t->n - 1]);
}

static struct times compiles, masks;
static unsigned refused, forbidden;

/* The tokens of a text through their masks; false: one is forbidden. */
static bool walk(const struct kvik_vocab *v, struct kvik_constraint *c, const char *text, uint32_t *mask)
{
	struct kvik_matcher *m;
	uint32_t *ids = NULL;
	size_t n = 0, length;
	char *bytes;
	bool ok = kvik_matcher_new(&m, c, NULL) == 0 && kvik_tokenize(v, text, strlen(text), 0, &ids, &n, NULL) == 0;
	for (size_t i = 0; ok && i < n; i++) {
		double start = now_us();
		ok = kvik_matcher_mask(m, mask, NULL) == 0;
		add(&masks, now_us() - start);
		ok = ok && (mask[ids[i] / 32] >> ids[i] % 32 & 1) &&
		     kvik_token_bytes(v, ids[i], &bytes, &length, NULL) == 0;
		if (ok) {
			ok = kvik_matcher_feed(m, bytes, length) == length;
			kvik_free(bytes);
		}
	}
	kvik_free(ids);
	kvik_matcher_free(m);
	return ok;
}

static void measure(const struct kvik_vocab *v, const json_t *row, uint32_t *mask)
{
	struct kvik_constraint *c;
	size_t i;
	json_t *test;
	char *schema = json_dumps(json_object_get(row, "schema"), JSON_ENCODE_ANY | JSON_COMPACT);
	double start = now_us();
	int rc = kvik_constraint_new(&c, v, KVIK_CONSTRAINT_SCHEMA, schema, strlen(schema), NULL);
	add(&compiles, now_us() - start);
	free(schema);
	refused += rc != 0;
	json_array_foreach(json_object_get(row, "tests"), i, test)
	{
		if (rc || !json_is_true(json_object_get(test, "valid")))
			continue;
		char *text = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		if (!walk(v, c, text, mask)) {
			forbidden++;
			printf("forbidden by %s: %.200s\n", json_string_value(json_object_get(row, "name")), text);
		}
		free(text);
	}
	kvik_constraint_free(c);
}

int main(int argc, char **argv)
{
	struct kvik_vocab *v;
	struct kvik_constraint *c;
	struct kvik_err err;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	long every = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	if (argc < 2 || every < 1 || kvik_vocab_load(&v, argv[1], &err) != 0) {
		fprintf(stderr, "bench_constrain VOCABULARY [EVERY] < schemas.jsonl%s%s\n", argc < 2 ? "" : ": ",
			argc < 2 ? "" : err.text);
		return 2;
	}
	double start = now_us();
	if (kvik_constraint_new(&c, v, KVIK_CONSTRAINT_JSON, NULL, 0, &err) != 0)
		return 1;
	printf("%zu tokens, prepared once in %.1f ms\n", kvik_vocab_size(v), (now_us() - start) / 1e3);
	kvik_constraint_free(c);
	uint32_t *mask = calloc(kvik_vocab_size(v) / 32 + 1, sizeof *mask);
	for (long i = 0; (n = getline(&line, &cap, stdin)) > 0; i++) {
		json_t *row = i % every == 0 ? json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL) : NULL;
		if (row)
			measure(v, row, mask);
		json_decref(row);
	}
	show("compile", &compiles);
	show("mask", &masks);
	printf("%u schemas refused, %u valid instances forbidden\n", refused, forbidden);
	free(line);
	free(mask);
	free(compiles.us);
	free(masks.us);
	kvik_vocab_free(v);
	return forbidden > 0;
}
