/* eval.c: expressions, frames and assignment. Each eval is a level and a step of vm's limits. */
#include "tmpl/eval.h"

#include "tmpl/builtin.h"
#include "tmpl/lexer.h"

/* ---- Frames ------------------------------------------------------------------------------------------------------ */

struct frame *frame_new(struct vm *vm, const struct scope *s, struct frame *parent)
{
	struct frame *f = vm_zalloc(vm, 1, sizeof *f + s->n * sizeof f->v[0]);
	f->parent = parent;
	f->scope = s;
	return f;
}

static struct value *slot(struct frame *f, struct var_ref ref)
{
	for (unsigned up = ref.up; up > 0; up--)
		f = f->parent;
	return &f->v[ref.slot];
}

static struct value given(struct vm *vm, const struct str *name)
{
	const struct entry *e = dict_find_text(vm, vm->variables, name);
	const struct function *global = e ? NULL : global_find(name);
	return e ? e->value : global ? value_function(global) : (struct value){0};
}

void frame_load(struct vm *vm, struct frame *f)
{
	for (size_t i = 0; i < f->scope->n; i++) {
		const struct variable *v = &f->scope->vars[i];
		struct value first = {0};
		if (v->load == LOAD_PARAM)
			continue;
		if (v->load == LOAD_OUTER)
			first = *slot(f->parent, v->outer);
		else if (v->load == LOAD_ROOT)
			first = vm->root->v[v->outer.slot];
		if (v->load == LOAD_CONTEXT || (v->load == LOAD_ROOT && !value_given(first)))
			first = given(vm, v->name);
		f->v[i] = first;
	}
}

static void assign_tuple(struct vm *vm, struct frame *f, const struct node *target, struct value v)
{
	size_t n = target->list.n, i = 0;
	if (v.type == V_UNDEFINED && n > 0)
		vm_error(vm, "not enough values to unpack (expected %zu, got 0)", n);
	if (!iter_possible(v))
		vm_error(vm, "cannot unpack non-iterable %s object", value_type_name(v));
	struct value items = seq_new(vm, V_LIST, n), item;
	struct iter *it = iter_of(vm, v);
	for (; i < n && iter_next(vm, it, &item); i++)
		seq_add(vm, items.seq, item);
	if (i < n)
		vm_error(vm, "not enough values to unpack (expected %zu, got %zu)", n, i);
	if (iter_next(vm, it, &item))
		vm_error(vm, "too many values to unpack (expected %zu)", n);
	vm_enter(vm);
	for (i = 0; i < n; i++)
		assign(vm, f, target->list.v[i], items.seq->v[i]);
	vm_leave(vm);
}

static void assign_attr(struct vm *vm, struct frame *f, const struct node *target, struct value v)
{
	struct value *ns = slot(f, target->ref);
	if (ns->type != V_NAMESPACE)
		vm_error(vm, "cannot assign attribute on non-namespace object");
	if (target->attr->n > 0 && target->attr->s[0] == '_')
		vm_error(vm, "a namespace cannot hold '%.*s': names that begin with '_' are private",
			 STR_ARGS(target->attr));
	dict_set(vm, ns->dict, value_str(target->attr), v);
}

void assign(struct vm *vm, struct frame *f, const struct node *target, struct value v)
{
	if (target->kind == N_NAME)
		*slot(f, target->ref) = v;
	else if (target->kind == N_NSREF)
		assign_attr(vm, f, target, v);
	else
		assign_tuple(vm, f, target, v);
}

/* ---- Arguments --------------------------------------------------------------------------------------------------- */

static void add_kwarg(struct vm *vm, struct args *args, size_t *cap, struct value name, struct value v)
{
	if (name.type != V_STR)
		vm_error(vm, "keywords must be strings");
	for (size_t i = 0; i < args->n_kw; i++)
		if (str_equal(args->kw[i].name.str, name.str))
			vm_error(vm, "got multiple values for keyword argument '%.*s'", STR_ARGS(name.str));
	if (args->n_kw == *cap) {
		*cap = *cap ? 2 * *cap : 4;
		args->kw = vm_grow(vm, args->kw, args->n_kw, *cap, sizeof *args->kw);
	}
	args->kw[args->n_kw++] = (struct kwarg){name, v};
}

void eval_args(struct vm *vm, struct frame *f, const struct call *c, struct args *out)
{
	size_t cap = c->n_kw;
	*out = (struct args){0};
	if (c->args.n || c->more_args) {
		struct value list = seq_new(vm, V_LIST, c->args.n), item;
		for (size_t i = 0; i < c->args.n; i++)
			seq_add(vm, list.seq, eval(vm, f, c->args.v[i]));
		struct iter *more = c->more_args ? iter_of(vm, eval(vm, f, c->more_args)) : NULL;
		while (more && iter_next(vm, more, &item))
			seq_add(vm, list.seq, item);
		out->v = list.seq->v;
		out->n = list.seq->n;
	}
	if (cap)
		out->kw = vm_alloc(vm, cap * sizeof *out->kw);
	for (size_t i = 0; i < c->n_kw; i++)
		add_kwarg(vm, out, &cap, value_str(c->kw[i].name), eval(vm, f, c->kw[i].value));
	if (!c->more_kw)
		return;
	struct value more = eval(vm, f, c->more_kw);
	if (more.type != V_DICT)
		vm_error(vm, "argument after ** must be a mapping, not %s", value_type_name(more));
	for (size_t i = 0; i < more.dict->n; i++)
		add_kwarg(vm, out, &cap, more.dict->e[i].key, more.dict->e[i].value);
}

/* ---- Expressions ------------------------------------------------------------------------------------------------- */

static struct value eval_name(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value v = *slot(f, n->ref);
	return value_given(v) ? v : value_undefined(vm, NULL, NULL, value_str(n->name));
}

static struct value eval_list(struct vm *vm, struct frame *f, const struct node *n, enum value_type type)
{
	struct value list = seq_new(vm, type, n->list.n);
	for (size_t i = 0; i < n->list.n; i++)
		seq_add(vm, list.seq, eval(vm, f, n->list.v[i]));
	return list;
}

static struct value eval_dict(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value v = dict_new(vm);
	for (size_t i = 0; i + 1 < n->list.n; i += 2) {
		struct value key = eval(vm, f, n->list.v[i]);
		dict_set(vm, v.dict, key, eval(vm, f, n->list.v[i + 1]));
	}
	return v;
}

static struct value eval_concat(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value first = eval(vm, f, n->list.v[0]);
	const struct str *text = value_text(vm, first);
	for (size_t i = 1; i < n->list.n; i++)
		text = str_concat(vm, text, value_text(vm, eval(vm, f, n->list.v[i]))).str;
	return value_str(text);
}

static struct value eval_compare(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value left = eval(vm, f, n->a);
	for (size_t i = 0; i < n->list.n; i++) {
		struct value right = eval(vm, f, n->list.v[i]);
		vm->line = n->line;
		if (!op_compare(vm, n->ops[i], left, right))
			return value_bool(false);
		left = right;
	}
	return value_bool(true);
}

static struct value eval_cond(struct vm *vm, struct frame *f, const struct node *n)
{
	if (value_truth(vm, eval(vm, f, n->b)))
		return eval(vm, f, n->a);
	if (n->c)
		return eval(vm, f, n->c);
	return value_undefined(vm, "the inline if-expression evaluated to false and no else section was defined", NULL,
			       value_none());
}

static struct value eval_slice(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value of = eval(vm, f, n->a), part[3];
	for (int i = 0; i < 3; i++)
		part[i] = n->list.v[i] ? eval(vm, f, n->list.v[i]) : value_none();
	vm->line = n->line;
	return slice_get(vm, of, part);
}

static struct value eval_call(struct vm *vm, struct frame *f, const struct node *n)
{
	struct args args;
	struct value callee = eval(vm, f, n->a);
	eval_args(vm, f, n->call, &args);
	vm->line = n->line;
	return call_value(vm, callee, &args);
}

/* In filter and set blocks the innermost filter has no expression: its value is the captured text. */
struct value eval_filter(struct vm *vm, struct frame *f, const struct node *n, struct value captured)
{
	struct args args;
	vm_enter(vm);
	struct value v = !n->a                    ? captured
			 : n->a->kind == N_FILTER ? eval_filter(vm, f, n->a, captured)
						  : eval(vm, f, n->a);
	eval_args(vm, f, n->call, &args);
	vm->line = n->line;
	if (!n->function)
		vm_error(vm, "no filter named '%.*s' found", STR_ARGS(n->name));
	v = call_function(vm, n->function, v, &args);
	vm_leave(vm);
	return v;
}

static struct value eval_test(struct vm *vm, struct frame *f, const struct node *n)
{
	struct args args;
	struct value v = eval(vm, f, n->a);
	eval_args(vm, f, n->call, &args);
	vm->line = n->line;
	if (!n->function)
		vm_error(vm, "no test named '%.*s' found", STR_ARGS(n->name));
	return call_function(vm, n->function, v, &args);
}

static struct value eval_binary(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value a = eval(vm, f, n->a), b = eval(vm, f, n->b);
	vm->line = n->line;
	return op_binary(vm, n->op, a, b);
}

static struct value eval_logic(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value a = eval(vm, f, n->a);
	bool truth = value_truth(vm, a);
	return truth == (n->kind == N_AND) ? eval(vm, f, n->b) : a;
}

static struct value eval_sign(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value a = eval(vm, f, n->a);
	vm->line = n->line;
	return op_sign(vm, n->kind == N_NEG, a);
}

static struct value eval_attr(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value a = eval(vm, f, n->a);
	vm->line = n->line;
	return attr_get(vm, a, n->attr);
}

static struct value eval_item(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value a = eval(vm, f, n->a), b = eval(vm, f, n->b);
	vm->line = n->line;
	return item_get(vm, a, b);
}

static struct value eval_kind(struct vm *vm, struct frame *f, const struct node *n)
{
	switch (n->kind) {
	case N_CONST: return n->value;
	case N_NAME: return eval_name(vm, f, n);
	case N_TUPLE: return eval_list(vm, f, n, V_TUPLE);
	case N_LIST: return eval_list(vm, f, n, V_LIST);
	case N_DICT: return eval_dict(vm, f, n);
	case N_NEG:
	case N_POS: return eval_sign(vm, f, n);
	case N_NOT: return value_bool(!value_truth(vm, eval(vm, f, n->a)));
	case N_BINARY: return eval_binary(vm, f, n);
	case N_AND:
	case N_OR: return eval_logic(vm, f, n);
	case N_CONCAT: return eval_concat(vm, f, n);
	case N_COMPARE: return eval_compare(vm, f, n);
	case N_COND: return eval_cond(vm, f, n);
	case N_ATTR: return eval_attr(vm, f, n);
	case N_ITEM: return eval_item(vm, f, n);
	case N_SLICE: return eval_slice(vm, f, n);
	case N_CALL: return eval_call(vm, f, n);
	case N_FILTER: return eval_filter(vm, f, n, value_none());
	case N_TEST: return eval_test(vm, f, n);
	default: vm_error(vm, "this cannot stand in an expression");
	}
}

struct value eval(struct vm *vm, struct frame *f, const struct node *n)
{
	vm_enter(vm);
	vm->line = n->line;
	struct value v = eval_kind(vm, f, n);
	vm_leave(vm);
	return v;
}
