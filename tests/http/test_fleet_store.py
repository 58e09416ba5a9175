"""test_fleet_store.py KVIK: servers that share a store, a folder and Redis: what one has computed another finds, with the same answer; Redis
is killed and started again under load, and no request fails."""
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import server

PROMPT = "Once upon a time there was a little fox who lived in the woods. " * 20


def ask(s, prompt):
    status, answer, _ = s.ask("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 8, "temperature": 0})
    assert status == 200, answer
    usage = answer["usage"]
    return answer["choices"][0]["text"], usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


def start_redis(folder, port):
    r = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"],
                         stdout=subprocess.DEVNULL)
    assert server.eventually(lambda: subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).stdout == b"PONG\n")
    return r


def one_finds_what_another_made(kvik, options):
    a = server.Server(kvik, *options)
    text, tokens, cached = ask(a, PROMPT)
    assert cached == 0
    assert server.eventually(lambda: a.figure("kvik_disk_pages_written_total") * 16 >= tokens - 16)
    b = server.Server(kvik, *options)
    again, _, cached = ask(b, PROMPT)
    assert again == text and cached >= tokens - 1 - 16, (cached, tokens)
    return a, b


def main():
    kvik = sys.argv[1]
    folder = tempfile.mkdtemp()
    options = ["--kv-disk-load", "always", "--kv-disk-sync", "0.1", "-q", "--kv-disk"]
    for s in one_finds_what_another_made(kvik, [*options, f"shared:{folder}/shared"]):
        assert s.stop() == 0
    if shutil.which("redis-server"):
        port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
        r = start_redis(folder, port)
        servers = one_finds_what_another_made(kvik, [*options, f"redis://127.0.0.1:{port}/1"])
        r.kill()
        r.wait()
        slowest = 0
        for i in range(6):
            begun = time.time()
            ask(servers[i % 2], f"{i} {PROMPT}")
            slowest = max(slowest, time.time() - begun)
        r = start_redis(folder, port)
        for i in range(4):
            ask(servers[i % 2], f"{i} once more {PROMPT}")
        for s in servers:
            assert s.stop() == 0
        r.kill()
        print(f"slowest request without Redis: {slowest:.2f} s")
    shutil.rmtree(pathlib.Path(folder))


if __name__ == "__main__":
    main()
