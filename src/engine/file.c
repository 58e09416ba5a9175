/* file.c: a model on disk, looked at without loading its weights. Read-only once open; any thread. */
#include <string.h>

#include "base/mem.h"
#include "engine/embedded.h"
#include "engine/loaded.h"
#include "engine/sized.h"
#include "model/synthetic.h"

static const char synthetic[] = "synthetic:";

int open_source(struct source **out, const char *path, struct kvik_err *err)
{
	*out = NULL;
	if (!path) {
		size_t bytes;
		const uint8_t *data = embedded_model(&bytes);
		return source_open_memory(out, data, bytes, "kvik-mini (built in)", err);
	}
	if (strncmp(path, synthetic, sizeof synthetic - 1) == 0)
		return synthetic_open(out, path + sizeof synthetic - 1, 0, err);
	return source_open(out, path, err);
}

static uint32_t smallest_window(const struct hparams *h)
{
	uint32_t least = 0;
	for (uint32_t i = 0; i < h->n_layers; i++)
		if (h->layers[i].attention.window && (least == 0 || h->layers[i].attention.window < least))
			least = h->layers[i].attention.window;
	return least;
}

/* The layer whose heads stand for all: the first one that has any. */
static const struct layer_spec *first_attention(const struct hparams *h)
{
	uint32_t i = 0;
	while (i + 1 < h->n_layers && h->layers[i].mixer != MIXER_ATTENTION)
		i++;
	return &h->layers[i];
}

struct kvik_model_info describe(const struct hparams *h, uint64_t weight_bytes, uint64_t parameters)
{
	const struct layer_spec *l = first_attention(h);
	uint32_t states = 0;
	for (uint32_t i = 0; i < h->n_layers; i++)
		states += mixer_keeps_state(h->layers[i].mixer);
	return (struct kvik_model_info){.architecture = h->arch->name,
					.layers = h->n_layers,
					.dim = h->dim,
					.ffn_dim = l->ffn.dim,
					.heads = l->attention.heads,
					.kv_heads = l->attention.kv_heads,
					.head_dim = l->attention.head_dim,
					.vocab_size = h->n_vocab,
					.context = h->context,
					.window = smallest_window(h),
					.state_layers = states,
					.weight_bytes = weight_bytes,
					.parameters = parameters,
					.tied = h->tied};
}

int warn_of_hparams(const struct hparams *h, const char *name, struct warnings *w, struct kvik_err *err)
{
	int rc = 0;
	if (*h->unknown)
		rc = warn_add(w, err, "%s: fields of its configuration that kvik does not know are left aside: %s",
			      name, h->unknown);
	if (!rc && h->other_parts)
		rc = warn_add(w, err,
			      "%s: the language part of a model that also sees or hears; its other parts (%u tensors) "
			      "are left aside",
			      name, h->other_parts);
	if (!rc && h->draft_parts)
		rc = warn_add(w, err,
			      "%s: has blocks that guess further tokens (MTP), which kvik does not use yet; their %u "
			      "tensors are left aside",
			      name, h->draft_parts);
	if (!rc && h->untied)
		rc = warn_add(
			w, err,
			"%s: tie_word_embeddings is true, but there is an lm_head that differs from the embedding; "
			"it is used",
			name);
	return rc;
}

int kvik_file_open(struct kvik_file **out, const char *path, struct kvik_err *err)
{
	*out = NULL;
	struct kvik_file *f = mem_zalloc(1, sizeof *f);
	if (!f)
		return err_set(err, KVIK_ERR_NOMEM, "no memory");
	int rc = open_source(&f->source, path, err);
	if (!rc)
		rc = arch_hparams(f->source, &f->h, err);
	if (!rc)
		rc = warn_of_hparams(&f->h, source_name(f->source), &f->warnings, err);
	if (rc)
		kvik_file_close(f);
	else
		*out = f;
	return rc;
}

void kvik_file_close(struct kvik_file *f)
{
	if (!f)
		return;
	source_free(f->source);
	warnings_release(&f->warnings);
	mem_free(f);
}

int kvik_file_read_info(const struct kvik_file *f, struct kvik_model_info *info)
{
	struct kvik_model_info own = describe(&f->h, weights_stored_bytes(f->source), weights_parameters(f->source));
	return SIZED_WRITE(kvik_model_info, info, &own, NULL);
}

const char *kvik_file_warning(const struct kvik_file *f, size_t i)
{
	const struct warnings *of_source = source_warnings(f->source);
	return i < of_source->n ? warn_at(of_source, i) : warn_at(&f->warnings, i - of_source->n);
}

size_t kvik_file_tensors(const struct kvik_file *f)
{
	return source_count(f->source);
}

int kvik_file_read_tensor(const struct kvik_file *f, size_t i, struct kvik_tensor_info *info)
{
	if (i >= source_count(f->source))
		return KVIK_ERR_ARG;
	const struct source_tensor *t = source_at(f->source, i);
	struct kvik_tensor_info own = {
		.name = t->name, .type = wtype_name(t->type), .n_dims = t->n_dims, .bytes = t->bytes};
	memcpy(own.dims, t->dims, sizeof own.dims);
	return SIZED_WRITE(kvik_tensor_info, info, &own, NULL);
}
