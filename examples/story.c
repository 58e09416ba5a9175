/* story.c: the smallest whole program over libkvik: loads a model, goes on from a text, prints as it comes.
 *
 *   cc story.c -lkvik && ./a.out model.gguf "Once upon a time" */
#include <stdio.h>
#include <string.h>

#include <kvik.h>

static bool print(void *user, const struct kvik_token *t)
{
	(void)user;
	fwrite(t->text, 1, t->text_bytes, stdout);
	return fflush(stdout) == 0; /* false would cancel */
}

int main(int argc, char **argv)
{
	struct kvik_model *model = NULL;
	struct kvik_cache *cache = NULL;
	struct kvik_session *session = NULL;
	struct kvik_generate_params params = kvik_generate_params_default();
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_err err = {0};
	uint32_t *ids = NULL;
	size_t n = 0;
	const char *text = argc > 2 ? argv[2] : "Once upon a time";
	params.max_tokens = 64;
	int rc = kvik_model_load(&model, argc > 1 ? argv[1] : NULL, NULL, &err); /* NULL: the built-in model */
	if (!rc)
		rc = kvik_tokenize(kvik_model_vocab(model), text, strlen(text), KVIK_ADD_SPECIAL, &ids, &n, &err);
	if (!rc)
		rc = kvik_cache_new(&cache, model, NULL, &err);
	if (!rc)
		rc = kvik_session_new(&session, cache, NULL, &err);
	if (!rc)
		rc = kvik_generate(session, ids, n, &params, print, NULL, &result, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_session_free(session);
	kvik_cache_free(cache);
	kvik_free(ids);
	kvik_model_free(model);
	return rc ? 1 : 0;
}
