#!/usr/bin/env python3
"""Mixed load on `kvik serve` with memory for a tenth of what is asked for: valid requests of all kinds whose answers are
known, clients that leave at any moment, malformed and slow ones. No valid request may fail or say anything else than alone,
memory stays bounded, and nothing is left behind.

tests/http/soak.py KVIK [SECONDS=600]. Standard library only. Prints what happened; exit status 1 on any violation."""
import collections
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402
from server import post  # noqa: E402

WORDS = "the a boat king girl dog tree river went saw big little happy red ball and then one day".split()
SEQS, CONTEXT, KV_MEMORY = 32, 1024, "6M"  # 32 sequences of 1024 tokens and 2 KiB each ask for 64 MiB
KINDS = 24


def text(rng, n):
    return " ".join(rng.choices(WORDS, k=n))


def valid_requests():
    """(path, body) whose answers depend on nothing but themselves."""
    rng = random.Random(3)
    shared = "Once upon a time there was " + text(rng, 200)
    for i in range(KINDS):
        prompt = shared + text(rng, rng.randrange(1, 80)) if i % 2 else text(rng, rng.randrange(1, 400))
        base = {"temperature": (0, 0.8)[i % 3 == 0], "seed": i, "max_tokens": rng.randrange(1, 120)}
        kind = i % 8
        if kind < 3:
            yield "/v1/completions", {**base, "prompt": prompt, "ignore_eos": True, "logprobs": 2}
        elif kind < 5:
            yield "/v1/chat/completions", {**base, "messages": [{"role": "user", "content": prompt[:600]}]}
        elif kind == 5:
            yield "/v1/completions", {**base, "prompt": [prompt, prompt[:90]], "n": 2, "temperature": 1}
        elif kind == 6:
            yield "/v1/completions", {**base, "prompt": prompt[:900], "echo": True, "logprobs": 1, "max_tokens": 2}
        else:
            yield "/v1/embeddings", {"input": [prompt, "a short one"]}


MALFORMED = [b"{", b'{"prompt":"\xff"}', b'{"prompt":1}', b'{"prompt":"a","n":99999}', b'{"prompt":"a","top_p":7}', b"[" * 3000,
             b'{"prompt":[1,2,99999999]}', b'{"prompt":"a","unknown":1}', b'{"prompt":"' + b"word " * 3000 + b'"}', b""]


class Soak:
    def __init__(self, kvik, seconds):
        self.end = time.time() + seconds
        self.server = server.Server(kvik, "--seqs", str(SEQS), "--ctx", str(CONTEXT), "--kv-memory", KV_MEMORY, "--chunk", "128",
                                    "--request-time", "3", "--quiet", env={**os.environ, "MALLOC_ARENA_MAX": "2"})
        self.counts, self.errors, self.lock = collections.Counter(), [], threading.Lock()
        self.requests = list(valid_requests())
        self.answers = [self.essence(*self.ask(*r)) for r in self.requests]
        self.rss = []

    def ask(self, path, body):
        status, answer, _ = self.server.ask("POST", path, body, timeout=300)
        return status, answer

    @staticmethod
    def essence(status, answer):
        """An answer without what may differ: ids, times, what was cached."""
        if status != 200:
            return status, answer
        return status, [{k: v for k, v in c.items() if k != "message"} | {"text": c.get("text") or (c.get("message") or {}).get("content")}
                        for c in answer["choices"]] if "choices" in answer else answer["data"]

    def note(self, what, error=None):
        with self.lock:
            self.counts[what] += 1
            if error:
                self.errors.append(error)

    # ---- Kinds of clients

    def valid(self, rng):
        i = rng.randrange(KINDS)
        got = self.essence(*self.ask(*self.requests[i]))
        self.note("valid", None if got == self.answers[i] else f"request {i}: {str(got)[:300]} not {str(self.answers[i])[:300]}")

    def leaver(self, rng):
        with self.server.socket() as s:
            body = {"prompt": text(rng, rng.randrange(1, 500)), "max_tokens": 400, "stream": rng.random() < 0.7, "ignore_eos": True,
                    "n": rng.choice((1, 1, 3))}
            data = post(body)
            s.sendall(data[:rng.choice((len(data), len(data), rng.randrange(len(data))))])
            if rng.random() < 0.5:
                s.settimeout(rng.random())
                try:
                    s.recv(rng.randrange(1, 4000))
                except OSError:
                    pass
            time.sleep(rng.random() * 0.3)
        self.note("left")
        time.sleep(rng.random() * 2)  # or they alone would fill the queue

    def malformed(self, rng):
        body = rng.choice(MALFORMED)
        status, answer = self.ask(rng.choice(("/v1/completions", "/v1/chat/completions", "/completion")), body)
        self.note("malformed", None if 400 <= status < 500 else f"malformed {body[:60]}: {status} {str(answer)[:200]}")
        time.sleep(rng.random())

    def slow(self, rng):
        data = post({"prompt": "x", "max_tokens": 4})
        with self.server.socket() as s:
            try:
                for i in range(len(data)):
                    s.sendall(data[i:i + 1])
                    time.sleep(0.1)
            except OSError:
                pass
        self.note("slow")

    def watch(self, _):
        self.rss.append(self.server.figure("process_resident_memory_bytes"))
        used, ceiling = self.server.figure("kvik_kv_bytes_peak"), self.server.figure("kvik_kv_bytes_ceiling")
        self.note("watched", None if used <= ceiling else f"KV {used} above {ceiling}")
        time.sleep(1)

    def run(self, client, seed):
        rng = random.Random(seed)
        while time.time() < self.end and len(self.errors) < 20:
            try:
                client(rng)
            except Exception as e:  # a client must not end quietly
                self.note("broken", f"{client.__name__}: {type(e).__name__} {e}")

    def everything(self):
        clients = [self.valid] * 40 + [self.leaver] * 8 + [self.malformed] * 3 + [self.slow] * 3 + [self.watch]
        threads = [threading.Thread(target=self.run, args=(c, i)) for i, c in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        s = self.server
        idle = server.eventually(lambda: s.figure("vllm:num_requests_running") + s.figure("vllm:num_requests_waiting") == 0, 60)
        figures = {n: s.figure(n) for n in ("vllm:num_preemptions_total", "vllm:prefix_cache_hits_total", "kvik_prefix_tokens_joined_total",
                                            "kvik_prefix_tokens_evicted_total", "kvik_requests_total", "kvik_requests_finished_total",
                                            "kvik_requests_cancelled_total", "kvik_requests_failed_total", "kvik_kv_bytes_peak",
                                            "kvik_kv_bytes_ceiling", "vllm:generation_tokens_total")}
        closed = server.eventually(lambda: s.figure("kvik_http_connections") <= 2, 20)  # this one, and the one before
        third = len(self.rss) // 3
        early, late = max(self.rss[:2 * third] or [0]), max(self.rss[2 * third:] or [0])
        figures["rss_mib_first_two_thirds"], figures["rss_mib_last_third"] = round(early / 2**20, 1), round(late / 2**20, 1)
        if not idle:
            self.errors.append("requests are still running")
        if not closed or figures["kvik_requests_failed_total"] > 0:
            self.errors.append("connections or failed requests are left")
        if late > early * 1.1 + 8 * 2**20:
            self.errors.append("memory grew to the end")
        status = s.stop()
        if status != 0:
            self.errors.append(f"exit status {status}")
        print(json.dumps({**self.counts, **figures}, indent=1))
        for e in self.errors[:20]:
            print("VIOLATION", e)
        return 1 if self.errors else 0


if __name__ == "__main__":
    sys.exit(Soak(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 600).everything())
