/* sp_model.c: messages are read by one function that knows a field's number, its kind on the wire and its bytes; each kind
 * of message has a function that takes what it wants of them. Memory stays within a small multiple of the file, because
 * a piece takes at least two bytes of it. */
#include "token/sp_model.h"

#include <string.h>

#include "base/mem.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
	uint32_t number;
	enum wire wire;
	uint64_t value;         /* VARINT */
	struct vocab_str bytes; /* BYTES, 64, 32 */
};

struct reading {
	struct sp_model *m;
	struct sp_piece *piece; /* being read */
	struct kvik_err *err;
};

typedef int field_fn(struct reading *r, const struct field *f);

static int damaged(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT,
		       "this is no SentencePiece model, or it was cut or damaged; fetch the file again");
}

/* False: the bytes end, or the number is longer than any. */
static bool varint(const char **at, const char *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t b = (uint8_t) * (*at)++;
		*value |= (uint64_t)(b & 0x7F) << shift;
		if (b < 0x80)
			return true;
	}
	return false;
}

static bool next(const char **at, const char *end, struct field *f)
{
	uint64_t tag, n = 0;
	if (!varint(at, end, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return false;
	*f = (struct field){.number = (uint32_t)(tag >> 3), .wire = (enum wire)(tag & 7)};
	switch (f->wire) {
	case WIRE_VARINT: return varint(at, end, &f->value);
	case WIRE_64: n = 8; break;
	case WIRE_32: n = 4; break;
	case WIRE_BYTES:
		if (!varint(at, end, &n))
			return false;
		break;
	default: return false;
	}
	if (n > (uint64_t)(end - *at))
		return false;
	f->bytes = (struct vocab_str){*at, (size_t)n};
	*at += n;
	return true;
}

static int each_field(struct reading *r, struct vocab_str message, field_fn *fn)
{
	const char *at = message.text, *end = at + message.bytes;
	struct field f;
	int rc = 0;
	while (at < end && !rc)
		rc = next(&at, end, &f) ? fn(r, &f) : damaged(r->err);
	return rc;
}

/* Of a known field: the kind on the wire must be the one of the description. */
static int set_bytes(struct reading *r, const struct field *f, struct vocab_str *to)
{
	if (f->wire != WIRE_BYTES)
		return damaged(r->err);
	*to = f->bytes;
	return 0;
}

static int set_number(struct reading *r, const struct field *f, uint64_t *to)
{
	if (f->wire != WIRE_VARINT)
		return damaged(r->err);
	*to = f->value;
	return 0;
}

static int set_bool(struct reading *r, const struct field *f, bool *to)
{
	uint64_t value = 0;
	int rc = set_number(r, f, &value);
	*to = value != 0;
	return rc;
}

/* ---- The messages ------------------------------------------------------------------------------------------------ */

static int piece_field(struct reading *r, const struct field *f)
{
	uint64_t type = 0;
	int rc = 0;
	switch (f->number) {
	case 1: return set_bytes(r, f, &r->piece->text);
	case 2:
		if (f->wire != WIRE_32)
			return damaged(r->err);
		memcpy(&r->piece->score, f->bytes.text, sizeof r->piece->score);
		return 0;
	case 3:
		rc = set_number(r, f, &type);
		if (!rc && (type < 1 || type > 6))
			rc = damaged(r->err);
		r->piece->type = (uint32_t)type;
		return rc;
	default: return 0;
	}
}

static int trainer_field(struct reading *r, const struct field *f)
{
	struct sp_model *m = r->m;
	switch (f->number) {
	case 3: return set_number(r, f, &m->kind);
	case 24: return set_bool(r, f, &m->space_suffix);
	case 35: return set_bool(r, f, &m->byte_fallback);
	case 45: return set_bytes(r, f, &m->unk);
	case 46: return set_bytes(r, f, &m->bos);
	case 47: return set_bytes(r, f, &m->eos);
	case 48: return set_bytes(r, f, &m->pad);
	default: return 0;
	}
}

static int normalizer_field(struct reading *r, const struct field *f)
{
	struct sp_model *m = r->m;
	switch (f->number) {
	case 2: return set_bytes(r, f, &m->charsmap);
	case 3: return set_bool(r, f, &m->dummy_prefix);
	case 4: return set_bool(r, f, &m->remove_extra_spaces);
	case 5: return set_bool(r, f, &m->escape_spaces);
	default: return 0;
	}
}

static int denormalizer_field(struct reading *r, const struct field *f)
{
	return f->number == 2 ? set_bytes(r, f, &r->m->denormal_charsmap) : 0;
}

static int add_piece(struct reading *r, struct vocab_str message)
{
	struct sp_model *m = r->m;
	struct sp_piece *pieces = mem_grow(m->pieces, &m->cap, m->n, sizeof *pieces);
	if (!pieces)
		return err_set(r->err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
	m->pieces = pieces;
	r->piece = &pieces[m->n++];
	*r->piece = (struct sp_piece){.text = {"", 0}, .type = 1};
	return each_field(r, message, piece_field);
}

static int model_field(struct reading *r, const struct field *f)
{
	if (f->number > 5)
		return 0;
	if (f->wire != WIRE_BYTES)
		return damaged(r->err);
	switch (f->number) {
	case 1: return add_piece(r, f->bytes);
	case 2: return each_field(r, f->bytes, trainer_field);
	case 3: return each_field(r, f->bytes, normalizer_field);
	case 5: return each_field(r, f->bytes, denormalizer_field);
	default: return 0;
	}
}

int sp_model_read(struct sp_model *m, const char *data, size_t bytes, struct kvik_err *err)
{
	struct reading r = {.m = m, .err = err};
	*m = (struct sp_model){.kind = SP_UNIGRAM,
			       .dummy_prefix = true,
			       .remove_extra_spaces = true,
			       .escape_spaces = true,
			       .bos = {"<s>", 3},
			       .eos = {"</s>", 4},
			       .pad = {"<pad>", 5},
			       .unk = {"<unk>", 5}};
	int rc = each_field(&r, (struct vocab_str){data, bytes}, model_field);
	return rc || m->n > 0 ? rc : damaged(err);
}

void sp_model_release(struct sp_model *m)
{
	mem_free(m->pieces);
	m->pieces = NULL;
}
