#!/usr/bin/env python3
"""What operators do to `kvik serve`: keys and their reload, graceful shutdown, TLS.

tests/http/test_operations.py KVIK. Standard library only."""
import concurrent.futures
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"


def Server(*options):
    return server.Server(KVIK, *options)


class Operations(unittest.TestCase):
    def test_keys_limits_and_reload(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
            f.write("# tenants\nsecret-one alice\nsecret-two bob 2\n")
            f.flush()
            s = Server("--keys", f.name)
            try:
                ok = {"Authorization": "Bearer secret-one"}
                body = {"prompt": "Once upon a time, there was a small fox", "max_tokens": 2, "temperature": 0}
                self.assertEqual(s.ask("POST", "/v1/completions", body)[0], 401)
                self.assertEqual(s.ask("POST", "/v1/completions", body, {"Authorization": "Bearer secret-on"})[0], 401)
                self.assertEqual(s.ask("GET", "/health")[0], 200)
                self.assertEqual(s.ask("GET", "/v1/models", None, {"x-api-key": "secret-one"})[0], 200)
                self.assertEqual(s.ask("GET", "/v1/models", None, {"x-api-key": "secret-on"})[0], 401)
                self.assertEqual(s.ask("POST", "/v1/completions", body, ok)[0], 200)
                hit = s.ask("POST", "/v1/completions", body, ok)[1]["usage"]["prompt_tokens_details"]["cached_tokens"]
                self.assertGreater(hit, 0)
                bob = {"Authorization": "Bearer secret-two"}
                status, answer, _ = s.ask("POST", "/v1/completions", body, bob)
                self.assertEqual((status, answer["usage"]["prompt_tokens_details"]["cached_tokens"]), (200, 0))  # not alice's
                self.assertEqual(s.ask("POST", "/v1/completions", body, bob)[0], 200)
                status, _, headers = s.ask("POST", "/v1/completions", body, bob)
                self.assertEqual(status, 429)
                self.assertGreater(int(headers["Retry-After"]), 0)
                f.write("secret-three carol\n")
                f.flush()
                s.process.send_signal(signal.SIGHUP)
                time.sleep(0.5)
                self.assertEqual(s.ask("POST", "/v1/completions", body, {"Authorization": "Bearer secret-three"})[0], 200)
            finally:
                s.stop()

    def test_a_key_sees_its_own_figures_alone(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
            f.write("key-of-alice alice\nkey-of-bob bob\nkey-of-carol carol\n")
            f.flush()
            s = Server("--keys", f.name, "--operator", "carol")
            ask = {n: {"Authorization": f"Bearer key-of-{n}"} for n in ("alice", "bob", "carol")}
            body = {"prompt": "Once upon a time", "max_tokens": 5, "ignore_eos": True}
            self.assertEqual(s.ask("POST", "/v1/completions", body, ask["alice"])[0], 200)
            with s.socket() as c:
                c.sendall(server.post({**body, "max_tokens": 1900, "n": 4, "temperature": 1}, headers="x-api-key: key-of-alice\r\n"))
                self.assertTrue(server.eventually(lambda: s.ask("GET", "/slots", None, ask["carol"])[1][0]["running"] == 4))
                slots = {n: s.ask("GET", "/slots", None, ask[n])[1] for n in ask}
                text = {n: s.ask("GET", "/metrics", None, ask[n])[1] for n in ask}
            busy = {n: sum(x["is_processing"] for x in slots[n]) for n in ask}
            self.assertEqual(busy, {"alice": 4, "bob": 0, "carol": 4})
            self.assertEqual({n: "running" in slots[n][0] for n in ask}, {"alice": False, "bob": False, "carol": True})
            for n, length in (("alice", 1), ("bob", 0), ("carol", 1)):
                self.assertRegex(text[n], r'request_success_total\{finished_reason="length"[^}]*\} ' + str(length))
                self.assertEqual("num_requests_running" in text[n], n == "carol", n)
                self.assertEqual("kvik_http_connections" in text[n], n == "carol", n)
            f.seek(0)
            f.truncate()
            f.write("key-of-alice alice\n")  # no carol: it stays as it was
            f.flush()
            s.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            self.assertEqual(s.ask("GET", "/slots", None, ask["bob"])[0], 200)
            self.assertEqual(s.stop(), 0)

    def test_graceful_shutdown(self):
        s = Server("--grace", "20")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = pool.submit(s.ask, "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 300, "ignore_eos": True})
            time.sleep(0.1)
            self.assertEqual(s.stop(), 0)
            status, answer, _ = running.result()
        self.assertEqual((status, answer["usage"]["completion_tokens"]), (200, 300))

    def test_bad_keys_on_reload_change_nothing(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
            f.write("secret-one alice\n")
            f.flush()
            s = Server("--keys", f.name)
            f.write("short x\n")
            f.flush()
            s.process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            self.assertEqual(s.ask("GET", "/v1/models", None, {"Authorization": "Bearer secret-one"})[0], 200)
            self.assertEqual(s.stop(), 0)
            self.assertIn("line 2", next(x["text"] for x in s.log() if x.get("event") == "reload"))

    def test_shutdown_when_the_grace_period_ends(self):
        s = Server("--grace", "1")
        body = {"prompt": "Once", "max_tokens": 1900, "n": 16, "temperature": 1, "ignore_eos": True}
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            whole = pool.submit(s.ask, "POST", "/v1/completions", body)
            stream = pool.submit(s.ask, "POST", "/v1/completions", {**body, "stream": True})
            while s.figure("vllm:num_requests_running") < 32:
                time.sleep(0.02)
            self.assertEqual(s.stop(), 0)
            status, answer, _ = whole.result()
            self.assertEqual(status, 503)
            self.assertIn("shutting down", answer["error"]["message"])
            status, text, _ = stream.result()
            events = server.chunks(text)
            self.assertEqual(status, 200)
            self.assertGreater(len(events), 16)
            self.assertIn("shutting down", events[-1]["error"]["message"])

    def test_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            s = Server("--grace", "60", "--ctx", "2048")
            with s.socket() as c:
                c.sendall(server.post({"prompt": "Once", "max_tokens": 1900, "n": 16, "temperature": 1, "ignore_eos": True}))
                while s.figure("vllm:num_requests_running") < 16:
                    time.sleep(0.02)
                s.process.send_signal(first)
                time.sleep(0.3)
                self.assertIsNone(s.process.poll())
                start = time.time()
                self.assertEqual(s.stop(second), -second)
                self.assertLess(time.time() - start, 1)

    def test_tls(self):
        if not shutil.which("openssl"):
            self.skipTest("no openssl program to make a certificate")
        with tempfile.TemporaryDirectory() as d:
            cert, key = f"{d}/cert.pem", f"{d}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                            "-subj", "/CN=localhost"], check=True, capture_output=True)
            s = Server("--tls-cert", cert, "--tls-key", key, "--request-time", "1")
            context = ssl.create_default_context(cafile=cert)
            context.check_hostname = False
            with context.wrap_socket(s.socket()) as c:
                c.sendall(server.post({"prompt": "Once", "max_tokens": 3}))
                self.assertIn(b"200 OK", c.recv(4096))
            for i in range(150):  # one in fifty once lost its last bytes
                with context.wrap_socket(s.socket()) as c:
                    c.sendall(server.post({"prompt": f"{i} once", "max_tokens": 3, "stream": True}, headers="Connection: close\r\n"))
                    self.assertTrue(c.makefile("rb").read().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), i)
            with s.socket() as c:  # no TLS: nothing is answered in plain text
                c.sendall(b"GET /health HTTP/1.1\r\n\r\n")
                try:
                    self.assertNotIn(b"HTTP/1.1 200", c.recv(4096))
                except ConnectionError:
                    pass
            with context.wrap_socket(s.socket()) as c:  # a slow one
                c.sendall(b"GET /hea")
                start = time.time()
                self.assertNotIn(b" 200 ", c.recv(4096))
                self.assertLess(time.time() - start, 5)
            self.assertEqual(s.stop(), 0)


if __name__ == "__main__":
    unittest.main()
