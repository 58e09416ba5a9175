/* sched_fair.c: shares of tenants by virtual token counters (Sheng et al., Fairness in Serving Large Language Models,
 * arXiv 2401.00588).
 *
 * A tenant's counter is the charge of what it was served, over its weight. The next sequence admitted is one of the
 * tenant whose counter is lowest among those that wait. A tenant that had nothing waiting starts no lower than the
 * others that wait: nobody saves up for a burst. The prompt is charged at admission, since from then on the work is
 * decided; what is never computed of it (found in the cache after all, cancelled, preempted) is given back.
 *
 * Invariants (sched_check proves 1 and 2):
 *  1. A tenant is in the heap exactly while its queue is not empty, under its counter.
 *  2. owed is not more than the prompt tokens that are not computed yet; only residents are owed.
 *  3. Served = the sum of charges - what is owed.
 */
#include "sched/sched_impl.h"

static struct sched_tenant *lowest(const struct sched *s)
{
	return s->fair.top ? SCHED_KEYED(sched_key_top(&s->fair), struct sched_tenant, in_fair) : NULL;
}

void fair_enter(struct sched *s, struct sched_tenant *t)
{
	const struct sched_tenant *base = lowest(s) ? lowest(s) : s->left;
	if (base && base->counter > t->counter)
		t->counter = base->counter;
	sched_key_push(&s->fair, &t->in_fair, t->counter, s->numbers++);
}

void fair_leave(struct sched *s, struct sched_tenant *t)
{
	heap_remove(&s->fair, &t->in_fair.link);
	s->left = t;
}

/* Takes the charge of what will be served; negative gives it back. */
static void fair_charge(struct sched *s, struct sched_tenant *t, int64_t charge)
{
	if (charge == 0)
		return;
	t->counter += charge * SHARE_SCALE / (int64_t)t->weight;
	if (t->n_waiting > 0) {
		uint64_t order = t->in_fair.order;
		heap_remove(&s->fair, &t->in_fair.link);
		sched_key_push(&s->fair, &t->in_fair, t->counter, order);
	}
}

void fair_owe(struct sched *s, struct sched_seq *q, uint32_t from)
{
	if (from < q->high)
		from = q->high;
	q->owed = from < q->req->n_prompt ? q->req->n_prompt - from : 0;
	tenant_of(s, q)->owed += q->owed;
	fair_charge(s, tenant_of(s, q), (int64_t)q->owed * SCHED_CHARGE_PREFILL);
}

uint32_t fair_serve(struct sched *s, struct sched_seq *q, uint32_t n)
{
	struct sched_tenant *t = tenant_of(s, q);
	uint32_t begin = q->computed > q->high ? q->computed : q->high, end = q->computed + n;
	if (end > q->req->n_prompt)
		end = q->req->n_prompt;
	if (begin >= end)
		return 0;
	uint32_t first = end - begin, paid = first < q->owed ? first : q->owed;
	q->owed -= paid;
	t->owed -= paid;
	fair_charge(s, t, (int64_t)(first - paid) * SCHED_CHARGE_PREFILL);
	t->served += (uint64_t)first * SCHED_CHARGE_PREFILL;
	return first;
}

void fair_serve_decode(struct sched *s, struct sched_seq *q, uint32_t n)
{
	fair_charge(s, tenant_of(s, q), (int64_t)n * SCHED_CHARGE_DECODE);
	tenant_of(s, q)->served += (uint64_t)n * SCHED_CHARGE_DECODE;
}

void fair_settle(struct sched *s, struct sched_seq *q)
{
	fair_charge(s, tenant_of(s, q), -(int64_t)q->owed * SCHED_CHARGE_PREFILL);
	tenant_of(s, q)->owed -= q->owed;
	q->owed = 0;
}

/* What t was served, as its counter counts: what it is owed makes nobody give way. */
static int64_t virtual_served(const struct sched_tenant *t)
{
	return t->counter - (int64_t)t->owed * SCHED_CHARGE_PREFILL * SHARE_SCALE / (int64_t)t->weight;
}

int64_t fair_level(const struct sched *s, const struct sched_tenant *t)
{
	return virtual_served(t) / ((int64_t)s->config.fair_quantum * SHARE_SCALE);
}

bool fair_ahead(const struct sched *s, const struct sched_tenant *a, const struct sched_tenant *b)
{
	return virtual_served(a) - virtual_served(b) > (int64_t)s->config.fair_quantum * SHARE_SCALE;
}

bool fair_slot(const struct sched *s, const struct sched_tenant *t)
{
	uint32_t slots = s->config.step_seqs_max;
	bool keep_one = s->config.tenants_max > 1 && slots >= 4 && t->n_resident > 0;
	return s->n_resident < slots - keep_one;
}

void sched_set_weight(struct sched *s, uint32_t tenant, uint32_t weight)
{
	if (tenant < s->config.tenants_max)
		s->tenants[tenant].weight = weight < 1 ? 1 : weight > 1000 ? 1000 : weight;
}

uint64_t sched_served(const struct sched *s, uint32_t tenant)
{
	return tenant < s->config.tenants_max ? s->tenants[tenant].served : 0;
}

uint64_t sched_fair_bound(const struct sched *s, uint32_t prompt_max, uint32_t new_max, uint32_t weight_min)
{
	uint64_t prompt = (uint64_t)prompt_max * SCHED_CHARGE_PREFILL, new = (uint64_t)new_max *SCHED_CHARGE_DECODE;
	return 2 * s->config.step_seqs_max * (2 * prompt + new) / (weight_min ? weight_min : 1);
}
