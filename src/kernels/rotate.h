/* rotate.h: the rotation of int4 rows.  Any thread. */
#ifndef KVIK_KERNELS_ROTATE_H
#define KVIK_KERNELS_ROTATE_H

#include <math.h>
#include <stdint.h>

/* The normalised Walsh-Hadamard transform of x[n], n a power of two: spans 1, 2, 4 .., then the factor. */
static inline void rotate(float *x, uint32_t n)
{
	for (uint32_t span = 1; span < n; span *= 2)
		for (uint32_t i = 0; i < n; i += 2 * span)
			for (uint32_t k = i; k < i + span; k++) {
				float a = x[k], b = x[k + span];
				x[k] = a + b;
				x[k + span] = a - b;
			}
	float factor = 1 / sqrtf((float)n);
	for (uint32_t i = 0; i < n; i++)
		x[i] *= factor;
}

#endif
