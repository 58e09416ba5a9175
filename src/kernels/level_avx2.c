/* level_avx2.c: the kernels compiled for this CPU level. */
#include "kernels/level.h"
#include "kernels/vec_avx2.h"
/* order matters: everything below is written over the vector above */
#include "kernels/attention.h"
#include "kernels/mat_mul.h"
#include "kernels/recurrent.h"

const struct kernels kernels_avx2 = LEVEL_TABLE("avx2");
