#!/usr/bin/env python3
"""Makes cases.jsonl: random JSON schemas with instances and what PyPI's jsonschema (draft 2020-12) says of each, and
regular expressions with texts and what Python's re says of them. Run it again only to change the cases; CI reads the file.

    python3 tests/constrain/make_cases.py > tests/constrain/cases.jsonl
"""
import json
import random
import re
import sys

import jsonschema

rng = random.Random(20261128)
NAMES = ["a", "ab", "b", "id", "é", "x y"]
# No "\n": to Python "$" also means before the last line end.
STRINGS = ["", "a", "ab", "abc", "b", "foo", "é", "日本", "\t", "a\"b", "x" * 12, "😀"]
NUMBERS = [0, 1, -1, 2, 3, 7, 10, 12, 100, -5, 0.5, 1.5, 2.25, -0.75, 1e-7, 10**10, 123456789]


def value(depth=0):
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 0:
        return rng.choice([True, False, None])
    if kind in (1, 2):
        return rng.choice(STRINGS)
    if kind in (3, 4):
        return rng.choice(NUMBERS)
    if kind == 5:
        return [value(depth + 1) for _ in range(rng.randrange(4))]
    return {n: value(depth + 1) for n in rng.sample(NAMES, rng.randrange(4))}


def schema(depth=0):
    if depth > 2 or rng.random() < 0.05 + 0.3 * (depth > 0):
        return rng.choice([True, True, False, {}, {"type": rng.choice(["string", "integer", "number", "boolean", "null"])}])
    s = {}

    def put(p, key, make):
        if rng.random() < p:
            s[key] = make()

    put(0.5, "type", lambda: rng.choice(["object", "object", "array", "string", "integer", "number", ["string", "null"]]))
    put(0.1, "enum", lambda: [value(2) for _ in range(rng.randrange(1, 4))])
    put(0.05, "const", lambda: value(2))
    put(0.15, "minLength", lambda: rng.randrange(4))
    put(0.15, "maxLength", lambda: rng.randrange(1, 8))
    put(0.12, "pattern", lambda: rng.choice(["^a", "b", "^[a-z]+$", "^(foo|ab)?c*$", "^(?!a)", "é|日", "^\\S{2,3}$"]))
    put(0.2, "minimum", lambda: rng.choice(NUMBERS))
    put(0.2, "maximum", lambda: rng.choice(NUMBERS))
    put(0.08, "exclusiveMinimum", lambda: rng.choice(NUMBERS))
    put(0.08, "exclusiveMaximum", lambda: rng.choice(NUMBERS))
    put(0.08, "multipleOf", lambda: rng.choice([1, 2, 3, 0.5, 0.25]))
    put(0.15, "minItems", lambda: rng.randrange(3))
    put(0.15, "maxItems", lambda: rng.randrange(1, 4))
    put(0.15, "prefixItems", lambda: [schema(depth + 1) for _ in range(rng.randrange(1, 3))])
    put(0.25, "items", lambda: schema(depth + 1))
    put(0.06, "contains", lambda: schema(depth + 1))
    if "contains" in s:
        put(0.3, "maxContains", lambda: rng.randrange(1, 3))
        put(0.3, "minContains", lambda: rng.randrange(3))
    put(0.6, "properties", lambda: {n: schema(depth + 1) for n in rng.sample(NAMES, rng.randrange(1, 4))})
    put(0.15, "patternProperties", lambda: {rng.choice(["^a", "b$", "."]): schema(depth + 1)})
    put(0.3, "additionalProperties", lambda: schema(depth + 1))
    put(0.3, "required", lambda: rng.sample(NAMES, rng.randrange(3)))
    put(0.1, "minProperties", lambda: rng.randrange(3))
    put(0.1, "maxProperties", lambda: rng.randrange(1, 4))
    put(0.06, "propertyNames", lambda: schema(depth + 2))
    put(0.06, "dependentRequired", lambda: {rng.choice(NAMES): [rng.choice(NAMES)]})
    put(0.05, "dependentSchemas", lambda: {rng.choice(NAMES): schema(depth + 1)})
    put(0.12, "allOf", lambda: [schema(depth + 1) for _ in range(rng.randrange(1, 3))])
    put(0.18, "anyOf", lambda: [schema(depth + 1) for _ in range(rng.randrange(1, 4))])
    put(0.12, "oneOf", lambda: [schema(depth + 1) for _ in range(rng.randrange(1, 4))])
    put(0.08, "not", lambda: schema(depth + 1))
    if rng.random() < 0.08:
        s["if"] = schema(depth + 1)
        put(0.7, "then", lambda: schema(depth + 1))
        put(0.7, "else", lambda: schema(depth + 1))
    put(0.05, "$ref", lambda: "#/$defs/" + rng.choice(["list", "small"]))
    return s


DEFS = {
    "list": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"next": {"$ref": "#/$defs/list"}, "v": {"type": "integer"}},
                                          "required": ["next"], "additionalProperties": False}]},
    "small": {"type": ["integer", "string"], "maximum": 9, "maxLength": 2},
}


def instances(s):
    """Values near the schema: random ones, and ones that are made of its own parts."""
    out = [value() for _ in range(4)]
    props = s.get("properties", {}) if isinstance(s, dict) else {}
    for _ in range(4):
        out.append({n: value(1) for n in rng.sample(sorted(props) + NAMES, min(3, len(props) + 2))})
    for key in ("enum",):
        out += s.get(key, [])[:2] if isinstance(s, dict) else []
    out += [{"next": {"next": None, "v": 3}}, 9, "ab"]
    return out


def atom(depth):
    k = rng.randrange(8 if depth < 2 else 5)
    if k < 3:
        return rng.choice(["a", "b", "c", "é", "\\.", "0"])
    if k == 3:
        return rng.choice(["[abc]", "[^a]", "[a-c0-9]", "\\d", "\\w", ".", "[^\\d]", "[é-ü]", "\\S"])
    if k == 4:
        return "a"
    return rng.choice(["(", "(?:"]) + pattern(depth + 1) + ")"


def pattern(depth=0):
    parts = []
    for _ in range(rng.randrange(1, 4)):
        parts.append("".join(atom(depth) + rng.choice(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}"])
                             for _ in range(rng.randrange(1, 4))))
    return "|".join(parts[: rng.randrange(1, len(parts) + 1)])


def text_for(p):
    return "".join(rng.choice("aabbc0.é1ñ") for _ in range(rng.randrange(6)))


def main():
    for _ in range(260):
        s = schema()
        if isinstance(s, dict) and "#/$defs" in json.dumps(s):
            s["$defs"] = DEFS
        try:
            validator = jsonschema.Draft202012Validator(s)
            tests = [[json.dumps(v, ensure_ascii=rng.random() < 0.5), validator.is_valid(v)] for v in instances(s)]
        except (RecursionError, jsonschema.exceptions.SchemaError):
            continue
        print(json.dumps({"schema": s, "tests": tests}, ensure_ascii=False, separators=(",", ":")))
    for _ in range(200):
        p = pattern()
        r = re.compile(p, re.ASCII)
        tests = [[t, r.fullmatch(t) is not None] for t in {text_for(p) for _ in range(12)}]
        print(json.dumps({"regex": p, "tests": sorted(tests)}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    sys.exit(main())
