#!/usr/bin/env python3
"""The text on which `kvik perplexity` and `kvik bench kv` compare settings of the cache when none is given: stories in which
names, codes and keys are told and asked later, of the training's grammars but with values that training never contained.

  sample.py models/kvik-mini-sample.txt
"""
import random
import sys

import recall

CHARACTERS = 20000


def sample():
    stream = recall.Recall(random.Random("kvik-mini sample"), True, "plain", 1, 1, .25, .3)
    text = ""
    while len(text) < CHARACTERS:
        text += "".join(s for s, _ in stream.step_prose())
    return text + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], "w") as f:
        f.write(sample())
