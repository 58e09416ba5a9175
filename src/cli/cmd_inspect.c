/* cmd_inspect.c: `kvik inspect`: hyperparameters, tensors, types and sizes of a model on disk. */
#include <string.h>

#include <jansson.h>

#include "cli/cmd.h"
#include "cli/common.h"

static const struct usage usage = {"inspect [OPTIONS] [MODEL]",
				   "Shows what a model file holds: hyperparameters, what in it is not honoured or "
				   "contradicts itself (docs/MODELS.md), "
				   "then its tensors, types and sizes.",
				   "  kvik inspect model.gguf\n"
				   "  kvik inspect ./Qwen3-0.6B --json | jq '.tensors | length'\n"};

/* Sums per type, in order of first appearance. */
struct type_sum {
	const char *type;
	uint64_t bytes, tensors;
};

static size_t sum_types(const struct kvik_file *f, struct type_sum sums[], size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < kvik_file_tensors(f); i++) {
		struct kvik_tensor_info t = kvik_file_get_tensor(f, i);
		size_t k = 0;
		while (k < n && strcmp(sums[k].type, t.type) != 0)
			k++;
		if (k == max)
			continue;
		if (k == n)
			sums[n++] = (struct type_sum){t.type, 0, 0};
		sums[k].bytes += t.bytes;
		sums[k].tensors++;
	}
	return n;
}

/* Calls fn for what is odd about the file and about its vocabulary; v may be NULL. */
static void each_warning(const struct kvik_file *f, const struct kvik_vocab *v,
			 void (*fn)(void *user, const char *text), void *user)
{
	for (size_t i = 0; kvik_file_warning(f, i); i++)
		fn(user, kvik_file_warning(f, i));
	for (size_t i = 0; v && kvik_vocab_warning(v, i); i++)
		fn(user, kvik_vocab_warning(v, i));
}

static void print_warning(void *user, const char *text)
{
	(void)user;
	printf("warning          %s\n", text);
}

static void append_warning(void *list, const char *text)
{
	json_array_append_new(list, json_string(text));
}

static void print_text(const struct kvik_file *f, const struct kvik_vocab *v, bool tensors)
{
	struct kvik_model_info m = kvik_file_get_info(f);
	struct type_sum sums[32];
	char size[32];
	printf("architecture     %s\nparameters       %.3f million\nstored           %s in %zu tensors\n",
	       m.architecture, (double)m.parameters / 1e6, human_bytes(m.weight_bytes, size), kvik_file_tensors(f));
	printf("layers           %u\nwidth            %u (feed-forward %u)\n", m.layers, m.dim, m.ffn_dim);
	printf("heads            %u of %u dims, %u for keys and values\n", m.heads, m.head_dim, m.kv_heads);
	printf("vocabulary       %u%s\ncontext          %u tokens\n", m.vocab_size,
	       m.tied ? " (output tied to the embedding)" : "", m.context);
	if (m.window)
		printf("window           %u tokens (the smallest of its layers)\n", m.window);
	size_t n = sum_types(f, sums, sizeof sums / sizeof *sums);
	for (size_t i = 0; i < n; i++)
		printf("%-16s %llu tensors, %s\n", sums[i].type, (unsigned long long)sums[i].tensors,
		       human_bytes(sums[i].bytes, size));
	each_warning(f, v, print_warning, NULL);
	for (size_t i = 0; i < kvik_file_tensors(f) && tensors; i++) {
		struct kvik_tensor_info t = kvik_file_get_tensor(f, i);
		char shape[96] = "";
		for (uint32_t d = 0; d < t.n_dims; d++)
			snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%llu", d ? " x " : "",
				 (unsigned long long)t.dims[d]);
		printf("%s  %-36s %-7s %-20s %s\n", i ? "" : "\n", t.name, t.type, shape, human_bytes(t.bytes, size));
	}
}

static int print_json(const struct kvik_file *f, const struct kvik_vocab *v)
{
	struct kvik_model_info m = kvik_file_get_info(f);
	json_t *list = json_array(), *warnings = json_array();
	each_warning(f, v, append_warning, warnings);
	for (size_t i = 0; i < kvik_file_tensors(f); i++) {
		struct kvik_tensor_info t = kvik_file_get_tensor(f, i);
		json_t *dims = json_array();
		for (uint32_t d = 0; d < t.n_dims; d++)
			json_array_append_new(dims, json_integer((json_int_t)t.dims[d]));
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I}", "name", t.name, "type", t.type, "dims",
						      dims, "bytes", (json_int_t)t.bytes));
	}
	json_t *o = json_pack("{s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:b, s:o, s:o}",
			      "architecture", m.architecture, "parameters", (json_int_t)m.parameters, "weight_bytes",
			      (json_int_t)m.weight_bytes, "layers", (int)m.layers, "dim", (int)m.dim, "ffn_dim",
			      (int)m.ffn_dim, "heads", (int)m.heads, "kv_heads", (int)m.kv_heads, "head_dim",
			      (int)m.head_dim, "vocab_size", (json_int_t)m.vocab_size, "context", (json_int_t)m.context,
			      "window", (json_int_t)m.window, "tied", m.tied, "warnings", warnings, "tensors", list);
	int rc = o && json_dumpf(o, stdout, JSON_COMPACT) == 0 ? 0 : -1;
	putchar('\n');
	json_decref(o);
	return rc;
}

static int run(int argc, char **argv)
{
	bool json = false, brief = false;
	struct model_opts model = {0};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Options:"},
		{OPT_FLAG, 0, "brief", &brief, .help = "Without the list of tensors."},
		{OPT_FLAG, 0, "json", &json, .help = "One JSON object."},
		{OPT_TEXT, 0, "synthetic", &model.synthetic, .arg = "SHAPE:TYPE", .help = "A shape instead of MODEL."}};
	struct opt_list l = {0};
	struct kvik_file *f = NULL;
	struct kvik_vocab *v = NULL; /* for its warnings */
	struct kvik_err err;
	const char *rest[1];
	int status;
	OPT_LIST_ADD(&l, opts);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&model, n, rest);
	int rc = kvik_file_open(&f, path, &err);
	if (!rc && !model.synthetic && kvik_vocab_load(&v, path, &err))
		show_warning(err.text);
	if (!rc && json && print_json(f, v))
		rc = err_set(&err, KVIK_ERR_IO, "the result could not be written");
	else if (!rc && !json)
		print_text(f, v, !brief);
	kvik_vocab_free(v);
	kvik_file_close(f);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_inspect = {"inspect", "what a model file holds", run};
