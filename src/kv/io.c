/* io.c: tickets, and how they end; what leaves is spill.c, what comes in load.c, and store.h draws it.
 *
 * Tickets name pages, not nodes: a node may be split, merged or dropped while its pages are on their way.
 *
 * Invariants: 1. A page is WRITING or READING exactly while a ticket for it is out. 2. cold nodes have neither users nor
 * warm children; n_warm counts the children that are not cold. */
#include "kv/io.h"

#include "base/mem.h"

int io_init(struct tree *t, const struct kv_store *store, uint32_t tokens_max, struct kvik_err *err)
{
	struct io *io = &t->io;
	*io = (struct io){.max = store->io_max, .n_done = 1};
	if (io->max < 1 || io->max > KV_IO_MAX || !store->keep || !store->forget)
		return err_set(err, KVIK_ERR_ARG, "kv: a store has 1..%d tickets, and hears what to keep and to forget",
			       KV_IO_MAX);
	io->tickets = mem_zalloc(io->max, sizeof *io->tickets);
	io->ids = mem_zalloc(tokens_max, sizeof *io->ids);
	io->ids_max = tokens_max;
	if (!io->tickets || !io->ids)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for I/O tickets");
	for (uint32_t i = 0; i < io->max; i++)
		io->tickets[i].next = i + 1;
	io->first_new = io->last_new = io->max;
	for (uint32_t g = 0; g < t->n_groups + t->n_states; g++)
		io->node_bytes += (g < t->n_groups ? t->slot0[g + 1] - t->slot0[g] : 1) * t->pages->group[g].stride;
	return 0;
}

uint64_t io_memory(const struct tree *t)
{
	uint64_t memory = t->io.max > 0 ? t->pages->memory_bytes : 0, part = memory / IO_MEMORY_PART;
	uint64_t node = t->io.node_bytes < memory / 4 ? t->io.node_bytes : memory / 4;
	return part > node ? part : node;
}

void io_release(struct io *io)
{
	mem_free(io->tickets);
	mem_free(io->ids);
	*io = (struct io){0};
}

uint64_t io_bytes(const struct io *io)
{
	return io->max * sizeof *io->tickets + io->ids_max * sizeof *io->ids;
}

/* ---- Tickets ----------------------------------------------------------------------------------------------------- */

uint32_t io_free(const struct io *io)
{
	return io->max - io->n_out;
}

bool io_has_memory(const struct tree *t, uint64_t bytes)
{
	return t->io.bytes + bytes <= io_memory(t);
}

void io_add(struct tree *t, struct kv_io ticket)
{
	struct io *io = &t->io;
	uint32_t i = io->free;
	uint64_t bytes = t->pages->group[ticket.group].stride;
	io->bytes += bytes;
	io->bytes_leaving += ticket.write ? bytes : 0;
	io->free = io->tickets[i].next;
	io->n_out++;
	ticket.ticket = i;
	io->tickets[i] = (struct ticket){.io = ticket, .out = true, .next = io->max};
	if (io->first_new == io->max)
		io->first_new = i;
	else
		io->tickets[io->last_new].next = i;
	io->last_new = i;
}

bool kv_io_next(struct kv *kv, struct kv_io *out)
{
	struct io *io = &kv->tree.io;
	if (io->n_out == 0 || io->first_new == io->max)
		return false;
	struct ticket *t = &io->tickets[io->first_new];
	*out = t->io;
	t->taken = true;
	io->first_new = t->next;
	return true;
}

/* ---- The end of it ----------------------------------------------------------------------------------------------- */

static bool names(const struct tree *t, const struct node *n, const struct kv_io *io)
{
	if (!n->parent)
		return false;
	if (io->group >= t->n_groups)
		return node_states(t, n)[io->group - t->n_groups] == io->page;
	return io->block >= node_first(t, n, io->group) && io->block <= node_last(t, n, io->group) &&
	       n->pages[tree_slot(t, io->group, io->block)] == io->page;
}

/* The deepest node that names the page of a ticket; NULL: none does any more. Failures are rare: it looks at all. */
static struct node *find_holder(const struct tree *t, const struct kv_io *io, bool cold)
{
	struct node *deepest = NULL;
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (struct node *n = t->buckets[i]; n; n = n->chain)
			if (names(t, n, io) && (!cold || n->cold) && (!deepest || n->end > deepest->end))
				deepest = n;
	return deepest;
}

/* A branch that begins inside the block has a page of its own for it, which holds the same head. None: no branch has. */
static kv_page page_of_branch(const struct tree *t, const struct node *n, const struct kv_io *io)
{
	for (const struct node *c = n->child; c && block_of(&t->desc[io->group], n->end) == io->block; c = c->next) {
		kv_page page = c->pages[tree_slot(t, io->group, io->block)];
		if (page && page != io->page)
			return page;
	}
	return KV_PAGE_NONE;
}

/* What needs a page that is lost leaves the tree: it will be computed again. Where sequences are on a branch, that has a
 * page of its own, else theirs would not have left memory. */
static void give_up(struct tree *t, const struct kv_io *io)
{
	for (struct node *n; (n = find_holder(t, io, false));) {
		kv_page other = io->group < t->n_groups ? page_of_branch(t, n, io) : KV_PAGE_NONE;
		if (io->group >= t->n_groups) {
			tree_set_states(t, n, NULL);
		} else if (other) {
			tree_set_page(t, n, io->group, io->block, other);
		} else if (t->desc[io->group].window && !is_sink(&t->desc[io->group], io->block)) {
			tree_set_page(t, n, io->group, io->block, KV_PAGE_NONE);
			tree_judge(t, n);
		} else {
			t->tokens_lost += n->end - n->start;
			tree_drop(t, n, KV_EVICTED);
		}
	}
}

void kv_io_done(struct kv *kv, uint32_t ticket, bool ok, uint64_t place)
{
	struct tree *t = &kv->tree;
	struct io *io = &t->io;
	struct kv_io done = io->tickets[ticket].io;
	io->tickets[ticket].out = io->tickets[ticket].taken = false;
	io->tickets[ticket].next = io->free;
	io->free = ticket;
	io->n_out--;
	io->n_done++;
	io->bytes -= t->pages->group[done.group].stride;
	t->io_failed += !ok;
	if (done.write) {
		io->bytes_leaving -= t->pages->group[done.group].stride;
		bool cold = pages_written(t->pages, done.group, done.page, ok ? place : 0);
		t->pages_spilled += cold;
		for (struct node *n; !ok && (n = find_holder(t, &done, true));)
			tree_warm(t, n);
		return;
	}
	bool named = pages_info(t->pages, done.group, done.page)->refs > 0;
	pages_was_read(t->pages, done.group, done.page, ok);
	t->pages_loaded += ok;
	if (!ok && named)
		give_up(t, &done);
}
