/* snapshot.c: what a session has computed outlives the process: saved to a file, and restored from it by the next one, which
 * goes on where this one stopped; and a system prompt that is computed once for all.
 *
 *   cc snapshot.c -lkvik && ./a.out model.gguf */
#include <stdio.h>
#include <string.h>

#include <kvik.h>

static const char file[] = "kvik-example.snapshot";
static const char text[] = "Once upon a time there was a little girl who lived by the sea.";

static bool show(void *user, const struct kvik_token *t)
{
	(void)user;
	fwrite(t->text, 1, t->text_bytes, stdout);
	return true;
}

static int more(struct kvik_session *s, struct kvik_err *err)
{
	struct kvik_generate_params how = kvik_generate_params_default();
	how.max_tokens = 12;
	/* No prompt: the session's logits say how it goes on. */
	return kvik_generate(s, NULL, 0, &how, show, NULL, NULL, err);
}

static int first_process(const struct kvik_model *model, struct kvik_cache *cache, struct kvik_err *err)
{
	struct kvik_session *s = NULL;
	uint32_t *ids = NULL;
	size_t n = 0;
	uint64_t bytes = 0;
	int rc = kvik_tokenize(kvik_model_vocab(model), text, strlen(text), KVIK_ADD_SPECIAL, &ids, &n, err);
	if (!rc)
		rc = kvik_session_new(&s, cache, NULL, err);
	if (!rc)
		rc = kvik_session_feed(s, ids, n, NULL, err);
	if (!rc)
		rc = kvik_session_save_file(s, n, file, &bytes, err);
	if (!rc) {
		printf("%lu tokens saved, %lu bytes;", (unsigned long)n, (unsigned long)bytes);
		rc = more(s, err);
		printf("\n");
	}
	kvik_session_free(s);
	kvik_free(ids);
	return rc;
}

static int second_process(struct kvik_cache *cache, struct kvik_err *err)
{
	struct kvik_session *s = NULL;
	struct kvik_pin *pin = NULL;
	int rc = kvik_session_restore_file(&s, cache, NULL, file, err);
	if (!rc) {
		printf("%lu tokens restored;", (unsigned long)kvik_session_tokens(s));
		rc = kvik_session_pin(&pin, s, kvik_session_tokens(s), 0, err); /* if it is to stay, for all sessions */
	}
	if (!rc)
		rc = more(s, err);
	printf("\n");
	kvik_session_free(s);
	kvik_pin_free(pin);
	return rc;
}

int main(int argc, char **argv)
{
	struct kvik_model *model = NULL;
	struct kvik_cache *cache = NULL;
	struct kvik_err err;
	int rc = kvik_model_load(&model, argc > 1 ? argv[1] : NULL, NULL, &err); /* NULL: the built-in model */
	if (!rc)
		rc = kvik_cache_new(&cache, model, NULL, &err);
	if (!rc)
		rc = first_process(model, cache, &err);
	kvik_cache_free(cache);
	cache = NULL;
	if (!rc)
		rc = kvik_cache_new(&cache, model, NULL, &err);
	if (!rc)
		rc = second_process(cache, &err);
	remove(file);
	kvik_cache_free(cache);
	kvik_model_free(model);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	return rc ? 1 : 0;
}
