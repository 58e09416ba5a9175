/* vocab_load.c: where a model keeps its vocabulary: the keys tokenizer.ggml.* of a GGUF file, or tokenizer.json or
 * tokenizer.model of a Hugging Face folder, with the small files beside them. Source: the GGUF specification.
 *
 * A key of the wrong type is an error, never a default. Any thread. */
#include "engine/vocab_load.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

/* ---- GGUF -------------------------------------------------------------------------------------------------------- */

enum { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_STR = 8, GGUF_I8 = 1, GGUF_U8 = 0 };

/* Arrays of the description that had to be copied out of the file, because there they have no alignment. */
struct tables {
	struct vocab_str *tokens, *merges;
	float *scores;
	int32_t *types;
	char *pre, *name;
};

static void tables_release(struct tables *t)
{
	mem_free(t->tokens);
	mem_free(t->merges);
	mem_free(t->scores);
	mem_free(t->types);
	mem_free(t->pre);
	mem_free(t->name);
}

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

/* *list: [*n], NULL where the key is absent. */
static int get_strings(const struct gguf *g, const char *key, struct vocab_str **list, size_t *n, struct kvik_err *err)
{
	struct gguf_array a = {0};
	int rc = gguf_get_array(g, key, &a, err);
	*n = 0;
	if (rc <= 0)
		return rc;
	if (a.type != GGUF_STR || a.n > VOCAB_TOKENS_MAX)
		return err_set(err, KVIK_ERR_FORMAT,
			       "GGUF key '%s' is not an array of at most %u strings; convert the model again", key,
			       VOCAB_TOKENS_MAX);
	*list = mem_zalloc((size_t)a.n, sizeof **list);
	if (!*list)
		return no_memory(err);
	const uint8_t *at = a.data;
	for (; *n < a.n; ++*n) { /* the reader has seen that every string lies inside the file */
		uint64_t bytes;
		memcpy(&bytes, at, sizeof bytes);
		(*list)[*n] = (struct vocab_str){(const char *)at + sizeof bytes, (size_t)bytes};
		at += sizeof bytes + bytes;
	}
	return 0;
}

/* A copy of n elements of 4 bytes; *copy: NULL where the key is absent. */
static int get_words(const struct gguf *g, const char *key, uint32_t type, size_t n, void **copy, uint32_t *found,
		     struct kvik_err *err)
{
	struct gguf_array a = {0};
	int rc = gguf_get_array(g, key, &a, err);
	if (rc <= 0)
		return rc;
	if ((a.type != type && a.type != GGUF_I32 && !(type == GGUF_I32 && a.type == GGUF_U32)) || a.n < n)
		return err_set(err, KVIK_ERR_FORMAT,
			       "GGUF key '%s' is not an array of numbers, one for each of %zu tokens; convert the "
			       "model again",
			       key, n);
	*copy = mem_zalloc(n, 4);
	if (!*copy)
		return no_memory(err);
	memcpy(*copy, a.data, n * 4);
	*found = a.type;
	return 0;
}

static int get_scores(const struct gguf *g, size_t n, float **scores, struct kvik_err *err)
{
	uint32_t type = 0;
	int rc = get_words(g, "tokenizer.ggml.scores", GGUF_F32, n, (void **)scores, &type, err);
	for (size_t i = 0; !rc && type == GGUF_I32 && i < n; i++) {
		int32_t score;
		memcpy(&score, &(*scores)[i], sizeof score);
		(*scores)[i] = (float)score;
	}
	return rc;
}

static int get_tables(const struct gguf *g, struct vocab_desc *d, struct tables *t, struct kvik_err *err)
{
	uint32_t type;
	int rc = get_strings(g, "tokenizer.ggml.tokens", &t->tokens, &d->n_tokens, err);
	if (!rc && d->n_tokens == 0)
		rc = err_set(err, KVIK_ERR_FORMAT,
			     "GGUF key 'tokenizer.ggml.tokens' is missing or empty; convert the model again");
	if (!rc)
		rc = get_strings(g, "tokenizer.ggml.merges", &t->merges, &d->n_merges, err);
	if (!rc && d->kind == VOCAB_BPE && !t->merges) /* every text would become single characters */
		rc = err_set(err, KVIK_ERR_FORMAT,
			     "GGUF key 'tokenizer.ggml.merges' is missing; convert the model again");
	if (!rc)
		rc = get_scores(g, d->n_tokens, &t->scores, err);
	if (!rc)
		rc = get_words(g, "tokenizer.ggml.token_type", GGUF_I32, d->n_tokens, (void **)&t->types, &type, err);
	d->tokens = t->tokens;
	d->merges = t->merges;
	d->scores = t->scores;
	d->types = t->types;
	return rc;
}

static int get_charsmap(const struct gguf *g, struct vocab_desc *d, struct kvik_err *err)
{
	const char *key = "tokenizer.ggml.precompiled_charsmap";
	struct gguf_array a = {0};
	int rc = gguf_get_array(g, key, &a, err);
	if (rc <= 0)
		return rc;
	if (a.type != GGUF_I8 && a.type != GGUF_U8)
		return err_set(err, KVIK_ERR_FORMAT, "GGUF key '%s' is not an array of bytes; convert the model again",
			       key);
	d->precompiled_charsmap = a.data;
	d->charsmap_bytes = (size_t)a.n;
	return 0;
}

/* Special ids and flags, where the file has them. An id outside the vocabulary leaves the default, as elsewhere. */
static int get_settings(const struct gguf *g, struct vocab_desc *d, struct warnings *w, struct kvik_err *err)
{
	const struct {
		const char *key;
		int64_t *id;
	} ids[] = {
		{"tokenizer.ggml.bos_token_id", &d->bos},
		{"tokenizer.ggml.eos_token_id", &d->eos},
		{"tokenizer.ggml.unknown_token_id", &d->unk},
		{"tokenizer.ggml.seperator_token_id", &d->sep},
		{"tokenizer.ggml.padding_token_id", &d->pad},
		{"tokenizer.ggml.cls_token_id", &d->cls},
		{"tokenizer.ggml.eot_token_id", &d->eot},
		{"tokenizer.ggml.eom_token_id", &d->eom},
		{"tokenizer.ggml.prefix_token_id", &d->fim[VOCAB_FIM_PREFIX]}, /* older names */
		{"tokenizer.ggml.suffix_token_id", &d->fim[VOCAB_FIM_SUFFIX]},
		{"tokenizer.ggml.middle_token_id", &d->fim[VOCAB_FIM_MIDDLE]},
		{"tokenizer.ggml.fim_pre_token_id", &d->fim[VOCAB_FIM_PREFIX]},
		{"tokenizer.ggml.fim_suf_token_id", &d->fim[VOCAB_FIM_SUFFIX]},
		{"tokenizer.ggml.fim_mid_token_id", &d->fim[VOCAB_FIM_MIDDLE]},
		{"tokenizer.ggml.fim_pad_token_id", &d->fim[VOCAB_FIM_PAD]},
		{"tokenizer.ggml.fim_rep_token_id", &d->fim[VOCAB_FIM_REPO]},
		{"tokenizer.ggml.fim_sep_token_id", &d->fim[VOCAB_FIM_FILE]},
	};
	const struct {
		const char *key;
		bool *flag;
	} flags[] = {
		{"tokenizer.ggml.add_bos_token", &d->add_bos},
		{"tokenizer.ggml.add_eos_token", &d->add_eos},
		{"tokenizer.ggml.add_sep_token", &d->add_sep},
		{"tokenizer.ggml.add_space_prefix", &d->add_space_prefix},
		{"tokenizer.ggml.remove_extra_whitespaces", &d->remove_extra_whitespaces},
		{"tokenizer.ggml.normalizer.lowercase", &d->lowercase},
		{"tokenizer.ggml.normalizer.strip_accents", &d->strip_accents},
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof ids / sizeof *ids && rc >= 0; i++) {
		uint64_t id = UINT64_MAX;
		rc = gguf_get_u64(g, ids[i].key, &id, err);
		if (rc > 0 && id < d->n_tokens)
			*ids[i].id = (int64_t)id;
		else if (rc > 0 && id != UINT32_MAX) /* -1: none */
			rc = warn_add(w, err, "GGUF key '%s' is %llu, outside the vocabulary of %zu, and is not used",
				      ids[i].key, (unsigned long long)id, d->n_tokens);
	}
	for (size_t i = 0; i < sizeof flags / sizeof *flags && rc >= 0; i++) {
		rc = gguf_get_bool(g, flags[i].key, flags[i].flag, err);
		if (flags[i].flag == &d->lowercase)
			d->strip_accents = d->lowercase; /* unless the next one says otherwise */
	}
	/* Published files say no, and are wrong: llama.cpp overrides them, too. */
	if (rc >= 0 && d->pre && strcmp(d->pre, "gemma4") == 0 && !d->add_bos) {
		d->add_bos = true;
		rc = warn_add(w, err, "GGUF key 'tokenizer.ggml.add_bos_token' is false, but Gemma 4 wants true");
	}
	return rc < 0 ? rc : 0;
}

/* *copy: NUL-terminated, NULL where the key is absent. */
static int get_text(const struct gguf *g, const char *key, char **copy, struct kvik_err *err)
{
	struct gguf_str s = {0};
	int rc = gguf_get_str(g, key, &s, err);
	if (rc <= 0)
		return rc;
	*copy = mem_strndup(s.text, s.bytes);
	return *copy ? 0 : no_memory(err);
}

/* Of Gemma 4, whose kind of vocabulary is its own, the name is that of the pre-tokenizer, too. */
static int get_pre(const struct gguf *g, const char *model, char **pre, struct kvik_err *err)
{
	if (strcmp(model, "gemma4") != 0)
		return get_text(g, "tokenizer.ggml.pre", pre, err);
	*pre = mem_strndup(model, strlen(model));
	return *pre ? 0 : no_memory(err);
}

static int load(struct vocab **out, const struct gguf *g, const char *model, struct tables *t, struct warnings *w,
		struct kvik_err *err)
{
	struct vocab_desc d;
	int kind = vocab_kind_from_gguf(model);
	if (kind < 0)
		return err_set(err, KVIK_ERR_UNSUPPORTED,
			       "the vocabulary is of kind '%.60s' (tokenizer.ggml.model), which kvik does not read; "
			       "use the model's tokenizer.json",
			       model);
	int rc = get_pre(g, model, &t->pre, err);
	if (!rc)
		rc = get_text(g, "general.name", &t->name, err);
	if (rc)
		return rc;
	vocab_desc_default(&d, (enum vocab_kind)kind, t->pre);
	d.name = t->name;
	d.warnings = w;
	rc = get_tables(g, &d, t, err);
	if (!rc)
		rc = get_charsmap(g, &d, err);
	if (!rc)
		rc = get_settings(g, &d, w, err);
	return rc ? rc : vocab_new(out, &d, err);
}

/* Does the file have a vocabulary? *model: of which kind, freed by the caller. */
static int gguf_model(const struct gguf *g, char **model, struct kvik_err *err)
{
	*model = NULL;
	int rc = get_text(g, "tokenizer.ggml.model", model, err);
	if (!rc && *model && (strcmp(*model, "none") == 0 || strcmp(*model, "no_vocab") == 0)) {
		mem_free(*model);
		*model = NULL;
	}
	return rc;
}

/* A file without a vocabulary gives NULL. */
static int load_if_any(struct vocab **out, const struct gguf *g, const char *name, struct warnings *w,
		       struct kvik_err *err)
{
	struct tables t = {0};
	char *model = NULL;
	*out = NULL;
	int rc = gguf_model(g, &model, err);
	if (!rc && model)
		rc = load(out, g, model, &t, w, err);
	tables_release(&t);
	mem_free(model);
	if (rc)
		err_prefix(err, "%s", name);
	return rc;
}

static int none_found(const char *name, const char *what, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "%s: no vocabulary (%s is missing); only token ids can be used with it",
		       name, what);
}

int vocab_load_gguf(struct vocab **out, const struct gguf *g, const char *name, struct warnings *w,
		    struct kvik_err *err)
{
	int rc = load_if_any(out, g, name, w, err);
	return rc || *out ? rc : none_found(name, "GGUF key 'tokenizer.ggml.model'", err);
}

/* ---- Hugging Face folders ---------------------------------------------------------------------------------------- */

/* Maps a file, whose path is given back; one that is not there leaves *text as it is, if it may be absent. */
static int map_file(char *path, bool optional, struct file_map *m, struct vocab_str *text, struct kvik_err *err)
{
	int rc = path ? 0 : no_memory(err);
	if (!rc && (!optional || file_exists(path))) {
		rc = file_map(m, path, err);
		*text = (struct vocab_str){m->data ? (const char *)m->data : "", m->size};
	}
	mem_free(path);
	return rc;
}

static bool is_sentencepiece(const char *path)
{
	size_t n = strlen(path);
	return n > 6 && strcmp(path + n - 6, ".model") == 0;
}

/* Of a folder; one without a tokenizer gives NULL. main: the path of the file that is meant, whatever else lies there,
 * or NULL. */
static int load_folder(struct vocab **out, const char *dir, const char *main, struct warnings *w, struct kvik_err *err)
{
	struct vocab_files f = {.name = main ? main : dir, .warnings = w};
	struct vocab_str *of_main = main && is_sentencepiece(main) ? &f.sentencepiece : &f.tokenizer_json;
	const struct {
		const char *name;
		struct vocab_str *text;
		bool is_main;
	} files[] = {
		{"tokenizer.json", &f.tokenizer_json, true},
		{"tokenizer.model", &f.sentencepiece, true},
		{"tokenizer_config.json", &f.tokenizer_config, false},
		{"special_tokens_map.json", &f.special_tokens_map, false},
		{"added_tokens.json", &f.added_tokens, false},
		{"vocab.json", &f.vocab, true},
		{"merges.txt", &f.merges, true},
		{"config.json", &f.model_config, false},
	};
	enum { FILES = sizeof files / sizeof *files };
	struct file_map maps[FILES + 1] = {{0}};
	int rc = 0;
	if (main)
		rc = map_file(mem_strndup(main, strlen(main)), false, &maps[FILES], of_main, err);
	for (size_t i = 0; i < FILES && !rc; i++)
		if (!main || !files[i].is_main)
			rc = map_file(file_join(dir, strlen(dir), files[i].name), true, &maps[i], files[i].text, err);
	if (!rc && (f.tokenizer_json.text || f.sentencepiece.text || f.vocab.text))
		rc = vocab_from_files(out, &f, err);
	for (size_t i = 0; i <= FILES; i++)
		file_unmap(&maps[i]);
	return rc;
}

/* A tokenizer's file of a kind that is not read; NULL: there is none. */
static const char *foreign_tokenizer(const char *dir)
{
	static const char *const names[] = {"tekken.json",        "tiktoken.model",          "qwen.tiktoken",
					    "tokenizer.tiktoken", "sentencepiece.bpe.model", "spiece.model"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = file_join(dir, strlen(dir), names[i]);
		bool there = path && file_exists(path);
		mem_free(path);
		if (there)
			return names[i];
	}
	return NULL;
}

/* A bare tokenizer.json or tokenizer.model with the files that lie beside it. */
static int load_main_file(struct vocab **out, const char *path, struct warnings *w, struct kvik_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strndup(".", 1);
	int rc = dir ? load_folder(out, dir, path, w, err) : no_memory(err);
	mem_free(dir);
	return rc;
}

/* ---- Any of them ------------------------------------------------------------------------------------------------- */

int vocab_of_source(struct vocab **out, const struct source *s, struct warnings *w, struct kvik_err *err)
{
	*out = NULL;
	if (source_gguf(s))
		return load_if_any(out, source_gguf(s), source_name(s), w, err);
	const char *dir = source_dir(s);
	int rc = dir ? load_folder(out, dir, NULL, w, err) : 0;
	const char *foreign = dir && !rc && !*out ? foreign_tokenizer(dir) : NULL;
	if (foreign)
		rc = warn_add(
			w, err,
			"%s: its tokenizer is %s, which kvik does not read, so only token ids can be used; fetch a "
			"tokenizer.json, or use a GGUF file",
			dir, foreign);
	return rc;
}

static int load_gguf_bytes(struct vocab **out, const struct file_map *m, const char *path, struct warnings *w,
			   struct kvik_err *err)
{
	struct gguf *g = NULL;
	int rc = gguf_open(&g, m->data, m->size, path, err);
	if (!rc)
		rc = vocab_load_gguf(out, g, path, w, err);
	gguf_free(g);
	return rc;
}

int vocab_open(struct vocab **out, const char *path, struct warnings *w, struct kvik_err *err)
{
	struct file_map m = {0};
	struct stat st;
	*out = NULL;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		int rc = load_folder(out, path, NULL, w, err);
		const char *foreign = foreign_tokenizer(path);
		if (!rc && !*out && foreign)
			return err_set(
				err, KVIK_ERR_UNSUPPORTED,
				"%s: its tokenizer is %s, which kvik does not read; fetch a tokenizer.json, or use a "
				"GGUF file",
				path, foreign);
		return rc || *out ? rc : none_found(path, "tokenizer.json or tokenizer.model", err);
	}
	int rc = file_map(&m, path, err);
	if (rc)
		return rc;
	if (m.size >= 4 && memcmp(m.data, "GGUF", 4) == 0)
		rc = load_gguf_bytes(out, &m, path, w, err);
	else
		rc = load_main_file(out, path, w, err);
	file_unmap(&m);
	return rc;
}
