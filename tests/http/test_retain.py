#!/usr/bin/env python3
"""What requests want kept is kept: a pinned prefix outlives any flood, a higher priority outlives a lower one, a time to live ends; a
session has one pin of each size at a time; pins do not take more than half of the cache; who asks wrongly is told.

tests/http/test_retain.py KVIK. Standard library only."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

WORDS = "the fox ran over a hill and saw one small red boat on the river while rain fell from a grey sky onto green trees".split()


def prompt(i, n=250):
    r = random.Random(i)
    return " ".join(r.choice(WORDS) for _ in range(n))


def ask(s, i, keep=True, n=250, status=200):
    got, answer, _ = s.ask("POST", "/v1/completions", {"prompt": prompt(i, n), "max_tokens": 2, "temperature": 0, "x_kvik": keep})
    assert got == status, answer
    return answer


def missing(answer):
    """Tokens of the prompt that were not in the cache."""
    return answer["usage"]["prompt_tokens"] - answer["x_kvik"]["cached_tokens"]


def flood(s, first=1000, n=24):
    for i in range(n):
        ask(s, first + i)


def main():
    s = server.Server(sys.argv[1], "--quiet", "--kv-memory", "5M", "--ctx", "1024", "--seqs", "2")
    # A flood evicts what nobody keeps, and what is kept stays.
    ask(s, 1)
    flood(s)
    assert missing(ask(s, 1)) > 100
    ask(s, 2, {"retain": [{"pin": True, "ttl": 3600}]})
    ask(s, 3, {"priority": 3})
    ask(s, 4, {"retain": [{"tokens": 200, "priority": 2}]})
    assert s.figure("kvik_pins") == 1 and s.figure("kvik_pinned_tokens") > 200
    flood(s, 2000)
    assert missing(ask(s, 2)) <= 1
    assert missing(ask(s, 3, {"priority": 3, "explain": True})) <= 1
    answer = ask(s, 4)
    assert 200 - 16 <= answer["x_kvik"]["cached_tokens"] <= 216, answer["x_kvik"]
    # The same once more is one pin; another of a session takes the place of the first.
    ask(s, 2, {"retain": [{"pin": True, "ttl": 3600}]})
    assert s.figure("kvik_pins") == 1
    for i in (5, 6, 7):
        ask(s, i, {"session": "chat 17", "retain": [{"pin": True}]})
    assert s.figure("kvik_pins") == 2
    flood(s, 3000)
    assert missing(ask(s, 7)) <= 1 and missing(ask(s, 5)) > 100
    # A time to live, of a text and of a pin.
    ask(s, 8, {"ttl": 1})
    assert ask(s, 8, {"ttl": 1, "explain": True})["x_kvik"]["cached_tokens"] > 100
    ask(s, 9, {"retain": [{"pin": True, "ttl": 1}]})
    assert s.figure("kvik_pins") == 3
    time.sleep(1.5)
    answer = ask(s, 8)
    assert answer["x_kvik"]["prefix"]["miss"] == "expired" and missing(answer) > 100, answer["x_kvik"]
    assert s.figure("kvik_pins") == 2
    # Not more than half.
    for i in range(100, 124):
        ask(s, i, {"retain": [{"pin": True}]})
    assert s.figure("kvik_pins_refused_total") > 0
    ask(s, 10, n=400)
    for wrong in (3, "yes", [], {"retain": {}}, {"retain": [3]}, {"retain": [{"tokens": 0}]}, {"retain": [{"priority": 256}]},
                  {"retain": [{}] * 9}, {"ttl": 0}, {"sesion": "x"}, {"session": 3}, {"priority": -1}):
        ask(s, 11, wrong, status=400)
    assert s.stop() == 0


if __name__ == "__main__":
    main()
