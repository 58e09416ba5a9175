#!/usr/bin/env python3
"""`"x_kvik": true`: an answer says how its prompt met the cache.

tests/http/test_explain.py KVIK. Standard library only."""
import concurrent.futures
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
STORY = "Once upon a time there was a small fox who lived in the big forest and wanted to see the river."


class Explain(unittest.TestCase):
    def start(self, *options):
        s = server.Server(KVIK, *options)
        self.addCleanup(lambda: self.assertEqual(s.stop(), 0))
        return s

    def ask(self, s, prompt, headers={}, **options):
        status, answer, _ = s.ask("POST", "/v1/completions",
                                  {"prompt": prompt, "max_tokens": 1, "temperature": 0, "x_kvik": True, **options}, headers)
        self.assertEqual(status, 200, answer)
        x = answer["x_kvik"]
        self.assertEqual(x["cached_tokens"], x["prefix"]["found_tokens"] + x["prefix"]["joined_tokens"])
        self.assertEqual(x["cached_tokens"], answer["usage"]["prompt_tokens_details"]["cached_tokens"])
        return x, x["prefix"]

    def ids(self, s, text):
        return s.ask("POST", "/tokenize", {"content": text, "add_special": True})[1]["tokens"]

    def test_new_known_and_different(self):
        s = self.start()
        x, p = self.ask(s, STORY)
        self.assertEqual((p["miss"], p["found_tokens"], p["cached_token"]), ("new", 0, None))
        x, p = self.ask(s, STORY)
        self.assertEqual((p["miss"], p["found_tokens"]), ("none", x["prompt_tokens"] - 1))
        a, b = self.ids(s, STORY), self.ids(s, STORY.replace("big", "dark"))
        at = next(i for i in range(len(a)) if a[i] != b[i])
        x, p = self.ask(s, STORY.replace("big", "dark"))
        self.assertEqual((p["miss"], p["found_tokens"], p["matched_tokens"]), ("differs", at, at))
        self.assertEqual((p["token"]["id"], p["cached_token"]["id"]), (b[at], a[at]))
        self.assertIn(p["cached_token"]["text"].strip(), "big")
        x, p = self.ask(s, STORY + " And then")
        self.assertEqual((p["miss"], p["found_tokens"]), ("new", len(a)))

    def test_nonces(self):
        """What differs without a meaning is named: in the answer, in the figures, once in the log, and there without the text."""
        s = self.start()
        header = "x-anthropic-billing-header: cc_version=2.1.4.f1e; cc_entrypoint=cli; cch={};\nYou are a helpful fox. " + STORY
        for i, cch in enumerate(("1a2b3", "9c8d7", "0e0f0")):
            x, p = self.ask(s, header.format(cch))
            self.assertEqual(p.get("nonce"), "x-anthropic-billing-header" if i else None)
            if i:
                self.assertEqual(p["miss"], "differs")
                self.assertIn("x-anthropic-billing-header", p["before"])
                self.assertTrue((p["before"] + p["after"]).find(cch) >= 0, p)
        for i in range(2):
            x, p = self.ask(s, f"The time is 2026-11-28T07:1{i}:00. " + STORY)
        self.assertEqual((p["miss"], p["nonce"]), ("differs", "time"))
        x, p = self.ask(s, "The time is up. " + STORY)
        self.assertNotIn("nonce", p)
        text = s.ask("GET", "/metrics")[1]
        for line in ('kvik_prefix_nonces_total{kind="x-anthropic-billing-header",', 'kvik_prefix_misses_total{why="differs",'):
            self.assertIn(line, text)
        found = [x for x in text.splitlines() if x.startswith('kvik_prefix_nonces_total{kind="x-anthropic-billing-header"')]
        self.assertTrue(found[0].endswith(" 2"), found)
        s.stop()
        log = s.log()
        told = [x for x in log if "nonce (" in str(x)]
        self.assertEqual(len(told), 2, told)
        requests = [x for x in log if x.get("path") == "/v1/completions"]
        self.assertEqual([x.get("nonce") for x in requests][:3], [None] + 2 * ["x-anthropic-billing-header"])
        self.assertEqual((requests[1]["miss"], requests[1]["miss_at"] > 0), ("differs", True))
        self.assertNotIn("1a2b3", str(log))

    def test_stream_and_chat(self):
        s = self.start()
        for stream in (False, True):
            status, answer, _ = s.ask("POST", "/v1/chat/completions", {
                "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 2, "x_kvik": True, "stream": stream})
            x = server.chunks(answer)[-1]["x_kvik"] if stream else answer["x_kvik"]
            self.assertEqual(x["prefix"]["miss"], "none" if stream else "new")

    def test_responses(self):
        s = self.start()
        for miss in ("new", "none"):
            status, answer, _ = s.ask("POST", "/v1/responses", {"input": "Hello!", "max_output_tokens": 2, "x_kvik": True})
            self.assertEqual((status, answer["x_kvik"]["prefix"]["miss"]), (200, miss))

    def test_evicted(self):
        s = self.start("--ctx", "256", "--full-seqs", "1")
        self.ask(s, STORY)
        for i in range(12):
            self.ask(s, f"{i} apples " * 40)
        x, p = self.ask(s, STORY)
        self.assertEqual(p["miss"], "evicted")
        self.assertLess(p["found_tokens"], x["prompt_tokens"] - 1)

    def test_joined(self):
        s = self.start("--chunk", "65")
        long = " ".join(f"{i} boats" for i in range(240))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: self.ask(s, long), range(8)))
        computed = sum(x["prompt_tokens"] - x["cached_tokens"] for x, _ in found)
        self.assertLess(computed, found[0][0]["prompt_tokens"] + 8 * 17)  # once, and what is too short to wait for
        self.assertGreater(sum(p["joined_tokens"] for _, p in found), 0)
        for _, p in found:
            self.assertIn(p["miss"], ("none", "new"))

    def test_scopes(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
            f.write("secret-one alice\nsecret-two bob\n")
            f.flush()
            s = self.start("--keys", f.name)
            alice, bob = ({"Authorization": f"Bearer secret-{x}"} for x in ("one", "two"))
            self.ask(s, STORY, alice)
            x, p = self.ask(s, STORY, bob)
            self.assertEqual((p["miss"], p["matched_tokens"], p["scope"]), ("new", 0, "key"))
            x, p = self.ask(s, STORY, alice)
            self.assertEqual((p["miss"], p["scope"]), ("none", "key"))


if __name__ == "__main__":
    unittest.main()
