/* tokenizer_steps.c: normalizers and pre-tokenizers by their "type". Sequences are flattened; what could only be
 * approximated is refused. Source: the tokenizers library's serialisation. Thread: the builder's. */
#include "token/tokenizer_steps.h"

#include "base/utf8.h"

#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* What Rust calls a word, which is not what Oniguruma does. */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}"
#define WORDS_PATTERN "[" WORD "]+|[^" WORD "\\s]+"
enum { DEPTH_MAX = 16 };

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the tokenizer");
}

int tj_bool(const json_t *j, const char *key, const char *where, bool otherwise, bool *value, struct kvik_err *err)
{
	const json_t *m = json_object_get(j, key);
	*value = otherwise;
	if (!m || json_is_null(m))
		return 0;
	if (!json_is_boolean(m))
		return err_set(err, KVIK_ERR_FORMAT, "%s: '%s' is neither true nor false; fetch the file again", where,
			       key);
	*value = json_is_true(m);
	return 0;
}

int tj_string(const json_t *j, const char *key, const char *where, const char *otherwise, const char **value,
	      struct kvik_err *err)
{
	const json_t *m = json_object_get(j, key);
	*value = otherwise;
	if (!m || json_is_null(m))
		return 0;
	if (!json_is_string(m))
		return err_set(err, KVIK_ERR_FORMAT, "%s: '%s' is not a string; fetch the file again", where, key);
	*value = json_string_value(m);
	return 0;
}

int tj_step_type(const json_t *j, const char *where, const char **type, struct kvik_err *err)
{
	*type = "";
	if (!j || json_is_null(j))
		return 0;
	const char *t = json_string_value(json_object_get(j, "type"));
	if (!t)
		return tj_malformed(where, "a step without 'type'", err);
	*type = t;
	return 0;
}

static bool is(const char *type, const char *name)
{
	return strcmp(type, name) == 0;
}

int tj_each_step(const json_t *list, const char *where, tj_step_fn *fn, void *ctx, unsigned depth, struct kvik_err *err)
{
	size_t i;
	json_t *j;
	int rc = 0;
	if (!json_is_array(list))
		return tj_malformed(where, "a sequence without steps", err);
	if (depth == DEPTH_MAX)
		return tj_malformed(where, "sequences nested too deeply", err);
	json_array_foreach(list, i, j)
	{
		if (!rc)
			rc = fn(ctx, j, depth + 1, err);
	}
	return rc;
}

/* {"String": "x"} or {"Regex": "x"}. */
static int pattern(const json_t *j, const char *where, struct regex **out, struct kvik_err *err)
{
	const json_t *p = json_object_get(j, "pattern");
	const json_t *s = json_object_get(p, "String"), *r = json_object_get(p, "Regex");
	if (!json_is_string(s) && !json_is_string(r))
		return tj_malformed(where, "'pattern' is neither a String nor a Regex", err);
	const json_t *text = json_is_string(s) ? s : r;
	int rc = regex_new(out, json_string_value(text), json_string_length(text), text == s, err);
	if (rc)
		err_prefix(err, "%s", where);
	return rc;
}

/* A character that must be there as a string. */
static int character(const json_t *j, const char *key, const char *where, const char *otherwise, char mark[5],
		     struct kvik_err *err)
{
	const char *s;
	int rc = tj_string(j, key, where, otherwise, &s, err);
	if (rc)
		return rc;
	size_t n = strlen(s);
	if (n == 0 || n > 4 || utf8_length((const uint8_t *)s, n) != n)
		return err_set(err, KVIK_ERR_FORMAT, "%s: '%s' is not one character; fetch the file again", where, key);
	memcpy(mark, s, n + 1);
	return 0;
}

/* ---- Normalizers ------------------------------------------------------------------------------------------------- */

static int new_normalizer(struct pipeline *p, enum normalizer_kind kind, struct normalizer **n, struct kvik_err *err)
{
	if (p->n_normalizers == PIPELINE_STEPS_MAX)
		return tj_unsupported("normalizer", "of more than 32 steps", err);
	*n = &p->normalizers[p->n_normalizers++];
	(*n)->kind = kind;
	return 0;
}

static int set_text(struct normalizer *n, const json_t *j, const char *key, const char *where, struct kvik_err *err)
{
	const json_t *m = json_object_get(j, key);
	if (!json_is_string(m))
		return err_set(err, KVIK_ERR_FORMAT, "%s: '%s' is not a string; fetch the file again", where, key);
	n->text_bytes = json_string_length(m);
	n->text = mem_strndup(json_string_value(m), n->text_bytes);
	return n->text ? 0 : no_memory(err);
}

static int bert_normalizer(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	const char *where = "normalizer BertNormalizer";
	bool clean, chinese, lower, accents;
	struct normalizer *n = NULL;
	int rc = tj_bool(j, "clean_text", where, true, &clean, err);
	if (!rc)
		rc = tj_bool(j, "handle_chinese_chars", where, true, &chinese, err);
	if (!rc)
		rc = tj_bool(j, "lowercase", where, true, &lower, err);
	if (!rc)
		rc = tj_bool(j, "strip_accents", where, lower, &accents, err);
	if (!rc && clean)
		rc = new_normalizer(p, NORMALIZER_BERT_CLEAN, &n, err);
	if (!rc && chinese)
		rc = new_normalizer(p, NORMALIZER_BERT_CHINESE, &n, err);
	if (!rc && accents)
		rc = new_normalizer(p, NORMALIZER_NFD, &n, err);
	if (!rc && accents)
		rc = new_normalizer(p, NORMALIZER_BERT_ACCENTS, &n, err);
	if (!rc && lower)
		rc = new_normalizer(p, NORMALIZER_LOWERCASE, &n, err);
	return rc;
}

static int base64_digit(char c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
	       : c == '/'             ? 63
				      : -1;
}

/* Appends the bytes that text stands for; false: no memory. Stops at the first character that is no digit. */
static bool base64(const char *text, size_t n, struct buf *out)
{
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < n && base64_digit(text[i]) >= 0; i++) {
		bits = bits << 6 | (uint32_t)base64_digit(text[i]);
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (!buf_add(out, &(char){(char)(bits >> held)}, 1))
			return false;
	}
	return true;
}

static int charsmap(struct normalizer *n, const json_t *j, struct kvik_err *err)
{
	const json_t *map = json_object_get(j, "precompiled_charsmap");
	struct buf bytes = {0};
	int rc = 0;
	if (map && !json_is_null(map) && !json_is_string(map))
		return tj_malformed("normalizer Precompiled", "'precompiled_charsmap' is not a string", err);
	if (json_is_string(map) && !base64(json_string_value(map), json_string_length(map), &bytes))
		rc = no_memory(err);
	if (!rc)
		rc = charsmap_open(&n->charsmap, (const uint8_t *)bytes.data, bytes.n, err);
	buf_release(&bytes);
	return rc;
}

static int strip_normalizer(struct normalizer *n, const json_t *j, struct kvik_err *err)
{
	int rc = tj_bool(j, "strip_left", "normalizer Strip", true, &n->left, err);
	return rc ? rc : tj_bool(j, "strip_right", "normalizer Strip", true, &n->right, err);
}

/* What further fields a step has. */
static int normalizer_fields(struct normalizer *n, const json_t *j, struct kvik_err *err)
{
	int rc;
	switch (n->kind) {
	case NORMALIZER_STRIP: return strip_normalizer(n, j, err);
	case NORMALIZER_PREPEND: return set_text(n, j, "prepend", "normalizer Prepend", err);
	case NORMALIZER_CHARSMAP: return charsmap(n, j, err);
	case NORMALIZER_REPLACE:
		rc = set_text(n, j, "content", "normalizer Replace", err);
		const json_t *taken = json_object_get(json_object_get(j, "pattern"), "String");
		n->keeps_length = taken && json_string_length(taken) <= n->text_bytes;
		return rc ? rc : pattern(j, "normalizer Replace", &n->pattern, err);
	default: return 0;
	}
}

static int normalizer(void *ctx, const json_t *j, unsigned depth, struct kvik_err *err)
{
	static const struct {
		const char *type;
		enum normalizer_kind kind;
	} known[] = {{"NFC", NORMALIZER_NFC},
		     {"NFD", NORMALIZER_NFD},
		     {"NFKC", NORMALIZER_NFKC},
		     {"NFKD", NORMALIZER_NFKD},
		     {"Lowercase", NORMALIZER_LOWERCASE},
		     {"StripAccents", NORMALIZER_STRIP_ACCENTS},
		     {"Strip", NORMALIZER_STRIP},
		     {"Prepend", NORMALIZER_PREPEND},
		     {"Replace", NORMALIZER_REPLACE},
		     {"ByteLevel", NORMALIZER_BYTE_LEVEL},
		     {"Nmt", NORMALIZER_NMT},
		     {"Precompiled", NORMALIZER_CHARSMAP}};
	const char *type;
	struct normalizer *n = NULL;
	int rc = tj_step_type(j, "normalizer", &type, err);
	if (rc || is(type, ""))
		return rc;
	if (is(type, "Sequence"))
		return tj_each_step(json_object_get(j, "normalizers"), "normalizer", normalizer, ctx, depth, err);
	if (is(type, "BertNormalizer"))
		return bert_normalizer(ctx, j, err);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (is(type, known[i].type)) {
			rc = new_normalizer(ctx, known[i].kind, &n, err);
			return rc ? rc : normalizer_fields(n, j, err);
		}
	return tj_unsupported("normalizer", type, err);
}

int tj_normalizer(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	return normalizer(p, j, 0, err);
}

/* ---- Pre-tokenizers ---------------------------------------------------------------------------------------------- */

static int new_splitter(struct pipeline *p, enum splitter_kind kind, struct splitter **s, struct kvik_err *err)
{
	if (p->n_splitters == PIPELINE_STEPS_MAX)
		return tj_unsupported("pre_tokenizer", "of more than 32 steps", err);
	*s = &p->splitters[p->n_splitters++];
	(*s)->kind = kind;
	return 0;
}

static int behavior(const json_t *j, const char *where, const char *otherwise, enum split_behavior *b,
		    struct kvik_err *err)
{
	static const char *const names[] = {[SPLIT_REMOVED] = "Removed",
					    [SPLIT_ISOLATED] = "Isolated",
					    [SPLIT_WITH_PREVIOUS] = "MergedWithPrevious",
					    [SPLIT_WITH_NEXT] = "MergedWithNext",
					    [SPLIT_CONTIGUOUS] = "Contiguous"};
	const char *name;
	int rc = tj_string(j, "behavior", where, otherwise, &name, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is(name, names[i])) {
			*b = (enum split_behavior)i;
			return 0;
		}
	return tj_unsupported(where, name, err);
}

/* A splitter by a fixed pattern. */
static int named_pattern(struct pipeline *p, const char *text, enum split_behavior b, bool invert, struct kvik_err *err)
{
	struct splitter *s = NULL;
	int rc = new_splitter(p, SPLITTER_PATTERN, &s, err);
	if (rc)
		return rc;
	s->behavior = b;
	s->invert = invert;
	return regex_new(&s->pattern, text, strlen(text), false, err);
}

static int split_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	struct splitter *s = NULL;
	int rc = new_splitter(p, SPLITTER_PATTERN, &s, err);
	if (!rc)
		rc = behavior(j, "pre_tokenizer Split, behavior", "", &s->behavior, err);
	if (!rc)
		rc = tj_bool(j, "invert", "pre_tokenizer Split", false, &s->invert, err);
	return rc ? rc : pattern(j, "pre_tokenizer Split", &s->pattern, err);
}

static int byte_level_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	struct splitter *s = NULL;
	bool use_regex;
	int rc = new_splitter(p, SPLITTER_BYTE_LEVEL, &s, err);
	if (!rc)
		rc = tj_bool(j, "add_prefix_space", "pre_tokenizer ByteLevel", true, &s->add_prefix_space, err);
	if (!rc)
		rc = tj_bool(j, "use_regex", "pre_tokenizer ByteLevel", true, &use_regex, err);
	if (rc || !use_regex)
		return rc;
	return regex_new(&s->pattern, GPT2_PATTERN, strlen(GPT2_PATTERN), false, err);
}

/* Older files say add_prefix_space instead of prepend_scheme. */
static int prepend_scheme(const json_t *j, const char *where, enum prepend_scheme *scheme, struct kvik_err *err)
{
	const char *name;
	bool prefix;
	int rc = tj_bool(j, "add_prefix_space", where, true, &prefix, err);
	if (!rc)
		rc = tj_string(j, "prepend_scheme", where, prefix ? "always" : "never", &name, err);
	if (rc)
		return rc;
	if (!is(name, "always") && !is(name, "first") && !is(name, "never"))
		return tj_unsupported("prepend_scheme", name, err);
	*scheme = is(name, "always") ? PREPEND_ALWAYS : is(name, "first") ? PREPEND_FIRST : PREPEND_NEVER;
	return 0;
}

static int metaspace_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	const char *where = "pre_tokenizer Metaspace";
	struct splitter *s = NULL;
	int rc = new_splitter(p, SPLITTER_METASPACE, &s, err);
	if (!rc)
		rc = character(j, "replacement", where, "\xE2\x96\x81", s->mark, err);
	if (!rc)
		rc = prepend_scheme(j, where, &s->prepend, err);
	return rc ? rc : tj_bool(j, "split", where, true, &s->split, err);
}

static int delimiter_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	char mark[5];
	struct splitter *s = NULL;
	int rc = character(j, "delimiter", "pre_tokenizer CharDelimiterSplit", "", mark, err);
	if (!rc)
		rc = new_splitter(p, SPLITTER_PATTERN, &s, err);
	if (rc)
		return rc;
	s->behavior = SPLIT_REMOVED;
	return regex_new(&s->pattern, mark, strlen(mark), true, err);
}

static int digits_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	bool single;
	int rc = tj_bool(j, "individual_digits", "pre_tokenizer Digits", false, &single, err);
	return rc ? rc : named_pattern(p, "\\p{N}", single ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, false, err);
}

static int punctuation_step(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	enum split_behavior b;
	int rc = behavior(j, "pre_tokenizer Punctuation, behavior", "Isolated", &b, err);
	return rc ? rc : named_pattern(p, PIPELINE_PUNCTUATION, b, false, err);
}

static int pre_tokenizer(void *ctx, const json_t *j, unsigned depth, struct kvik_err *err)
{
	const char *type;
	int rc = tj_step_type(j, "pre_tokenizer", &type, err);
	if (rc || is(type, ""))
		return rc;
	if (is(type, "Sequence"))
		return tj_each_step(json_object_get(j, "pretokenizers"), "pre_tokenizer", pre_tokenizer, ctx, depth,
				    err);
	if (is(type, "ByteLevel"))
		return byte_level_step(ctx, j, err);
	if (is(type, "Split"))
		return split_step(ctx, j, err);
	if (is(type, "Metaspace"))
		return metaspace_step(ctx, j, err);
	if (is(type, "Digits"))
		return digits_step(ctx, j, err);
	if (is(type, "Punctuation"))
		return punctuation_step(ctx, j, err);
	if (is(type, "CharDelimiterSplit"))
		return delimiter_step(ctx, j, err);
	if (is(type, "Whitespace"))
		return named_pattern(ctx, WORDS_PATTERN, SPLIT_REMOVED, true, err);
	if (is(type, "WhitespaceSplit"))
		return named_pattern(ctx, PIPELINE_WHITE, SPLIT_REMOVED, false, err);
	if (!is(type, "BertPreTokenizer"))
		return tj_unsupported("pre_tokenizer", type, err);
	rc = named_pattern(ctx, PIPELINE_WHITE, SPLIT_REMOVED, false, err);
	return rc ? rc : named_pattern(ctx, PIPELINE_PUNCTUATION, SPLIT_ISOLATED, false, err);
}

int tj_pre_tokenizer(struct pipeline *p, const json_t *j, struct kvik_err *err)
{
	return pre_tokenizer(p, j, 0, err);
}
