/* tmpl.c: parsing and rendering as wholes. See tmpl.h; vm.h says how errors travel. */
#include "tmpl/tmpl.h"

#include <string.h>

#include "base/mem.h"
#include "tmpl/eval.h"
#include "tmpl/json.h"
#include "tmpl/parser.h"
#include "tmpl/scope.h"
#include "tmpl/unicode.h"

enum {
	PARSE_LEVELS = 400, /* nested brackets and tags; Python ends at about half of that */
	RENDER_LEVELS = 2000
};

struct tmpl {
	struct arena arena; /* of everything below */
	struct node_list body;
	struct scope *scope;
	const char *name; /* may be NULL */
};

static struct vm vm_new(const char *name, const struct tmpl_limits *limits, struct kvik_err *err)
{
	struct vm vm = {.err = err, .name = name, .line = 1, .limits = *limits};
	vm.arena.limit = limits->memory;
	return vm;
}

/* ---- Parsing ----------------------------------------------------------------------------------------------------- */

/* The one place that errors of parsing come back to. */
static int parse(struct vm *vm, struct tmpl *t, const char *text, size_t bytes)
{
	if (setjmp(vm->fail))
		return vm->rc;
	struct parser p = {.vm = vm};
	size_t n;
	if (!utf8_valid(text, bytes))
		vm_error(vm, "the template is not valid UTF-8");
	p.tokens = p.t = lex(vm, text, bytes, &n);
	t->body = parse_template(&p);
	t->scope = scope_resolve(vm, t->body);
	return 0;
}

int tmpl_parse(struct tmpl **out, const char *text, size_t bytes, const char *name, struct kvik_err *err)
{
	static const struct tmpl_limits limits = {
		.steps = 50000000, .memory = (size_t)512 << 20, .output = (size_t)512 << 20, .levels = PARSE_LEVELS};
	struct kvik_err unread;
	*out = NULL;
	if (!err)
		err = &unread;
	if (bytes > TMPL_TEXT_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "a template of %zu bytes; at most %zu are read", bytes,
			       TMPL_TEXT_MAX);
	struct tmpl *t = mem_zalloc(1, sizeof *t);
	char *kept_name = name ? mem_strndup(name, strlen(name)) : NULL;
	if (!t || (name && !kept_name)) {
		mem_free(t);
		mem_free(kept_name);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a template");
	}
	struct vm vm = vm_new(name, &limits, err);
	int rc = parse(&vm, t, text, bytes);
	t->arena = vm.arena;
	t->name = kept_name;
	if (rc)
		tmpl_free(t);
	else
		*out = t;
	return rc;
}

void tmpl_free(struct tmpl *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	mem_free((char *)(uintptr_t)t->name);
	mem_free(t);
}

/* ---- Rendering --------------------------------------------------------------------------------------------------- */

static struct tmpl_limits with_defaults(const struct tmpl_limits *given)
{
	struct tmpl_limits l = given ? *given : (struct tmpl_limits){0};
	l.steps = l.steps ? l.steps : 50000000;
	l.memory = l.memory ? l.memory : (size_t)512 << 20;
	l.output = l.output ? l.output : (size_t)64 << 20;
	l.levels = l.levels && l.levels < RENDER_LEVELS ? l.levels : RENDER_LEVELS;
	return l;
}

static int render(struct vm *vm, const struct tmpl *t, const struct tmpl_input *in, struct out *text)
{
	if (setjmp(vm->fail))
		return vm->rc;
	vm->main = vm->out = text;
	vm->variables = json_variables(vm, in->variables, in->own, in->trusts);
	vm->root = frame_new(vm, t->scope, NULL);
	frame_load(vm, vm->root);
	exec_body(vm, vm->root, t->body);
	return 0;
}

/* Where the stretch of one origin that begins at i ends. */
static size_t stretch_end(const struct out *o, size_t i)
{
	int other = o->origins && o->origins[i] == FROM_DATA ? FROM_TEMPLATE : FROM_DATA;
	const uint8_t *end = o->origins ? memchr(o->origins + i, other, o->n - i) : NULL;
	return end ? (size_t)(end - o->origins) : o->n;
}

static bool copy_spans(const struct out *o, struct tmpl_text *out)
{
	size_t stretches = 0;
	for (size_t i = 0; i < o->n; i = stretch_end(o, i))
		stretches++;
	out->data = mem_zalloc(stretches + 1, sizeof *out->data);
	if (!out->data)
		return false;
	for (size_t i = 0, end; i < o->n; i = end) {
		end = stretch_end(o, i);
		if ((o->origins ? o->origins[i] : o->origin) == FROM_DATA)
			out->data[out->n_data++] = (struct span){i, end};
	}
	return true;
}

static int copy_text(const struct out *o, struct tmpl_text *out, struct kvik_err *err)
{
	out->text = mem_strndup(o->s ? o->s : "", o->n);
	out->bytes = o->n;
	if (!out->text || !copy_spans(o, out))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a text of %zu bytes", o->n);
	return 0;
}

int tmpl_render_text(const struct tmpl *t, const struct tmpl_input *in, struct tmpl_text *out, struct kvik_err *err)
{
	struct kvik_err unread;
	struct tmpl_limits all = with_defaults(in->limits);
	struct out text = {0};
	*out = (struct tmpl_text){0};
	if (!err)
		err = &unread;
	if (!json_is_object(in->variables))
		return err_set(err, KVIK_ERR_ARG, "the variables of a template must be a JSON object");
	struct vm vm = vm_new(t->name, &all, err);
	vm.now = in->now;
	int rc = render(&vm, t, in, &text);
	if (!rc)
		rc = copy_text(&text, out, err);
	memcpy(out->borders, vm.borders, sizeof out->borders);
	out->n_borders = rc ? 0 : vm.n_borders;
	arena_release(&vm.arena);
	return rc;
}

void tmpl_text_release(struct tmpl_text *t)
{
	mem_free(t->text);
	mem_free(t->data);
	*t = (struct tmpl_text){0};
}

int tmpl_render(const struct tmpl *t, const json_t *variables, int64_t now, const struct tmpl_limits *limits,
		char **out, size_t *bytes, struct kvik_err *err)
{
	const struct tmpl_input in = {.variables = variables, .now = now, .limits = limits};
	struct tmpl_text text;
	int rc = tmpl_render_text(t, &in, &text, err);
	*out = rc ? NULL : text.text;
	*bytes = rc ? 0 : text.bytes;
	if (!rc)
		text.text = NULL;
	tmpl_text_release(&text);
	return rc;
}
