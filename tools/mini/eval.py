#!/usr/bin/env python3
"""Recall of kvik-mini by distance, on names, codes and keys that training never contained.

  eval.py models/kvik-mini.gguf --kvik build/kvik                the table: f32, f16, int8, window 256
  eval.py models/kvik-mini.gguf --kvik build/kvik --json docs/mini-recall.json --plot docs/mini-recall.svg
  eval.py RUN/last.pt --spm RUN/spm.model                        a checkpoint, in PyTorch (teacher-forced, f32)
  eval.py models/kvik-mini.gguf --fixture models/kvik-mini-recall.json
                                                                 a few questions as text: what `kvik bench kv` asks

A question is one fact told in prose, then stories with other facts of other keys, then the question, as prose (the model
goes on after "The pass key is") or as a turn (the model writes the whole answer). The distance is counted in tokens from the
end of the value as told to its first token in the answer, and is at most a sentence (32) less than its name says. At 2048 the prompt and the
answer fill the context of 2,048 and the fact stands at its beginning. Answers are greedy; right is one that holds the value.
The questions are the same on every run.
"""
import argparse
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import sentencepiece

import recall

DISTANCES = (64, 128, 256, 512, 1024, 2048)
CONTEXT = 2048
SETTINGS = {"f32": ["--kv-dtype", "f32"], "f16": ["--kv-dtype", "f16"], "int8": ["--kv-dtype", "int8"],
            "window 256": ["--kv-dtype", "f16", "--window", "256"]}


def joined(segments):
    return "".join(s for s, _ in segments)


class Question:
    """prompt: text; expected: text, what a right model writes; value: the part that counts; distance: asked for."""

    def __init__(self, sp, distance, number):
        self.sp, self.distance = sp, distance
        r = random.Random(f"kvik-mini {distance} {number}")
        self.chat = number % 2 == 1
        while True:  # by turns English and Chinese
            fact = recall.Fact(r, True)
            if fact.chinese == (number % 4 >= 2):
                break
        self.chinese, self.value = fact.chinese, fact.value
        stream = recall.Recall(r, True, "doc" if self.chat else "plain", 1, 1, .12, 0)
        stream.facts[fact.key] = fact
        before = [] if distance == CONTEXT else stream.sentence()
        told = joined(before + stream.prose(recall.told(fact, 1), fact.chinese))
        self.ask(stream, fact, told)

    def ask(self, stream, fact, told):
        """Fills up with prose until one more piece would be too far."""
        count = lambda s: len(self.sp.encode(s))
        end, filler, between = told.rindex(fact.value) + len(fact.value), "", 0
        before, after = 1 + count(told[:end]), count(told[end:])
        while True:
            asked, expected = self.ending(stream, fact)
            distance = after + between + count(asked + expected[:expected.index(fact.value)])
            tokens = before + after + between + count(asked)
            if filler and (distance > self.distance or tokens + count(expected) > CONTEXT):
                break
            self.prompt, self.expected, self.tokens, self.actual = told + filler + asked, expected, tokens, distance
            more = joined(stream.step_prose())
            filler, between = filler + more, between + count(more)

    @staticmethod
    def ending(stream, fact):
        if stream.style == "plain":
            keep = stream.last_chinese, stream.line_start
            asked = joined(stream.prose([(fact.question, 1)], fact.chinese) + stream.prose([(fact.lead, 1)], fact.chinese))
            stream.last_chinese, stream.line_start = keep
            return asked, fact.answer
        return f"\n<|im_start|>user\n{fact.question}<|im_end|>\n<|im_start|>assistant\n", fact.lead + fact.answer


def questions(sp, distance, n):
    return [Question(sp, distance, i) for i in range(n)]


def ask_kvik(kvik, model, question, options):
    n = len(question.sp.encode(question.expected))
    ids = ",".join(map(str, [question.sp.bos_id()] + question.sp.encode(question.prompt)))
    p = subprocess.run([kvik, "run", model, "--ids", ids, "-n", str(n), "--json", "-q", "-t", "1", *options], capture_output=True, text=True)
    if p.returncode:
        sys.exit(p.stderr)
    return question.value in json.loads(p.stdout)["text"]


def by_kvik(kvik, model, options, threads):
    def accuracy(qs):
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda q: ask_kvik(kvik, model, q, options), qs))
    return accuracy


def by_torch(checkpoint):
    import torch

    import model as models
    torch.set_num_threads(1)
    c = torch.load(checkpoint)
    m = models.Llama(c["model"]["model.embed_tokens.weight"].shape[0], c["shape"])
    m.load_state_dict(c["model"])

    def right(q):
        prompt, answer = [q.sp.bos_id()] + q.sp.encode(q.prompt), q.sp.encode(q.expected)
        with torch.no_grad():
            logits = m(torch.tensor([(prompt + answer)[:-1]]))[0]
        return logits[len(prompt) - 1:].argmax(-1).tolist() == answer
    return lambda qs: [right(q) for q in qs]


def split(qs, right):
    """Shares of right answers: all, and the parts."""
    def share(keep):
        chosen = [ok for q, ok in zip(qs, right) if keep(q)]
        return round(sum(chosen) / max(1, len(chosen)), 4)
    return {"all": share(lambda q: True), "english": share(lambda q: not q.chinese), "chinese": share(lambda q: q.chinese),
            "prose": share(lambda q: not q.chat), "turns": share(lambda q: q.chat), "questions": len(qs)}


def table(results):
    names = list(results)
    lines = ["distance  " + "".join(f"{n:>12}" for n in names)]
    for d in results[names[0]]:
        lines.append(f"{d:>8}  " + "".join(f"{100 * results[n][d]['all']:>11.1f}%" for n in names))
    return "\n".join(lines)


def plot(results, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kvik"
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    for (name, by_distance), style in zip(results.items(), ("-o", "--s", ":^", "-.x")):
        ax.plot([int(d) for d in by_distance], [100 * v["all"] for v in by_distance.values()], style, label=name)
    ax.set(xscale="log", xlabel="tokens between telling and asking", ylabel="right answers, %", ylim=(-3, 103),
           title="kvik-mini: held-out recall")
    ax.set_xticks(DISTANCES, [str(d) for d in DISTANCES])
    ax.minorticks_off()
    ax.grid(alpha=.3)
    ax.legend()
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def write_fixture(sp, path):
    rows = []
    for d, n in zip(DISTANCES, (12, 12, 12, 12, 8, 4)):
        rows += [{"distance": d, "language": "zh" if q.chinese else "en", "form": "turn" if q.chat else "prose", "prompt": q.prompt,
                  "prompt_tokens": q.tokens, "max_tokens": len(sp.encode(q.expected)), "answer": q.value} for q in questions(sp, d, n)]
    with open(path, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n")


def load_vocabulary(a):
    if a.spm:
        return sentencepiece.SentencePieceProcessor(model_file=a.spm)
    import export
    return sentencepiece.SentencePieceProcessor(model_proto=export.load_spm(a.model))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("model", help="a GGUF file written by export.py, or a checkpoint")
    a.add_argument("--kvik", help="the kvik binary; without it a checkpoint is asked in PyTorch")
    a.add_argument("--spm", help="spm.model of a checkpoint")
    a.add_argument("-n", type=int, default=120, help="questions a distance")
    a.add_argument("--distances", default=",".join(map(str, DISTANCES)))
    a.add_argument("--settings", default=",".join(SETTINGS))
    a.add_argument("--threads", type=int, default=2, help="questions asked at once")
    a.add_argument("--json", help="write the figures here")
    a.add_argument("--plot", help="write an SVG here")
    a.add_argument("--fixture", help="write some questions here and end")
    a = a.parse_args()
    sp = load_vocabulary(a)
    if a.fixture:
        return write_fixture(sp, a.fixture)
    asked = {d: questions(sp, d, a.n) for d in map(int, a.distances.split(","))}
    if a.kvik:
        backends = {s: by_kvik(a.kvik, a.model, SETTINGS[s], a.threads) for s in a.settings.split(",")}
    else:
        backends = {"torch": by_torch(a.model)}
    results = {name: {d: split(qs, backend(qs)) for d, qs in asked.items()} for name, backend in backends.items()}
    print(table(results))
    if a.json:
        json.dump(results, open(a.json, "w"), indent=1)
    if a.plot:
        plot(results, a.plot)


if __name__ == "__main__":
    main()
