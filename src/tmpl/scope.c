/* scope.c: which variable a name means, decided once, by jinja2's rules.
 *
 * The template, every macro, call block, for body, for condition, for else, with, set block and filter block is a
 * scope. Within a scope, statements are looked at in order (scopes inside it are not, but for what they evaluate
 * outside themselves). The first thing that happens to a name decides where its variable lives:
 *   read:   the nearest scope outwards that knows the name, else here, filled from the given variables on entry;
 *   set:    here; filled on entry from the scope outwards that knows it; if none does: unset, or, when the set stands
 *           in a branch of an if, from the given variables.
 * So a set inside a loop neither reaches out of it nor into the next round, and a name that the template sets anywhere
 * at its top level hides a given variable of that name, even above the set. */
#include "tmpl/scope.h"

#include "tmpl/lexer.h"

struct resolver {
	struct vm *vm;
	struct scope *root;
	unsigned loops; /* for statements around */
};

static void collect(struct resolver *r, struct scope *s, struct node *n, bool in_if);
static void resolve(struct resolver *r, struct scope *s, struct node *n, bool soft);

/* ---- Scopes ------------------------------------------------------------------------------------------------------ */

static struct scope *scope_new(struct resolver *r, struct scope *parent)
{
	struct scope *s = vm_zalloc(r->vm, 1, sizeof *s);
	s->parent = parent;
	return s;
}

static struct variable *find_here(struct scope *s, const struct str *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_equal(s->vars[i].name, name))
			return &s->vars[i];
	return NULL;
}

static bool find(struct scope *s, const struct str *name, struct var_ref *ref)
{
	*ref = (struct var_ref){0};
	for (; s; s = s->parent, ref->up++) {
		struct variable *v = find_here(s, name);
		if (v) {
			ref->slot = (uint16_t)(v - s->vars);
			return true;
		}
	}
	return false;
}

static struct variable *define(struct resolver *r, struct scope *s, const struct str *name, enum load_kind load)
{
	struct variable *v = find_here(s, name);
	if (!v) {
		if (s->n == UINT16_MAX)
			vm_fail(r->vm, KVIK_ERR_LIMIT, "more than %d variables", UINT16_MAX);
		if (s->n == s->cap) {
			size_t cap = s->cap ? 2 * s->cap : 8;
			s->vars = vm_grow(r->vm, s->vars, s->n, cap, sizeof *s->vars);
			s->cap = cap;
		}
		v = &s->vars[s->n++];
	}
	*v = (struct variable){.name = name, .load = (uint8_t)load};
	return v;
}

/* A variable from the given ones. A block is no part of the template's scope, but sees what the template has set. */
static void define_given(struct resolver *r, struct scope *s, const struct str *name)
{
	struct var_ref ref;
	struct scope *top = s;
	while (top->parent)
		top = top->parent;
	bool in_block = top != r->root && find(r->root, name, &ref);
	struct variable *v = define(r, s, name, in_block ? LOAD_ROOT : LOAD_CONTEXT);
	if (in_block)
		v->outer = ref;
}

static void load(struct resolver *r, struct scope *s, const struct str *name)
{
	struct var_ref ref;
	vm_work(r->vm, STEP_BYTES * s->n);
	if (!find(s, name, &ref))
		define_given(r, s, name);
}

static void store(struct resolver *r, struct scope *s, const struct str *name, bool in_if)
{
	struct var_ref outer;
	if (r->loops && str_is(name, "loop"))
		vm_error(r->vm, "cannot assign to the special variable 'loop' inside a for statement");
	if (find_here(s, name))
		return;
	if (s->parent && find(s->parent, name, &outer))
		define(r, s, name, LOAD_OUTER)->outer = outer;
	else if (in_if)
		define_given(r, s, name);
	else
		define(r, s, name, LOAD_NOTHING);
}

/* ---- Children in general ----------------------------------------------------------------------------------------- */

typedef void visit_fn(struct resolver *r, struct scope *s, struct node *n, bool flag);

static void visit_list(struct resolver *r, struct scope *s, struct node_list l, bool flag, visit_fn *fn)
{
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i])
			fn(r, s, l.v[i], flag);
}

static void visit_call(struct resolver *r, struct scope *s, const struct call *c, bool flag, visit_fn *fn)
{
	visit_list(r, s, c->args, flag, fn);
	for (size_t i = 0; i < c->n_kw; i++)
		fn(r, s, c->kw[i].value, flag);
	if (c->more_args)
		fn(r, s, c->more_args, flag);
	if (c->more_kw)
		fn(r, s, c->more_kw, flag);
}

/* The expressions that n is made of. */
static void visit_parts(struct resolver *r, struct scope *s, struct node *n, bool flag, visit_fn *fn)
{
	if (n->a)
		fn(r, s, n->a, flag);
	if (n->b)
		fn(r, s, n->b, flag);
	if (n->c)
		fn(r, s, n->c, flag);
	visit_list(r, s, n->list, flag, fn);
	if (n->call)
		visit_call(r, s, n->call, flag, fn);
}

static bool is_name(const struct node *n, const char *name)
{
	return n->kind == N_NAME && str_is(n->name, name);
}

enum mention { NOT_MENTIONED, READ, HIDDEN };

static enum mention mention_in(struct vm *vm, const struct node *n, const char *name, bool target);

static enum mention mention_in_list(struct vm *vm, struct node_list l, const char *name, bool target, size_t from,
				    size_t step)
{
	enum mention m = NOT_MENTIONED;
	for (size_t i = from; i < l.n && !m; i += step)
		m = l.v[i] ? mention_in(vm, l.v[i], name, target) : NOT_MENTIONED;
	return m;
}

static enum mention mention_in_call(struct vm *vm, const struct call *c, const char *name)
{
	enum mention m = mention_in_list(vm, c->args, name, false, 0, 1);
	for (size_t i = 0; i < c->n_kw && !m; i++)
		m = mention_in(vm, c->kw[i].value, name, false);
	if (!m && c->more_args)
		m = mention_in(vm, c->more_args, name, false);
	if (!m && c->more_kw)
		m = mention_in(vm, c->more_kw, name, false);
	return m;
}

/* What happens first to the name in n and everything below it, blocks aside. This is how a macro is known to take
 * `caller`, `kwargs` and `varargs`. */
static enum mention mention_in(struct vm *vm, const struct node *n, const char *name, bool target)
{
	bool sets = n->kind == N_SET || n->kind == N_SET_BLOCK || n->kind == N_FOR;
	enum mention m = NOT_MENTIONED;
	if (n->kind == N_BLOCK)
		return m;
	if (is_name(n, name))
		return target ? HIDDEN : READ;
	vm_enter(vm);
	if (n->a)
		m = mention_in(vm, n->a, name, sets || target);
	if (!m && n->params)
		m = mention_in_list(vm, n->params->names, name, true, 0, 1);
	if (!m && n->params)
		m = mention_in_list(vm, n->params->defaults, name, false, 0, 1);
	if (!m && n->b)
		m = mention_in(vm, n->b, name, false);
	if (!m && n->kind == N_WITH) {
		m = mention_in_list(vm, n->list, name, true, 0, 2);
		m = m ? m : mention_in_list(vm, n->list, name, false, 1, 2);
	} else if (!m) {
		m = mention_in_list(vm, n->list, name, target, 0, 1);
	}
	if (!m && n->call)
		m = mention_in_call(vm, n->call, name);
	if (!m)
		m = mention_in_list(vm, n->body, name, false, 0, 1);
	size_t branches = n->kind == N_IF ? n->list.n + 1 : n->kind == N_FOR;
	for (size_t i = 0; i < branches && !m; i++)
		m = mention_in_list(vm, n->branches[i], name, false, 0, 1);
	if (!m && n->c)
		m = mention_in(vm, n->c, name, false);
	vm_leave(vm);
	return m;
}

static bool reads(struct vm *vm, struct node_list body, const char *name)
{
	return mention_in_list(vm, body, name, false, 0, 1) == READ;
}

/* ---- First pass over a scope: which names live in it ------------------------------------------------------------- */

static void collect_target(struct resolver *r, struct scope *s, struct node *n, bool in_if)
{
	r->vm->line = n->line;
	if (n->kind == N_NAME)
		store(r, s, n->name, in_if);
	else if (n->kind == N_NSREF)
		load(r, s, n->name);
	else
		visit_list(r, s, n->list, in_if, collect_target);
}

static void collect_params(struct resolver *r, struct scope *s, struct node *n, bool flag)
{
	r->vm->line = n->line;
	if (n->kind == N_NAME)
		define(r, s, n->name, LOAD_PARAM);
	else
		visit_list(r, s, n->list, flag, collect_params);
}

static void collect_if(struct resolver *r, struct scope *s, struct node *n)
{
	for (size_t i = 0; i < n->list.n; i++) {
		collect(r, s, n->list.v[i], true);
		visit_list(r, s, n->branches[i], true, collect);
	}
	visit_list(r, s, n->branches[n->list.n], true, collect);
}

static void collect(struct resolver *r, struct scope *s, struct node *n, bool in_if)
{
	vm_enter(r->vm);
	r->vm->line = n->line;
	switch (n->kind) {
	case N_NAME:
	case N_NSREF: load(r, s, n->name); break;
	case N_IF: collect_if(r, s, n); break;
	case N_FOR: collect(r, s, n->b, in_if); break;
	case N_SET:
		collect(r, s, n->b, in_if);
		collect_target(r, s, n->a, in_if);
		break;
	case N_SET_BLOCK: collect_target(r, s, n->a, in_if); break;
	case N_WITH:
		for (size_t i = 1; i < n->list.n; i += 2)
			collect(r, s, n->list.v[i], in_if);
		break;
	case N_MACRO: store(r, s, n->name, in_if); break;
	case N_CALL_BLOCK: collect(r, s, n->a, in_if); break;
	case N_FILTER_BLOCK: collect(r, s, n->b, in_if); break;
	case N_GENERATION:
	case N_BLOCK:
	case N_SCOPE: break;
	default: visit_parts(r, s, n, in_if, collect);
	}
	vm_leave(r->vm);
}

/* ---- Second pass: refs, and the scopes inside -------------------------------------------------------------------- */

static void resolve_name(struct scope *s, struct node *n)
{
	find(s, n->name, &n->ref);
}

static void resolve_target(struct resolver *r, struct scope *s, struct node *n, bool soft)
{
	if (n->kind == N_TUPLE)
		visit_list(r, s, n->list, soft, resolve_target);
	else
		resolve_name(s, n);
}

static void check_known(struct resolver *r, const struct node *n, bool soft)
{
	if (!n->function && !soft)
		vm_error(r->vm, "no %s named '%.*s'", n->kind == N_FILTER ? "filter" : "test", STR_ARGS(n->name));
}

/* The loop and its condition have their targets in the same slots, from 0 on. */
static void resolve_for(struct resolver *r, struct scope *s, struct node *n, bool soft)
{
	const struct str *loop = str_lit(r->vm, "loop").str;
	resolve(r, s, n->b, soft);
	r->loops++;
	if (mention_in(r->vm, n->a, "loop", true) == HIDDEN)
		vm_error(r->vm, "cannot assign to the special variable 'loop' inside a for statement");
	n->scope = scope_new(r, s);
	collect_params(r, n->scope, n->a, false);
	define(r, n->scope, loop, LOAD_PARAM);
	find(n->scope, loop, &n->loop);
	visit_list(r, n->scope, n->body, false, collect);
	resolve_target(r, n->scope, n->a, false);
	visit_list(r, n->scope, n->body, false, resolve);
	if (n->c) {
		n->test_scope = scope_new(r, s);
		collect_params(r, n->test_scope, n->a, false);
		collect(r, n->test_scope, n->c, false);
		resolve(r, n->test_scope, n->c, false);
	}
	n->else_scope = scope_new(r, s);
	visit_list(r, n->else_scope, n->branches[0], false, collect);
	visit_list(r, n->else_scope, n->branches[0], false, resolve);
	r->loops--;
}

static bool special_param(struct resolver *r, struct node *n, const char *name, struct var_ref *ref)
{
	const struct str *s = str_lit(r->vm, name).str;
	bool wanted = reads(r->vm, n->body, name);
	for (size_t i = 0; i < n->params->names.n; i++) {
		if (!str_equal(n->params->names.v[i]->name, s))
			continue;
		if (wanted && str_is(s, "caller") && i + n->params->defaults.n < n->params->names.n)
			vm_error(r->vm, "a parameter named 'caller' needs a default");
		return false;
	}
	if (wanted) {
		define(r, n->scope, s, LOAD_PARAM);
		find(n->scope, s, ref);
	}
	return wanted;
}

/* Of macros, call blocks and generation blocks. */
static void resolve_function(struct resolver *r, struct scope *s, struct node *n)
{
	struct params *p = n->params;
	n->scope = scope_new(r, s);
	visit_list(r, n->scope, p->names, false, collect_params);
	visit_list(r, n->scope, p->defaults, false, collect);
	visit_list(r, n->scope, n->body, false, collect);
	p->takes_caller = special_param(r, n, "caller", &p->caller);
	p->takes_kwargs = special_param(r, n, "kwargs", &p->kwargs);
	p->takes_varargs = special_param(r, n, "varargs", &p->varargs);
	visit_list(r, n->scope, p->names, false, resolve_target);
	visit_list(r, n->scope, p->defaults, false, resolve);
	visit_list(r, n->scope, n->body, false, resolve);
}

/* A body with a scope of its own, and the filter that its text goes through, if any. */
static void resolve_body(struct resolver *r, struct scope *s, struct node *n, struct node *filter)
{
	if (!n->scope)
		n->scope = scope_new(r, s);
	visit_list(r, n->scope, n->body, false, collect);
	if (filter)
		collect(r, n->scope, filter, false);
	visit_list(r, n->scope, n->body, false, resolve);
	if (filter)
		resolve(r, n->scope, filter, false);
}

static void resolve_with(struct resolver *r, struct scope *s, struct node *n, bool soft)
{
	n->scope = scope_new(r, s);
	for (size_t i = 0; i < n->list.n; i += 2) {
		collect_params(r, n->scope, n->list.v[i], false);
		resolve(r, s, n->list.v[i + 1], soft);
	}
	resolve_body(r, s, n, NULL);
	for (size_t i = 0; i < n->list.n; i += 2)
		resolve_target(r, n->scope, n->list.v[i], false);
}

/* A block sees no variables around it but the template's own. */
static void resolve_block(struct resolver *r, struct node *n)
{
	n->scope = scope_new(r, NULL);
	resolve_body(r, NULL, n, NULL);
}

static void resolve_if(struct resolver *r, struct scope *s, struct node *n)
{
	visit_list(r, s, n->list, true, resolve);
	for (size_t i = 0; i <= n->list.n; i++)
		visit_list(r, s, n->branches[i], true, resolve);
}

static void resolve(struct resolver *r, struct scope *s, struct node *n, bool soft)
{
	vm_enter(r->vm);
	r->vm->line = n->line;
	switch (n->kind) {
	case N_NAME:
	case N_NSREF: resolve_name(s, n); break;
	case N_IF: resolve_if(r, s, n); break;
	case N_COND: visit_parts(r, s, n, true, resolve); break;
	case N_FOR: resolve_for(r, s, n, soft); break;
	case N_SET:
		resolve(r, s, n->b, soft);
		resolve_target(r, s, n->a, soft);
		break;
	case N_SET_BLOCK:
		resolve_target(r, s, n->a, soft);
		resolve_body(r, s, n, n->b);
		break;
	case N_WITH: resolve_with(r, s, n, soft); break;
	case N_MACRO:
		resolve_name(s, n);
		resolve_function(r, s, n);
		break;
	case N_CALL_BLOCK:
		resolve(r, s, n->a, soft);
		resolve_function(r, s, n);
		break;
	case N_GENERATION: resolve_function(r, s, n); break;
	case N_FILTER_BLOCK: resolve_body(r, s, n, n->b); break;
	case N_SCOPE: resolve_body(r, s, n, NULL); break;
	case N_BLOCK: resolve_block(r, n); break;
	case N_FILTER:
	case N_TEST:
		check_known(r, n, soft);
		visit_parts(r, s, n, soft, resolve);
		break;
	default: visit_parts(r, s, n, soft, resolve);
	}
	vm_leave(r->vm);
}

struct scope *scope_resolve(struct vm *vm, struct node_list body)
{
	struct resolver r = {.vm = vm};
	r.root = scope_new(&r, NULL);
	visit_list(&r, r.root, body, false, collect);
	visit_list(&r, r.root, body, false, resolve);
	return r.root;
}
