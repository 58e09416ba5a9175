/* synthetic_tables.h: shapes of real models, and how a random block of each weight type is made; rows only, because
 * tools/make-model.py reads them too (one row a line, no expressions).
 *
 * Sources: the config.json that each model was published with. */
#ifndef KVIK_FORMAT_SYNTHETIC_TABLES_H
#define KVIK_FORMAT_SYNTHETIC_TABLES_H

/* X(name, model_type, layers, dim, heads, kv_heads, head_dim, ffn_dim, vocab, context, rms_eps, theta, llama3, window,
 *   full_every, tied)
 * llama3: factor of the llama3 rope scaling over a context of 8192, 0 = no scaling.
 * window: of the windowed layers, 0 = none; full_every: each n-th layer attends to everything, 0 = none does. */
/* clang-format off */
#define SYNTHETIC_SHAPES(X) \
	X("tiny", "llama", 4, 256, 4, 2, 64, 512, 512, 4096, 1e-5, 10000, 0, 0, 0, 0) \
	X("tiny-qwen2", "qwen2", 4, 256, 4, 2, 64, 512, 512, 4096, 1e-6, 1000000, 0, 0, 0, 1) \
	X("tiny-qwen3", "qwen3", 4, 256, 4, 2, 128, 512, 512, 4096, 1e-6, 1000000, 0, 0, 0, 1) \
	X("tiny-mistral", "mistral", 4, 256, 4, 2, 64, 512, 512, 4096, 1e-5, 10000, 0, 128, 0, 0) \
	X("tiny-mixed", "mistral", 6, 256, 4, 1, 64, 512, 512, 4096, 1e-6, 10000, 0, 64, 3, 1) \
	X("tinyllama-1.1b", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 1e-5, 10000, 0, 0, 0, 0) \
	X("llama2-7b", "llama", 32, 4096, 32, 32, 128, 11008, 32000, 4096, 1e-5, 10000, 0, 0, 0, 0) \
	X("llama3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 1e-5, 500000, 0, 0, 0, 0) \
	X("llama3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 1e-5, 500000, 8, 0, 0, 0) \
	X("llama3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 1e-5, 500000, 32, 0, 0, 1) \
	X("llama3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 1e-5, 500000, 32, 0, 0, 1) \
	X("mistral-7b", "mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768, 1e-5, 10000, 0, 4096, 0, 0) \
	X("qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e-6, 1000000, 0, 0, 0, 1) \
	X("qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e-6, 1000000, 0, 0, 0, 1) \
	X("qwen3-8b", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, 40960, 1e-6, 1000000, 0, 0, 0, 0) \
	X("gemma-like", "mistral", 26, 1152, 4, 1, 256, 6912, 262144, 32768, 1e-6, 1000000, 0, 512, 6, 1)

/* X(type, scale_at, scale, min_at, min): the f16 numbers (as bits) that go into random bytes, at these bytes of a
 * block, so that its values have a standard deviation of 0.02 and no mean to speak of; a min of 0 = the type has none.
 * Q2_K, Q4_K and Q5_K also get, for each sub-block, a min code equal to the scale code. MXFP4's scale is its exponent. */
#define SYNTHETIC_BLOCKS(X) \
	X(Q4_0, 0, 0x1c71, 0, 0) \
	X(Q4_1, 0, 0x1c71, 2, 0xa82a) \
	X(Q5_0, 0, 0x1870, 0, 0) \
	X(Q5_1, 0, 0x1870, 2, 0xa84c) \
	X(Q8_0, 0, 0x0c6f, 0, 0) \
	X(Q2_K, 80, 0x1829, 82, 0x1a3e) \
	X(Q3_K, 108, 0x0fbd, 0, 0) \
	X(Q4_K, 0, 0x07c9, 2, 0x134c) \
	X(Q5_K, 0, 0x03e3, 2, 0x1388) \
	X(Q6_K, 208, 0x00f6, 0, 0) \
	X(IQ4_NL, 0, 0x0cdc, 0, 0) \
	X(IQ4_XS, 0, 0x010d, 0, 0)
/* clang-format on */

#endif
