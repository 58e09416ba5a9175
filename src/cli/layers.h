/* layers.h: lists of layers in an option, and the dtypes of a cache in words. */
#ifndef KVIK_CLI_LAYERS_H
#define KVIK_CLI_LAYERS_H

#include <kvik.h>

#include "base/err.h"

/* "0,3-5,first:2,last:2" into p->exempt and n_exempt. ARG. */
int parse_exempt(const char *text, struct kvik_cache_params *p, struct kvik_err *err) MUST_CHECK;

#define DTYPES_TEXT_BYTES 256
/* "int8/int8", or with exempt layers "int8/int8 (f16/f16 in layers 0-1,last:2)". */
const char *dtypes_text(const struct kvik_cache_params *p, char out[DTYPES_TEXT_BYTES]);

#endif
