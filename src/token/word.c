/* word.c: a word by whichever model the vocabulary has; WordPiece and whole words, which need no file of their own. Any
 * thread. */
#include "base/utf8.h"
#include "token/vocab_impl.h"

void word_work_release(struct word_work *w)
{
	merger_release(&w->m);
	buf_release(&w->text);
}

static int add_unk(const struct vocab *v, struct sink *out)
{
	return v->unk >= 0 ? sink_add(out, (uint32_t)v->unk) : 0;
}

/* The longest token that begins a text; node: of the trie, where to begin. *taken: its bytes. -1 = none. */
static int32_t longest(const struct vocab *v, uint32_t node, const char *text, size_t bytes, size_t *taken)
{
	int32_t id = -1;
	for (size_t i = 0; i < bytes; i++) {
		const struct trie_edge *e = trie_step(&v->pieces, node, (uint8_t)text[i]);
		if (!e)
			break;
		node = e->to;
		bool character_ends = i + 1 == bytes || !utf8_is_inner(text[i + 1]);
		if (e->value >= 0 && character_ends) {
			id = e->value;
			*taken = i + 1;
		}
	}
	return id;
}

/* The node after a text; *found is false where no token begins so. */
static uint32_t node_after(const struct vocab *v, const char *text, bool *found)
{
	uint32_t node = 0;
	*found = true;
	for (; *text && *found; text++) {
		const struct trie_edge *e = trie_step(&v->pieces, node, (uint8_t)*text);
		*found = e != NULL;
		node = e ? e->to : 0;
	}
	return node;
}

/* Greedy, longest token first; a word that cannot be covered is unk as a whole. Tokens inside a word carry v->prefix
 * ("##"); in GGUF's form they carry none, and those that begin a word carry U+2581. */
int wordpiece_word(const struct vocab *v, const char *word, size_t bytes, struct sink *out)
{
	bool first_found, later_found;
	uint32_t first = node_after(v, v->prefix ? "" : "\xE2\x96\x81", &first_found);
	uint32_t later = node_after(v, v->prefix ? v->prefix : "", &later_found);
	size_t begun = out->ids.n, taken = 0;
	bool covered = utf8_count(word, bytes) <= v->word_chars_max;
	int rc = 0;
	for (size_t at = 0; at < bytes && covered && !rc; at += taken) {
		bool found = at == 0 ? first_found : later_found;
		int32_t id = found ? longest(v, at == 0 ? first : later, word + at, bytes - at, &taken) : -1;
		covered = id >= 0;
		if (covered)
			rc = sink_add(out, (uint32_t)id);
	}
	if (rc || covered)
		return rc;
	out->ids.n = begun;
	return add_unk(v, out);
}

int word_encode(const struct vocab *v, struct word_work *w, const char *word, size_t bytes, struct sink *out)
{
	int64_t id;
	switch (v->model) {
	case WORD_BPE: return bpe_word(v, w, word, bytes, out);
	case WORD_UNIGRAM: return unigram_word(v, word, bytes, out);
	case WORD_PIECE: return wordpiece_word(v, word, bytes, out);
	case WORD_LEVEL: break;
	}
	id = vocab_own(v, word, bytes);
	return id >= 0 ? sink_add(out, (uint32_t)id) : add_unk(v, out);
}
