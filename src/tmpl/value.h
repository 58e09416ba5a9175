/* value.h: what a template computes with: Python's values, as far as templates see them.
 *
 * A value is 16 bytes, passed by copy; what it points to lives in the arena of the rendering (or of the template, for
 * constants) and is never freed singly. Strings are valid UTF-8 and never change. */
#ifndef KVIK_TMPL_VALUE_H
#define KVIK_TMPL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

enum value_type {
	V_MISSING, /* no value at all: an unset variable, an argument not given; never the result of an expression */
	V_UNDEFINED,
	V_NONE,
	V_BOOL,
	V_INT, /* 64 bits; what would need more is an error */
	V_FLOAT,
	V_STR,
	V_LIST,
	V_TUPLE,
	V_DICT,
	V_VIEW, /* what dict.keys(), values() and items() give: a list without subscripts */
	V_RANGE,
	V_NAMESPACE,
	V_MACRO,
	V_FUNCTION, /* a global such as range */
	V_METHOD,   /* a function bound to a value: "text".upper */
	V_ITER,     /* a generator: consumed once, lazily */
	V_LOOP,     /* the variable `loop` */
	V_CYCLER,
	V_JOINER
};

/* Who wrote a character. Every operation on strings carries it along, byte by byte, so that of a rendered prompt one
 * can tell what the template wrote, where special tokens are meant, from what a message said, where they are only text.
 * What an operation loses track of is data. */
enum origin { FROM_DATA, FROM_TEMPLATE };

struct str {
	const char *s; /* [n], not NUL-terminated */
	size_t n;      /* bytes */
	size_t chars;  /* code points; == n says ASCII */
	struct strbuf *buf;
	const uint8_t *origins; /* [n] of enum origin; NULL: all are `origin` */
	uint8_t origin;
};

/* Room behind a string that grows by appending: a string whose end is the end of what is used may be extended there. */
struct strbuf {
	size_t used, cap;
	uint8_t *origins; /* [cap]; NULL: all of what is used is `origin` */
	uint8_t origin;
	char data[];
};

struct value {
	uint8_t type;   /* enum value_type */
	uint8_t markup; /* a string that is already escaped for HTML (|safe, |escape) */
	uint8_t number; /* a string of digits: a number too large for 64 bits, which is written as it came */
	union {
		bool b;
		int64_t i;
		double f;
		const struct str *str;
		const struct undef *undef;
		struct seq *seq;   /* list, tuple, view */
		struct dict *dict; /* dict, namespace */
		struct range *range;
		struct macro *macro;
		const struct function *function;
		struct method *method;
		struct iter *iter;
		struct loop *loop;
		struct cycler *cycler; /* cycler, joiner */
	};
};

/* Why a value is undefined, told when it is used. */
struct undef {
	const char *hint; /* the whole text, or NULL */
	const char *of;   /* type whose attribute `name` is missing, or NULL */
	struct value name;
};

struct seq {
	struct value *v;
	size_t n, cap;
	bool group;       /* a tuple (grouper, list) of |groupby */
	const char *view; /* "dict_keys", ... of a view */
};

struct entry {
	struct value key, value;
	uint64_t hash;
};

struct dict {
	struct entry *e; /* in order of insertion */
	size_t n, cap;
	uint32_t *index; /* [index_size], open addressing, entry number + 1; NULL while the dict is small */
	size_t index_size;
};

struct range {
	int64_t start, stop, step;
	size_t n;
};

struct cycler {
	struct seq *items; /* of a joiner: the separator */
	size_t at;
};

/* A lazy sequence, Python's generator. next writes one value and returns true, or returns false at the end, for ever
 * after. */
struct iter {
	bool (*next)(struct vm *vm, struct iter *it, struct value *out);
	bool done;
	struct iter *source;
	size_t at;
	struct value over;
	void *state; /* of the kind of iterator, as are source and at */
};

struct kwarg {
	struct value name; /* a string */
	struct value value;
};

struct args {
	struct value *v;
	size_t n;
	struct kwarg *kw;
	size_t n_kw;
};

/* A filter, test, method or global. params: names in order, separated by blanks; the first `required` must be given.
 * arg[] has a place for each, V_MISSING where not given. params NULL: the function looks into args itself. */
struct function {
	const char *name;
	struct value (*call)(struct vm *vm, struct value self, const struct value *arg, const struct args *args);
	const char *params;
	uint8_t required;
	bool positional; /* takes no keyword arguments */
};

struct method {
	struct value self;
	const struct function *function;
};

static inline struct value value_none(void)
{
	return (struct value){.type = V_NONE};
}

static inline struct value value_bool(bool b)
{
	return (struct value){.type = V_BOOL, .b = b};
}

static inline struct value value_int(int64_t i)
{
	return (struct value){.type = V_INT, .i = i};
}

static inline struct value value_float(double f)
{
	return (struct value){.type = V_FLOAT, .f = f};
}

static inline struct value value_str(const struct str *s)
{
	return (struct value){.type = V_STR, .str = s};
}

static inline bool value_given(struct value v)
{
	return v.type != V_MISSING;
}

/* ---- Strings (str.c) --------------------------------------------------------------------------------------------- */

struct value str_borrow(struct vm *vm, const char *s, size_t n, enum origin origin); /* the bytes stay where they are */
struct value str_copy(struct vm *vm, const char *s, size_t n, enum origin origin);
struct value str_lit(struct vm *vm, const char *s); /* s lives for ever; as good as the template's own */
/* The same as s, in other bytes of the same number, each from where the one in its place came from. */
struct value str_like(struct vm *vm, const struct str *s, const char *bytes);
enum origin str_origin(const struct str *s, size_t at); /* of a byte */
struct value str_concat(struct vm *vm, const struct str *a, const struct str *b);
struct value str_slice(struct vm *vm, const struct str *s, size_t from, size_t to); /* bytes */
bool str_equal(const struct str *a, const struct str *b);
bool str_is(const struct str *a, const char *text);
int str_compare(const struct str *a, const struct str *b);
size_t str_offset(const struct str *s, size_t chars); /* byte offset of a code point */
/* Byte offset of the first `what` in [from, to), SIZE_MAX = none. */
size_t str_find(struct vm *vm, const struct str *s, const struct str *what, size_t from, size_t to);
size_t str_rfind(struct vm *vm, const struct str *s, const struct str *what, size_t from, size_t to);

/* ---- Everything (value.c) ---------------------------------------------------------------------------------------- */

const char *value_type_name(struct value v); /* Python's: "NoneType" */
bool value_truth(struct vm *vm, struct value v);
bool value_equal(struct vm *vm, struct value a, struct value b);
/* a < b of Python, for sorting and comparing; types that have no order are an error that names op. */
bool value_less(struct vm *vm, struct value a, struct value b, const char *op);
bool value_less_equal(struct vm *vm, struct value a, struct value b, const char *op);
bool value_contains(struct vm *vm, struct value in, struct value what);
bool value_identical(struct value a, struct value b); /* Python's `is` */
size_t value_length(struct vm *vm, struct value v);   /* len(v); an error where Python has none */
bool value_has_length(struct value v);
int64_t value_index(struct vm *vm, struct value v, const char *what); /* an int (or bool), else an error */
bool value_is_number(struct value v);                                 /* int, float, bool */
double value_number(struct value v);

/* ---- Lists and dicts (container.c) ------------------------------------------------------------------------------- */

struct value seq_new(struct vm *vm, enum value_type type, size_t cap);
void seq_add(struct vm *vm, struct seq *s, struct value v);
struct value seq_pair(struct vm *vm, struct value a, struct value b); /* a tuple */
struct value dict_new(struct vm *vm);
void dict_set(struct vm *vm, struct dict *d, struct value key, struct value v);
struct entry *dict_find(struct vm *vm, const struct dict *d, struct value key); /* an unhashable key is an error */
struct entry *dict_find_text(struct vm *vm, const struct dict *d, const struct str *key);

/* ---- Iteration (iter.c) ------------------------------------------------------------------------------------------ */

struct iter *iter_of(struct vm *vm, struct value v); /* iter(v); an error where Python has none */
bool iter_possible(struct value v);
bool iter_next(struct vm *vm, struct iter *it, struct value *out);
struct value iter_list(struct vm *vm, struct value v);                     /* list(v) */
bool iter_reversed(struct vm *vm, struct value v, struct value *reversed); /* reversed(v); false: not reversible */
struct iter *iter_new(struct vm *vm, bool (*next)(struct vm *, struct iter *, struct value *), struct value over);
struct value value_iter(struct iter *it);
struct value seq_at(struct vm *vm, struct value v, size_t i); /* of a str, list, tuple or range; i < length */

/* ---- Texts of values (repr.c, number.c) -------------------------------------------------------------------------- */

const struct str *value_text(struct vm *vm, struct value v); /* str(v) */
struct value value_to_str(struct vm *vm, struct value v);    /* the same; keeps markup */
const struct str *value_repr(struct vm *vm, struct value v);

#endif
