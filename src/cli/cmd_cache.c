/* cmd_cache.c: `kvik cache`: what a folder of --kv-disk holds, looked at and mended from outside. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/tenants.h"
#include "store/store.h"

static const struct usage usage = {
	"cache [OPTIONS] ls|show|verify|export|import|purge DIR [FILE]",
	"Looks at a folder that keeps what the cache knew (--kv-disk DIR), also while a server uses it.\n\n"
	"  ls      what is there, by model and tenant\n"
	"  show    its records: which tokens, which parts, how large\n"
	"  verify  reads everything and checks its sums; status 1 if something is damaged\n"
	"  export  the records of a tenant (else the public ones) into FILE, in the clear, for another server\n"
	"  import  FILE into the folder, for a tenant (else public); records keep their model\n"
	"  purge   drops the records of --tenant NAME, --public, --model HEX, or --all, and wipes their bytes\n\n"
	"import and purge write, so no server may have the folder then. A folder holds what people wrote, as token "
	"ids, keys\n"
	"and values, unless it was made with --kv-disk-key; tenants are told apart by tags that only its file `secret` "
	"can "
	"make.",
	"  kvik cache ls /var/cache/kvik\n"
	"  kvik cache show /var/cache/kvik --tenant alice --keys keys.txt --limit 20\n"
	"  kvik cache verify /var/cache/kvik --json | jq .damaged\n"
	"  kvik cache export /var/cache/kvik system-prompts.kvik && kvik cache import /srv/other system-prompts.kvik\n"
	"  kvik cache purge /var/cache/kvik --tenant alice --keys keys.txt\n"};

struct cache_cmd {
	const char *dir, *file;
	const char *tenant, *keys, *tag, *model, *key_file;
	bool public_scope, all, json;
	uint32_t limit;
	struct store *store;
	struct store_key scopes[TENANT_KEYS_MAX]; /* [n]: only these are meant */
	uint32_t n_scopes;
	struct store_key public_tag;
};

static void to_stderr(void *ctx, const char *line)
{
	(void)ctx;
	show_warning(line);
}

/* Which scopes --tenant or --public mean: tags as the engine makes them of a key's scope. */
static int find_scopes(struct cache_cmd *c, struct kvik_err *err)
{
	uint64_t scopes[TENANT_KEYS_MAX];
	if (c->public_scope)
		c->scopes[c->n_scopes++] = c->public_tag;
	if (!c->tenant)
		return 0;
	int rc = tenant_scopes(c->keys, c->tenant, scopes, &c->n_scopes, err);
	for (uint32_t i = 0; i < c->n_scopes; i++) {
		uint64_t secret[2] = {scopes[i], ~scopes[i]};
		c->scopes[i] = store_scope(c->store, (const char *)secret, sizeof secret);
	}
	return rc;
}

static int open_store(struct cache_cmd *c, bool writes, struct kvik_err *err)
{
	struct store_config config = {.where = c->dir,
				      .bytes_max = UINT64_C(1) << 60, /* what is there stays */
				      .read_only = !writes,
				      .key_file = c->key_file,
				      .log = to_stderr};
	int rc = store_open(&c->store, &config, err);
	if (rc)
		return rc;
	if (writes && !store_stats(c->store).writes)
		return err_set(err, KVIK_ERR_IO, "%s: cannot be written now: stop the server that uses it", c->dir);
	c->public_tag = store_scope(c->store, "", 0);
	rc = find_scopes(c, err);
	if (!rc && c->n_scopes && c->public_tag.w[0] == 0)
		rc = err_set(err, KVIK_ERR_IO, "%s: its file `secret` cannot be read, so tenants cannot be told apart",
			     c->dir);
	return rc;
}

static void name_model(char out[17], struct store_key fingerprint)
{
	snprintf(out, 17, "%016llx", (unsigned long long)fingerprint.w[0]);
}

static const char *name_scope(const struct cache_cmd *c, char out[17], struct store_key scope)
{
	if (scope.w[0] == c->public_tag.w[0] && c->public_tag.w[0])
		return "public";
	snprintf(out, 17, "%016llx", (unsigned long long)scope.w[0]);
	return out;
}

static bool is_meant(const struct cache_cmd *c, const struct store_record *r)
{
	char model[17], tag[17];
	bool scope = c->n_scopes == 0;
	for (uint32_t i = 0; i < c->n_scopes && !scope; i++)
		scope = memcmp(&r->scope, &c->scopes[i], sizeof r->scope) == 0;
	name_model(model, r->fingerprint);
	name_model(tag, r->scope);
	return scope && (!c->model || strncmp(model, c->model, strlen(c->model)) == 0) &&
	       (!c->tag || strncmp(tag, c->tag, strlen(c->tag)) == 0);
}

static uint64_t bytes_of(const struct store_record *r)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < r->n_parts; i++)
		n += r->parts[i].bytes;
	return n;
}

static int print_json(json_t *o, struct kvik_err *err)
{
	int rc = o && json_dumpf(o, stdout, JSON_COMPACT) == 0 ? 0 : -1;
	putchar('\n');
	json_decref(o);
	return rc ? err_set(err, KVIK_ERR_IO, "the result could not be written") : 0;
}

/* ---- ls ------------------------------------------------------------------------------------------------------------ */

struct group {
	struct store_key fingerprint, scope;
	uint64_t records, tokens, bytes;
};

struct groups {
	const struct cache_cmd *c;
	struct group *of; /* owned */
	size_t n, cap;
	bool no_memory;
};

static bool count_record(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)place;
	(void)worth;
	struct groups *g = ctx;
	size_t i = 0;
	if (!is_meant(g->c, r))
		return true;
	while (i < g->n && (memcmp(&g->of[i].fingerprint, &r->fingerprint, sizeof r->fingerprint) != 0 ||
			    memcmp(&g->of[i].scope, &r->scope, sizeof r->scope) != 0))
		i++;
	if (i == g->n) {
		struct group *of = mem_grow(g->of, &g->cap, g->n, sizeof *of);
		g->no_memory = !of;
		if (!of)
			return false;
		g->of = of;
		g->of[g->n++] = (struct group){.fingerprint = r->fingerprint, .scope = r->scope};
	}
	g->of[i].records++;
	g->of[i].tokens += r->end - r->start;
	g->of[i].bytes += bytes_of(r);
	return true;
}

static int list(struct cache_cmd *c, struct kvik_err *err)
{
	struct groups g = {.c = c};
	int rc = store_each(c->store, NULL, count_record, &g, err);
	if (!rc && g.no_memory)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the list");
	struct store_stats st = store_stats(c->store);
	json_t *rows = json_array();
	char size[32], model[17], tag[17];
	if (!rc && !c->json)
		printf("%llu records in %u segments, %s\n%-16s  %-16s  %10s  %12s  %s\n",
		       (unsigned long long)st.records, st.segments, human_bytes(st.bytes, size), "model", "tenant",
		       "records", "tokens", "bytes");
	for (size_t i = 0; i < g.n && !rc; i++) {
		const struct group *r = &g.of[i];
		name_model(model, r->fingerprint);
		const char *scope = name_scope(c, tag, r->scope);
		json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:I, s:I}", "model", model, "tenant", scope,
						      "records", (json_int_t)r->records, "tokens",
						      (json_int_t)r->tokens, "bytes", (json_int_t)r->bytes));
		if (!c->json)
			printf("%-16s  %-16s  %10llu  %12llu  %s\n", model, scope, (unsigned long long)r->records,
			       (unsigned long long)r->tokens, human_bytes(r->bytes, size));
	}
	if (!rc && c->json)
		rc = print_json(json_pack("{s:I, s:I, s:I, s:O}", "records", (json_int_t)st.records, "segments",
					  (json_int_t)st.segments, "bytes", (json_int_t)st.bytes, "groups", rows),
				err);
	json_decref(rows);
	mem_free(g.of);
	return rc;
}

/* ---- show ---------------------------------------------------------------------------------------------------------- */

struct showing {
	const struct cache_cmd *c;
	uint32_t n;
	json_t *rows;
};

static bool show_record(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)place;
	struct showing *s = ctx;
	char model[17], tag[17], key[17], size[32];
	if (!is_meant(s->c, r))
		return true;
	uint32_t kinds[STORE_KINDS] = {0};
	for (uint32_t i = 0; i < r->n_parts; i++)
		kinds[r->parts[i].kind]++;
	name_model(model, r->fingerprint);
	name_model(key, r->text);
	const char *scope = name_scope(s->c, tag, r->scope);
	if (s->c->json) {
		json_t *ids = json_array();
		for (uint32_t i = 0; i < r->end - r->start; i++)
			json_array_append_new(ids, json_integer(r->ids[i]));
		json_array_append_new(s->rows, json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:I, s:f, s:o}",
							 "text", key, "model", model, "tenant", scope, "start",
							 (int)r->start, "end", (int)r->end, "pages", (int)kinds[0],
							 "windows", (int)kinds[1], "states", (int)kinds[2], "bytes",
							 (json_int_t)bytes_of(r), "worth", worth, "ids", ids));
	} else {
		printf("%s  %s  %-16s  %7u..%-7u  %3u pages %3u windows %2u states  %s\n", key, model, scope, r->start,
		       r->end, kinds[0], kinds[1], kinds[2], human_bytes(bytes_of(r), size));
	}
	return ++s->n < s->c->limit || s->c->limit == 0;
}

static int show(struct cache_cmd *c, struct kvik_err *err)
{
	struct showing s = {.c = c, .rows = json_array()};
	int rc = store_each(c->store, NULL, show_record, &s, err);
	if (!rc && c->json)
		return print_json(s.rows, err);
	json_decref(s.rows);
	return rc;
}

/* ---- verify -------------------------------------------------------------------------------------------------------- */

struct verifying {
	struct cache_cmd *c;
	uint64_t ok, damaged, unread;
};

static bool verify_record(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)worth;
	struct verifying *v = ctx;
	void *parts[STORE_PARTS_MAX];
	if (!is_meant(v->c, r))
		return true;
	enum store_end end = store_read(v->c->store, r, place, parts);
	v->ok += end == STORE_OK;
	v->damaged += end == STORE_DAMAGED;
	v->unread += end == STORE_FAILED;
	for (uint32_t i = 0; i < r->n_parts; i++)
		mem_free(parts[i]);
	return true;
}

static int verify(struct cache_cmd *c, struct kvik_err *err)
{
	struct verifying v = {.c = c};
	int rc = store_each(c->store, NULL, verify_record, &v, err);
	struct store_stats st = store_stats(c->store);
	json_t *faults = json_object();
	for (int i = 0; i < STORE_FAULT_COUNT; i++)
		if (st.faults[i])
			json_object_set_new(faults, store_fault_name((enum store_fault)i),
					    json_integer((json_int_t)st.faults[i]));
	bool whole = st.faults[STORE_FAULT_DAMAGED] + st.faults[STORE_FAULT_READ] + st.faults[STORE_FAULT_SEALED] == 0;
	if (!rc && c->json)
		rc = print_json(json_pack("{s:I, s:I, s:I, s:O}", "ok", (json_int_t)v.ok, "damaged",
					  (json_int_t)st.faults[STORE_FAULT_DAMAGED], "unread", (json_int_t)v.unread,
					  "faults", faults),
				err);
	else if (!rc)
		printf("%llu records are right; %llu damaged, %llu could not be read\n", (unsigned long long)v.ok,
		       (unsigned long long)st.faults[STORE_FAULT_DAMAGED], (unsigned long long)v.unread);
	json_decref(faults);
	if (!rc && !whole)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: not everything in it is right; a server computes that again",
			     c->dir);
	return rc;
}

/* ---- purge --------------------------------------------------------------------------------------------------------- */

struct purging {
	const struct cache_cmd *c;
	uint64_t n;
};

static bool purge_record(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)worth;
	struct purging *p = ctx;
	if (is_meant(p->c, r)) {
		store_erase(p->c->store, place);
		p->n++;
	}
	return true;
}

static int purge(struct cache_cmd *c, struct kvik_err *err)
{
	struct purging p = {.c = c};
	int rc = 0;
	for (uint32_t i = 0; i < c->n_scopes && !c->model && !c->tag; i++)
		p.n += store_purge(c->store, c->scopes[i]);
	if (c->n_scopes == 0 || c->model || c->tag)
		rc = store_each(c->store, NULL, purge_record, &p, err);
	store_sync(c->store);
	if (!rc && store_stats(c->store).faults[STORE_FAULT_WRITE])
		rc = err_set(err, KVIK_ERR_IO, "%s: not everything could be wiped", c->dir);
	if (!rc && c->json)
		return print_json(json_pack("{s:I}", "purged", (json_int_t)p.n), err);
	if (!rc)
		printf("%llu records purged\n", (unsigned long long)p.n);
	return rc;
}

/* ---- export, import ------------------------------------------------------------------------------------------------ */

static bool find_model(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)place;
	(void)worth;
	struct purging *p = ctx; /* n: found */
	p->n += is_meant(p->c, r);
	return p->n == 0;
}

static int move(struct cache_cmd *c, bool out, struct kvik_err *err)
{
	struct store_packed n;
	struct purging any = {.c = c};
	int rc = 0;
	if (out && c->model) /* a wrong name is said, not an empty file written */
		rc = store_each(c->store, NULL, find_model, &any, err);
	if (!rc && out && c->model && any.n == 0)
		rc = err_set(err, KVIK_ERR_ARG, "no record is of model %s; `kvik cache ls` names them", c->model);
	if (c->n_scopes > 1)
		rc = err_set(err, KVIK_ERR_ARG,
			     "'%s' has %u keys, each with records of its own: make a file with one of them", c->tenant,
			     c->n_scopes);
	struct store_key scope = c->n_scopes ? c->scopes[0] : c->public_tag;
	if (!rc)
		rc = out ? store_export(c->store, scope, NULL, c->file, &n, err)
			 : store_import(c->store, scope, c->file, &n, err);
	if (rc)
		return rc;
	if (c->json)
		return print_json(json_pack("{s:I, s:I, s:I}", "records", (json_int_t)n.records, "bytes",
					    (json_int_t)n.bytes, "skipped", (json_int_t)n.skipped),
				  err);
	char size[32];
	printf("%llu records, %s; %llu left out\n", (unsigned long long)n.records, human_bytes(n.bytes, size),
	       (unsigned long long)n.skipped);
	return 0;
}

/* ---- The command --------------------------------------------------------------------------------------------------- */

static const struct action {
	const char *name;
	bool writes, file;
} actions[] = {{"ls", false, false},    {"show", false, false}, {"verify", false, false},
	       {"export", false, true}, {"import", true, true}, {"purge", true, false}};
enum action_id { LS, SHOW, VERIFY, EXPORT, IMPORT, PURGE, ACTIONS };

static int act(struct cache_cmd *c, enum action_id id, struct kvik_err *err)
{
	if (id == PURGE && !c->tenant && !c->public_scope && !c->tag && !c->model && !c->all)
		return err_set(err, KVIK_ERR_ARG,
			       "purge what? --tenant NAME --keys FILE, --public, --tag HEX, --model HEX or --all");
	if (c->tenant && !c->keys)
		return err_set(err, KVIK_ERR_ARG,
			       "--tenant needs --keys FILE: what tenants have is told apart by their keys");
	if (c->tenant && (c->public_scope || !*c->tenant))
		return err_set(err, KVIK_ERR_ARG, "--tenant names one tenant; --public means the records of none");
	int rc = open_store(c, actions[id].writes, err);
	if (rc)
		return rc;
	switch (id) {
	case LS: return list(c, err);
	case SHOW: return show(c, err);
	case VERIFY: return verify(c, err);
	case PURGE: return purge(c, err);
	default: return move(c, id == EXPORT, err);
	}
}

static int run(int argc, char **argv)
{
	struct cache_cmd c = {0};
	struct opt_list l = {0};
	struct kvik_err err;
	const char *rest[3];
	int status;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Options:"},
		{OPT_TEXT, 0, "tenant", &c.tenant, .arg = "NAME", .help = "Records of this tenant only; needs --keys."},
		{OPT_TEXT, 0, "keys", &c.keys, .arg = "FILE", .help = "The file of kvik serve --keys."},
		{OPT_TEXT, 0, "tag", &c.tag, .arg = "HEX",
		 .help = "Records with this tag only, as ls shows it for a tenant."},
		{OPT_FLAG, 0, "public", &c.public_scope, .help = "Records of no tenant only."},
		{OPT_TEXT, 0, "model", &c.model, .arg = "HEX", .help = "Records of this model only, as ls names it."},
		{OPT_FLAG, 0, "all", &c.all, .help = "purge: everything."},
		{OPT_U32, 'n', "limit", &c.limit, .arg = "N", .help = "show: so many records (default: all)."},
		{OPT_TEXT, 0, "key", &c.key_file, .arg = "FILE", .help = "The key of --kv-disk-key."},
		{OPT_FLAG, 0, "json", &c.json, .help = "One JSON value."}};
	OPT_LIST_ADD(&l, opts);
	int n = parse_command(&l, &usage, argc, argv, rest, 3, &status);
	if (n < 0)
		return status;
	uint32_t id = 0;
	while (n > 0 && id < ACTIONS && strcmp(rest[0], actions[id].name) != 0)
		id++;
	int rc = 0;
	if (n == 0 || id == ACTIONS)
		rc = err_set(&err, KVIK_ERR_ARG, "say what to do: kvik cache ls|show|verify|export|import|purge DIR");
	else if (n != 2 + actions[id].file)
		rc = err_set(&err, KVIK_ERR_ARG, "kvik cache %s takes %s", rest[0],
			     actions[id].file ? "DIR and FILE" : "DIR");
	if (!rc) {
		c.dir = rest[1];
		c.file = rest[n - 1];
		rc = act(&c, (enum action_id)id, &err);
	}
	store_close(c.store);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_cache = {"cache", "what a folder of --kv-disk holds: ls, show, verify, export, import, purge",
			      run};
