/* embedded.h: the model that is built in.  Any thread. */
#ifndef KVIK_ENGINE_EMBEDDED_H
#define KVIK_ENGINE_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

/* A GGUF file in memory, for ever. */
const uint8_t *embedded_model(size_t *bytes);

#endif
