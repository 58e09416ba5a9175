#!/usr/bin/env python3
"""What bad clients can do to `kvik serve`: slow ones, silent ones, those that do not read, too large or malformed
requests, too many connections. Each gets its 4xx or is cut off, and nothing else happens.

tests/http/test_limits.py KVIK. Standard library only."""
import json
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402
from server import post  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
STORY = {"prompt": "Once upon a time", "max_tokens": 12, "temperature": 0}


def drain(s):
    """Everything until the other side closes."""
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except (ConnectionError, TimeoutError):
        pass
    return data


def trickle(s, data, seconds, step=0.1):
    """Sends a byte now and then until the other side has had enough; what it said, and after how long."""
    start = time.time()
    s.settimeout(step)
    for i in range(int(seconds / step)):
        try:
            s.sendall(data[i:i + 1])
            answer = s.recv(4096)
            return answer, time.time() - start
        except TimeoutError:
            continue
        except ConnectionError:
            return b"", time.time() - start
    return None, seconds


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(KVIK, "--request-time", "1", "--idle", "2", "--connections", "24", "--body-max", "4096",
                                   "--output-max", "64K", "--n-max", "16")
        cls.right = cls.server.ask("POST", "/v1/completions", STORY)[1]["choices"]

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def healthy(self):
        status, answer, _ = self.server.ask("POST", "/v1/completions", STORY)
        self.assertEqual((status, answer["choices"]), (200, self.right))

    def nothing_runs(self):
        self.assertTrue(server.eventually(lambda: self.server.figure("vllm:num_requests_running") == 0))

    def test_slow_header(self):
        with self.server.socket() as s:
            answer, seconds = trickle(s, b"POST /v1/completions HTTP/1.1\r\nX: " + b"y" * 1000, 10)
        self.assertTrue(answer is not None and (not answer or answer.startswith(b"HTTP/1.1 408")), answer)
        self.assertTrue(0.8 < seconds < 4, seconds)
        self.healthy()

    def test_slow_body(self):
        with self.server.socket() as s:
            request = post({**STORY, "user": "x" * 1000})
            head = request.index(b"\r\n\r\n") + 4
            s.sendall(request[:head])
            answer, seconds = trickle(s, request[head:], 10)
        self.assertTrue(answer is not None and (not answer or answer.startswith(b"HTTP/1.1 408")), answer)
        self.assertTrue(0.8 < seconds < 4, seconds)
        self.healthy()

    def test_second_request_has_its_own_time(self):
        with self.server.socket() as s:
            for _ in range(3):
                s.sendall(post(STORY))
                self.assertIn(b"200 OK", s.recv(65536))
                time.sleep(0.7)

    def test_silent_connection(self):
        with self.server.socket() as s:
            start = time.time()
            self.assertEqual(drain(s), b"")
            self.assertTrue(1.5 < time.time() - start < 6)

    def test_long_answer_is_not_silence(self):
        took, tokens = 0, 350
        while took < 2.5:  # longer than --request-time and --idle
            start, tokens = time.time(), min(2 * tokens, 1900)
            status, answer, _ = self.server.ask("POST", "/v1/completions", {
                "prompt": "Once", "n": 16, "max_tokens": tokens, "temperature": 1, "ignore_eos": True}, timeout=300)
            self.assertEqual((status, answer["usage"]["completion_tokens"]), (200, 16 * tokens))
            took = time.time() - start if tokens < 1900 else 9

    def test_client_that_does_not_read(self):
        before = self.server.figure("kvik_http_connections_cut_total")
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", self.server.port))
        s.sendall(post({"prompt": "Once", "n": 16, "max_tokens": 1900, "temperature": 1, "stream": True, "logprobs": 20, "ignore_eos": True}))
        deadline = time.time() + 60
        while self.server.figure("kvik_http_connections_cut_total") == before and time.time() < deadline:
            self.healthy()
            time.sleep(0.05)
        self.assertGreater(self.server.figure("kvik_http_connections_cut_total"), before)
        self.nothing_runs()
        s.close()

    def test_too_large(self):
        with self.server.socket() as s:
            s.sendall(post({**STORY, "user": "x" * 5000}))
            self.assertIn(b" 413 ", drain(s)[:40])
        with self.server.socket() as s:  # no length, no end
            s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(200):
                    s.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
            except ConnectionError:
                pass
            self.assertIn(drain(s)[9:12], (b"413", b"400", b""))
        with self.server.socket() as s:
            try:
                s.sendall(b"GET /health HTTP/1.1\r\n" + b"X-Fill: " + b"y" * 100000 + b"\r\n\r\n")
            except ConnectionError:
                pass
            self.assertIn(drain(s)[9:10], (b"4", b""))
        self.healthy()

    def test_too_many_connections(self):
        time.sleep(2.5)  # what other tests left is closed by now
        held = [self.server.socket() for _ in range(24)]
        late = self.server.socket()
        late.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        late.settimeout(0.7)
        with self.assertRaises(TimeoutError):
            late.recv(1)
        held.pop().close()
        late.settimeout(60)
        self.assertIn(b"200 OK", late.recv(4096))
        for s in held + [late]:
            s.close()
        self.healthy()

    def test_malformed_http(self):
        body = json.dumps(STORY).encode()
        n = str(len(body)).encode()
        for junk in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G" * 70000,
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"GET /%00%ff%zz HTTP/1.1\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: 5x\r\n\r\n12345",
                     b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length : " + n + b"\r\nno colon here\r\n\r\n" + body,
                     b"BREW /v1/completions HTTP/1.1\r\nContent-Length: " + n + b"\r\n\r\n" + body,
                     b"TRACE / HTTP/1.1\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.server.socket(5) as s:
                try:
                    s.sendall(junk)
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                answer = drain(s)
                self.assertTrue(not answer or answer[9:10] in (b"4", b"5"), (junk[:60], answer[:60]))
        self.healthy()
        self.nothing_runs()

    def test_more_than_fits(self):
        """A length of any size is a number: more than fits, and -1, mean what fits."""
        for length in (b"99999999999999999999", b"1e999", b"-1"):
            status, answer, _ = self.server.ask("POST", "/v1/completions", b'{"prompt":"a","stop":"e","max_tokens":' + length + b'}')
            self.assertEqual(status, 200, answer)
            self.assertGreater(answer["usage"]["completion_tokens"], 0)

    def test_malformed_bodies(self):
        chat, plain = "/v1/chat/completions", "/v1/completions"
        m = '{"role":"user","content":"a"}'
        cases = [(plain, x) for x in (
            b"", b"{", b"nul", b"[]", b"1", b'"x"', b'{"prompt":"a",}', b"{'prompt':'a'}", b'{"prompt":"a"}{"prompt":"a"}',
            b'{"prompt":"a","prompt":"b"}', b'{"prompt":"\xff\xfe"}', b'{"prompt":"\xc3("}', b'{"prompt":"\xed\xa0\x80"}',
            b'{"prompt":"\\ud800"}', b'{"prompt":"a","n":1e999}', b'{"prompt":"a","temperature":1e999}', b'{"prompt":"a","top_p":1e999}',
            b'{"prompt":"a","max_tokens":-3}', b'{"prompt":"a","max_tokens":0.5}', b'{"prompt":"a","temperature":NaN}',
            b'{"prompt":"a","temperature":-1}', b'{"prompt":"a","top_p":2}', b'{"prompt":[-1]}',
            b'{"prompt":[1.5]}', b'{"prompt":{}}', b'{"prompt":"a","stop":[""]}', b'{"prompt":"a","stop":[1]}',
            b'{"prompt":"a","logit_bias":{"x":1}}', b'{"prompt":"a","logit_bias":{"999999":1}}', b'{"prompt":"a","n":0}',
            b"[" * 4000, b'{"a":' * 800, b'{"prompt":"a","stream":"yes"}', b"\x00" * 100)]
        cases += [(chat, x.encode()) for x in (
            '{"messages":1}', '{"messages":[1]}', '{"messages":[{}]}', '{"messages":[{"role":1,"content":"a"}]}',
            '{"messages":[{"role":"user","content":1}]}', '{"messages":[{"role":"user","content":[1]}]}',
            f'{{"messages":[{m}],"tools":1}}', f'{{"messages":[{m}],"tool_choice":{{}}}}',
            f'{{"messages":[{m}],"chat_template_kwargs":[]}}',
            f'{{"messages":[{m}],"response_format":{{"type":"json_schema"}}}}')]
        cases += [("/tokenize", b'{"content":1}'), ("/detokenize", b'{"tokens":[99999999]}'), ("/detokenize", b'{"tokens":"x"}'),
                  ("/v1/embeddings", b'{"input":{}}'), ("/v1/responses", b'{"input":5}'), ("/completion", b'{"prompt":{}}'),
                  ("/apply-template", b'{"messages":[]}')]
        for path, body in cases:
            status, answer, _ = self.server.ask("POST", path, body)
            self.assertTrue(400 <= status < 500, (path, body[:60], status, answer))
            self.assertTrue(answer["error"]["message"], (path, body[:60]))
        self.healthy()
        self.nothing_runs()

    def test_many_who_leave(self):
        def leave(i):
            with self.server.socket() as s:
                s.sendall(post({"prompt": f"Once {i}", "max_tokens": 1900, "stream": i % 2 == 0, "ignore_eos": True})[:None if i % 3 else 90])
                time.sleep(0.02 * (i % 4))
        threads = [threading.Thread(target=leave, args=(i,)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.nothing_runs()
        self.healthy()


if __name__ == "__main__":
    unittest.main()
