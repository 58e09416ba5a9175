/* gen.h: the options of a generation: how tokens are drawn and when the text ends. */
#ifndef KVIK_CLI_GEN_H
#define KVIK_CLI_GEN_H

#include <kvik.h>

#include "cli/common.h"

struct gen_opts {
	struct kvik_generate_params params; /* of use once gen_opts_finish was called; points into this struct */
	struct opt_texts stop, bias;
	struct kvik_bias biases[OPT_TEXTS_MAX];
};

/* max_tokens_help: what -n means here, and what holds without it. */
void add_gen_opts(struct opt_list *l, struct gen_opts *o, const char *max_tokens_help);
int gen_opts_finish(struct gen_opts *o, struct kvik_err *err) MUST_CHECK;

#endif
