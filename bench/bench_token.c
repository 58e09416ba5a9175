/* bench_token.c: MB/s of text to ids and back, for a text that people write and for the lines that tokenizers fear: a
 * megabyte of one letter, of blanks, of digits.
 *
 *     build/bench_token VOCABULARY...      GGUF files, Hugging Face folders, tokenizer.json files
 *
 * One thread; the best of several runs, since others may use the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench.h"
#include "engine/vocab_load.h"

enum { BYTES = 1000000 };

static const char prose[] =
	"The cache keeps what it has seen: 1,024 tokens of K and V, page after page. \"Isn't that a waste?\" "
	"asked the reader; it is not.\n\n\tfor (size_t i = 0; i < n; i++)\n\t\tsum += row[i] * x[i];\n";
static const char han[] =
	"\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94";

struct work {
	struct vocab *v;
	const char *text;
	size_t bytes, n;
	uint32_t *ids;
};

static void check(int rc, const struct kvik_err *err)
{
	if (rc) {
		fprintf(stderr, "bench_token: %s\n", err->text);
		exit(1);
	}
}

static void encode(void *ctx)
{
	struct work *w = ctx;
	struct kvik_err err;
	mem_free(w->ids);
	check(vocab_encode(w->v, w->text, w->bytes, 0, &w->ids, &w->n, &err), &err);
}

static void decode(void *ctx)
{
	struct work *w = ctx;
	struct kvik_err err;
	char *text;
	size_t bytes;
	check(vocab_decode(w->v, w->ids, w->n, 0, &text, &bytes, &err), &err);
	mem_free(text);
}

/* A megabyte of the unit over and over, whole units only. */
static char *repeat(const char *unit, size_t *bytes)
{
	size_t n = strlen(unit);
	char *text = bench_alloc(BYTES);
	*bytes = BYTES / n * n;
	for (size_t i = 0; i < *bytes; i += n)
		memcpy(text + i, unit, n);
	return text;
}

static void row(struct vocab *v, const char *what, const char *unit)
{
	struct work w = {.v = v};
	w.text = repeat(unit, &w.bytes);
	double in = bench_time(encode, &w, 0.3, true), out = bench_time(decode, &w, 0.1, true);
	printf("  %-10s %8zu tokens  encode %7.1f MB/s  decode %7.1f MB/s\n", what, w.n, (double)w.bytes / in / 1e6,
	       (double)w.bytes / out / 1e6);
	mem_free(w.ids);
}

static void bench(const char *path)
{
	struct kvik_err err;
	struct vocab *v;
	double start = bench_now();
	check(vocab_open(&v, path, NULL, &err), &err);
	printf("%s: %zu tokens, loaded in %.0f ms\n", path, vocab_size(v), (bench_now() - start) * 1e3);
	row(v, "prose", prose);
	row(v, "Han", han);
	row(v, "letter", "a");
	row(v, "blanks", " ");
	row(v, "digits", "7");
	row(v, "newlines", "\n");
	row(v, "marks", "\xCC\x81");
	row(v, "not UTF-8", "\xFF");
	vocab_free(v);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "bench_token: give one or more vocabularies (GGUF, folder, tokenizer.json)\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		bench(argv[i]);
	return 0;
}
