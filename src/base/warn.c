/* warn.c: see warn.h. Texts may quote names from files, so they are made printable as those of errors are. */
#include "base/warn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool known(const struct warnings *w, const char *text)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->texts[i], text) == 0)
			return true;
	return false;
}

static int add(struct warnings *w, const char *text, struct kvik_err *err)
{
	char **texts = mem_grow(w->texts, &w->cap, w->n, sizeof *texts);
	if (texts)
		w->texts = texts;
	char *copy = texts ? mem_strndup(text, strlen(text)) : NULL;
	if (!copy)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a warning");
	w->texts[w->n++] = copy;
	return 0;
}

int warn_add(struct warnings *w, struct kvik_err *err, const char *fmt, ...)
{
	char raw[sizeof((struct kvik_err *)NULL)->text];
	struct kvik_err text;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	err_set(&text, 0, "%s", raw);
	if (!w || w->n == WARNINGS_MAX || known(w, text.text))
		return 0;
	return add(w, w->n == WARNINGS_MAX - 1 ? "there are more warnings than are listed" : text.text, err);
}

const char *warn_at(const struct warnings *w, size_t i)
{
	return i < w->n ? w->texts[i] : NULL;
}

void warnings_release(struct warnings *w)
{
	for (size_t i = 0; i < w->n; i++)
		mem_free(w->texts[i]);
	mem_free(w->texts);
	*w = (struct warnings){0};
}
