/* metrics.c: see metrics.h. */
#include "api/metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const struct series {
	const char *name, *help;
	double unit;
} all_series[METRICS_SERIES_COUNT] = {
#define METRICS_ENTRY(series, name, unit, help) [METRICS_##series] = {name, help, unit},
	METRICS_SERIES(METRICS_ENTRY)
#undef METRICS_ENTRY
};

void metrics_init(struct metrics *m)
{
	*m = (struct metrics){0};
	pthread_mutex_init(&m->lock, NULL);
}

void metrics_release(struct metrics *m)
{
	pthread_mutex_destroy(&m->lock);
}

/* ---- Collecting -------------------------------------------------------------------------------------------------- */

static double bound(enum metrics_series s, int bucket)
{
	static const double step[] = {1, 2, 5};
	return all_series[s].unit * step[bucket % 3] * pow(10, bucket / 3);
}

void metrics_observe(struct metrics *m, enum metrics_series series, double value)
{
	int b = 0;
	while (b < METRICS_BUCKETS && value > bound(series, b))
		b++;
	pthread_mutex_lock(&m->lock);
	m->series[series].count[b]++;
	m->series[series].sum += value;
	pthread_mutex_unlock(&m->lock);
	if (m->whole)
		metrics_observe(m->whole, series, value);
}

void metrics_request(struct metrics *m, const struct kvik_usage *u, uint32_t choices)
{
	metrics_observe(m, METRICS_WHOLE, u->total_ms / 1e3);
	metrics_observe(m, METRICS_QUEUE, u->queue_ms / 1e3);
	metrics_observe(m, METRICS_PROMPT, u->prompt_tokens);
	metrics_observe(m, METRICS_COMPUTED, u->prompt_tokens - u->cached_tokens);
	metrics_observe(m, METRICS_GENERATED, u->new_tokens);
	metrics_observe(m, METRICS_CHOICES, choices);
	if (u->first_token_ms <= 0)
		return;
	double decode_s = (u->total_ms - u->first_token_ms) / 1e3, per_choice = (double)u->new_tokens / choices;
	metrics_observe(m, METRICS_PREFILL, (u->first_token_ms - u->queue_ms) / 1e3);
	metrics_observe(m, METRICS_DECODE, decode_s);
	if (per_choice > 1)
		metrics_observe(m, METRICS_PER_TOKEN, decode_s / (per_choice - 1));
}

void metrics_count_end(struct metrics *m, enum metrics_end end, uint32_t answers)
{
	pthread_mutex_lock(&m->lock);
	m->ends[end] += answers;
	pthread_mutex_unlock(&m->lock);
	if (m->whole)
		metrics_count_end(m->whole, end, answers);
}

void metrics_miss(struct metrics *m, enum kvik_miss why, uint32_t tokens, enum nonce nonce)
{
	if ((size_t)why >= KVIK_MISS_COUNT)
		return;
	pthread_mutex_lock(&m->lock);
	m->misses[why]++;
	m->missed_tokens[why] += tokens;
	m->nonces[nonce]++;
	pthread_mutex_unlock(&m->lock);
	if (m->whole)
		metrics_miss(m->whole, why, tokens, nonce);
}

void metrics_run(struct metrics *m, int32_t answers)
{
	pthread_mutex_lock(&m->lock);
	m->running += answers;
	pthread_mutex_unlock(&m->lock);
	if (m->whole)
		metrics_run(m->whole, answers);
}

int64_t metrics_running(struct metrics *m)
{
	pthread_mutex_lock(&m->lock);
	int64_t n = m->running > 0 ? m->running : 0; /* an end may be told before its beginning */
	pthread_mutex_unlock(&m->lock);
	return n;
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

struct printer {
	struct buf *out;
	const char *label; /* model_name="...", escaped */
	bool failed;
};

static void print(struct printer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void print(struct printer *p, const char *fmt, ...)
{
	enum { LINE = 1024 };
	va_list ap;
	va_start(ap, fmt);
	bool ok = buf_reserve(p->out, LINE);
	int n = ok ? vsnprintf(p->out->data + p->out->n, LINE, fmt, ap) : 0;
	va_end(ap);
	p->failed |= !ok || n >= LINE;
	p->out->n += n < LINE ? (size_t)n : 0;
}

static void print_head(struct printer *p, const char *name, const char *type, const char *help)
{
	print(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_series(struct printer *p, enum metrics_series s, const struct metrics_histogram *h)
{
	const char *name = all_series[s].name;
	uint64_t n = 0;
	print_head(p, name, "histogram", all_series[s].help);
	for (int b = 0; b < METRICS_BUCKETS; b++) {
		n += h->count[b];
		print(p, "%s_bucket{%s,le=\"%.10g\"} %llu\n", name, p->label, bound(s, b), (unsigned long long)n);
	}
	n += h->count[METRICS_BUCKETS];
	print(p, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %.17g\n%s_count{%s} %llu\n", name, p->label,
	      (unsigned long long)n, name, p->label, h->sum, name, p->label, (unsigned long long)n);
}

static void print_ends(struct printer *p, const uint64_t ends[METRICS_ENDS])
{
	static const char name[] = "vllm:request_success_total";
	static const char *const reasons[METRICS_ENDS] = {"stop", "length", "abort", "error"};
	print_head(p, name, "counter", "Answers by the reason of their end.");
	for (int i = 0; i < METRICS_ENDS; i++)
		print(p, "%s{finished_reason=\"%s\",%s} %llu\n", name, reasons[i], p->label,
		      (unsigned long long)ends[i]);
}

/* One line for each word of a label. */
static void print_words(struct printer *p, const char *name, const char *help, const char *label,
			const char *(*word)(int i), const uint64_t *values, int n)
{
	print_head(p, name, "counter", help);
	for (int i = 0; i < n; i++)
		if (word(i))
			print(p, "%s{%s=\"%s\",%s} %llu\n", name, label, word(i), p->label,
			      (unsigned long long)values[i]);
}

static const char *miss_word(int i)
{
	return kvik_miss_name((enum kvik_miss)i);
}

static const char *nonce_word(int i)
{
	return nonce_name((enum nonce)i);
}

static void print_misses(struct printer *p, const struct metrics *m)
{
	print_words(p, "kvik_prefix_misses_total", "Prompts by the reason why no more of them was in the cache.", "why",
		    miss_word, m->misses, KVIK_MISS_COUNT);
	print_words(p, "kvik_prefix_missed_tokens_total", "Tokens that were computed for it.", "why", miss_word,
		    m->missed_tokens, KVIK_MISS_COUNT);
	print_words(p, "kvik_prefix_nonces_total",
		    "Prompts that differ from a cached one in what looks like a nonce (a time, an identifier).", "kind",
		    nonce_word, m->nonces, NONCES);
}

struct figure {
	const char *name, *type, *help;
	double value;
};

static void print_figures(struct printer *p, const struct figure *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (isnan(list[i].value))
			continue;
		print_head(p, list[i].name, list[i].type, list[i].help);
		print(p, "%s{%s} %.17g\n", list[i].name, p->label, list[i].value);
	}
}

static double kv_usage(const struct kvik_engine_stats *s)
{
	return s->kv_bytes_ceiling ? (double)s->kv_bytes_live / (double)s->kv_bytes_ceiling : 0;
}

/* Of the tier below memory, where there is one. */
static void print_disk(struct printer *p, const struct kvik_engine_stats *s)
{
	const struct figure list[] = {
		{"vllm:external_prefix_cache_hits_total", "counter", "Prompt tokens read from the disk.",
		 (double)s->disk_tokens_loaded},
		{"kvik_disk_bytes", "gauge", "Bytes of the files below the cache (--kv-disk).", (double)s->disk_bytes},
		{"kvik_disk_bytes_ceiling", "gauge", "The most that they may take.", (double)s->disk_bytes_max},
		{"kvik_disk_records", "gauge", "Records in them.", (double)s->disk_records},
		{"kvik_disk_tokens_known", "gauge", "Tokens found there from before.", (double)s->disk_tokens_known},
		{"kvik_disk_read_bytes_total", "counter", "Bytes read.", (double)s->disk_bytes_read},
		{"kvik_disk_written_bytes_total", "counter", "Bytes written.", (double)s->disk_bytes_written},
		{"kvik_disk_pages_read_total", "counter", "Pages read.", (double)s->disk_pages_read},
		{"kvik_disk_pages_written_total", "counter", "Pages written.", (double)s->disk_pages_written},
		{"kvik_disk_read_seconds_total", "counter", "Sum of the times that reads took.",
		 s->disk_read_ms_sum / 1e3},
		{"kvik_disk_write_seconds_total", "counter", "Sum of the times that writes took.",
		 s->disk_write_ms_sum / 1e3},
		{"kvik_disk_refused_total", "counter", "Records not worth their writing.", (double)s->disk_refused},
		{"kvik_disk_evicted_total", "counter", "Records gone for room.", (double)s->disk_evicted},
		{"kvik_disk_tokens_lost_total", "counter", "Known tokens that could not be read: computed again.",
		 (double)s->disk_tokens_lost},
		{"kvik_disk_failed_total", "counter", "Reads and writes that failed.", (double)s->disk_failed},
		{"kvik_disk_faults_total", "counter", "Faults of all kinds; the log names them.",
		 (double)s->disk_faults},
	};
	if (s->disk_bytes_max > 0)
		print_figures(p, list, sizeof list / sizeof *list);
}

static void print_engine(struct printer *p, const struct kvik_engine_stats *s)
{
	const struct figure list[] = {
		{"vllm:num_requests_running", "gauge", "Sequences being computed.", s->running},
		{"vllm:num_requests_waiting", "gauge", "Sequences that wait.", s->waiting},
		{"kvik_pins", "gauge", "Prefixes that requests have pinned (x_kvik.retain).", (double)s->pins},
		{"kvik_pinned_tokens", "gauge", "Their tokens.", (double)s->tokens_pinned},
		{"kvik_pins_refused_total", "counter", "Pins that did not fit.", (double)s->pins_refused},
		{"vllm:kv_cache_usage_perc", "gauge", "Share of the KV ceiling that running requests hold, 0 to 1.",
		 kv_usage(s)},
		{"vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.",
		 (double)s->prefix_tokens_queried},
		{"vllm:prefix_cache_hits_total", "counter", "Prompt tokens found there.", (double)s->prefix_tokens_hit},
		{"vllm:num_preemptions_total", "counter", "Sequences set back for memory, priority or fairness.",
		 (double)s->preemptions},
		{"vllm:prompt_tokens_total", "counter", "Prompt tokens computed.", (double)s->prompt_tokens_computed},
		{"vllm:generation_tokens_total", "counter", "Tokens generated.", (double)s->new_tokens},
		{"kvik_prefix_tokens_joined_total", "counter", "Prompt tokens taken over from another running request.",
		 (double)s->prefix_tokens_joined},
		{"kvik_prefix_tokens_evicted_total", "counter", "Cached tokens evicted.",
		 (double)s->prefix_tokens_evicted},
		{"kvik_tokens_recomputed_total", "counter", "Tokens computed again after a preemption.",
		 (double)s->tokens_recomputed},
		{"kvik_kv_bytes_ceiling", "gauge", "Hard ceiling of the KV cache.", (double)s->kv_bytes_ceiling},
		{"kvik_kv_bytes_used", "gauge", "Bytes of pages and tables, cached prefixes included.",
		 (double)s->kv_bytes_used},
		{"kvik_kv_bytes_live", "gauge", "Of these: pages that running requests hold.",
		 (double)s->kv_bytes_live},
		{"kvik_kv_bytes_cached", "gauge", "Of these: cached prefixes that nobody holds, evicted for others.",
		 (double)s->kv_bytes_cached},
		{"kvik_kv_bytes_tables", "gauge", "Of these: tables and the tree of prefixes.",
		 (double)s->kv_bytes_tables},
		{"kvik_kv_bytes_peak", "gauge", "The most ever used.", (double)s->kv_bytes_peak},
		{"kvik_hit_rate_at_half_memory", "gauge", "Predicted hit rate.", s->hit_rate_at[0]},
		{"kvik_hit_rate_at_same_memory", "gauge", "Predicted hit rate.", s->hit_rate_at[1]},
		{"kvik_hit_rate_at_double_memory", "gauge", "Predicted hit rate.", s->hit_rate_at[2]},
		{"kvik_hit_rate_at_quadruple_memory", "gauge", "Predicted hit rate.", s->hit_rate_at[3]},
		{"kvik_requests_total", "counter", "Requests taken.", (double)s->requests},
		{"kvik_requests_refused_total", "counter", "Requests refused because the queue was full.",
		 (double)s->refused},
		{"kvik_requests_finished_total", "counter", "Requests ended well.", (double)s->finished},
		{"kvik_requests_cancelled_total", "counter", "Requests whose client went away.", (double)s->cancelled},
		{"kvik_requests_expired_total", "counter", "Requests that ran out of time.", (double)s->expired},
		{"kvik_requests_failed_total", "counter", "Requests that failed.", (double)s->failed},
		{"kvik_steps_total", "counter", "Steps computed.", (double)s->steps},
		{"kvik_step_seconds", "gauge", "Length of the last step.", s->step_ms_last / 1e3},
		{"kvik_steps_seconds_total", "counter", "Time that steps took.", s->step_ms_sum / 1e3},
		{"kvik_steps_overhead_seconds_total", "counter", "Of that: neither in a forward pass nor in sampling.",
		 s->overhead_ms_sum / 1e3},
	};
	print_figures(p, list, sizeof list / sizeof *list);
	print_disk(p, s);
}

/* model_name="...", with what the format wants escaped. */
static void make_label(char *to, size_t bytes, const char *model)
{
	size_t at = (size_t)snprintf(to, bytes, "model_name=\"");
	for (; *model && at + 4 < bytes; model++) {
		if (*model == '"' || *model == '\\' || *model == '\n')
			to[at++] = '\\';
		to[at++] = *model == '\n' ? 'n' : *model;
	}
	to[at++] = '"';
	to[at] = '\0';
}

bool metrics_print(struct metrics *m, const struct kvik_engine_stats *s, const char *model, struct buf *out)
{
	char label[256];
	struct printer p = {.out = out, .label = label};
	make_label(label, sizeof label, model);
	if (s)
		print_engine(&p, s);
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < METRICS_SERIES_COUNT; i++)
		print_series(&p, (enum metrics_series)i, &m->series[i]);
	print_ends(&p, m->ends);
	print_misses(&p, m);
	pthread_mutex_unlock(&m->lock);
	return !p.failed;
}
