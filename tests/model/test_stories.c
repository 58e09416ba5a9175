/* test_stories.c: a trained model writes the text that its reference wrote: shared/models/stories260K, greedy from the
 * begin token. Its vocabulary's texts are put together here by hand, so that only the model room is on trial. */
#include "runner.h"

#include <unistd.h>

#define STORIES "../shared/models/stories260K/"

enum { TOKENS = 200 };

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *text = calloc(1, 4096);
	assert_true(fread(text, 1, 4095, f) > 0);
	fclose(f);
	size_t n = strlen(text);
	if (text[n - 1] == '\n') /* of the file */
		text[n - 1] = '\0';
	return text;
}

/* The text of a piece: U+2581 is a space, <0xNN> a byte. */
static void append_piece(char *out, const struct gguf_str *piece)
{
	unsigned byte;
	char name[16] = "";
	size_t at = strlen(out);
	memcpy(name, piece->text, piece->bytes < 15 ? piece->bytes : 15);
	if (sscanf(name, "<0x%2X>", &byte) == 1) {
		out[at] = (char)byte;
		return;
	}
	for (size_t i = 0; i < piece->bytes; i++)
		if (piece->bytes - i >= 3 && memcmp(piece->text + i, "\xe2\x96\x81", 3) == 0) {
			out[at++] = ' ';
			i += 2;
		} else {
			out[at++] = piece->text[i];
		}
}

/* Strings of the array lie one after the other, each behind its length. */
static void decode(const struct gguf *g, const uint32_t *ids, uint32_t n, char *out)
{
	struct gguf_array tokens;
	assert_int_equal(gguf_get_array(g, "tokenizer.ggml.tokens", &tokens, NULL), 1);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *at = tokens.data;
		uint64_t bytes;
		assert_true(ids[i] < tokens.n);
		for (uint32_t skip = 0;; skip++, at += 8 + bytes) {
			memcpy(&bytes, at, sizeof bytes);
			if (skip == ids[i])
				break;
		}
		append_piece(out, &(struct gguf_str){(const char *)at + 8, (size_t)bytes});
	}
}

static void greedy(struct runner *r, uint32_t *ids)
{
	float *logits = calloc(r->n_vocab, sizeof *logits);
	struct kv_seq *seq = runner_seq(r);
	uint32_t id = 1;
	for (int i = 0; i < TOKENS; i++) {
		runner_prefill(r, seq, &id, 1, 1, logits);
		ids[i] = id = argmax(logits, r->n_vocab);
	}
	kv_seq_free(r->kv, seq);
	free(logits);
}

static void writes_the_reference_text(void **state)
{
	(void)state;
	if (access(STORIES "stories260K.gguf", R_OK) != 0) {
		print_message("skipped: " STORIES "stories260K.gguf is not there\n");
		skip();
	}
	struct runner r;
	struct runner_params p = {.path = STORIES "stories260K.gguf", .threads = 2};
	uint32_t ids[TOKENS];
	char text[4096] = "";
	runner_open(&r, &p);
	greedy(&r, ids);
	decode(source_gguf(r.source), ids, TOKENS, text);
	char *want = read_text(STORIES "greedy-200.txt");
	char *got = text + (text[0] == ' '); /* SentencePiece begins with a space that is no text */
	assert_string_equal(got, want);
	free(want);
	runner_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(writes_the_reference_text)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
