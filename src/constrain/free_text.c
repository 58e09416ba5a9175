/* free_text.c: see free_text.h. A state is 1 + how far a character is + CHARACTER_STATES * (node of the automaton + nodes * characters
 * so far). */
#include "constrain/free_text.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* How far a character is: how many bytes must still come, and for the second byte of some first bytes the range it is held to. */
enum character { BETWEEN, ONE, TWO, THREE, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4, CHARACTER_STATES, BAD = 255 };

struct node {
	uint32_t next[256]; /* where each byte leads: goto and failure in one */
	uint32_t fail;
	bool found;
};

struct free_text {
	struct node *nodes; /* [n] */
	uint32_t n, characters_max;
};

static uint8_t character_step(uint8_t at, uint8_t b)
{
	static const uint8_t first[] = {[AFTER_E0] = 0xE0, [AFTER_ED] = 0xED, [AFTER_F0] = 0xF0, [AFTER_F4] = 0xF4};
	if (at == BETWEEN)
		switch (b) {
		case 0xE0: return AFTER_E0;
		case 0xED: return AFTER_ED;
		case 0xF0: return AFTER_F0;
		case 0xF4: return AFTER_F4;
		default: return utf8_expected(b) ? (uint8_t)(utf8_expected(b) - 1) : BAD;
		}
	if (at >= AFTER_E0)
		return !utf8_continues(first[at], 1, b) ? BAD : at <= AFTER_ED ? ONE : TWO;
	return b >= 0x80 && b < 0xC0 ? at - 1 : BAD;
}

/* ---- Making it --------------------------------------------------------------------------------------------------- */

static void add_string(struct free_text *t, const struct free_text_string *s)
{
	uint32_t at = 0;
	for (size_t i = 0; i < s->n; i++) {
		uint32_t *next = &t->nodes[at].next[(uint8_t)s->bytes[i]];
		if (!*next)
			*next = t->n++;
		at = *next;
	}
	t->nodes[at].found = true;
}

/* From the root outwards: where a string breaks off, the longest end of what was read that begins a string goes on. */
static void link_failures(struct free_text *t, uint32_t *queue)
{
	uint32_t head = 0, tail = 0;
	queue[tail++] = 0;
	while (head < tail) {
		struct node *u = &t->nodes[queue[head]];
		bool root = queue[head++] == 0;
		u->found = u->found || t->nodes[u->fail].found;
		for (unsigned b = 0; b < 256; b++) {
			uint32_t elsewhere = root ? 0 : t->nodes[u->fail].next[b];
			if (u->next[b]) {
				t->nodes[u->next[b]].fail = elsewhere;
				queue[tail++] = u->next[b];
			} else {
				u->next[b] = elsewhere;
			}
		}
	}
}

int free_text_new(struct free_text **out, const struct free_text_string *without, size_t n, uint32_t characters_max,
		  struct kvik_err *err)
{
	size_t bytes = 0;
	*out = NULL;
	for (size_t i = 0; i < n; i++) {
		if (without[i].n == 0)
			return err_set(err, KVIK_ERR_ARG, "free text: an empty string occurs in every text");
		bytes += without[i].n;
	}
	if (bytes > FREE_TEXT_BYTES_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "free text: the strings in it have %zu bytes; up to %d are taken",
			       bytes, FREE_TEXT_BYTES_MAX);
	if (characters_max != UINT32_MAX && characters_max >= UINT32_MAX / (CHARACTER_STATES * ((uint32_t)bytes + 1)))
		return err_set(err, KVIK_ERR_LIMIT, "free text: %u characters are more than can be counted",
			       characters_max);
	struct free_text *t = mem_zalloc(1, sizeof *t);
	uint32_t *queue = mem_zalloc(bytes + 1, sizeof *queue);
	if (t)
		t->nodes = mem_zalloc(bytes + 1, sizeof *t->nodes);
	if (!t || !queue || !t->nodes) {
		mem_free(queue);
		free_text_free(t);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	}
	t->n = 1;
	t->characters_max = characters_max;
	for (size_t i = 0; i < n; i++)
		add_string(t, &without[i]);
	link_failures(t, queue);
	mem_free(queue);
	*out = t;
	return 0;
}

void free_text_free(struct free_text *t)
{
	if (!t)
		return;
	mem_free(t->nodes);
	mem_free(t);
}

/* ---- Using it ---------------------------------------------------------------------------------------------------- */

uint32_t free_text_start(const struct free_text *t)
{
	(void)t;
	return 1;
}

uint32_t free_text_step(const struct free_text *t, uint32_t state, uint8_t byte)
{
	uint32_t at = (state - 1) % CHARACTER_STATES, rest = (state - 1) / CHARACTER_STATES, node = rest % t->n,
		 characters = rest / t->n;
	uint8_t next = character_step((uint8_t)at, byte);
	if (at == BETWEEN && t->characters_max != UINT32_MAX && characters++ >= t->characters_max)
		return 0;
	node = t->nodes[node].next[byte];
	if (next == BAD || t->nodes[node].found)
		return 0;
	return 1 + next + CHARACTER_STATES * (node + t->n * characters);
}

bool free_text_accepts(const struct free_text *t, uint32_t state)
{
	(void)t;
	return (state - 1) % CHARACTER_STATES == BETWEEN;
}
