#!/usr/bin/env python3
"""llama-server's command line for `kvik serve`, so that llama-server's own tests can start it: tests/http/llama_tests.sh
sets LLAMA_SERVER_BIN_PATH to this file. KVIK: the program; KVIK_TEST_MODEL: served whatever model a test names.

Options without a counterpart are dropped: what then differs shows in the tests."""
import os
import sys
import tempfile

CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")  # what llama-server takes without one
WITH_VALUE = {"--host": "--host", "--port": "--port", "--alias": "--alias", "--threads": "--threads", "--n-predict": "--tokens-max",
              "--seed": "--seed"}


def temporary(text, suffix):
    with tempfile.NamedTemporaryFile("w", suffix=suffix, delete=False) as f:
        f.write(text)
    return f.name


def translate(args):
    given = {a: args[i + 1] if i + 1 < len(args) else "" for i, a in enumerate(args) if a.startswith("--")}
    slots = int(given.get("--parallel", "1"))
    out = ["--cors", "*", "--seqs", str(slots)]
    for name, ours in WITH_VALUE.items():
        if name in given and given[name] != "-1":
            out += [ours, given[name]]
    if "--ctx-size" in given:  # llama-server's slots divide the context among them
        out += ["--ctx", str(int(given["--ctx-size"]) // slots)]
    if "--batch-size" in given:
        out += ["--chunk", given["--batch-size"]]
    if "--api-key" in given:
        out += ["--keys", temporary(given["--api-key"] + " test\n", ".keys")]
    if "--chat-template-file" in given:
        out += ["--chat-template", given["--chat-template-file"]]
    elif "{" in given.get("--chat-template", "") or " " in given.get("--chat-template", ""):
        out += ["--chat-template", temporary(given["--chat-template"], ".jinja")]
    elif given.get("--chat-template", "chatml") == "chatml":
        out += ["--chat-template", temporary(CHATML, ".jinja")]
    return out + [os.environ["KVIK_TEST_MODEL"]]


kvik = os.environ["KVIK"]
os.execv(kvik, [kvik, "serve", *translate(sys.argv[1:])])
