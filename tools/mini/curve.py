#!/usr/bin/env python3
"""The loss curve of a run: RUN/log.csv -> a thinned CSV (means of EVERY steps) and a plot.

  curve.py RUN/log.csv docs/mini-log.csv docs/mini-loss.svg
"""
import csv
import math
import sys

EVERY = 20
HEADER = ["step", "seconds", "row_length", "rate", "loss", "answer_loss", "tokens"]


def mean(values):
    values = [v for v in values if not math.isnan(v)]
    return sum(values) / len(values) if values else math.nan


def thinned(path):
    rows = [list(map(float, r)) for r in csv.reader(open(path))]
    for i in range(0, len(rows), EVERY):
        part = rows[i:i + EVERY]
        step, seconds, length, rate, _, _, tokens = part[-1]
        yield [int(step), int(seconds), int(max(r[2] for r in part)), f"{rate:.2e}", f"{mean(r[4] for r in part):.4f}",
               f"{mean(r[5] for r in part):.4f}", int(tokens)]


def plot(rows, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kvik"
    import matplotlib.pyplot as plt
    tokens = [r[6] / 1e6 for r in rows]
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    ax.plot(tokens, [float(r[4]) for r in rows], label="weighted loss")
    ax.plot(tokens, [float(r[5]) for r in rows], label="loss of answers")
    for a, b in zip(rows, rows[1:]):
        if b[2] > a[2]:
            ax.axvline(b[6] / 1e6, color="grey", lw=.6)
            ax.text(b[6] / 1e6, ax.get_ylim()[1] * .92, f" rows to {b[2]}", fontsize=7)
    ax.set(xlabel="million tokens", ylabel="nats", ylim=(0, None), title="kvik-mini: training")
    ax.grid(alpha=.3)
    ax.legend(loc="upper right")
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    rows = list(thinned(sys.argv[1]))
    with open(sys.argv[2], "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([HEADER] + rows)
    plot(rows, sys.argv[3])


if __name__ == "__main__":
    main()
