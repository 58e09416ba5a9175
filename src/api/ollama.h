/* ollama.h: what Ollama's paths share. */
#ifndef KVIK_API_OLLAMA_H
#define KVIK_API_OLLAMA_H

#include <jansson.h>
#include <stdint.h>

/* Seconds since 1970 as "2026-11-28T07:00:00Z"; a new reference. */
json_t *ollama_time(int64_t seconds);

#endif
