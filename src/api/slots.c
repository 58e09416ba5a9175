/* slots.c: see slots.h. */
#include "api/slots.h"

#include "base/mem.h"

void slots_init(struct slots *s, uint32_t n)
{
	*s = (struct slots){.n = n};
	pthread_mutex_init(&s->lock, NULL);
}

void slots_release(struct slots *s)
{
	for (uint32_t i = 0; s->of && i < s->n; i++)
		ids_release(&s->of[i].text);
	mem_free(s->of);
	pthread_mutex_destroy(&s->lock);
}

/* Under the lock. NULL: there is none. */
static struct slot *find(struct slots *s, uint64_t scope, uint32_t id)
{
	for (uint32_t i = 0; s->of && i < s->n; i++)
		if (s->of[i].used && s->of[i].scope == scope && s->of[i].id == id)
			return &s->of[i];
	return NULL;
}

static struct slot *oldest(struct slots *s)
{
	struct slot *o = s->of;
	for (uint32_t i = 1; s->of && i < s->n; i++)
		o = s->of[i].used < o->used ? &s->of[i] : o;
	return o;
}

void slots_keep(struct slots *s, uint64_t scope, uint32_t id, struct ids *text)
{
	pthread_mutex_lock(&s->lock);
	if (s->n > 0 && !s->of)
		s->of = mem_zalloc(s->n, sizeof *s->of);
	struct slot *slot = find(s, scope, id);
	slot = slot ? slot : oldest(s);
	if (slot) {
		ids_release(&slot->text);
		*slot = (struct slot){.scope = scope, .id = id, .used = ++s->clock, .text = *text};
		*text = (struct ids){0};
	}
	pthread_mutex_unlock(&s->lock);
}

bool slots_find(struct slots *s, uint64_t scope, uint32_t id, struct ids *text)
{
	pthread_mutex_lock(&s->lock);
	const struct slot *slot = find(s, scope, id);
	*text = (struct ids){0};
	bool found = slot && slot->text.n > 0 && ids_append(text, slot->text.data, slot->text.n);
	pthread_mutex_unlock(&s->lock);
	return found;
}

size_t slots_forget(struct slots *s, uint64_t scope, uint32_t id)
{
	pthread_mutex_lock(&s->lock);
	struct slot *slot = find(s, scope, id);
	size_t n = slot ? slot->text.n : 0;
	if (slot) {
		ids_release(&slot->text);
		slot->used = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}
