"""Rows of token ids and loss weights of one length, endless; and the tokenizer."""
import random

import numpy as np
import sentencepiece

import text

SPECIAL = ["<|im_start|>", "<|im_end|>"]


def train_tokenizer(prefix, vocab, lines=60000):
    r = random.Random(1)
    with open(prefix + ".txt", "w") as f:
        for _ in range(lines):
            kind = r.random()
            if kind < .5:
                f.write(text.story(r).replace("\n", " ") + "\n")
            elif kind < .7:
                f.write(text.dialogue(r).replace("\n", " ").replace("<|im_start|>", "").replace("<|im_end|>", "") + "\n")
            else:
                x = text.Fact(r, False, {})
                f.write(x.tell + " " + x.plain[0] + x.plain[1] + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=prefix + ".txt", model_prefix=prefix, vocab_size=vocab, model_type="bpe", byte_fallback=True, split_digits=True,
        add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity", character_coverage=0.9995,
        user_defined_symbols=SPECIAL, bos_id=1, eos_id=2, unk_id=0, pad_id=-1, num_threads=2, minloglevel=2)


class Rows:
    def __init__(self, model_file, seed):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=model_file)
        self.r = random.Random(seed)
        self.vocab = self.sp.vocab_size()

    def stories(self, n):
        ids, r = [], self.r
        while len(ids) < n:
            ids.append(1)
            ids += self.sp.encode(text.dialogue(r) if r.random() < .35 else text.story(r))
            ids.append(2)
        return ids[:n], [1] * n

    def recall(self, n, weight):
        ids, w = [1], [1]
        for s, k in text.recall_stream(self.r, False, weight):
            t = self.sp.encode(s)
            ids += t
            w += [k] * len(t)
            if len(ids) >= n:
                return ids[:n], w[:n]

    def copies(self, n):
        """Random tokens repeated: what teaches attention to copy."""
        ids, w, r = [1], [0], self.r
        while len(ids) < n:
            k = r.randint(6, max(8, min(n // 3, 96)))
            block = [r.randrange(3, self.vocab) for _ in range(k)]
            times = r.choice((2, 2, 3))
            ids += block * times
            w += [0] * k + [1] * (k * (times - 1))
        return ids[:n], w[:n]

    def batch(self, rows, n, copy_share, weight):
        x = np.zeros((rows, n + 1), np.int64)
        w = np.zeros((rows, n + 1), np.float32)
        for i in range(rows):
            u = self.r.random()
            if u < copy_share:
                x[i], w[i] = self.copies(n + 1)
            elif u < copy_share + (1 - copy_share) * .3:
                x[i], w[i] = self.stories(n + 1)
            else:
                x[i], w[i] = self.recall(n + 1, weight)
        return x, w
