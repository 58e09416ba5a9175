/* engine.c: many requests at once, told by call back: answers to prompts that begin alike, which is computed once; an
 * embedding; a request that is cancelled.
 *
 *   cc engine.c -lkvik -pthread && ./a.out [model.gguf] */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <kvik.h>

/* Call backs come on a thread of the engine: what they share with main lies under a lock. */
struct desk {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int open;
};

struct request {
	struct desk *desk;
	const char *prompt;
	char text[512];
	size_t bytes;
};

static void on_event(void *user, const struct kvik_event *e)
{
	struct request *r = user;
	if (e->kind == KVIK_EVENT_TOKEN && r->bytes + e->token->text_bytes < sizeof r->text) {
		memcpy(r->text + r->bytes, e->token->text, e->token->text_bytes);
		r->bytes += e->token->text_bytes;
	}
	if (e->kind != KVIK_EVENT_END)
		return;
	pthread_mutex_lock(&r->desk->lock);
	if (e->error)
		printf("%s: %s\n", r->prompt, e->error->text);
	else if (e->embedding)
		printf("%s: an embedding that begins with %.3f\n", r->prompt, (double)e->embedding[0]);
	else
		printf("%s%.*s [%u of %u tokens were known]\n", r->prompt, (int)r->bytes, r->text,
		       (unsigned)e->usage->cached_tokens, (unsigned)e->usage->prompt_tokens);
	r->desk->open--;
	pthread_cond_signal(&r->desk->ended);
	pthread_mutex_unlock(&r->desk->lock);
}

static int submit(struct kvik_engine *e, struct request *r, uint32_t max_tokens, uint64_t *id, struct kvik_err *err)
{
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	uint32_t *ids;
	int rc = kvik_tokenize(kvik_model_vocab(kvik_engine_model(e)), r->prompt, strlen(r->prompt), KVIK_ADD_SPECIAL,
			       &ids, &q.n_ids, err);
	if (rc)
		return rc;
	g.max_tokens = max_tokens;
	g.ignore_end = true;
	q.generate = &g;
	q.pooling = max_tokens ? KVIK_POOLING_NONE : KVIK_POOLING_MEAN;
	q.ids = ids;
	q.on_event = on_event;
	q.user = r;
	pthread_mutex_lock(&r->desk->lock);
	rc = kvik_engine_submit(e, &q, id, err);
	r->desk->open += !rc;
	pthread_mutex_unlock(&r->desk->lock);
	kvik_free(ids);
	return rc;
}

int main(int argc, char **argv)
{
	static const char *const prompts[] = {"Once upon a time there was a little girl who lived by the sea.",
					      "Once upon a time there was a little girl who lived by the lake.",
					      "Once upon a time there was a little boy.", "A house", "A long story"};
	struct desk desk = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
	struct request requests[5];
	struct kvik_model *model = NULL;
	struct kvik_engine *engine = NULL;
	struct kvik_err err;
	uint64_t id = 0;
	memset(&err, 0, sizeof err);
	memset(requests, 0, sizeof requests);
	int rc = kvik_model_load(&model, argc > 1 ? argv[1] : NULL, NULL, &err);
	if (!rc)
		rc = kvik_engine_new(&engine, model, NULL, &err);
	for (int i = 0; i < 5 && !rc; i++) {
		static const uint32_t max_tokens[] = {12, 12, 12, 0, 400};
		requests[i].desk = &desk;
		requests[i].prompt = prompts[i];
		rc = submit(engine, &requests[i], max_tokens[i], &id, &err);
	}
	if (!rc)
		kvik_engine_cancel(engine, id); /* the last one */
	pthread_mutex_lock(&desk.lock);
	while (desk.open > 0)
		pthread_cond_wait(&desk.ended, &desk.lock);
	pthread_mutex_unlock(&desk.lock);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_engine_free(engine);
	kvik_model_free(model);
	return rc ? 1 : 0;
}
