/* node.h: the syntax tree. One struct serves all kinds; the table says which fields each uses. Never changes once
 * resolved (scope.c); lives in the template's arena. */
#ifndef KVIK_TMPL_NODE_H
#define KVIK_TMPL_NODE_H

#include "tmpl/value.h"

enum node_kind {
	/* expressions */
	N_CONST,   /* value */
	N_NAME,    /* name, ref */
	N_NSREF,   /* name.attr as a target: name, attr, ref */
	N_TUPLE,   /* list; also a target */
	N_LIST,    /* list */
	N_DICT,    /* list: key, value, key, value, ... */
	N_NEG,     /* a */
	N_POS,     /* a */
	N_NOT,     /* a */
	N_BINARY,  /* a op b, op: an OP() of lexer.h */
	N_AND,     /* a, b */
	N_OR,      /* a, b */
	N_CONCAT,  /* list */
	N_COMPARE, /* a, then list: the other operands, ops: the operator before each */
	N_COND,    /* a if b else c; c may be NULL */
	N_ATTR,    /* a.attr */
	N_ITEM,    /* a[b] */
	N_SLICE,   /* a[list[0]:list[1]:list[2]], each may be NULL */
	N_CALL,    /* a(call) */
	N_FILTER,  /* a|function(call); a NULL: of the text captured before (filter and set blocks) */
	N_TEST,    /* a is function(call) */
	/* statements */
	N_OUTPUT,       /* list: expressions */
	N_IF,           /* list[i]: condition i; branches[i] its body; branches[n]: else, may be empty */
	N_FOR,          /* target a in b if c: body, branches[0] = else; scope, test_scope, else_scope, loop */
	N_SET,          /* target a = b */
	N_SET_BLOCK,    /* target a, filter b (may be NULL), body, scope */
	N_WITH,         /* list: target, value, ...; body, scope */
	N_MACRO,        /* name, ref, macro, body, scope */
	N_CALL_BLOCK,   /* a: the call; macro, body, scope */
	N_FILTER_BLOCK, /* b: the filter; body, scope */
	N_GENERATION,   /* body, scope, macro */
	N_BLOCK,        /* body, scope */
	N_SCOPE,        /* body, scope: autoescape */
	N_BREAK,
	N_CONTINUE,
	N_UNSUPPORTED /* name: include and the like */
};

enum compare_op { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_IN, CMP_NOT_IN };

struct node;

struct node_list {
	struct node **v;
	size_t n, cap;
};

/* The variable of a name: `up` frames out from the one that code runs in, then a slot. */
struct var_ref {
	uint16_t up, slot;
};

struct keyword {
	const struct str *name;
	struct node *value;
};

struct call {
	struct node_list args;
	struct keyword *kw;
	size_t n_kw, kw_cap;
	struct node *more_args, *more_kw; /* *x, **x; may be NULL */
};

/* What a macro or call block takes. */
struct params {
	struct node_list names;    /* N_NAME, in order */
	struct node_list defaults; /* of the last names */
	bool takes_caller, takes_kwargs, takes_varargs;
	struct var_ref caller, kwargs, varargs;
};

struct node {
	uint8_t kind;   /* enum node_kind */
	bool recursive; /* N_FOR */
	uint16_t op;
	uint32_t line;
	struct var_ref ref;
	struct node *a, *b, *c;
	const struct str *name, *attr;
	struct value value;
	struct node_list list;
	uint8_t *ops; /* enum compare_op */
	struct node_list body, *branches;
	struct call *call;
	const struct function *function; /* NULL: unknown, an error if it comes to that */
	struct params *params;
	struct scope *scope, *test_scope, *else_scope;
	struct var_ref loop;
};

/* How a variable of a scope gets its value when the scope is entered. */
enum load_kind {
	LOAD_NOTHING, /* unset */
	LOAD_PARAM,   /* set by whoever enters */
	LOAD_CONTEXT, /* from the variables given to the template, and the globals */
	LOAD_OUTER,   /* a copy of an outer variable: a set inside does not reach out */
	LOAD_ROOT     /* in a block: the template's own variable if set, else as LOAD_CONTEXT */
};

struct variable {
	const struct str *name;
	uint8_t load; /* enum load_kind */
	struct var_ref outer;
};

/* The variables of one frame: of the template, a macro, a loop, a block. */
struct scope {
	struct scope *parent;
	struct variable *vars; /* [n]; slot i is vars[i] */
	size_t n, cap;
};

#endif
