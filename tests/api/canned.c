/* canned.c: see canned.h. */
#include "canned.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/buf.h"

enum { QUEUE_MAX = 16 };

/* ---- The engine -------------------------------------------------------------------------------------------------- */

struct canned {
	struct kvik_vocab *vocab;
	const struct api_case *of;
	struct kvik_request_params
		queue[QUEUE_MAX]; /* [n]; ids and strings belong to the call, which waits for its end */
	struct kvik_generate_params generate[QUEUE_MAX];
	size_t n;
};

static int submit(void *ctx, const struct kvik_request_params *p, uint64_t *id, struct kvik_err *err)
{
	struct canned *c = ctx;
	for (size_t i = 0; i < p->n_ids; i++)
		if (p->ids[i] >= kvik_vocab_size(c->vocab))
			return err_set(err, KVIK_ERR_ARG, "token %u; the vocabulary has %zu", p->ids[i],
				       kvik_vocab_size(c->vocab));
	assert_true(c->n < QUEUE_MAX);
	c->generate[c->n] = *p->generate;
	c->queue[c->n] = *p;
	c->queue[c->n].generate = &c->generate[c->n];
	c->n++;
	*id = c->n;
	return 0;
}

static void cancel(void *ctx, uint64_t id)
{
	(void)ctx;
	(void)id;
}

static struct kvik_engine_stats stats(void *ctx)
{
	(void)ctx;
	return (struct kvik_engine_stats){.kv_bytes_ceiling = 1 << 20};
}

/* The id whose bytes are text[0..n). */
static uint32_t find_token(const struct canned *c, const char *text, size_t n)
{
	for (uint32_t id = 0; id < kvik_vocab_size(c->vocab); id++) {
		char *bytes;
		size_t got;
		assert_int_equal(kvik_token_bytes(c->vocab, id, &bytes, &got, NULL), 0);
		bool same = got == n && memcmp(bytes, text, n) == 0;
		kvik_free(bytes);
		if (same)
			return id;
	}
	fail_msg("'%.*s' is no token of the vocabulary", (int)n, text);
	return KVIK_NO_ID;
}

static uint32_t most_probable(const struct canned *c, struct kvik_logprob *top, uint32_t n, uint32_t own)
{
	for (uint32_t i = 0; i < n; i++)
		top[i] = (struct kvik_logprob){
			i == 0 && own != KVIK_NO_ID ? own : find_token(c, &"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i], 1),
			-0.25f * (float)(i + 1)};
	return n;
}

static void send(const struct kvik_request_params *p, const struct kvik_event *e)
{
	p->on_event(p->user, e);
}

static void say_prompt(const struct canned *c, const struct kvik_request_params *p)
{
	struct kvik_logprob top[KVIK_LOGPROBS_MAX];
	for (size_t i = 0; i < p->n_ids && p->prompt_logprobs; i++) {
		struct kvik_token t = {.id = p->ids[i], .logprob = i ? -1 : NAN, .rank = 3, .text = "", .top = top};
		t.n_top = i ? most_probable(c, top, p->prompt_logprobs, KVIK_NO_ID) : 0;
		send(p, &(struct kvik_event){.kind = KVIK_EVENT_PROMPT, .token = &t});
	}
}

static bool whole_characters(const struct buf *b)
{
	size_t at = 0;
	while (at < b->n) {
		unsigned char c = (unsigned char)b->data[at];
		at += c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	}
	return at == b->n;
}

/* One choice; returns how many tokens it took. */
static uint32_t say_choice(const struct canned *c, const struct kvik_request_params *p, uint32_t choice)
{
	struct kvik_logprob top[KVIK_LOGPROBS_MAX];
	struct buf text = {0};
	const char *at = c->of->says ? c->of->says : "";
	uint32_t n = 0, max = p->generate->max_tokens;
	while (*at && !(max && n == max)) {
		size_t bytes = strcspn(at, "|");
		struct kvik_token t = {.id = find_token(c, at, bytes), .logprob = -0.5f, .text = "", .top = top};
		t.n_top = most_probable(c, top, p->generate->n_logprobs, n % 2 ? KVIK_NO_ID : t.id);
		assert_true(buf_add_text(&text, at, bytes));
		if (whole_characters(&text)) {
			t.text = text.data;
			t.text_bytes = text.n;
			text.n = 0;
		}
		send(p, &(struct kvik_event){.kind = KVIK_EVENT_TOKEN, .choice = choice, .token = &t});
		at += bytes + (at[bytes] == '|');
		n++;
	}
	buf_release(&text);
	send(p, &(struct kvik_event){.kind = KVIK_EVENT_CHOICE,
				     .choice = choice,
				     .finish = *at ? KVIK_FINISH_LENGTH : c->of->finish,
				     .stop = c->of->end,
				     .stop_bytes = !c->of->end        ? 0
						   : c->of->end_bytes ? c->of->end_bytes
								      : strlen(c->of->end)});
	return n;
}

static void answer_all(struct canned *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct kvik_request_params *p = &c->queue[i];
		struct kvik_prefix prefix = {0};
		struct kvik_usage u = {.prompt_tokens = (uint32_t)p->n_ids};
		say_prompt(c, p);
		for (uint32_t k = 0; k < p->choices; k++)
			u.new_tokens += say_choice(c, p, k);
		send(p, &(struct kvik_event){.kind = KVIK_EVENT_END, .usage = &u, .prefix = &prefix});
	}
	c->n = 0;
}

/* ---- Where answers go -------------------------------------------------------------------------------------------- */

struct answer {
	struct buf text;
	bool ended;
};

static void on_head(void *ctx, int status, const char *type, bool stream, uint32_t retry_s)
{
	struct answer *a = ctx;
	char line[120];
	(void)stream;
	(void)retry_s;
	int n = snprintf(line, sizeof line, "%d %s\n", status, type);
	assert_true(buf_add_text(&a->text, line, (size_t)n));
}

static void on_body(void *ctx, const char *text, size_t bytes)
{
	struct answer *a = ctx;
	assert_false(a->ended);
	assert_true(buf_add_text(&a->text, text, bytes));
}

static void on_end(void *ctx)
{
	struct answer *a = ctx;
	assert_false(a->ended);
	a->ended = true;
}

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *from, const char *what)
{
	size_t n = strlen(what);
	return (size_t)(text - from) >= n && memcmp(text - n, what, n) == 0;
}

/* Figures of a clock become 0: those behind a key that tells a time. */
static void stop_clocks(struct buf *b)
{
	static const char *const keys[] = {
		"created\":", "created_at\":", "_ms\":", "_per_second\":", "_duration\":", "_at\":\""};
	size_t to = 0;
	for (size_t at = 0; at < b->n;) {
		b->data[to++] = b->data[at++];
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			if (!ends_with(b->data + to, b->data, keys[k]) || !isdigit((unsigned char)b->data[at]))
				continue;
			while (at < b->n && strchr("0123456789.e-+:TZ", b->data[at]))
				at++;
			b->data[to++] = '0';
		}
	}
	b->n = to;
	b->data[to] = '\0';
}

static char *exchange(const char *text, char from, char to)
{
	char *copy = strdup(text);
	assert_non_null(copy);
	for (char *c = copy; *c; c++)
		*c = *c == from ? to : *c;
	return copy;
}

/* NULL: the file is not there. */
static char *read_file(const char *name)
{
	char path[256];
	static char text[65536];
	snprintf(path, sizeof path, "../shared/cases/api/%s", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	return strdup(text);
}

static struct api *new_api(struct canned *c, char **template)
{
	struct api *api;
	struct kvik_err err;
	assert_int_equal(kvik_vocab_load(&c->vocab, c->of->vocab, &err), 0);
	assert_int_equal(kvik_chat_template_load(template, NULL, NULL, &err), 0);
	struct api_config config = {.engine = {.ctx = c,
					       .submit = submit,
					       .cancel = cancel,
					       .stats = stats,
					       .vocab = c->vocab,
					       .model = {.architecture = "canned",
							 .layers = 1,
							 .dim = 4,
							 .heads = 1,
							 .kv_heads = 1,
							 .context = 64,
							 .vocab_size = (uint32_t)kvik_vocab_size(c->vocab)},
					       .context = 64,
					       .sequences = 2},
				    .model_name = "canned",
				    .chat_template = c->of->chat_template ? c->of->chat_template : *template,
				    .template_name = "the template",
				    .choices_max = 4,
				    .sampling = api_sampling_default(),
				    .seed = 7};
	if (api_new(&api, &config, &err))
		fail_msg("%s", err.text);
	return api;
}

static void run_case(void **state)
{
	const struct api_case *of = *state;
	struct canned c = {.of = of};
	struct answer a = {0};
	struct api_sink sink = {&a, on_head, on_body, on_end};
	struct api_call *call;
	char method[8], path[80], *template;
	char *body = of->file ? read_file(of->file) : exchange(of->body ? of->body : "", '`', '"');
	if (!body) {
		print_message("%s: skipped: ../shared/cases/api/%s is not there\n", of->name, of->file);
		skip();
	}
	assert_int_equal(sscanf(of->request, "%7s %79s", method, path), 2);
	struct api *api = new_api(&c, &template);
	struct api_request q = {.method = method, .path = path, .body = body, .bytes = strlen(body), .request_id = "1"};
	api_handle(api, &q, &sink, &call);
	answer_all(&c);
	assert_true(a.ended);
	stop_clocks(&a.text);
	char *want = exchange(of->answer, '`', '"');
	bool same = strcmp(a.text.data, want) == 0;
	if (!same || getenv("KVIK_SHOW")) { /* cmocka would cut long texts */
		char *shown = exchange(a.text.data, '"', '`');
		printf("%s: %s\n", of->name, shown);
		fflush(stdout);
		free(shown);
	}
	if (!same && !getenv("KVIK_SHOW"))
		fail_msg("%s: answered with this; wanted:\n%s", of->name, of->answer);
	free(want);
	api_call_release(call);
	api_free(api);
	buf_release(&a.text);
	kvik_vocab_free(c.vocab);
	kvik_free(template);
	free(body);
}

int canned_run(const struct api_case *cases, size_t n)
{
	struct CMUnitTest *tests = calloc(n, sizeof *tests);
	if (!tests)
		return 1;
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].name, .test_func = run_case, .initial_state = (void *)(uintptr_t)&cases[i]};
	int failed = _cmocka_run_group_tests("api", tests, n, NULL, NULL);
	free(tests);
	return failed;
}
