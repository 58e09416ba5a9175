/* embedded.c: kvik-mini, the model that is built in: the bytes of models/kvik-mini.gguf, as the assembler includes
 * them. KVIK_MINI_PATH comes from the build. */
#include "engine/embedded.h"

__asm__(".section .rodata\n"
	".balign 64\n"
	".global kvik_mini_begin\n.hidden kvik_mini_begin\n"
	".global kvik_mini_end\n.hidden kvik_mini_end\n"
	"kvik_mini_begin:\n"
	".incbin \"" KVIK_MINI_PATH "\"\n"
	"kvik_mini_end:\n"
	".previous\n");

extern const uint8_t kvik_mini_begin[], kvik_mini_end[];

const uint8_t *embedded_model(size_t *bytes)
{
	*bytes = (size_t)(kvik_mini_end - kvik_mini_begin);
	return kvik_mini_begin;
}
