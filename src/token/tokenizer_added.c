/* tokenizer_added.c: added and special tokens, which a Hugging Face folder names in up to four files:
 *
 *     tokenizer.json              added_tokens: ids, texts, flags
 *     tokenizer_config.json       added_tokens_decoder: the same by id, and it wins; bos_token ... by text
 *     added_tokens.json           text -> id; only where there is no added_tokens_decoder
 *     special_tokens_map.json     bos_token ... by text; they win where there is no added_tokens_decoder
 *
 * A text that the vocabulary has keeps its id whatever a file says. Source: what HF Transformers 5 does when it loads a
 * tokenizer. Thread: the builder's. */
#include "token/tokenizer_load.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

/* Decimal digits alone, as the keys of added_tokens_decoder are; NULL: something else. The caller owns the result. */
static json_t *id_of_key(const char *key)
{
	json_int_t id = 0;
	size_t n = strspn(key, "0123456789");
	if (n == 0 || n > 9 || key[n])
		return NULL;
	for (size_t i = 0; i < n; i++)
		id = id * 10 + (key[i] - '0');
	return json_integer(id);
}

static const json_t *declared(const struct loading *l)
{
	return json_object_get(l->config, "added_tokens_decoder");
}

int added_highest(const struct loading *l, size_t n, uint64_t *highest)
{
	const json_t *list = json_object_get(l->root, "added_tokens");
	const char *key;
	json_t *value;
	size_t i;
	int rc = 0;
	n += json_array_size(list) + json_object_size(declared(l)) + json_object_size(l->added_map);
	json_array_foreach(list, i, value)
	{
		if (!rc)
			rc = tj_check_id(json_object_get(value, "id"), n, highest, l->err);
	}
	json_object_foreach((json_t *)(uintptr_t)declared(l), key, value)
	{
		json_t *id = id_of_key(key);
		if (!rc)
			rc = tj_check_id(id, n, highest, l->err);
		json_decref(id);
	}
	json_object_foreach((json_t *)(uintptr_t)(declared(l) ? NULL : l->added_map), key, value)
	{
		if (!rc)
			rc = tj_check_id(value, n, highest, l->err);
	}
	return rc;
}

/* ---- The list ---------------------------------------------------------------------------------------------------- */

struct collecting {
	struct loading *l;
	json_t *index; /* text -> its entry in l->added, borrowed */
};

/* The entry of a text, made if there is none; NULL: no memory. */
static json_t *entry_of(struct collecting *c, const char *text, size_t bytes, json_int_t id)
{
	json_t *entry = json_object_getn(c->index, text, bytes);
	if (entry)
		return entry;
	entry = json_object();
	bool ok = entry && json_object_set_new(entry, "content", json_stringn(text, bytes)) == 0 &&
		  json_object_set_new(entry, "id", json_integer(id)) == 0 &&
		  json_object_setn(c->index, text, bytes, entry) == 0;
	ok = ok && json_array_append(c->l->added, entry) == 0;
	json_decref(entry);
	return ok ? entry : NULL;
}

/* Flags of another description of the same token; they win. */
static bool set_flags(json_t *entry, const json_t *from)
{
	static const char *const flags[] = {"special", "lstrip", "rstrip", "single_word", "normalized"};
	bool ok = true;
	for (size_t i = 0; i < sizeof flags / sizeof *flags && ok; i++) {
		json_t *flag = json_object_get(from, flags[i]);
		ok = !flag || json_object_set(entry, flags[i], flag) == 0;
	}
	return ok;
}

/* Of tokenizer.json, whose ids hold. */
static int collect_own(struct collecting *c, const json_t *list)
{
	size_t i;
	json_t *t;
	json_array_foreach(list, i, t)
	{
		const json_t *text = json_object_get(t, "content");
		if (!json_is_string(text))
			return tj_malformed("added_tokens", "a token without 'content'", c->l->err);
		json_t *entry = entry_of(c, json_string_value(text), json_string_length(text),
					 json_integer_value(json_object_get(t, "id")));
		if (!entry || !set_flags(entry, t))
			return no_memory(c->l->err);
	}
	return 0;
}

/* One that another file declares. The vocabulary's id holds where it has the text. */
static int collect_declared(struct collecting *c, const char *text, size_t bytes, json_int_t id, const json_t *flags,
			    bool special)
{
	struct loading *l = c->l;
	int64_t known = vocab_find(l->v, text, bytes);
	const json_t *before = json_object_getn(c->index, text, bytes);
	int rc = 0;
	if (before)
		known = json_integer_value(json_object_get(before, "id"));
	if (known >= 0 && known != id)
		rc = warn_add(l->files->warnings, l->err,
			      "%s: the added token '%.*s' is %lld in one file and %lld in another; the tokenizer's own "
			      "id is used",
			      l->files->name, (int)(bytes < 60 ? bytes : 60), text, (long long)id, (long long)known);
	json_t *entry = rc ? NULL : entry_of(c, text, bytes, known >= 0 ? (json_int_t)known : id);
	if (rc)
		return rc;
	if (!entry || !set_flags(entry, flags))
		return no_memory(l->err);
	return special && json_object_set_new(entry, "special", json_true()) != 0 ? no_memory(l->err) : 0;
}

static int collect_decoder(struct collecting *c)
{
	const char *key;
	json_t *t;
	int rc = 0;
	json_object_foreach((json_t *)(uintptr_t)declared(c->l), key, t)
	{
		const json_t *text = json_is_string(t) ? t : json_object_get(t, "content");
		json_t *id = id_of_key(key);
		if (!rc && (!json_is_string(text) || !id))
			rc = tj_malformed("added_tokens_decoder", "a token without an id or 'content'", c->l->err);
		if (!rc)
			rc = collect_declared(c, json_string_value(text), json_string_length(text),
					      json_integer_value(id), t, false);
		json_decref(id);
	}
	return rc;
}

static int collect_map(struct collecting *c)
{
	const char *text;
	size_t bytes;
	json_t *id;
	int rc = 0;
	if (declared(c->l))
		return 0;
	json_object_keylen_foreach((json_t *)(uintptr_t)c->l->added_map, text, bytes, id)
	{
		if (!rc)
			rc = collect_declared(c, text, bytes, json_integer_value(id), NULL, false);
	}
	return rc;
}

/* ---- Special tokens by name -------------------------------------------------------------------------------------- */

/* "<s>" or {"content": "<s>", ...}; NULL: neither. */
static const json_t *text_of(const json_t *j)
{
	const json_t *text = json_is_object(j) ? json_object_get(j, "content") : j;
	return json_is_string(text) ? text : NULL;
}

static const json_t *named(const struct loading *l, const char *key)
{
	const json_t *first = declared(l) ? l->config : l->special_map,
		     *second = declared(l) ? l->special_map : l->config;
	const json_t *j = json_object_get(first, key);
	return text_of(j) ? j : json_object_get(second, key);
}

int64_t added_named(const struct loading *l, const char *key)
{
	const json_t *text = text_of(named(l, key));
	return text ? vocab_find(l->v, json_string_value(text), json_string_length(text)) : -1;
}

/* It becomes special, whatever tokenizer.json says of it, and an added token if it was a word of the model. */
static int collect_named(struct collecting *c, const char *key, const json_t *j)
{
	const json_t *text = text_of(j);
	if (!text)
		return 0;
	const char *s = json_string_value(text);
	size_t n = json_string_length(text);
	const json_t *before = json_object_getn(c->index, s, n);
	int64_t id = before ? json_integer_value(json_object_get(before, "id")) : vocab_find(c->l->v, s, n);
	if (id < 0)
		return warn_add(c->l->files->warnings, c->l->err,
				"%s: '%s' is '%.60s', which the vocabulary does not have; there is none then",
				c->l->files->name, key, s);
	json_t *entry = entry_of(c, s, n, (json_int_t)id);
	bool ok = entry && (before || json_object_set_new(entry, "normalized", json_false()) == 0) &&
		  set_flags(entry, json_is_object(j) ? j : NULL) &&
		  json_object_set_new(entry, "special", json_true()) == 0;
	return ok ? 0 : no_memory(c->l->err);
}

/* additional_special_tokens, or as it is called now extra_special_tokens: a list, or an object of named ones. */
static int collect_further(struct collecting *c, const char *key, const json_t *j)
{
	const char *name;
	json_t *t;
	size_t i;
	int rc = 0;
	json_array_foreach(j, i, t)
	{
		if (!rc)
			rc = collect_named(c, key, t);
	}
	json_object_foreach((json_t *)(uintptr_t)j, name, t)
	{
		if (!rc)
			rc = collect_named(c, name, t);
	}
	return rc;
}

/* Every field NAME_token of a file that stands for a text. */
static int collect_names(struct collecting *c, const json_t *file)
{
	const char *key;
	json_t *value;
	int rc = 0;
	json_object_foreach((json_t *)(uintptr_t)file, key, value)
	{
		size_t n = strlen(key);
		if (!rc && n > 6 && strcmp(key + n - 6, "_token") == 0 && named(c->l, key) == value)
			rc = collect_named(c, key, value);
		if (!rc && (strcmp(key, "additional_special_tokens") == 0 || strcmp(key, "extra_special_tokens") == 0))
			rc = collect_further(c, key, value);
	}
	return rc;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* An added token need not be in the model's vocabulary; one that is keeps its text and score there. */
static int give_to_vocab(const struct loading *l, const json_t *t)
{
	const json_t *text = json_object_get(t, "content");
	uint32_t id = (uint32_t)json_integer_value(json_object_get(t, "id"));
	struct token *token = &l->v->tokens[id];
	size_t bytes = json_string_length(text);
	bool special;
	int rc = tj_bool(t, "special", "added_tokens", false, &special, l->err);
	if (rc)
		return rc;
	uint32_t attrs = special ? VOCAB_ATTR_CONTROL : VOCAB_ATTR_USER_DEFINED;
	if (token->attrs && token->bytes == bytes &&
	    memcmp(l->v->text.data + token->start, json_string_value(text), bytes) == 0) {
		token->attrs = attrs | (token->attrs & TOKEN_ADDED);
		return 0;
	}
	return vocab_set_token(l->v, id, json_string_value(text), bytes, attrs | TOKEN_ADDED, 0, l->err);
}

static int give_all(const struct loading *l)
{
	size_t i;
	json_t *t;
	int rc = 0;
	json_array_foreach(l->added, i, t)
	{
		if (!rc)
			rc = give_to_vocab(l, t);
	}
	return rc ? rc : vocab_index(l->v, l->err);
}

int added_load(struct loading *l)
{
	struct collecting c = {.l = l, .index = json_object()};
	int rc = 0;
	l->added = json_array();
	if (!c.index || !l->added)
		rc = no_memory(l->err);
	if (!rc)
		rc = collect_own(&c, json_object_get(l->root, "added_tokens"));
	if (!rc)
		rc = collect_decoder(&c);
	if (!rc)
		rc = collect_map(&c);
	if (!rc)
		rc = collect_names(&c, l->config);
	if (!rc)
		rc = collect_names(&c, l->special_map);
	json_decref(c.index);
	return rc ? rc : give_all(l);
}

/* ---- In the text ------------------------------------------------------------------------------------------------- */

/* One that is matched after normalisation is looked for as its own text looks then. */
static int make_special(const struct loading *l, const struct special *s, struct regex_work *work)
{
	const struct token *t = &l->v->tokens[s->id];
	struct buf text = {0};
	bool front = true;
	int rc = buf_add(&text, l->v->text.data + t->start, t->bytes) ? 0 : no_memory(l->err);
	if (!rc && s->normalized)
		rc = pipeline_normalize(l->v->pipeline, work, &text, &front, l->err);
	if (!rc)
		rc = vocab_add_special(l->v, s, text.data, text.n, l->err);
	buf_release(&text);
	return rc;
}

static int read_special(const struct loading *l, const json_t *t, struct special *s)
{
	const char *where = "added_tokens";
	int rc;
	s->id = (uint32_t)json_integer_value(json_object_get(t, "id"));
	if ((rc = tj_bool(t, "special", where, false, &s->control, l->err)) ||
	    (rc = tj_bool(t, "lstrip", where, false, &s->lstrip, l->err)) ||
	    (rc = tj_bool(t, "rstrip", where, false, &s->rstrip, l->err)) ||
	    (rc = tj_bool(t, "single_word", where, false, &s->single_word, l->err)))
		return rc;
	rc = tj_bool(t, "normalized", where, !s->control, &s->normalized, l->err);
	s->normalized &= l->v->pipeline != NULL; /* a SentencePiece model has one pass only */
	return rc;
}

int added_make_special(const struct loading *l)
{
	struct regex_work work;
	size_t i;
	json_t *t;
	int rc = regex_work_init(&work, l->err);
	json_array_foreach(l->added, i, t)
	{
		struct special s = {0};
		if (!rc)
			rc = read_special(l, t, &s);
		if (!rc)
			rc = make_special(l, &s, &work);
	}
	regex_work_release(&work);
	return rc;
}
