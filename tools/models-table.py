#!/usr/bin/env python3
"""Writes the table of architectures in docs/MODELS.md anew, from src/model/arch*.c: the names in the table of arch.c, what
each file's first comment says, and which kinds of groups its layers have in the cache; and the table of what published
models take, as build/kvik plans for the shapes of src/format/synthetic_shapes.json.

Usage: tools/models-table.py [--check]      (from anywhere; --check: 1 where a table is not as the code has it)
"""
import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent
BEGIN, END = "<!-- architectures: tools/models-table.py -->\n", "<!-- end -->\n"
MEMORY = "<!-- memory: tools/models-table.py -->\n"


def listed():
    text = (TOP / "src/model/arch.c").read_text()
    return re.findall(r"&(arch_\w+)", re.search(r"archs\[\] = \{(.*?)\};", text, re.S)[1])


def function(text, name):
    """With those of the file that it calls, and that read, too."""
    body = re.search(rf"\nstatic void {name}\(.*?\n}}", text, re.S)
    called = set(re.findall(r"\b(read_\w+)\(", body[0])) - {name} if body else ()
    return body[0] + "".join(function(text, c) for c in called) if body else ""


def described():
    """arch_NAME -> (GGUF name, model_type, source text, the function that reads its fields)."""
    found = {}
    for path in sorted((TOP / "src/model").glob("arch_*.c")):
        text = path.read_text()
        for name, fields in re.findall(r"const struct arch (arch_\w+) = \{(.*?)\};", text, re.S):
            field = dict(re.findall(r'\.(name|hf_name|read) = "?(\w[\w-]*)', fields))
            read = function(text, field["read"])
            found[name] = (field["name"], field.get("hf_name", field["name"]), text, read)
    return found


def about(text, hf):
    comment = " ".join(re.match(r"/\*(.*?)\*/", text, re.S)[1].replace("\n *", "\n").split())
    of = re.search(rf"\b{hf.removesuffix('_text')} (arXiv [\d.]+)", comment)  # of a file with several
    source = of[1] if of else (re.search(r"arXiv [\d.]+", comment) or [""])[0]
    return source


def kinds(text, read):
    words = ["pages"]
    if "read_windows" in read:
        words.append("windows")
    if re.search(r"MIXER_(DELTA|SSM|CONV)", text):
        words.append("states")
    return ", ".join(words)


def table():
    arches = described()
    rows = ["| GGUF `general.architecture` | `model_type` of config.json | source | groups of the cache |", "|---|---|---|---|"]
    for name in listed():
        gguf, hf, text, read = arches[name]
        rows.append(f"| {gguf} | {hf} | {about(text, hf)} | {kinds(text, read)} |")
    return "\n".join(rows) + "\n"


def plan(shape, dtype):
    done = subprocess.run([TOP / "build/kvik", "plan", "--json", "--synthetic", shape + ":q4_0", "--kv-dtype", dtype, "--ctx",
                           "8192"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def memory():
    rows = ["| shape | weights at Q4_0, MB | KV of a token, bytes: f16 | int8 | int4 | of 8,192 tokens at f16, MB | a snapshot, MB |",
            "|---|---|---|---|---|---|---|"]
    shapes = json.loads((TOP / "src/format/synthetic_shapes.json").read_text())
    for shape in shapes:
        if shape.startswith("tiny-") or shape in ("tiny", "gemma-like"):
            continue
        f16, *others = (plan(shape, d) for d in ("f16", "int8", "int4"))
        tokens = " | ".join(f"{p['kv_bytes_per_token']:,}" for p in (f16, *others))
        state = f"{f16['state_bytes'] / 1e6:.1f}" if f16["state_bytes"] else "-"
        rows.append(f"| {shape} | {(f16['weight_bytes'] + f16['mapped_bytes']) / 1e6:,.0f} | {tokens} | "
                    f"{f16['kv_bytes_per_sequence'] / 1e6:,.0f} | {state} |")
    return "\n".join(rows) + "\n"


def filled(text, begin, rows):
    before, rest = text.split(begin)
    return before + begin + "\n" + rows + "\n" + END + rest.split(END, 1)[1]


def main():
    path = TOP / "docs/MODELS.md"
    old = path.read_text()
    new = filled(filled(old, BEGIN, table()), MEMORY, memory())
    if "--check" in sys.argv[1:]:
        sys.exit(new != old)
    path.write_text(new)


if __name__ == "__main__":
    main()
