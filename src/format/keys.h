/* keys.h: the configuration of a model, GGUF metadata or config.json, as typed fields under one view.
 *
 * A field is asked for under its name in each kind of file: GGUF's without the architecture in front
 * ("attention.head_count"), the Hugging Face one as a path ("rope_parameters.rope_theta"); NULL where that kind has no
 * such field. A field of the wrong type is an error that names file and field, never a default. The first error is kept
 * and later calls find nothing, so that reading a list of fields stays a list: look at keys.rc once, at the end.
 *
 * The view remembers what was asked for: keys_finish names the fields that nobody read. */
#ifndef KVIK_FORMAT_KEYS_H
#define KVIK_FORMAT_KEYS_H

#include "format/source.h"

enum { KEYS_ASKED_MAX = 400, KEYS_NAME_MAX = 96, KEYS_ARCH_MAX = 32 };

struct json_t;

struct keys {
	const char *file; /* for error texts; borrowed, like what follows */
	const struct gguf *gguf;
	const struct json_t *json;  /* one of the two is NULL */
	const struct json_t *whole; /* the config.json of several models of which json describes the language model */
	char arch[KEYS_ARCH_MAX];   /* general.architecture or model_type */
	int rc;                     /* first error */
	struct kvik_err *err;
	uint32_t n_asked;
	char asked[KEYS_ASKED_MAX][KEYS_NAME_MAX];
};

/* The architecture's name is read; s must outlive k. FORMAT: it is missing. */
int keys_open(struct keys *k, const struct source *s, struct kvik_err *err) MUST_CHECK;
/* Over the bytes of a config.json alone; json must outlive k. Where it describes a model of more than language (text_config
 * beside vision_config, audio_config, ...), the view is of its text_config. */
int keys_open_json(struct keys *k, const struct json_t *json, const char *file, struct kvik_err *err) MUST_CHECK;
/* FORMAT: an error of reading. UNSUPPORTED: a field that changes the computation was not read. unknown: names of the
 * other fields that were neither read nor are known to be harmless, comma-separated, cut to fit; "" = none. */
int keys_finish(struct keys *k, char *unknown, size_t unknown_bytes) MUST_CHECK;

static inline bool keys_hf(const struct keys *k)
{
	return k->json != NULL;
}

/* The model is the language part of a larger one. */
static inline bool keys_nested(const struct keys *k)
{
	return k->whole != NULL;
}

/* True: the field is there. What is absent, or null, leaves *v as it is. */
bool keys_has(struct keys *k, const char *gguf, const char *hf);
bool keys_u32(struct keys *k, const char *gguf, const char *hf, uint32_t *v);
bool keys_f32(struct keys *k, const char *gguf, const char *hf, float *v);
bool keys_f64(struct keys *k, const char *gguf, const char *hf, double *v);
bool keys_bool(struct keys *k, const char *gguf, const char *hf, bool *v);
/* Copies; what is longer than the buffer is cut. */
bool keys_text(struct keys *k, const char *gguf, const char *hf, char *v, size_t bytes);
/* The same, absence being an error. */
void keys_need_u32(struct keys *k, const char *gguf, const char *hf, uint32_t *v);
void keys_need_f32(struct keys *k, const char *gguf, const char *hf, float *v);

/* A field of the whole config.json that holds for the language part, too. */
bool keys_whole_has(const struct keys *k, const char *hf);
bool keys_whole_bool(struct keys *k, const char *hf, bool *v);

/* The field is an object with something in it; another type is an error (JSON). */
bool keys_object(struct keys *k, const char *hf);
/* The field is there and null, which takes a default away (JSON). */
bool keys_is_null(struct keys *k, const char *hf);

/* Elements of the field where it is an array, else 0. */
uint64_t keys_count(struct keys *k, const char *gguf, const char *hf);
/* Element i of an array; one value stands for all where the field is no array. False: absent, or i is beyond the
 * end. */
bool keys_u32_at(struct keys *k, const char *gguf, const char *hf, uint32_t i, uint32_t *v);
bool keys_bool_at(struct keys *k, const char *gguf, const char *hf, uint32_t i, bool *v);
bool keys_text_at(struct keys *k, const char *hf, uint32_t i, char *v, size_t bytes); /* JSON */

/* The field of a layer in an object that has one for each layer that differs, under its number, zeros before it or none:
 * hf "per_layer_config", field "head_dim": per_layer_config.07.head_dim (JSON). */
bool keys_u32_layer(struct keys *k, const char *hf, uint32_t layer, const char *field, uint32_t *v);

/* Records "FILE: 'FIELD' WHAT" (GGUF: "GGUF key 'ARCH.FIELD'") unless there is an error already. */
void keys_fail(struct keys *k, int code, const char *gguf, const char *hf, const char *what);

#endif
