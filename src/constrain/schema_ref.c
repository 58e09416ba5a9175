/* schema_ref.c: "$ref". A schema resource is the whole schema, or a part of it with an "$id" of its own; "#" and pointers mean
 * the resource that they stand in. What lies outside of the text (a URL) is not fetched. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/schema_build.h"

struct reference {
	const json_t *target;
	uint32_t node;
};

static const char *id_of(const json_t *j)
{
	const char *id = json_string_value(json_object_get(j, "$id"));
	return id ? id : json_string_value(json_object_get(j, "id"));
}

/* An id that makes a resource: not only a fragment ("#a"), and not a property that happens to be called "id". */
static bool is_resource(const json_t *j)
{
	const char *id = id_of(j);
	return id && id[0] != '#' && id[0] != '\0';
}

const json_t *references_enter(struct builder *b, const json_t *j)
{
	const json_t *before = b->base;
	if (is_resource(j) && json_object_get(j, "$id"))
		b->base = j;
	return before;
}

void references_leave(struct builder *b, const json_t *base)
{
	b->base = base;
}

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

/* A part of a JSON pointer, unescaped in place: "%25" of the URL and "~1" of the pointer. */
static void unescape(char *part)
{
	char *out = part;
	for (char *in = part; *in; in++) {
		unsigned c;
		if (*in == '%' && sscanf(in + 1, "%2x", &c) == 1 && in[1] && in[2]) {
			*out++ = (char)c;
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	out = part;
	for (char *in = part; *in; in++)
		if (*in == '~' && (in[1] == '0' || in[1] == '1'))
			*out++ = *++in == '0' ? '~' : '/';
		else
			*out++ = *in;
	*out = '\0';
}

/* pointer: "/a/b"; *base becomes the innermost resource on the way. */
static const json_t *follow(struct builder *b, const json_t *j, const char *pointer, const json_t **base)
{
	while (j && *pointer == '/') {
		size_t n = strcspn(++pointer, "/");
		char *part = mem_strndup(pointer, n);
		if (!part) {
			build_nomem(b);
			return NULL;
		}
		unescape(part);
		if (json_is_array(j)) {
			char *end;
			unsigned long i = strtoul(part, &end, 10);
			j = *part && !*end ? json_array_get(j, i) : NULL;
		} else {
			j = json_object_get(j, part);
		}
		mem_free(part);
		pointer += n;
		if (j && is_resource(j) && json_object_get(j, "$id"))
			*base = j;
	}
	return j;
}

/* What an id or reference names, without scheme, host and folders: enough to tell the parts of one text apart. */
static const char *last_part(const char *id, size_t *n)
{
	*n = strcspn(id, "#");
	for (size_t i = *n; i-- > 0;)
		if (id[i] == '/' && i + 1 < *n) {
			id += i + 1;
			*n -= i + 1;
			break;
		}
	return id;
}

enum wanted { WANTED_RESOURCE, WANTED_ANCHOR };

static bool is_wanted(const json_t *j, enum wanted kind, const char *name, size_t n)
{
	size_t m;
	const char *id = id_of(j), *anchor = json_string_value(json_object_get(j, "$anchor"));
	if (kind == WANTED_ANCHOR)
		return (anchor && strlen(anchor) == n && memcmp(anchor, name, n) == 0) ||
		       (id && id[0] == '#' && strlen(id + 1) == n && memcmp(id + 1, name, n) == 0);
	if (!is_resource(j))
		return false;
	if (strlen(id) == n && memcmp(id, name, n) == 0)
		return true;
	id = last_part(id, &m);
	name = last_part(name, &n);
	return m == n && n > 0 && memcmp(id, name, n) == 0;
}

struct search {
	enum wanted kind;
	const char *name;
	size_t n;
	const json_t *found;
	bool several; /* more than one goes by that name: which is meant cannot be told */
};

static void search(struct search *f, const json_t *j, unsigned depth)
{
	const char *key;
	json_t *v;
	if (depth > 200)
		return;
	if (json_is_object(j)) {
		if (is_wanted(j, f->kind, f->name, f->n)) {
			f->several |= f->found && f->found != j;
			f->found = j;
		}
		/* An anchor is one of its own resource. */
		if (f->kind == WANTED_ANCHOR && depth > 0 && is_resource(j) && json_object_get(j, "$id"))
			return;
		json_object_foreach((json_t *)j, key, v)
		{
			if (strcmp(key, "enum") != 0 && strcmp(key, "const") != 0)
				search(f, v, depth + 1);
		}
	}
	for (size_t i = 0; json_is_array(j) && i < json_array_size(j); i++)
		search(f, json_array_get(j, i), depth + 1);
}

static const json_t *search_in(const json_t *j, enum wanted kind, const char *name, size_t n)
{
	struct search f = {.kind = kind, .name = name, .n = n};
	search(&f, j, 0);
	return f.several ? NULL : f.found;
}

static const json_t *find(struct builder *b, const char *ref, const json_t **base)
{
	size_t n = strcspn(ref, "#");
	const char *fragment = ref[n] ? ref + n + 1 : "";
	const json_t *resource = b->base;
	if (n > 0)
		resource = search_in(b->root, WANTED_RESOURCE, ref, n);
	*base = resource;
	if (!resource || !*fragment)
		return resource;
	if (*fragment == '/')
		return follow(b, resource, fragment, base);
	return search_in(resource, WANTED_ANCHOR, fragment, strlen(fragment));
}

/* ---- References -------------------------------------------------------------------------------------------------- */

/* The node of a target exists before the target is built, so that what it holds may refer to it. */
static uint32_t reference_new(struct builder *b, const json_t *target)
{
	uint32_t placeholder[2] = {NODE_IS_TRUE, NODE_IS_TRUE};
	struct reference *r = mem_grow(b->references, &b->references_cap, b->n_references, sizeof *r);
	if (!r)
		return build_nomem(b);
	b->references = r;
	uint32_t node = build_gate(b, NODE_ALL, placeholder, 2);
	r[b->n_references++] = (struct reference){target, node};
	return node;
}

uint32_t build_ref(struct builder *b, const json_t *ref)
{
	const json_t *base, *before = b->base;
	if (!json_is_string(ref))
		return build_fail(b, KVIK_ERR_FORMAT, "$ref", "no reference");
	const json_t *target = find(b, json_string_value(ref), &base);
	if (!target)
		return build_fail(b, KVIK_ERR_UNSUPPORTED, "$ref", "a reference to what is not in the schema");
	for (size_t i = 0; i < b->n_references; i++)
		if (b->references[i].target == target)
			return b->references[i].node;
	uint32_t node = reference_new(b, target);
	if (b->rc)
		return node;
	b->base = base;
	size_t mark = build_enter(b, "$ref");
	uint32_t inner = build_schema_here(b, target);
	build_leave(b, mark);
	b->base = before;
	if (!b->rc)
		b->s->kids[b->s->nodes[node].first] = inner;
	return node;
}

void references_release(struct builder *b)
{
	mem_free(b->references);
	b->references = NULL;
}
