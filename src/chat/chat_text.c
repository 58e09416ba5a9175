/* chat_text.c: see chat_text.h. */
#include "chat/chat_text.h"

#include <string.h>
#include <time.h>

/* Templates write '<|' + message.role + '|>' and mean the token; these words can name no other one. */
static bool is_known_role(const char *key, const char *text)
{
	static const char *const roles[] = {"system",   "developer", "user",  "assistant",  "tool",
					    "function", "ipython",   "model", "observation"};
	if (strcmp(key, "role") != 0)
		return false;
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strcmp(text, roles[i]) == 0)
			return true;
	return false;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

int chat_text(const struct tmpl *t, const struct chat_vars *vars, struct tmpl_text *text, struct kvik_err *err)
{
	json_t *own = json_pack("{s:s, s:s, s:s, s:s}", "bos_token", or_none(vars->bos), "eos_token",
				or_none(vars->eos), "unk_token", or_none(vars->unk), "pad_token", or_none(vars->pad));
	json_t *data = json_pack("{s:O, s:O?, s:n, s:b}", "messages", vars->messages, "tools", vars->tools, "documents",
				 "add_generation_prompt", vars->add_generation_prompt);
	if (data && vars->more)
		json_object_update(data, (json_t *)(uintptr_t)vars->more);
	const struct tmpl_input in = {
		.variables = data, .own = own, .trusts = is_known_role, .now = time(NULL), .limits = vars->limits};
	int rc = tmpl_render_text(t, &in, text, err);
	json_decref(own);
	json_decref(data);
	return rc;
}
