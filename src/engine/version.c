/* version.c: which kvik this is. */
#include <kvik.h>

const char *kvik_version(void)
{
	return KVIK_VERSION;
}
