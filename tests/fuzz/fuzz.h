/* fuzz.h: what every fuzz target defines. It returns 0 and must neither crash, leak, hang nor read what it was not
 * given; errors of the parsers are what is expected of most inputs. */
#ifndef KVIK_TESTS_FUZZ_FUZZ_H
#define KVIK_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that the sanitizer sees a view that lies elsewhere; the sum keeps the compiler from skipping
 * it. */
static inline unsigned fuzz_read(const void *p, size_t n)
{
	const uint8_t *bytes = p;
	volatile unsigned sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += bytes[i];
	return sum;
}

#endif
