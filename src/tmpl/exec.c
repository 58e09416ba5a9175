/* exec.c: statements, macros and loops. Text goes to vm->out, which captures (macros, set and filter blocks, recursive
 * loops) put aside and back. */
#include <string.h>

#include "tmpl/eval.h"
#include "tmpl/loop.h"

static enum flow exec(struct vm *vm, struct frame *f, const struct node *n);

enum flow exec_body(struct vm *vm, struct frame *f, struct node_list body)
{
	for (size_t i = 0; i < body.n; i++) {
		enum flow flow = exec(vm, f, body.v[i]);
		if (flow != FLOW_ON)
			return flow;
	}
	return FLOW_ON;
}

static struct out *capture(struct vm *vm, struct out *into)
{
	struct out *before = vm->out;
	*into = (struct out){0};
	vm->out = into;
	return before;
}

static void exec_output(struct vm *vm, struct frame *f, const struct node *n)
{
	for (size_t i = 0; i < n->list.n; i++)
		out_str(vm, vm->out, value_text(vm, eval(vm, f, n->list.v[i])));
}

static enum flow exec_if(struct vm *vm, struct frame *f, const struct node *n)
{
	size_t i = 0;
	while (i < n->list.n && !value_truth(vm, eval(vm, f, n->list.v[i])))
		i++;
	return exec_body(vm, f, n->branches[i]);
}

/* ---- Loops ------------------------------------------------------------------------------------------------------- */

/* "for x in xs if condition": the items that pass, found as they are asked for. */
struct condition {
	const struct node *node;
	struct frame *frame;
};

static bool next_passing(struct vm *vm, struct iter *it, struct value *out)
{
	const struct condition *c = it->state;
	while (iter_next(vm, it->source, out)) {
		assign(vm, c->frame, c->node->a, *out);
		if (value_truth(vm, eval(vm, c->frame, c->node->c)))
			return true;
	}
	return false;
}

static struct value filtered(struct vm *vm, const struct node *n, struct frame *outer, struct value over)
{
	struct condition *c = vm_alloc(vm, sizeof *c);
	*c = (struct condition){n, frame_new(vm, n->test_scope, outer)};
	frame_load(vm, c->frame);
	struct iter *it = iter_new(vm, next_passing, over);
	it->source = iter_of(vm, over);
	it->state = c;
	return value_iter(it);
}

/* The outermost loop is at the begin of a round, or at its end; what captures put aside has no place yet. */
static void note_border(struct vm *vm)
{
	size_t at = vm->main->n;
	if (vm->loops > 0 || vm->out != vm->main || at == 0 ||
	    (vm->n_borders > 0 && vm->borders[vm->n_borders - 1] == at))
		return;
	if (vm->n_borders == TMPL_BORDERS)
		memmove(vm->borders, vm->borders + 1, --vm->n_borders * sizeof *vm->borders);
	vm->borders[vm->n_borders++] = at;
}

static enum flow exec_loop(struct vm *vm, struct frame *outer, const struct node *n, struct value over, int64_t depth)
{
	struct frame *f = frame_new(vm, n->scope, outer);
	struct loop *l = vm_zalloc(vm, 1, sizeof *l);
	struct value item;
	bool ran = false; /* to the end of the body, once at least: else has its turn otherwise */
	if (n->c)
		over = filtered(vm, n, outer, over);
	*l = (struct loop){.it = iter_of(vm, over), .over = over, .index0 = -1, .length = -1, .depth0 = depth};
	l->node = n->recursive ? n : NULL;
	l->outer = outer;
	while (loop_next(vm, l, &item)) {
		vm_work(vm, STEP_BYTES);
		assign(vm, f, n->a, item);
		f->v[n->loop.slot] = (struct value){.type = V_LOOP, .loop = l};
		frame_load(vm, f);
		note_border(vm);
		vm->loops++;
		enum flow flow = exec_body(vm, f, n->body);
		vm->loops--;
		if (flow == FLOW_BREAK)
			break;
		ran = ran || flow == FLOW_ON;
	}
	note_border(vm);
	if (ran || n->branches[0].n == 0)
		return FLOW_ON;
	f = frame_new(vm, n->else_scope, outer);
	frame_load(vm, f);
	return exec_body(vm, f, n->branches[0]);
}

struct value exec_loop_again(struct vm *vm, const struct loop *l, struct value over)
{
	struct out text, *before = capture(vm, &text);
	vm_enter(vm);
	exec_loop(vm, l->outer, l->node, over, l->depth0 + 1);
	vm_leave(vm);
	vm->out = before;
	return out_value(vm, &text);
}

/* ---- Bodies with a scope of their own ---------------------------------------------------------------------------- */

static struct frame *enter(struct vm *vm, struct frame *f, const struct node *n)
{
	struct frame *inner = frame_new(vm, n->scope, f);
	frame_load(vm, inner);
	return inner;
}

/* Runs the body into a text; what the filter (may be NULL) makes of it comes out. */
static enum flow exec_captured(struct vm *vm, struct frame *f, const struct node *n, const struct node *filter,
			       struct value *result)
{
	struct frame *inner = enter(vm, f, n);
	struct out text, *before = capture(vm, &text);
	enum flow flow = exec_body(vm, inner, n->body);
	vm->out = before;
	if (flow != FLOW_ON)
		return flow;
	*result = out_value(vm, &text);
	if (filter)
		*result = eval_filter(vm, inner, filter, *result);
	return FLOW_ON;
}

static enum flow exec_set_block(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value v;
	enum flow flow = exec_captured(vm, f, n, n->b, &v);
	if (flow == FLOW_ON)
		assign(vm, f, n->a, v);
	return flow;
}

static enum flow exec_filter_block(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value v;
	enum flow flow = exec_captured(vm, f, n, n->b, &v);
	if (flow == FLOW_ON)
		out_str(vm, vm->out, value_text(vm, v));
	return flow;
}

static enum flow exec_with(struct vm *vm, struct frame *f, const struct node *n)
{
	struct frame *inner = enter(vm, f, n);
	for (size_t i = 0; i < n->list.n; i += 2)
		assign(vm, inner, n->list.v[i], eval(vm, f, n->list.v[i + 1]));
	return exec_body(vm, inner, n->body);
}

static struct value macro_new(struct vm *vm, struct frame *f, const struct node *n)
{
	struct macro *m = vm_alloc(vm, sizeof *m);
	*m = (struct macro){n, f};
	return (struct value){.type = V_MACRO, .macro = m};
}

static void exec_call_block(struct vm *vm, struct frame *f, const struct node *n)
{
	struct args args;
	struct value caller = macro_new(vm, f, n), callee = eval(vm, f, n->a->a);
	eval_args(vm, f, n->a->call, &args);
	args.kw = vm_grow(vm, args.kw, args.n_kw, args.n_kw + 1, sizeof *args.kw);
	args.kw[args.n_kw++] = (struct kwarg){str_lit(vm, "caller"), caller};
	vm->line = n->line;
	out_str(vm, vm->out, value_text(vm, call_value(vm, callee, &args)));
}

/* {% generation %} marks what the assistant wrote; the text is the same without. */
static void exec_generation(struct vm *vm, struct frame *f, const struct node *n)
{
	struct value text = macro_call(vm, macro_new(vm, f, n).macro, &(struct args){0});
	out_str(vm, vm->out, text.str);
}

static enum flow exec_kind(struct vm *vm, struct frame *f, const struct node *n)
{
	switch (n->kind) {
	case N_OUTPUT: exec_output(vm, f, n); break;
	case N_IF: return exec_if(vm, f, n);
	case N_FOR: return exec_loop(vm, f, n, eval(vm, f, n->b), 0);
	case N_SET: assign(vm, f, n->a, eval(vm, f, n->b)); break;
	case N_SET_BLOCK: return exec_set_block(vm, f, n);
	case N_WITH: return exec_with(vm, f, n);
	case N_MACRO: f->v[n->ref.slot] = macro_new(vm, f, n); break;
	case N_CALL_BLOCK: exec_call_block(vm, f, n); break;
	case N_FILTER_BLOCK: return exec_filter_block(vm, f, n);
	case N_GENERATION: exec_generation(vm, f, n); break;
	case N_BLOCK: exec_body(vm, enter(vm, NULL, n), n->body); break;
	case N_SCOPE: return exec_body(vm, enter(vm, f, n), n->body);
	case N_BREAK: return FLOW_BREAK;
	case N_CONTINUE: return FLOW_CONTINUE;
	default:
		vm_fail(vm, KVIK_ERR_UNSUPPORTED, "'%.*s' needs other files, and a chat template is one text",
			STR_ARGS(n->name));
	}
	return FLOW_ON;
}

static enum flow exec(struct vm *vm, struct frame *f, const struct node *n)
{
	vm_enter(vm);
	vm->line = n->line;
	enum flow flow = exec_kind(vm, f, n);
	vm_leave(vm);
	return flow;
}

/* ---- Macros ------------------------------------------------------------------------------------------------------ */

struct value macro_name(const struct macro *m)
{
	return m->node->kind == N_MACRO ? value_str(m->node->name) : value_none();
}

/* Takes the keyword argument out of args; V_MISSING = not there. */
static struct value take_kwarg(struct args *args, const struct str *name)
{
	for (size_t i = 0; i < args->n_kw; i++) {
		if (!str_equal(args->kw[i].name.str, name))
			continue;
		struct value v = args->kw[i].value;
		for (args->n_kw--; i < args->n_kw; i++)
			args->kw[i] = args->kw[i + 1];
		return v;
	}
	return (struct value){0};
}

static void bind_special(struct vm *vm, struct frame *f, const struct macro *m, struct args *rest)
{
	const struct params *p = m->node->params;
	struct value name = macro_name(m), caller_name = str_lit(vm, "caller");
	if (p->takes_caller) {
		struct value caller = take_kwarg(rest, caller_name.str);
		if (!value_given(caller) || caller.type == V_NONE)
			caller = value_undefined(vm, "no caller defined", NULL, caller_name);
		f->v[p->caller.slot] = caller;
	}
	if (p->takes_kwargs) {
		struct value kwargs = dict_new(vm);
		for (size_t i = 0; i < rest->n_kw; i++)
			dict_set(vm, kwargs.dict, rest->kw[i].name, rest->kw[i].value);
		f->v[p->kwargs.slot] = kwargs;
	} else if (rest->n_kw) {
		const struct str *text = value_text(vm, name);
		vm_error(vm, "macro '%.*s' takes no keyword argument '%.*s'", STR_ARGS(text),
			 STR_ARGS(rest->kw[0].name.str));
	}
	if (p->takes_varargs) {
		struct value varargs = seq_new(vm, V_TUPLE, rest->n);
		for (size_t i = 0; i < rest->n; i++)
			seq_add(vm, varargs.seq, rest->v[i]);
		f->v[p->varargs.slot] = varargs;
	} else if (rest->n) {
		const struct str *text = value_text(vm, name);
		vm_error(vm, "macro '%.*s' takes not more than %zu argument(s)", STR_ARGS(text), p->names.n);
	}
}

static void bind_params(struct vm *vm, struct frame *f, const struct macro *m, const struct args *args)
{
	const struct params *p = m->node->params;
	size_t n = args->n < p->names.n ? args->n : p->names.n;
	struct args rest = *args;
	rest.kw = vm_zalloc(vm, args->n_kw, sizeof *rest.kw);
	for (size_t i = 0; i < args->n_kw; i++)
		rest.kw[i] = args->kw[i];
	for (size_t i = 0; i < p->names.n; i++)
		f->v[p->names.v[i]->ref.slot] = i < n ? args->v[i] : take_kwarg(&rest, p->names.v[i]->name);
	if (n > 0) {
		rest.v += n;
		rest.n -= n;
	}
	bind_special(vm, f, m, &rest);
	frame_load(vm, f);
	for (size_t i = 0, first = p->names.n - p->defaults.n; i < p->names.n; i++) {
		struct value *v = &f->v[p->names.v[i]->ref.slot];
		if (value_given(*v))
			continue;
		*v = i >= first ? eval(vm, f, p->defaults.v[i - first])
				: value_undefined(vm, NULL, NULL, value_str(p->names.v[i]->name));
	}
}

struct value macro_call(struct vm *vm, const struct macro *m, const struct args *args)
{
	struct frame *f = frame_new(vm, m->node->scope, m->frame);
	struct out text, *before;
	vm_enter(vm);
	bind_params(vm, f, m, args);
	before = capture(vm, &text);
	exec_body(vm, f, m->node->body);
	vm->out = before;
	vm_leave(vm);
	return out_value(vm, &text);
}
