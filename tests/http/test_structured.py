#!/usr/bin/env python3
"""Answers of a given form: JSON schemas, expressions and choices in each dialect's words; the same bits alone and in
company. tests/http/test_structured.py KVIK. Standard library only."""
import concurrent.futures
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
USER = [{"role": "user", "content": "Tell me about a fox"}]
PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "kind"], "properties": {
    "name": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[A-Z][a-z]*$"},
    "age": {"type": "integer", "minimum": 3, "maximum": 99}, "kind": {"enum": ["fox", "hen", 7, None]},
    "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}}}


def is_person(v):
    return (isinstance(v, dict) and set(v) <= set(PERSON["properties"]) and {"name", "age", "kind"} <= set(v)
            and re.fullmatch("[A-Z][a-z]{1,7}", v["name"]) and 3 <= v["age"] <= 99 and v["age"] == int(v["age"])
            and v["kind"] in ("fox", "hen", 7, None) and all(isinstance(t, bool) for t in v.get("tags", [])))


class Structured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(KVIK)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def chat(self, **body):
        status, answer, _ = self.server.ask("POST", "/v1/chat/completions",
                                            {"messages": USER, "max_tokens": 400, "temperature": 1, "seed": 5, **body})
        self.assertEqual(status, 200, answer)
        return answer

    def form(self, schema):
        return {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}

    def test_schema(self):
        texts = set()
        for seed in range(4):
            for c in self.chat(response_format=self.form(PERSON), n=3, seed=10 * seed)["choices"]:
                if c["finish_reason"] == "stop":
                    text = c["message"]["content"]
                    self.assertTrue(is_person(json.loads(text)), text)
                    self.assertEqual(text, text.rstrip())
                    texts.add(text)
        self.assertGreater(len(texts), 6)

    def test_stream_and_company(self):
        one = lambda seed: self.chat(response_format=self.form(PERSON), seed=seed)["choices"][0]["message"]["content"]
        alone = [one(s) for s in range(6)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            self.assertEqual(list(pool.map(one, range(6))), alone)
        events = server.chunks(self.chat(response_format=self.form(PERSON), seed=0, stream=True))
        self.assertEqual("".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"]), alone[0])

    def test_dialects(self):
        ask = self.server.ask
        text = lambda **b: self.chat(**b)["choices"][0]["message"]["content"]
        self.assertIn(text(structured_outputs={"choice": ["yes", "no"]}), ("yes", "no"))
        self.assertIn(text(guided_choice=["red", "green"]), ("red", "green"))
        self.assertTrue(re.fullmatch("[ab]{3}-[0-9]", text(guided_regex="[ab]{3}-[0-9]")))
        self.assertIsInstance(json.loads(text(guided_json=json.dumps({"type": "integer", "maximum": 9999}))), int)
        got = ask("POST", "/completion", {"prompt": "x", "n_predict": 60, "json_schema": {"enum": ["a b", 5]}})[1]
        self.assertIn(json.loads(got["content"]), ("a b", 5))
        got = ask("POST", "/v1/responses", {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {
            "enum": [True]}}}})[1]
        self.assertEqual(json.loads(got["output"][0]["content"][0]["text"]), True)
        got = self.chat(response_format={"type": "json_object"}, max_tokens=40)["choices"][0]["message"]["content"]
        self.assertEqual(got.lstrip()[0], "{")

    def test_grammars(self):
        text = lambda **b: self.chat(**b)["choices"][0]["message"]["content"]
        gbnf = 'root ::= tag ("," tag){0,2}\ntag ::= "<" [a-c]{2,4} ">"'
        lark = 'start: tag ("," tag)~0..2\ntag: "<" /[a-c]{2,4}/ ">"'
        ok = lambda t: self.assertTrue(re.fullmatch("(<[a-c]{2,4}>,){0,2}<[a-c]{2,4}>", t), t)
        for form in ({"structured_outputs": {"grammar": gbnf}}, {"guided_grammar": lark}, {"ebnf": gbnf}, {"grammar": gbnf},
                     {"response_format": {"type": "grammar", "grammar": lark}}):
            ok(text(**form))
        ok(self.server.ask("POST", "/completion", {"prompt": "x", "n_predict": 90, "grammar": gbnf})[1]["content"])
        self.assertTrue(re.fullmatch("[0-9]{3}", text(response_format={"type": "regex", "pattern": "[0-9]{3}"})))
        self.assertTrue(re.fullmatch("[0-9]{3}", text(regex="[0-9]{3}")))
        got = self.server.ask("POST", "/v1/responses", {"input": "x", "text": {"format": {"type": "grammar", "grammar": gbnf}}})[1]
        ok(got["output"][0]["content"][0]["text"])

    def test_structural_tags(self):
        text = lambda **b: self.chat(**b)["choices"][0]["message"]["content"]
        tag = {"type": "tag", "begin": "<call>", "end": "</call>", "content": {"type": "json_schema", "json_schema": PERSON}}
        once = {"type": "structural_tag", "format": {"type": "triggered_tags", "triggers": ["<call>"], "tags": [tag],
                                                     "at_least_one": True, "stop_after_first": True}}
        for form in ({"response_format": once}, {"structural_tag": once},
                     {"structured_outputs": {"structural_tag": json.dumps(once)}}):
            t = text(**form)
            self.assertTrue(t.startswith("<call>") and t.endswith("</call>"), t)
            self.assertTrue(is_person(json.loads(t[6:-7])), t)
        old = {"type": "structural_tag", "structures": [{"begin": "<call>", "schema": PERSON, "end": "</call>"}], "triggers": ["<c"]}
        t = text(response_format=old, max_tokens=60)
        self.assertFalse(re.search("<c(?!all>)", t), t)

    def test_refused(self):
        for form, word in (({"type": "grammar", "grammar": "root ::= x"}, "'x' is used and not defined"),
                           ({"type": "grammar", "grammar": "root ::= \"a"}, "line 1, column 12"), ({"type": "grammar"}, "grammar"),
                           ({"type": "structural_tag"}, "neither"),
                           ({"type": "structural_tag", "format": {"type": "const_strin"}}, "const_strin"),
                           ({"type": "json_schema", "json_schema": {"schema": {"uniqueItems": True}}}, "/uniqueItems"),
                           ({"type": "json_schema", "json_schema": {"schema": {"type": "strin"}}}, "/type"),
                           ({"type": "json_schema", "json_schema": {"schema": False}}, "no value"),
                           ({"type": "json_schema"}, "must hold the schema"), ({"type": "xml"}, "xml"), ([], "type")):
            status, answer, _ = self.server.ask("POST", "/v1/chat/completions", {"messages": USER, "response_format": form})
            self.assertEqual(status, 400, answer)
            self.assertIn(word, answer["error"]["message"])
            self.assertEqual(answer["error"]["param"], "response_format")


if __name__ == "__main__":
    unittest.main(verbosity=1)
