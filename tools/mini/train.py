#!/usr/bin/env python3
"""Trains kvik-mini on a CPU (or a GPU where there is one). Resumable: run it again with the same folder.

  train.py --dir RUN --minutes 150

The schedule is by share of the time given: short rows first (copying is learnt at short distances), the last quarter at
the full context while the learning rate falls. RUN/log.csv has step, seconds, row length, rate and losses.
"""
import argparse
import csv
import os
import time

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

import data

STAGES = [(0.30, 256), (0.55, 512), (0.78, 1024), (1.01, 2048)]  # (until this share, row length)
TOKENS = 16384  # of one step


def config(vocab):
    return LlamaConfig(vocab_size=vocab, hidden_size=192, intermediate_size=576, num_hidden_layers=6, num_attention_heads=6,
                       num_key_value_heads=3, head_dim=32, max_position_embeddings=2048, rms_norm_eps=1e-5,
                       rope_theta=10000.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, attention_bias=False)


def rate(share, top=3e-3):
    warm = min(1.0, share / 0.01)
    fall = 1.0 if share < 0.7 else max(0.03, (1.0 - share) / 0.3)
    return top * warm * fall


def row_length(share, r):
    n = next(length for until, length in STAGES if share < until)
    return n if r.random() < .75 else r.choice([length for _, length in STAGES if length <= n])


def step_loss(model, x, w, device, bf16):
    x, w = torch.from_numpy(x).to(device), torch.from_numpy(w[:, 1:]).to(device)
    with torch.autocast(device_type=device, dtype=torch.bfloat16, enabled=bf16):
        logits = model(x[:, :-1], use_cache=False).logits.float()
    losses = F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), reduction="none").view_as(w)
    answers = w > 1
    recall = losses[answers].mean().item() if answers.any() else float("nan")
    return (losses * w).sum() / w.sum(), recall


def save(path, model, opt, step, seconds):
    torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "step": step, "seconds": seconds}, path + ".new")
    os.replace(path + ".new", path)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dir", required=True)
    a.add_argument("--minutes", type=float, default=150)
    a.add_argument("--vocab", type=int, default=3072)
    a.add_argument("--bf16", type=int, default=1)
    a.add_argument("--steps", type=int, default=0, help="stop after so many (a trial)")
    a = a.parse_args()
    os.makedirs(a.dir, exist_ok=True)
    prefix, ckpt = os.path.join(a.dir, "spm"), os.path.join(a.dir, "last.pt")
    if not os.path.exists(prefix + ".model"):
        data.train_tokenizer(prefix, a.vocab)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = LlamaForCausalLM(config(a.vocab)).to(device)
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    step, before = 0, 0.0
    if os.path.exists(ckpt):
        c = torch.load(ckpt, map_location=device)
        model.load_state_dict(c["model"])
        opt.load_state_dict(c["opt"])
        step, before = c["step"], c["seconds"]
    rows = data.Rows(prefix + ".model", seed=1000 + step)
    log = csv.writer(open(os.path.join(a.dir, "log.csv"), "a", buffering=1))
    start = saved = time.time()
    while True:
        seconds = before + time.time() - start
        share = seconds / (60 * a.minutes)
        if share >= 1 or (a.steps and step >= a.steps):
            break
        n = row_length(share, rows.r)
        for g in opt.param_groups:
            g["lr"] = rate(share)
        x, w = rows.batch(TOKENS // n, n, copy_share=.25 if share < .15 else .05, weight=6)
        loss, recall = step_loss(model, x, w, device, bool(a.bf16))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step += 1
        log.writerow([step, round(seconds, 1), n, f"{rate(share):.2e}", f"{loss.item():.4f}", f"{recall:.4f}"])
        if time.time() - saved > 240:
            save(ckpt, model, opt, step, before + time.time() - start)
            saved = time.time()
    save(ckpt, model, opt, step, before + time.time() - start)
    print("done", step, flush=True)


if __name__ == "__main__":
    main()
