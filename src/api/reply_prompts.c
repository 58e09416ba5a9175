/* reply_prompts.c: prompts as callers write them: a text, token ids, texts and ids mixed, or a list of such; see
 * reply.h. */
#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

#include <string.h>

enum { PROMPT_IDS_MAX = 1 << 24 };

struct reply_prompt *reply_add_prompt(struct api_call *c)
{
	struct reply *r = c->reply;
	if (r->n_prompts == REPLY_PROMPTS_MAX) {
		call_error(c, 400, "invalid_request_error", NULL, "at most %d prompts in a request", REPLY_PROMPTS_MAX);
		return NULL;
	}
	struct reply_prompt *all = mem_realloc(r->prompts, r->n_prompts + 1, sizeof *all);
	if (!all) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return NULL;
	}
	r->prompts = all;
	all[r->n_prompts] = (struct reply_prompt){.call = c};
	return &all[r->n_prompts++];
}

/* Parts of one prompt: ids, and texts, of which the first brings the model's begin token. */
static int read_parts(struct api_call *c, struct reply_prompt *p, const json_t *list, const char *field)
{
	struct ids all = {0};
	int64_t id;
	size_t i, n = 0;
	json_t *v;
	bool ok = json_array_size(list) <= PROMPT_IDS_MAX;
	json_array_foreach((json_t *)list, i, v)
	{
		if (json_is_string(v) && ok) {
			struct reply_prompt part = {0};
			if (prompt_tokenize(c, &part, json_string_value(v), json_string_length(v),
					    i == 0 && !c->reply->bare)) {
				ids_release(&all);
				return -1;
			}
			ok = ids_append(&all, part.ids, part.n_ids);
			kvik_free(part.ids);
		} else {
			ok = ok && field_whole(v, 0, UINT32_MAX - 1, &id) && ids_add(&all, (uint32_t)id);
		}
		n += ok;
	}
	p->ids = all.data;
	p->n_ids = all.n;
	if (ok && n > 0)
		return 0;
	call_error(c, 400, "invalid_request_error", field,
		   "'%s' must be a text, a list of token ids and texts, or a list of such", field);
	return -1;
}

static int read_one(struct api_call *c, const json_t *prompt, const char *field)
{
	struct reply_prompt *p = reply_add_prompt(c);
	if (!p)
		return -1;
	if (!json_is_string(prompt))
		return read_parts(c, p, prompt, field);
	p->text = mem_strndup(json_string_value(prompt), json_string_length(prompt));
	p->text_bytes = json_string_length(prompt);
	return prompt_tokenize(c, p, json_string_value(prompt), json_string_length(prompt), !c->reply->bare);
}

/* A list whose entries are prompts of their own: texts alone, or with a list among them. */
static bool is_list_of_prompts(const json_t *prompt)
{
	size_t i, lists = 0, ids = 0;
	json_t *v;
	json_array_foreach((json_t *)prompt, i, v)
	{
		lists += json_is_array(v);
		ids += !json_is_array(v) && !json_is_string(v);
	}
	return json_array_size(prompt) > 0 && (lists > 0 || ids == 0);
}

int reply_read_prompts(struct api_call *c, json_t *prompt, const char *field)
{
	size_t i;
	json_t *v;
	if (!is_list_of_prompts(prompt))
		return read_one(c, prompt, field);
	json_array_foreach(prompt, i, v) if (read_one(c, v, field)) return -1;
	return 0;
}
