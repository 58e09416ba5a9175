/* gen.c: see gen.h. */
#include "cli/gen.h"

#include <math.h>

#include "api/api.h"

void add_sampling_opts(struct opt_list *l, struct sampling_opts *o, const char *default_help)
{
	*o = (struct sampling_opts){NAN, NAN, NAN, NAN, NAN, NAN, UINT32_MAX, UINT32_MAX};
	const struct opt opts[] = {
		{OPT_HEADING, .help = default_help},
		{OPT_FLOAT, 0, "temp", &o->temperature, 0, 100, .arg = "T",
		 .help = "Temperature; 0 takes the most probable token."},
		{OPT_U32, 0, "top-k", &o->top_k, .arg = "K", .help = "Draw from the K most probable tokens; 0 = all."},
		{OPT_FLOAT, 0, "top-p", &o->top_p, 0, 1, .arg = "P",
		 .help = "Draw from the smallest set whose probability reaches P; 1 = all."},
		{OPT_FLOAT, 0, "min-p", &o->min_p, 0, 1, .arg = "P",
		 .help = "Leave out tokens below P times the most probable one; 0 = none."},
		{OPT_FLOAT, 0, "repeat-penalty", &o->repeat_penalty, 0, 100, .arg = "R",
		 .help = "Divide the logits of recent tokens by R; 1 = off."},
		{OPT_FLOAT, 0, "presence-penalty", &o->presence_penalty, -100, 100, .arg = "A",
		 .help = "Subtract A from the logit of every recent token."},
		{OPT_FLOAT, 0, "frequency-penalty", &o->frequency_penalty, -100, 100, .arg = "A",
		 .help = "Subtract A per occurrence."},
		{OPT_U32, 0, "repeat-last-n", &o->penalty_last_n, .arg = "N",
		 .help = "How many tokens count as recent (default 64; 0 = all)."},
	};
	OPT_LIST_ADD(l, opts);
}

static void set_float(float *to, float given)
{
	if (!isnan(given))
		*to = given;
}

static void set_count(uint32_t *to, uint32_t given)
{
	if (given != UINT32_MAX)
		*to = given;
}

void sampling_opts_apply(const struct sampling_opts *o, struct kvik_sampling *s)
{
	set_float(&s->temperature, o->temperature);
	set_float(&s->top_p, o->top_p);
	set_float(&s->min_p, o->min_p);
	set_float(&s->repeat_penalty, o->repeat_penalty);
	set_float(&s->presence_penalty, o->presence_penalty);
	set_float(&s->frequency_penalty, o->frequency_penalty);
	set_count(&s->top_k, o->top_k);
	set_count(&s->penalty_last_n, o->penalty_last_n);
}

struct kvik_sampling recommended_sampling(const struct kvik_model *m)
{
	unsigned given;
	struct kvik_sampling s = kvik_model_get_sampling(m, &given), other = api_sampling_default();
	if (!(given & KVIK_SAMPLING_TEMPERATURE))
		s.temperature = other.temperature;
	if (!(given & KVIK_SAMPLING_TOP_K))
		s.top_k = other.top_k;
	if (!(given & KVIK_SAMPLING_TOP_P))
		s.top_p = other.top_p;
	if (!(given & KVIK_SAMPLING_MIN_P))
		s.min_p = other.min_p;
	return s;
}

void add_gen_opts(struct opt_list *l, struct gen_opts *o, const struct gen_help *help)
{
	o->params = kvik_generate_params_default();
	o->seed = UINT64_MAX;
	struct kvik_generate_params *g = &o->params;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Generation:"},
		{OPT_U32, 'n', "max-tokens", &g->max_tokens, 1, 1 << 30, .arg = "N", .help = help->max_tokens},
		{OPT_U64, 0, "seed", &o->seed, .arg = "S", .help = help->seed},
		{OPT_TEXTS, 0, "logit-bias", &o->bias, .arg = "ID:B",
		 .help = "Add B to the logit of token ID; may be given several times."},
		{OPT_TEXTS, 0, "stop", &o->stop, .arg = "TEXT",
		 .help = "End before this text is shown; may be given several times."},
		{OPT_FLAG, 0, "ignore-end", &g->ignore_end, .help = "Go on after the model says that it is done."},
	};
	OPT_LIST_ADD(l, opts);
	add_sampling_opts(l, &o->sampling, help->sampling);
}

int gen_opts_finish(struct gen_opts *o, const struct kvik_sampling *defaults, struct kvik_err *err)
{
	o->draw = *defaults;
	o->params.sampling = &o->draw;
	sampling_opts_apply(&o->sampling, &o->draw);
	if (o->seed != UINT64_MAX)
		o->draw.seed = o->seed;
	for (size_t i = 0; i < o->bias.n; i++) {
		unsigned id;
		int end = 0;
		if (sscanf(o->bias.text[i], "%u:%f%n", &id, &o->biases[i].bias, &end) != 2 || o->bias.text[i][end])
			return err_set(err, KVIK_ERR_ARG, "--logit-bias: '%s' is not ID:BIAS, e.g. 13:-2.5",
				       o->bias.text[i]);
		o->biases[i].id = id;
	}
	o->draw.bias = o->biases;
	o->draw.n_bias = o->bias.n;
	o->params.stop = o->stop.text;
	o->params.n_stop = o->stop.n;
	return 0;
}
