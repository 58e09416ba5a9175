#!/usr/bin/env python3
"""10,000 idle connections held while requests are served: nothing is closed, nothing slows down, memory per connection.

tests/http/test_idle.py KVIK [CONNECTIONS]. Standard library only. Fewer where the limit of open files is lower."""
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

STORY = {"prompt": "Once upon a time", "max_tokens": 32, "temperature": 0}


def ask(s):
    start = time.time()
    status, answer, _ = s.ask("POST", "/v1/completions", STORY)
    assert status == 200, answer
    return answer["choices"][0]["text"], time.time() - start


def main():
    kvik, want = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = min(want, hard - 600)
    s = server.Server(kvik, "--idle", "600", "--connections", str(n + 50), "--quiet")
    text, _ = ask(s)
    before = s.figure("process_resident_memory_bytes")
    held = []
    for _ in range(n):
        c = socket.socket()
        c.connect(("127.0.0.1", s.port))
        held.append(c)
    assert server.eventually(lambda: s.figure("kvik_http_connections") >= n), s.figure("kvik_http_connections")
    times = []
    for _ in range(20):
        again, seconds = ask(s)
        assert again == text
        times.append(seconds)
    after = s.figure("process_resident_memory_bytes")
    for c in held[::97] + held[-1:]:  # each of them is still served
        c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        c.settimeout(20)
        assert c.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection was closed"
    for c in held:
        c.close()
    assert server.eventually(lambda: s.figure("kvik_http_connections") < 20), "closed connections are still counted"
    rest = s.figure("process_resident_memory_bytes")
    assert s.stop() == 0
    print(f"{n} idle connections: {(after - before) / n:.0f} bytes each ({before / 2**20:.1f} -> {after / 2**20:.1f} MiB, "
          f"{rest / 2**20:.1f} MiB after); a request meanwhile {sorted(times)[len(times) // 2] * 1e3:.1f} ms")
    with open(kvik, "rb") as f:  # the sanitizers' own memory is not ours
        program = f.read()
    assert b"__asan_init" in program or b"__tsan_init" in program or (after - before) / n < 8192


if __name__ == "__main__":
    main()
