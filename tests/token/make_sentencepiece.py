#!/usr/bin/env python3
"""Writes tests/token/sentencepiece/*.json: small models of every kind, trained here by the SentencePiece library, with the
ids and texts that it gives. Needs the package sentencepiece.

    make_sentencepiece.py            writes the goldens
    make_sentencepiece.py N          compares N random strings for each kind instead, also with the library's own big map of
                                     characters; uses build/libkvik.so, or the library that KVIK_LIBRARY names; exits with 1
                                     on any difference
"""
import base64
import ctypes
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece as sp
from sentencepiece import sentencepiece_model_pb2 as pb

from random_text import WORDS, random_text

HERE = os.path.dirname(os.path.abspath(__file__))
# from -> to, in hexadecimal: full-width letters, a ligature, an ellipsis, an ideographic blank, a combining mark, a letter
# that goes, two blanks that become one
RULES = ["FF21\t41", "FF22\t42", "FB01\t66 69", "2026\t2E 2E 2E", "3000\t20", "65 301\tE9", "200B\t", "2460\t31", "9\t20",
         "A\t20", "A0\t20", "B7\t20 2E 20"]


def corpus():
    r, text = random.Random(5), []
    prose = open(os.path.join(HERE, "..", "..", "LICENSE"), encoding="utf-8").read()
    text += [line for line in prose.split("\n") if line.strip()][:400]
    text += ["你好世界 今天天气很好 我们去公园玩", "こんにちは 世界 日本語 の テキスト", "안녕하세요 세계", "привет мир как дела"] * 8
    text += [" ".join(r.choice(WORDS) for _ in range(8)) for _ in range(200)]
    return [t.replace("\0", "") for t in text]


def train(kind, size, rules=None, **more):
    out = io.BytesIO()
    args = dict(sentence_iterator=iter(corpus()), model_writer=out, model_type=kind, vocab_size=size, hard_vocab_limit=False,
                character_coverage=0.98, num_threads=1, minloglevel=2, **more)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as f:
        if isinstance(rules, list):
            f.write("\n".join(rules) + "\n")
            f.flush()
            args["normalization_rule_tsv"] = f.name
        elif rules:
            args["normalization_rule_name"] = rules
        sp.SentencePieceTrainer.train(**args)
    m = pb.ModelProto()
    m.ParseFromString(out.getvalue())
    for message, field in ((m.trainer_spec, "input"), (m.trainer_spec, "normalization_rule_tsv"), (m, "self_test_data")):
        message.ClearField(field) if field in [f.name for f in message.DESCRIPTOR.fields] else None
    m.normalizer_spec.ClearField("normalization_rule_tsv")
    return m


def unused(m, every):
    """Some pieces may not come out, as after SetVocabulary."""
    for i, p in enumerate(m.pieces):
        if p.type == 1 and len(p.piece) > 1 and i % every == 0:
            p.type = 5
    return m


USER = ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "  ", "\n\n", "[x]"]
LLAMA = dict(byte_fallback=True, remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True)
KINDS = {
    "llama": lambda: train("bpe", 600, "identity", **LLAMA),
    "gemma": lambda: train("bpe", 600, "identity", add_dummy_prefix=False, user_defined_symbols=USER, **LLAMA),
    "chat": lambda: train("bpe", 500, "identity", user_defined_symbols=USER[:3], control_symbols=["<|system|>"], **LLAMA),
    "t5": lambda: train("unigram", 300, RULES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
    "unigram_bytes": lambda: train("unigram", 560, "identity", byte_fallback=True, remove_extra_whitespaces=False,
                                   user_defined_symbols=USER[:3] + ["[x]"]),
    "unigram_rules": lambda: train("unigram", 300, RULES, remove_extra_whitespaces=False, user_defined_symbols=["x", "the"]),
    "bpe_rules": lambda: train("bpe", 400, RULES, user_defined_symbols=["the", "…"]),
    "bpe_no_bytes": lambda: train("bpe", 300, "identity", remove_extra_whitespaces=False),
    "bpe_unused": lambda: unused(train("bpe", 500, "identity", **LLAMA), 3),
    "unigram_unused": lambda: unused(train("unigram", 300, RULES), 4),
    "no_escape": lambda: no_escape(train("bpe", 300, "identity")),
}
BIG = {
    "t5_nmt_nfkc": lambda: train("unigram", 300, "nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
    "bpe_nfkc_cf": lambda: train("bpe", 700, "nfkc_cf", byte_fallback=True),
    "unigram_nmt_nfkc_cf": lambda: train("unigram", 500, "nmt_nfkc_cf", remove_extra_whitespaces=False),
}


def no_escape(m):
    m.normalizer_spec.escape_whitespaces = False
    return m


def texts(r, n):
    """Bytes: texts that are hard on tokenizers, and some that are no UTF-8 at all."""
    fixed = ["", " ", "  ", "Hello world", " Hello  world ", "\n", "a\n\nb", "▁", "a▁b", "<|im_start|>user\nhi<|im_end|>",
             "x  <|im_start|>", "ＡＢ…ﬁ\u3000①", "cafe\u0301 e\u0301", "\u200b", "\u200ba", "你好世界，今天", "👍🏽👨‍👩‍👧", "the the",
             "[x][x]", "the\tend\n", "a·b · c", "<s>x</s><unk>", "<0x41>", "ÿ" * 5, "𠀀𠀁", "Привет, мир!"]
    yield from (t.encode() for t in fixed)
    yield from (b"\xff", b"a\xc3", b"\xed\xa0\x80x", b"\xf4\x90\x80\x80", b"\xc0\x80", b"ok \x80\x81 ok", b"a\0b")
    for i in range(n - 33):
        raw = random_text(r).encode()
        if i % 7 == 0 and raw:
            at = r.randrange(len(raw))
            raw = raw[:at] + bytes([r.randrange(256)]) + raw[at + 1:]
        yield raw


def golden(name, m):
    p = sp.SentencePieceProcessor(model_proto=m.SerializeToString())
    unk, cases = p.unk_id(), []
    for raw in texts(random.Random(name), 90):
        ids = p.encode_as_ids(raw)
        text = p.decode_ids(ids) if ids and unk not in ids else None
        cases.append([raw.hex(), ids, text])
    return {"model": base64.b64encode(m.SerializeToString()).decode(), "cases": cases}


def write():
    folder = os.path.join(HERE, "sentencepiece")
    os.makedirs(folder, exist_ok=True)
    for name, make in KINDS.items():
        with open(os.path.join(folder, name + ".json"), "w") as f:
            json.dump(golden(name, make()), f, ensure_ascii=True, separators=(",", ":"))


def compare(n):
    from compare_random import Report, Vocab
    lib, bad = ctypes.CDLL(os.environ.get("KVIK_LIBRARY", os.path.join(HERE, "..", "..", "build", "libkvik.so"))), 0
    for name, make in {**KINDS, **BIG}.items():
        with tempfile.TemporaryDirectory() as folder:
            m = make().SerializeToString()
            open(os.path.join(folder, "tokenizer.model"), "wb").write(m)
            ours, theirs, report = Vocab(lib, folder), sp.SentencePieceProcessor(model_proto=m), Report(name, n)
            for raw in texts(random.Random(name), n):
                got = ours.call(lib.kvik_tokenize, raw, len(raw), 0, ctypes.c_uint32)
                report.check("ids of", raw, got, theirs.encode_as_ids(raw))
            bad += report.done()
    return bad


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(1 if compare(int(sys.argv[1])) else 0)
    write()
