/* bytemap.h: the printable characters that stand for bytes in byte-level BPE. Source: the encoder published with
 * "Language Models are Unsupervised Multitask Learners" (GPT-2). Any thread. */
#ifndef KVIK_TOKEN_BYTEMAP_H
#define KVIK_TOKEN_BYTEMAP_H

#include "base/buf.h"

/* Bytes as their characters, appended to out; false: no memory. */
bool bytemap_add(const char *bytes, size_t n, struct buf *out);
uint32_t bytemap_char(uint8_t byte); /* below 0x144 */
int bytemap_byte(uint32_t c);        /* the byte a character stands for, or -1 */

#endif
