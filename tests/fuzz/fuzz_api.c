/* fuzz_api.c: "METHOD PATH", a newline, and a body: a whole call against an engine with the built-in model and room for
 * 64 tokens. Every call is answered once, with JSON where it says JSON, and never with "internal error". */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/buf.h"
#include "fuzz.h"

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int heads, ends, status;
	bool json;
	struct buf body;
};

static void on_head(void *ctx, int status, const char *content_type, bool stream, uint32_t retry_s)
{
	struct answer *a = ctx;
	(void)retry_s;
	a->heads++;
	a->status = status;
	a->json = !stream && strcmp(content_type, "application/json") == 0;
}

static void on_body(void *ctx, const char *text, size_t bytes)
{
	struct answer *a = ctx;
	if (!buf_add_text(&a->body, text, bytes))
		abort();
}

static void on_end(void *ctx)
{
	struct answer *a = ctx;
	pthread_mutex_lock(&a->lock);
	a->ends++;
	pthread_cond_signal(&a->ended);
	pthread_mutex_unlock(&a->lock);
}

static struct api *start(void)
{
	struct kvik_model *m;
	struct kvik_engine *e;
	struct api *api;
	struct kvik_err err;
	struct kvik_model_params mp = kvik_model_params_default();
	struct kvik_engine_params ep = kvik_engine_params_default();
	mp.threads = 1;
	struct kvik_cache_params cp = kvik_cache_params_default();
	cp.context = 64;
	cp.sessions = 2;
	ep.cache = &cp;
	ep.sequences = 4;
	if (kvik_model_load(&m, NULL, &mp, &err) || kvik_engine_new(&e, m, &ep, &err))
		abort();
	struct api_config c = {.engine = api_engine_of(e),
			       .model_name = "fuzz",
			       .chat_template = kvik_model_chat_template(m),
			       .template_name = "fuzz",
			       .sampling = api_sampling_default(),
			       .choices_max = 4};
	if (api_new(&api, &c, &err))
		abort();
	return api; /* lives as long as the process */
}

static void check(const struct answer *a)
{
	if (a->heads != 1 || a->ends != 1 || a->status == 500)
		abort();
	json_t *o = a->json ? json_loadb(a->body.data, a->body.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
	if (a->json && !o)
		abort();
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api *api;
	const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
	struct answer a = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
	struct api_sink sink = {&a, on_head, on_body, on_end};
	struct api_call *call;
	char method[8], path[64], head[80];
	if (!line || (size_t)(line - data) >= sizeof head)
		return 0;
	memcpy(head, data, (size_t)(line - data));
	head[line - data] = '\0';
	if (sscanf(head, "%7s %63s", method, path) != 2)
		return 0;
	if (!api)
		api = start();
	size_t bytes = size - (size_t)(line + 1 - data);
	char *body = malloc(bytes + 1); /* its own block: the sanitizer sees where it ends */
	if (!body)
		abort();
	memcpy(body, line + 1, bytes);
	struct api_request q = {.method = method, .path = path, .body = body, .bytes = bytes, .request_id = "fuzz"};
	api_handle(api, &q, &sink, &call);
	pthread_mutex_lock(&a.lock);
	while (!a.ends)
		pthread_cond_wait(&a.ended, &a.lock);
	pthread_mutex_unlock(&a.lock);
	api_call_release(call);
	check(&a);
	buf_release(&a.body);
	free(body);
	return 0;
}
