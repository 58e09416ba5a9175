/* keys_unread.h: what becomes of the fields that no architecture asked for; part of keys.c's work, for nobody else. */
#ifndef KVIK_FORMAT_KEYS_UNREAD_H
#define KVIK_FORMAT_KEYS_UNREAD_H

#include "format/keys.h"

/* As keys_finish; an error is recorded in k. */
void keys_check_unread(struct keys *k, char *unknown, size_t unknown_bytes);

#endif
