"""Rows of token ids and loss weights of one length, endless; and the tokenizer."""
import random
import re

import numpy as np
import sentencepiece

import chat
import recall
import stories

BOS, EOS = 1, 2
CHINESE = re.compile("[\u4e00-\u9fff]{1,2}|[\u3000-\u303f\uff00-\uffef“”]")  # a line each: no pieces of whole sentences
SPECIAL = ["<|im_start|>", "<|im_end|>"]


def train_tokenizer(prefix, vocab, lines=60000):
    r = random.Random(1)
    with open(prefix + ".txt", "w") as f:
        for _ in range(lines):
            kind = r.random()
            if kind < .5:
                s = stories.story(r)
            elif kind < .7:
                s = chat.dialogue(r).replace("<|im_start|>", "").replace("<|im_end|>", "")
            else:
                x = recall.Fact(r, False)
                s = x.tell + " " + x.question + " " + x.lead + x.answer + x.stop
            f.write(CHINESE.sub(lambda m: "\n" + m.group() + "\n", s) + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=prefix + ".txt", model_prefix=prefix, vocab_size=vocab, model_type="bpe", byte_fallback=True, split_digits=True,
        add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity", character_coverage=0.9995,
        user_defined_symbols=SPECIAL, bos_id=BOS, eos_id=EOS, unk_id=0, pad_id=-1, num_threads=2, minloglevel=2)


class Rows:
    """noise: the weight of values where they are told first; weight: of answers."""

    def __init__(self, model_file, seed, weight=20, noise=.1):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=model_file)
        self.r, self.weight, self.noise = random.Random(seed), weight, noise
        self.random = np.random.default_rng(seed)
        self.known = {}  # ids of segments seen: the grammar repeats itself

    def encode(self, s):
        ids = self.known.get(s)
        if ids is None:
            ids = self.sp.encode(s)
            if len(self.known) < 200000:
                self.known[s] = ids
        return ids

    def stories(self, n):
        ids, r = [], self.r
        while len(ids) < n:
            ids += [BOS, *self.sp.encode(chat.dialogue(r) if r.random() < .4 else stories.story(r)), EOS]
        return ids[:n], [1] * n

    def recall(self, n):
        """Half of the rows tell in the first part and ask in the second, so that far questions are as common as near ones."""
        ids, w = [BOS], [1]
        stream = recall.recall_stream(self.r, self.weight, self.noise)
        cut = n * self.r.uniform(.1, .7) if self.r.random() < .5 else 0
        if cut:
            stream.tell_rate, stream.ask_rate = self.r.choice((.15, .3, .6)), .05
        for s, k in stream:
            if cut and len(ids) > cut:
                cut, stream.tell_rate, stream.ask_rate = 0, .03, 2
            t = self.encode(s)
            ids += t
            w += [k] * len(t)
            if len(ids) >= n:
                return ids[:n], w[:n]

    def copies(self, n):
        """Random tokens repeated: what teaches attention to copy."""
        ids, w, r = [BOS], [0], self.r
        while len(ids) < n:
            k = r.randint(6, max(8, min(n // 3, 96)))
            block = self.random.integers(5, self.sp.vocab_size(), k).tolist()
            times = r.choice((2, 2, 3))
            ids += block * times
            w += [0] * k + [1] * (k * (times - 1))
        return ids[:n], w[:n]

    def batch(self, rows, n, copy_share, story_share=.25):
        x = np.zeros((rows, n + 1), np.int64)
        w = np.zeros((rows, n + 1), np.float32)
        for i in range(rows):
            u = self.r.random()
            if u < copy_share:
                x[i], w[i] = self.copies(n + 1)
            elif u < copy_share + (1 - copy_share) * story_share:
                x[i], w[i] = self.stories(n + 1)
            else:
                x[i], w[i] = self.recall(n + 1)
        return x, w
