#!/usr/bin/env python3
"""`kvik bench serve` against `kvik serve`, an engine of its own, and servers that misbehave.
tests/http/test_bench_serve.py KVIK. Standard library only."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from server import Server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
SHORT = ["--mix", "even", "--prompt", "20", "--output", "8"]


def bench(*options, status=0, env=None):
    r = subprocess.run([KVIK, "bench", "serve", "--json", *options], capture_output=True, text=True, timeout=120,
                       env={**os.environ, **(env or {})})
    assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
    if not r.stdout:
        return r.stderr
    report = json.loads(r.stdout)
    report["rows"], report["notes"] = report["sections"][0]["rows"], report["sections"][0]["notes"]
    report["latency"] = {(x["load"], x["measure"]): x for x in report["sections"][1]["rows"]}
    return report


class OurServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(KVIK, "-q")
        cls.url = f"http://127.0.0.1:{cls.server.port}"

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_open_loop(self):
        with tempfile.TemporaryDirectory() as folder:
            r = bench(self.url + "/v1", "--rate", "50", "--rate", "100", "-n", "20", *SHORT, "--prefix", "64", "--turns", "2",
                      "--slo-ttft", "60000", "--html", folder + "/x.html")
            with open(folder + "/x.html") as f:
                self.assertIn("<svg", f.read())
        for row in r["rows"]:
            self.assertEqual((row["requests"], row["ok"], row["refused"], row["failed"]), (40, 40, 0, 0))
            self.assertEqual(row["good_percent"], 100)
            self.assertGreater(row["cached_percent"], 30)  # the prefix, and the turn before
        for name in "50/s", "100/s":
            ttft, whole = r["latency"][name, "ttft"], r["latency"][name, "e2e"]
            self.assertLessEqual(ttft["p50_ms"], ttft["p90_ms"])
            self.assertLessEqual(ttft["p99_ms"], ttft["max_ms"])
            self.assertLess(ttft["max_ms"], whole["max_ms"])
        self.assertIn("kvik-mini", r["facts"]["server"])

    def test_closed_loop_and_lengths(self):
        r = bench(self.url, "--concurrency", "3", "-n", "12", *SHORT, "--api", "completions")["rows"][0]
        self.assertEqual((r["ok"], r["peak"]), (12, 3))
        self.assertAlmostEqual(r["new_tokens_per_s"] * r["seconds"], 12 * 8, delta=0.5)
        prompt = r["prompt_tokens_per_s"] * r["seconds"] / 12
        self.assertTrue(12 < prompt < 30, prompt)  # about 20

    def test_a_seed_asks_the_same(self):
        a = bench(self.url, "-n", "6", *SHORT, "--seed", "5")["rows"][0]
        b = bench(self.url, "-n", "6", *SHORT, "--seed", "5")["rows"][0]
        self.assertGreater(b["cached_percent"], a["cached_percent"] + 20)  # the server has seen it before
        self.assertLess(bench(self.url, "-n", "6", *SHORT, "--seed", "6")["rows"][0]["cached_percent"], 50)

    def test_a_full_server_refuses(self):
        server = Server(KVIK, "-q", "--queue", "1", "--seqs", "1")
        r = bench(f"http://127.0.0.1:{server.port}", "--rate", "2000", "-n", "30", "--mix", "even", "--prompt", "100", "--output",
                  "60")
        self.assertEqual(server.stop(), 0)
        row = r["rows"][0]
        self.assertGreater(row["refused"], 5)
        self.assertEqual(row["ok"] + row["refused"], 30)
        self.assertTrue(any("queue is full" in n for n in r["notes"]))

    def test_keys_and_tls(self):
        if not shutil.which("openssl"):
            self.skipTest("no openssl here")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/key.pem", "-out",
                            folder + "/cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            with open(folder + "/keys", "w") as f:
                f.write("secret-key-0123456789 tester\n")
            server = Server(KVIK, "-q", "--keys", folder + "/keys", "--tls-cert", folder + "/cert.pem", "--tls-key",
                            folder + "/key.pem")
            url, ca = f"https://localhost:{server.port}", ["--ca", folder + "/cert.pem"]
            self.assertIn("401", bench(url, "-n", "2", *SHORT, *ca, status=1, env={"KVIK_API_KEY": "wrong"}))
            key = {"THE_KEY": "secret-key-0123456789"}
            self.assertIn("self-signed", bench(url, "-n", "2", *SHORT, "--key-env", "THE_KEY", status=1, env=key))
            r = bench(url, "-n", "4", *SHORT, *ca, "--key-env", "THE_KEY", env=key)
            self.assertEqual(r["rows"][0]["ok"], 4)
            self.assertEqual(server.stop(), 0)


class Engine(unittest.TestCase):
    def test_conversations_share(self):
        r = bench("--concurrency", "4", "-n", "12", *SHORT, "--prefix", "100", "--prefixes", "2", "--turns", "3")["rows"][0]
        self.assertEqual((r["ok"], r["failed"]), (36, 0))
        self.assertGreater(r["cached_percent"], 80)

    def test_a_model_without_vocabulary(self):
        r = bench("--synthetic", "tiny:q8_0", "--rate", "100", "-n", "10", *SHORT)["rows"][0]
        self.assertEqual((r["ok"], r["failed"]), (10, 0))

    def test_duration_ends_a_closed_loop(self):
        start = time.monotonic()
        r = bench("--concurrency", "2", "--duration", "1", *SHORT)["rows"][0]
        self.assertLess(time.monotonic() - start, 30)
        self.assertGreater(r["ok"], 2)
        self.assertEqual(r["ok"], r["requests"])

    def test_interrupted(self):
        p = subprocess.Popen([KVIK, "bench", "serve", "--json", "--rate", "5", "-n", "1000", *SHORT], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        p.stderr.readline()
        time.sleep(2)
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0)
        section = json.loads(out)["sections"][0]
        self.assertGreater(section["rows"][0]["ok"], 0)
        self.assertTrue(any("not sent" in n for n in section["notes"]))

    def test_too_long_for_the_context(self):
        self.assertTrue(bench("-n", "2", "--mix", "even", "--prompt", "900", "--output", "8", "--ctx", "512", status=1)["notes"])

    def test_options_of_the_other_target(self):
        self.assertIn("unknown option", bench("--api", "chat", status=2))
        self.assertIn("unknown option", bench("http://127.0.0.1:1", "--seqs", "4", status=2))
        self.assertIn("--rate must be", bench("--rate", "x", status=2))
        self.assertIn("cannot be reached", bench("http://127.0.0.1:1", status=1))


class Odd(http.server.BaseHTTPRequestHandler):
    """Every second answer is wrong, in turns of several ways."""
    protocol_version = "HTTP/1.1"
    count = 0

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, b'{"data": [{"id": "odd"}]}')

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not body.get("stream"):
            return self.answer(200, b'{"choices": []}')  # no usage
        Odd.count += 1
        piece = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
        good = b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n' + piece + piece + b"data: [DONE]\n\n"
        way = Odd.count % 12
        if way == 1:
            return self.answer(500, b'{"error": {"message": "went wrong"}}')
        if way == 3:
            return self.answer(200, piece, "text/event-stream")  # no end
        if way == 5:
            return self.answer(200, b"data: {broken\n\ndata: [DONE]\n\n", "text/event-stream")
        if way == 7:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(piece)
            self.close_connection = True
            return None
        if way == 9:
            return self.answer(200, b'data: {"error": {"message": "in the middle"}}\n\n', "text/event-stream")
        if way == 11:
            return self.answer(429, b"{}")
        return self.answer(200, good, "text/event-stream")


class OddServers(unittest.TestCase):
    def test_failures_are_told_apart(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        r = bench(f"http://127.0.0.1:{server.server_port}", "--concurrency", "1", "-n", "24", *SHORT)
        server.shutdown()
        row, notes = r["rows"][0], "\n".join(r["notes"])
        self.assertEqual((row["ok"], row["refused"], row["failed"]), (12, 2, 10))
        for text in ("HTTP status 500: went wrong", "without [DONE]", "no JSON", "closed before the answer", "in the middle",
                     "does not tell its tokens"):
            self.assertIn(text, notes)
        self.assertEqual(r["latency"]["1 at once", "ttft"]["max_ms"] > 0, True)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
