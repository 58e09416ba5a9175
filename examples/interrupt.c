/* interrupt.c: a program that stays in charge: it shows how loading goes, says what the model will take before it is
 * loaded, and ends a long computation after a second (or at Ctrl-C) with what is done so far.
 *
 *   cc interrupt.c -lkvik && ./a.out [model.gguf] */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kvik.h>

static struct kvik_session *session;

static void on_signal(int sig)
{
	(void)sig;
	kvik_session_interrupt(session, true); /* may be called anywhere */
}

/* False would end loading, with KVIK_ERR_CANCELLED. */
static bool on_progress(void *user, uint64_t done, uint64_t total)
{
	(void)user;
	fprintf(stderr, "\rloading %3.0f%%", 100.0 * (double)done / (double)total);
	return true;
}

static int plan(const char *path, const struct kvik_cache_params *params, struct kvik_err *err)
{
	struct kvik_file *file;
	struct kvik_plan p;
	p.size = sizeof p;
	int rc = kvik_file_open(&file, path, err);
	if (rc)
		return rc;
	rc = kvik_plan_make(file, NULL, params, &p, err);
	if (!rc)
		printf("%.1f MB of weights, %.1f MB of keys and values\n", (double)p.weight_bytes / 1e6,
		       (double)p.kv_bytes / 1e6);
	kvik_file_close(file);
	return rc;
}

static int compute(struct kvik_err *err)
{
	static uint32_t ids[1000];
	int rc;
	signal(SIGALRM, on_signal);
	signal(SIGINT, on_signal);
	alarm(1);
	do /* for ever */
		rc = kvik_session_feed(session, ids, 1000, NULL, err);
	while (!rc && !kvik_session_truncate(session, 0, err));
	if (rc == KVIK_ERR_CANCELLED)
		printf("interrupted; %lu tokens of this feed are there and usable\n",
		       (unsigned long)kvik_session_tokens(session));
	kvik_session_interrupt(session, false);
	return rc == KVIK_ERR_CANCELLED ? 0 : rc;
}

int main(int argc, char **argv)
{
	struct kvik_model *model = NULL;
	struct kvik_cache *cache = NULL;
	struct kvik_model_params params = kvik_model_params_default();
	struct kvik_cache_params cache_params = kvik_cache_params_default();
	struct kvik_share share = kvik_share_default();
	struct kvik_err err;
	const char *path = argc > 1 ? argv[1] : NULL;
	memset(&err, 0, sizeof err);
	params.progress = on_progress;
	cache_params.context = 2048;
	cache_params.chunk = 64; /* how soon an interruption takes effect */
	share.isolated = true;   /* or the second feed would find what the first one has computed */
	int rc = plan(path, &cache_params, &err);
	if (!rc)
		rc = kvik_model_load(&model, path, &params, &err);
	if (!rc)
		rc = kvik_cache_new(&cache, model, &cache_params, &err);
	if (!rc)
		rc = kvik_session_new(&session, cache, &share, &err);
	if (!rc)
		rc = compute(&err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_session_free(session);
	kvik_cache_free(cache);
	kvik_model_free(model);
	return rc ? 1 : 0;
}
