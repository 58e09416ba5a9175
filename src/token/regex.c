/* regex.c: PCRE2 behind regex.h. Patterns are compiled by its just-in-time compiler where there is one: besides speed,
 * that spares the check of the whole text for valid UTF-8 at each match, so matching all of a text stays linear. */
#include "token/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "token/digits.h"
#include "token/regex_dialect.h"
#include "base/utf8.h"

enum { JIT_STACK_BYTES = 16 << 20, MATCH_LIMIT = 50 * 1000 * 1000 };

struct regex {
	enum digits_rule digits; /* done without PCRE2 */
	pcre2_code *code;
};

static void *allocate(PCRE2_SIZE bytes, void *unused)
{
	(void)unused;
	return mem_alloc(bytes);
}

static void release(void *p, void *unused)
{
	(void)unused;
	mem_free(p);
}

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for a regular expression");
}

/* NULL: *error says why. */
static pcre2_code *compile(const char *pattern, size_t bytes, uint32_t options, int *error)
{
	PCRE2_SIZE where;
	pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
	pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
	pcre2_code *code = NULL;
	*error = PCRE2_ERROR_NOMEMORY;
	if (context && pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0)
		code = pcre2_compile((PCRE2_SPTR)pattern, bytes, options, error, &where, context);
	pcre2_compile_context_free(context);
	pcre2_general_context_free(memory);
	return code;
}

static int compile_failed(int error, const char *pattern, size_t bytes, struct kvik_err *err)
{
	char text[128];
	if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
		return no_memory(err);
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text) < 0)
		text[0] = '\0';
	return err_set(err, KVIK_ERR_FORMAT, "the regular expression '%.*s' does not compile: %s",
		       (int)(bytes < 120 ? bytes : 120), pattern, text);
}

static int compile_dialect(struct regex *r, const char *pattern, size_t bytes, struct kvik_err *err)
{
	const uint32_t options =
		PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MULTILINE;
	int error = 0, rc = 0;
	for (int names = REGEX_NAMES_SCRIPT; names <= REGEX_NAMES_OTHER && !r->code && !rc; names++) {
		struct buf b = {0};
		rc = regex_translate(pattern, bytes, (enum regex_names)names, &b, err);
		if (!rc)
			r->code = compile(b.data ? b.data : "", b.n, options, &error);
		buf_release(&b);
	}
	return rc || r->code ? rc : compile_failed(error, pattern, bytes, err);
}

int regex_new(struct regex **out, const char *pattern, size_t bytes, bool literal, struct kvik_err *err)
{
	struct regex *r = mem_zalloc(1, sizeof *r);
	int rc = r ? 0 : no_memory(err), error;
	*out = NULL;
	if (!rc && literal) {
		r->code = compile(pattern, bytes, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_LITERAL, &error);
		rc = r->code ? 0 : compile_failed(error, pattern, bytes, err);
	} else if (!rc && (r->digits = digits_rule(pattern, bytes)) == DIGITS_NONE) {
		rc = compile_dialect(r, pattern, bytes, err);
	}
	if (rc) {
		regex_free(r);
		return rc;
	}
	if (r->code)
		(void)pcre2_jit_compile(r->code,
					PCRE2_JIT_COMPLETE); /* without it the interpreter does the same, slower */
	*out = r;
	return 0;
}

void regex_free(struct regex *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	mem_free(r);
}

/* ---- Matching ---------------------------------------------------------------------------------------------------- */

void regex_work_release(struct regex_work *w)
{
	pcre2_match_data_free(w->data);
	pcre2_jit_stack_free(w->stack);
	pcre2_match_context_free(w->context);
	*w = (struct regex_work){0};
}

int regex_work_init(struct regex_work *w, struct kvik_err *err)
{
	pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
	*w = (struct regex_work){0};
	if (memory) {
		w->context = pcre2_match_context_create(memory);
		w->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_BYTES, memory);
		w->data = pcre2_match_data_create(1, memory);
		pcre2_general_context_free(memory);
	}
	if (!w->context || !w->stack || !w->data) {
		regex_work_release(w);
		return no_memory(err);
	}
	pcre2_jit_stack_assign(w->context, NULL, w->stack);
	pcre2_set_match_limit(w->context, MATCH_LIMIT);
	return 0;
}

static size_t next_character(const char *text, size_t at, size_t bytes)
{
	unsigned n = at < bytes ? utf8_length((const uint8_t *)text + at, bytes - at) : 1;
	return at + (n ? n : 1);
}

int regex_each(const struct regex *r, struct regex_work *w, const char *text, size_t bytes, regex_found_fn *found,
	       void *ctx, struct kvik_err *err)
{
	size_t last_end = SIZE_MAX;
	if (r->digits)
		return digits_each(r->digits, text, bytes, found, ctx);
	for (size_t at = 0; at <= bytes;) {
		int n = pcre2_match(r->code, (PCRE2_SPTR)text, bytes, at, 0, w->data, w->context);
		if (n == PCRE2_ERROR_NOMATCH)
			return 0;
		if (n == PCRE2_ERROR_NOMEMORY)
			return no_memory(err);
		if (n < 0)
			return err_set(err, KVIK_ERR_LIMIT,
				       "matching a regular expression of the tokenizer took too much work (PCRE2 error "
				       "%d); cut the text",
				       n);
		const PCRE2_SIZE *span = pcre2_get_ovector_pointer(w->data);
		size_t start = span[0], end = span[1]; /* found may match again with w */
		if (end <= start && end == last_end) {
			at = next_character(text, at, bytes);
			continue;
		}
		int rc = found(ctx, start, end);
		if (rc)
			return rc;
		at = last_end = end;
	}
	return 0;
}
