#!/usr/bin/env python3
"""The server as its users meet it: the OpenAI Python SDK and plain HTTP against `kvik serve` with the built-in model.

tests/http/test_openai.py KVIK. Exits with 77 (skipped) when the openai package is not there."""
import concurrent.futures
import json
import os
import sys
import unittest

try:
    import openai
except ImportError:
    print("skipped: the Python package openai is not installed (pip install -r tests/requirements.txt)")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
STORY = [{"role": "user", "content": "Tell me a story."}]


class Server(server.Server):
    def __init__(self, *options):
        super().__init__(KVIK, *options)

    def client(self, key="none"):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0, timeout=60)


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--seqs", "16", "--alias", "mini")
        cls.ai = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def chat(self, **options):
        return self.ai.chat.completions.create(**{"model": "mini", "messages": STORY, "temperature": 0, "max_tokens": 24, **options})

    def test_chat(self):
        r = self.chat()
        self.assertEqual(r.choices[0].finish_reason, "length")
        self.assertEqual(r.usage.completion_tokens, 24)
        self.assertEqual(r.usage.total_tokens, r.usage.prompt_tokens + 24)
        self.assertGreater(len(r.choices[0].message.content), 20)

    def test_stream_is_the_whole(self):
        whole = self.chat().choices[0].message.content
        parts, usage, finish = [], None, None
        for chunk in self.chat(stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for c in chunk.choices:
                parts.append(c.delta.content or "")
                finish = c.finish_reason or finish
        self.assertEqual("".join(parts), whole)
        self.assertEqual((finish, usage.completion_tokens), ("length", 24))
        self.assertGreater(usage.prompt_tokens_details.cached_tokens, 0)

    def test_end_of_turn(self):
        r = self.chat(messages=[{"role": "user", "content": "Hello!"}], max_tokens=200)
        self.assertEqual(r.choices[0].finish_reason, "stop")
        self.assertNotIn("<|im_end|>", r.choices[0].message.content)

    def test_choices_and_seed(self):
        options = dict(n=3, temperature=1, seed=5)
        a, b = self.chat(**options), self.chat(**options)
        texts = [c.message.content for c in a.choices]
        self.assertEqual(texts, [c.message.content for c in b.choices])
        self.assertEqual(len(set(texts)), 3)

    def test_stop_string(self):
        whole = self.chat(max_tokens=40).choices[0].message.content
        word = whole.split()[6]
        r = self.chat(max_tokens=40, stop=[word])
        self.assertEqual(r.choices[0].finish_reason, "stop")
        self.assertEqual(r.choices[0].message.content, whole[:whole.index(word)])

    def test_logprobs(self):
        r = self.chat(max_tokens=5, logprobs=True, top_logprobs=3)
        content = r.choices[0].logprobs.content
        self.assertEqual(len(content), 5)
        for t in content:
            self.assertEqual(len(t.top_logprobs), 3)
            self.assertEqual(t.token, t.top_logprobs[0].token)
            self.assertEqual(bytes(t.bytes).decode(), t.token)
        self.assertEqual("".join(t.token for t in content).lstrip(), r.choices[0].message.content.lstrip())

    def test_logit_bias(self):
        ids = self.server.ask("POST", "/tokenize", {"content": " dog"})[1]["tokens"]
        r = self.ai.completions.create(model="mini", prompt="A", max_tokens=3, temperature=0, logit_bias={str(ids[0]): 100})
        self.assertIn("dog", r.choices[0].text)

    def test_completions(self):
        r = self.ai.completions.create(model="mini", prompt="Once upon a time", max_tokens=12, temperature=0, logprobs=2, echo=False)
        self.assertEqual(len(r.choices[0].logprobs.tokens), 12)
        e = self.ai.completions.create(model="mini", prompt="Once upon a time", max_tokens=12, temperature=0, echo=True)
        self.assertEqual(e.choices[0].text, "Once upon a time" + r.choices[0].text)
        ids = self.server.ask("POST", "/tokenize", {"content": "Once upon a time", "add_special": True})[1]["tokens"]
        i = self.ai.completions.create(model="mini", prompt=ids, max_tokens=12, temperature=0)
        self.assertEqual(i.choices[0].text, r.choices[0].text)
        streamed = "".join(c.choices[0].text for c in self.ai.completions.create(
            model="mini", prompt="Once upon a time", max_tokens=12, temperature=0, stream=True))
        self.assertEqual(streamed, r.choices[0].text)

    def test_embeddings(self):
        r = self.ai.embeddings.create(model="mini", input=["a red ball", "a red ball", "the river"])
        a, b, c = (x.embedding for x in r.data)
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)
        self.assertAlmostEqual(sum(x * x for x in a), 1, places=4)
        f = self.ai.embeddings.create(model="mini", input="a red ball", encoding_format="float").data[0].embedding
        self.assertEqual(len(f), len(a))
        self.assertLess(max(abs(x - y) for x, y in zip(a, f)), 1e-6)

    def test_responses(self):
        r = self.ai.responses.create(model="mini", input="Hello!", temperature=0, max_output_tokens=60)
        self.assertEqual(r.status, "completed")
        self.assertGreater(len(r.output_text), 0)
        text, kinds = "", []
        for e in self.ai.responses.create(model="mini", input="Hello!", temperature=0, max_output_tokens=60, stream=True):
            kinds.append(e.type)
            text += e.delta if e.type == "response.output_text.delta" else ""
        self.assertEqual(text, r.output_text)
        self.assertEqual((kinds[0], kinds[-1]), ("response.created", "response.completed"))

    def test_tools(self):
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
        r = self.chat(tools=tools, max_tokens=8)
        self.assertIn(r.choices[0].finish_reason, ("length", "stop", "tool_calls"))
        self.assertEqual(self.chat(tools=tools, tool_choice="none", max_tokens=8).choices[0].message.tool_calls, None)

    def test_forced_tools(self):
        """A call that must be is one of the schema, whole and in a stream, of Chat Completions and of Responses."""
        place = {"type": "object", "properties": {"at": {"$ref": "#/$defs/at"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}},
                 "required": ["at", "n"], "additionalProperties": False, "$defs": {"at": {"enum": ["hill", "lake"]}}}
        tools = [{"type": "function", "function": {"name": name, "parameters": place}} for name in ("look", "go")]
        named = {"type": "function", "function": {"name": "go"}}
        names, said = set(), []

        def check(name, arguments):
            names.add(name)
            said.append(json.loads(arguments))
            self.assertEqual(sorted(said[-1]), ["at", "n"])
            self.assertIn(said[-1]["at"], ("hill", "lake"))
            self.assertIn(said[-1]["n"], range(1, 10))

        for seed in range(4):
            o = {"tools": tools, "temperature": 1.5, "seed": seed, "max_tokens": 600}
            f = self.chat(tool_choice="required", **o).choices[0]
            self.assertEqual((f.finish_reason, f.message.content, len(f.message.tool_calls)), ("tool_calls", None, 1))
            check(f.message.tool_calls[0].function.name, f.message.tool_calls[0].function.arguments)
            f = self.chat(tool_choice=named, **o).choices[0].message.tool_calls[0].function
            self.assertEqual(f.name, "go")
            check(f.name, f.arguments)
            deltas = [c.choices[0].delta.tool_calls[0] for c in self.chat(tool_choice=named, stream=True, **o)
                      if c.choices and c.choices[0].delta.tool_calls]
            self.assertEqual((deltas[0].function.name, deltas[0].id is not None), ("go", True))
            self.assertEqual("".join(d.function.arguments for d in deltas), f.arguments)
        flat = [{"type": "function", **t["function"]} for t in tools]
        r = self.ai.responses.create(model="mini", input="Hello!", tools=flat, tool_choice="required", max_output_tokens=600)
        self.assertEqual([i.type for i in r.output], ["function_call"])
        check(r.output[0].name, r.output[0].arguments)
        with self.assertRaises(openai.BadRequestError):
            self.chat(tools=tools, tool_choice={"type": "function", "function": {"name": "no"}})

    def test_models(self):
        self.assertEqual([m.id for m in self.ai.models.list()], ["mini"])

    def test_llama_server_paths(self):
        ask = self.server.ask
        self.assertEqual(ask("GET", "/health")[1], {"status": "ok"})
        r = ask("POST", "/completion", {"prompt": "Once upon a time", "n_predict": 8, "temperature": 0})[1]
        self.assertTrue(r["stop"] and r["content"] and r["tokens_predicted"] == 8)
        tokens = ask("POST", "/tokenize", {"content": "Hello 你好"})[1]["tokens"]
        self.assertEqual(ask("POST", "/detokenize", {"tokens": tokens})[1]["content"], "Hello 你好")
        self.assertIn("Tell me", ask("POST", "/apply-template", {"messages": STORY})[1]["prompt"])
        self.assertEqual(ask("GET", "/props")[1]["model_alias"], "mini")
        self.assertIn("kv_bytes_used", ask("GET", "/slots")[1][0])

    def test_wrong_requests(self):
        ask = self.server.ask
        cases = [("POST", "/v1/chat/completions", "{", 400), ("POST", "/v1/chat/completions", "", 400),
                 ("POST", "/v1/chat/completions", "[]", 400), ("POST", "/v1/chat/completions", {"messages": []}, 400),
                 ("POST", "/v1/chat/completions", {"messages": STORY, "temprature": 1}, 400),
                 ("POST", "/v1/chat/completions", {"messages": STORY, "temperature": "hot"}, 400),
                 ("POST", "/v1/chat/completions", {"messages": STORY, "response_format": {"type": "json_schema"}}, 400),
                 ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400),
                 ("POST", "/v1/completions", {"prompt": [1, {}]}, 400), ("POST", "/v1/completions", {"prompt": [999999]}, 400),
                 ("POST", "/v1/completions", {"prompt": "a", "n": 1000}, 400), ("POST", "/v1/completions", b"\xff\xfe{}", 400),
                 ("POST", "/v1/completions", {"prompt": "word " * 4000}, 400),
                 ("GET", "/v1/chat/completions", None, 405), ("GET", "/nothing", None, 404), ("POST", "/v1/models", "{}", 405)]
        for method, path, body, status in cases:
            got, answer, _ = ask(method, path, body)
            self.assertEqual(got, status, (path, body))
            self.assertTrue(answer["error"]["message"] and answer["error"]["type"], (path, body))
        self.assertEqual(ask("POST", "/v1/completions", {"prompt": "a", "temprature": 1})[1]["error"]["param"], "temprature")
        self.assertEqual(self.chat(max_tokens=2).usage.completion_tokens, 2)

    def test_together_as_alone(self):
        prompts = [f"Once upon a time, there was a {x}" for x in ("fox", "girl", "bear", "boat", "king", "cat", "dog", "tree")] * 4
        def go(i):
            return self.ai.completions.create(model="mini", prompt=prompts[i], max_tokens=30, temperature=0.9, seed=i).choices[0].text
        alone = [go(i) for i in range(len(prompts))]
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            together = list(pool.map(go, range(len(prompts))))
        self.assertEqual(together, alone)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
