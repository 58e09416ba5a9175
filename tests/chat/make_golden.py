#!/usr/bin/env python3
"""Makes golden.json: for each published template in ../shared/templates a hash of what transformers makes of the talk of
three turns that test_templates.c has, in the form that the template wants it (arguments as objects); null where it
refuses. Run in the repository root with transformers installed."""
import copy
import glob
import json
import os
import sys

sys.path.insert(0, "tests/tmpl")
import oracle  # noqa: E402
from make_golden import fnv1a  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def call(id, city):
    return {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": {"city": city}}}


def result(id, text):
    return {"role": "tool", "tool_call_id": id, "content": text, "name": "get_weather"}


TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Tells the weather.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Where."}}, "required": ["city"]}}}]
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the weather in Paris?"},
    {"role": "assistant", "content": "", "tool_calls": [call("aaaaaaaa1", "Paris")]},
    result("aaaaaaaa1", "sunny"),
    {"role": "assistant", "content": "Sunny."},
    {"role": "user", "content": "And in Oslo and Rome?"},
    {"role": "assistant", "content": "", "tool_calls": [call("aaaaaaaa2", "Oslo"), call("aaaaaaaa3", "Rome")]},
    result("aaaaaaaa2", "snow"),
    result("aaaaaaaa3", "rain"),
]


def main():
    hashes = {}
    for path in sorted(glob.glob("../shared/templates/*.jinja")):
        with open(path, newline="") as f:
            template = f.read()
        text = oracle.render(template, {"messages": copy.deepcopy(TALK), "tools": copy.deepcopy(TOOLS), "documents": None,
                                        "add_generation_prompt": True, "bos_token": "<BOS>", "eos_token": "<EOS>"})
        hashes[os.path.basename(path)] = text and fnv1a(text)
    with open(os.path.join(HERE, "golden.json"), "w") as f:
        json.dump({"tools": TOOLS, "talk": TALK, "hashes": hashes}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
