/* sampling.h: the parameters of generation that the dialects share, from JSON to what the engine takes. */
#ifndef KVIK_API_SAMPLING_H
#define KVIK_API_SAMPLING_H

#include <kvik.h>

#include "api/fields.h"

#define SAMPLING_FIELDS 28
#define SAMPLING_STOPS_MAX 16

struct sampling {
	struct kvik_generate_params generate; /* its pointers lead into this struct */
	struct kvik_sampling draw;            /* the one of `generate` */
	uint32_t n;                           /* choices */
	int64_t default_seed;                 /* when none is asked for; -1: a new one */
	int32_t priority;                     /* higher is earlier, as the engine has it */
	bool skip_special;                    /* special tokens are no text */
	json_t *stop_json, *stop_ids_json, *bias_json, *seed_json, *priority_json, *last_n_json;
	const char *stops[SAMPLING_STOPS_MAX]; /* borrowed from the body */
	size_t stop_bytes[SAMPLING_STOPS_MAX];
	uint32_t *stop_ids;     /* owned */
	struct kvik_bias *bias; /* owned */
};

/* defaults: of what a body does not say; its seed and biases do not count. */
void sampling_init(struct sampling *s, const struct kvik_sampling *defaults);
void sampling_release(struct sampling *s);
/* Writes the fields into table; returns how many, at most SAMPLING_FIELDS. They point into s. */
size_t sampling_fields(struct sampling *s, struct field *table);
/* After fields_read: what is no plain number. n_vocab: ids must be below. */
int sampling_finish(struct sampling *s, uint32_t n_vocab, struct field_error *e) MUST_CHECK;

#endif
