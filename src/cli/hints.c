/* hints.c: see hints.h. Names: llama-server's and llama-cli's --help, vLLM's engine arguments, ollama's commands. */
#include "cli/hints.h"

#include <string.h>
#include <unistd.h>

static const struct known {
	const char *name;
	struct hint hint;
} options[] = {
	/* llama.cpp */
	{"m", {NULL, "the model stands alone, without an option: kvik COMMAND model.gguf"}},
	{"model", {NULL, "the model stands alone, without an option: kvik COMMAND model.gguf"}},
	{"ctx-size", {"ctx", "say --ctx N"}},
	{"n-predict", {"max-tokens", "say -n N"}},
	{"predict", {"max-tokens", "say -n N"}},
	{"temperature", {"temp", "say --temp T"}},
	{"np", {"seqs", "say --seqs N"}},
	{"parallel", {"seqs", "say --seqs N"}},
	{"cb", {NULL, "requests are always batched as they come: leave it out"}},
	{"cont-batching", {NULL, "requests are always batched as they come: leave it out"}},
	{"ngl", {NULL, "kvik computes on the CPU: leave it out"}},
	{"gpu-layers", {NULL, "kvik computes on the CPU: leave it out"}},
	{"n-gpu-layers", {NULL, "kvik computes on the CPU: leave it out"}},
	{"tb", {"threads", "say --threads N; it holds for prompts and answers"}},
	{"threads-batch", {"threads", "say --threads N; it holds for prompts and answers"}},
	{"b", {"chunk", "say --chunk N"}},
	{"batch-size", {"chunk", "say --chunk N"}},
	{"ub", {"chunk", "say --chunk N"}},
	{"ubatch-size", {"chunk", "say --chunk N"}},
	{"fa", {NULL, "attention is always computed in one pass over the cache: leave it out"}},
	{"flash-attn", {NULL, "attention is always computed in one pass over the cache: leave it out"}},
	{"ctk", {"kv-dtype", "say --kv-dtype K,V, such as int8,int4"}},
	{"ctv", {"kv-dtype", "say --kv-dtype K,V, such as int8,int4"}},
	{"cache-type-k", {"kv-dtype", "say --kv-dtype K,V, such as int8,int4"}},
	{"cache-type-v", {"kv-dtype", "say --kv-dtype K,V, such as int8,int4"}},
	{"mlock", {NULL, "weights are packed into memory of their own: leave it out"}},
	{"no-mmap", {NULL, "weights are packed into memory of their own: leave it out"}},
	{"jinja", {NULL, "chat templates are always read as Jinja: leave it out"}},
	{"chat-template-file", {"chat-template", "say --chat-template FILE"}},
	{"ssl-key-file", {"tls-key", "say --tls-key PEM"}},
	{"ssl-cert-file", {"tls-cert", "say --tls-cert PEM"}},
	{"api-key", {"keys", "keys are lines of a file, KEY NAME [requests per minute]: say --keys FILE"}},
	{"api-key-file", {"keys", "say --keys FILE, with lines of KEY NAME [requests per minute]"}},
	{"metrics", {NULL, "/metrics is always there: leave it out"}},
	{"slots", {NULL, "/slots is always there: leave it out"}},
	{"embedding", {NULL, "/v1/embeddings is always there: leave it out"}},
	{"embeddings", {NULL, "/v1/embeddings is always there: leave it out"}},
	{"hf", {NULL, "kvik downloads nothing: fetch the model with `hf download`, then name its file or folder"}},
	{"hf-repo", {NULL, "kvik downloads nothing: fetch the model with `hf download`, then name its file or folder"}},
	{"sys", {"system", "say --system TEXT"}},
	{"system-prompt", {"system", "say --system TEXT"}},
	{"i", {NULL, "say kvik chat"}},
	{"cnv", {NULL, "say kvik chat"}},
	{"interactive", {NULL, "say kvik chat"}},
	{"conversation", {NULL, "say kvik chat"}},
	{"ignore-eos", {"ignore-end", "say --ignore-end"}},
	{"timeout", {"request-time", "say --request-time S"}},
	{"lora", {NULL, "adapters are not supported: merge it into the model"}},
	/* vLLM */
	{"max-model-len", {"ctx", "say --ctx N"}},
	{"max-num-seqs", {"seqs", "say --seqs N"}},
	{"max-num-batched-tokens", {"chunk", "say --chunk N"}},
	{"gpu-memory-utilization", {"kv-memory", "say --kv-memory SIZE, such as 4G"}},
	{"kv-cache-memory-bytes", {"kv-memory", "say --kv-memory SIZE, such as 4G"}},
	{"swap-space", {"kv-memory", "say --kv-memory SIZE, such as 4G"}},
	{"kv-cache-dtype", {"kv-dtype", "say --kv-dtype K[,V], such as int8"}},
	{"quantization", {"quantize", "say --quantize q8_0; of a model that is quantised nothing need be said"}},
	{"served-model-name", {"alias", "say --alias NAME"}},
	{"enable-prefix-caching", {NULL, "prefixes are always cached: leave it out"}},
	{"cache-prompt", {NULL, "prefixes are always cached: leave it out"}},
	{"no-enable-prefix-caching", {NULL, "an answer never depends on what is cached: leave it out"}},
	{"enable-chunked-prefill", {NULL, "prompts are always computed in pieces: leave it out"}},
	{"enable-auto-tool-choice", {NULL, "tool calls are always parsed: leave it out"}},
	{"tool-call-parser", {NULL, "the form of tool calls is read off the chat template: leave it out"}},
	{"tensor-parallel-size", {NULL, "there is one machine: leave it out"}},
	{"ssl-keyfile", {"tls-key", "say --tls-key PEM"}},
	{"ssl-certfile", {"tls-cert", "say --tls-cert PEM"}},
	{"allowed-origins", {"cors", "say --cors ORIGIN"}},
	{"uvicorn-log-level", {"quiet", "say --quiet for less"}},
	/* ollama */
	{"num-ctx", {"ctx", "say --ctx N"}},
	{"num-predict", {"max-tokens", "say -n N"}},
	{"keepalive", {NULL, "a model stays as long as the program runs: leave it out"}},
};

const struct hint *hint_of_option(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		const char *known = options[i].name;
		size_t k = 0;
		while (k < n && known[k] && (known[k] == name[k] || (known[k] == '-' && name[k] == '_')))
			k++;
		if (k == n && !known[k])
			return &options[i].hint;
	}
	return NULL;
}

const char *hint_of_command(const char *name)
{
	static const char *const commands[][2] = {
		{"pull", "kvik downloads nothing: fetch a model with `hf download`, then `kvik chat FILE`"},
		{"download", "kvik downloads nothing: fetch a model with `hf download`, then `kvik chat FILE`"},
		{"ls", "there is no store of models: name a file or a folder, as in `kvik chat model.gguf`"},
		{"list", "there is no store of models: name a file or a folder, as in `kvik chat model.gguf`"},
		{"ps", "ask the server: /slots, /metrics"},
		{"show", "say `kvik inspect MODEL`"},
		{"info", "say `kvik inspect MODEL`"},
		{"generate", "say `kvik run MODEL -p TEXT`"},
		{"complete", "say `kvik run MODEL -p TEXT`"},
		{"api", "say `kvik serve MODEL`"},
		{"server", "say `kvik serve MODEL`"},
		{"quantize", "say `--quantize q8_0` where a model is loaded"},
		{"ppl", "say `kvik perplexity MODEL`"},
		{"detokenize", "say `kvik tokenize --decode`"},
	};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i][0], name) == 0)
			return commands[i][1];
	if (access(name, F_OK) == 0 || strchr(name, '/') || strstr(name, ".gguf"))
		return "a command comes first: `kvik run`, `kvik chat` or `kvik serve`, then the model";
	return NULL;
}

/* ORG/NAME of a hub; paths have more slashes, or begin with a dot. */
static bool is_hub_name(const char *path)
{
	const char *slash = strchr(path, '/');
	return slash && slash > path && slash[1] && !strchr(slash + 1, '/') && path[0] != '.' && path[0] != '~';
}

void hint_add_to_model(const char *path, struct kvik_err *err)
{
	char was[sizeof err->text];
	if (!path || access(path, F_OK) == 0)
		return;
	memcpy(was, err->text, sizeof was);
	if (is_hub_name(path) && !strstr(path, ".gguf"))
		err_set(err, err->code,
			"%.200s; if it is a name on the Hugging Face hub: kvik downloads nothing; `hf download %.120s "
			"--local-dir model`, then name ./model",
			was, path);
	else if (strchr(path, ':'))
		err_set(err, err->code, "%.300s; kvik has no store of models: name a GGUF file or a folder", was);
}
