/* seal.h: records that lie encrypted: AES-256-GCM (OpenSSL), with a key that the user keeps in a file.
 *
 * No nonce is ever used twice: each record has a key of its own, HMAC-SHA256(key of the file, 16 random bytes that lie in
 * its head), under which each of its parts is sealed once, the number of the part being the nonce. What is sealed is
 * bound to the record's keys and range and to what the part is, so none can stand for another. Ids are sealed too; keys
 * of texts, tags of scopes and sizes lie in the clear. Any thread. */
#ifndef KVIK_STORE_SEAL_H
#define KVIK_STORE_SEAL_H

#include "store/head.h"

struct seal {
	bool on;
	uint8_t key[32];
};

/* 32 bytes, or 64 hex digits. path NULL: off. IO, FORMAT. */
int seal_load(struct seal *s, const char *path, struct kvik_err *err) MUST_CHECK;

/* A new salt for a head that is laid out; its ids are sealed in place. false: no randomness, or no memory. */
bool seal_begin(const struct seal *s, struct head_view *v, uint8_t record_key[32]) MUST_CHECK;
/* Bytes of part i into out (as many). */
bool seal_part(const uint8_t record_key[32], struct head_view *v, uint32_t i, const void *in, void *out) MUST_CHECK;
/* The key of a record, its ids opened in place; false: it is not what this key sealed. */
bool seal_open(const struct seal *s, struct head_view *v, uint8_t record_key[32]) MUST_CHECK;
/* In place. */
bool seal_open_part(const uint8_t record_key[32], const struct head_view *v, uint32_t i, void *bytes) MUST_CHECK;

#endif
