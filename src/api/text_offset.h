/* text_offset.h: where in a text each of its tokens begins, in characters, as `text_offset` of OpenAI's logprobs tells
 * it. A token that begins inside a character begins where the character does; one that is not in the text (a begin
 * token, an end token that is not shown) takes no room. Any thread. */
#ifndef KVIK_API_TEXT_OFFSET_H
#define KVIK_API_TEXT_OFFSET_H

#include "api/call.h"

/* Zeroed, with text and bytes: at its beginning. */
struct text_place {
	const char *text; /* [bytes] as far as it is known; borrowed, and may be set anew as it grows */
	size_t bytes;
	bool whole;      /* no more of it will come: what is behind its end is not in it */
	size_t at;       /* bytes before the next token */
	size_t chars;    /* whole characters before it, and those before the text */
	unsigned needed; /* bytes that the character at hand still wants */
};

/* The place of the next token of the text, which is then behind it. */
size_t text_place_pass(struct text_place *p, const struct api_call *c, uint32_t id);

size_t text_characters(const char *text, size_t bytes);

#endif
