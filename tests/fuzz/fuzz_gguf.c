/* fuzz_gguf.c: a GGUF file: opened as a model, its hyperparameters, every getter on every key that kvik asks for, its
 * vocabulary, every byte of every tensor. */
#include <string.h>

#include "engine/vocab_load.h"
#include "fuzz_vocab.h"
#include "model/arch.h"

static void get_all(const struct gguf *g)
{
	static const char *const keys[] = {"general.architecture",  "general.name",          "llama.block_count",
					   "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "x"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		uint64_t u;
		double d;
		bool b;
		struct gguf_str s;
		struct gguf_array a;
		struct kvik_err err;
		(void)!gguf_get_u64(g, keys[i], &u, &err);
		(void)!gguf_get_f64(g, keys[i], &d, &err);
		(void)!gguf_get_bool(g, keys[i], &b, &err);
		if (gguf_get_str(g, keys[i], &s, &err) == 1)
			fuzz_read(s.text, s.bytes);
		if (gguf_get_array(g, keys[i], &a, &err) == 1)
			fuzz_read(a.data, a.n > 0);
	}
}

static void load_vocab(const struct gguf *g)
{
	struct vocab *v;
	struct kvik_err err;
	if (vocab_load_gguf(&v, g, "fuzz", NULL, &err) == 0) {
		fuzz_vocab(v);
		vocab_free(v);
	}
}

static void use(const struct source *s)
{
	static struct hparams h;
	struct kvik_err err;
	(void)!arch_hparams(s, &h, &err);
	for (size_t i = 0; i < source_count(s); i++) {
		const struct source_tensor *t = source_at(s, i);
		fuzz_read(t->data, (size_t)t->bytes);
		if (source_find(s, t->name) != t)
			__builtin_trap();
	}
	get_all(source_gguf(s));
	load_vocab(source_gguf(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source *s;
	struct kvik_err err;
	if (source_open_memory(&s, data, size, "fuzz", &err) == 0)
		use(s);
	source_free(s);
	return 0;
}
