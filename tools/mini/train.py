#!/usr/bin/env python3
"""Trains kvik-mini on a CPU. Resumable: run it again with the same folder and it goes on from RUN/last.pt.

  train.py --dir RUN --minutes 105 --processes 2
  train.py --dir NEW --minutes 60 --init models/kvik-mini.gguf --rows 2048 --rate 1.5e-3
                                                  goes on from the committed file: its weights and vocabulary

Each process owns one thread and its own rows; gradients are averaged once a step, which on a shared machine costs far
less than threads that wait for each other in every operation. The schedule follows the share of the time given: short rows
first (copying is learnt at short distances), the full context in the last quarter while the rate falls to zero.
RUN/log.csv has step, seconds, row length, rate, loss, loss of answers, tokens so far.
"""
import argparse
import csv
import os
import time

import sentencepiece
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

import data
import export
import model as models
import start as hints

VOCAB = 2048
STAGES = [(0.20, 256), (0.37, 512), (0.56, 1024), (1.01, 2048)]  # (until this share of the time, row length)
PART = 0.35  # of the easy tokens that a step's loss looks at


def rate(a, share):
    warm = min(1.0, share / 0.01 + 0.02)
    return a.rate * warm * min(1.0, max(0.0, 1.0 - share) / 0.38)


def row_length(a, share, r):
    n = a.rows or next(length for until, length in STAGES if share < until)
    u = r.random()
    return n if u < .5 else n // 2 if u < .75 else r.choice([length for length in (128, 256, 512, 1024, 2048) if length <= n])


def step_loss(model, x, w):
    """The weighted loss, and the plain mean over the answers' tokens.

    All answers count, and a random part of the other tokens for all of them: they are easy, and logits cost a fifth of a step.
    """
    x, w = torch.from_numpy(x), torch.from_numpy(w[:, 1:])
    answers = w > 1
    keep = answers | ((w > 0) & (torch.rand_like(w) < PART))
    w, answers = torch.where(answers, w, w / PART)[keep], answers[keep]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model.head(model.hidden(x[:, :-1], torch.bfloat16)[keep])
    losses = F.cross_entropy(logits.float(), x[:, 1:][keep], reduction="none")
    recall = losses[answers].mean().item() if answers.any() else float("nan")
    return (losses * w).sum() / w.sum().clamp(min=1), recall


def optimizers(model):
    """Muon for the matrices, AdamW for the embedding and the norms; both take the same rate."""
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    return [torch.optim.Muon(matrices, lr=1e-3, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def average_gradients(model, processes):
    grads = [p.grad for p in model.parameters()]
    flat = torch.cat([g.flatten() for g in grads])
    if processes > 1:
        dist.all_reduce(flat)
        flat /= processes
    flat *= (1.0 / (flat.norm() + 1e-6)).clamp(max=1.0)
    for g, part in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(part.view_as(g))


def save(path, model, opts, step, seconds, tokens):
    torch.save({"model": model.state_dict(), "opts": [o.state_dict() for o in opts], "step": step, "seconds": seconds,
                "tokens": tokens, "shape": model.shape}, path + ".new")
    os.replace(path + ".new", path)


def restore(path, model, opts):
    c = torch.load(path)
    model.load_state_dict(c["model"])
    for o, state in zip(opts, c["opts"]):
        o.load_state_dict(state)
    return c["step"], c["seconds"], c["tokens"]


def worker(rank, a):
    torch.set_num_threads(1)
    if a.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{os.path.abspath(a.dir)}/rendezvous", rank=rank, world_size=a.processes)
    torch.manual_seed(0)
    model = models.Llama(a.vocab, export.load_shape(a.init) if a.init else models.SHAPE)
    opts = optimizers(model)
    step, before, tokens = 0, 0.0, 0
    ckpt = os.path.join(a.dir, "last.pt")
    if os.path.exists(ckpt):
        step, before, tokens = restore(ckpt, model, opts)
    elif a.init:
        model.load_state_dict(export.load_state(a.init)[1])
    else:
        hints.hint(model)
    rows = data.Rows(os.path.join(a.dir, "spm.model"), seed=1000 + 7 * step + rank)
    log = csv.writer(open(os.path.join(a.dir, "log.csv"), "a", buffering=1)) if rank == 0 else None
    start = saved = time.time()
    while True:
        clock = torch.tensor([before + time.time() - start])
        if a.processes > 1:
            dist.broadcast(clock, 0)  # all leave at the same step
        share = clock.item() / (60 * a.minutes)
        if share >= 1 or (a.steps and step >= a.steps):
            break
        n = row_length(a, share, rows.r)
        for o in opts:
            for g in o.param_groups:
                g["lr"] = rate(a, share)
        size = max(n, a.tokens)
        x, w = rows.batch(size // n, n, copy_share=.3 if share < .15 else .05)
        loss, recall = step_loss(model, x, w)
        loss.backward()
        average_gradients(model, a.processes)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=False)
        step, tokens = step + 1, tokens + size * a.processes
        if rank == 0:
            log.writerow([step, round(clock.item(), 1), n, f"{rate(a, share):.2e}", f"{loss.item():.4f}", f"{recall:.4f}", tokens])
            if time.time() - saved > 180:
                save(ckpt, model, opts, step, before + time.time() - start, tokens)
                saved = time.time()
    if rank == 0:
        save(ckpt, model, opts, step, before + time.time() - start, tokens)
        print("done", step, flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dir", required=True)
    a.add_argument("--minutes", type=float, default=105)
    a.add_argument("--processes", type=int, default=2)
    a.add_argument("--tokens", type=int, default=2048, help="of one step and process, at least one row")
    a.add_argument("--rows", type=int, default=0, help="row length from the first step on, instead of the stages")
    a.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    a.add_argument("--init", help="a GGUF file of export.py to start from")
    a.add_argument("--steps", type=int, default=0, help="stop after so many (a trial)")
    a = a.parse_args()
    os.makedirs(a.dir, exist_ok=True)
    prefix = os.path.join(a.dir, "spm")
    if a.init:
        with open(prefix + ".model", "wb") as f:
            f.write(export.load_spm(a.init))
    elif not os.path.exists(prefix + ".model"):
        data.train_tokenizer(prefix, VOCAB)
    a.vocab = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model").vocab_size()
    if os.path.exists(os.path.join(a.dir, "rendezvous")):
        os.remove(os.path.join(a.dir, "rendezvous"))
    if a.processes > 1:
        mp.start_processes(worker, (a,), a.processes, start_method="fork")
    else:
        worker(0, a)


if __name__ == "__main__":
    main()
