#!/usr/bin/env python3
"""64 streams at once, each with the ids, log-probabilities and text of the same request alone on a server that has seen
nothing (promise P1), over HTTP, while memory is short enough that they wait for each other and what is cached is evicted.

tests/http/test_streams.py KVIK. Standard library only."""
import concurrent.futures
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
STREAMS = 64


def requests():
    """Prompts of all lengths; some the same, some with a common beginning; greedy and drawn; some with two answers."""
    rng = random.Random(7)
    words = "the a boat king girl dog tree river went saw big little happy red ball and then one day".split()
    prefix = "Once upon a time there was a " + " ".join(rng.choices(words, k=150))
    for i in range(STREAMS):
        kind = i % 4
        text = (prefix + " " + " ".join(rng.choices(words, k=rng.randrange(1, 40))) if kind == 0 else
                prefix[:rng.randrange(40, len(prefix))] if kind == 1 else
                "Tell me a story." if kind == 2 else
                " ".join(rng.choices(words, k=rng.randrange(1, 120))))
        yield {"prompt": text, "n_predict": rng.randrange(8, 90), "n_probs": 3, "return_tokens": True, "stream": True,
               "temperature": (0, 1, 0.7)[i % 3], "top_k": 0, "top_p": 1, "min_p": 0, "seed": i, "ignore_eos": True}


def ask(s, body):
    status, text, _ = s.ask("POST", "/completion", body, timeout=500)
    assert status == 200, text
    events = server.chunks(text)
    probs = [p for e in events[:-1] for p in e["completion_probabilities"]]
    ids = [t for e in events[:-1] for t in e["tokens"]]
    assert events[-1]["stop"] and len(ids) == len(probs) == body["n_predict"] == events[-1]["tokens_predicted"], text
    return {"text": "".join(e["content"] for e in events), "ids": ids,
            "logprobs": [(p["id"], p["logprob"], [(t["id"], t["logprob"]) for t in p["top_logprobs"]]) for p in probs]}


class Streams(unittest.TestCase):
    def test_together_as_alone(self):
        bodies = list(requests())
        first = server.Server(KVIK, "--seqs", "1", "--queue", "64")
        alone = [ask(first, b) for b in bodies]
        self.assertEqual(first.stop(), 0)
        together = server.Server(KVIK, "--seqs", "48", "--ctx", "512", "--kv-memory", "1500K", "--chunk", "64", "--quiet")
        with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
            for turn in range(2):  # the second time most of it is cached
                got = list(pool.map(lambda b: ask(together, b), bodies))
                for i in range(STREAMS):
                    self.assertEqual(got[i], alone[i], (turn, i))
        preemptions, hits = together.figure("vllm:num_preemptions_total"), together.figure("vllm:prefix_cache_hits_total")
        evicted = together.figure("kvik_prefix_tokens_evicted_total")
        joined = together.figure("kvik_prefix_tokens_joined_total")
        print(f"{preemptions:.0f} preemptions, {hits:.0f} prompt tokens cached, {joined:.0f} joined, {evicted:.0f} evicted")
        self.assertGreater(hits, 0)
        self.assertGreater(joined, 0)
        self.assertGreater(evicted, 0)
        self.assertEqual(together.stop(), 0)


if __name__ == "__main__":
    unittest.main()
