/* harmony.c: answers of gpt-oss: messages with headers, on channels.
 *
 *     <|channel|>analysis<|message|>thoughts<|end|><|start|>assistant<|channel|>final<|message|>text<|return|>
 *     <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{..}<|call|>
 *
 * Source: OpenAI's description of the harmony response format. */
#include <string.h>

#include "base/mem.h"
#include "chat/answer.h"
#include "chat/json_read.h"

enum state { HEADER, THOUGHT, TEXT, CALL };
enum { HEADER_BYTES = 1024 };

static const char message[] = "<|message|>", to_function[] = "to=functions.", channel[] = "<|channel|>";
static const char *const ends[] = {"<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>"};

bool answer_harmony_thinks(const struct answer *a)
{
	return a->state == THOUGHT;
}

static const char *find(const char *text, size_t n, const char *what)
{
	return memmem(text, n, what, strlen(what));
}

/* The earliest end of a message, or what may become one; *bytes: of the whole mark, 0 = not certain. */
static size_t message_end(const struct answer *a, size_t *bytes)
{
	size_t first = a->text.n;
	*bytes = 0;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t n = strlen(ends[i]), left = a->text.n - a->at;
		const char *at = find(a->text.data + a->at, left, ends[i]);
		if (at && (size_t)(at - a->text.data) < first) {
			first = (size_t)(at - a->text.data);
			*bytes = n;
		}
		for (size_t k = n - 1 < left ? n - 1 : left; !at && k > 0; k--) {
			size_t place = a->text.n - k;
			if (place < first && memcmp(a->text.data + place, ends[i], k) == 0) {
				first = place;
				*bytes = 0;
			}
		}
	}
	return first;
}

/* Which kind of message a header announces. */
static enum state kind_of(const char *header, size_t n)
{
	if (find(header, n, to_function))
		return CALL;
	const char *name = find(header, n, channel);
	size_t left = name ? n - (size_t)(name - header) - strlen(channel) : 0;
	bool thought = left >= 8 && memcmp(name + strlen(channel), "analysis", 8) == 0;
	return thought ? THOUGHT : TEXT;
}

/* False: it has not come whole. */
static bool read_header(struct answer *a, bool final)
{
	const char *header = a->text.data + a->at, *end = find(header, a->text.n - a->at, message);
	if (!end && !final && a->text.n - a->at < HEADER_BYTES)
		return false;
	if (!end) { /* no header at all: text */
		bool rest = final && header[0] == '<' && a->text.n - a->at > 1 && header[1] == '|';
		a->at = rest ? a->text.n : a->at;
		a->state = TEXT;
		return a->at < a->text.n;
	}
	a->begin = a->at;
	a->state = (int)kind_of(header, (size_t)(end - header));
	a->at += (size_t)(end - header) + strlen(message);
	return true;
}

/* The call whose header begins at `begin` and whose arguments are [at, to). What is no call is text. */
static int tell_call(struct answer *a, size_t to, struct kvik_err *err)
{
	const char *header = a->text.data + a->begin;
	const char *name = find(header, a->at - a->begin, to_function);
	size_t from = name ? (size_t)(name - header) + strlen(to_function) : 0, n = 0;
	while (name && from + n < a->at - a->begin && header[from + n] != ' ' && header[from + n] != '<')
		n++;
	json_t *args = json_read(a->text.data + a->at, to - a->at, JSON_ALLOW_NUL, NULL);
	bool ok = json_is_object(args) && n > 0 && n <= CALL_NAME_BYTES && a->n_calls < CALLS_MAX;
	json_decref(args);
	if (!ok) {
		answer_tell(a, ANSWER_TEXT, a->at, to);
		return 0;
	}
	char *copy = mem_strndup(header + from, n), *text = mem_strndup(a->text.data + a->at, to - a->at);
	if (copy && text)
		answer_tell_call(a, copy, text);
	ok = copy && text;
	mem_free(copy);
	mem_free(text);
	return ok ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a tool call");
}

int answer_harmony(struct answer *a, bool final, struct kvik_err *err)
{
	int rc = 0;
	while (!rc && a->at < a->text.n) {
		size_t bytes, end;
		if (a->state == HEADER && !read_header(a, final))
			return 0;
		end = message_end(a, &bytes);
		bool ended = bytes > 0 || final;
		end = final && bytes == 0 ? a->text.n : end;
		if (a->state == CALL && !ended)
			return 0;
		if (a->state == CALL)
			rc = tell_call(a, end, err);
		else
			answer_tell(a, a->state == THOUGHT ? ANSWER_THOUGHT : ANSWER_TEXT, a->at, end);
		a->at = end + bytes;
		if (!ended)
			return rc;
		a->state = HEADER;
		if (bytes == strlen(channel) && memcmp(a->text.data + end, channel, bytes) == 0)
			a->at = end; /* which belongs to the next header */
	}
	return rc;
}
