/* cmd_bench_trace.c: `kvik bench trace`: what the cache would have had of prompts that people asked once, by the size of
 * memory and disk; beside LRU, the optimum, and room for everything. Options and text; the rest is bench/trace_*.c. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/trace.h"
#include "cli/cmd.h"
#include "cli/common.h"

enum { ROOMS_MAX = 16 };

struct trace_opts {
	struct report_opts report;
	struct opt_texts memory, disk;
	uint32_t block, conversations, tokens, revisits;
	uint64_t token_bytes, seed;
	float prefill_rate;
	uint64_t read_rate;
};

static const struct usage usage = {
	"bench trace [OPTIONS] [FILE]",
	"Replays the prompts of a trace through the cache, with a clock and a model that only count, and tells what of "
	"them it\nwould have had for sizes of memory and disk: beside a cache that drops the least recently used "
	"block, "
	"the best that\nanybody could do who knows the future (Belady), and room for everything. No model is needed: "
	"a trace names blocks of\nprompts by hashes, one request a line, as Mooncake's do:\n\n"
	"  {\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52, \"hash_ids\": [46, 47, ...]}\n\n"
	"FILE is - for standard input. --conversations makes one up instead.",
	"  kvik bench trace conversations.jsonl\n"
	"  xz -dc conversations.jsonl.xz | kvik bench trace - --memory 3% --disk 0 --disk 20%\n"
	"  kvik bench trace --conversations 10000 --memory 512M --disk 0 --disk 64G\n"};

/* ---- Rooms --------------------------------------------------------------------------------------------------------- */

/* "3%" of all blocks, or bytes ("512M"). */
static int parse_room(const char *text, double all_bytes, uint64_t *bytes, struct kvik_err *err)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;
	if (end != text && strcmp(end, "%") == 0) {
		v *= all_bytes / 100;
	} else if (end != text && unit && end[1] == 0) {
		v = ldexp(v, 10 * ((int)(unit - units) + 1));
	} else if (end == text || *end) {
		v = NAN;
	}
	if (errno || !(v >= 0) || v > 1e18)
		return err_set(err, KVIK_ERR_ARG, "'%s' is no size: bytes (512M, 64G), or a share of all blocks (3%%)",
			       text);
	*bytes = (uint64_t)v;
	return 0;
}

struct rooms {
	uint64_t bytes[ROOMS_MAX];
	size_t n;
};

static int parse_rooms(struct rooms *r, const struct opt_texts *given, const char *const *usual, double all_bytes,
		       struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && (given->n ? i < given->n : usual[i] != NULL); i++) {
		if (i == ROOMS_MAX)
			return err_set(err, KVIK_ERR_ARG, "at most %d sizes at a time", ROOMS_MAX);
		rc = parse_room(given->n ? given->text[i] : usual[i], all_bytes, &r->bytes[r->n++], err);
	}
	return rc;
}

/* ---- Replaying ----------------------------------------------------------------------------------------------------- */

static const struct report_column columns[] = {{"memory", "memory", NULL, REPORT_BYTES},
					       {"memory_share", "of blocks", "%", 2},
					       {"disk", "disk", NULL, REPORT_BYTES},
					       {"hit", "kvik", "% of blocks", 2},
					       {"lru", "LRU", "% of blocks", 2},
					       {"optimum", "optimum", "% of blocks", 2},
					       {"tokens_hit", "kvik", "% of tokens", 2},
					       {"tokens_read", "from disk", "% of tokens", 2},
					       {"read", "read", NULL, REPORT_BYTES},
					       {"written", "written", NULL, REPORT_BYTES},
					       {"ttft_p50", "TTFT p50", "s", REPORT_DIGITS},
					       {"ttft_p95", "TTFT p95", "s", REPORT_DIGITS},
					       {"peak", "most used", NULL, REPORT_BYTES}};

static double percent(double part, double of)
{
	return of > 0 ? 100 * part / of : (double)NAN;
}

/* LRU and the optimum have the room of memory and disk together, and count from the first request on. */
static int add_row(struct report *r, const struct trace *t, const struct trace_room *room, struct kvik_err *err)
{
	struct trace_result res;
	uint64_t lru = 0, optimum = 0;
	double block_bytes = (double)t->block_tokens * room->token_bytes;
	double counted = (double)(t->n_blocks - t->requests[room->from].first); /* before it nothing can hit */
	uint64_t blocks = (uint64_t)((double)(room->memory_bytes + room->disk_bytes) / block_bytes);
	int rc = trace_replay(t, room, &res, err);
	if (!rc)
		rc = trace_hits_lru(t, blocks, &lru, err);
	if (!rc)
		rc = trace_hits_optimal(t, blocks, &optimum, err);
	if (rc)
		return rc;
	report_number(r, (double)room->memory_bytes);
	report_number(r, percent((double)room->memory_bytes / block_bytes, t->n_names));
	report_number(r, (double)room->disk_bytes);
	report_number(r, percent((double)res.blocks_hit, counted));
	report_number(r, percent((double)lru, counted));
	report_number(r, percent((double)optimum, counted));
	report_number(r, percent((double)res.tokens_hit, (double)res.tokens));
	report_number(r, percent((double)res.tokens_read, (double)res.tokens));
	report_number(r, (double)res.bytes_read);
	report_number(r, (double)res.bytes_written);
	report_number(r, res.ttft_p50);
	report_number(r, res.ttft_p95);
	report_number(r, (double)res.bytes_peak);
	if (res.refused)
		report_note(r, "%llu prompts were longer than %llu bytes of memory hold: all of them is a miss.",
			    (unsigned long long)res.refused, (unsigned long long)room->memory_bytes);
	return 0;
}

static int replay(struct report *r, const struct trace *t, const struct trace_opts *o, struct kvik_err *err)
{
	static const char *const memories[] = {"1%", "3%", "10%", "30%", NULL}, *const disks[] = {"0", NULL};
	double all_bytes = (double)t->n_names * t->block_tokens * (double)o->token_bytes;
	struct rooms memory = {.n = 0}, disk = {.n = 0};
	uint64_t all = 0;
	int rc = parse_rooms(&memory, &o->memory, memories, all_bytes, err);
	if (!rc)
		rc = parse_rooms(&disk, &o->disk, disks, all_bytes, err);
	if (!rc)
		rc = trace_hits_all(t, &all, err);
	if (rc)
		return rc;
	report_fact(r, "requests", "%zu, of %zu tokens", t->n_requests, t->n_tokens);
	report_fact(r, "blocks", "%zu of %u tokens, %u different ones", t->n_blocks, t->block_tokens, t->n_names);
	if (o->conversations)
		report_fact(r, "counted", "the requests behind the first %u, which make the conversations",
			    o->conversations);
	else
		report_fact(r, "with room for everything", "%.2f %% of the blocks hit",
			    percent((double)all, (double)t->n_blocks));
	REPORT_SECTION(r, "rooms", "What hits, by room", columns,
		       "kvik: its cache, replayed in order, one prompt at a time; LRU and optimum: blocks that cost "
		       "nothing else, in memory and disk together. TTFT is reading and computing by the rates given.");
	for (size_t i = 0; i < memory.n && !rc; i++)
		for (size_t k = 0; k < disk.n && !rc; k++) {
			const struct trace_room room = {.memory_bytes = memory.bytes[i],
							.disk_bytes = disk.bytes[k],
							.token_bytes = (uint32_t)o->token_bytes,
							.prefill_rate = (double)o->prefill_rate,
							.read_rate = (double)o->read_rate,
							.from = o->conversations};
			bench_progress("replaying", "");
			rc = add_row(r, t, &room, err);
		}
	bench_progress("", "");
	return rc;
}

static int read_trace(struct trace *t, const char *path, const struct trace_opts *o, struct kvik_err *err)
{
	bool std = path && strcmp(path, "-") == 0;
	if (o->conversations && path)
		return err_set(err, KVIK_ERR_ARG, "give either FILE or --conversations");
	if (o->conversations)
		return trace_conversations(t, o->conversations, o->tokens, o->revisits ? o->revisits : o->conversations,
					   o->seed, err);
	if (!path)
		return err_set(err, KVIK_ERR_ARG,
			       "give the FILE of a trace (- is standard input), or --conversations N");
	FILE *f = std ? stdin : fopen(path, "rbe");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
	int rc = trace_read(t, f, std ? "standard input" : path, o->block, err);
	if (!std)
		fclose(f);
	return rc;
}

static int run(int argc, char **argv)
{
	struct trace_opts o = {.block = 512,
			       .tokens = 2000,
			       .token_bytes = 64 << 10,
			       .prefill_rate = 200,
			       .read_rate = UINT64_C(1) << 30};
	struct opt_list l = {0};
	struct trace t = {0};
	struct report r;
	struct kvik_err err;
	const char *rest[1];
	int status;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Trace:"},
		{OPT_U32, 0, "block", &o.block, 1, 1 << 20, .arg = "N", .help = "Tokens of a block (default 512)."},
		{OPT_U32, 0, "conversations", &o.conversations, 1, 1 << 24, .arg = "N",
		 .help = "Instead of FILE: N conversations, each asked once, then again in random order."},
		{OPT_U32, 0, "tokens", &o.tokens, 1, 1 << 20, .arg = "N", .help = "Of each of them (default 2000)."},
		{OPT_U32, 0, "revisits", &o.revisits, 1, 1 << 26, .arg = "N",
		 .help = "How often any is asked again (default: as often as there are conversations)."},
		{OPT_U64, 0, "seed", &o.seed, .arg = "N", .help = "Of the random order (default 0)."},
		{OPT_HEADING, .help = "Cache:"},
		{OPT_TEXTS, 0, "memory", &o.memory, .arg = "SIZE",
		 .help = "Bytes (8G), or a share of the trace's blocks (3%); may be given several times (default 1%, "
			 "3%, "
			 "10%, 30%)."},
		{OPT_TEXTS, 0, "disk", &o.disk, .arg = "SIZE",
		 .help = "The same of a disk below it (default 0: none)."},
		{OPT_SIZE, 0, "token-bytes", &o.token_bytes, 4, 1 << 26, .arg = "SIZE",
		 .help = "Keys and values of a token, a multiple of 4 (default 64K: Llama 3 8B in int8; see kvik "
			 "plan)."},
		{OPT_FLOAT, 0, "prefill", &o.prefill_rate, 0.001, 1e9, .arg = "N",
		 .help = "Tokens computed a second (default 200)."},
		{OPT_SIZE, 0, "disk-rate", &o.read_rate, 1, 1e15, .arg = "SIZE",
		 .help = "Bytes read from the disk a second (default 1G)."}};
	OPT_LIST_ADD(&l, opts);
	add_report_opts(&l, &o.report);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	int rc = o.token_bytes % 4 ? err_set(&err, KVIK_ERR_ARG, "--token-bytes: not a multiple of 4") : 0;
	if (!rc)
		rc = report_check(&o.report, &err);
	if (!rc)
		rc = read_trace(&t, n > 0 ? rest[0] : NULL, &o, &err);
	report_init(&r, "bench trace", "What the cache would have had of a trace");
	if (!rc)
		rc = replay(&r, &t, &o, &err);
	if (!rc)
		rc = report_finish(&r, &o.report, &err);
	report_release(&r);
	trace_free(&t);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd bench_trace = {"trace", "what the cache would have had of a trace, by memory and disk", run};
