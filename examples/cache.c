/* cache.c: the KV cache in the hands of a program: a prefix that stays, sessions that take it over, forks that share
 * it, rollback that computes nothing again, and the figures of it all.
 *
 *   cc cache.c -lkvik && ./a.out model.gguf */
#include <stdio.h>
#include <string.h>

#include <kvik.h>

struct program {
	struct kvik_model *model;
	struct kvik_cache *cache;
	struct kvik_session *first, *second, *fork;
	struct kvik_pin *pin;
	struct kvik_err err;
};

/* Feeds text to s and says how much of it had to be computed. */
static int feed(struct program *p, struct kvik_session *s, const char *name, const char *text)
{
	uint32_t *ids = NULL;
	size_t n = 0;
	int rc = kvik_tokenize(kvik_model_vocab(p->model), text, strlen(text), 0, &ids, &n, &p->err);
	if (!rc)
		rc = kvik_session_feed(s, ids, n, NULL, &p->err);
	if (!rc)
		printf("%-7s + %3lu tokens, of which %3lu were in the cache\n", name, (unsigned long)n,
		       (unsigned long)kvik_session_get_prefix(s).found_tokens);
	kvik_free(ids);
	return rc;
}

static void print_figures(const struct kvik_cache *c)
{
	struct kvik_cache_stats s = kvik_cache_get_stats(c);
	printf("%u sessions and %u pins hold %lu pages of %u tokens; %lu pages were copied; hits: %lu of %lu tokens\n",
	       s.sessions, s.pins, (unsigned long)s.pages_used, s.page_tokens, (unsigned long)s.pages_copied,
	       (unsigned long)s.tokens_hit, (unsigned long)s.tokens_queried);
}

static int run(struct program *p, const char *path)
{
	static const char rules[] = "Once upon a time there was a little girl who lived by the sea. Every day she "
				    "went down to the water and looked for shells. ";
	int rc = kvik_model_load(&p->model, path, NULL, &p->err); /* NULL: the built-in model */
	struct kvik_cache_params params = kvik_cache_params_default();
	params.context = 512;
	params.sessions = 4; /* of full length: the ceiling follows from it */
	if (!rc)
		rc = kvik_cache_new(&p->cache, p->model, &params, &p->err);

	/* A prefix is computed once, and pinned: nothing evicts it any more. */
	if (!rc)
		rc = kvik_session_new(&p->first, p->cache, NULL, &p->err);
	if (!rc)
		rc = feed(p, p->first, "first", rules);
	size_t n = rc ? 0 : kvik_session_tokens(p->first);
	if (!rc)
		rc = kvik_session_pin(&p->pin, p->first, n, 0, &p->err);
	kvik_session_free(p->first);
	p->first = NULL;

	/* Another session begins with the same text; only what differs is computed. */
	if (!rc)
		rc = kvik_session_new(&p->second, p->cache, NULL, &p->err);
	if (!rc)
		rc = feed(p, p->second, "second", rules);
	if (!rc)
		rc = feed(p, p->second, "second", "One day she found a red ball.");

	/* A fork goes on from any position, and shares every page but the one it writes into. */
	if (!rc)
		rc = kvik_session_fork(&p->fork, p->second, n, &p->err);
	if (!rc)
		rc = feed(p, p->fork, "fork", "One day it rained.");

	/* Rollback to where the prefix ended; the text that was given up is still known. */
	if (!rc)
		rc = kvik_session_truncate(p->second, n, &p->err);
	if (!rc)
		rc = feed(p, p->second, "second", "One day she found a red ball and a boat.");
	if (!rc)
		print_figures(p->cache);
	return rc;
}

int main(int argc, char **argv)
{
	struct program p = {0};
	int rc = run(&p, argc > 1 ? argv[1] : NULL);
	if (rc)
		fprintf(stderr, "%s\n", p.err.text);
	kvik_session_free(p.fork);
	kvik_session_free(p.second);
	kvik_session_free(p.first);
	kvik_pin_free(p.pin);
	kvik_cache_free(p.cache);
	kvik_model_free(p.model);
	return rc ? 1 : 0;
}
