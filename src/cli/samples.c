/* samples.c: models/kvik-mini-sample.txt and models/kvik-mini-recall.json, as the assembler includes them.
 * KVIK_MODELS_DIR comes from the build. */
#include "cli/samples.h"

#define EMBED(name, file)                                                       \
	__asm__(".section .rodata\n"                                            \
		".global " name "_begin\n.hidden " name "_begin\n"              \
		".global " name "_end\n.hidden " name "_end\n" name "_begin:\n" \
		".incbin \"" KVIK_MODELS_DIR "/" file "\"\n" name "_end:\n"     \
		".previous\n")

EMBED("kvik_sample", "kvik-mini-sample.txt");
EMBED("kvik_recall", "kvik-mini-recall.json");

extern const char kvik_sample_begin[], kvik_sample_end[], kvik_recall_begin[], kvik_recall_end[];

const char *sample_text(size_t *bytes)
{
	*bytes = (size_t)(kvik_sample_end - kvik_sample_begin);
	return kvik_sample_begin;
}

const char *sample_recall(size_t *bytes)
{
	*bytes = (size_t)(kvik_recall_end - kvik_recall_begin);
	return kvik_recall_begin;
}
