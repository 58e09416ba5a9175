/* stop.c: a byte at a time, held always is the longest suffix of the text that begins a stop string.
 *
 * Invariant: between bytes held[0..held_bytes) is empty or a proper prefix of a stop string, so a byte more always
 * fits. With at most 16 strings of 256 bytes the direct comparison below is bounded; text comes token by token, so a
 * smarter automaton would not be seen in any measurement of a step. */
#include "engine/stop.h"

#include <string.h>

int stop_init(struct stop *s, const char *const *strings, const size_t *bytes, size_t n, struct kvik_err *err)
{
	*s = (struct stop){0};
	if (n > STOP_STRINGS_MAX)
		return err_set(err, KVIK_ERR_ARG, "stop: %zu strings; at most %d are allowed", n, STOP_STRINGS_MAX);
	for (size_t i = 0; i < n; i++) {
		s->strings[i] = strings[i];
		s->sizes[i] = bytes ? bytes[i] : strlen(strings[i]);
		if (s->sizes[i] == 0 || s->sizes[i] > STOP_BYTES_MAX)
			return err_set(err, KVIK_ERR_ARG, "stop: string %zu has %zu bytes; 1 to %d are allowed", i + 1,
				       s->sizes[i], STOP_BYTES_MAX);
	}
	s->n = n;
	return 0;
}

/* The longest stop string that held ends with, and its bytes; 0 for none. */
static size_t ends_with(const struct stop *s, const char **which)
{
	size_t longest = 0;
	for (size_t i = 0; i < s->n; i++) {
		size_t n = s->sizes[i];
		if (n > longest && n <= s->held_bytes && memcmp(s->held + s->held_bytes - n, s->strings[i], n) == 0) {
			longest = n;
			*which = s->strings[i];
		}
	}
	return longest;
}

static bool begins_one(const struct stop *s, const char *text, size_t bytes)
{
	for (size_t i = 0; i < s->n; i++)
		if (bytes < s->sizes[i] && memcmp(text, s->strings[i], bytes) == 0)
			return true;
	return false;
}

/* Emits the first bytes of held. */
static void release(struct stop *s, size_t bytes, stop_emit_fn *emit, void *user)
{
	if (bytes > 0)
		emit(user, s->held, bytes);
	s->held_bytes -= bytes;
	memmove(s->held, s->held + bytes, s->held_bytes);
}

bool stop_feed(struct stop *s, const char *text, size_t bytes, stop_emit_fn *emit, void *user)
{
	if (s->n == 0 && bytes > 0)
		emit(user, text, bytes);
	for (size_t i = 0; i < bytes && s->n > 0 && !s->hit; i++) {
		s->held[s->held_bytes++] = text[i];
		size_t found = ends_with(s, &s->hit);
		if (found) {
			s->hit_bytes = found;
			release(s, s->show ? s->held_bytes : s->held_bytes - found, emit, user);
			s->held_bytes = 0;
			break;
		}
		size_t from = 0;
		while (from < s->held_bytes && !begins_one(s, s->held + from, s->held_bytes - from))
			from++;
		release(s, from, emit, user);
	}
	return s->hit != NULL;
}

void stop_flush(struct stop *s, stop_emit_fn *emit, void *user)
{
	release(s, s->held_bytes, emit, user);
}
