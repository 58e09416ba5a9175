/* sized.c: see sized.h. Any thread.
 *
 *     a caller's struct:  [ size | what 0.2.0 had (least) | what came since | what only a newer header has ]
 *                         0                                                 bytes                       size
 */
#include "engine/sized.h"

#include <string.h>

/* Beyond this a size is no size but what happened to lie there. */
enum { SIZE_MAX_SANE = 65536 };

static uint32_t size_of(const void *s)
{
	uint32_t size;
	memcpy(&size, s, sizeof size);
	return size;
}

int sized_check(const void *out, size_t least, const char *name, struct kvik_err *err)
{
	uint32_t size = size_of(out);
	if (size >= least && size <= SIZE_MAX_SANE)
		return 0;
	return err_set(err, KVIK_ERR_ARG, "%s: its size is %u, and must be sizeof(%s): set it before the call", name,
		       size, name);
}

int sized_read(void *own, size_t bytes, size_t least, const void *given, const char *name, struct kvik_err *err)
{
	if (!given)
		return 0;
	int rc = sized_check(given, least, name, err);
	if (rc)
		return rc;
	uint32_t size = size_of(given), own_size = (uint32_t)bytes;
	const unsigned char *from = given;
	for (size_t i = bytes; i < size; i++)
		if (from[i])
			return err_set(err, KVIK_ERR_ARG,
				       "%s: a member is set that libkvik %s does not know: it needs a newer one", name,
				       kvik_version());
	memcpy(own, given, size < bytes ? size : bytes);
	memcpy(own, &own_size, sizeof own_size);
	return 0;
}

int sized_write(void *out, const void *own, size_t bytes, size_t least, const char *name, struct kvik_err *err)
{
	int rc = sized_check(out, least, name, err);
	if (rc)
		return rc;
	uint32_t size = size_of(out);
	size_t known = size < bytes ? size : bytes;
	memcpy(out, own, known);
	memset((char *)out + known, 0, size - known);
	memcpy(out, &size, sizeof size);
	return 0;
}
