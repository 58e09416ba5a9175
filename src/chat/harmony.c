/* harmony.c: answers of gpt-oss: messages with headers, on channels.
 *
 *     <|channel|>analysis<|message|>thoughts<|end|><|start|>assistant<|channel|>final<|message|>text<|return|>
 *     <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{..}<|call|>
 *
 * Source: OpenAI's description of the harmony response format. */
#include <string.h>

#include "chat/answer.h"

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

static const struct call_tokens *tokens_of(const struct answer *a)
{
	return a->style.harmony_is_token ? &a->tokens : NULL;
}

/* The earliest end of a message, or what may become one; *bytes: of the whole mark, 0 = not certain. */
static size_t message_end(const struct answer *a, size_t *bytes)
{
	size_t first = a->text.n, at;
	bool whole;
	*bytes = 0;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (!call_find_mark(ends[i], tokens_of(a), a->text.data, a->text.n, a->at, &at, &whole) || at >= first)
			continue;
		first = at;
		*bytes = whole ? strlen(ends[i]) : 0;
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

/* The name that a header's call has; *n = 0: none. */
static const char *name_in(const char *header, size_t bytes, size_t *n)
{
	const char *name = find(header, bytes, to_function);
	*n = 0;
	if (!name)
		return header;
	name += strlen(to_function);
	while (name + *n < header + bytes && name[*n] != ' ' && name[*n] != '<')
		++*n;
	return name;
}

/* False: it has not come whole. */
static bool read_header(struct answer *a, bool final)
{
	const char *header = a->text.data + a->at;
	size_t end = a->text.n, bytes;
	bool whole = false;
	if (!call_find_mark(message, tokens_of(a), a->text.data, a->text.n, a->at, &end, &whole))
		end = a->text.n;
	if (!whole && !final && a->text.n - a->at < HEADER_BYTES)
		return false;
	if (!whole) { /* no header at all: text */
		bool rest = final && header[0] == '<' && a->text.n - a->at > 1 && header[1] == '|';
		a->at = rest ? a->text.n : a->at;
		a->state = TEXT;
		return a->at < a->text.n;
	}
	size_t n = end - a->at;
	a->state = (int)kind_of(header, n);
	const char *name = name_in(header, n, &bytes);
	if (a->state == CALL && (bytes == 0 || !answer_call_begin(a, name, bytes)))
		a->state = TEXT;
	a->at = a->begin = end + strlen(message);
	return true;
}

/* More of the arguments, up to `to`; ended: all of them. What is no call is text. */
static void go_on_with_call(struct answer *a, size_t to, bool ended)
{
	answer_call_arguments(a, a->text.data + a->at, to - a->at);
	if (!ended || answer_call_end(a))
		return;
	answer_call_lost(a);
	answer_tell(a, ANSWER_TEXT, a->begin, to);
}

int answer_harmony(struct answer *a, bool final, struct kvik_err *err)
{
	while ((a->at < a->text.n || (final && a->begun)) && !a->no_memory) {
		size_t bytes, end;
		if (a->state == HEADER && !read_header(a, final))
			return 0;
		end = message_end(a, &bytes);
		bool ended = bytes > 0 || final;
		end = final && bytes == 0 ? a->text.n : end;
		if (a->state == CALL)
			go_on_with_call(a, end, ended);
		else
			answer_tell(a, a->state == THOUGHT ? ANSWER_THOUGHT : ANSWER_TEXT, a->at, end);
		a->at = end + bytes;
		if (!ended)
			break;
		a->state = HEADER;
		if (bytes == strlen(channel) && memcmp(a->text.data + end, channel, bytes) == 0)
			a->at = end; /* which belongs to the next header */
	}
	return a->no_memory ? err_set(err, KVIK_ERR_NOMEM, "no memory for a tool call") : 0;
}
