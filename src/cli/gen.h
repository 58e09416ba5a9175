/* gen.h: the options of a generation: how tokens are drawn and when the text ends. */
#ifndef KVIK_CLI_GEN_H
#define KVIK_CLI_GEN_H

#include <kvik.h>

#include "cli/common.h"

/* How tokens are drawn, as far as the command line says: what it does not is NAN, or UINT32_MAX. */
struct sampling_opts {
	float temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
	uint32_t top_k, penalty_last_n;
};
/* default_help: what holds without them. */
void add_sampling_opts(struct opt_list *l, struct sampling_opts *o, const char *default_help);
/* Writes what was said over s. */
void sampling_opts_apply(const struct sampling_opts *o, struct kvik_sampling *s);

/* What a chat and a server draw with where nobody says: what the model's makers recommend; what they leave open is as
 * llama-server has it. */
struct kvik_sampling recommended_sampling(const struct kvik_model *m);

struct gen_opts {
	struct kvik_generate_params params; /* of use once gen_opts_finish was called; points into this struct */
	struct kvik_sampling draw;          /* the one of params */
	struct sampling_opts sampling;
	uint64_t seed; /* UINT64_MAX: none was given */
	struct opt_texts stop, bias;
	struct kvik_bias biases[OPT_TEXTS_MAX];
};

/* max_tokens_help, sampling_help, seed_help: what holds without them. */
struct gen_help {
	const char *max_tokens, *sampling, *seed;
};
void add_gen_opts(struct opt_list *l, struct gen_opts *o, const struct gen_help *help);
/* defaults: of what the command line does not say. */
int gen_opts_finish(struct gen_opts *o, const struct kvik_sampling *defaults, struct kvik_err *err) MUST_CHECK;

#endif
