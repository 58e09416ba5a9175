#!/usr/bin/env python3
"""A server with a disk below its cache is killed under load, again and again: what was older than the last sync is found by the next
one, with the same answers; no start fails, no request fails but those that the kill cut off; keys find their own prefixes alone.

tests/http/test_disk.py KVIK [ROUNDS]. Standard library only."""
import http.client
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

PROMPTS = 12
SYNC = 0.05
WORDS = "the fox ran over a hill and saw one small red boat on the river while rain fell from a grey sky onto green trees".split()


def prompt(i):
    """A few hundred tokens; every third begins like the one before."""
    r = random.Random(i // 3)
    words = [r.choice(WORDS) for _ in range(150)]
    r = random.Random(1000 + i)
    return " ".join(words[:90] + [r.choice(WORDS) for _ in range(80)])


def ask(s, i, key):
    status, answer, _ = s.ask("POST", "/v1/completions", {"prompt": prompt(i), "max_tokens": 8, "temperature": 0},
                              {"Authorization": f"Bearer {key}"})
    assert status == 200, answer
    return answer["choices"][0]["text"], answer["usage"]


def figure(s, name):
    text = s.ask("GET", "/metrics", headers={"Authorization": "Bearer key-of-carol"})[1]
    return float(re.search(rf"(?m)^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text).group(1))


def disk_figures(s):
    return [x for x in s.ask("GET", "/metrics", headers={"Authorization": "Bearer key-of-carol"})[1].splitlines()
            if x.startswith("kvik_disk") or x.startswith("kvik_kv_bytes")]


def client(s, seed, right, done, errors, stop):
    r = random.Random(seed)
    while not stop.is_set():
        i, key = r.randrange(PROMPTS), r.choice(["key-of-ann-1", "key-of-bob-1"])
        try:
            text, _ = ask(s, i, key)
        except (OSError, http.client.HTTPException, ValueError):
            if not stop.is_set():
                errors.append("a request failed before the kill")
            return
        if text != right[i]:
            errors.append(f"prompt {i}: {text!r}, not {right[i]!r}")
        done.setdefault((i, key), time.time())  # known since its first answer


def main():
    kvik, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seed = int(os.environ.get("KVIK_SEED") or os.environ.get("KVIK_SEED_BASE") or time.time())
    print(f"seed: KVIK_SEED={seed}")
    r = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="kvik-disk-")
    keys = os.path.join(folder, "keys")
    with open(keys, "w") as f:
        f.write("key-of-ann-1 ann\nkey-of-bob-1 bob\nkey-of-carol carol\n")
    os.chmod(keys, 0o600)
    plain = ["--keys", keys, "--operator", "carol", "--quiet", "--threads", "2"]
    disk = plain + ["--kv-disk", os.path.join(folder, "kv"), "--kv-disk-size", "256M", "--kv-disk-sync", str(SYNC), "--kv-disk-load",
                    "always", "--kv-memory", "12M"]
    s = server.Server(kvik, *plain)
    right = [ask(s, i, "key-of-ann-1")[0] for i in range(PROMPTS)]
    assert s.stop() == 0
    kept = {}
    found = loaded = 0
    for n in range(rounds + 1):
        s = server.Server(kvik, *disk)
        for (i, key), _ in sorted(kept.items()):
            text, usage = ask(s, i, key)
            assert text == right[i], (n, i, text)
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            assert cached >= usage["prompt_tokens"] - 1, (n, i, key, cached, usage["prompt_tokens"], disk_figures(s))
            found += cached
        loaded += figure(s, "vllm:external_prefix_cache_hits_total")
        if n == rounds:
            break
        done, errors, stop = {}, [], threading.Event()
        clients = [threading.Thread(target=client, args=(s, seed + 31 * n + k, right, done, errors, stop)) for k in range(4)]
        for c in clients:
            c.start()
        assert server.eventually(lambda: any(time.time() - t > 10 * SYNC for t in list(done.values()))), "no answers"
        time.sleep(r.random() / 2)
        stop.set()  # errors from here on are the kill's
        killed = time.time()
        s.process.send_signal(signal.SIGKILL)
        s.process.wait(60)
        for c in clients:
            c.join(60)
        assert not errors, errors[:3]
        kept.update({k: t for k, t in done.items() if killed - t > 10 * SYNC})  # the machine may be busy
    assert figure(s, "kvik_disk_tokens_lost_total") == 0
    # What is known to one key is not to another, and a normal end loses nothing at all.
    text, usage = ask(s, PROMPTS, "key-of-ann-1")
    assert s.stop() == 0
    s = server.Server(kvik, *disk)
    other = ask(s, PROMPTS, "key-of-bob-1")[1]
    assert other["prompt_tokens_details"]["cached_tokens"] < 32, other
    again, usage = ask(s, PROMPTS, "key-of-ann-1")
    assert again == text and usage["prompt_tokens_details"]["cached_tokens"] >= usage["prompt_tokens"] - 1, usage
    assert s.stop() == 0
    shutil.rmtree(folder)
    print(f"{rounds} times killed; {found} tokens of {len(kept)} prompts found again, {loaded:.0f} read from the disk")
    assert found > 0 and loaded > 0


if __name__ == "__main__":
    main()
