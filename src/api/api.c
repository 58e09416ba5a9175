/* api.c: paths to handlers, bodies to JSON, and the figures for Prometheus. */
#include "api/api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/call.h"
#include "api/routes.h"
#include "base/mem.h"
#include "tmpl/tmpl.h"

static const struct route {
	const char *method, *path;
	route_fn *handle;
} routes[] = {
	{"POST", "/v1/chat/completions", openai_chat},
	{"POST", "/chat/completions", openai_chat},
	{"POST", "/v1/completions", openai_completions},
	{"POST", "/completions", native_completion},
	{"POST", "/completion", native_completion},
	{"POST", "/v1/embeddings", openai_embeddings},
	{"POST", "/embeddings", openai_embeddings},
	{"POST", "/v1/responses", openai_responses},
	{"GET", "/v1/models", openai_models},
	{"GET", "/models", openai_models},
	{"POST", "/tokenize", native_tokenize},
	{"POST", "/detokenize", native_detokenize},
	{"POST", "/apply-template", native_apply_template},
	{"GET", "/props", native_props},
	{"GET", "/slots", native_slots},
	{"GET", "/health", native_health},
	{"GET", "/v1/health", native_health},
	{"GET", "/ready", native_health},
};

int api_new(struct api **out, const struct api_config *config, struct kvik_err *err)
{
	*out = NULL;
	struct api *a = mem_zalloc(1, sizeof *a);
	if (!a)
		return err_set(err, KVIK_ERR_NOMEM, "no memory");
	a->config = *config;
	a->created = time(NULL);
	const char *t = config->chat_template;
	int rc = t ? tmpl_parse(&a->chat_template, t, strlen(t), config->template_name, err) : 0;
	if (rc)
		api_free(a);
	else
		*out = a;
	return rc;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	tmpl_free(a->chat_template);
	mem_free(a);
}

static struct api_call *new_call(struct api *a, const struct api_request *q, const struct api_sink *sink)
{
	struct api_call *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->api = a;
	c->sink = *sink;
	c->tenant = q->tenant;
	c->scope = q->scope;
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	snprintf(c->request_id, sizeof c->request_id, "%.60s", q->request_id ? q->request_id : "");
	return c;
}

/* The handler of a path; NULL, and whether another method would have one. */
static route_fn *find(const char *method, const char *path, bool *other_method)
{
	*other_method = false;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return routes[i].handle;
		*other_method = true;
	}
	return NULL;
}

void api_handle(struct api *a, const struct api_request *q, const struct api_sink *sink, struct api_call **call)
{
	bool other_method;
	json_error_t e;
	json_t *body = NULL;
	struct api_call *c = *call = new_call(a, q, sink);
	if (!c) {
		sink->head(sink->ctx, 500, "text/plain", false, 0);
		sink->end(sink->ctx);
		return;
	}
	call_hold(c); /* the answer may come, and the caller's reference go, before the handler returns */
	route_fn *handle = find(q->method, q->path, &other_method);
	if (!handle && other_method)
		call_error(c, 405, "invalid_request_error", NULL, "%.20s is not the method of %.200s", q->method,
			   q->path);
	else if (!handle)
		call_error(c, 404, "invalid_request_error", NULL, "there is no %.20s %.200s here", q->method, q->path);
	else if (strcmp(q->method, "POST") != 0)
		handle(c, NULL);
	else if ((body = json_loadb(q->body, q->bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e)))
		handle(c, body);
	else
		call_error(c, 400, "invalid_request_error", NULL, "the body is no valid JSON: line %d, column %d: %s",
			   e.line, e.column, e.text);
	api_call_release(c);
}

/* ---- Metrics ----------------------------------------------------------------------------------------------------- */

struct metric {
	const char *name, *type, *help;
	double value;
};

char *api_metrics(struct api *a)
{
	struct kvik_engine_stats s = kvik_engine_get_stats(a->config.engine);
	double usage =
		s.kv_bytes_ceiling ? (double)(s.kv_bytes_used - s.kv_bytes_cached) / (double)s.kv_bytes_ceiling : 0;
	const struct metric list[] = {
		{"vllm:num_requests_running", "gauge", "Sequences being computed.", s.running},
		{"vllm:num_requests_waiting", "gauge", "Sequences that wait.", s.waiting},
		{"vllm:kv_cache_usage_perc", "gauge", "Share of the KV ceiling in live use, 0 to 1.", usage},
		{"vllm:prefix_cache_queries", "counter", "Prompt tokens looked up in the prefix cache.",
		 (double)s.prefix_tokens_queried},
		{"vllm:prefix_cache_hits", "counter", "Prompt tokens found there.", (double)s.prefix_tokens_hit},
		{"vllm:num_preemptions", "counter", "Sequences set back for memory, priority or fairness.",
		 (double)s.preemptions},
		{"vllm:prompt_tokens", "counter", "Prompt tokens computed.", (double)s.prompt_tokens_computed},
		{"vllm:generation_tokens", "counter", "Tokens generated.", (double)s.new_tokens},
		{"kvik_prefix_tokens_joined", "counter", "Prompt tokens taken over from another running request.",
		 (double)s.prefix_tokens_joined},
		{"kvik_prefix_tokens_evicted", "counter", "Cached tokens evicted.", (double)s.prefix_tokens_evicted},
		{"kvik_tokens_recomputed", "counter", "Tokens computed again after a preemption.",
		 (double)s.tokens_recomputed},
		{"kvik_kv_bytes_ceiling", "gauge", "Hard ceiling of the KV cache.", (double)s.kv_bytes_ceiling},
		{"kvik_kv_bytes_used", "gauge", "Bytes of pages and tables, cached prefixes included.",
		 (double)s.kv_bytes_used},
		{"kvik_kv_bytes_cached", "gauge", "Of these: cached prefixes that no sequence holds.",
		 (double)s.kv_bytes_cached},
		{"kvik_kv_bytes_peak", "gauge", "The most ever used.", (double)s.kv_bytes_peak},
		{"kvik_hit_rate_at_half_memory", "gauge", "Predicted hit rate.", s.hit_rate_at[0]},
		{"kvik_hit_rate_at_same_memory", "gauge", "Predicted hit rate.", s.hit_rate_at[1]},
		{"kvik_hit_rate_at_double_memory", "gauge", "Predicted hit rate.", s.hit_rate_at[2]},
		{"kvik_hit_rate_at_quadruple_memory", "gauge", "Predicted hit rate.", s.hit_rate_at[3]},
		{"kvik_requests", "counter", "Requests taken.", (double)s.requests},
		{"kvik_requests_refused", "counter", "Requests refused because the queue was full.", (double)s.refused},
		{"kvik_requests_finished", "counter", "Requests ended well.", (double)s.finished},
		{"kvik_requests_cancelled", "counter", "Requests whose client went away.", (double)s.cancelled},
		{"kvik_requests_expired", "counter", "Requests that ran out of time.", (double)s.expired},
		{"kvik_requests_failed", "counter", "Requests that failed.", (double)s.failed},
		{"kvik_queue_seconds_sum", "counter", "Time in the queue, summed.", s.queue_ms_sum / 1e3},
		{"kvik_steps", "counter", "Steps computed.", (double)s.steps},
		{"kvik_step_seconds", "gauge", "Length of the last step.", s.step_ms_last / 1e3},
	};
	enum { LINE = 320 };
	size_t n = sizeof list / sizeof *list, at = 0;
	char *text = mem_alloc(n * LINE + 1);
	for (size_t i = 0; text && i < n; i++) {
		const char *total = strcmp(list[i].type, "counter") == 0 ? "_total" : "";
		if (isnan(list[i].value))
			continue;
		at += (size_t)snprintf(text + at, LINE, "# HELP %s%s %s\n# TYPE %s%s %s\n%s%s %.17g\n", list[i].name,
				       total, list[i].help, list[i].name, total, list[i].type, list[i].name, total,
				       list[i].value);
	}
	if (text)
		text[at] = '\0';
	return text;
}
