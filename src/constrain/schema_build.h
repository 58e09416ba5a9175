/* schema_build.h: a schema being compiled; between schema.c (keywords and gates) and those that know one kind of values
 * (schema_scalar.c, schema_array.c, schema_object.c). Errors stay in the builder: once rc is set, all that follows is idle
 * and gives NODE_IS_TRUE. Thread: the builder's. */
#ifndef KVIK_CONSTRAIN_SCHEMA_BUILD_H
#define KVIK_CONSTRAIN_SCHEMA_BUILD_H

#include "base/buf.h"
#include "constrain/schema.h"

struct reference; /* schema_ref.c */

struct builder {
	struct schema *s;
	const json_t *root;
	const json_t *base; /* the schema resource at hand: what "#" means */
	struct buf path;    /* where we are: "/properties/a" */
	struct reference *references;
	size_t n_references, references_cap;
	unsigned depth;
	size_t spent; /* nodes and texts made */
	int rc;
	struct kvik_err *err;
};

/* Sets the error; keyword: where in the schema object at hand, or NULL. Returns NODE_IS_TRUE. */
uint32_t build_fail(struct builder *b, int code, const char *keyword, const char *what);
uint32_t build_nomem(struct builder *b);

uint32_t build_node(struct builder *b, struct node n);
/* A gate over these; ALL and ANY of one are that one. */
uint32_t build_gate(struct builder *b, enum node_kind kind, const uint32_t *kids, size_t n);
uint32_t build_kids(struct builder *b, const uint32_t *kids, size_t n); /* where they begin in schema.kids */
/* The nodes of one schema object, gathered. */
struct gathered {
	uint32_t *nodes; /* [n], owned */
	size_t n, cap;
};
void gather(struct builder *b, struct gathered *g, uint32_t node);

/* The schema j, which stands at path/keyword (and /i, i >= 0). */
uint32_t build_schema(struct builder *b, const json_t *j, const char *keyword, const char *member, long i);
/* Steps into path; the mark is for the way back. */
size_t build_enter(struct builder *b, const char *part);
void build_leave(struct builder *b, size_t mark);

/* What a value must be to equal j. */
uint32_t build_const(struct builder *b, const json_t *j);
/* ITEMS: the first n items, and all others. */
uint32_t build_items(struct builder *b, const uint32_t *first, size_t n, uint32_t rest);
/* MEMBERS and REQUIRED of an object that is j and nothing else. */
uint32_t build_const_members(struct builder *b, const json_t *j);
uint32_t build_required_names(struct builder *b, const json_t *j);
/* Adds to the schema's lists; the index of the first. Texts are copied. */
struct text build_text(struct builder *b, const char *bytes, size_t n);
uint32_t build_texts(struct builder *b, struct text *texts, size_t n); /* sorts them, drops doubles: see n_texts */
/* The pattern somewhere in a text; NULL after an error. */
struct dfa *build_dfa(struct builder *b, const char *pattern, size_t n, const char *keyword);
/* A pattern of ECMA-262 somewhere in the string, with its look-aheads. */
uint32_t build_pattern(struct builder *b, const char *pattern, size_t n, const char *keyword);
/* NULL: a format that only annotates. */
const char *format_pattern(const char *format);
/* A number as it stood in the schema: the shortest text that is read as the same double. */
enum { NUMBER_TEXT = 64 };
void number_text(const json_t *j, char text[NUMBER_TEXT]);
/* A count of the keyword; *value stays what it is where it is absent. */
bool build_count(struct builder *b, const json_t *j, const char *keyword, uint32_t *value);

void build_values(struct builder *b, const json_t *j, struct gathered *g); /* enum, const */
void build_strings(struct builder *b, const json_t *j, struct gathered *g);
void build_numbers(struct builder *b, const json_t *j, struct gathered *g);
void build_arrays(struct builder *b, const json_t *j, struct gathered *g);
void build_objects(struct builder *b, const json_t *j, struct gathered *g);
uint32_t build_ref(struct builder *b, const json_t *ref);
/* Into a schema object, which may be a resource of its own; the mark is for the way back. */
const json_t *references_enter(struct builder *b, const json_t *j);
void references_leave(struct builder *b, const json_t *base);
uint32_t build_schema_here(struct builder *b, const json_t *j);
void references_release(struct builder *b);

#endif
