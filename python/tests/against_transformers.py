"""The loop of ids, logits and past_key_values beside that of Hugging Face Transformers, on the same random model.

    python against_transformers.py [LAYERS HIDDEN VOCAB]

Prints how far the logits lie apart (relative to the norm of a row) and how long a prompt and 64 tokens take in both, a
run of one after a run of the other. Needs torch and transformers; no part of `make test`."""
import statistics
import sys
import tempfile
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

import kvik

layers, hidden, vocab = (int(a) for a in sys.argv[1:4]) if len(sys.argv) > 1 else (8, 512, 8192)
TOKENS, PROMPT, BATCH = 64, 256, 4


def main():
    torch.manual_seed(1)
    torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
    config = LlamaConfig(hidden_size=hidden, intermediate_size=4 * hidden, num_hidden_layers=layers, num_attention_heads=8,
                         num_key_value_heads=4, vocab_size=vocab, max_position_embeddings=2048)
    with tempfile.TemporaryDirectory() as folder:
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ours = kvik.Model(folder, kv_dtype="f32", act="f32")
    ids = np.random.default_rng(1).integers(3, vocab, (BATCH, PROMPT))

    def hf(n=TOKENS):
        past, step, rows = None, torch.tensor(ids), []
        with torch.inference_mode():
            for _ in range(n):
                out = theirs(step, past_key_values=past, use_cache=True)
                past, step = out.past_key_values, out.logits[:, -1:].argmax(-1)
                rows.append(out.logits)
        return rows

    def kv(n=TOKENS):
        past, step, rows = None, ids, []
        for _ in range(n):
            logits, past = ours(step, past_key_values=past, use_cache=True)
            step = logits[:, -1:].argmax(-1)
            rows.append(logits)
        ours.cache.drop()
        return rows

    apart = 0.0
    for a, b in zip(hf(), kv()):
        a = a.numpy()
        apart = max(apart, float((np.linalg.norm(a - b, axis=-1) / np.linalg.norm(a, axis=-1)).max()))
        if (a[:, -1].argmax(-1) != b[:, -1].argmax(-1)).any():
            print("a token differs: rows after it are of other texts")
            break
    print(f"logits apart by at most {apart:.1e} of a row's norm")
    took = {"Transformers": [], "kvik": []}
    for _ in range(5):
        for name, loop in (("Transformers", hf), ("kvik", kv)):
            start = time.perf_counter()
            loop(1)
            prefill = time.perf_counter() - start
            start = time.perf_counter()
            loop()
            took[name].append((prefill, time.perf_counter() - start - prefill))
    for name, runs in took.items():
        prefill, decode = (statistics.median(r[i] for r in runs) for i in (0, 1))
        print(f"{name:12} prompt of {BATCH} x {PROMPT}: {1e3 * prefill:.0f} ms; {BATCH} x {TOKENS - 1} tokens: {1e3 * decode:.0f} ms")


main()
