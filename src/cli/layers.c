/* layers.c: see layers.h. */
#include "cli/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYER_MAX = 1 << 20 };

/* A number up to LAYER_MAX; moves *at behind it. */
static bool number(const char **at, int32_t *value)
{
	char *end;
	if (**at < '0' || **at > '9')
		return false;
	unsigned long v = strtoul(*at, &end, 10);
	*at = end;
	*value = (int32_t)v;
	return v <= LAYER_MAX;
}

static bool word(const char **at, const char *w)
{
	size_t n = strlen(w);
	if (strncmp(*at, w, n) != 0)
		return false;
	*at += n;
	return true;
}

/* One item of the list. */
static bool item(const char **at, struct kvik_layers *l)
{
	bool first = word(at, "first:"), last = !first && word(at, "last:");
	int32_t n;
	if (!number(at, &n) || ((first || last) && n == 0))
		return false;
	if (first || last) {
		*l = first ? (struct kvik_layers){0, n - 1} : (struct kvik_layers){-n, -1};
		return true;
	}
	l->first = n;
	l->last = l->first;
	return !word(at, "-") || (number(at, &l->last) && l->last >= l->first);
}

int parse_exempt(const char *text, struct kvik_cache_params *p, struct kvik_err *err)
{
	const char *at = text;
	p->n_exempt = 0;
	do {
		if (p->n_exempt == KVIK_EXEMPT_MAX)
			return err_set(err, KVIK_ERR_ARG, "--kv-exempt: more than %d ranges of layers",
				       KVIK_EXEMPT_MAX);
		if (!item(&at, &p->exempt[p->n_exempt++]) || (*at && *at != ','))
			return err_set(err, KVIK_ERR_ARG,
				       "--kv-exempt: '%s' is no list of layers such as 0,3-5,first:2,last:2", text);
	} while (*at++ == ',');
	return 0;
}

static void append(char out[DTYPES_TEXT_BYTES], const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list args;
	va_start(args, fmt);
	vsnprintf(out + n, DTYPES_TEXT_BYTES - n, fmt, args);
	va_end(args);
}

static void append_layers(char out[DTYPES_TEXT_BYTES], const struct kvik_layers *l)
{
	if (l->first < 0 && l->last == -1)
		append(out, "last:%d", -l->first);
	else if (l->first == l->last)
		append(out, "%d", l->first);
	else
		append(out, "%d-%d", l->first, l->last);
}

const char *dtypes_text(const struct kvik_cache_params *p, char out[DTYPES_TEXT_BYTES])
{
	*out = '\0';
	append(out, "%s/%s", kvik_dtype_name(p->k_dtype), kvik_dtype_name(p->v_dtype));
	if (p->n_exempt)
		append(out, " (%s/%s in layers ", kvik_dtype_name(p->exempt_k_dtype),
		       kvik_dtype_name(p->exempt_v_dtype));
	for (uint32_t i = 0; i < p->n_exempt; i++) {
		append(out, i ? "," : "");
		append_layers(out, &p->exempt[i]);
	}
	append(out, p->n_exempt ? ")" : "");
	if (p->floor_after_ms)
		append(out, ", idle for %llu s %s/%s", (unsigned long long)(p->floor_after_ms / 1000),
		       kvik_dtype_name(p->floor_k_dtype), kvik_dtype_name(p->floor_v_dtype));
	return out;
}
