/* hf_config.h: config.json of a Hugging Face folder -> struct hparams. Reads the fields as transformers 4 and 5 write
 * them (rope_scaling or rope_parameters, layer_types or max_window_layers); what is absent has the default that the
 * configuration class of transformers gives it. Any thread. */
#ifndef KVIK_FORMAT_HF_CONFIG_H
#define KVIK_FORMAT_HF_CONFIG_H

#include "format/hparams.h"

/* json: [bytes]; name: of the file, for error texts. has_output: the checkpoint has an lm_head apart from the
 * embedding. Not yet checked by hparams_check. Errors: FORMAT, UNSUPPORTED, NOMEM. */
int hf_config(const char *json, size_t bytes, const char *name, bool has_output, struct hparams *h,
	      struct kvik_err *err) MUST_CHECK;

/* eos_token_id (a number, a list or null) of config.json or generation_config.json: writes at most max ids and their
 * number. A negative id can never be drawn and is left out. Errors: FORMAT, LIMIT (more than max). */
int hf_config_ends(const char *json, size_t bytes, const char *name, uint32_t *ids, size_t max, size_t *n,
		   struct kvik_err *err) MUST_CHECK;

#endif
