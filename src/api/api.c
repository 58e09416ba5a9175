/* api.c: paths to handlers, bodies to JSON, and the figures for Prometheus. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/call.h"
#include "api/routes.h"
#include "base/mem.h"
#include "chat/json_read.h"
#include "chat/template.h"

static const struct route {
	const char *method, *path;
	route_fn *handle;
} routes[] = {
	{"POST", "/v1/chat/completions", openai_chat},
	{"POST", "/chat/completions", openai_chat},
	{"POST", "/v1/completions", openai_completions},
	{"POST", "/completions", native_completion},
	{"POST", "/completion", native_completion},
	{"POST", "/infill", native_infill},
	{"POST", "/v1/embeddings", openai_embeddings},
	{"POST", "/embeddings", openai_embeddings},
	{"POST", "/v1/responses", openai_responses},
	{"POST", "/v1/messages", anthropic_messages_call},
	{"POST", "/v1/messages/count_tokens", anthropic_count_tokens},
	{"POST", "/api/chat", ollama_chat},
	{"POST", "/api/generate", ollama_generate},
	{"POST", "/api/embed", ollama_embed},
	{"POST", "/api/embeddings", ollama_embeddings},
	{"GET", "/api/tags", ollama_tags},
	{"GET", "/api/ps", ollama_ps},
	{"POST", "/api/show", ollama_show},
	{"GET", "/api/version", ollama_version},
	{"GET", "/v1/models", openai_models},
	{"GET", "/models", openai_models},
	{"GET", "/v1/models/*", openai_model},
	{"GET", "/models/*", openai_model},
	{"POST", "/tokenize", native_tokenize},
	{"POST", "/detokenize", native_detokenize},
	{"POST", "/apply-template", native_apply_template},
	{"GET", "/props", native_props},
	{"GET", "/slots", native_slots},
	{"POST", "/slots/*", native_slot},
	{"GET", "/health", native_health},
	{"GET", "/v1/health", native_health},
	{"GET", "/ready", native_health},
};

static int submit(void *ctx, const struct kvik_request_params *p, uint64_t *id, struct kvik_err *err)
{
	return kvik_engine_submit(ctx, p, id, err);
}

static void cancel(void *ctx, uint64_t id)
{
	kvik_engine_cancel(ctx, id);
}

static struct kvik_engine_stats stats(void *ctx)
{
	return kvik_engine_get_stats(ctx);
}

static int save(void *ctx, const struct kvik_share *share, const uint32_t *ids, size_t n, const char *path,
		size_t *saved, uint64_t *bytes, struct kvik_err *err)
{
	return kvik_engine_save_file(ctx, share, ids, n, path, saved, bytes, err);
}

static int restore(void *ctx, const struct kvik_share *share, const char *path, uint32_t **ids, size_t *n,
		   uint64_t *bytes, struct kvik_err *err)
{
	return kvik_engine_restore_file(ctx, share, path, ids, n, bytes, err);
}

struct api_engine api_engine_of(struct kvik_engine *e)
{
	const struct kvik_model *m = kvik_engine_model(e);
	struct kvik_engine_params p = kvik_engine_get_params(e);
	return (struct api_engine){.ctx = e,
				   .submit = submit,
				   .cancel = cancel,
				   .stats = stats,
				   .save = save,
				   .restore = restore,
				   .vocab = kvik_model_vocab(m),
				   .model = kvik_model_get_info(m),
				   .context = p.cache->context,
				   .sequences = p.sequences};
}

struct kvik_sampling api_sampling_default(void)
{
	struct kvik_sampling s = kvik_sampling_default();
	s.temperature = 0.8f;
	s.top_k = 40;
	s.top_p = 0.95f;
	s.min_p = 0.05f;
	return s;
}

/* The text of a token, NULL: none; freed with mem_free. */
static char *token_text(const struct kvik_vocab *v, uint32_t id)
{
	char *bytes = NULL, *text = NULL;
	size_t n;
	if (id != KVIK_NO_ID && !kvik_token_bytes(v, id, &bytes, &n, NULL))
		text = mem_strndup(bytes, n);
	kvik_free(bytes);
	return text;
}

static int new_template(struct api *a, struct kvik_err *err)
{
	const struct kvik_vocab *v = a->config.engine.vocab;
	char *bos = token_text(v, kvik_vocab_bos(v)), *eos = token_text(v, kvik_vocab_eos(v));
	char *unk = token_text(v, kvik_vocab_unk(v)), *pad = token_text(v, kvik_vocab_pad(v));
	const struct chat_template_source s = {.text = a->config.chat_template,
					       .calls = a->config.tool_format,
					       .tool_text = a->config.tool_template,
					       .name = a->config.template_name,
					       .bos = bos,
					       .eos = eos,
					       .unk = unk,
					       .pad = pad};
	int rc = chat_template_new(&a->chat_template, &s, err);
	mem_free(bos);
	mem_free(eos);
	mem_free(unk);
	mem_free(pad);
	return rc;
}

int api_new(struct api **out, const struct api_config *config, struct kvik_err *err)
{
	*out = NULL;
	struct api *a = mem_zalloc(1, sizeof *a);
	if (!a)
		return err_set(err, KVIK_ERR_NOMEM, "no memory");
	a->config = *config;
	if (!a->config.model_path)
		a->config.model_path = config->model_name;
	metrics_init(&a->metrics);
	structured_cache_init(&a->constraints);
	slots_init(&a->slots, config->slots_folder ? config->engine.sequences : 0);
	a->created = time(NULL);
	int rc = config->chat_template && config->engine.vocab ? new_template(a, err) : 0;
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
	chat_template_free(a->chat_template);
	metrics_release(&a->metrics);
	structured_cache_release(&a->constraints);
	slots_release(&a->slots);
	mem_free(a);
}

static const struct wire *wire_of(const char *path)
{
	if (strncmp(path, "/api/", 5) == 0)
		return &wire_ollama;
	return strncmp(path, "/v1/messages", 12) == 0 ? &wire_anthropic : &wire_openai;
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
	c->wire = wire_of(q->path);
	c->account = q->account;
	if (c->account)
		api_account_hold(c->account);
	c->metrics = c->account ? &c->account->metrics : &a->metrics;
	c->sees_all = !c->account || q->sees_all;
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	snprintf(c->request_id, sizeof c->request_id, "%.60s", q->request_id ? q->request_id : "");
	return c;
}

/* A route's path that ends with * is that of all below it. */
static bool is_path(const char *route, const char *path)
{
	size_t n = strlen(route) - 1;
	return route[n] == '*' ? strncmp(route, path, n) == 0 && path[n] : strcmp(route, path) == 0;
}

const char *api_method(const char *path)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (is_path(routes[i].path, path))
			return routes[i].method;
	return NULL;
}

/* The handler of a path; NULL, and whether another method would have one. */
static route_fn *find(const char *method, const char *path, bool *other_method)
{
	*other_method = false;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!is_path(routes[i].path, path))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return routes[i].handle;
		*other_method = true;
	}
	return NULL;
}

struct api_call *api_call_new(struct api *a, const struct api_request *q, const struct api_sink *sink)
{
	bool other_method;
	struct api_call *c = new_call(a, q, sink);
	if (!c) {
		sink->head(sink->ctx, 500, "text/plain", false, 0);
		sink->end(sink->ctx);
		return NULL;
	}
	c->path = q->path;
	c->query = q->query;
	c->handle = find(q->method, q->path, &other_method);
	c->has_body = strcmp(q->method, "POST") == 0;
	if (!c->handle && other_method)
		call_error(c, 405, "invalid_request_error", NULL, "%.20s is not the method of %.200s", q->method,
			   q->path);
	else if (!c->handle)
		call_error(c, 404, "invalid_request_error", NULL, "there is no %.20s %.200s here", q->method, q->path);
	return c;
}

/* NULL: the call was answered. */
static json_t *parse(struct api_call *c, const char *text, size_t bytes)
{
	/* What goes to a template keeps its numbers to the digit. */
	static const char *const to_templates[] = {"messages", "tools",  "chat_template_kwargs",
						   "input",    "system", NULL};
	json_error_t e;
	if (bytes == 0 && c->handle == native_slot)
		return json_object(); /* to erase one nothing has to be said */
	json_t *body = json_read(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (body)
		json_huge_to_real(body, to_templates);
	else
		call_error(c, 400, "invalid_request_error", NULL, "the body is no valid JSON: line %d, column %d: %s",
			   e.line, e.column, e.text);
	return body;
}

static void handle(struct api_call *c, json_t *body)
{
	if (body || !c->has_body)
		c->handle(c, body);
}

void api_call_run(struct api_call *c, struct buf *body)
{
	json_t *o = !call_is_over(c) && c->has_body ? parse(c, body->n ? body->data : "", body->n) : NULL;
	buf_release(body);
	if (!call_is_over(c))
		handle(c, o);
	else
		json_decref(o);
}

void api_handle(struct api *a, const struct api_request *q, const struct api_sink *sink, struct api_call **call)
{
	struct api_call *c = *call = api_call_new(a, q, sink);
	if (!c || call_is_over(c))
		return;
	api_call_hold(c); /* the answer may come, and the caller's reference go, before the handler returns */
	handle(c, c->has_body ? parse(c, q->body, q->bytes) : NULL);
	api_call_release(c);
}

/* ---- Metrics ----------------------------------------------------------------------------------------------------- */

struct api_account *api_account_new(struct api *a)
{
	struct api_account *x = mem_zalloc(1, sizeof *x);
	if (!x)
		return NULL;
	atomic_init(&x->refs, 1);
	metrics_init(&x->metrics);
	x->metrics.whole = &a->metrics;
	return x;
}

void api_account_hold(struct api_account *x)
{
	atomic_fetch_add(&x->refs, 1);
}

void api_account_release(struct api_account *x)
{
	if (!x || atomic_fetch_sub(&x->refs, 1) != 1)
		return;
	metrics_release(&x->metrics);
	mem_free(x);
}

char *api_metrics(struct api *a, struct api_account *only, size_t *bytes)
{
	struct kvik_engine_stats s = a->config.engine.stats(a->config.engine.ctx);
	struct buf text = {0};
	if (!metrics_print(only ? &only->metrics : &a->metrics, only ? NULL : &s, a->config.model_name, &text))
		buf_release(&text);
	*bytes = text.n;
	return text.data;
}
