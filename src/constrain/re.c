/* re.c: a regular expression's tree -> an automaton over bytes, from the end to the beginning: each part is compiled knowing
 * where it continues. A repetition with counts is as many copies of its inside. */
#include "constrain/re.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "constrain/re_parse.h"

struct compiler {
	struct re_prog *p;
	const struct re_tree *t;
	unsigned depth;
	int rc;
};

enum { DEPTH_MAX = 2000, LOOK_BACK = 16 };

static uint32_t emit(struct compiler *c, struct re_inst i)
{
	struct re_prog *p = c->p;
	if (c->rc)
		return 0;
	if (p->n >= RE_INSTS_MAX) {
		c->rc = KVIK_ERR_LIMIT;
		return 0;
	}
	struct re_inst *inst = mem_grow(p->inst, &p->cap, p->n, sizeof *inst);
	if (!inst) {
		c->rc = KVIK_ERR_NOMEM;
		return 0;
	}
	p->inst = inst;
	inst[p->n] = i;
	return p->n++;
}

static uint32_t emit_split(struct compiler *c, uint32_t a, uint32_t b)
{
	return emit(c, (struct re_inst){.op = RE_SPLIT, .next = a, .other = b});
}

/* ---- Characters -> bytes ----------------------------------------------------------------------------------------- */

/* The same byte range with the same continuation, among the last that were emitted since `since`. */
static uint32_t emit_bytes(struct compiler *c, uint32_t since, uint8_t lo, uint8_t hi, uint32_t next)
{
	for (uint32_t i = c->p->n; i > since && c->p->n - i < LOOK_BACK;) {
		i--;
		const struct re_inst *r = &c->p->inst[i];
		if (r->op == RE_BYTES && r->lo == lo && r->hi == hi && r->next == next)
			return i;
	}
	return emit(c, (struct re_inst){.op = RE_BYTES, .lo = lo, .hi = hi, .next = next});
}

struct class_job {
	uint32_t since, next, all;
	bool any;
};

static void add_sequence(struct compiler *c, struct class_job *j, const uint8_t *lo, const uint8_t *hi, unsigned n)
{
	uint32_t at = j->next;
	for (unsigned i = n; i-- > 0;)
		at = emit_bytes(c, j->since, lo[i], hi[i], at);
	j->all = j->any ? emit_split(c, at, j->all) : at;
	j->any = true;
}

/* lo..hi, which have as many bytes. Cut where the bytes behind the first that differs do not go through all of 80..BF. */
static void add_equal_length(struct compiler *c, struct class_job *j, uint32_t lo, uint32_t hi, unsigned n)
{
	uint8_t a[4], b[4];
	for (unsigned i = 1; i < n; i++) {
		uint32_t low = (1u << 6 * i) - 1;
		if ((lo & ~low) == (hi & ~low))
			continue;
		if (lo & low) {
			add_equal_length(c, j, lo, lo | low, n);
			add_equal_length(c, j, (lo | low) + 1, hi, n);
			return;
		}
		if ((hi & low) != low) {
			add_equal_length(c, j, lo, (hi & ~low) - 1, n);
			add_equal_length(c, j, hi & ~low, hi, n);
			return;
		}
	}
	utf8_encode(lo, a);
	utf8_encode(hi, b);
	add_sequence(c, j, a, b, n);
}

static uint32_t compile_class(struct compiler *c, const struct re_node *node, uint32_t next)
{
	static const uint32_t ends[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
	struct class_job j = {.since = c->p->n, .next = next};
	for (uint32_t i = 0; i < node->ranges; i++) {
		struct re_range r = c->t->ranges[node->first + i];
		for (unsigned n = 0; n < 4 && r.lo <= r.hi; n++) {
			if (r.lo > ends[n])
				continue;
			add_equal_length(c, &j, r.lo, r.hi < ends[n] ? r.hi : ends[n], n + 1);
			r.lo = ends[n] + 1;
		}
	}
	/* An empty class matches nothing: a range without bytes. */
	return j.any ? j.all : emit(c, (struct re_inst){.op = RE_BYTES, .lo = 1, .hi = 0, .next = next});
}

/* ---- Structure --------------------------------------------------------------------------------------------------- */

static uint32_t compile(struct compiler *c, uint32_t at, uint32_t next);

static uint32_t compile_repeat(struct compiler *c, const struct re_node *r, uint32_t next)
{
	uint32_t start = next;
	if (r->max == RE_INFINITE) {
		start = emit_split(c, 0, next);
		uint32_t body = compile(c, r->a, start);
		if (!c->rc)
			c->p->inst[start].next = body;
	} else {
		for (uint32_t i = r->min; i < r->max && !c->rc; i++)
			start = emit_split(c, compile(c, r->a, start), next);
	}
	for (uint32_t i = 0; i < r->min && !c->rc; i++)
		start = compile(c, r->a, start);
	return start;
}

static uint32_t compile_alternatives(struct compiler *c, const struct re_node *r, uint32_t next)
{
	uint32_t all = compile(c, r->b, next);
	for (r = &c->t->nodes[r->a]; r->kind == RE_ALT && !c->rc; r = &c->t->nodes[r->a])
		all = emit_split(c, compile(c, r->b, next), all);
	return emit_split(c, compile(c, (uint32_t)(r - c->t->nodes), next), all);
}

/* The node at, then next: where it begins. */
static uint32_t compile(struct compiler *c, uint32_t at, uint32_t next)
{
	const struct re_node *r = &c->t->nodes[at];
	if (++c->depth > DEPTH_MAX)
		c->rc = c->rc ? c->rc : KVIK_ERR_LIMIT;
	for (; r->kind == RE_CAT && !c->rc; r = &c->t->nodes[r->a])
		next = compile(c, r->b, next);
	if (!c->rc)
		switch (r->kind) {
		case RE_CLASS: next = compile_class(c, r, next); break;
		case RE_ALT: next = compile_alternatives(c, r, next); break;
		case RE_REPEAT: next = compile_repeat(c, r, next); break;
		case RE_RAW:
			next = emit(c, (struct re_inst){.op = RE_BYTES,
							.lo = (uint8_t)r->first,
							.hi = (uint8_t)(r->first + r->ranges - 1),
							.next = next});
			break;
		case RE_RULE: next = emit(c, (struct re_inst){.op = RE_CALL, .next = next, .other = r->a}); break;
		case RE_PIECE: next = emit(c, (struct re_inst){.op = RE_OTHER, .next = next, .other = r->a}); break;
		case RE_AT_BEGIN: next = emit(c, (struct re_inst){.op = RE_BEGIN, .next = next}); break;
		case RE_AT_END: next = emit(c, (struct re_inst){.op = RE_END, .next = next}); break;
		default: break;
		}
	c->depth--;
	return next;
}

/* Any bytes, then next. */
static uint32_t compile_any(struct compiler *c, uint32_t next)
{
	uint32_t loop = emit_split(c, next, 0);
	uint32_t any = emit(c, (struct re_inst){.op = RE_BYTES, .lo = 0, .hi = 255, .next = loop});
	if (!c->rc)
		c->p->inst[loop].other = any;
	return loop;
}

static int say(const struct compiler *c, const char *what, struct kvik_err *err)
{
	return !c->rc                    ? 0
	       : c->rc == KVIK_ERR_LIMIT ? err_set(err, c->rc, "%s: too large once it is spelt out", what)
					 : err_set(err, c->rc, "no memory for a %s", what);
}

int re_emit(struct re_prog *p, const struct re_tree *t, uint32_t root, uint32_t *start, struct kvik_err *err)
{
	struct compiler c = {.p = p, .t = t};
	*start = compile(&c, root, emit(&c, (struct re_inst){.op = RE_MATCH}));
	return say(&c, "grammar", err);
}

int re_compile(struct re_prog *p, const char *pattern, size_t bytes, unsigned flags, struct kvik_err *err)
{
	struct re_tree t;
	*p = (struct re_prog){0};
	re_tree_init(&t);
	int rc = re_parse(&t, &t.root, pattern, bytes, 0, err);
	if (!rc) {
		struct compiler c = {.p = p, .t = &t};
		uint32_t end = emit(&c, (struct re_inst){.op = RE_MATCH});
		if (flags & RE_SEARCH)
			end = compile_any(&c, end);
		p->start = compile(&c, t.root, end);
		if (flags & RE_SEARCH)
			p->start = compile_any(&c, p->start);
		rc = say(&c, "regular expression", err);
	}
	re_tree_release(&t);
	return rc;
}

void re_prog_release(struct re_prog *p)
{
	mem_free(p->inst);
	*p = (struct re_prog){0};
}

/* ---- Look-aheads ------------------------------------------------------------------------------------------------- */

/* The first `wanted` from `from` on that stands in no group that begins there, no class and no escape; n: none. */
static size_t find_outside(const char *text, size_t n, size_t from, char wanted)
{
	size_t depth = 0;
	bool in_class = false;
	for (size_t i = from; i < n; i++) {
		char c = text[i];
		if (c == '\\')
			i++;
		else if (in_class)
			in_class = c != ']';
		else if (c == '[')
			in_class = true;
		else if (c == wanted && depth == 0)
			return i;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	}
	return n;
}

bool re_lookahead(const char *pattern, size_t n, struct re_lookahead *out)
{
	size_t at = n > 0 && pattern[0] == '^', start = at + 3, end;
	if (n - at < 4 || pattern[at] != '(' || pattern[at + 1] != '?' ||
	    (pattern[at + 2] != '=' && pattern[at + 2] != '!'))
		return false;
	end = find_outside(pattern, n, start, ')');
	if (end == n)
		return false;
	*out = (struct re_lookahead){pattern[at + 2] == '!', pattern + start, pattern + end + 1, end - start,
				     n - end - 1};
	/* An alternative at the top would not be under the look-ahead. */
	return find_outside(out->rest, out->rest_bytes, 0, '|') == out->rest_bytes;
}
