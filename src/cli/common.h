/* common.h: what commands share: options of models and caches, loading with a progress bar, prompts, errors. */
#ifndef KVIK_CLI_COMMON_H
#define KVIK_CLI_COMMON_H

#include <kvik.h>

#include "base/human.h"
#include "cli/opts.h"

/* An option table put together from groups; the last entry stays empty. */
struct opt_list {
	struct opt table[96];
	size_t n;
};
void opt_list_add(struct opt_list *l, const struct opt *opts, size_t n);
#define OPT_LIST_ADD(l, opts) opt_list_add(l, opts, sizeof(opts) / sizeof *(opts))

/* What a command says of itself in --help. line: the words that call it, then what is in brackets. */
struct usage {
	const char *line, *text, *examples;
};

/* Parses, and answers --help. Returns the count of rest[], or the exit status in *status and -1: the command ends. */
int parse_command(struct opt_list *l, const struct usage *u, int argc, char **argv, const char **rest, int rest_max,
		  int *status);

/* "kvik: text" on stderr; returns the exit status that fits the code. */
int fail(const struct kvik_err *err);

struct model_opts {
	uint32_t threads;
	int act, quantize;
	const char *synthetic; /* SHAPE:TYPE instead of a model */
	char path[256];        /* of the synthetic model */
	bool quiet;
};
void add_model_opts(struct opt_list *l, struct model_opts *o);
struct kvik_model_params model_params(const struct model_opts *o);
/* The path that kvik_model_load takes: rest[0], the synthetic model, or NULL for the built-in one. */
const char *model_path(struct model_opts *o, int n_rest, const char **rest);
void show_warning(const char *text); /* on stderr */
/* Warns of a context beyond the trained one, and of what (the KV cache, ...) needs more memory than is free here. */
void warn_ceilings(const struct kvik_model_info *info, uint32_t context, const char *what, uint64_t bytes);
/* With a progress bar on a terminal, and the warnings of the model's files. */
int load_model(struct kvik_model **m, const char *path, const struct model_opts *o, struct kvik_err *err) MUST_CHECK;

struct cache_opts {
	const char *dtype;        /* "K" or "K,V" */
	const char *exempt;       /* list of layers */
	const char *exempt_dtype; /* "K" or "K,V" */
	const char *floor_dtype;  /* "K" or "K,V" */
	uint32_t floor_after_s;
	float disk_sync_s;
	int disk_load; /* 1: always */
	struct kvik_cache_params params;
};
void add_cache_opts(struct opt_list *l, struct cache_opts *o);
/* How an engine plans, under this heading, and its cache. */
void add_engine_opts(struct opt_list *l, const char *heading, struct kvik_engine_params *e, struct cache_opts *c);
/* Fills in what the texts say. */
int cache_opts_finish(struct cache_opts *o, struct kvik_err *err) MUST_CHECK;
/* "K" or "K,V" of --kv-dtype. */
int parse_kv_dtype(const char *text, struct kvik_cache_params *p, struct kvik_err *err) MUST_CHECK;

/* A whole file, or standard input for "-"; *text is freed with mem_free and ends with a NUL that *n does not count. */
int read_text(const char *path, char **text, size_t *n, struct kvik_err *err) MUST_CHECK;

/* Tokens per second; the first new token comes out of the prefill. */
double prefill_rate(const struct kvik_generation *g);
double decode_rate(const struct kvik_generation *g);

struct report_opts;
void add_report_opts(struct opt_list *l, struct report_opts *o); /* --json, --html FILE */

#endif
