#!/usr/bin/env python3
"""Makes the golden files of tests/tmpl: micro.json (own small templates) and, of the published templates in
../shared/templates, published.json: for each template and each context of contexts.json a hash of the text, or null
where jinja2 ends with an error. Run in the repository root with transformers installed."""
import copy
import glob
import json
import os

import contexts
import micro
import oracle

HERE = os.path.dirname(os.path.abspath(__file__))


def fnv1a(text):
    h = 0xCBF29CE484222325
    for b in text.encode("utf-8"):
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def write(name, value):
    with open(os.path.join(HERE, name), "w") as f:
        f.write(value + "\n")


def main():
    cases = []
    for template in micro.templates():
        cases.append([template, oracle.render(template, copy.deepcopy(micro.CONTEXT))])
        assert cases[-1][1] is None or " at 0x" not in cases[-1][1], template
    lines = ",\n".join(json.dumps(c) for c in cases)
    write("micro.json", f'{{"now": {oracle.NOW},\n"context": {json.dumps(micro.CONTEXT)},\n"cases": [\n{lines}]}}')

    all = contexts.contexts()
    lines = ",\n".join(json.dumps([name, context], ensure_ascii=False) for name, context in all)
    write("contexts.json", f"[{lines}]")

    published = []
    for path in sorted(glob.glob("../shared/templates/*.jinja")):
        with open(path, newline="") as f:
            template = f.read()
        texts = [oracle.render(template, copy.deepcopy(c)) for _, c in all]
        hashes = [None if t is None else fnv1a(t) for t in texts]
        published.append(json.dumps([os.path.basename(path), fnv1a(template), hashes]))
    write("published.json", f'{{"now": {oracle.NOW},\n"templates": [\n' + ",\n".join(published) + "]}")


if __name__ == "__main__":
    main()
