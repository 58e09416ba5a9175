/* native_slot.c: POST /slots/ID?action=save|restore|erase, as llama-server has it: a slot's text, with what was computed of it,
 * goes to a file of the server's --slot-save-path and comes back. A key's files are its own: another key names others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

enum { NAME_BYTES_MAX = 200 };

/* A name without a way out of the folder. */
static bool is_name(const char *name)
{
	size_t n = strlen(name);
	bool ok = n > 0 && n <= NAME_BYTES_MAX && name[0] != '.';
	for (size_t i = 0; i < n; i++)
		ok = ok && name[i] != '/' && name[i] != '\\' && (unsigned char)name[i] >= ' ';
	return ok;
}

/* Freed with mem_free; NULL: no memory. */
static char *path_of(const struct api_call *c, const char *name)
{
	const char *folder = c->api->config.slots_folder;
	size_t n = strlen(folder) + strlen(name) + 32;
	char *path = mem_alloc(n);
	if (path && c->scope)
		snprintf(path, n, "%s/%016llx-%s", folder, (unsigned long long)hash_bytes(&c->scope, sizeof c->scope),
			 name);
	else if (path)
		snprintf(path, n, "%s/%s", folder, name);
	return path;
}

static double ms_since(uint64_t start_ns)
{
	return (double)(os_clock_ns() - start_ns) / 1e6;
}

static void save(struct api_call *c, uint32_t id, const char *name, const char *path)
{
	const struct api_engine *e = &c->api->config.engine;
	const struct kvik_share share = {.size = sizeof share, .scope = c->scope};
	uint64_t start = os_clock_ns(), bytes = 0;
	struct ids text;
	struct kvik_err err;
	size_t saved = 0;
	if (!slots_find(&c->api->slots, c->scope, id, &text))
		call_error(c, 400, "invalid_request_error", NULL, "slot %u has no text: no request of it has ended yet",
			   id);
	else if (e->save(e->ctx, &share, text.data, text.n, path, &saved, &bytes, &err))
		call_kvik_error(c, &err, 0);
	else
		call_json(c, 200,
			  json_pack("{s:I, s:s, s:I, s:I, s:{s:f}}", "id_slot", (json_int_t)id, "filename", name,
				    "n_saved", (json_int_t)saved, "n_written", (json_int_t)bytes, "timings", "save_ms",
				    ms_since(start)));
	ids_release(&text);
}

static void restore(struct api_call *c, uint32_t id, const char *name, const char *path)
{
	const struct api_engine *e = &c->api->config.engine;
	const struct kvik_share share = {.size = sizeof share, .scope = c->scope};
	uint64_t start = os_clock_ns(), bytes = 0;
	struct ids text = {0};
	struct kvik_err err;
	uint32_t *ids = NULL;
	size_t n = 0;
	if (e->restore(e->ctx, &share, path, &ids, &n, &bytes, &err)) {
		call_kvik_error(c, &err, 0);
		return;
	}
	if (ids_append(&text, ids, n))
		slots_keep(&c->api->slots, c->scope, id, &text);
	ids_release(&text);
	kvik_free(ids);
	call_json(c, 200,
		  json_pack("{s:I, s:s, s:I, s:I, s:{s:f}}", "id_slot", (json_int_t)id, "filename", name, "n_restored",
			    (json_int_t)n, "n_read", (json_int_t)bytes, "timings", "restore_ms", ms_since(start)));
}

static void act(struct api_call *c, uint32_t id, const char *name, bool saves)
{
	char *path = path_of(c, name);
	if (!path)
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (saves)
		save(c, id, name, path);
	else
		restore(c, id, name, path);
	mem_free(path);
}

static bool asks(const struct api_call *c, const char *action)
{
	const char *at = c->query ? strstr(c->query, "action=") : NULL;
	size_t n = strlen(action);
	return at && strncmp(at + strlen("action="), action, n) == 0 && (!at[7 + n] || at[7 + n] == '&');
}

void native_slot(struct api_call *c, json_t *body)
{
	const char *name = NULL, *digits = strstr(c->path, "/slots/") + strlen("/slots/");
	const struct field fields[] = {{"filename", FIELD_STRING, &name, 0, 0}};
	bool saves = asks(c, "save");
	struct field_error e;
	char *end;
	unsigned long id = strtoul(digits, &end, 10);
	if (*end || *digits < '0' || *digits > '9' || id >= c->api->config.engine.sequences)
		call_error(c, 400, "invalid_request_error", NULL, "there are slots 0..%u",
			   c->api->config.engine.sequences - 1);
	else if (!c->api->config.slots_folder)
		call_error(c, 501, "not_supported_error", NULL,
			   "this server does not save slots: start it with --slot-save-path DIR");
	else if (fields_read(body, fields, 1, &e))
		call_bad_field(c, &e);
	else if (asks(c, "erase"))
		call_json(c, 200,
			  json_pack("{s:I, s:I}", "id_slot", (json_int_t)id, "n_erased",
				    (json_int_t)slots_forget(&c->api->slots, c->scope, (uint32_t)id)));
	else if (!saves && !asks(c, "restore"))
		call_error(c, 400, "invalid_request_error", NULL, "?action= is save, restore or erase");
	else if (!name || !is_name(name))
		call_error(c, 400, "invalid_request_error", "filename",
			   "'filename' must be a name without '/', which does not begin with a dot");
	else
		act(c, (uint32_t)id, name, saves);
	json_decref(body);
}
