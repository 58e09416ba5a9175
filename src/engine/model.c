/* model.c: devices, and a model with its vocabulary on one.
 *
 * Read-only once loaded; any thread. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "engine/loaded.h"
#include "engine/sized.h"
#include "engine/vocab_load.h"

/* Models below this many stored bytes are computed with f32 activations: it costs them nothing that matters. */
#define SMALL_MODEL_BYTES ((uint64_t)32 << 20)

int kvik_device_params_init(struct kvik_device_params *p)
{
	const struct kvik_device_params own = {0};
	return SIZED_WRITE(kvik_device_params, p, &own, NULL);
}

int kvik_model_params_init(struct kvik_model_params *p)
{
	const struct kvik_model_params own = {.act = KVIK_ACT_AUTO};
	return SIZED_WRITE(kvik_model_params, p, &own, NULL);
}

bool wants_int8(enum kvik_act act, const struct source *s)
{
	if (act == KVIK_ACT_AUTO)
		return weights_stored_bytes(s) >= SMALL_MODEL_BYTES;
	return act == KVIK_ACT_INT8;
}

int quantized_type(enum kvik_quantize q)
{
	switch (q) {
	case KVIK_QUANTIZE_Q8_0: return WTYPE_Q8_0;
	case KVIK_QUANTIZE_Q4_0: return WTYPE_Q4_0;
	case KVIK_QUANTIZE_NONE: break;
	}
	return -1;
}

int model_params_read(struct kvik_model_params *p, const struct kvik_model_params *given, struct kvik_err *err)
{
	*p = kvik_model_params_default();
	int rc = SIZED_READ(kvik_model_params, p, given, err);
	if (rc)
		return rc;
	if ((unsigned)p->act > KVIK_ACT_INT8)
		return err_set(err, KVIK_ERR_ARG, "act: %d is not of enum kvik_act", (int)p->act);
	if ((unsigned)p->quantize > KVIK_QUANTIZE_Q4_0)
		return err_set(err, KVIK_ERR_ARG, "quantize: %d is not of enum kvik_quantize", (int)p->quantize);
	return 0;
}

int kvik_device_new(struct kvik_device **out, const struct kvik_device_params *params, struct kvik_err *err)
{
	struct kvik_device_params p = kvik_device_params_default();
	*out = NULL;
	int rc = SIZED_READ(kvik_device_params, &p, params, err);
	if (rc)
		return rc;
	const char *level = p.cpu ? p.cpu : getenv("KVIK_CPU");
	struct kvik_device *d = mem_zalloc(1, sizeof *d);
	if (!d)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a device");
	rc = device_new(&d->d, &backend_cpu, level && *level ? level : NULL, p.threads ? p.threads : os_processors(),
			err);
	if (rc)
		kvik_device_free(d);
	else
		*out = d;
	return rc;
}

void kvik_device_free(struct kvik_device *d)
{
	if (!d)
		return;
	device_free(d->d);
	mem_free(d);
}

/* A model may have a template for chats with tools alone: better than none for the others. */
static int load_templates(struct kvik_model *m, struct kvik_err *err)
{
	int rc = chat_template_of(&m->chat_template, m->source, NULL, err);
	if (!rc)
		rc = chat_template_of(&m->tool_template, m->source, "tool_use", err);
	if (rc || m->chat_template || !m->tool_template)
		return rc;
	m->chat_template = m->tool_template;
	m->tool_template = NULL;
	return warn_add(&m->vocab.warnings, err,
			"the chat template 'tool_use' is taken for all chats: there is no 'default' one");
}

static int load(struct kvik_model *m, const char *path, const struct kvik_model_params *p, struct kvik_err *err)
{
	int rc = 0;
	if (!p->device) {
		struct kvik_device_params d = kvik_device_params_default();
		d.threads = p->threads;
		d.cpu = p->cpu;
		rc = kvik_device_new(&m->own_device, &d, err);
	}
	if (rc)
		return rc;
	m->device = p->device ? p->device->d : m->own_device->d;
	rc = open_source(&m->source, path, err);
	if (!rc)
		rc = vocab_of_source(&m->vocab.v, m->source, &m->vocab.warnings, err);
	if (!rc)
		m->vocab.n_ends = source_ends(m->source, &m->vocab.ends);
	if (!rc)
		rc = load_templates(m, err);
	if (rc)
		return rc;
	struct model_params mp = {.device = m->device,
				  .int8 = wants_int8(p->act, m->source),
				  .quantize = quantized_type(p->quantize),
				  .progress = p->progress,
				  .progress_user = p->progress_user};
	m->int8 = mp.int8;
	m->quantize = mp.quantize;
	rc = model_load(&m->model, m->source, &mp, err);
	if (!rc)
		rc = warn_of_hparams(model_hparams(m->model), source_name(m->source), &m->vocab.warnings, err);
	return rc;
}

int kvik_model_load(struct kvik_model **out, const char *path, const struct kvik_model_params *params,
		    struct kvik_err *err)
{
	struct kvik_model_params p;
	*out = NULL;
	int rc = model_params_read(&p, params, err);
	if (rc)
		return rc;
	struct kvik_model *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a model");
	vocab_init(&m->vocab);
	rc = load(m, path, &p, err);
	if (rc)
		kvik_model_free(m);
	else
		*out = m;
	return rc;
}

void kvik_model_free(struct kvik_model *m)
{
	if (!m)
		return;
	model_free(m->model);
	vocab_release(&m->vocab);
	mem_free(m->chat_template);
	mem_free(m->tool_template);
	source_free(m->source);
	kvik_device_free(m->own_device);
	mem_free(m);
}

int kvik_model_read_info(const struct kvik_model *m, struct kvik_model_info *info)
{
	struct kvik_model_info own =
		describe(model_hparams(m->model), model_weight_bytes(m->model), model_parameters(m->model));
	return SIZED_WRITE(kvik_model_info, info, &own, NULL);
}

const char *kvik_model_cpu(const struct kvik_model *m)
{
	return device_backend(m->device)->level(device_dev(m->device));
}

uint32_t kvik_model_threads(const struct kvik_model *m)
{
	return device_threads(m->device);
}

const struct kvik_vocab *kvik_model_vocab(const struct kvik_model *m)
{
	return m->vocab.v ? &m->vocab : NULL;
}

const char *kvik_model_chat_template(const struct kvik_model *m)
{
	return m->chat_template;
}

const char *kvik_model_warning(const struct kvik_model *m, size_t i)
{
	const struct warnings *of_file = source_warnings(m->source);
	return i < of_file->n ? warn_at(of_file, i) : warn_at(&m->vocab.warnings, i - of_file->n);
}

const char *kvik_model_tool_template(const struct kvik_model *m)
{
	return m->tool_template;
}

bool kvik_model_is_end(const struct kvik_model *m, uint32_t id)
{
	const uint32_t *ends;
	size_t n = source_ends(m->source, &ends);
	for (size_t i = 0; i < n; i++)
		if (ends[i] == id)
			return true;
	return m->vocab.v && vocab_is_end(m->vocab.v, id);
}

int check_ids(const struct kvik_model *m, const uint32_t *ids, size_t n, struct kvik_err *err)
{
	uint32_t n_vocab = model_hparams(m->model)->n_vocab;
	for (size_t i = 0; i < n; i++)
		if (ids[i] >= n_vocab)
			return err_set(err, KVIK_ERR_ARG, "token id %u is outside the vocabulary of %u (at place %zu)",
				       ids[i], n_vocab, i);
	return 0;
}
