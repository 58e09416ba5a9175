/* kvik.h: the one public header of the kvik inference engine.
 *
 * Nouns: a model (weights + vocabulary, read-only once loaded), a cache (the paged keys and values of any number of
 * sequences under one ceiling of bytes, and a tree of all prefixes it knows), a session (one sequence of tokens in a
 * cache) and an engine (many requests at once, over a cache of its own). C99 and C++ clean. docs/EMBEDDING.md shows how
 * a program uses it; examples/ has a whole one for each ability.
 *
 * The promise everything rests on: the logits of a position depend on the model, the tokens before it, the cache's
 * dtypes and the window alone, to the bit; not on what the cache already held, how the work was cut, or threads.
 *
 * What holds for all of it:
 *
 *  - Errors. The library never prints and never exits. A fallible function returns 0 or a negative enum kvik_code, and
 *    then fills the caller's struct kvik_err (which may be NULL) and sets what it would have given (*out) to NULL. What
 *    each can return stands beside it; a struct whose `size` is wrong is ARG everywhere.
 *  - Structs that will grow begin with `uint32_t size`: sizeof the struct in the header that the caller was compiled
 *    with, set by the caller, for structs that are read and for structs that are filled. The library touches no byte
 *    beyond it. Members that an older header did not have are read as their defaults. A size beyond what the library
 *    knows is accepted as long as what lies there is zero; else, or where size is less than 0.2.0 had, it is ARG.
 *    kvik_NAME_default() gives a struct NAME with size and defaults set. Structs without `size` stay as they are.
 *    Structs that the library hands out by pointer have its own size.
 *  - Ownership. Whatever a function gives through **out is the caller's, to be freed by the function named there.
 *    Pointers into a struct of parameters are read during the call alone, unless it says more.
 *  - Threads. Said of each noun. Where it says "any thread" nothing more is needed; "one thread at a time" wants the
 *    caller's lock. */
#ifndef KVIK_H
#define KVIK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvik_err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "MAJOR.MINOR.PATCH" */
const char *kvik_version(void);

/* ---- Devices (any thread) ---------------------------------------------------------------------------------------- */

/* What computes: threads of the CPU. A model makes its own unless it is given one; models on one device share its threads.
 * Steps of all caches, sessions and engines on it take turns, first come first served. */
struct kvik_device;

struct kvik_device_params {
	uint32_t size;
	uint32_t threads; /* 0 = one per processor of this process, within its control group's limit */
	const char *cpu;  /* "scalar", "avx2", "avx512"; NULL = $KVIK_CPU, else the best there is */
};
int kvik_device_params_init(struct kvik_device_params *p);

/* params may be NULL. The caller frees *out with kvik_device_free, after the models on it. Errors: ARG, NOMEM. */
int kvik_device_new(struct kvik_device **out, const struct kvik_device_params *params, struct kvik_err *err);
void kvik_device_free(struct kvik_device *d);

/* ---- Models ------------------------------------------------------------------------------------------------------ */

/* How activations enter the products with integer-typed weights. Weights of float types always meet f32 activations. */
enum kvik_act {
	KVIK_ACT_AUTO, /* f32 for models below 32 MiB, else int8 */
	KVIK_ACT_F32,  /* weights are expanded to f32 at load: the exact reference, 4 bytes per weight */
	KVIK_ACT_INT8  /* weights stay as they are, activations are rounded to int8 per block of 32 */
};

enum kvik_quantize { KVIK_QUANTIZE_NONE, KVIK_QUANTIZE_Q8_0, KVIK_QUANTIZE_Q4_0 };

/* Called while weights load, from the loading thread; done and total in bytes of weights. False: loading ends with
 * CANCELLED. */
typedef bool kvik_progress_fn(void *user, uint64_t done, uint64_t total);

struct kvik_model_params {
	uint32_t size;
	uint32_t threads; /* 0 = one per processor of this process, within its control group's limit */
	enum kvik_act act;
	enum kvik_quantize quantize; /* of F32, F16 and BF16 matrices, at load */
	const char *cpu;             /* "scalar", "avx2", "avx512"; NULL = $KVIK_CPU, else the best there is */
	kvik_progress_fn *progress;  /* may be NULL */
	void *progress_user;
	struct kvik_device *device; /* NULL: one of its own, of `threads` and `cpu`; else these two are not looked at */
};

struct kvik_model; /* weights and vocabulary; any thread; must outlive its caches */

int kvik_model_params_init(struct kvik_model_params *p);

/* path: a GGUF file (the first part of a split one), a Hugging Face folder, "synthetic:SHAPE:TYPE" (random weights of a
 * real shape, for benchmarks), or NULL for the model that is built in. params may be NULL. The caller frees *out with
 * kvik_model_free. Errors: IO, FORMAT, UNSUPPORTED, NOMEM, ARG, CANCELLED (progress said so). */
int kvik_model_load(struct kvik_model **out, const char *path, const struct kvik_model_params *params,
		    struct kvik_err *err);
void kvik_model_free(struct kvik_model *m);

struct kvik_model_info {
	uint32_t size;
	uint32_t layers, dim, ffn_dim, heads, kv_heads, head_dim, vocab_size;
	uint32_t context;      /* tokens the model was trained for */
	uint32_t window;       /* smallest attention window of its layers; 0 = every layer sees all */
	uint32_t state_layers; /* layers that keep a state instead of keys and values (recurrences) */
	uint64_t weight_bytes; /* of a loaded model: held in memory; of a file: stored */
	uint64_t parameters;
	const char *architecture; /* "llama", "qwen3", ...; static */
	bool tied;                /* the output matrix is the embedding */
};
int kvik_model_read_info(const struct kvik_model *m, struct kvik_model_info *info);
const char *kvik_model_cpu(const struct kvik_model *m); /* the CPU level in use: "avx512" */
uint32_t kvik_model_threads(const struct kvik_model *m);
const char *kvik_model_chat_template(const struct kvik_model *m); /* Jinja; NULL = none; lives as long as m */
/* The same, for chats with tools, where the model has a template of its own for them (named "tool_use"). */
const char *kvik_model_tool_template(const struct kvik_model *m);
bool kvik_model_is_end(const struct kvik_model *m, uint32_t id); /* the model stops at this id */

/* What is odd about a model's files although it could be loaded, one line each: fields that are not honoured,
 * contradictions and how they were settled. i counts from 0; NULL: no more. Lives as long as m. */
const char *kvik_model_warning(const struct kvik_model *m, size_t i);

/* ---- Model files, without loading their weights ------------------------------------------------------------------ */

struct kvik_file;

struct kvik_tensor_info {
	uint32_t size;
	uint32_t n_dims;
	const char *name; /* as the file has it; lives as long as the file */
	const char *type; /* "Q4_0"; static */
	uint64_t dims[4]; /* dims[0] is contiguous; unused ones are 1 */
	uint64_t bytes;
};

/* path as for kvik_model_load. The caller frees *out with kvik_file_close. */
int kvik_file_open(struct kvik_file **out, const char *path, struct kvik_err *err);
void kvik_file_close(struct kvik_file *f);
int kvik_file_read_info(const struct kvik_file *f, struct kvik_model_info *info);
/* As kvik_model_warning, but for what only the vocabulary tells. */
const char *kvik_file_warning(const struct kvik_file *f, size_t i);
size_t kvik_file_tensors(const struct kvik_file *f);
int kvik_file_read_tensor(const struct kvik_file *f, size_t i, struct kvik_tensor_info *info); /* ARG: no such i */

/* ---- Text and tokens (any thread) -------------------------------------------------------------------------------- */

enum kvik_tokenize_flags {
	KVIK_ADD_SPECIAL = 1,  /* begin and end tokens, as the model wants them */
	KVIK_PARSE_SPECIAL = 2 /* special tokens written in the text are recognised */
};
enum kvik_detokenize_flags {
	KVIK_KEEP_SPECIAL = 1 /* special tokens appear as their text; else they are silent */
};

struct kvik_vocab; /* a vocabulary; read-only */

#define KVIK_NO_ID UINT32_MAX

/* Of a model (borrowed; NULL when it has none: then only ids can be fed), or loaded alone: a GGUF file with or without
 * tensors, a Hugging Face folder, a tokenizer.json or tokenizer.model, or NULL for the built-in one. */
const struct kvik_vocab *kvik_model_vocab(const struct kvik_model *m);
int kvik_vocab_load(struct kvik_vocab **out, const char *path, struct kvik_err *err);
void kvik_vocab_free(struct kvik_vocab *v);
size_t kvik_vocab_size(const struct kvik_vocab *v);
uint32_t kvik_vocab_bos(const struct kvik_vocab *v); /* the token that begins a text; KVIK_NO_ID = none */
uint32_t kvik_vocab_eos(const struct kvik_vocab *v);
uint32_t kvik_vocab_unk(const struct kvik_vocab *v); /* the token for what no other stands for */
uint32_t kvik_vocab_pad(const struct kvik_vocab *v);
/* Tokens around the parts of a text with a hole, "fill in the middle". KVIK_NO_ID: the model has none for this. */
enum kvik_fim {
	KVIK_FIM_PREFIX, /* before the text in front of the hole */
	KVIK_FIM_SUFFIX, /* before the text behind it */
	KVIK_FIM_MIDDLE, /* the text of the hole begins here */
	KVIK_FIM_PAD,
	KVIK_FIM_REPO, /* before the name of a repository */
	KVIK_FIM_FILE  /* before another file */
};
uint32_t kvik_vocab_fim(const struct kvik_vocab *v, enum kvik_fim role);
/* As kvik_model_warning. */
const char *kvik_vocab_warning(const struct kvik_vocab *v, size_t i);
/* The bytes that one token stands for (special ones: their text), which need not be whole characters. *bytes: [*n],
 * freed by the caller with kvik_free. ARG: an id outside the vocabulary. */
int kvik_token_bytes(const struct kvik_vocab *v, uint32_t id, char **bytes, size_t *n, struct kvik_err *err);

/* *ids: [*n], freed by the caller with kvik_free (NULL when *n is 0). text may hold any bytes. */
int kvik_tokenize(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags, uint32_t **ids,
		  size_t *n, struct kvik_err *err);
/* A stretch of a text, in bytes: [from, to). */
struct kvik_span {
	size_t from, to;
};
/* The same for a text of which the stretches data[n_data] (ascending, apart) come from somebody who may not write
 * special tokens: one that touches such a stretch is plain text, whatever the flags say. Words go across their borders.
 * ARG: a stretch outside the text, or out of order. */
int kvik_tokenize_data(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags,
		       const struct kvik_span *data, size_t n_data, uint32_t **ids, size_t *n, struct kvik_err *err);
/* Places of a text, for kvik_request_params.marks: the bytes at[0..n_at) of it, ascending, as tokens of ids[0..n), which
 * kvik_tokenize or kvik_tokenize_data has made of all of it. marks: [KVIK_MARKS_MAX], ascending; returns how many: of the
 * last places those that can be found. */
#define KVIK_MARKS_MAX 4
size_t kvik_token_marks(const struct kvik_vocab *v, const char *text, size_t text_bytes, const size_t *at, size_t n_at,
			const uint32_t *ids, size_t n, uint32_t *marks);
/* A number of tokens that kvik_tokenize gives at least for this text, at the cost of looking at its length (or once at its
 * bytes); 0 where the vocabulary allows no such bound. For refusing what is far too long. */
size_t kvik_tokens_min(const struct kvik_vocab *v, const char *text, size_t text_bytes);
/* *text: [*text_bytes] of valid UTF-8 and a terminating NUL, freed by the caller with kvik_free. */
int kvik_detokenize(const struct kvik_vocab *v, const uint32_t *ids, size_t n, unsigned flags, char **text,
		    size_t *text_bytes, struct kvik_err *err);
/* *text: the Jinja of a chat template, freed by the caller with kvik_free. path: a GGUF file of any architecture, a
 * Hugging Face folder (which needs no weights), a tokenizer_config.json, a file that is a template, or NULL for the
 * built-in model. name: of a model with several ("tool_use"), NULL = the default. Errors: FORMAT (there is none), IO,
 * ARG, NOMEM. */
int kvik_chat_template_load(char **text, const char *path, const char *name, struct kvik_err *err);
void kvik_free(void *p); /* what the library gave to the caller; NULL is fine */

/* ---- Chats (any thread) ------------------------------------------------------------------------------------------
 *
 * Messages and tools, in OpenAI's JSON, through a model's chat template into a prompt; and the text of the answer cut
 * into what is said, what is thought and which tools are called. What a template cannot take as it is (lists of parts,
 * tools, a system message, ...) it gets in a form that it shows. examples/chat.c:
 *
 *     kvik_chat_new(&chat, model, NULL, &err);
 *     struct kvik_chat_request q = kvik_chat_request_default();
 *     q.messages = json;
 *     kvik_chat_render(&prompt, chat, &q, &err);
 *     kvik_chat_parser_new(&parser, prompt, 1, on_part, NULL, &err);
 *     kvik_generate(session, kvik_chat_prompt_ids(prompt, &n), ...);   on_token: kvik_chat_parse(parser, text, bytes, &err)
 *     kvik_chat_parse_end(parser, &err);
 */

struct kvik_chat; /* the chat templates of a model, and what they can do; read-only */

/* template_text: Jinja instead of the model's own; NULL = its own. The model must outlive the chat. Errors: ARG (the
 * model has no template, or no vocabulary), FORMAT, LIMIT, NOMEM. */
int kvik_chat_new(struct kvik_chat **out, const struct kvik_model *m, const char *template_text, struct kvik_err *err);
void kvik_chat_free(struct kvik_chat *c);

/* What becomes of a last message that is the assistant's. */
enum kvik_chat_last {
	KVIK_CHAT_LAST_AUTO,     /* it is gone on with; after any other the assistant begins to speak */
	KVIK_CHAT_LAST_CONTINUE, /* it must be gone on with: else ARG */
	KVIK_CHAT_LAST_BEGIN,    /* it is over, and the assistant begins to speak again */
	KVIK_CHAT_LAST_CLOSE     /* it is over, and nothing follows */
};

struct kvik_chat_request {
	uint32_t size;
	enum kvik_chat_last last;
	const char *messages;  /* JSON: a list of {"role", "content", ...} */
	const char *tools;     /* JSON: a list of {"type": "function", "function": ...}; NULL = none */
	const char *variables; /* JSON: an object of more variables of the template ("enable_thinking"); NULL = none */
	bool parse_special;    /* special tokens written in messages and tools are tokens; else they are text there */
};
int kvik_chat_request_init(struct kvik_chat_request *q);

struct kvik_chat_prompt;

/* The caller frees *out with kvik_chat_prompt_free. Errors: ARG (no such JSON; content that is no text), FORMAT (the
 * template refuses), LIMIT, NOMEM. */
int kvik_chat_render(struct kvik_chat_prompt **out, const struct kvik_chat *c, const struct kvik_chat_request *q,
		     struct kvik_err *err);
void kvik_chat_prompt_free(struct kvik_chat_prompt *p);
const uint32_t *kvik_chat_prompt_ids(const struct kvik_chat_prompt *p, size_t *n); /* lives as long as p */
const char *kvik_chat_prompt_text(const struct kvik_chat_prompt *p, size_t *bytes);
/* Where its last messages begin, for kvik_request_params.marks; lives as long as p. */
const uint32_t *kvik_chat_prompt_marks(const struct kvik_chat_prompt *p, size_t *n);

enum kvik_chat_part_kind { KVIK_CHAT_TEXT, KVIK_CHAT_THOUGHT, KVIK_CHAT_CALL };

struct kvik_chat_part {
	uint32_t size;
	enum kvik_chat_part_kind kind;
	const char *text; /* [bytes], of TEXT and THOUGHT */
	size_t bytes;
	size_t index;                      /* of a CALL, from 0 */
	const char *id, *name, *arguments; /* NUL-terminated; arguments: JSON, an object */
};
typedef void kvik_chat_part_fn(void *user, const struct kvik_chat_part *p);

struct kvik_chat_parser; /* one thread at a time */

/* Reads the answer to p, which may be freed meanwhile. Generate it with keep_special, so that marks which are special
 * tokens are seen. id: of the answer; ids of its calls are made of it. */
int kvik_chat_parser_new(struct kvik_chat_parser **out, const struct kvik_chat_prompt *p, uint64_t id,
			 kvik_chat_part_fn *on_part, void *user, struct kvik_err *err);
void kvik_chat_parser_free(struct kvik_chat_parser *p);
/* More of the text; on_part is called with what is certain. Errors: NOMEM. */
int kvik_chat_parse(struct kvik_chat_parser *p, const char *text, size_t bytes, struct kvik_err *err);
int kvik_chat_parse_end(struct kvik_chat_parser *p, struct kvik_err *err); /* nothing more comes */

/* ---- Caches (each: one thread at a time) -------------------------------------------------------------------------------
 *
 * A cache computes no prefix twice. What sessions compute is put into a tree of token ids, per scope, and a session
 * that is fed the same tokens takes them from there, to the token: bit for bit what computing them would have given.
 * What no session and no pin holds any more stays as long as memory lasts, and is evicted when room is needed, the
 * least worth first; the ceiling is never passed. examples/cache.c shows it all at work:
 *
 *     kvik_session_feed(a, system_prompt, n, NULL, &err);       computed
 *     kvik_session_pin(&pin, a, n, 0, &err);                    stays, whatever else comes
 *     kvik_session_free(a);
 *     kvik_session_new(&b, cache, NULL, &err);
 *     kvik_session_feed(b, system_prompt_and_more, m, NULL, &err);
 *     kvik_session_get_prefix(b).found_tokens                   n: only the rest was computed
 *     kvik_session_fork(&c, b, n, &err);                        another continuation, sharing all pages but one
 *     kvik_session_truncate(b, n, &err);                        rollback, nothing is computed again
 */

/* X(name, text): how keys and values are stored. */
#define KVIK_DTYPES(X)  \
	X(F32, "f32")   \
	X(F16, "f16")   \
	X(BF16, "bf16") \
	X(INT8, "int8") \
	X(FP8, "fp8")   \
	X(INT4, "int4")

enum kvik_dtype {
#define KVIK_DTYPE_ENUM(name, text) KVIK_##name,
	KVIK_DTYPES(KVIK_DTYPE_ENUM)
#undef KVIK_DTYPE_ENUM
		KVIK_DTYPE_COUNT
};
const char *kvik_dtype_name(enum kvik_dtype d);

/* Layers first..last, counted from 0; negative numbers count from the end: {-2, -1} are the last two. */
struct kvik_layers {
	int32_t first, last;
};
#define KVIK_EXEMPT_MAX 16

typedef void kvik_log_fn(void *user, const char *line);

struct kvik_cache_params {
	uint32_t size;
	enum kvik_dtype k_dtype, v_dtype;
	struct kvik_layers exempt[KVIK_EXEMPT_MAX]; /* [n_exempt]: layers that are stored in the next two instead */
	uint32_t n_exempt;
	enum kvik_dtype exempt_k_dtype, exempt_v_dtype;
	enum kvik_dtype floor_k_dtype, floor_v_dtype; /* of floor_after_ms */
	uint32_t context;                             /* most tokens of one session; 0 = the model's */
	uint32_t window;                              /* attend to the last so many tokens; 0 = as the model says */
	uint32_t sinks;                               /* with a window: the first so many tokens stay visible */
	uint32_t chunk;     /* most tokens computed in one step; never changes a bit of the output */
	uint32_t sessions;  /* how many full ones the default of kv_memory makes room for */
	bool no_kv_cache;   /* recompute all earlier tokens at every step, through the same kernels */
	uint64_t kv_memory; /* ceiling in bytes over everything the cache holds; 0 = what sessions * context need */
	/* Prefixes that nobody has used for so long are kept in a smaller dtype, but for exempt layers, and come back
	 * from it when they are used: more of them fit, and what is computed after such a prefix depends on its age. 0
	 * (the default): never. */
	uint64_t floor_after_ms;
	/* Since 0.2.0: prefixes that memory has no room for go to this folder, and what is there is known again by the
	 * next process with the same model, dtypes and window. Token ids, keys and values lie in it in the clear, unless
	 * there is a key. NULL (the default): none. Not together with a floor, or without a cache. */
	const char *disk;
	uint64_t disk_bytes;   /* of all its files; 0: half of what is free there at the start */
	uint32_t disk_sync_ms; /* what is older is written, also while it stays in memory (default 1000) */
	bool disk_load_always; /* also where computing is quicker, by what both have taken so far */
	const char *disk_key;  /* file of 64 hexadecimal digits: records are sealed by AES-256-GCM */
	kvik_log_fn *disk_log; /* hears of faults, each kind once; from any thread. NULL: nobody does */
	void *disk_log_user;
	/* Of models whose layers keep a state (recurrences): every so many tokens one is kept, from which a text that
	 * parts from another goes on; 0 = 256 to 1024, the more often the less it weighs. */
	uint32_t state_every;
};

struct kvik_cache;

/* f16 (exempt layers too; the floor would be int4), chunk 512, one session */
int kvik_cache_params_init(struct kvik_cache_params *p);

/* params may be NULL. The model must outlive the cache. Errors: ARG, NOMEM, LIMIT. */
int kvik_cache_new(struct kvik_cache **out, struct kvik_model *m, const struct kvik_cache_params *params,
		   struct kvik_err *err);
void kvik_cache_free(struct kvik_cache *c); /* after its sessions and pins */

struct kvik_cache_stats {
	uint32_t size;
	uint32_t page_tokens, sessions, pins;
	uint64_t bytes_ceiling;   /* kv_memory */
	uint64_t bytes_used;      /* pages in use and all tables */
	uint64_t bytes_cached;    /* of these: prefixes that no session or pin holds; evicted when room is needed */
	uint64_t bytes_wasted;    /* of bytes_used: room in pages that holds no token */
	uint64_t bytes_peak;      /* never above bytes_ceiling */
	uint64_t bytes_per_token; /* of all layers */
	uint64_t pages_used;
	uint64_t pages_copied; /* a session wrote behind tokens that it shares, inside a page */
	uint64_t pages_merged; /* two sessions had computed the same: one copy went */
	uint64_t pages_packed; /* of those used: at the floor dtype */
	uint64_t pages_freed_by_window;
	uint64_t queries;                        /* sessions whose first tokens were looked up */
	uint64_t tokens_queried, tokens_hit;     /* of these */
	uint64_t tokens_joined;                  /* taken from the cache by later feeds */
	uint64_t tokens_evicted, tokens_expired; /* gone for memory, for age */
	uint64_t tokens_pinned;                  /* in all pins */
	double hit_rate_at[4]; /* predicted at half, the same, twice and four times the memory; NAN: unknown yet */
};
/* Looks at every page: for people, not for every token. */
int kvik_cache_read_stats(const struct kvik_cache *c, struct kvik_cache_stats *s);
/* Forgets all prefixes that no session or pin holds. */
void kvik_cache_drop(struct kvik_cache *c);

/* What a model and a cache with these parameters take, without loading or making one. Bytes, exact but for tables,
 * which are bounded from above. Both params may be NULL. Errors: as for loading and making one. */
struct kvik_plan {
	uint32_t size;
	uint32_t context;
	uint32_t page_tokens;
	uint64_t weight_bytes;    /* packed, in memory */
	uint64_t mapped_bytes;    /* the embedding, read from the file's mapping */
	uint64_t work_bytes;      /* buffers of a step of `chunk` tokens */
	uint64_t bytes_per_token; /* keys and values of all layers */
	/* Pages of one of `context` tokens, which windows hold down, with the states that are kept of it every
	 * state_every tokens. */
	uint64_t bytes_per_session;
	uint64_t kv_bytes; /* pages and tables of `sessions` sessions: what kv_memory must allow */
	uint64_t
		bytes_per_state; /* of a recurrent model: one per session, and per place that is kept to come back to */
	uint32_t state_every;    /* kvik_cache_params.state_every, resolved; 0: no layer keeps a state */
};
int kvik_plan_make(const struct kvik_file *f, const struct kvik_model_params *model_params,
		   const struct kvik_cache_params *params, struct kvik_plan *plan, struct kvik_err *err);

/* ---- Prefixes: who shares them, and how one was met --------------------------------------------------------------- */

/* How a session or a request shares; the default: with everybody in the public scope, for as long as memory lasts. */
struct kvik_share {
	uint32_t size;
	bool isolated;    /* shares with its forks (of a request: its choices) alone, and leaves nothing behind */
	bool read_public; /* may also start from prefixes of the public scope; writes only into its own */
	uint8_t priority; /* a prefix is evicted only when none of a lower priority is left */
	/* Namespace of prefixes: those of different scopes neither share nor time each other's; 0 is the public one.
	 * Make it secret. */
	uint64_t scope;
	uint64_t ttl_ms; /* its tokens leave the cache so long after their last use; 0 = no limit */
};
int kvik_share_init(struct kvik_share *s);

/* X(name, value, text, sentence): why a prompt was not found further in the cache. */
#define KVIK_MISSES(X)                                                                           \
	X(NONE, 0, "none", "all of it is known: its last token is computed in any case")         \
	X(NEW, 1, "new", "nothing longer was ever cached, as far as is remembered")              \
	X(DIFFERS, 2, "differs", "the cached text goes on differently")                          \
	X(EVICTED, 3, "evicted", "it was cached and was evicted for memory")                     \
	X(EXPIRED, 4, "expired", "it was cached and its time to live was over")                  \
	X(WINDOW, 5, "window", "the tokens are cached, but a sliding window there was given up") \
	X(STATE, 6, "state", "the tokens are cached, but no state of a recurrent layer there")   \
	X(COLD, 7, "cold", "it does not look: isolated, or every token is to be computed")

enum kvik_miss {
#define KVIK_MISS_ENUM(name, value, text, sentence) KVIK_MISS_##name = value,
	KVIK_MISSES(KVIK_MISS_ENUM)
#undef KVIK_MISS_ENUM
		KVIK_MISS_COUNT /* of this header; a later library may know more */
};
const char *kvik_miss_name(enum kvik_miss m); /* static; "?": no such */
const char *kvik_miss_text(enum kvik_miss m);

/* How tokens met the cache: those of a feed, of a request's prompt, or of one that is only asked about. All count from
 * the first of these tokens. */
struct kvik_prefix {
	uint32_t size;
	uint32_t found_tokens;   /* taken from the cache at once */
	uint32_t joined_tokens;  /* of a request: taken over later, as another one computed them */
	uint32_t matched_tokens; /* the cache knew the same tokens up to here: >= found_tokens */
	enum kvik_miss miss;     /* why no further */
	uint32_t other;          /* DIFFERS: the token that the cache has at matched_tokens; else KVIK_NO_ID */
};

/* What a new session with this share (NULL: the default) would find of ids[0..n). Takes nothing. Errors: ARG. */
int kvik_cache_explain(const struct kvik_cache *c, const struct kvik_share *share, const uint32_t *ids, size_t n,
		       struct kvik_prefix *prefix, struct kvik_err *err);

/* ---- Sessions (the thread of their cache) ------------------------------------------------------------------------ */

struct kvik_session;

/* share may be NULL. Sessions of a cache with no_kv_cache are isolated. Errors: ARG, FULL, NOMEM. */
int kvik_session_new(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *share,
		     struct kvik_err *err);
/* A session that shares the first n_tokens tokens of s; copies no keys and values but for one page, once it goes on in
 * the middle of it. Errors: ARG, LIMIT (a window has already freed what the next token would see, and the cache too has
 * given it up), FULL, NOMEM. */
int kvik_session_fork(struct kvik_session **out, const struct kvik_session *s, size_t n_tokens, struct kvik_err *err);
void kvik_session_free(struct kvik_session *s);

/* Appends n tokens and computes them, but for those that the cache knows already (never the last one: its logits are
 * wanted). all_logits: NULL, or [n][vocab_size] for the logits of every one of them, for which all are computed. Evicts
 * what nobody holds when it needs room. On an error the session holds the tokens that kvik_session_tokens counts, all
 * of them usable. Errors: ARG (an id outside the vocabulary), FULL (sessions and pins hold everything), LIMIT (past the
 * context), NOMEM, CANCELLED (kvik_session_interrupt). */
int kvik_session_feed(struct kvik_session *s, const uint32_t *ids, size_t n, float *all_logits, struct kvik_err *err);
/* A feed to come is to leave a place to come back to at this position, as kvik_request_params.marks has it. Nothing where
 * the session is there already, or is isolated; truncating it forgets them. */
void kvik_session_mark(struct kvik_session *s, size_t position);
int kvik_session_read_prefix(const struct kvik_session *s, struct kvik_prefix *p); /* of the last feed or take */

/* Appends as many of the n tokens as the cache knows, and computes nothing; *taken: how many. For those who plan their
 * own steps: leave the last token of a prompt to kvik_cache_step, which gives its logits. Errors: ARG, NOMEM. */
int kvik_session_take(struct kvik_session *s, const uint32_t *ids, size_t n, size_t *taken, struct kvik_err *err);

/* While on, feeds and generations of s end at the next step of at most `chunk` tokens: a feed with CANCELLED, keeping
 * what was computed, a generation with KVIK_FINISH_CANCELLED. Stays on until it is switched off. Any thread, and signal
 * handlers, as long as s lives. */
void kvik_session_interrupt(struct kvik_session *s, bool on);

/* Appends n tokens as kvik_session_feed does, but computes nothing: their keys and values are arbitrary bytes. For
 * measuring memory and speed at a depth whose prefill would take too long. The session is isolated from then on.
 * Errors as for feed. */
int kvik_session_fill(struct kvik_session *s, const uint32_t *ids, size_t n, struct kvik_err *err);

/* Logits [vocab_size] after the last token fed; NULL when there is none (at first, after fill, truncate and fork).
 * Valid until the session's next call. */
const float *kvik_session_logits(const struct kvik_session *s);

/* Forgets all tokens after the first n_tokens, in this session; the cache still knows them. Errors as for fork. */
int kvik_session_truncate(struct kvik_session *s, size_t n_tokens, struct kvik_err *err);
size_t kvik_session_tokens(const struct kvik_session *s);
const uint32_t *kvik_session_ids(const struct kvik_session *s); /* [kvik_session_tokens]; valid until the next call */

/* A prefix that is never evicted. */
struct kvik_pin;

/* Keeps the first n_tokens tokens of s in the cache, also after s is gone, until kvik_pin_free or for ttl_ms (0 = no
 * end); copies nothing. The caller frees *out with kvik_pin_free, before the cache. Errors: as for fork; ARG also: s is
 * isolated, so that nobody could use the pin. */
int kvik_session_pin(struct kvik_pin **out, const struct kvik_session *s, size_t n_tokens, uint64_t ttl_ms,
		     struct kvik_err *err);
size_t kvik_pin_tokens(const struct kvik_pin *p); /* 0: its time is over */
void kvik_pin_free(struct kvik_pin *p);

/* A new session that holds what p keeps: to go on from there, or to save it. Errors: ARG (its time is over), FULL, NOMEM. */
int kvik_pin_session(struct kvik_session **out, const struct kvik_pin *p, struct kvik_err *err);

/* ---- Snapshots: a session as bytes (the thread of its cache) --------------------------------------------------------
 *
 * A snapshot holds token ids, their keys, values and states, and the logits if there are any: whoever can read it can read
 * the text. It is restored into a cache of the same model, dtypes, windows and CPU level, of this or another process, and
 * what is fed there then has the bits that the saved session would have given. Damage is found by sums; whoever may have
 * written it on purpose must be trusted as the model's file is. examples/snapshot.c.
 */

/* All n bytes go there, or come from there, in order; false: that failed. */
typedef bool kvik_write_fn(void *user, const void *bytes, size_t n);
typedef bool kvik_read_fn(void *user, void *bytes, size_t n);

/* The first n_tokens tokens of s; with all of them, its logits too. Errors: as for fork; IO (write said so). */
int kvik_session_save(const struct kvik_session *s, size_t n_tokens, kvik_write_fn *write, void *user,
		      struct kvik_err *err);
/* A session as it was saved; its prefix is shared as `share` says (NULL: the default), pin it to keep it. Reads no byte
 * behind the snapshot. On an error the cache is as before. Errors: FORMAT (no snapshot, of another version, damaged), ARG
 * (of another model, dtype, window or CPU level), LIMIT (longer than the context), IO (it ends early, or read said so),
 * FULL, NOMEM. */
int kvik_session_restore(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *share,
			 kvik_read_fn *read, void *user, struct kvik_err *err);
/* The same with a file, which is written beside and renamed, so that it is whole or not there; mode 0600. *bytes: its
 * length; may be NULL. */
int kvik_session_save_file(const struct kvik_session *s, size_t n_tokens, const char *path, uint64_t *bytes,
			   struct kvik_err *err);
int kvik_session_restore_file(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *share,
			      const char *path, struct kvik_err *err);

/* ---- Steps, for those who plan them themselves (the thread of the cache) --------------------------------------------
 *
 * One pass of the model over tokens of many sessions: prompts in pieces beside sessions that go on by a token. It costs
 * about what its largest part would cost alone, for weights are read once. examples/step.c is a small scheduler.
 * A session's part of a step: */
struct kvik_step_item {
	uint32_t size;                /* the same in all items of a step */
	uint32_t n;                   /* at least 1 */
	struct kvik_session *session; /* of this cache; once in a step */
	const uint32_t *ids;          /* [n]: appended to the session */
	uint32_t rows;                /* logits are wanted of the last so many of them: 0..n */
};

/* Computes all items, of at most params.chunk tokens together, looking for none in the cache (kvik_session_take does
 * that). logits: [sum of rows][vocab_size], row after row of item after item; NULL where no rows are wanted. A session
 * with rows has the logits of its last token then: kvik_session_sample goes on from them. On an error nothing was
 * computed and all sessions are as they were. Errors: ARG (also: a cache with no_kv_cache), FULL, LIMIT, NOMEM. */
int kvik_cache_step(struct kvik_cache *c, const struct kvik_step_item *items, size_t n_items, float *logits,
		    struct kvik_err *err);

/* ---- Sampling and generation ------------------------------------------------------------------------------------- */

struct kvik_bias {
	uint32_t id;
	float bias; /* added to the logit */
};

struct kvik_sampling {
	uint32_t size;
	float temperature;            /* 0 = greedy */
	uint32_t top_k;               /* 0 = off */
	float top_p;                  /* 1 = off; smallest set of tokens whose probability reaches it */
	float min_p;                  /* 0 = off; relative to the most probable token */
	float repeat_penalty;         /* 1 = off; divides positive logits of seen tokens, multiplies negative ones */
	float presence_penalty;       /* subtracted once from every seen token */
	float frequency_penalty;      /* subtracted per occurrence */
	uint32_t penalty_last_n;      /* how many of the latest tokens count as seen; 0 = all */
	uint64_t seed;                /* same seed, same tokens, whatever else runs */
	const struct kvik_bias *bias; /* [n_bias], borrowed */
	size_t n_bias;
};
int kvik_sampling_init(struct kvik_sampling *p); /* greedy, everything else off */

enum kvik_sampling_field {
	KVIK_SAMPLING_TEMPERATURE = 1 << 0,
	KVIK_SAMPLING_TOP_K = 1 << 1,
	KVIK_SAMPLING_TOP_P = 1 << 2,
	KVIK_SAMPLING_MIN_P = 1 << 3,
	KVIK_SAMPLING_REPEAT_PENALTY = 1 << 4,
	KVIK_SAMPLING_PENALTY_LAST_N = 1 << 5
};
/* kvik_sampling_default with what the model's makers recommend (generation_config.json, general.sampling.* of a GGUF
 * file) in the place of it; *given: the fields that they set (enum kvik_sampling_field). */
int kvik_model_read_sampling(const struct kvik_model *m, struct kvik_sampling *p, unsigned *given);

/* Picks the next token from the current logits (which stay as they are); does not feed it. params may be NULL. ARG: no
 * logits yet, or a parameter out of its range. */
int kvik_session_sample(struct kvik_session *s, const struct kvik_sampling *params, uint32_t *id, struct kvik_err *err);

struct kvik_logprob {
	uint32_t id;
	float logprob; /* natural logarithm, of the unmodified logits at temperature 1 */
};
#define KVIK_LOGPROBS_MAX 100

/* One step of a generation. */
struct kvik_token {
	uint32_t size;
	uint32_t id;      /* KVIK_NO_ID: text that was held back for a stop string and has come free at the end */
	float logprob;    /* of id; only with n_logprobs */
	uint32_t rank;    /* of id by probability, the first is 1; only with n_logprobs */
	const char *text; /* [text_bytes] whole characters that may be shown now; often of earlier tokens, or none */
	size_t text_bytes;
	const struct kvik_logprob *top; /* [n_top], best first */
	uint32_t n_top;
	const float *logits; /* [vocab_size] that id was picked from; NULL with KVIK_NO_ID, and in events of engines */
};
typedef bool kvik_token_fn(void *user, const struct kvik_token *t); /* false: cancel */

/* Stands between a row of logits and the sampler: a constraint, a penalty of one's own, an observer. Each function may
 * be NULL. They are called on threads of the engine (of a session: its own), for one answer one at a time and in the
 * order of positions, each position once, whatever was preempted or drafted in vain; they must not block. */
struct kvik_processor {
	uint32_t size;
	void *user; /* borrowed, until the answer has ended */
	/* The row that the token after ids[0..n) of answer `choice` is picked from, before biases and penalties. It may
	 * be changed: -INFINITY forbids a token. Log-probabilities are those of the row as it came. */
	void (*process)(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t vocab_size);
	/* The token that was picked. */
	void (*accept)(void *user, uint32_t choice, uint32_t id);
	/* Into ids[max]: what must come next, as far as it is certain; returns how many. In an engine with `drafts`
	 * they are computed in one step; they are sampled like all others. */
	size_t (*forced)(void *user, uint32_t choice, uint32_t *ids, size_t max);
};

struct kvik_generate_params {
	uint32_t size;
	uint32_t max_tokens; /* 0 = as many as fit */
	uint32_t
		min_tokens; /* before so many nothing but max_tokens ends it: the ids that would are not drawn, and stop
				strings not looked for */
	uint32_t n_logprobs;                    /* top K of every step, up to KVIK_LOGPROBS_MAX */
	const struct kvik_sampling *sampling;   /* copied; NULL: the default */
	const struct kvik_processor *processor; /* copied; NULL: none */
	const char *const *stop;                /* [n_stop] strings that end the text and are not shown */
	const size_t *stop_bytes; /* [n_stop] their lengths, NULs being bytes like others; NULL: each ends at its NUL */
	size_t n_stop;
	const uint32_t *stop_ids; /* [n_stop_ids] tokens that end it and are not shown, whatever ignore_end says */
	size_t n_stop_ids;
	bool ignore_end;   /* go on after an end token */
	bool keep_special; /* special tokens appear in the text, but for the one that ends it */
	bool show_stop;    /* the stop string or the token that ends it appears too */
};
int kvik_generate_params_init(struct kvik_generate_params *p);

#define KVIK_FINISHES(X)                                                            \
	X(STOP, "stop")           /* an end token or a stop string */               \
	X(LENGTH, "length")       /* max_tokens, or the context or cache is full */ \
	X(CANCELLED, "cancelled") /* by the caller */

enum kvik_finish {
#define KVIK_FINISH_ENUM(name, text) KVIK_FINISH_##name,
	KVIK_FINISHES(KVIK_FINISH_ENUM)
#undef KVIK_FINISH_ENUM
};
const char *kvik_finish_name(enum kvik_finish f);

struct kvik_generation {
	uint32_t size;
	enum kvik_finish finish;
	uint32_t prompt_tokens;
	uint32_t cached_tokens; /* of the prompt, taken from the cache */
	uint32_t new_tokens;
	double prefill_ms, decode_ms; /* time to the first token; from there to the last */
};

/* Feeds the prompt (n may be 0 when there are logits) and generates; the tokens, but for the last one sampled, stay in
 * the session. params, on_token and result may be NULL; on_token is called on this thread. Errors: as kvik_session_feed
 * (but CANCELLED, which is a finish here) and kvik_session_sample. */
int kvik_generate(struct kvik_session *s, const uint32_t *prompt, size_t n, const struct kvik_generate_params *params,
		  kvik_token_fn *on_token, void *user, struct kvik_generation *result, struct kvik_err *err);

/* ---- Constraints: what a text must be like (any thread) ----------------------------------------------------------------
 *
 * A constraint is compiled once and serves any number of texts. What it cannot enforce is refused when it is made, with
 * the place: a text is never let through for want of knowing better.
 */

enum kvik_constraint_kind {
	KVIK_CONSTRAINT_JSON,   /* any JSON object; text is not looked at */
	KVIK_CONSTRAINT_SCHEMA, /* JSON under a JSON Schema (2020-12, 7 or 4); text is the schema */
	KVIK_CONSTRAINT_REGEX,  /* the whole text matches this regular expression (ECMA-262) */
	KVIK_CONSTRAINT_CHOICE, /* one of the strings in a JSON list */
	/* A context-free grammar: GBNF as llama.cpp has it ("root ::= ..."), or Lark's notation ("start: ..."). Special
	 * tokens are written <name>. */
	KVIK_CONSTRAINT_GRAMMAR,
	/* Structural tags: free text with parts of a given form in it, as vLLM and XGrammar have them; a JSON object with
	 * "format" (tag, triggered_tags, sequence, or, json_schema, ...), or with "structures" and "triggers". The way to
	 * hold the calls of tools to their schemas inside of a model's own markers. */
	KVIK_CONSTRAINT_TAGS
};

struct kvik_constraint;

/* v: the vocabulary of the tokens that masks are about, which must outlive it; NULL: bytes alone. The caller frees *out
 * with kvik_constraint_free, after its matchers and constrained answers. Errors: FORMAT (no such text), UNSUPPORTED
 * (names what cannot be enforced, and where), LIMIT, ARG (nothing can match), NOMEM. */
int kvik_constraint_new(struct kvik_constraint **out, const struct kvik_vocab *v, enum kvik_constraint_kind kind,
			const char *text, size_t text_bytes, struct kvik_err *err);
void kvik_constraint_free(struct kvik_constraint *c);

/* One text, followed byte by byte. One thread at a time. */
struct kvik_matcher;
int kvik_matcher_new(struct kvik_matcher **out, struct kvik_constraint *c, struct kvik_err *err); /* NOMEM */
void kvik_matcher_free(struct kvik_matcher *m);
/* Takes bytes as far as the text can go on with them; returns how many. */
size_t kvik_matcher_feed(struct kvik_matcher *m, const char *bytes, size_t n);
bool kvik_matcher_accepts(struct kvik_matcher *m); /* the text may end here */
/* Bit id % 32 of mask[id / 32] for each token that may come next, end tokens among them where the text may end; mask:
 * [(vocab_size + 31) / 32]. ARG: a constraint without vocabulary. */
int kvik_matcher_mask(struct kvik_matcher *m, uint32_t *mask, struct kvik_err *err);

/* Answers held to a constraint: a processor (see struct kvik_processor) with a matcher for each of `choices` answers. White
 * space between the parts of JSON, numbers and what a grammar ignores are held tighter than in texts that are fed to a
 * matcher, so that no model goes on with them for ever.
 * The constraint must outlive it. The caller frees *out with kvik_constrained_free, after the answers have ended.
 * Errors: ARG (a constraint without vocabulary), NOMEM. */
struct kvik_constrained;
int kvik_constrained_new(struct kvik_constrained **out, struct kvik_constraint *c, uint32_t choices,
			 struct kvik_err *err);
void kvik_constrained_free(struct kvik_constrained *c);
/* Lives as long as c. */
const struct kvik_processor *kvik_constrained_processor(const struct kvik_constrained *c);

/* ---- Engines: many requests at once (any thread, but kvik_engine_poll) -----------------------------------------------
 *
 * One thread of its own computes for all requests in mixed steps over one cache: long prompts are cut so that running
 * texts do not stall, a prefix that is known or being computed is never computed again, and when memory is short the
 * least urgent request waits. What happens comes back as events, in one of two ways:
 *
 *  - called: a thread of the engine, the consumer, calls on_event of each request (examples/engine.c);
 *  - polled: nobody is called; kvik_engine_poll gives the next event to whoever asks, and a file descriptor tells a loop
 *    (poll, epoll, libevent, asyncio) when there are some (examples/poll.c).
 */
struct kvik_engine;

/* A guess of the tokens that follow ids[0..n), into out[max]; returns how many. On the engine's own thread, between two
 * steps: it must not block. */
typedef size_t kvik_draft_fn(void *user, const uint32_t *ids, size_t n, uint32_t *out, size_t max);

struct kvik_engine_params {
	uint32_t size;
	uint32_t sequences; /* at most so many are computed together (default 64) */
	/* NULL: the default; copied. chunk: token budget of a step; sessions: of full length, for which the default of
	 * kv_memory has room */
	const struct kvik_cache_params *cache;
	/* Prefill may stretch a step that decodes to so many times its length without it (default 2), or to so many
	 * milliseconds (default 60; up to twice that where others keep the machine busy), whichever is more. itl_factor
	 * 0: as far as the budget goes. */
	float itl_factor, itl_ms;
	uint32_t tenants;        /* 0..tenants-1 share fairly (default 64) */
	uint32_t queue_requests; /* most that wait (default 1024) */
	uint64_t queue_tokens;   /* most prompt tokens that wait (default 16 Mi) */
	bool polled;             /* events are polled for; false (the default): called */
	/* Speculation: so many drafts are computed in a step beside the tokens that they continue, of all sequences
	 * together (default 0). An answer has the same tokens with and without, to the bit; it has them sooner if
	 * guesses are right. Drafts are what a processor says is forced, else what `draft` (may be NULL) guesses.
	 * Where layers of the model keep a state, a step in which a draft was wrong ends as it began: its right ones
	 * are computed again in the next. */
	uint32_t drafts;
	kvik_draft_fn *draft;
	void *draft_user;
};
int kvik_engine_params_init(struct kvik_engine_params *p);

/* The model must outlive the engine; caches and engines of one device take turns. params may be NULL. The caller frees
 * *out with kvik_engine_free. Errors: ARG, LIMIT, NOMEM, IO (no file descriptor). */
int kvik_engine_new(struct kvik_engine **out, struct kvik_model *m, const struct kvik_engine_params *params,
		    struct kvik_err *err);
/* Takes no more requests and waits until all have ended and their events were taken, or ends them after grace_ms. Of a
 * polled engine it waits for whoever polls: on another thread. */
void kvik_engine_drain(struct kvik_engine *e, uint64_t grace_ms);
/* Ends what is left. A called engine tells each request its end first, and waits for call backs that have not returned;
 * events of a polled one that were not taken are gone. */
void kvik_engine_free(struct kvik_engine *e);
const struct kvik_model *kvik_engine_model(const struct kvik_engine *e);
/* With the defaults of the model filled in: cache->context, ... p->cache lives as long as e. */
int kvik_engine_read_params(const struct kvik_engine *e, struct kvik_engine_params *p);

/* Saves to a file (see Snapshots) what the engine's cache knows of ids[0..n) for this share (NULL: the default), between two
 * steps; *saved: so many tokens. Errors: ARG (an id outside the vocabulary; it knows nothing of them), IO, FULL, NOMEM,
 * CANCELLED (the engine drains). Not on the engine's own threads. */
int kvik_engine_save_file(struct kvik_engine *e, const struct kvik_share *share, const uint32_t *ids, size_t n,
			  const char *path, size_t *saved, uint64_t *bytes, struct kvik_err *err);
/* And back: requests that begin with these tokens find them, for as long as memory lasts. *ids: [*n], freed with kvik_free.
 * Errors: as kvik_session_restore; CANCELLED. */
int kvik_engine_restore_file(struct kvik_engine *e, const struct kvik_share *share, const char *path, uint32_t **ids,
			     size_t *n, uint64_t *bytes, struct kvik_err *err);

struct kvik_usage {
	uint32_t size;
	uint32_t prompt_tokens, new_tokens;
	uint32_t cached_tokens; /* of the prompt: found in the cache, or computed for another request meanwhile */
	uint32_t preemptions;
	double queue_ms, first_token_ms, total_ms; /* since submission; first_token_ms 0: there was none */
};

enum kvik_event_kind {
	KVIK_EVENT_PROMPT, /* token of the prompt, with its log-probability; of a request that asked for it */
	KVIK_EVENT_TOKEN,  /* token, of `choice` */
	KVIK_EVENT_CHOICE, /* `choice` has ended: finish, stop */
	KVIK_EVENT_END     /* the request has ended: usage; error; its last event */
};

struct kvik_event {
	uint32_t size;
	enum kvik_event_kind kind;
	uint64_t id; /* of the request, as kvik_engine_submit named it */
	void *user;  /* of the request */
	uint32_t choice;
	enum kvik_finish finish;        /* CHOICE */
	const struct kvik_token *token; /* PROMPT, TOKEN */
	const char *stop;               /* [stop_bytes] the stop string that ended a CHOICE; NULL: none did */
	size_t stop_bytes;
	const struct kvik_usage *usage;   /* END */
	const struct kvik_prefix *prefix; /* END: how the prompt met the cache when its computing began */
	/* END; NULL: it ended well. FULL: the queue is full, try again after retry_ms. LIMIT: it can never fit.
	 * CANCELLED: also by a deadline, see its text. */
	const struct kvik_err *error;
	uint64_t retry_ms;
	const float *embedding; /* [dim], with END of a request that asked for it */
};
/* On the engine's consumer thread, a thread of its own, in order; what it does keeps no step waiting. It must not call
 * kvik_engine_drain or kvik_engine_free. What the event points to ends with the call. After kvik_engine_cancel no more
 * tokens come, but for one that is on its way.
 *
 * Events that are not taken yet lie in a ring of fixed size; when it is full the engine computes no faster than they are
 * taken. A call back that does not return within about a second while others' events wait loses its request: that is
 * cancelled, its events are dropped but for its END, which comes when the call has returned, and another thread goes on
 * with the others. Sixteen such calls at once hold the engine until one returns. */
typedef void kvik_event_fn(void *user, const struct kvik_event *e);

enum kvik_pooling { KVIK_POOLING_NONE, KVIK_POOLING_MEAN, KVIK_POOLING_LAST };

/* What is to become of the beginning of a prompt once the request has ended well. */
struct kvik_retain {
	uint32_t tokens;  /* the first so many; 0: the whole prompt */
	uint8_t priority; /* at least; see kvik_share */
	bool pin;         /* never evicted, for ttl_ms (0: no end), or until the next pin of the same session */
	uint64_t ttl_ms;  /* at least; see kvik_share */
};
#define KVIK_RETAIN_MAX 8

struct kvik_request_params {
	uint32_t size;
	uint32_t choices;    /* answers to the one prompt; choice i draws with seed + i (default 1) */
	const uint32_t *ids; /* [n_ids], copied; at least one */
	size_t n_ids;
	const struct kvik_generate_params *generate; /* copied, with all it points to; NULL: the default */
	const struct kvik_share *share;              /* of the prefix cache; copied; NULL: the default */
	uint32_t tenant;                             /* shares fairly with the others */
	int32_t priority;                            /* higher is earlier within a tenant; -1000..1000 */
	uint64_t queue_ms_max, total_ms_max;         /* ends after so long in the queue, or in all; 0 = never */
	/* Top K of every token of the prompt, up to KVIK_LOGPROBS_MAX, in order and before the first token of an
	 * answer; the first token's own log-probability is NAN, for nothing is before it. The whole prompt is computed,
	 * whatever is cached. 0: none. */
	uint32_t prompt_logprobs;
	enum kvik_pooling pooling; /* not NONE: no text; the embedding of the prompt, of length 1 */
	kvik_event_fn *on_event;   /* not called, and may be NULL, in a polled engine */
	void *user;
	/* [n_marks], copied: positions in ids, 1..n_ids, that later prompts may share it up to, such as borders of
	 * messages (kvik_chat_prompt_marks). Where layers keep a state it is kept there; where they have windows these are
	 * given up late. At most KVIK_MARKS_MAX. */
	const uint32_t *marks;
	size_t n_marks;
	/* [n_retain], copied, at most KVIK_RETAIN_MAX. As far as the cache can end a match there: see marks. All pins together
	 * take at most half of the cache; what does not fit is not pinned (kvik_engine_stats.pins_refused). */
	const struct kvik_retain *retain;
	size_t n_retain;
	uint64_t
		session; /* names the pins of a conversation in its share's scope: a new one takes the place of the last. 0: none */
};
int kvik_request_params_init(struct kvik_request_params *p);

/* Queues a request; *id names it for kvik_engine_cancel. From 0 on there are events, with END as the last one, whatever
 * happens; they may come before this returns. Errors (then none comes): ARG, NOMEM, CANCELLED (the engine drains). */
int kvik_engine_submit(struct kvik_engine *e, const struct kvik_request_params *params, uint64_t *id,
		       struct kvik_err *err);
/* Ends a request soon, if it has not ended; its pages are free at the next step. */
void kvik_engine_cancel(struct kvik_engine *e, uint64_t id);

/* Of a polled engine. The next event, or NULL: there is none now. It and what it points to live until the next call, or
 * until e is freed. One thread at a time; never waits. Of a called engine: NULL. */
const struct kvik_event *kvik_engine_poll(struct kvik_engine *e);
/* A file descriptor that is readable while there are events to poll for. It stays the engine's: watch it, do not read or
 * close it. -1: the engine is not polled. */
int kvik_engine_fd(const struct kvik_engine *e);

struct kvik_engine_stats {
	uint32_t size;
	uint32_t running, waiting; /* sequences */
	bool draining;             /* no more requests are taken */
	uint64_t kv_bytes_ceiling, kv_bytes_used, kv_bytes_peak;
	/* kv_bytes_used is the sum of these: pages that sequences hold (0 when idle), cached prefixes that nobody
	 * holds, which are evicted when room is needed, and tables. */
	uint64_t kv_bytes_live, kv_bytes_cached, kv_bytes_tables;
	uint64_t kv_pages_copied; /* heads of pages that others share */
	uint64_t kv_pages_packed; /* at the floor dtype now */
	uint64_t prefix_tokens_queried, prefix_tokens_hit, prefix_tokens_joined, prefix_tokens_evicted;
	uint64_t prompt_tokens_computed, new_tokens, tokens_recomputed;
	uint64_t drafts_computed, drafts_right;
	uint64_t requests, refused, finished, cancelled, expired, failed, preemptions, steps;
	double queue_ms_sum, step_ms_last;
	double step_ms_sum, overhead_ms_sum; /* of all steps; of these, outside forward passes and sampling */
	/* The same in processor time of the engine's own thread, which others on the machine do not stretch. */
	double step_cpu_ms_sum, overhead_cpu_ms_sum;
	double hit_rate_at[4]; /* predicted at half, the same, twice and four times the memory; NAN: unknown yet */
	/* Since 0.2.0, of the disk below the cache (kvik_cache_params.disk); all 0 without one. */
	uint64_t disk_bytes, disk_bytes_max, disk_records; /* in the folder */
	uint64_t disk_bytes_read, disk_bytes_written;
	uint64_t disk_pages_read, disk_pages_written;
	uint64_t disk_tokens_known;  /* found there from before */
	uint64_t disk_tokens_loaded; /* prompt tokens that were read instead of computed */
	uint64_t disk_tokens_lost;   /* known ones that could not be read: computed again */
	uint64_t disk_refused;       /* records: not worth their writing */
	uint64_t disk_evicted;       /* records: gone for room on the disk */
	uint64_t disk_failed;        /* reads and writes that failed, which no request notices */
	uint64_t disk_faults;        /* of all kinds (see disk_log) */
	double disk_read_ms_sum, disk_write_ms_sum;
	uint64_t pins, tokens_pinned, pins_refused; /* kvik_request_params.retain: now, and ever */
};
int kvik_engine_read_stats(struct kvik_engine *e, struct kvik_engine_stats *s);

/* ---- By value ----------------------------------------------------------------------------------------------------
 *
 * kvik_NAME_default(): a struct NAME with its size and defaults. kvik_NOUN_get_WHAT(...): what kvik_NOUN_read_WHAT
 * fills. They are compiled into the caller, so that a struct's size is that of the caller's header. */
#define KVIK_DEFAULT(name)                             \
	static inline struct name name##_default(void) \
	{                                              \
		struct name x;                         \
		x.size = (uint32_t)sizeof x;           \
		name##_init(&x);                       \
		return x;                              \
	}
KVIK_DEFAULT(kvik_device_params)
KVIK_DEFAULT(kvik_model_params)
KVIK_DEFAULT(kvik_chat_request)
KVIK_DEFAULT(kvik_cache_params)
KVIK_DEFAULT(kvik_share)
KVIK_DEFAULT(kvik_sampling)
KVIK_DEFAULT(kvik_generate_params)
KVIK_DEFAULT(kvik_engine_params)
KVIK_DEFAULT(kvik_request_params)
#undef KVIK_DEFAULT

#define KVIK_GET(get, read, what, noun)           \
	static inline struct what get(noun *from) \
	{                                         \
		struct what x;                    \
		x.size = (uint32_t)sizeof x;      \
		read(from, &x);                   \
		return x;                         \
	}
KVIK_GET(kvik_model_get_info, kvik_model_read_info, kvik_model_info, const struct kvik_model)
KVIK_GET(kvik_file_get_info, kvik_file_read_info, kvik_model_info, const struct kvik_file)
KVIK_GET(kvik_cache_get_stats, kvik_cache_read_stats, kvik_cache_stats, const struct kvik_cache)
KVIK_GET(kvik_session_get_prefix, kvik_session_read_prefix, kvik_prefix, const struct kvik_session)
KVIK_GET(kvik_engine_get_params, kvik_engine_read_params, kvik_engine_params, const struct kvik_engine)
KVIK_GET(kvik_engine_get_stats, kvik_engine_read_stats, kvik_engine_stats, struct kvik_engine)
#undef KVIK_GET

static inline struct kvik_sampling kvik_model_get_sampling(const struct kvik_model *m, unsigned *given)
{
	struct kvik_sampling x;
	x.size = (uint32_t)sizeof x;
	kvik_model_read_sampling(m, &x, given);
	return x;
}

/* i < kvik_file_tensors(f) */
static inline struct kvik_tensor_info kvik_file_get_tensor(const struct kvik_file *f, size_t i)
{
	struct kvik_tensor_info x;
	x.size = (uint32_t)sizeof x;
	kvik_file_read_tensor(f, i, &x);
	return x;
}

#ifdef __cplusplus
}
#endif
#endif
