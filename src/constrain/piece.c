/* piece.c: see piece.h. */
#include "constrain/piece.h"

#include "base/mem.h"

static struct piece *piece_new(struct piece **out, struct kvik_err *err)
{
	*out = mem_zalloc(1, sizeof **out);
	if (!*out)
		err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	return *out;
}

static int settle(struct piece **out, int rc)
{
	if (rc) {
		piece_free(*out);
		*out = NULL;
	}
	return rc;
}

int piece_json(struct piece **out, const char *schema, size_t bytes, bool answers, struct json_scratch *scratch,
	       struct kvik_err *err)
{
	struct piece *p = piece_new(out, err);
	if (!p)
		return KVIK_ERR_NOMEM;
	p->is_json = true;
	p->answers = answers;
	p->scratch = scratch;
	int rc = schema_compile(&p->schema, schema, bytes, err);
	if (!rc)
		rc = json_init(&p->json, &p->schema, answers, scratch, err);
	return settle(out, rc);
}

int piece_regex(struct piece **out, const char *pattern, size_t bytes, struct kvik_err *err)
{
	struct piece *p = piece_new(out, err);
	struct re_prog prog;
	if (!p)
		return KVIK_ERR_NOMEM;
	int rc = re_compile(&prog, pattern, bytes, 0, err);
	if (rc)
		re_prog_release(&prog);
	else if (dfa_new(&p->dfa, &prog) != 0)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for a regular expression");
	if (!rc && dfa_start(p->dfa) == DFA_DEAD)
		rc = err_set(err, KVIK_ERR_ARG, "regular expression: no text matches it");
	return settle(out, rc);
}

int piece_text(struct piece **out, const struct free_text_string *without, size_t n, uint32_t characters_max,
	       struct kvik_err *err)
{
	struct piece *p = piece_new(out, err);
	return p ? settle(out, free_text_new(&p->text, without, n, characters_max, err)) : KVIK_ERR_NOMEM;
}

void piece_free(struct piece *p)
{
	if (!p)
		return;
	json_release(&p->json);
	schema_release(&p->schema);
	dfa_free(p->dfa);
	free_text_free(p->text);
	mem_free(p);
}

uint32_t piece_start(const struct piece *p)
{
	return p->is_json ? p->json.start : p->dfa ? dfa_start(p->dfa) : free_text_start(p->text);
}

uint32_t piece_step(struct piece *p, uint32_t state, uint8_t byte)
{
	if (p->dfa)
		return dfa_step(p->dfa, state, byte);
	if (p->text)
		return free_text_step(p->text, state, byte);
	bool blank = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
	if (blank && json_is_between(&p->json, state))
		return 0;
	uint32_t next = json_step(&p->json, state, byte);
	/* A number ends with what comes behind it: white space would do, and belongs to the grammar. */
	return next && blank && json_is_between(&p->json, next) ? 0 : next;
}

bool piece_accepts(struct piece *p, uint32_t state)
{
	return p->dfa    ? dfa_accepts(p->dfa, state)
	       : p->text ? free_text_accepts(p->text, state)
			 : json_accepts(&p->json, state);
}

uint32_t piece_free_characters(const struct piece *p, uint32_t state)
{
	return p->is_json ? json_free_characters(&p->json, state) : 0;
}

size_t piece_bytes(const struct piece *p)
{
	return p->is_json ? json_bytes(&p->json) : 0;
}

int piece_restart(struct piece *p)
{
	struct kvik_err err;
	if (!p->is_json)
		return 0;
	json_release(&p->json);
	return json_init(&p->json, &p->schema, p->answers, p->scratch, &err);
}
