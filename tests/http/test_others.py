#!/usr/bin/env python3
"""One client never stalls or starves the others: while large, greedy, slow and silent clients do what they can, /health, small
requests and running streams go on as they do without them, and the memory of the process stays below its stated bound.

tests/http/test_others.py KVIK. Standard library only. Delays are held against those of the same machine while nobody attacks:
it may be busy with other things."""
import json
import os
import resource
import select
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402
from server import post  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
BODY, MEMORY = 8 << 20, 64 << 20
with open(KVIK, "rb") as f:
    program = f.read()
SANITIZED = b"__asan_init" in program or b"__tsan_init" in program
WORDS = "hello world "


def text(n):
    return WORDS * (n // len(WORDS))


class Others:
    """Clients who want little: how long they wait, and the gaps of a stream."""

    def __init__(self, s):
        self.server, self.stop, self.seen = s, False, []
        self.threads = [threading.Thread(target=x, daemon=True) for x in (self.health, self.small, self.stream)]
        for t in self.threads:
            t.start()

    def note(self, start):
        self.seen.append(time.time() - start)

    def health(self):
        while not self.stop:
            start = time.time()
            assert self.server.ask("GET", "/health")[0] == 200
            self.note(start)
            time.sleep(0.02)

    def small(self):
        while not self.stop:
            start = time.time()
            assert self.server.ask("POST", "/tokenize", {"content": "hello"})[0] == 200
            self.note(start)
            time.sleep(0.02)

    def stream(self):
        while not self.stop:
            with self.server.socket() as s:
                s.sendall(post({"prompt": "Once", "max_tokens": 1000, "stream": True, "ignore_eos": True}, headers="Connection: close\r\n"))
                last = time.time()
                while not self.stop and s.recv(65536):
                    self.note(last)
                    last = time.time()

    def worst(self, f):
        """The result of f(), and the 98th percentile of the others' delays while it ran and a moment longer."""
        self.seen = []
        result = f()
        time.sleep(0.3)
        seen = sorted(self.seen)
        assert len(seen) > 20, "the others did not get anything"
        return result, seen[int(len(seen) * 0.98)]


class OneAmongOthers(unittest.TestCase):
    def setUp(self):
        self.server = server.Server(KVIK, "--body-max", str(BODY), "--request-memory", str(MEMORY), "--request-time", "2")

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def rss(self):
        return self.server.figure("process_resident_memory_bytes")

    def healthy(self):
        self.assertEqual(self.server.ask("POST", "/v1/completions", {"prompt": "a " * 1000, "max_tokens": 1})[0], 200)

    def ask(self, path, body):
        status, answer, _ = self.server.ask("POST", path, body)
        return status, answer

    def test_large_requests(self):
        others = Others(self.server)
        time.sleep(0.5)
        large = text(BODY // 4)  # enough for seconds of work, if it were done where others wait
        attacks = [("/v1/completions", {"prompt": large, "max_tokens": 1}, 400, "at least"),
                   ("/v1/completions", {"prompt": "x" * len(large)}, 400, "at least"),
                   ("/v1/chat/completions", {"messages": [{"role": "user", "content": large}]}, 400, "at least"),
                   ("/v1/embeddings", {"input": large}, 400, "at least"),
                   ("/v1/completions", {"prompt": [1] * 200000}, 400, "context"),
                   ("/tokenize", {"content": text(BODY // 6)}, 200, None),
                   ("/apply-template", {"messages": [{"role": "user", "content": large}]}, 200, None),
                   ("/v1/completions", b"[" * len(large), 413, "memory"),
                   ("/v1/completions", b'{"prompt":"a","metadata":[' + b"{}," * 1000000 + b"{}]}", 413, "memory")]
        try:
            _, quiet = others.worst(lambda: time.sleep(2))
            for path, body, status, says in attacks:
                body = body if isinstance(body, bytes) else json.dumps(body).encode()  # not while it is measured
                (got, answer), worst = others.worst(lambda: self.ask(path, body))
                self.assertEqual(got, status, (path, str(answer)[:300]))
                if says:
                    self.assertIn(says, answer["error"]["message"])
                self.assertLess(worst, (0.1 + 4 * quiet) * (5 if SANITIZED else 1), (path, body[:60], quiet))
        finally:
            others.stop = True
            for t in others.threads:
                t.join()

    def test_memory(self):
        """Whatever clients make the server hold: bodies that never end, answers that nobody reads, JSON that explodes."""
        before, peak, stop = self.rss(), [0], threading.Event()

        def watch():
            while not stop.wait(0.05):
                peak[0] = max(peak[0], self.rss())
        watcher = threading.Thread(target=watch)
        watcher.start()
        held = []
        try:
            for i in range(24):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.settimeout(20)
                s.connect(("127.0.0.1", self.server.port))
                kind = i % 4
                try:
                    if kind == 0:
                        s.sendall(post({"messages": [{"role": "user", "content": text(BODY // 2)}]}, "/apply-template"))
                    elif kind == 1:
                        s.sendall(post({"content": text(BODY // 16), "with_pieces": True}, "/tokenize"))
                    elif kind == 2:
                        s.sendall(post('{"prompt":"a","n":8,"max_tokens":1500,"ignore_eos":true,"temperature":1,"metadata":['
                                       + "{}," * 20000 + "{}]}"))
                    else:
                        s.sendall(post("x" * (BODY - 1000))[:-1])
                except OSError:
                    pass  # cut already
                held.append(s)
                self.healthy()
            time.sleep(1)
            self.healthy()
        finally:
            stop.set()
            watcher.join()
        held_peak = self.server.figure("kvik_http_held_bytes_peak")
        if not SANITIZED:
            self.assertLess(peak[0] - before, 2 * MEMORY)
        self.assertLess(held_peak, MEMORY + 2 * BODY)  # it may be passed by what has just come
        for s in held:
            s.close()
        self.assertTrue(server.eventually(lambda: self.server.figure("kvik_http_held_bytes") < 1 << 20, 120), "something is still held")

    def test_who_holds_most_is_cut(self):
        """A dozen who send large bodies and never end them fill all the room; who sends a small one is served, always."""
        held = []
        for i in range(12):
            s = self.server.socket()
            try:
                s.sendall(post("x" * (BODY - 1000))[:-10])
            except OSError:
                pass
            held.append(s)
            self.healthy()
        for _ in range(10):
            for s in held:
                try:
                    s.sendall(b" ")
                except OSError:
                    pass
            self.healthy()
            time.sleep(0.1)
        self.assertGreater(self.server.figure("kvik_http_connections_cut_total"), 0)
        for s in held:
            s.close()

    def test_who_does_not_read_is_cut(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", self.server.port))
        s.sendall(post({"messages": [{"role": "user", "content": text(BODY // 2)}]}, "/apply-template"))
        self.assertTrue(server.eventually(lambda: self.server.figure("kvik_http_held_bytes") > 1 << 20))
        start = time.time()
        self.assertTrue(server.eventually(lambda: self.server.figure("kvik_http_connections_cut_total") == 1))
        self.assertLess(time.time() - start, 30)  # in the first --request-time the kernel takes a part of it
        s.close()

    def test_large_answers_are_read_whole(self):
        content = text(BODY // 2)
        status, answer, _ = self.server.ask("POST", "/apply-template", {"messages": [{"role": "user", "content": content}]})
        self.assertEqual(status, 200)
        self.assertIn(content, answer["prompt"])
        status, answer, _ = self.server.ask("POST", "/tokenize", {"content": text(200000), "with_pieces": True})
        self.assertEqual("".join(x["piece"] for x in answer["tokens"]).strip(), text(200000).strip())

    def test_a_cut_request_never_runs(self):
        large, small = post({"content": text(BODY * 3 // 4)}, "/tokenize"), post({"prompt": "a", "max_tokens": 1, "user": "x" * (5 << 18)})
        before = self.server.figure("kvik_requests_total")
        busy = self.server.socket(300)
        busy.sendall(large)
        time.sleep(0.1)
        gone = self.server.socket()
        gone.sendall(small)
        time.sleep(0.1)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # reset: a client that only says no more would get its answer
        time.sleep(0.1)
        self.assertEqual(select.select([busy], [], [], 0)[0], [], "the thread of large requests was free: this shows nothing")
        kept = self.server.socket(300)
        kept.sendall(small)
        self.assertIn(b" 200 OK", kept.recv(65536))
        busy.recv(65536)
        self.assertEqual(self.server.figure("kvik_requests_total"), before + 1)
        for s in (busy, kept):
            s.close()

    def test_who_says_nothing_more_may_wait_for_an_answer(self):
        """A client that has closed its side gets its answer however long that takes; one that has gone costs nothing for long."""
        long = {"prompt": "Once", "n": 16, "max_tokens": 1900, "temperature": 1, "ignore_eos": True}
        took, tokens = 0, 100
        while took < 2 and tokens < 1600:  # until it is long enough for the server to ask whether the client is there
            start, out, tokens = time.time(), b"", 2 * tokens
            with self.server.socket(300) as s:
                s.sendall(post({**long, "max_tokens": tokens}, headers="Connection: close\r\n"))
                s.shutdown(socket.SHUT_WR)
                while piece := s.recv(1 << 20):
                    out += piece
            took = time.time() - start
            self.assertIn(b"HTTP/1.1 200 OK", out)
            self.assertIn(b'"completion_tokens":%d' % (16 * tokens), out)
        if took > 2:
            self.assertTrue(out.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "), out[:80])
        for stream in (False, True):
            cut = self.server.figure("kvik_http_connections_cut_total")
            cancelled = self.server.figure("kvik_requests_cancelled_total")
            with self.server.socket() as s:
                s.sendall(post({**long, "stream": stream}))
                time.sleep(0.3)
            self.assertTrue(server.eventually(lambda: self.server.figure("kvik_requests_cancelled_total") == cancelled + 1), stream)
            self.assertEqual(self.server.figure("kvik_http_connections_cut_total"), cut)

    def test_one_connection_is_answered_in_order(self):
        with self.server.socket(60) as s:
            s.sendall(post({"content": text(300000)}, "/tokenize") + post({"content": "hello"}, "/tokenize") + b"GET /health HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: close\r\n\r\n")
            out = b""
            while piece := s.recv(1 << 20):
                out += piece
        lengths = [int(x.split(b"\r\n")[0]) for x in out.split(b"Content-Length: ")[1:]]
        self.assertEqual(len(lengths), 3)
        self.assertGreater(lengths[0], 1000)
        self.assertTrue(out.endswith(b'{"status":"ok"}'))


class Keys(unittest.TestCase):
    def test_strangers_hold_nothing(self):
        """The key is looked at when the head is here, before a byte of the body is kept."""
        path = f"/tmp/kvik-test-{os.getpid()}.keys"
        with open(path, "w") as f:
            f.write("key-of-alice alice\n")
        s = server.Server(KVIK, "--keys", path)
        os.unlink(path)
        key = {"Authorization": "Bearer key-of-alice"}
        held = []
        for _ in range(9):
            c = s.socket(5)
            c.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n")
            answer = c.recv(4096)
            self.assertIn(b" 401 ", answer)
            try:
                for _ in range(50):
                    c.sendall(b" " * 65536)
            except OSError:
                pass
            held.append(c)
            self.assertEqual(s.ask("POST", "/v1/completions", {"prompt": "a " * 1000, "max_tokens": 1}, key)[0], 200)
        text = s.ask("GET", "/metrics", None, key)[1]
        for c in held:
            c.close()
        self.assertEqual(s.stop(), 0)
        lines = [x for x in s.log() if x.get("status") == 401]
        self.assertEqual(len(lines), 9, text[:100])


class Descriptors(unittest.TestCase):
    def test_none_left(self):
        """No loop that never sleeps, one line a second, and on it goes when there are some again."""
        s = server.Server(KVIK)
        pid = s.process.pid
        n = len(os.listdir(f"/proc/{pid}/fd"))
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (n + 3, hard))
        held = [s.socket() for _ in range(20)]
        ticks = os.sysconf("SC_CLK_TCK")

        def cpu():
            with open(f"/proc/{pid}/stat") as f:
                a = f.read().rsplit(")", 1)[1].split()
            return (int(a[11]) + int(a[12])) / ticks
        time.sleep(0.5)
        before = cpu()
        time.sleep(2)
        used = cpu() - before
        held[0].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")  # who is in is served
        self.assertIn(b"200 OK", held[0].recv(4096))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (n + 100, hard))
        held[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", held[-1].recv(4096))
        for c in held:
            c.close()
        self.assertEqual(s.stop(), 0)
        self.assertLess(used, 0.6)
        said = [x for x in s.log() if x.get("event") == "accept"]
        self.assertTrue(1 <= len(said) <= 6, said)
        self.assertIn("Too many open files", said[0]["text"])


if __name__ == "__main__":
    unittest.main()
