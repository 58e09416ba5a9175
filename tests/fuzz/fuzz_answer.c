/* fuzz_answer.c: the text of a model, in every format of calls, whole and in pieces: the same comes out, and nothing of it
 * is lost that is neither a mark nor a blank. The first byte chooses the format, the second the size of pieces. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "chat/answer.h"

struct heard {
	struct buf all; /* parts one after the other, those of a kind joined */
	struct buf arguments;
	int kind;
};

static void hear(void *user, const struct answer_part *p)
{
	static const char *const names[] = {
		[ANSWER_TEXT] = "\n=text\n", [ANSWER_THOUGHT] = "\n=thought\n", [ANSWER_CALL] = "\n=call\n"};
	struct heard *h = user;
	if (p->kind == ANSWER_CALL_BEGIN)
		h->arguments.n = 0;
	if (p->kind == ANSWER_ARGUMENTS && !buf_add_text(&h->arguments, p->text, p->bytes))
		abort();
	if (p->kind == ANSWER_CALL && strcmp(h->arguments.data, p->arguments) != 0) /* the pieces are the whole */
		abort();
	if (p->kind == ANSWER_CALL_BEGIN || p->kind == ANSWER_ARGUMENTS || p->kind == ANSWER_LOST)
		return;
	if (h->kind != (int)p->kind || p->kind == ANSWER_CALL) {
		if (!buf_add(&h->all, names[p->kind], strlen(names[p->kind])))
			abort();
		h->kind = (int)p->kind;
	}
	if (p->kind == ANSWER_CALL) {
		json_error_t e;
		json_t *args = json_loads(p->arguments, 0, &e);
		if (!json_is_object(args) && json_error_code(&e) != json_error_numeric_overflow &&
		    json_error_code(&e) != json_error_null_character)
			abort();
		json_decref(args);
	}
	if (!buf_add(&h->all, p->kind == ANSWER_CALL ? p->name : p->text,
		     p->kind == ANSWER_CALL ? strlen(p->name) : p->bytes))
		abort();
	if (p->kind == ANSWER_CALL && !buf_add(&h->all, p->arguments, strlen(p->arguments)))
		abort();
}

static struct heard read_all(uint8_t format, const uint8_t *text, size_t bytes, size_t step)
{
	struct heard h = {.kind = -1};
	struct answer a = {.fn = hear, .user = &h, .thinks = format & 0x80};
	size_t f = format & 0x3F;
	a.style.harmony = f == call_formats_n + 1;
	a.style.calls = f < call_formats_n ? &call_formats[f] : NULL;
	if (format & 0xC0) {
		a.style.think_open = "<think>";
		a.style.think_close = "</think>";
	}
	for (size_t at = 0, n; at < bytes; at += n) {
		n = bytes - at < step ? bytes - at : step;
		if (answer_feed(&a, (const char *)text + at, n, NULL))
			abort();
	}
	if (answer_end(&a, NULL))
		abort();
	answer_release(&a);
	buf_release(&h.arguments);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct heard whole = read_all(data[0], data + 2, size - 2, SIZE_MAX);
	struct heard pieces = read_all(data[0], data + 2, size - 2, (size_t)data[1] % 7 + 1);
	if (whole.all.n != pieces.all.n || (whole.all.n && memcmp(whole.all.data, pieces.all.data, whole.all.n) != 0))
		abort();
	buf_release(&whole.all);
	buf_release(&pieces.all);
	return 0;
}
