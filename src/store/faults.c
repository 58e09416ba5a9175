/* faults.c: see faults.h. */
#include "store/faults.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
#define FAULT_NAME(name, word, text) word,
	STORE_FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

static const char *const texts[] = {
#define FAULT_TEXT(name, word, text) text,
	STORE_FAULTS(FAULT_TEXT)
#undef FAULT_TEXT
};

const char *store_fault_name(enum store_fault f)
{
	return names[f];
}

const char *store_kind_name(enum store_kind kind)
{
	static const char *const kinds[] = {"pages", "window", "state"};
	return kinds[kind];
}

/* Through err_set: one line of valid UTF-8, whatever names it quotes. */
static void say(struct faults *f, const char *fmt, va_list ap, const char *meaning)
{
	char what[256];
	struct kvik_err line;
	vsnprintf(what, sizeof what, fmt, ap);
	err_set(&line, 0, "store %s: %s%s%s%s", f->where, what, meaning ? ": " : "", meaning ? meaning : "",
		meaning ? " (further ones are counted)" : "");
	f->log(f->ctx, line.text);
}

void fault(struct faults *f, enum store_fault kind, const char *fmt, ...)
{
	if (atomic_fetch_add(&f->n[kind], 1) > 0 || !f->log)
		return;
	va_list ap;
	va_start(ap, fmt);
	say(f, fmt, ap, texts[kind]);
	va_end(ap);
}

void fault_note(struct faults *f, const char *fmt, ...)
{
	if (!f->log)
		return;
	va_list ap;
	va_start(ap, fmt);
	say(f, fmt, ap, NULL);
	va_end(ap);
}
