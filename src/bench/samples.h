/* samples.h: what is built in beside kvik-mini to judge settings of the cache by: a text, and questions whose answers
 * were told earlier. Any thread. */
#ifndef KVIK_BENCH_SAMPLES_H
#define KVIK_BENCH_SAMPLES_H

#include <stddef.h>

/* English and some Chinese stories of tools/mini/sample.py; [*bytes] of UTF-8, static, no NUL at the end. */
const char *sample_text(size_t *bytes);

/* JSON of tools/mini/eval.py --fixture, for kvik-mini alone: an array of {"distance": tokens between told and asked,
 * "prompt", "max_tokens", "answer": right when the text has it, ...}; [*bytes], static. */
const char *sample_recall(size_t *bytes);

#endif
