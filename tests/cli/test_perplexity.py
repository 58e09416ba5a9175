#!/usr/bin/env python3
"""`kvik perplexity` against a reading of its definition: tests/cli/test_perplexity.py KVIK. The same figures, computed in float64
from the logits that `kvik logits` writes for every piece and setting. Only Python's own library."""
import array
import json
import math
import os
import random
import subprocess
import sys
import tempfile

KVIK = sys.argv[1]
TOLERANCE = 1e-6  # relative; of the JSON's nine digits and the order of additions


def run(*args):
    return subprocess.run([KVIK, *args], capture_output=True, text=True, check=True).stdout


def read_npy(path):
    """The rows of a float32 matrix (format 1.0, as `kvik logits` writes it)."""
    with open(path, "rb") as f:
        head = f.read(10)
        shape = f.read(int.from_bytes(head[8:10], "little")).decode()
        n, width = eval(shape[shape.index("'shape':") + 8:shape.index("), }") + 1])
        data = array.array("f", f.read())
    assert len(data) == n * width
    return [data[i * width:(i + 1) * width] for i in range(n)]


def log_softmax(row):
    most = max(row)
    total = most + math.log(math.fsum(math.exp(x - most) for x in row))
    return [x - total for x in row]


def log_probabilities(model, ids, options, folder):
    """Of the next token, in the second half of a piece."""
    path = os.path.join(folder, "x.npy")
    run("logits", *model, "--ids", ",".join(map(str, ids)), "-o", path, "-c", str(len(ids) + 16), *options)
    return [log_softmax(row) for row in read_npy(path)[len(ids) // 2:-1]]


def figures(model, pieces, options, folder):
    nll, kl, same = [], [], []
    for ids in pieces:
        exact = log_probabilities(model, ids, ["--kv-dtype", "f32"], folder)
        for p, q, token in zip(exact, log_probabilities(model, ids, options, folder), ids[len(ids) // 2 + 1:], strict=True):
            nll.append(-q[token])
            kl.append(math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q)))
            same.append(p.index(max(p)) == q.index(max(q)))
    kl.sort()
    n = len(nll)
    mean = math.fsum(nll) / n
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in nll) / n)
    return {"perplexity": math.exp(mean), "perplexity_error": math.exp(mean) * deviation / math.sqrt(n - 1),
            "top1_percent": 100 * sum(same) / n, "kl_mean": math.fsum(kl) / n, "kl_99": kl[int(.99 * (n - 1))], "kl_max": kl[-1]}


def check(name, model, args, ids, context, bos, settings, folder):
    pieces = [ids[i:i + context] for i in range(0, len(ids) - context + 1, context)]
    if bos:
        pieces = [[ids[0]] + p[1:] for p in pieces]
    got = json.loads(run("perplexity", *model, *args, "--ctx", str(context), "--seconds", "0", "--json"))
    rows = got["sections"][0]["rows"]
    assert [r["setting"] for r in rows] == list(settings), [r["setting"] for r in rows]
    for row in rows:
        for key, expected in figures(model, pieces, settings[row["setting"]], folder).items():
            close = abs(row[key] - expected) <= TOLERANCE * abs(expected) + 1e-11
            print(f"{'ok' if close else 'WRONG'} {name} {row['setting']} {key}: {row[key]:.9g}, expected {expected:.9g}")
            assert close


def main():
    r = random.Random(1)
    ids = [r.randrange(64) for _ in range(200)]
    with tempfile.TemporaryDirectory() as folder:
        check("ids", ["tests/model/data/llama-gqa.gguf"],
              ["--ids", ",".join(map(str, ids)), "--kv-dtype", "int8", "--kv-dtype", "fp8,int8", "--window", "24", "--sinks", "2"],
              ids, 60, False,
              {"f32": ["--kv-dtype", "f32"], "int8": ["--kv-dtype", "int8"],
               "int8 window 24 + 2": ["--kv-dtype", "int8", "--window", "24", "--sinks", "2"], "fp8,int8": ["--kv-dtype", "fp8,int8"],
               "fp8,int8 window 24 + 2": ["--kv-dtype", "fp8,int8", "--window", "24", "--sinks", "2"]}, folder)
        text = open("models/kvik-mini-sample.txt").read()[:900]
        ids = list(map(int, run("tokenize", "--special", "-p", text).split()))
        check("kvik-mini", [], ["-p", text, "--kv-dtype", "int4"], ids, 64, True,
              {"f32": ["--kv-dtype", "f32"], "int4": ["--kv-dtype", "int4"]}, folder)


main()
