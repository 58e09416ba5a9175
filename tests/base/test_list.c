/* test_list.c: a list against an array that says what should be in it, over random pushes and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

enum { ITEMS = 7, STEPS = 20000 };

struct item {
	struct item *prev, *next;
};

static void agrees_with_an_array(void **state)
{
	(void)state;
	struct item items[ITEMS], *first = NULL, *order[ITEMS]; /* order: the first of the list at its end */
	size_t n = 0;
	uint32_t random = 1;
	memset(items, 0x55, sizeof items); /* members of what is in no list may hold anything */
	for (int step = 0; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		struct item *i = &items[(random >> 16) % ITEMS];
		size_t at = 0;
		while (at < n && order[at] != i)
			at++;
		if (at == n) {
			LIST_PUSH(first, i);
			order[n++] = i;
		} else {
			LIST_REMOVE(first, i);
			memmove(&order[at], &order[at + 1], (--n - at) * sizeof *order);
		}
		const struct item *before = NULL, *is = first;
		for (size_t k = n; k-- > 0; before = is, is = is->next)
			assert_true(is == order[k] && is->prev == before);
		assert_null(is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_an_array)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
