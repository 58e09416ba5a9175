/* synthetic.c: see synthetic.h. */
#include "model/synthetic.h"

#include "base/mem.h"
#include "model/arch.h"

static int describe(struct source *s, struct hparams *h, struct kvik_err *err)
{
	struct keys *k = mem_zalloc(1, sizeof *k);
	if (!k)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", source_name(s));
	int rc = keys_open(k, s, err);
	if (!rc)
		rc = arch_read(k, h);
	mem_free(k);
	return rc ? rc : weights_describe(s, h, err);
}

int synthetic_open(struct source **out, const char *spec, uint64_t seed, struct kvik_err *err)
{
	struct hparams *h = mem_zalloc(1, sizeof *h);
	struct source *s = NULL;
	*out = NULL;
	int rc = h ? source_begin_synthetic(&s, spec, seed, err) : err_set(err, KVIK_ERR_NOMEM, "%s: no memory", spec);
	if (!rc)
		rc = describe(s, h, err);
	if (!rc)
		rc = source_end_synthetic(s, err);
	mem_free(h);
	if (rc)
		source_free(s);
	else
		*out = s;
	return rc;
}
