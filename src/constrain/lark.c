/* lark.c: stub */
#include "constrain/grammar_read.h"
uint32_t lark_read(struct grammar *g, const char *text, size_t bytes)
{
	(void)text, (void)bytes;
	return grammar_fail(g, KVIK_ERR_UNSUPPORTED, "grammar: not yet");
}
