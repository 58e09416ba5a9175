/* list.h: a list through members `prev` and `next` of what is in it; `first` (an lvalue) is its first item, NULL: empty.
 *
 *   first -> [ c ] <-> [ b ] <-> [ a ]       the last one pushed comes first
 *
 * Whoever owns the list owns the members; what is in no list may hold anything there. Arguments are evaluated more than
 * once. */
#ifndef KVIK_BASE_LIST_H
#define KVIK_BASE_LIST_H

#include <stddef.h>

#define LIST_PUSH(first, item)                       \
	do {                                         \
		(item)->prev = NULL;                 \
		(item)->next = (first);              \
		if ((item)->next)                    \
			(item)->next->prev = (item); \
		(first) = (item);                    \
	} while (0)

/* The item keeps its members, so that a loop may go on from it. */
#define LIST_REMOVE(first, item)                           \
	do {                                               \
		if ((item)->prev)                          \
			(item)->prev->next = (item)->next; \
		else                                       \
			(first) = (item)->next;            \
		if ((item)->next)                          \
			(item)->next->prev = (item)->prev; \
	} while (0)

#endif
