/* poll.c: an engine in a program's own loop: nothing of the library calls the program; a file descriptor says when there
 * is something to take. Here the loop is poll(2); epoll, libevent, GLib or asyncio watch the descriptor the same way.
 *
 *   cc poll.c -lkvik && ./a.out [model.gguf] */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <kvik.h>

enum { REQUESTS = 4 };

static const char *const prompts[REQUESTS] = {"Once upon a time", "One day a cat", "The sun was", "Tom had a red"};

static int submit(struct kvik_engine *e, size_t i, struct kvik_err *err)
{
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	uint32_t *ids;
	uint64_t id;
	int rc = kvik_tokenize(kvik_model_vocab(kvik_engine_model(e)), prompts[i], strlen(prompts[i]), KVIK_ADD_SPECIAL,
			       &ids, &q.n_ids, err);
	if (rc)
		return rc;
	g.max_tokens = 16;
	q.generate = &g;
	q.ids = ids;
	q.user = (void *)prompts[i]; /* comes back with each of its events */
	rc = kvik_engine_submit(e, &q, &id, err);
	kvik_free(ids); /* it has its own copy */
	return rc;
}

/* Returns how many requests have ended with it. */
static int show(const struct kvik_event *e)
{
	const char *prompt = e->user;
	if (e->kind == KVIK_EVENT_TOKEN)
		printf("%-16s | %.*s\n", prompt, (int)e->token->text_bytes, e->token->text);
	if (e->kind != KVIK_EVENT_END)
		return 0;
	if (e->error)
		printf("%-16s : %s\n", prompt, e->error->text);
	else
		printf("%-16s : %u tokens in %.0f ms\n", prompt, (unsigned)e->usage->new_tokens, e->usage->total_ms);
	return 1;
}

static int loop(struct kvik_engine *e)
{
	struct pollfd p;
	int open = REQUESTS;
	p.fd = kvik_engine_fd(e);
	p.events = POLLIN;
	while (open > 0) {
		const struct kvik_event *event;
		if (poll(&p, 1, -1) < 0)
			return KVIK_ERR_IO;
		while ((event = kvik_engine_poll(e))) /* until there is none, then wait again */
			open -= show(event);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct kvik_model *model = NULL;
	struct kvik_engine *engine = NULL;
	struct kvik_err err;
	struct kvik_engine_params params = kvik_engine_params_default();
	params.polled = true;
	memset(&err, 0, sizeof err);
	int rc = kvik_model_load(&model, argc > 1 ? argv[1] : NULL, NULL, &err);
	if (!rc)
		rc = kvik_engine_new(&engine, model, &params, &err);
	for (size_t i = 0; i < REQUESTS && !rc; i++)
		rc = submit(engine, i, &err);
	if (!rc)
		rc = loop(engine);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_engine_free(engine);
	kvik_model_free(model);
	return rc ? 1 : 0;
}
