/* cmd_serve.c: `kvik serve`: an HTTP server over one model. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "chat/call_format.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/gen.h"
#include "http/http.h"
#include "http/http_log.h"

struct serve_opts {
	struct model_opts model;
	struct cache_opts cache;
	struct kvik_engine_params engine;
	struct http_config http;
	struct sampling_opts sampling;
	uint32_t port, choices_max, tokens_max;
	uint64_t seed; /* UINT64_MAX: none */
	const char *alias, *template_file, *slots_folder;
	const char *tool_format; /* NULL: as the template shows */
	bool quiet;
};

static const struct usage usage = {
	"serve [OPTIONS] [MODEL]",
	"Serves a model over HTTP, speaking OpenAI's API (/v1/chat/completions, /v1/completions, /v1/embeddings,\n"
	"/v1/responses, /v1/models), Anthropic's (/v1/messages), Ollama's (/api/chat, ...) and llama-server's "
	"(/completion, ...).\n"
	"Many requests share one KV cache: a prefix that is known, or being computed for another request, is never\n"
	"computed again.",
	"  kvik serve model.gguf --port 8080 --seqs 16 --ctx 8192\n"
	"  curl http://127.0.0.1:8080/v1/chat/completions -d "
	"'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'\n"
	"  kvik serve ./Qwen3-0.6B --keys keys.txt --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem\n"};

static void add_serve_opts(struct opt_list *l, struct serve_opts *o)
{
	struct http_config *h = &o->http;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Server:"},
		{OPT_TEXT, 0, "host", &h->host, .arg = "ADDRESS",
		 .help = "Where to listen (default 127.0.0.1: this machine only)."},
		{OPT_U32, 'P', "port", &o->port, 0, 65535, .arg = "N",
		 .help = "Port (default 8080; 0 = any free one)."},
		{OPT_TEXT, 0, "keys", &h->keys_path, .arg = "FILE",
		 .help = "API keys, lines of 'KEY NAME [requests per minute]'; SIGHUP reads them again."},
		{OPT_TEXT, 0, "operator", &h->operator_name, .arg = "NAME",
		 .help = "Name of the keys that see the figures of all in /metrics and /slots; others see their own."},
		{OPT_TEXT, 0, "tls-cert", &h->tls_cert, .arg = "PEM", .help = "Certificate chain, for HTTPS."},
		{OPT_TEXT, 0, "tls-key", &h->tls_key, .arg = "PEM", .help = "Its private key."},
		{OPT_TEXT, 0, "cors", &h->cors_origin, .arg = "ORIGIN",
		 .help = "Web pages from this origin may ask; '*' means all."},
		{OPT_SIZE, 0, "body-max", &h->body_bytes_max, 1024, 1e10, .arg = "SIZE",
		 .help = "Largest request body (default 32M)."},
		{OPT_SIZE, 0, "request-memory", &h->request_memory, 0, 1e12, .arg = "SIZE",
		 .help = "What all requests and answers may hold together, beside weights and KV cache; one at most a "
			 "quarter of it (default 8 times --body-max, at least 64M)."},
		{OPT_U32, 0, "connections", &h->connections_max, 1, 1 << 20, .arg = "N",
		 .help = "Connections open at once (default 16384); more wait."},
		{OPT_U32, 0, "request-time", &h->request_s, 1, 86400, .arg = "S",
		 .help = "Close connections whose request takes longer to arrive (default 30, and 1 per 16 KiB)."},
		{OPT_SIZE, 0, "output-max", &h->output_bytes_max, 1024, 1e10, .arg = "SIZE",
		 .help = "Cut off clients that leave more of their answer unread (default 8M)."},
		{OPT_U32, 0, "idle", &h->idle_s, 1, 86400, .arg = "S",
		 .help = "Close silent connections after so many seconds (default 60)."},
		{OPT_U32, 0, "grace", &h->grace_s, 0, 86400, .arg = "S",
		 .help = "How long running answers may go on after SIGTERM (default 30)."},
		{OPT_FLAG, 'q', "quiet", &o->quiet, .help = "No line per request on standard error."},
		{OPT_TEXT, 0, "alias", &o->alias, .arg = "NAME", .help = "Name of the model in answers."},
		{OPT_TEXT, 0, "tool-format", &o->tool_format, .arg = "NAME",
		 .help = "How the model writes tool calls (hermes, mistral, ...) where its template does not show it."},
		{OPT_TEXT, 0, "chat-template", &o->template_file, .arg = "FILE",
		 .help = "Jinja template instead of the model's own."},
		{OPT_TEXT, 0, "slot-save-path", &o->slots_folder, .arg = "DIR",
		 .help = "Folder for POST /slots/ID?action=save|restore: there lies what people wrote, in the clear."},
		{OPT_U32, 0, "tokens-max", &o->tokens_max, 0, 1e9, .arg = "N",
		 .help = "Most tokens of an answer (default 0: as many as fit)."},
		{OPT_U64, 0, "seed", &o->seed, .arg = "N",
		 .help = "Seed of requests that name none (default: each draws anew)."},
		{OPT_U32, 0, "n-max", &o->choices_max, 1, 128, .arg = "N",
		 .help = "Most answers to a prompt (default 16)."},
	};
	OPT_LIST_ADD(l, opts);
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return !path ? "kvik-mini" : slash && slash[1] ? slash + 1 : path;
}

static void log_warning(const char *text)
{
	http_log_event("warning", "%s", text);
}

static int no_such_format(const char *name, struct kvik_err *err)
{
	char names[512] = "";
	for (size_t i = 0, n = 0; i < call_formats_n && n < sizeof names; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", call_formats[i].name);
	return err_set(err, KVIK_ERR_ARG, "--tool-format '%.40s' is none; there are %s", name, names);
}

static int serve(struct serve_opts *o, struct kvik_model *m, const char *path, struct kvik_err *err)
{
	struct kvik_engine *engine = NULL;
	struct api *api = NULL;
	struct http *http = NULL;
	char *template = NULL;
	size_t n;
	int rc = o->template_file ? read_text(o->template_file, &template, &n, err) : 0;
	if (!rc && o->tool_format && !call_format_named(o->tool_format))
		rc = no_such_format(o->tool_format, err);
	struct api_config ac = {.model_name = o->alias ? o->alias : base_name(path),
				.model_path = path ? path : "built in",
				.seed = o->seed == UINT64_MAX ? -1 : (int64_t)(o->seed & INT64_MAX),
				.chat_template = template ? template : kvik_model_chat_template(m),
				.tool_format = o->tool_format ? call_format_named(o->tool_format) : NULL,
				.tool_template = template ? NULL : kvik_model_tool_template(m),
				.template_name = template ? o->template_file : "the model's chat template",
				.sampling = recommended_sampling(m),
				.choices_max = o->choices_max,
				.tokens_max = o->tokens_max,
				.slots_folder = o->slots_folder,
				.warn = log_warning};
	sampling_opts_apply(&o->sampling, &ac.sampling);
	if (!rc)
		rc = kvik_engine_new(&engine, m, &o->engine, err);
	if (!rc) {
		struct kvik_model_info info = kvik_model_get_info(m);
		warn_ceilings(&info, kvik_engine_get_params(engine).cache->context, "the KV cache",
			      kvik_engine_get_stats(engine).kv_bytes_ceiling);
		ac.engine = api_engine_of(engine);
		rc = api_new(&api, &ac, err);
	}
	if (!rc)
		rc = http_new(&http, &o->http, engine, api, err);
	if (!rc) {
		char ceiling[32];
		fprintf(stderr, "kvik: %s on %s://%s:%u/v1, %u threads, %s, KV cache up to %s\n", ac.model_name,
			o->http.tls_cert ? "https" : "http", o->http.host, http_port(http), kvik_model_threads(m),
			kvik_model_cpu(m), human_bytes(kvik_engine_get_stats(engine).kv_bytes_ceiling, ceiling));
		rc = http_run(http, err);
	}
	http_free(http);
	kvik_engine_free(engine);
	api_free(api);
	mem_free(template);
	return rc;
}

static int run(int argc, char **argv)
{
	struct serve_opts o = {.engine = kvik_engine_params_default(),
			       .http = http_config_default(),
			       .port = 8080,
			       .choices_max = 16,
			       .seed = UINT64_MAX};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	add_serve_opts(&l, &o);
	add_sampling_opts(
		&l, &o.sampling,
		"Drawing, where a request does not say (default: as the model's makers recommend, else --temp 0.8 "
		"--top-k 40\n--top-p 0.95 --min-p 0.05):");
	add_engine_opts(&l, "Scheduling:", &o.engine, &o.cache);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&o.model, n, rest);
	o.http.port = (uint16_t)o.port;
	o.http.tenants = o.engine.tenants;
	o.http.log_requests = !o.quiet;
	int rc = cache_opts_finish(&o.cache, &err);
	o.engine.cache = &o.cache.params;
	if (!rc)
		rc = load_model(&m, path, &o.model, &err);
	if (!rc)
		rc = serve(&o, m, path, &err);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_serve = {"serve", "answer over HTTP, as OpenAI's API", run};
