/* tokenizer_post.c: the post-processors of a tokenizer.json: which special tokens go around a text. Of several, the
 * later ones go outside. Thread: the builder's. */
#include "token/tokenizer_steps.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the tokenizer");
}

static bool is(const char *type, const char *name)
{
	return strcmp(type, name) == 0;
}

struct posting {
	struct vocab *v;
	bool *template;
};

static int add_id(struct vocab *v, struct ids *ids, const json_t *id, struct kvik_err *err)
{
	json_int_t n = json_integer_value(id);
	if (!json_is_integer(id) || n < 0 || (uint64_t)n >= v->n_tokens)
		return tj_malformed("post_processor", "an id outside the vocabulary", err);
	return ids_add(ids, (uint32_t)n) ? 0 : no_memory(err);
}

/* {"SpecialToken": {"id": "<s>"}}: the ids that special_tokens gives for it. */
static int add_template_token(struct vocab *v, struct ids *ids, const json_t *j, const json_t *special,
			      struct kvik_err *err)
{
	const char *name = json_string_value(json_object_get(special, "id"));
	const json_t *entry = name ? json_object_get(json_object_get(j, "special_tokens"), name) : NULL;
	const json_t *list = json_object_get(entry, "ids");
	size_t i;
	json_t *id;
	int rc = 0;
	if (!json_is_array(list))
		return tj_malformed("post_processor TemplateProcessing", "a special token without ids", err);
	json_array_foreach(list, i, id)
	{
		if (!rc)
			rc = add_id(v, ids, id, err);
	}
	return rc;
}

/* What is already there stays innermost. */
static int wrap(struct vocab *v, struct ids *before, const struct ids *after, struct kvik_err *err)
{
	struct ids *prefix = &v->pipeline->prefix, *suffix = &v->pipeline->suffix;
	bool ok = true;
	for (size_t i = 0; i < prefix->n && ok; i++)
		ok = ids_add(before, prefix->data[i]);
	struct ids swap = *prefix;
	*prefix = *before;
	*before = swap;
	for (size_t i = 0; i < after->n && ok; i++)
		ok = ids_add(suffix, after->data[i]);
	return ok ? 0 : no_memory(err);
}

static int template_processing(struct posting *p, const json_t *j, struct kvik_err *err)
{
	const json_t *single = json_object_get(j, "single");
	struct ids around[2] = {{0}, {0}}; /* before and after the text */
	size_t i;
	unsigned texts = 0;
	json_t *piece;
	int rc = 0;
	if (!json_is_array(single))
		return tj_malformed("post_processor TemplateProcessing", "'single' is not a list", err);
	json_array_foreach(single, i, piece)
	{
		const json_t *special = json_object_get(piece, "SpecialToken");
		if (special && !rc)
			rc = add_template_token(p->v, &around[texts > 0], j, special, err);
		texts += !special;
	}
	if (!rc && texts != 1)
		rc = tj_unsupported("post_processor TemplateProcessing", "with the text not exactly once", err);
	if (!rc)
		rc = wrap(p->v, &around[0], &around[1], err);
	*p->template = true;
	ids_release(&around[0]);
	ids_release(&around[1]);
	return rc;
}

/* BERT's and RoBERTa's: cls, the text, sep; each ["text", id]. */
static int cls_sep(struct posting *p, const json_t *j, struct kvik_err *err)
{
	struct ids before = {0}, after = {0};
	int rc = add_id(p->v, &before, json_array_get(json_object_get(j, "cls"), 1), err);
	if (!rc)
		rc = add_id(p->v, &after, json_array_get(json_object_get(j, "sep"), 1), err);
	if (!rc)
		rc = wrap(p->v, &before, &after, err);
	*p->template = true;
	ids_release(&before);
	ids_release(&after);
	return rc;
}

static int post_processor(void *ctx, const json_t *j, unsigned depth, struct kvik_err *err)
{
	const char *type;
	int rc = tj_step_type(j, "post_processor", &type, err);
	if (rc || is(type, "") || is(type, "ByteLevel")) /* ByteLevel only moves offsets */
		return rc;
	if (is(type, "Sequence"))
		return tj_each_step(json_object_get(j, "processors"), "post_processor", post_processor, ctx, depth,
				    err);
	if (is(type, "TemplateProcessing"))
		return template_processing(ctx, j, err);
	if (is(type, "BertProcessing") || is(type, "RobertaProcessing"))
		return cls_sep(ctx, j, err);
	return tj_unsupported("post_processor", type, err);
}

int tj_post_processor(struct vocab *v, const json_t *j, bool *template, struct kvik_err *err)
{
	struct posting p = {v, template};
	*template = false;
	return post_processor(&p, j, 0, err);
}
