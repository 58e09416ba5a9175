/* sched_rank.c: the one order of the residents: who gets memory first, and who must give it back.
 *
 *	protected ones  <  tenants that got less (in steps of fair_quantum)  <  earlier virtual arrival  <  number
 *
 * Virtual arrival = arrival - priority * priority_us: the order never changes while two sequences wait, and a low
 * priority can only be overtaken by what arrives within a known time after it. The array is sorted once per step and is
 * nearly sorted already: insertion sort. */
#include "sched/sched_impl.h"

#include <string.h>

static bool before(const struct sched *s, const struct sched_seq *a, const struct sched_seq *b)
{
	if (is_protected(s, a) != is_protected(s, b))
		return is_protected(s, a);
	if (a->level != b->level)
		return a->level < b->level;
	if (a->req->virtual_us != b->req->virtual_us)
		return a->req->virtual_us < b->req->virtual_us;
	if (a->req->number != b->req->number)
		return a->req->number < b->req->number;
	return a < b; /* two answers of one request */
}

/* resident[0..n) is sorted; q goes to its place among them. */
static void insert_sorted(const struct sched *s, uint32_t n, struct sched_seq *q)
{
	while (n > 0 && before(s, q, s->resident[n - 1])) {
		s->resident[n] = s->resident[n - 1];
		n--;
	}
	s->resident[n] = q;
}

void rank_residents(struct sched *s)
{
	for (uint32_t i = 0; i < s->n_resident; i++)
		s->resident[i]->level = fair_level(s, tenant_of(s, s->resident[i]));
	for (uint32_t i = 1; i < s->n_resident; i++)
		insert_sorted(s, i, s->resident[i]);
}

void rank_insert(struct sched *s, struct sched_seq *q)
{
	q->level = fair_level(s, tenant_of(s, q));
	tenant_of(s, q)->n_resident++;
	insert_sorted(s, s->n_resident, q);
	s->n_resident++;
}

/* Those that hold nothing have nothing to give. */
static bool holds_memory(const struct sched_seq *q)
{
	return q->computed > 0 || q->step_tokens > 0;
}

struct sched_seq *rank_victim(const struct sched *s, const struct sched_seq *q)
{
	for (uint32_t i = s->n_resident; i-- > 0 && s->resident[i] != q;)
		if (!is_protected(s, s->resident[i]) && holds_memory(s->resident[i]))
			return s->resident[i];
	return NULL;
}

bool rank_displaces(const struct sched *s, const struct sched_seq *q, const struct sched_seq *v,
		    enum sched_preempt_cause *cause)
{
	if (is_protected(s, v) || v->admitted_step == s->step)
		return false;
	bool share = fair_ahead(s, tenant_of(s, v), tenant_of(s, q));
	bool priority = v->req->tenant == q->req->tenant && v->req->priority < q->req->priority &&
			v->req->virtual_us > q->req->virtual_us;
	*cause = share ? SCHED_FOR_SHARE : priority ? SCHED_FOR_PRIORITY : SCHED_FOR_MEMORY;
	return share || priority || is_protected(s, q);
}
