#!/usr/bin/env python3
"""Answers of a model under random schemas: how many are finished, and whether each of those is valid by PyPI's jsonschema; some of them
streamed, some n = 4, and some asked again alone: the same bits. tests/constrain/answers.py KVIK [MODEL [ANSWERS]]."""
import concurrent.futures
import json
import os
import random
import sys

try:
    import jsonschema
except ImportError:
    print("needs PyPI's jsonschema: .venv/bin/pip install jsonschema==4.26.0")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../http"))
import server  # noqa: E402

WORDS = "name age city color size tags kind items price note user id date score".split()
rng = random.Random(17)


def text():
    k = rng.randrange(6)
    if k == 0:
        return {"enum": rng.sample(["red", "green", "blue", "a b", "x-1"], 3)}
    if k == 1:
        return {"type": "string", "pattern": rng.choice(["^[a-z]{2,6}$", "^[A-Z][a-z]+( [A-Z][a-z]+)?$", "^\\d{3}-\\d{4}$"]), "maxLength": 20}
    if k == 2:
        return {"type": "string", "format": rng.choice(["date", "uuid", "ipv4", "time"])}
    return {"type": "string", "minLength": rng.randrange(3), "maxLength": rng.randrange(4, 24)}


def number():
    s = {"type": rng.choice(["integer", "number"])}
    if rng.random() < 0.6:
        s["minimum"] = rng.randrange(-9, 9)
    if rng.random() < 0.6:
        s["maximum"] = rng.randrange(10, 2000)
    if s["type"] == "integer" and rng.random() < 0.2:
        s["multipleOf"] = rng.choice([2, 5])
    return s


def schema(depth=0):
    k = rng.randrange(10) if depth < 3 else rng.randrange(5)
    if k < 2:
        return text()
    if k < 4:
        return number()
    if k == 4:
        return rng.choice([{"type": "boolean"}, {"type": "null"}, {"const": 7}, {"type": ["integer", "null"]}])
    if k < 7:
        return {"type": "array", "items": schema(depth + 1), "minItems": rng.randrange(3), "maxItems": rng.randrange(3, 6)}
    if k == 7:
        return {"anyOf": [schema(depth + 1) for _ in range(2)]}
    return obj(depth + 1)


def obj(depth=0):
    names = rng.sample(WORDS, rng.randrange(1, 5))
    return {"type": "object", "properties": {n: schema(depth) for n in names}, "required": names[: rng.randrange(len(names) + 1)],
            "additionalProperties": False}


def ask(s, **body):
    return s.ask("POST", "/v1/chat/completions", {
        "messages": [{"role": "user", "content": "Answer in JSON."}], "max_tokens": 400, "temperature": 0.9, **body}, timeout=600)[1]


def one(s, i, form, alone=False):
    """Texts and reasons of one request: every eighth streamed, every fourth with n = 4."""
    n = 4 if i % 4 == 1 else 1
    body = {"response_format": {"type": "json_schema", "json_schema": {"schema": form}}, "seed": i, "n": n}
    if i % 8 != 2 or alone:
        return [(c["message"]["content"], c["finish_reason"]) for c in ask(s, **body)["choices"]]
    out = [["", None] for _ in range(n)]
    for e in server.chunks(ask(s, stream=True, **body)):
        for c in e["choices"]:
            out[c["index"]][0] += c["delta"].get("content") or ""
            out[c["index"]][1] = c["finish_reason"] or out[c["index"]][1]
    return [tuple(o) for o in out]


def check(text_, form):
    try:
        jsonschema.validate(json.loads(text_), form, jsonschema.Draft202012Validator)
    except (ValueError, jsonschema.ValidationError) as e:
        raise SystemExit("%r is no answer under %s: %s" % (text_, json.dumps(form), e))


def main():
    kvik, model, want = sys.argv[1], sys.argv[2:3], int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    s = server.Server(kvik, *model)
    forms = [obj() if rng.random() < 0.8 else schema() for _ in range(want * 4 // 7 + 1)]
    finished = answers = 0
    kept = {}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for i, got in enumerate(pool.map(lambda k: one(s, k, forms[k]), range(len(forms)))):
            for text_, reason in got:
                answers += 1
                finished += reason == "stop"
                if reason == "stop":
                    check(text_, forms[i])
            if i % 40 < 2:
                kept[i] = got
    for i, got in kept.items():
        assert one(s, i, forms[i], alone=True) == got, forms[i]
    assert s.stop() == 0
    print("%d answers under %d schemas, %d finished (%.1f %%), all of them valid; %d requests again alone: the same"
          % (answers, len(forms), finished, 100 * finished / answers, len(kept)))
    return finished < 0.8 * answers or answers < want


if __name__ == "__main__":
    sys.exit(main())
