/* schema.h: a JSON Schema as a circuit. What a schema object asserts falls apart into leaves, each of which looks at one thing
 * (a type, a length, the members of an object), and into gates over other nodes:
 *
 *   {"type": "string", "minLength": 2, "not": {"enum": ["ab"]}}
 *       ->  ALL( TYPES{string}, LENGTH{2..}, NOT( STRINGS{"ab"} ) )
 *
 * A leaf is true of values that it does not concern (LENGTH of a number), as the keywords are. So every combination of keywords
 * has its meaning without being rewritten: allOf is ALL, dependentRequired is ANY(NOT(REQUIRED), REQUIRED), a $ref is the node
 * it names, also in a circle.
 *
 * Sources: JSON Schema Core and Validation 2020-12; draft 7 and 4 where they differ. Read-only once made, but for the lazily
 * made states of its automata. */
#ifndef KVIK_CONSTRAIN_SCHEMA_H
#define KVIK_CONSTRAIN_SCHEMA_H

#include <jansson.h>

#include "base/err.h"
#include "constrain/decimal.h"
#include "constrain/dfa.h"

#define NO_LIMIT UINT32_MAX

enum json_type {
	TYPE_NULL = 1,
	TYPE_BOOLEAN = 2,
	TYPE_OBJECT = 4,
	TYPE_ARRAY = 8,
	TYPE_STRING = 16,
	TYPE_INTEGER = 32, /* a number without point and exponent */
	TYPE_FRACTION = 64,
	TYPE_NUMBER = TYPE_INTEGER | TYPE_FRACTION,
	TYPE_ALL = 127
};

enum node_kind {
	/* Gates over kids[first .. first + n) of the schema. */
	NODE_ALL, /* of none: true */
	NODE_ANY, /* of none: false */
	NODE_ONE, /* exactly one */
	NODE_NOT,
	NODE_IF, /* kids: if, then, else */
	/* Leaves. */
	NODE_TYPES,
	NODE_WORDS,    /* true, false, null: some of them and nothing else */
	NODE_TEXTS,    /* one of these strings and nothing else */
	NODE_NUMBERS,  /* one of these numbers and nothing else */
	NODE_LENGTH,   /* characters of a string */
	NODE_PATTERN,  /* of a string */
	NODE_RANGE,    /* of a number */
	NODE_MEMBERS,  /* what the values of an object are */
	NODE_REQUIRED, /* members that an object has */
	NODE_COUNT,    /* how many members an object has */
	NODE_NAMES,    /* what the names of an object's members are */
	NODE_ITEMS,    /* what the items of an array are */
	NODE_SIZE,     /* how many items an array has */
	NODE_CONTAINS  /* how many items of an array are something */
};

enum word { WORD_TRUE = 1, WORD_FALSE = 2, WORD_NULL = 4 };

struct text {
	const char *bytes;
	uint32_t n;
};

/* Order of texts by their bytes: for qsort and bsearch. */
int text_compare(const void *a, const void *b);

struct range {
	struct decimal min, max, multiple;           /* multiple: of which the number is one; scaled to an integer */
	bool has_min, has_max, above_min, below_max; /* above, below: the bound itself is not in it */
	int64_t multiple_scaled;                     /* 0: none */
	unsigned scale;
};

struct node {
	enum node_kind kind;
	uint32_t first,
		n; /* kids (gates, ITEMS' first ones), texts (TEXTS, NUMBERS, REQUIRED; sorted), members (sorted) */
	union {
		unsigned types; /* TYPES */
		unsigned words; /* WORDS */
		struct {
			uint32_t min, max;
		} limits;            /* LENGTH, COUNT, SIZE, CONTAINS */
		struct dfa *dfa;     /* PATTERN; owned by the schema */
		struct range *range; /* RANGE; the same */
	};
	uint32_t
		rest; /* node of the other values (MEMBERS), of the later items (ITEMS), of names, of what is contained */
	uint32_t patterns_first; /* MEMBERS: of schema.patterns */
	uint32_t patterns_n;
};

struct member {
	struct text name;
	uint32_t node;
};

struct name_pattern {
	struct dfa *dfa;
	uint32_t node;
};

/* Kinds of nodes 0 and 1: always true, always false. */
enum { NODE_IS_TRUE = 0, NODE_IS_FALSE = 1 };

struct schema {
	struct node *nodes; /* [n] */
	size_t n, cap;
	uint32_t *kids;
	size_t n_kids, kids_cap;
	struct text *texts;
	size_t n_texts, texts_cap;
	struct member *members;
	size_t n_members, members_cap;
	struct name_pattern *patterns;
	size_t n_patterns, patterns_cap;
	struct dfa **dfas; /* owned */
	size_t n_dfas, dfas_cap;
	struct range **ranges; /* owned */
	size_t n_ranges, ranges_cap;
	char **strings; /* owned: what texts point to */
	size_t n_strings, strings_cap;
	json_t *json; /* owned: the rest of what they point to */
	uint32_t root;
};

/* text: the schema, as JSON. Errors name keyword and path ("/properties/a/pattern"): FORMAT (no JSON, no schema),
 * UNSUPPORTED (what cannot be enforced), LIMIT, NOMEM. Release also after an error. */
int schema_compile(struct schema *s, const char *text, size_t bytes, struct kvik_err *err) MUST_CHECK;
void schema_release(struct schema *s);

#endif
