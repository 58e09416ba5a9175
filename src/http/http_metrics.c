/* http_metrics.c: see http_metrics.h. The process' figures have the names that Prometheus' own libraries give them. */
#include "http/http_metrics.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/os.h"

static double cpu_seconds(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

bool http_metrics_print(const struct http_figures *f, struct buf *out)
{
	enum { TEXT_BYTES = 4096 };
	if (!buf_reserve(out, TEXT_BYTES))
		return false;
	int n = snprintf(
		out->data + out->n, TEXT_BYTES,
		"# HELP kvik_http_responses_total Answers by status.\n# TYPE kvik_http_responses_total counter\n"
		"kvik_http_responses_total{code=\"2xx\"} %llu\nkvik_http_responses_total{code=\"4xx\"} %llu\n"
		"kvik_http_responses_total{code=\"5xx\"} %llu\n"
		"# HELP kvik_http_active Answers being made.\n# TYPE kvik_http_active gauge\nkvik_http_active %u\n"
		"# HELP kvik_http_connections Open connections.\n# TYPE kvik_http_connections gauge\n"
		"kvik_http_connections %u\n"
		"# HELP kvik_http_connections_cut_total Connections closed for what their clients did: too slow, too "
		"much, not read.\n"
		"# TYPE kvik_http_connections_cut_total counter\nkvik_http_connections_cut_total %llu\n"
		"# HELP kvik_http_waiting Requests that no thread has looked at yet.\n# TYPE kvik_http_waiting gauge\n"
		"kvik_http_waiting %u\n"
		"# HELP kvik_http_held_bytes Bytes that requests and answers hold, of --request-memory.\n"
		"# TYPE kvik_http_held_bytes gauge\nkvik_http_held_bytes %llu\n"
		"# HELP kvik_http_held_bytes_peak The most they ever held.\n# TYPE kvik_http_held_bytes_peak gauge\n"
		"kvik_http_held_bytes_peak %llu\n"
		"# HELP process_resident_memory_bytes Memory of the process.\n"
		"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
		"# HELP process_open_fds Files and sockets that are open.\n"
		"# TYPE process_open_fds gauge\nprocess_open_fds %u\n"
		"# HELP process_cpu_seconds_total Time on processors.\n"
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n",
		(unsigned long long)f->statuses[2], (unsigned long long)f->statuses[4],
		(unsigned long long)f->statuses[5], f->active, f->connections, (unsigned long long)f->connections_cut,
		f->waiting, (unsigned long long)f->held, (unsigned long long)f->held_peak,
		(unsigned long long)os_memory_resident(), os_files_open(), cpu_seconds());
	out->n += (size_t)n;
	return true;
}
