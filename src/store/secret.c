/* secret.c: see secret.h. Two processes may make the secret at once: each writes a file of its own and links it to the
 * name, which only one of them can. */
#include "store/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

bool secret_random(void *out, size_t n)
{
	return RAND_bytes(out, (int)n) == 1;
}

void secret_derive(const uint8_t key[32], const char *what, const void *bytes, size_t n, uint8_t out[32])
{
	/* inner key of this use, then the bytes: no text of one use equals one of another */
	uint8_t use[32];
	unsigned length = 32;
	HMAC(EVP_sha256(), key, 32, (const uint8_t *)what, strlen(what), use, &length);
	HMAC(EVP_sha256(), use, 32, bytes, n, out, &length);
	OPENSSL_cleanse(use, sizeof use);
}

struct store_key secret_tag(const struct secret *s, const char *tenant, size_t n)
{
	uint8_t mac[32];
	struct store_key tag;
	secret_derive(s->bytes, n ? "kvik scope" : "kvik public scope", n ? tenant : "", n, mac);
	memcpy(&tag, mac, sizeof tag);
	return tag;
}

static void derive_hash(struct secret *s)
{
	for (uint8_t i = 0; i < KEY_SECRET_BYTES / 32; i++)
		secret_derive(s->bytes, "kvik text keys", &i, 1, s->hash + 32 * i);
}

static int read_secret(struct secret *s, const struct store_files *f, int dir)
{
	uint32_t mode;
	uint64_t size;
	int fd = f->open(f->ctx, dir, "secret", O_RDONLY, 0);
	if (fd < 0)
		return fd;
	int rc = f->size(f->ctx, fd, &size, &mode);
	if (!rc && (size != sizeof s->bytes || (mode & 077)))
		rc = -EBADMSG;
	if (!rc && files_read_all(f, fd, s->bytes, sizeof s->bytes, 0))
		rc = -EIO;
	f->close(f->ctx, fd);
	return rc;
}

static int make_secret(const struct store_files *f, int dir)
{
	uint8_t bytes[32];
	char name[32];
	if (!secret_random(bytes, sizeof bytes))
		return -ENOSYS;
	snprintf(name, sizeof name, "secret.%ld.tmp", (long)getpid());
	f->unlink(f->ctx, dir, name);
	int fd = f->open(f->ctx, dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	int rc = files_write_all(f, fd, bytes, sizeof bytes, 0);
	if (!rc)
		rc = f->sync(f->ctx, fd);
	f->close(f->ctx, fd);
	if (!rc)
		rc = f->link(f->ctx, dir, name, "secret");
	f->unlink(f->ctx, dir, name);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return rc == -EEXIST ? 0 : rc;
}

int secret_load(struct secret *s, const struct store_files *f, int dir, bool make, struct kvik_err *err)
{
	int rc = read_secret(s, f, dir);
	if (rc == -ENOENT && make) {
		rc = make_secret(f, dir);
		if (!rc)
			rc = read_secret(s, f, dir);
	}
	if (rc == -EBADMSG)
		return err_set(
			err, KVIK_ERR_FORMAT,
			"store: the file 'secret' is to have 32 bytes and mode 0600 (chmod 600); without the one that "
			"made them, the records there are of no use");
	if (rc)
		return err_set(err, KVIK_ERR_IO, "store: the file 'secret' can be neither read nor made: %s",
			       strerror(-rc));
	derive_hash(s);
	return 0;
}
