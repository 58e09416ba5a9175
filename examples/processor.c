/* processor.c: between the logits and the sampler: a constraint that lets through only text made of the characters that
 * it is given; and an observer of what was picked.
 *
 *   cc processor.c -lkvik && ./a.out [model.gguf] ["abc "] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvik.h>

struct constraint {
	unsigned char *allowed; /* [vocab_size]: 1 where a token's text has only allowed characters */
	uint32_t n_picked;
};

static int fill(struct constraint *c, const struct kvik_vocab *v, size_t n_vocab, const char *characters,
		struct kvik_err *err)
{
	int rc = 0;
	c->allowed = calloc(n_vocab, 1);
	if (!c->allowed)
		return KVIK_ERR_NOMEM;
	for (uint32_t id = 0; id < kvik_vocab_size(v) && !rc; id++) {
		char *bytes;
		size_t n, i = 0;
		rc = kvik_token_bytes(v, id, &bytes, &n, err);
		while (i < n && strchr(characters, bytes[i]))
			i++;
		c->allowed[id] = !rc && n > 0 && i == n;
		kvik_free(bytes);
	}
	return rc;
}

static void process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t vocab_size)
{
	const struct constraint *c = user;
	(void)choice, (void)ids, (void)n;
	for (size_t i = 0; i < vocab_size; i++)
		if (!c->allowed[i])
			logits[i] = -INFINITY;
}

static void accept(void *user, uint32_t choice, uint32_t id)
{
	struct constraint *c = user;
	(void)choice, (void)id;
	c->n_picked++;
}

static bool print(void *user, const struct kvik_token *t)
{
	(void)user;
	return fwrite(t->text, 1, t->text_bytes, stdout) == t->text_bytes;
}

static int run(struct kvik_session *s, const struct kvik_model *m, struct constraint *c, const char *characters,
	       struct kvik_err *err)
{
	static const char prompt[] = "Once upon a time";
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_processor p;
	uint32_t *ids = NULL;
	size_t n;
	memset(&p, 0, sizeof p);
	p.size = sizeof p;
	p.user = c;
	p.process = process;
	p.accept = accept;
	g.processor = &p;
	g.max_tokens = 24;
	g.ignore_end = true;
	int rc = fill(c, kvik_model_vocab(m), kvik_model_get_info(m).vocab_size, characters, err);
	if (!rc)
		rc = kvik_tokenize(kvik_model_vocab(m), prompt, strlen(prompt), KVIK_ADD_SPECIAL, &ids, &n, err);
	if (!rc)
		rc = kvik_generate(s, ids, n, &g, print, NULL, NULL, err);
	printf("\n[%u tokens]\n", (unsigned)c->n_picked);
	kvik_free(ids);
	return rc;
}

int main(int argc, char **argv)
{
	struct kvik_model *model = NULL;
	struct kvik_cache *cache = NULL;
	struct kvik_session *session = NULL;
	struct constraint c = {NULL, 0};
	struct kvik_err err;
	memset(&err, 0, sizeof err);
	int rc = kvik_model_load(&model, argc > 1 ? argv[1] : NULL, NULL, &err);
	if (!rc)
		rc = kvik_cache_new(&cache, model, NULL, &err);
	if (!rc)
		rc = kvik_session_new(&session, cache, NULL, &err);
	if (!rc)
		rc = run(session, model, &c, argc > 2 ? argv[2] : "aeiouxyz ", &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	free(c.allowed);
	kvik_session_free(session);
	kvik_cache_free(cache);
	kvik_model_free(model);
	return rc ? 1 : 0;
}
