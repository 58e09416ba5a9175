/* ollama_models.c: Ollama's paths that tell what is served: /api/tags, /api/ps, /api/show, /api/version. */
#include <stdio.h>

#include "api/ollama.h"
#include "api/routes.h"

static json_t *details(const struct api_call *c)
{
	const struct kvik_model_info *m = &c->api->config.engine.model;
	char size[32];
	double n = (double)m->parameters;
	snprintf(size, sizeof size, n >= 1e9 ? "%.1fB" : "%.0fM", n >= 1e9 ? n / 1e9 : n / 1e6);
	return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format", "gguf", "family",
			 m->architecture, "families", m->architecture, "parameter_size", size, "quantization_level",
			 "");
}

static json_t *model(const struct api_call *c)
{
	const struct api_config *a = &c->api->config;
	return json_pack("{s:s, s:s, s:o, s:I, s:s, s:o}", "name", a->model_name, "model", a->model_name, "modified_at",
			 ollama_time(c->api->created), "size", (json_int_t)a->engine.model.weight_bytes, "digest", "",
			 "details", details(c));
}

void ollama_tags(struct api_call *c, json_t *body)
{
	json_decref(body);
	call_json(c, 200, json_pack("{s:[o]}", "models", model(c)));
}

/* The one model is always loaded. */
void ollama_ps(struct api_call *c, json_t *body)
{
	json_t *m = model(c);
	json_decref(body);
	json_object_set_new(m, "expires_at", json_string("9999-12-31T23:59:59Z"));
	json_object_set_new(m, "size_vram", json_integer(0));
	json_object_set_new(m, "context_length", json_integer((json_int_t)c->api->config.engine.context));
	call_json(c, 200, json_pack("{s:[o]}", "models", m));
}

void ollama_show(struct api_call *c, json_t *body)
{
	const struct api_config *a = &c->api->config;
	const struct kvik_model_info *m = &a->engine.model;
	json_t *info = json_pack("{s:s, s:I}", "general.architecture", m->architecture, "general.parameter_count",
				 (json_int_t)m->parameters);
	char name[80];
	snprintf(name, sizeof name, "%s.context_length", m->architecture);
	json_object_set_new(info, name, json_integer((json_int_t)a->engine.context));
	snprintf(name, sizeof name, "%s.embedding_length", m->architecture);
	json_object_set_new(info, name, json_integer((json_int_t)m->dim));
	json_decref(body);
	call_json(
		c, 200,
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "modelfile", "", "parameters", "", "template",
			  a->chat_template ? a->chat_template : "", "details", details(c), "model_info", info,
			  "capabilities",
			  a->chat_template ? json_pack("[s,s]", "completion", "tools") : json_pack("[s]", "completion"),
			  "modified_at", ollama_time(c->api->created)));
}

void ollama_version(struct api_call *c, json_t *body)
{
	json_decref(body);
	call_json(c, 200, json_pack("{s:s}", "version", kvik_version()));
}
