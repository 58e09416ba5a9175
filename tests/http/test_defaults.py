#!/usr/bin/env python3
"""What a request gets that asks for nothing: an answer as long as fits, drawn as the server was told.

tests/http/test_defaults.py KVIK"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
HELLO = {"messages": [{"role": "user", "content": "Tell me a story."}]}


class Defaults(unittest.TestCase):
    def serve(self, *options):
        s = server.Server(KVIK, *options)
        self.addCleanup(s.stop)
        return s

    def settings(self, s, **body):
        return s.ask("POST", "/completion", {"prompt": "a", "n_predict": 1, **body})[1]["generation_settings"]

    def test_what_fits(self):
        # room for a quarter of one full context
        s = self.serve("--kv-memory", "640K", "--seqs", "4", "--ctx", "2048")
        for path, body in (("/v1/chat/completions", HELLO), ("/v1/responses", {"input": "Hello!"}), ("/v1/completions", {"prompt": "a"})):
            status, answer, _ = s.ask("POST", path, body)
            self.assertEqual(status, 200, answer)
        status, answer, _ = s.ask("POST", "/v1/chat/completions", {**HELLO, "ignore_eos": True})
        self.assertEqual((status, answer["choices"][0]["finish_reason"]), (200, "length"))
        self.assertTrue(200 < answer["usage"]["completion_tokens"] < 1900, answer["usage"])
        status, answer, _ = s.ask("POST", "/v1/chat/completions", {**HELLO, "max_tokens": 1900})
        self.assertEqual(status, 400)
        self.assertIn("--kv-memory", answer["error"]["message"])

    def test_drawing(self):
        got = self.settings(self.serve())
        self.assertEqual([got[k] for k in ("temperature", "top_k", "top_p", "min_p")], [.8, 40, .95, .05])
        s = self.serve("--temp", "0", "--top-k", "7", "--repeat-penalty", "1.1")
        got = self.settings(s)
        self.assertEqual([got[k] for k in ("temperature", "top_k", "top_p", "repeat_penalty")], [0, 7, .95, 1.1])
        self.assertEqual(self.settings(s, temperature=.5, top_k=None)["temperature"], .5)
        a, b = (s.ask("POST", "/v1/chat/completions", HELLO)[1]["choices"][0]["message"] for _ in range(2))
        self.assertEqual(a, b)

    def test_warnings(self):
        s = server.Server(KVIK, "--ctx", "4096")
        self.assertEqual(s.stop(), 0)
        self.assertRegex(s.said, "a context of 4096 tokens, and the model was trained for 2048")
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        s = server.Server(KVIK, "--kv-memory", str(machine + (1 << 30)))
        self.assertEqual(s.stop(), 0)
        self.assertRegex(s.said, r"the KV cache may take \S+ GiB, and \S+ .iB of memory are free here")


if __name__ == "__main__":
    unittest.main()
