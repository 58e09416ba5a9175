/* level_avx512.c: the kernels compiled for this CPU level. */
#include "kernels/level.h"
#include "kernels/vec_avx512.h"
/* order matters: everything below is written over the vector above */
#include "kernels/attention.h"
#include "kernels/mat_mul.h"
#include "kernels/recurrent.h"

const struct kernels kernels_avx512 = LEVEL_TABLE("avx512");
