/* file.h: a whole file mapped read-only.  Owner: whoever called file_map; any thread may read. */
#ifndef KVIK_BASE_FILE_H
#define KVIK_BASE_FILE_H

#include "base/err.h"

struct file_map {
	const uint8_t *data; /* NULL for an empty file */
	size_t size;         /* bytes */
};

int file_map(struct file_map *m, const char *path, struct kvik_err *err) MUST_CHECK;
void file_unmap(struct file_map *m);

bool file_exists(const char *path); /* a file or a folder */
/* dir/name, dir being [dir_bytes]; freed by the caller with mem_free. NULL: no memory. */
char *file_join(const char *dir, size_t dir_bytes, const char *name);

#endif
