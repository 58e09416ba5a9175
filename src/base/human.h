/* human.h: numbers as people read them. Any thread. */
#ifndef KVIK_BASE_HUMAN_H
#define KVIK_BASE_HUMAN_H

#include <stdint.h>

/* "1.5 MiB"; returns out. */
const char *human_bytes(uint64_t bytes, char out[32]);

#endif
