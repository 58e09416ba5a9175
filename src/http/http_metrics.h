/* http_metrics.h: figures of the server itself, beside those of the api: answers by status, connections, the process.
 * Prometheus' text format. Owner: the event loop. */
#ifndef KVIK_HTTP_METRICS_H
#define KVIK_HTTP_METRICS_H

#include "base/buf.h"
#include "base/err.h"

struct http_figures {
	uint64_t statuses[6];         /* answers by hundreds */
	uint64_t connections_cut;     /* closed because their client was too slow */
	uint32_t connections, active; /* open now; answers being made */
	uint32_t waiting;             /* requests that no thread has looked at yet */
	uint64_t held, held_peak;     /* bytes of requests and answers */
};

/* False: no memory. */
bool http_metrics_print(const struct http_figures *f, struct buf *out) MUST_CHECK;

#endif
