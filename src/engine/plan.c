/* plan.c: what a model and a cache take, before anything is loaded. */
#include "base/os.h"
#include "engine/cache.h"

int kvik_plan_make(const struct kvik_file *f, const struct kvik_model_params *model_params,
		   const struct kvik_cache_params *params, struct kvik_plan *plan, struct kvik_err *err)
{
	struct kvik_model_params m = model_params ? *model_params : kvik_model_params_default();
	struct kvik_cache_params p = params ? *params : kvik_cache_params_default();
	struct kvplan kvplan;
	struct model_params mp = {.int8 = wants_int8(m.act, f->source), .quantize = quantized_type(m.quantize)};
	*plan = (struct kvik_plan){.page_tokens = KV_PAGE_TOKENS, .mapped_bytes = model_mapped_bytes(f->source, &f->h)};
	int rc = model_params_check(&m, err);
	if (!rc)
		rc = cache_resolve(&p, &f->h, err);
	if (!rc)
		rc = cache_plan(&kvplan, &f->h, &p, err);
	if (!rc)
		rc = model_measure(&plan->weight_bytes, &backend_cpu, f->source, &f->h, &mp, err);
	if (rc)
		return rc;
	uint32_t threads = m.threads ? m.threads : os_processors();
	plan->work_bytes = model_work_bytes(&backend_cpu, &f->h, mp.int8, threads, p.chunk, p.chunk);
	plan->bytes_per_token = kvplan_token_bytes(&kvplan);
	plan->bytes_per_session = kvplan_seq_bytes(&kvplan, p.context, p.chunk);
	plan->kv_bytes = cache_bytes(&kvplan, &p);
	plan->context = p.context;
	return 0;
}
