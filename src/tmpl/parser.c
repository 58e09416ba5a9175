/* parser.c: statements. Each parse_ function of a tag begins behind the tag's name and ends before "%}". */
#include "tmpl/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/unicode.h"

struct node *node_new(struct parser *p, enum node_kind kind, uint32_t line)
{
	struct node *n = vm_zalloc(p->vm, 1, sizeof *n);
	n->kind = (uint8_t)kind;
	n->line = line;
	return n;
}

void node_add(struct vm *vm, struct node_list *l, struct node *n)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 4;
		l->v = vm_grow(vm, l->v, l->n, cap, sizeof *l->v);
		l->cap = cap;
	}
	l->v[l->n++] = n;
}

void parse_fail(struct parser *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	p->vm->line = p->t->line;
	vm_error(p->vm, "%s", text);
}

bool at_name(const struct parser *p, const char *name)
{
	return p->t->type == T_NAME && str_is(p->t->value.str, name);
}

bool at_op(const struct parser *p, uint16_t op)
{
	return p->t->type == T_OPERATOR && p->t->op == op;
}

bool skip_name(struct parser *p, const char *name)
{
	bool here = at_name(p, name);
	p->t += here;
	return here;
}

bool skip_op(struct parser *p, uint16_t op)
{
	bool here = at_op(p, op);
	p->t += here;
	return here;
}

void expect_op(struct parser *p, uint16_t op)
{
	const struct token wanted = {.type = T_OPERATOR, .op = op};
	if (!skip_op(p, op))
		parse_fail(p, "expected %s, not %s", token_text(p->vm, &wanted), token_text(p->vm, p->t));
}

static void expect(struct parser *p, enum token_type type)
{
	const struct token wanted = {.type = (uint8_t)type};
	if (p->t->type != type)
		parse_fail(p, "expected %s, not %s", token_text(p->vm, &wanted), token_text(p->vm, p->t));
	p->t++;
}

const struct str *expect_name(struct parser *p)
{
	if (p->t->type != T_NAME)
		parse_fail(p, "expected a name, not %s", token_text(p->vm, p->t));
	return p->t++->value.str;
}

/* ---- Bodies ------------------------------------------------------------------------------------------------------ */

static struct node *parse_statement(struct parser *p);

/* Statements up to a tag whose name is in ends (blank-separated, NULL: up to the end of the template); the current
 * token is that name then. */
static struct node_list parse_body(struct parser *p, const char *ends)
{
	struct node_list body = {0};
	vm_enter(p->vm);
	for (;;) {
		if (p->t->type == T_EOF) {
			if (ends)
				parse_fail(p, "unexpected end of template; expected one of: %s", ends);
			break;
		}
		struct node *out = NULL;
		if (p->t->type == T_DATA) {
			out = node_new(p, N_CONST, p->t->line);
			out->value = p->t++->value;
		} else if (p->t->type == T_VARIABLE_BEGIN) {
			p->t++;
			out = parse_tuple(p, true, NULL);
			expect(p, T_VARIABLE_END);
		}
		if (out) {
			struct node *last = body.n ? body.v[body.n - 1] : NULL;
			if (!last || last->kind != N_OUTPUT)
				node_add(p->vm, &body, last = node_new(p, N_OUTPUT, out->line));
			node_add(p->vm, &last->list, out);
			continue;
		}
		expect(p, T_BLOCK_BEGIN);
		if (p->t->type != T_NAME)
			parse_fail(p, "expected the name of a tag, not %s", token_text(p->vm, p->t));
		char word[32];
		snprintf(word, sizeof word, " %.*s ", (int)(p->t->value.str->n < 29 ? p->t->value.str->n : 29),
			 p->t->value.str->s);
		if (ends && strstr(ends, word))
			break;
		struct node *statement = parse_statement(p);
		if (statement)
			node_add(p->vm, &body, statement);
		expect(p, T_BLOCK_END);
	}
	vm_leave(p->vm);
	return body;
}

/* "%}" (a ":" before it is fine), then the body, then the name that ended it, which is skipped. */
static struct node_list parse_block_body(struct parser *p, const char *ends)
{
	skip_op(p, OP1(':'));
	expect(p, T_BLOCK_END);
	return parse_body(p, ends);
}

static struct node_list parse_whole_body(struct parser *p, const char *end)
{
	struct node_list body = parse_block_body(p, end);
	p->t++;
	return body;
}

/* A body that is a function of its own: break and continue do not reach out of it. */
static struct node_list parse_function_body(struct parser *p, const char *end)
{
	size_t loops = p->loops;
	p->loops = 0;
	struct node_list body = parse_whole_body(p, end);
	p->loops = loops;
	return body;
}

/* ---- Tags -------------------------------------------------------------------------------------------------------- */

static struct node *parse_if(struct parser *p, struct node *n)
{
	struct node_list bodies[2] = {{0}};
	size_t cap = 0, count = 0;
	for (;;) {
		node_add(p->vm, &n->list, parse_tuple(p, false, NULL));
		bodies[0] = parse_block_body(p, " elif else endif ");
		bool more = at_name(p, "elif"), otherwise = at_name(p, "else");
		p->t++;
		bodies[1] = otherwise ? parse_whole_body(p, " endif ") : (struct node_list){0};
		if (count + 2 > cap) {
			n->branches = vm_grow(p->vm, n->branches, count, 2 * count + 2, sizeof *n->branches);
			cap = 2 * count + 2;
		}
		n->branches[count++] = bodies[0];
		n->branches[count] = bodies[1];
		if (!more)
			return n;
	}
}

static struct node *parse_for(struct parser *p, struct node *n)
{
	n->a = parse_target(p, false, "in");
	if (!skip_name(p, "in"))
		parse_fail(p, "expected 'in', not %s", token_text(p->vm, p->t));
	n->b = parse_tuple(p, false, "recursive");
	if (skip_name(p, "if"))
		n->c = parse_expression(p);
	n->recursive = skip_name(p, "recursive");
	size_t loops = p->loops;
	p->loops = 1;
	n->body = parse_block_body(p, " endfor else ");
	p->loops = n->recursive ? 0 : loops;
	n->branches = vm_zalloc(p->vm, 1, sizeof *n->branches);
	bool otherwise = at_name(p, "else");
	p->t++;
	if (otherwise)
		n->branches[0] = parse_whole_body(p, " endfor ");
	p->loops = loops;
	return n;
}

static struct node *parse_set(struct parser *p, struct node *n)
{
	n->a = parse_target(p, true, NULL);
	if (skip_op(p, OP1('='))) {
		n->b = parse_tuple(p, true, NULL);
		return n;
	}
	n->kind = N_SET_BLOCK;
	n->b = parse_filters(p, NULL, false);
	n->body = parse_whole_body(p, " endset ");
	return n;
}

static struct node *parse_with(struct parser *p, struct node *n)
{
	while (p->t->type != T_BLOCK_END) {
		if (n->list.n)
			expect_op(p, OP1(','));
		node_add(p->vm, &n->list, parse_target(p, false, NULL));
		expect_op(p, OP1('='));
		node_add(p->vm, &n->list, parse_expression(p));
	}
	n->body = parse_whole_body(p, " endwith ");
	return n;
}

static struct params *parse_signature(struct parser *p)
{
	struct params *s = vm_zalloc(p->vm, 1, sizeof *s);
	expect_op(p, OP1('('));
	while (!at_op(p, OP1(')'))) {
		if (s->names.n)
			expect_op(p, OP1(','));
		struct node *name = parse_name_target(p);
		for (size_t i = 0; i < s->names.n; i++)
			if (str_equal(s->names.v[i]->name, name->name))
				parse_fail(p, "two parameters named '%.*s'", STR_ARGS(name->name));
		node_add(p->vm, &s->names, name);
		if (skip_op(p, OP1('=')))
			node_add(p->vm, &s->defaults, parse_expression(p));
		else if (s->defaults.n)
			parse_fail(p, "a parameter without default behind one with a default");
	}
	expect_op(p, OP1(')'));
	return s;
}

static struct node *parse_macro(struct parser *p, struct node *n)
{
	n->name = parse_name_target(p)->name;
	n->params = parse_signature(p);
	n->body = parse_function_body(p, " endmacro ");
	return n;
}

static struct node *parse_call_block(struct parser *p, struct node *n)
{
	n->params = at_op(p, OP1('(')) ? parse_signature(p) : vm_zalloc(p->vm, 1, sizeof *n->params);
	n->a = parse_expression(p);
	if (n->a->kind != N_CALL)
		parse_fail(p, "expected a call in the call tag");
	n->body = parse_function_body(p, " endcall ");
	return n;
}

static struct node *parse_filter_block(struct parser *p, struct node *n)
{
	n->b = parse_filters(p, NULL, true);
	n->body = parse_whole_body(p, " endfilter ");
	return n;
}

static struct node *parse_generation(struct parser *p, struct node *n)
{
	n->params = vm_zalloc(p->vm, 1, sizeof *n->params);
	n->body = parse_function_body(p, " endgeneration ");
	return n;
}

static struct node *parse_block(struct parser *p, struct node *n)
{
	n->name = expect_name(p);
	for (size_t i = 0; i < p->blocks.n; i++)
		if (str_equal(p->blocks.v[i]->name, n->name))
			parse_fail(p, "block '%.*s' defined twice", STR_ARGS(n->name));
	node_add(p->vm, &p->blocks, n);
	if (skip_name(p, "scoped") || skip_name(p, "required"))
		parse_fail(p, "scoped and required blocks are not supported");
	n->body = parse_function_body(p, " endblock ");
	if (p->t->type == T_NAME && str_equal(p->t->value.str, n->name))
		p->t++;
	return n;
}

/* Only "off" makes sense in a text that is no HTML. */
static struct node *parse_autoescape(struct parser *p, struct node *n)
{
	struct node *how = parse_expression(p);
	if (how->kind != N_CONST || value_truth(p->vm, how->value))
		parse_fail(p, "autoescape can only be switched off");
	n->body = parse_whole_body(p, " endautoescape ");
	return n;
}

static struct node *parse_print(struct parser *p, struct node *n)
{
	while (p->t->type != T_BLOCK_END) {
		if (n->list.n)
			expect_op(p, OP1(','));
		node_add(p->vm, &n->list, parse_expression(p));
	}
	return n;
}

static struct node *parse_jump(struct parser *p, struct node *n)
{
	if (p->loops == 0)
		parse_fail(p, "'%s' outside of a loop", n->kind == N_BREAK ? "break" : "continue");
	return n;
}

/* Read past, since it may never be reached; an error when it is. */
static struct node *parse_unsupported(struct parser *p, struct node *n)
{
	while (p->t->type != T_BLOCK_END && p->t->type != T_EOF)
		p->t++;
	return n;
}

static struct node *parse_statement(struct parser *p)
{
	static const struct {
		const char *name;
		enum node_kind kind;
		struct node *(*parse)(struct parser *, struct node *);
	} tags[] = {
		{"if", N_IF, parse_if},
		{"for", N_FOR, parse_for},
		{"set", N_SET, parse_set},
		{"macro", N_MACRO, parse_macro},
		{"break", N_BREAK, parse_jump},
		{"continue", N_CONTINUE, parse_jump},
		{"generation", N_GENERATION, parse_generation},
		{"call", N_CALL_BLOCK, parse_call_block},
		{"filter", N_FILTER_BLOCK, parse_filter_block},
		{"with", N_WITH, parse_with},
		{"block", N_BLOCK, parse_block},
		{"print", N_OUTPUT, parse_print},
		{"autoescape", N_SCOPE, parse_autoescape},
		{"include", N_UNSUPPORTED, parse_unsupported},
		{"import", N_UNSUPPORTED, parse_unsupported},
		{"from", N_UNSUPPORTED, parse_unsupported},
		{"extends", N_UNSUPPORTED, parse_unsupported},
	};
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		if (at_name(p, tags[i].name)) {
			struct node *n = node_new(p, tags[i].kind, p->t->line);
			n->name = p->t++->value.str;
			return tags[i].parse(p, n);
		}
	parse_fail(p, "unknown tag %s", token_text(p->vm, p->t));
}

struct node_list parse_template(struct parser *p)
{
	return parse_body(p, NULL);
}
