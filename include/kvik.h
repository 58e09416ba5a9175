/* kvik.h: the one public header of the kvik inference engine.
 *
 * Nouns: a model (weights + vocabulary, shared, read-only once loaded) and a session (one sequence of tokens with its
 * keys and values in the paged cache). C99 and C++ clean. The library never prints and never exits: every fallible
 * function returns 0 or a negative enum kvik_code and fills the caller's struct kvik_err. */
#ifndef KVIK_H
#define KVIK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One list of error codes and their standing texts; KVIK_CODES(X) expands X(name, value, text). */
#define KVIK_CODES(X)                            \
	X(OK, 0, "ok")                           \
	X(ERR_NOMEM, -1, "out of memory")        \
	X(ERR_IO, -2, "input/output error")      \
	X(ERR_FORMAT, -3, "malformed file")      \
	X(ERR_UNSUPPORTED, -4, "not supported")  \
	X(ERR_ARG, -5, "invalid argument")       \
	X(ERR_FULL, -6, "the KV cache is full")  \
	X(ERR_LIMIT, -7, "a limit was exceeded") \
	X(ERR_CANCELLED, -8, "cancelled")

enum kvik_code {
#define KVIK_CODE_ENUM(name, value, text) KVIK_##name = value,
	KVIK_CODES(KVIK_CODE_ENUM)
#undef KVIK_CODE_ENUM
};

/* Detail of the last failure of a call that took it; valid until the caller reuses it. */
struct kvik_err {
	int code;       /* enum kvik_code */
	char text[512]; /* one line: what is wrong, where, and what to do; never truncated inside a UTF-8 character */
};

/* The standing text of a code ("malformed file"); never NULL. Any thread. */
const char *kvik_code_text(int code);

/* "MAJOR.MINOR.PATCH" */
const char *kvik_version(void);

/* ---- Models ------------------------------------------------------------------------------------------------------ */

/* How activations enter the products with integer-typed weights. Weights of float types always meet f32 activations. */
enum kvik_act {
	KVIK_ACT_AUTO, /* f32 for models below 32 MiB, else int8 */
	KVIK_ACT_F32,  /* weights are expanded to f32 at load: the exact reference, 4 bytes per weight */
	KVIK_ACT_INT8  /* weights stay as they are, activations are rounded to int8 per block of 32 */
};

enum kvik_quantize { KVIK_QUANTIZE_NONE, KVIK_QUANTIZE_Q8_0, KVIK_QUANTIZE_Q4_0 };

enum kvik_dtype { KVIK_F32, KVIK_F16, KVIK_BF16, KVIK_INT8, KVIK_DTYPE_COUNT };

/* Called while weights load, from the loading thread; done and total in bytes of weights. */
typedef void kvik_progress_fn(void *user, uint64_t done, uint64_t total);

struct kvik_model_params {
	uint32_t threads; /* 0 = one per processor of this process */
	enum kvik_act act;
	enum kvik_quantize quantize; /* of F32, F16 and BF16 matrices, at load */
	kvik_progress_fn *progress;  /* may be NULL */
	void *progress_user;
};

struct kvik_model; /* weights and vocabulary; read-only once loaded; must outlive its sessions */

struct kvik_model_params kvik_model_params_default(void);

/* path: a GGUF file (the first part of a split one) or a Hugging Face folder. params may be NULL. The caller frees
 * *out with kvik_model_free. Errors: IO, FORMAT, UNSUPPORTED, NOMEM, ARG. */
int kvik_model_load(struct kvik_model **out, const char *path, const struct kvik_model_params *params,
		    struct kvik_err *err);
void kvik_model_free(struct kvik_model *m);

struct kvik_model_info {
	const char *architecture; /* "llama", "qwen3", ...; lives as long as the model */
	uint32_t layers, heads, kv_heads, head_dim, vocab_size;
	uint32_t context;      /* tokens the model was trained for */
	uint64_t weight_bytes; /* held in memory */
	uint64_t parameters;
	bool has_vocab; /* false: only ids can be fed */
};
struct kvik_model_info kvik_model_info(const struct kvik_model *m);

/* ---- Text and tokens (any thread) -------------------------------------------------------------------------------- */

enum kvik_tokenize_flags {
	KVIK_ADD_SPECIAL = 1,  /* begin and end tokens, as the model wants them */
	KVIK_PARSE_SPECIAL = 2 /* special tokens written in the text are recognised */
};

struct kvik_vocab; /* a vocabulary; read-only */

/* Of a model (borrowed; NULL when it has none), or loaded alone: a GGUF file with or without tensors, a Hugging Face
 * folder, or a tokenizer.json. */
const struct kvik_vocab *kvik_model_vocab(const struct kvik_model *m);
int kvik_vocab_load(struct kvik_vocab **out, const char *path, struct kvik_err *err);
void kvik_vocab_free(struct kvik_vocab *v);

/* Writes at most cap ids and always the whole count to *n_ids; call again with a larger array when *n_ids > cap. */
int kvik_tokenize(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags, uint32_t *ids,
		  size_t cap, size_t *n_ids, struct kvik_err *err);
/* The same contract in bytes; the text is not NUL-terminated. */
int kvik_detokenize(const struct kvik_vocab *v, const uint32_t *ids, size_t n_ids, unsigned flags, char *text,
		    size_t cap, size_t *text_bytes, struct kvik_err *err);
/* Ends of generation: true for the ids at which a model stops. */
bool kvik_vocab_is_end(const struct kvik_vocab *v, uint32_t id);

/* ---- Sessions (one thread at a time) ----------------------------------------------------------------------------- */

struct kvik_session_params {
	enum kvik_dtype k_dtype, v_dtype;
	uint32_t context;   /* most tokens the session can hold; 0 = the model's */
	uint32_t window;    /* attend to the last so many tokens; 0 = as the model says */
	uint32_t chunk;     /* most tokens computed in one step of prefill; never changes a bit of the output */
	uint64_t kv_memory; /* ceiling in bytes over everything the cache holds; 0 = what context tokens need */
	bool no_kv_cache;   /* recompute all earlier tokens at every step, through the same kernels */
};

struct kvik_session;

struct kvik_session_params kvik_session_params_default(void);
int kvik_session_new(struct kvik_session **out, struct kvik_model *m, const struct kvik_session_params *params,
		     struct kvik_err *err);
void kvik_session_free(struct kvik_session *s);

/* Appends n tokens and computes them. all_logits: NULL, or [n][vocab_size] for the logits of every one of them.
 * Errors: FULL (nothing was appended), ARG (an id outside the vocabulary), NOMEM. */
int kvik_session_feed(struct kvik_session *s, const uint32_t *ids, size_t n, float *all_logits, struct kvik_err *err);

/* Logits [vocab_size] after the last token fed; NULL before the first. Valid until the next call on the session. */
const float *kvik_session_logits(const struct kvik_session *s);

/* Forgets all tokens after the first n_tokens. */
int kvik_session_truncate(struct kvik_session *s, size_t n_tokens, struct kvik_err *err);
size_t kvik_session_tokens(const struct kvik_session *s);

struct kvik_sampling {
	float temperature;       /* 0 = greedy */
	uint32_t top_k;          /* 0 = off */
	float top_p;             /* 1 = off */
	float min_p;             /* 0 = off */
	float repeat_penalty;    /* 1 = off */
	float presence_penalty;  /* 0 = off */
	float frequency_penalty; /* 0 = off */
	uint64_t seed;           /* same seed, same tokens */
};

struct kvik_sampling kvik_sampling_default(void);

/* Picks the next token from the current logits; does not feed it. */
int kvik_session_sample(struct kvik_session *s, const struct kvik_sampling *params, uint32_t *id, struct kvik_err *err);

struct kvik_kv_stats {
	uint64_t bytes_reserved;  /* ceiling */
	uint64_t bytes_used;      /* pages in use, tables included */
	uint64_t bytes_per_token; /* of all layers */
	uint32_t page_tokens, pages_used, pages_total;
};
struct kvik_kv_stats kvik_session_kv_stats(const struct kvik_session *s);

#ifdef __cplusplus
}
#endif
#endif
