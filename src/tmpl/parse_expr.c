/* parse_expr.c: expressions, by recursive descent; binding as in jinja2: "is" and "|" bind tightest, "~" between the
 * sums and the products. Depth is bounded by vm_enter. */
#include <string.h>

#include "tmpl/builtin.h"
#include "tmpl/parser.h"

static struct node *parse_or(struct parser *p);
static struct node *parse_unary(struct parser *p, bool with_filter);
static struct node *parse_primary(struct parser *p, bool with_namespace);

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

static void add_keyword(struct parser *p, struct call *c, const struct str *name, struct node *value)
{
	for (size_t i = 0; i < c->n_kw; i++)
		if (str_equal(c->kw[i].name, name))
			parse_fail(p, "the argument '%.*s' is given twice", STR_ARGS(name));
	if (c->n_kw == c->kw_cap) {
		size_t cap = c->kw_cap ? 2 * c->kw_cap : 4;
		c->kw = vm_grow(p->vm, c->kw, c->n_kw, cap, sizeof *c->kw);
		c->kw_cap = cap;
	}
	c->kw[c->n_kw++] = (struct keyword){name, value};
}

static void parse_argument(struct parser *p, struct call *c)
{
	bool keyword = p->t->type == T_NAME && p->t[1].type == T_OPERATOR && p->t[1].op == OP1('=');
	if (at_op(p, OP1('*')) && !c->more_args && !c->more_kw) {
		p->t++;
		c->more_args = parse_expression(p);
	} else if (at_op(p, OP('*', '*')) && !c->more_kw) {
		p->t++;
		c->more_kw = parse_expression(p);
	} else if (keyword && !c->more_kw) {
		const struct str *name = expect_name(p);
		p->t++;
		add_keyword(p, c, name, parse_expression(p));
	} else if (!keyword && !c->more_args && !c->more_kw && c->n_kw == 0) {
		node_add(p->vm, &c->args, parse_expression(p));
	} else {
		parse_fail(p, "invalid order of arguments in a call");
	}
}

static struct call *parse_call_args(struct parser *p)
{
	struct call *c = vm_zalloc(p->vm, 1, sizeof *c);
	expect_op(p, OP1('('));
	bool first = true;
	while (!at_op(p, OP1(')'))) {
		if (!first) {
			expect_op(p, OP1(','));
			if (at_op(p, OP1(')')))
				break;
		}
		parse_argument(p, c);
		first = false;
	}
	expect_op(p, OP1(')'));
	return c;
}

static struct node *parse_call(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_CALL, p->t->line);
	n->a = of;
	n->call = parse_call_args(p);
	return n;
}

static struct call *no_args(struct parser *p)
{
	return vm_zalloc(p->vm, 1, sizeof(struct call));
}

/* Filters and tests may have dots in their names. */
static const struct str *dotted_name(struct parser *p)
{
	const struct str *name = expect_name(p), *dot = str_lit(p->vm, ".").str;
	while (skip_op(p, OP1('.')))
		name = str_concat(p->vm, str_concat(p->vm, name, dot).str, expect_name(p)).str;
	return name;
}

struct node *parse_filters(struct parser *p, struct node *of, bool started)
{
	while (started || at_op(p, OP1('|'))) {
		if (!started)
			p->t++;
		struct node *n = node_new(p, N_FILTER, p->t->line);
		n->name = dotted_name(p);
		n->function = filter_find(n->name);
		n->a = of;
		n->call = at_op(p, OP1('(')) ? parse_call_args(p) : no_args(p);
		of = n;
		started = false;
	}
	return of;
}

/* ---- After a primary --------------------------------------------------------------------------------------------- */

static struct node *parse_slice_rest(struct parser *p, struct node *of, struct node *start)
{
	struct node *n = node_new(p, N_SLICE, p->t->line), *stop = NULL, *step = NULL;
	n->a = of;
	expect_op(p, OP1(':'));
	if (!at_op(p, OP1(':')) && !at_op(p, OP1(']')))
		stop = parse_expression(p);
	if (skip_op(p, OP1(':')) && !at_op(p, OP1(']')))
		step = parse_expression(p);
	node_add(p->vm, &n->list, start);
	node_add(p->vm, &n->list, stop);
	node_add(p->vm, &n->list, step);
	expect_op(p, OP1(']'));
	return n;
}

/* "[a]", "[a, b]" (a tuple), "[a:b:c]"; a slice among several subscripts is not for anything templates have. */
static struct node *parse_brackets(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_ITEM, p->t->line);
	struct node *all = node_new(p, N_TUPLE, p->t->line);
	n->a = of;
	p->t++;
	if (at_op(p, OP1(':')))
		return parse_slice_rest(p, of, NULL);
	while (!at_op(p, OP1(']'))) {
		if (all->list.n)
			expect_op(p, OP1(','));
		node_add(p->vm, &all->list, parse_expression(p));
		if (all->list.n == 1 && at_op(p, OP1(':')))
			return parse_slice_rest(p, of, all->list.v[0]);
	}
	expect_op(p, OP1(']'));
	n->b = all->list.n == 1 ? all->list.v[0] : all;
	return n;
}

static struct node *parse_dot(struct parser *p, struct node *of)
{
	uint32_t line = p->t++->line;
	struct node *n = node_new(p, p->t->type == T_NAME ? N_ATTR : N_ITEM, line);
	n->a = of;
	if (p->t->type == T_NAME) {
		n->attr = p->t->value.str;
	} else if (p->t->type == T_INTEGER) {
		n->b = node_new(p, N_CONST, line);
		n->b->value = p->t->value;
	} else {
		parse_fail(p, "expected a name or number behind '.', not %s", token_text(p->vm, p->t));
	}
	p->t++;
	return n;
}

/* Chains may be of any length, but each link is one level to evaluate. */
static struct node *parse_postfix(struct parser *p, struct node *n)
{
	for (;;) {
		if (at_op(p, OP1('.')))
			n = parse_dot(p, n);
		else if (at_op(p, OP1('[')))
			n = parse_brackets(p, n);
		else if (at_op(p, OP1('(')))
			n = parse_call(p, n);
		else
			return n;
	}
}

static bool test_argument_follows(const struct parser *p)
{
	switch (p->t->type) {
	case T_NAME: return !at_name(p, "else") && !at_name(p, "or") && !at_name(p, "and");
	case T_STRING:
	case T_INTEGER:
	case T_FLOAT: return true;
	default: return at_op(p, OP1('[')) || at_op(p, OP1('{'));
	}
}

static struct node *parse_test(struct parser *p, struct node *of)
{
	struct node *n = node_new(p, N_TEST, p->t->line);
	p->t++;
	bool negated = skip_name(p, "not");
	n->a = of;
	n->name = dotted_name(p);
	n->function = test_find(n->name);
	if (at_op(p, OP1('('))) {
		n->call = parse_call_args(p);
	} else {
		n->call = no_args(p);
		if (test_argument_follows(p)) {
			if (at_name(p, "is"))
				parse_fail(p, "you cannot chain multiple tests with is");
			node_add(p->vm, &n->call->args, parse_postfix(p, parse_primary(p, false)));
		}
	}
	if (!negated)
		return n;
	struct node *not = node_new(p, N_NOT, n->line);
	not ->a = n;
	return not ;
}

static struct node *parse_filter_expr(struct parser *p, struct node *n)
{
	for (;;) {
		if (at_op(p, OP1('|')))
			n = parse_filters(p, n, false);
		else if (at_name(p, "is"))
			n = parse_test(p, n);
		else if (at_op(p, OP1('(')))
			n = parse_call(p, n);
		else
			return n;
	}
}

/* ---- Primaries --------------------------------------------------------------------------------------------------- */

static struct node *parse_word(struct parser *p, bool with_namespace)
{
	uint32_t line = p->t->line;
	const struct str *name = expect_name(p);
	struct node *n = node_new(p, N_CONST, line);
	if (str_is(name, "true") || str_is(name, "True")) {
		n->value = value_bool(true);
	} else if (str_is(name, "false") || str_is(name, "False")) {
		n->value = value_bool(false);
	} else if (str_is(name, "none") || str_is(name, "None")) {
		n->value = value_none();
	} else {
		n->kind = N_NAME;
		n->name = name;
		if (with_namespace && skip_op(p, OP1('.'))) {
			n->kind = N_NSREF;
			n->attr = expect_name(p);
		}
	}
	return n;
}

/* Literals next to each other are one text. */
static struct node *parse_literal(struct parser *p)
{
	struct node *n = node_new(p, N_CONST, p->t->line);
	n->value = p->t++->value;
	while (n->value.type == V_STR && p->t->type == T_STRING)
		n->value = str_concat(p->vm, n->value.str, p->t++->value.str);
	return n;
}

static struct node *parse_list(struct parser *p)
{
	struct node *n = node_new(p, N_LIST, p->t->line);
	p->t++;
	while (!at_op(p, OP1(']'))) {
		if (n->list.n)
			expect_op(p, OP1(','));
		if (at_op(p, OP1(']')))
			break;
		node_add(p->vm, &n->list, parse_expression(p));
	}
	expect_op(p, OP1(']'));
	return n;
}

static struct node *parse_dict(struct parser *p)
{
	struct node *n = node_new(p, N_DICT, p->t->line);
	p->t++;
	while (!at_op(p, OP1('}'))) {
		if (n->list.n)
			expect_op(p, OP1(','));
		if (at_op(p, OP1('}')))
			break;
		node_add(p->vm, &n->list, parse_expression(p));
		expect_op(p, OP1(':'));
		node_add(p->vm, &n->list, parse_expression(p));
	}
	expect_op(p, OP1('}'));
	return n;
}

static struct node *tuple_of(struct parser *p, bool with_cond, const char *end_word, bool brackets);

static struct node *parse_primary(struct parser *p, bool with_namespace)
{
	switch (p->t->type) {
	case T_NAME: return parse_word(p, with_namespace);
	case T_STRING:
	case T_INTEGER:
	case T_FLOAT: return parse_literal(p);
	default: break;
	}
	if (at_op(p, OP1('['))) {
		return parse_list(p);
	} else if (at_op(p, OP1('{'))) {
		return parse_dict(p);
	} else if (skip_op(p, OP1('('))) {
		struct node *n = tuple_of(p, true, NULL, true);
		expect_op(p, OP1(')'));
		return n;
	}
	parse_fail(p, "unexpected %s", token_text(p->vm, p->t));
}

/* ---- Operators --------------------------------------------------------------------------------------------------- */

/* The node of an operator that is the current token. */
static struct node *prefix(struct parser *p, enum node_kind kind)
{
	struct node *n = node_new(p, kind, p->t->line);
	p->t++;
	return n;
}

static struct node *sign(struct parser *p, enum node_kind kind)
{
	struct node *n = prefix(p, kind);
	n->a = parse_unary(p, false);
	return n;
}

static struct node *parse_unary(struct parser *p, bool with_filter)
{
	struct node *n;
	vm_enter(p->vm);
	if (at_op(p, OP1('-')))
		n = sign(p, N_NEG);
	else if (at_op(p, OP1('+')))
		n = sign(p, N_POS);
	else
		n = parse_primary(p, false);
	n = parse_postfix(p, n);
	if (with_filter)
		n = parse_filter_expr(p, n);
	vm_leave(p->vm);
	return n;
}

static struct node *binary(struct parser *p, enum node_kind kind, uint16_t op, struct node *a, struct node *b)
{
	struct node *n = node_new(p, kind, a->line);
	n->op = op;
	n->a = a;
	n->b = b;
	return n;
}

static struct node *parse_pow(struct parser *p)
{
	struct node *left = parse_unary(p, true);
	while (skip_op(p, OP('*', '*')))
		left = binary(p, N_BINARY, OP('*', '*'), left, parse_unary(p, true));
	return left;
}

static struct node *parse_product(struct parser *p)
{
	struct node *left = parse_pow(p);
	while (at_op(p, OP1('*')) || at_op(p, OP1('/')) || at_op(p, OP('/', '/')) || at_op(p, OP1('%'))) {
		uint16_t op = p->t++->op;
		left = binary(p, N_BINARY, op, left, parse_pow(p));
	}
	return left;
}

static struct node *parse_concat(struct parser *p)
{
	struct node *first = parse_product(p);
	if (!at_op(p, OP1('~')))
		return first;
	struct node *n = node_new(p, N_CONCAT, first->line);
	node_add(p->vm, &n->list, first);
	while (skip_op(p, OP1('~')))
		node_add(p->vm, &n->list, parse_product(p));
	return n;
}

static struct node *parse_sum(struct parser *p)
{
	struct node *left = parse_concat(p);
	while (at_op(p, OP1('+')) || at_op(p, OP1('-'))) {
		uint16_t op = p->t++->op;
		left = binary(p, N_BINARY, op, left, parse_concat(p));
	}
	return left;
}

/* Skips a comparing operator; -1: there is none. */
static int compare_op(struct parser *p)
{
	static const uint16_t ops[] = {
		[CMP_EQ] = OP('=', '='), [CMP_NE] = OP('!', '='), [CMP_LT] = OP1('<'),
		[CMP_LE] = OP('<', '='), [CMP_GT] = OP1('>'),     [CMP_GE] = OP('>', '='),
	};
	for (int i = CMP_EQ; i <= CMP_GE; i++)
		if (skip_op(p, ops[i]))
			return i;
	if (skip_name(p, "in"))
		return CMP_IN;
	bool not_in = at_name(p, "not") && p->t[1].type == T_NAME && str_is(p->t[1].value.str, "in");
	if (!not_in)
		return -1;
	p->t += 2;
	return CMP_NOT_IN;
}

static struct node *parse_compare(struct parser *p)
{
	struct node *first = parse_sum(p), *n = NULL;
	int op;
	while ((op = compare_op(p)) >= 0) {
		if (!n) {
			n = node_new(p, N_COMPARE, first->line);
			n->a = first;
		}
		node_add(p->vm, &n->list, parse_sum(p));
		n->ops = vm_grow(p->vm, n->ops, n->list.n - 1, n->list.n, 1);
		n->ops[n->list.n - 1] = (uint8_t)op;
	}
	return n ? n : first;
}

static struct node *parse_not(struct parser *p)
{
	struct node *top = NULL, **at = &top;
	while (at_name(p, "not")) {
		*at = prefix(p, N_NOT);
		at = &(*at)->a;
	}
	*at = parse_compare(p);
	return top;
}

static struct node *parse_and(struct parser *p)
{
	struct node *left = parse_not(p);
	while (skip_name(p, "and"))
		left = binary(p, N_AND, 0, left, parse_not(p));
	return left;
}

static struct node *parse_or(struct parser *p)
{
	struct node *left = parse_and(p);
	while (skip_name(p, "or"))
		left = binary(p, N_OR, 0, left, parse_and(p));
	return left;
}

struct node *parse_expression(struct parser *p)
{
	vm_enter(p->vm);
	struct node *n = parse_or(p);
	while (skip_name(p, "if")) {
		struct node *cond = node_new(p, N_COND, n->line);
		cond->a = n;
		cond->b = parse_or(p);
		if (skip_name(p, "else"))
			cond->c = parse_expression(p);
		n = cond;
	}
	vm_leave(p->vm);
	return n;
}

/* ---- Tuples and targets ------------------------------------------------------------------------------------------ */

static bool tuple_ends(const struct parser *p, const char *end_word)
{
	return p->t->type == T_VARIABLE_END || p->t->type == T_BLOCK_END || at_op(p, OP1(')')) ||
	       (end_word && at_name(p, end_word));
}

/* An empty tuple needs its brackets. */
static struct node *tuple_of(struct parser *p, bool with_cond, const char *end_word, bool brackets)
{
	struct node *tuple = node_new(p, N_TUPLE, p->t->line);
	bool comma = false;
	while (!tuple_ends(p, end_word)) {
		node_add(p->vm, &tuple->list, with_cond ? parse_expression(p) : parse_or(p));
		if (!skip_op(p, OP1(',')))
			break;
		comma = true;
	}
	if (!comma && tuple->list.n == 1)
		return tuple->list.v[0];
	if (!comma && !brackets)
		parse_fail(p, "expected an expression, not %s", token_text(p->vm, p->t));
	return tuple;
}

struct node *parse_tuple(struct parser *p, bool with_cond, const char *end_word)
{
	return tuple_of(p, with_cond, end_word, false);
}

static void check_target(struct parser *p, const struct node *n)
{
	if (n->kind == N_TUPLE) {
		vm_enter(p->vm);
		for (size_t i = 0; i < n->list.n; i++)
			check_target(p, n->list.v[i]);
		vm_leave(p->vm);
	} else if (n->kind != N_NAME && n->kind != N_NSREF) {
		parse_fail(p, "cannot assign to this expression");
	}
}

struct node *parse_target(struct parser *p, bool with_namespace, const char *end_word)
{
	struct node *tuple = node_new(p, N_TUPLE, p->t->line), *n = tuple;
	bool comma = false;
	while (!tuple_ends(p, end_word)) {
		node_add(p->vm, &tuple->list, parse_primary(p, with_namespace));
		if (!skip_op(p, OP1(',')))
			break;
		comma = true;
	}
	if (!comma && tuple->list.n == 0)
		parse_fail(p, "expected a name to assign to, not %s", token_text(p->vm, p->t));
	if (!comma)
		n = tuple->list.v[0];
	check_target(p, n);
	return n;
}

struct node *parse_name_target(struct parser *p)
{
	struct node *n = node_new(p, N_NAME, p->t->line);
	n->name = expect_name(p);
	static const char *const constants[] = {"true", "false", "none", "True", "False", "None"};
	for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
		if (str_is(n->name, constants[i]))
			parse_fail(p, "cannot assign to '%s'", constants[i]);
	return n;
}
