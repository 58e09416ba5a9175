/* step.c: a scheduler in sixty lines: three texts at once, one step of the model for all of them, prompts in pieces
 * beside texts that go on by a token. Weights are read once per step, so that three texts cost little more than one.
 *
 *   cc step.c -lkvik && ./a.out [model.gguf] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvik.h>

enum { TEXTS = 3, PIECE = 16, NEW = 12 };

struct text {
	struct kvik_session *session;
	uint32_t *ids; /* [n]: the prompt */
	size_t n, at;  /* so much of it is in the session */
	uint32_t made, next;
};

struct program {
	struct kvik_model *model;
	struct kvik_cache *cache;
	struct text texts[TEXTS];
	float *logits; /* [TEXTS][vocab_size] */
	struct kvik_err err;
};

static int begin(struct program *p, struct text *t, const char *prompt)
{
	size_t taken;
	int rc = kvik_session_new(&t->session, p->cache, NULL, &p->err);
	if (!rc)
		rc = kvik_tokenize(kvik_model_vocab(p->model), prompt, strlen(prompt), KVIK_ADD_SPECIAL, &t->ids, &t->n,
				   &p->err);
	/* What the cache knows already; the last token is computed in any case, for its logits. */
	if (!rc)
		rc = kvik_session_take(t->session, t->ids, t->n - 1, &taken, &p->err);
	if (!rc)
		t->at = taken;
	return rc;
}

/* One step of all texts that have not ended; *n: how many these are. */
static int step(struct program *p, size_t *n)
{
	struct kvik_step_item items[TEXTS];
	struct text *who[TEXTS];
	*n = 0;
	for (int i = 0; i < TEXTS; i++) {
		struct text *t = &p->texts[i];
		size_t left = t->n - t->at;
		if (t->made == NEW)
			continue;
		memset(&items[*n], 0, sizeof items[*n]);
		items[*n].size = sizeof items[*n];
		items[*n].session = t->session;
		items[*n].ids = left ? t->ids + t->at : &t->next;
		items[*n].n = left == 0 ? 1 : left < PIECE ? (uint32_t)left : PIECE;
		items[*n].rows = left <= PIECE; /* the last piece's last token, and every new one */
		who[(*n)++] = t;
	}
	int rc = kvik_cache_step(p->cache, items, *n, p->logits, &p->err);
	for (size_t i = 0; i < *n && !rc; i++) {
		struct text *t = who[i];
		if (t->at < t->n)
			t->at += items[i].n;
		if (items[i].rows) {
			rc = kvik_session_sample(t->session, NULL, &t->next, &p->err); /* NULL: greedy */
			t->made++;
		}
	}
	return rc;
}

static int print(struct program *p, const struct text *t)
{
	char *text;
	size_t bytes;
	int rc = kvik_detokenize(kvik_model_vocab(p->model), kvik_session_ids(t->session),
				 kvik_session_tokens(t->session), 0, &text, &bytes, &p->err);
	if (!rc)
		printf("%.*s\n", (int)bytes, text);
	kvik_free(text);
	return rc;
}

static int run(struct program *p, const char *path)
{
	static const char *const prompts[TEXTS] = {"Once upon a time there was a little", "The dog",
						   "Once upon a time there was a big"};
	size_t n = 1, steps = 0;
	int rc = kvik_model_load(&p->model, path, NULL, &p->err); /* NULL: the built-in model */
	struct kvik_cache_params params = kvik_cache_params_default();
	params.context = 256;
	params.sessions = TEXTS;
	if (!rc)
		rc = kvik_cache_new(&p->cache, p->model, &params, &p->err);
	if (rc)
		return rc;
	p->logits = malloc(TEXTS * sizeof *p->logits * kvik_model_get_info(p->model).vocab_size);
	if (!p->logits)
		return KVIK_ERR_NOMEM;
	for (int i = 0; i < TEXTS && !rc; i++)
		rc = begin(p, &p->texts[i], prompts[i]);
	while (!rc && n > 0) {
		rc = step(p, &n);
		steps += n > 0;
	}
	for (int i = 0; i < TEXTS && !rc; i++)
		rc = print(p, &p->texts[i]);
	printf("[%lu steps for %d texts of %d tokens]\n", (unsigned long)steps, TEXTS, NEW);
	return rc;
}

int main(int argc, char **argv)
{
	struct program p;
	memset(&p, 0, sizeof p);
	int rc = run(&p, argc > 1 ? argv[1] : NULL);
	if (rc)
		fprintf(stderr, "%s\n", p.err.text);
	for (int i = 0; i < TEXTS; i++) {
		kvik_session_free(p.texts[i].session);
		kvik_free(p.texts[i].ids);
	}
	free(p.logits);
	kvik_cache_free(p.cache);
	kvik_model_free(p.model);
	return rc ? 1 : 0;
}
