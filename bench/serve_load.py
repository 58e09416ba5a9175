#!/usr/bin/env python3
"""Two questions to a server under load, over HTTP, for any server that speaks llama-server's /completion:

    bench/serve_load.py prefix [OPTIONS] -- COMMAND    N clients at once whose prompts begin alike: how long until all
                                                       have their answer?
    bench/serve_load.py stall [OPTIONS] -- COMMAND     N streams run; a long prompt arrives: how far apart are their
                                                       tokens then, and how far before?

COMMAND starts the server; {port} in it becomes a free port. Standard library only. Prompts are token ids, so a model
without a vocabulary will do; they are the same for every server.

    bench/serve_load.py prefix -- build/kvik serve --synthetic llama3.2-1b:q4_0 --port {port} --seqs 16 --ctx 2048
    bench/serve_load.py prefix -- llama-server -m 1b.gguf --port {port} -t 2 -np 16 -c 18000
    bench/serve_load.py stall -- build/kvik serve --synthetic llama3.2-1b:q4_0 --port {port} --ctx 12288
"""
import argparse
import http.client
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time

VOCAB = 10000  # ids below exist in every model that is worth measuring


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command):
        self.port = free_port()
        command = [x.replace("{port}", str(self.port)) for x in command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 300
        while not self.is_healthy():
            if self.process.poll() is not None or time.time() > end:
                sys.exit(f"the server did not start: {' '.join(command)}")
            time.sleep(0.1)

    def is_healthy(self):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            c.request("GET", "/health")
            return c.getresponse().status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        time.sleep(0.5)
        self.process.terminate()  # kvik lets running answers end, and goes at once when asked again
        self.process.wait(60)


class Stream(threading.Thread):
    """One answer, with the time of each token."""

    def __init__(self, server, ids, n):
        super().__init__(daemon=True)
        self.server, self.times, self.final, self.error = server, [], None, None
        self.body = {"prompt": ids, "n_predict": n, "stream": True, "ignore_eos": True, "temperature": 0, "n_probs": 1,
                     "cache_prompt": True}
        self.started = time.time()
        self.start()

    def run(self):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=900)
            c.request("POST", "/completion", json.dumps(self.body), {"Content-Type": "application/json"})
            r = c.getresponse()
            if r.status != 200:
                self.error = r.read().decode()
                return
            for line in r:
                if not line.startswith(b"data: {"):
                    continue
                event = json.loads(line[6:])
                if event.get("stop"):
                    self.final = event
                else:
                    self.times.append(time.time())
        except OSError as e:
            self.error = str(e)

    def result(self):
        self.join()
        if self.error or not self.final:
            sys.exit(f"a request failed: {self.error}")
        return self.final


def prompt(rng, n):
    return [rng.randrange(1000, VOCAB) for _ in range(n)]


def shared_prefix(server, o):
    rng = random.Random(1)
    Stream(server, prompt(rng, 40), 4).result()  # the first request of a server pays for what others do not
    prefix = prompt(rng, o.prefix)
    bodies = [prefix + prompt(rng, o.own) for _ in range(o.clients)]
    start = time.time()
    streams = [Stream(server, b, o.tokens) for b in bodies]
    finals = [s.result() for s in streams]
    seconds = time.time() - start
    cached = sum(f["timings"].get("cache_n", 0) for f in finals)
    return {"clients": o.clients, "prefix_tokens": o.prefix, "own_tokens": o.own, "new_tokens": o.tokens,
            "wall_s": round(seconds, 2), "cached_tokens": cached,
            "first_token_s": [round(f(s.times[0] - start for s in streams), 2) for f in (min, max)]}


def gaps(streams, begin, end):
    """Milliseconds between two tokens of a stream, both within the time given."""
    found = []
    for s in streams:
        times = [t for t in s.times if begin <= t <= end]
        found += [(b - a) * 1e3 for a, b in zip(times, times[1:])]
    return sorted(found)


def describe(g):
    at = lambda q: round(g[min(len(g) - 1, int(q * len(g)))], 1)
    return {"n": len(g), "mean_ms": round(statistics.mean(g), 1), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1)}


def stall(server, o):
    rng = random.Random(2)
    streams = [Stream(server, prompt(rng, 64), o.tokens) for _ in range(o.clients)]
    while any(len(s.times) < 4 for s in streams):
        time.sleep(0.05)
    begin = time.time()
    time.sleep(o.before)
    arrival = time.time()
    long = Stream(server, prompt(rng, o.prompt), 2)
    while not long.times and time.time() < arrival + o.during and all(s.is_alive() for s in streams):
        time.sleep(0.05)
    end = long.times[0] if long.times else time.time()
    before, during = gaps(streams, begin, arrival), gaps(streams, arrival, end)
    result = {"streams": o.clients, "prompt_tokens": o.prompt, "seconds": round(end - arrival, 1), "prompt_computed": bool(long.times),
              "before": describe(before), "during": describe(during)}
    result["ratio"] = {k[:-3]: round(result["during"][k] / result["before"][k], 2) for k in ("mean_ms", "p50_ms", "p90_ms", "p99_ms")}
    return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = p.add_subparsers(dest="kind", required=True)
    a = kinds.add_parser("prefix")
    a.add_argument("--clients", type=int, default=16)
    a.add_argument("--prefix", type=int, default=1024, help="tokens that all prompts begin with")
    a.add_argument("--own", type=int, default=32, help="and of each alone")
    a.add_argument("--tokens", type=int, default=32, help="of each answer")
    b = kinds.add_parser("stall")
    b.add_argument("--clients", type=int, default=8)
    b.add_argument("--prompt", type=int, default=8192, help="tokens of the long prompt")
    b.add_argument("--tokens", type=int, default=2000, help="of each stream; they must outlast the prompt")
    b.add_argument("--before", type=float, default=8, help="seconds measured without it")
    b.add_argument("--during", type=float, default=600, help="seconds measured with it, at most")
    if "--" not in sys.argv:
        p.error("say how to start the server after --")
    at = sys.argv.index("--")
    o = p.parse_args(sys.argv[1:at])
    server = Server(sys.argv[at + 1:])
    try:
        print(json.dumps({"prefix": shared_prefix, "stall": stall}[o.kind](server, o), indent=1))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
