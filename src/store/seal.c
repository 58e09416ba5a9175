/* seal.c: see seal.h. */
#include "store/seal.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "store/secret.h"

enum { IDS = 0xFFFF }; /* the number of the ids among the parts */

static int hex_digit(uint8_t c)
{
	return isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hex(const uint8_t *text, size_t n, uint8_t key[32])
{
	while (n > 0 && isspace(text[n - 1]))
		n--;
	if (n != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(16 * high + low);
	}
	return true;
}

int seal_load(struct seal *s, const char *path, struct kvik_err *err)
{
	*s = (struct seal){.on = path != NULL};
	if (!path)
		return 0;
	struct stat st;
	struct file_map m;
	int rc = file_map(&m, path, err);
	if (rc)
		return rc;
	if (m.size == 32)
		memcpy(s->key, m.data, 32);
	else if (!read_hex(m.data, m.size, s->key))
		rc = err_set(err, KVIK_ERR_FORMAT,
			     "%s: a key has 32 bytes or 64 hex digits: make one with `openssl rand -hex 32`", path);
	file_unmap(&m);
	if (!rc && stat(path, &st) == 0 && (st.st_mode & 077))
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: others may read this key: chmod 600", path);
	return rc;
}

/* What a part is bound to. */
struct bound {
	struct store_key fingerprint, scope, text, parent;
	uint32_t start, end;
	struct store_part part;
};

static bool crypt_bytes(const uint8_t key[32], const struct head_view *v, uint32_t number, bool seals, const void *in,
			void *out, size_t n, uint8_t tag[16])
{
	uint8_t nonce[12] = {(uint8_t)number, (uint8_t)(number >> 8)};
	const struct head_fixed *f = v->fixed;
	struct bound bound = {f->fingerprint, f->scope, f->text, f->parent, f->start, f->end, {0}};
	if (number != IDS)
		bound.part = v->parts[number].part;
	int got;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, seals) == 1 &&
		  EVP_CipherUpdate(c, NULL, &got, (const uint8_t *)&bound, sizeof bound) == 1 &&
		  EVP_CipherUpdate(c, out, &got, in, (int)n) == 1 &&
		  (seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, tag) == 1) &&
		  EVP_CipherFinal_ex(c, (uint8_t *)out + n, &got) == 1 &&
		  (!seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag) == 1);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static void record_key_of(const struct seal *s, const struct head_view *v, uint8_t key[32])
{
	secret_derive(s->key, "kvik record", v->fixed->salt, sizeof v->fixed->salt, key);
}

static size_t ids_bytes(const struct head_view *v)
{
	return (v->fixed->end - v->fixed->start) * sizeof *v->ids;
}

bool seal_begin(const struct seal *s, struct head_view *v, uint8_t record_key[32])
{
	if (!secret_random(v->fixed->salt, sizeof v->fixed->salt))
		return false;
	v->fixed->flags |= HEAD_SEALED;
	record_key_of(s, v, record_key);
	return crypt_bytes(record_key, v, IDS, true, v->ids, v->ids, ids_bytes(v), v->fixed->ids_tag);
}

bool seal_part(const uint8_t record_key[32], struct head_view *v, uint32_t i, const void *in, void *out)
{
	return crypt_bytes(record_key, v, i, true, in, out, v->parts[i].part.bytes, v->parts[i].tag);
}

bool seal_open(const struct seal *s, struct head_view *v, uint8_t record_key[32])
{
	if (!s->on)
		return false;
	record_key_of(s, v, record_key);
	return crypt_bytes(record_key, v, IDS, false, v->ids, v->ids, ids_bytes(v), v->fixed->ids_tag);
}

bool seal_open_part(const uint8_t record_key[32], const struct head_view *v, uint32_t i, void *bytes)
{
	uint8_t tag[16];
	memcpy(tag, v->parts[i].tag, sizeof tag);
	return crypt_bytes(record_key, v, i, false, bytes, bytes, v->parts[i].part.bytes, tag);
}
