#!/usr/bin/env python3
"""/v1/completions and llama-server's /completion: echo with log-probabilities of the prompt, several prompts, what ended
an answer. tests/http/test_completions.py KVIK. Standard library only."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
STORY = "Once upon a time there was a small fox"


class Completions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(KVIK, "--chunk", "70", "--tokens-max", "500")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def complete(self, path="/v1/completions", **body):
        status, answer, _ = self.server.ask("POST", path, {"temperature": 0, "max_tokens": 4, **body})
        self.assertEqual(status, 200, answer)
        return answer

    def ids(self, text):
        return self.server.ask("POST", "/tokenize", {"content": text, "add_special": True})[1]["tokens"]

    def test_prompt_logprobs(self):
        self.complete(prompt=STORY)  # cached: it must not matter
        ids = self.ids(STORY)
        got = self.complete(prompt=STORY, echo=True, logprobs=3, max_tokens=2)["choices"][0]
        l = got["logprobs"]
        self.assertEqual(len(l["tokens"]), len(ids) + 2)
        self.assertEqual((l["token_logprobs"][0], l["top_logprobs"][0]), (None, None))
        self.assertTrue(got["text"].startswith(STORY))
        for i in range(1, len(ids)):  # each as the next token of the prompt before it
            one = self.complete(prompt=ids[:i], logprobs=3, max_tokens=1)["choices"][0]["logprobs"]
            own = {l["tokens"][i]: l["token_logprobs"][i]}  # always among them
            self.assertEqual(l["top_logprobs"][i], {**one["top_logprobs"][0], **own})
        self.assertEqual(l["text_offset"][-2:], sorted(l["text_offset"][-2:]))

    def test_prompt_alone(self):
        got = self.complete(prompt=STORY, echo=True, logprobs=1, max_tokens=0)
        self.assertEqual(got["choices"][0]["text"], STORY)
        self.assertEqual(len(got["choices"][0]["logprobs"]["tokens"]), len(self.ids(STORY)))
        self.assertEqual((got["usage"]["completion_tokens"], got["choices"][0]["finish_reason"]), (0, "length"))
        self.assertEqual(self.server.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 0})[0], 400)

    def test_echo_in_a_stream(self):
        whole = self.complete(prompt=STORY, echo=True, logprobs=2)["choices"][0]
        events = server.chunks(self.complete(prompt=STORY, echo=True, logprobs=2, stream=True))
        self.assertEqual("".join(e["choices"][0]["text"] for e in events), whole["text"])
        values = [v for e in events if e["choices"][0]["logprobs"] for v in e["choices"][0]["logprobs"]["token_logprobs"]]
        self.assertEqual(values, whole["logprobs"]["token_logprobs"])

    def test_long_prompt(self):
        ids = self.ids("The boat went down the river and the girl saw a bear. " * 40)
        got = self.complete(prompt=ids, echo=True, logprobs=1, max_tokens=1)["choices"][0]["logprobs"]
        self.assertEqual(len(got["token_logprobs"]), len(ids) + 1)
        self.assertTrue(all(x <= 0 for x in got["token_logprobs"][1:]))

    def test_several_prompts(self):
        prompts = [STORY, "The boat", self.ids("Tell me")]
        got = self.complete(prompt=prompts, n=2, temperature=1, seed=3, max_tokens=9, ignore_eos=True)
        self.assertEqual([c["index"] for c in got["choices"]], list(range(6)))
        for i, p in enumerate(prompts):
            alone = self.complete(prompt=p, n=2, temperature=1, seed=3, max_tokens=9, ignore_eos=True)["choices"]
            self.assertEqual([c["text"] for c in got["choices"][2 * i:2 * i + 2]], [c["text"] for c in alone])
        self.assertEqual(got["usage"]["completion_tokens"], 54)
        events = server.chunks(self.complete(prompt=prompts, temperature=0, max_tokens=9, stream=True))
        whole = self.complete(prompt=prompts, max_tokens=9)["choices"]
        for i in range(3):
            self.assertEqual("".join(e["choices"][0]["text"] for e in events if e["choices"][0]["index"] == i), whole[i]["text"])
        self.assertEqual(self.server.ask("POST", "/v1/completions", {"prompt": ["ok", [99999999]]})[0], 400)
        self.assertEqual(self.server.ask("POST", "/v1/completions", {"prompt": ["ok", "word " * 4000]})[0], 400)

    def test_llama_server_fields(self):
        r = self.complete("/completion", prompt=STORY, n_predict=30, ignore_eos=True)
        self.assertEqual((r["stop_type"], r["tokens_predicted"], r["timings"]["predicted_n"], r["tokens"]), ("limit", 30, 30, []))
        self.assertEqual((r["generation_settings"]["n_predict"], r["generation_settings"]["top_k"]), (30, 40))
        self.assertEqual(r["timings"]["prompt_n"] + r["timings"]["cache_n"], r["tokens_evaluated"])
        word = max(r["content"].split(), key=len)
        s = self.complete("/completion", prompt=STORY, n_predict=30, stop=["not there", word])
        self.assertEqual((s["stop_type"], s["stopping_word"]), ("word", word))
        self.assertNotIn(word, s["content"])
        f = self.complete("/completion", prompt=STORY, n_predict=3, response_fields=["content", "generation_settings/seed", "none"])
        self.assertEqual(set(f), {"content", "generation_settings/seed"})
        events = server.chunks(self.complete("/completion", prompt=STORY, n_predict=8, n_probs=2, stream=True, timings_per_token=True))
        tokens = [e for e in events[:-1] if e["tokens"]]  # text that was held back may come in an event of its own
        self.assertEqual([(len(e["tokens"]), len(e["completion_probabilities"])) for e in tokens], [(1, 1)] * 8)
        self.assertEqual([e["timings"]["predicted_n"] for e in tokens], list(range(1, 9)))
        batch = self.complete("/completion", prompt=[STORY, self.ids(STORY)], n_predict=5)
        self.assertEqual(batch[0]["content"], batch[1]["content"])
        mixed = self.complete("/completion", prompt=[5, 6, STORY, 7], n_predict=5)
        self.assertEqual(mixed["tokens_evaluated"], 3 + len(self.server.ask("POST", "/tokenize", {"content": STORY})[1]["tokens"]))
        self.assertEqual(self.complete("/completion", prompt="a", n_predict=-1, ignore_eos=True)["tokens_predicted"], 500)


if __name__ == "__main__":
    unittest.main()
