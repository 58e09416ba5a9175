/* charsmap.c: a unit of the trie holds, by bits, the label (0-7, and 31 for a value), whether a value hangs below (8),
 * whether the offset is shifted (9) and the offset (10-30). Every index is checked: the map comes from outside. */
#include "token/charsmap.h"

#include <string.h>

#include "base/mem.h"

void charsmap_release(struct charsmap *m)
{
	mem_free(m->units);
	mem_free(m->texts);
	*m = (struct charsmap){0};
}

int charsmap_open(struct charsmap *m, const uint8_t *data, size_t bytes, struct kvik_err *err)
{
	uint32_t trie_bytes;
	*m = (struct charsmap){0};
	if (bytes == 0)
		return 0;
	if (bytes < sizeof trie_bytes)
		return err_set(err, KVIK_ERR_FORMAT, "the precompiled charsmap is cut short");
	memcpy(&trie_bytes, data, sizeof trie_bytes);
	bytes -= sizeof trie_bytes;
	if (trie_bytes > bytes || trie_bytes % 4 != 0)
		return err_set(err, KVIK_ERR_FORMAT, "the precompiled charsmap is cut short");
	m->n_units = trie_bytes / 4;
	m->texts_bytes = bytes - trie_bytes;
	m->units = mem_zalloc(m->n_units, sizeof *m->units);
	m->texts = mem_strndup((const char *)data + sizeof trie_bytes + trie_bytes, m->texts_bytes);
	if (!m->units || !m->texts) {
		charsmap_release(m);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a charsmap");
	}
	memcpy(m->units, data + sizeof trie_bytes, trie_bytes);
	return 0;
}

static uint32_t unit(const struct charsmap *m, size_t i)
{
	return i < m->n_units ? m->units[i] : 0;
}

static uint32_t offset(uint32_t u)
{
	return (u >> 10) << ((u & 1u << 9) >> 6);
}

const char *charsmap_find(const struct charsmap *m, const char *text, size_t bytes, bool longest, size_t *taken)
{
	const char *found = NULL;
	size_t node = offset(unit(m, 0));
	for (size_t i = 0; i < bytes && text[i] && m->n_units > 0; i++) {
		uint8_t c = (uint8_t)text[i];
		node ^= c;
		uint32_t u = unit(m, node);
		if ((u & (1u << 31 | 0xFF)) != c)
			break;
		node ^= offset(u);
		size_t at = unit(m, node) & ~(1u << 31);
		if (u >> 8 & 1 && at < m->texts_bytes) {
			found = m->texts + at;
			*taken = i + 1;
			if (!longest)
				break;
		}
	}
	return found;
}
