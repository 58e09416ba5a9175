/* gen.c: see gen.h. */
#include "cli/gen.h"

void add_gen_opts(struct opt_list *l, struct gen_opts *o, const char *max_tokens_help)
{
	o->params = kvik_generate_params_default();
	struct kvik_generate_params *g = &o->params;
	struct kvik_sampling *s = &g->sampling;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Generation:"},
		{OPT_U32, 'n', "max-tokens", &g->max_tokens, 1, 1 << 30, .arg = "N", .help = max_tokens_help},
		{OPT_FLOAT, 0, "temp", &s->temperature, 0, 100, .arg = "T",
		 .help = "Temperature; 0 takes the most probable token (default)."},
		{OPT_U32, 0, "top-k", &s->top_k, .arg = "K", .help = "Draw from the K most probable tokens."},
		{OPT_FLOAT, 0, "top-p", &s->top_p, 0, 1, .arg = "P",
		 .help = "Draw from the smallest set whose probability reaches P."},
		{OPT_FLOAT, 0, "min-p", &s->min_p, 0, 1, .arg = "P",
		 .help = "Leave out tokens below P times the most probable one."},
		{OPT_FLOAT, 0, "repeat-penalty", &s->repeat_penalty, 0, 100, .arg = "R",
		 .help = "Divide the logits of recent tokens by R."},
		{OPT_FLOAT, 0, "presence-penalty", &s->presence_penalty, -100, 100, .arg = "A",
		 .help = "Subtract A from the logit of every recent token."},
		{OPT_FLOAT, 0, "frequency-penalty", &s->frequency_penalty, -100, 100, .arg = "A",
		 .help = "Subtract A per occurrence."},
		{OPT_U32, 0, "repeat-last-n", &s->penalty_last_n, .arg = "N",
		 .help = "How many tokens count as recent (default 64; 0 = all)."},
		{OPT_U64, 0, "seed", &s->seed, .arg = "S", .help = "Same seed, same text (default 0)."},
		{OPT_TEXTS, 0, "logit-bias", &o->bias, .arg = "ID:B",
		 .help = "Add B to the logit of token ID; may be given several times."},
		{OPT_TEXTS, 0, "stop", &o->stop, .arg = "TEXT",
		 .help = "End before this text is shown; may be given several times."},
		{OPT_FLAG, 0, "ignore-end", &g->ignore_end, .help = "Go on after the model says that it is done."},
	};
	OPT_LIST_ADD(l, opts);
}

int gen_opts_finish(struct gen_opts *o, struct kvik_err *err)
{
	for (size_t i = 0; i < o->bias.n; i++) {
		unsigned id;
		int end = 0;
		if (sscanf(o->bias.text[i], "%u:%f%n", &id, &o->biases[i].bias, &end) != 2 || o->bias.text[i][end])
			return err_set(err, KVIK_ERR_ARG, "--logit-bias: '%s' is not ID:BIAS, e.g. 13:-2.5",
				       o->bias.text[i]);
		o->biases[i].id = id;
	}
	o->params.sampling.bias = o->biases;
	o->params.sampling.n_bias = o->bias.n;
	o->params.stop = o->stop.text;
	o->params.n_stop = o->stop.n;
	return 0;
}
