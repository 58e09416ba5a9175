/* plan.c: what a model and a cache take, before anything is loaded. */
#include "base/os.h"
#include "engine/cache.h"
#include "engine/sized.h"

int kvik_plan_make(const struct kvik_file *f, const struct kvik_model_params *model_params,
		   const struct kvik_cache_params *params, struct kvik_plan *plan, struct kvik_err *err)
{
	struct kvik_model_params m;
	struct kvik_cache_params p;
	struct kvplan kvplan;
	struct kvik_plan own = {.page_tokens = KV_PAGE_TOKENS, .mapped_bytes = model_mapped_bytes(f->source, &f->h)};
	int rc = SIZED_CHECK(kvik_plan, plan, err);
	if (!rc)
		rc = model_params_read(&m, model_params, err);
	if (!rc)
		rc = cache_resolve(&p, params, &f->h, err);
	if (!rc)
		rc = cache_plan(&kvplan, &f->h, &p, err);
	if (rc)
		return rc;
	struct model_params mp = {.int8 = wants_int8(m.act, f->source), .quantize = quantized_type(m.quantize)};
	rc = model_measure(&own.weight_bytes, &backend_cpu, f->source, &f->h, &mp, err);
	if (rc)
		return rc;
	uint32_t threads = m.threads ? m.threads : os_processors();
	own.work_bytes = model_work_bytes(&backend_cpu, &f->h, mp.int8, threads, p.chunk, p.chunk);
	own.bytes_per_token = kvplan_token_bytes(&kvplan);
	own.bytes_per_session = cache_session_bytes(&kvplan, &p);
	own.kv_bytes = cache_bytes(&kvplan, &p);
	own.bytes_per_state = kvplan_state_bytes(&kvplan);
	own.state_every = cache_state_every(&kvplan, &p);
	own.context = p.context;
	return SIZED_WRITE(kvik_plan, plan, &own, err);
}
