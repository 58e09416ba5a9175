/* parser.h: tokens to a syntax tree. */
#ifndef KVIK_TMPL_PARSER_H
#define KVIK_TMPL_PARSER_H

#include "tmpl/lexer.h"
#include "tmpl/node.h"

struct parser {
	struct vm *vm;
	const struct token *tokens, *t; /* t: the current one; the last is T_EOF */
	size_t loops;                   /* for statements around, in the same function: may one break? */
	struct node_list blocks;        /* N_BLOCK seen, whose names must differ */
};

/* The whole template: a list of statements. */
struct node_list parse_template(struct parser *p);

/* ---- Shared by parser.c (statements) and parse_expr.c ------------------------------------------------------------ */

struct node *node_new(struct parser *p, enum node_kind kind, uint32_t line);
void node_add(struct vm *vm, struct node_list *l, struct node *n);
void parse_fail(struct parser *p, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

bool at_name(const struct parser *p, const char *name); /* is the current token this word? */
bool at_op(const struct parser *p, uint16_t op);
bool skip_name(struct parser *p, const char *name);
bool skip_op(struct parser *p, uint16_t op);
void expect_op(struct parser *p, uint16_t op);
const struct str *expect_name(struct parser *p);

/* Where a tuple without brackets ends: at the end of its tag, a closing bracket, or one word. */
struct node *parse_expression(struct parser *p);
struct node *parse_tuple(struct parser *p, bool with_cond, const char *end_word); /* an expression or a tuple */
struct node *parse_target(struct parser *p, bool with_namespace, const char *end_word);
struct node *parse_name_target(struct parser *p);
struct node *parse_filters(struct parser *p, struct node *of, bool started); /* "|f|g(x)"; started: no first "|" */

#endif
