/* chat_text.c: see chat_text.h. */
#include "api/chat_text.h"

#include <time.h>

#include "tmpl/tmpl.h"

static void set_token(json_t *object, const struct kvik_vocab *v, const char *name, uint32_t id)
{
	char *text = NULL;
	size_t n = 0;
	if (id != KVIK_NO_ID && kvik_token_bytes(v, id, &text, &n, NULL))
		text = NULL;
	json_object_set_new(object, name, text ? json_stringn(text, n) : json_string(""));
	kvik_free(text);
}

int chat_text(const struct tmpl *t, const struct kvik_vocab *v, const struct chat_vars *vars, char **text,
	      size_t *bytes, struct kvik_err *err)
{
	json_t *object = json_object();
	json_object_set(object, "messages", vars->messages);
	json_object_set(object, "tools", vars->tools ? vars->tools : json_null());
	json_object_set_new(object, "documents", json_null());
	json_object_set_new(object, "add_generation_prompt", json_boolean(vars->add_generation_prompt));
	set_token(object, v, "bos_token", kvik_vocab_bos(v));
	set_token(object, v, "eos_token", kvik_vocab_eos(v));
	if (vars->more)
		json_object_update(object, vars->more);
	int rc = tmpl_render(t, object, time(NULL), NULL, text, bytes, err);
	json_decref(object);
	return rc;
}
