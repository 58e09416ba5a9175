#!/usr/bin/env python3
"""/metrics as Prometheus reads it, and the log, against `kvik serve` with the built-in model.

tests/http/test_metrics.py KVIK. Standard library only; where prometheus_client is installed its parser reads the text
as well."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
HISTOGRAMS = {
    "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:request_time_per_output_token_seconds",
    "vllm:e2e_request_latency_seconds", "vllm:request_queue_time_seconds", "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds", "vllm:request_prompt_tokens", "vllm:request_generation_tokens",
    "vllm:request_prefill_kv_computed_tokens", "vllm:request_params_n"}
OTHERS = {
    "vllm:num_requests_running": "gauge", "vllm:num_requests_waiting": "gauge", "vllm:kv_cache_usage_perc": "gauge",
    "vllm:prefix_cache_queries_total": "counter", "vllm:prefix_cache_hits_total": "counter",
    "vllm:num_preemptions_total": "counter", "vllm:prompt_tokens_total": "counter", "vllm:generation_tokens_total": "counter",
    "vllm:request_success_total": "counter", "kvik_steps_total": "counter", "kvik_kv_bytes_used": "gauge",
    "process_resident_memory_bytes": "gauge", "process_open_fds": "gauge", "kvik_http_connections": "gauge"}
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def parse(text):
    """The text format 0.0.4, strictly: {name: (type, [(sample, labels, value)])}."""
    families, name = {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in families, name
            families[name] = [None, []]
        elif line.startswith("# TYPE "):
            _, _, of, kind = line.split(" ")
            assert of == name and not families[name][1], line
            families[name][0] = kind
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            of = re.sub(r"_(bucket|sum|count)$", "", m[1]) if families[name][0] == "histogram" else m[1]
            assert of == name, line
            labels = dict(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', m[2] or ""))
            families[name][1].append((m[1], labels, float(m[3])))
    return families


class Metrics(unittest.TestCase):
    def setUp(self):
        self.server = server.Server(KVIK, "--alias", 'mini "quoted" \\ back')

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def complete(self, **options):
        status, answer, headers = self.server.ask(
            "POST", "/v1/completions", {"prompt": "Once upon a time", "max_tokens": 20, "temperature": 0, "ignore_eos": True, **options})
        self.assertEqual(status, 200)
        return answer, headers

    def families(self):
        text = self.server.ask("GET", "/metrics")[1]
        if text_string_to_metric_families:
            self.assertGreater(len(list(text_string_to_metric_families(text))), 30)
        return parse(text)

    def histogram(self, families, name):
        kind, samples = families[name]
        self.assertEqual(kind, "histogram", name)
        buckets = [(s[1]["le"], s[2]) for s in samples if s[0].endswith("_bucket")]
        counts, bounds = [b[1] for b in buckets], [float(b[0]) for b in buckets]
        total = next(s[2] for s in samples if s[0].endswith("_sum"))
        n = next(s[2] for s in samples if s[0].endswith("_count"))
        self.assertEqual(buckets[-1], ("+Inf", n), name)
        self.assertEqual((counts, bounds), (sorted(counts), sorted(set(bounds))), name)
        return n, total

    def test_format_and_values(self):
        before = self.families()
        for name, kind in OTHERS.items():
            self.assertEqual(before[name][0], kind, name)
        for name in HISTOGRAMS:
            self.assertEqual(self.histogram(before, name), (0, 0), name)
        usage = [self.complete()[0]["usage"] for _ in range(3)] + [self.complete(n=2, temperature=1)[0]["usage"]]
        after = self.families()
        value = lambda name: after[name][1][0][2]
        self.assertEqual(value("vllm:kv_cache_usage_perc"), 0)  # idle, though prefixes are cached
        self.assertGreater(value("kvik_kv_bytes_cached"), 0)
        self.assertEqual(value("kvik_kv_bytes_used"), sum(value(f"kvik_kv_bytes_{k}") for k in ("live", "cached", "tables")))
        for _, labels, _ in after["vllm:num_requests_running"][1]:
            self.assertEqual(labels["model_name"], 'mini \\"quoted\\" \\\\ back')
        get = lambda name: self.histogram(after, name)
        self.assertEqual(get("vllm:request_prompt_tokens"), (4, sum(u["prompt_tokens"] for u in usage)))
        self.assertEqual(get("vllm:request_generation_tokens"), (4, sum(u["completion_tokens"] for u in usage)))
        self.assertEqual(get("vllm:request_prefill_kv_computed_tokens"),
                         (4, sum(u["prompt_tokens"] - u["prompt_tokens_details"]["cached_tokens"] for u in usage)))
        self.assertEqual(get("vllm:request_params_n"), (4, 5))
        self.assertEqual(get("vllm:inter_token_latency_seconds")[0], 5 * 19)
        self.assertEqual(get("vllm:time_to_first_token_seconds")[0], 4)
        whole, queue = get("vllm:e2e_request_latency_seconds")[1], get("vllm:request_queue_time_seconds")[1]
        parts = queue + get("vllm:request_prefill_time_seconds")[1] + get("vllm:request_decode_time_seconds")[1]
        self.assertGreater(parts, 0)
        self.assertLessEqual(parts, whole + 1e-3)  # a busy machine may stop the engine between its last token and the end
        ends = {s[1]["finished_reason"]: s[2] for s in after["vllm:request_success_total"][1]}
        self.assertEqual(ends, {"stop": 0, "length": 5, "abort": 0, "error": 0})
        self.assertGreater(after["vllm:prefix_cache_hits_total"][1][0][2], 0)
        self.assertEqual(after["vllm:generation_tokens_total"][1][0][2], sum(u["completion_tokens"] for u in usage))

    def test_log(self):
        _, headers = self.complete()
        _, named = self.server.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 3}, {"X-Request-Id": "mine-17"})[1:]
        _, refused = self.server.ask("GET", "/none", None, {"X-Request-Id": "bad\"one"})[1:]
        self.assertEqual(named["X-Request-Id"], "mine-17")
        self.assertNotIn('"', refused["X-Request-Id"])
        self.assertEqual(self.server.stop(), 0)
        log = self.server.log()
        first = next(x for x in log if x.get("id") == headers["X-Request-Id"])
        self.assertEqual((first["status"], first["path"], first["new_tokens"]), (200, "/v1/completions", 20))
        self.assertLessEqual(first["queue_ms"], first["first_token_ms"])
        self.assertEqual(next(x for x in log if x.get("id") == "mine-17")["new_tokens"], 3)
        self.assertEqual(next(x for x in log if x.get("path") == "/none")["status"], 404)
        self.assertEqual(next(x for x in log if "event" in x)["event"], "shutdown")
        self.setUp()


if __name__ == "__main__":
    unittest.main()
