/* npy.h: writes a matrix of float32 as a NumPy file, row by row, so that it never has to be in memory whole. */
#ifndef KVIK_CLI_NPY_H
#define KVIK_CLI_NPY_H

#include <stdio.h>

#include "base/err.h"

/* The header of a C-ordered little-endian float32 array [rows, cols], format version 1.0 (NEP 1); the data follow. */
int npy_write_header(FILE *f, uint64_t rows, uint64_t cols, struct kvik_err *err) MUST_CHECK;

#endif
