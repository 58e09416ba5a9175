/* make_store.c: for cache.sh: make_store FOLDER SCOPE FIRST N (SCOPE: kvik_share.scope, 0: public): a text of N records, each going on where the one before
 * ends, each of 100 ids; FIRST is its first id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

int main(int argc, char **argv)
{
	enum { IDS = 100, MAX = 1000 };
	static uint32_t ids[IDS * MAX];
	static uint8_t bytes[2][3000];
	struct store *s;
	struct kvik_err err;
	struct store_config c = {.where = argv[1], .key_file = getenv("KVIK_TEST_KEY")};
	struct store_key model = {{0xAB, 0xCD}};
	if (argc != 5 || store_open(&s, &c, &err))
		return 2;
	uint32_t n = (uint32_t)atoi(argv[4]);
	for (uint32_t i = 0; i < IDS * n; i++)
		ids[i] = (uint32_t)atoi(argv[3]) + i;
	uint64_t number = strtoull(argv[2], NULL, 0), secret[2] = {number, ~number}; /* as the engine does */
	struct store_key scope = store_scope(s, (const char *)secret, number ? sizeof secret : 0);
	struct store_part parts[2] = {{.kind = STORE_PAGES, .tokens = IDS, .bytes = 3000},
				      {.kind = STORE_WINDOW, .group = 1, .tokens = IDS, .bytes = 2000}};
	const void *data[2] = {bytes[0], bytes[1]};
	for (uint32_t i = 0; i < n && i < MAX; i++) {
		memset(bytes, (int)(i + 1), sizeof bytes);
		struct store_record r = {.fingerprint = model,
					 .scope = scope,
					 .text = store_text_key(s, model, scope, ids, IDS * (i + 1)),
					 .parent = store_text_key(s, model, scope, ids, IDS * i),
					 .start = IDS * i,
					 .end = IDS * (i + 1),
					 .ids = ids + IDS * i,
					 .parts = parts,
					 .n_parts = 2};
		struct store_done d;
		if (store_put(s, &r, data, i, &err))
			return 3;
		while (!store_next(s, &d))
			store_wait(s, 1000);
		if (d.end != STORE_OK)
			return 4;
	}
	store_close(s);
	return 0;
}
