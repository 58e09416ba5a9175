#!/usr/bin/env python3
"""Compares text to ids and back on random strings with the packages that models are published with; not part of CI.

    compare_random.py [N] [NAME...]   N strings (default 10000) for each; NAME: one of make_pipelines.KINDS, a path to a
                                      tokenizer.json, or one of the real vocabularies below

Real vocabularies come from PyPI packages, each only where it is installed: llama-models (Llama 3 and 4, tiktoken),
litellm (gpt-oss, tiktoken), dashscope (Qwen, tiktoken), mistral-common (Tekken by tiktoken, Mistral by SentencePiece). They go through a GGUF file
(gguf package) and, where they are byte-level, through a tokenizer.json. Uses build/libkvik.so, or the library that
KVIK_LIBRARY names. Exits with 1 on any difference.
"""
import base64
import ctypes
import importlib.util
import json
import os
import random
import sys
import tempfile

from random_text import random_text

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ADD_SPECIAL, PARSE_SPECIAL, KEEP_SPECIAL = 1, 2, 1


class Err(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 512)]


class Vocab:
    def __init__(self, lib, path):
        self.lib, self.v, e = lib, ctypes.c_void_p(), Err()
        if lib.kvik_vocab_load(ctypes.byref(self.v), path.encode(), ctypes.byref(e)):
            raise ValueError(e.text.decode())

    def call(self, function, given, n_given, flags, kind):
        out, n, e = ctypes.POINTER(kind)(), ctypes.c_size_t(), Err()
        if function(self.v, given, ctypes.c_size_t(n_given), flags, ctypes.byref(out), ctypes.byref(n), ctypes.byref(e)):
            raise ValueError(e.text.decode())
        result = out[:n.value] if n.value else []
        self.lib.kvik_free(out)
        return result

    def encode(self, text, flags):
        raw = text.encode()
        return self.call(self.lib.kvik_tokenize, raw, len(raw), flags, ctypes.c_uint32)

    def decode(self, ids, flags):
        array = (ctypes.c_uint32 * max(1, len(ids)))(*ids)
        return bytes(self.call(self.lib.kvik_detokenize, array, len(ids), flags, ctypes.c_ubyte)).decode()


class Report:
    def __init__(self, name, n):
        self.name, self.n, self.bad = name, n, 0

    def check(self, what, given, got, want):
        if got != want:
            self.bad += 1
            if self.bad <= 3:
                print(f"{self.name}: {what} {given!r}: {got!r}, not {want!r}")

    def done(self):
        print(f"{self.name}: {self.bad} differences in {self.n} strings", flush=True)
        return self.bad


# ---- tokenizer.json against tokenizers ----


def compare_json(lib, name, path, n, decode=True):
    from tokenizers import Tokenizer
    ours, theirs, r, report = Vocab(lib, path), Tokenizer.from_file(path), random.Random(name), Report(name, n)
    for i in range(n):
        text, special = random_text(r), i % 2
        want = theirs.encode(text, add_special_tokens=bool(special)).ids
        report.check("ids of", text, ours.encode(text, PARSE_SPECIAL | (ADD_SPECIAL if special else 0)), want)
        ids = want if i % 3 else [r.randrange(theirs.get_vocab_size()) for _ in range(r.randrange(1, 12))]
        if decode:
            report.check("text of", ids, ours.decode(ids, KEEP_SPECIAL if special else 0),
                         theirs.decode(ids, skip_special_tokens=not special))
    return report.done()


def compare_kind(lib, name, n, folder):
    import make_pipelines
    path = f"{folder}/{name}.json"
    make_pipelines.KINDS[name]().save(path)
    return compare_json(lib, name, path, n, name not in make_pipelines.NOT_DECODED)


# ---- Real vocabularies ----


def package(name, path):
    spec = importlib.util.find_spec(name)
    found = os.path.join(os.path.dirname(spec.origin), path) if spec and spec.origin else None
    if not found or not os.path.exists(found):
        print(f"{name}: not installed, left out")
        return None
    return found


def byte_names():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept}, **{b: chr(256 + i) for i, b in enumerate(others)}}


NAMES = byte_names()


def named(token):
    return "".join(NAMES[b] for b in token)


def merges_of(ranks):
    """Every pair of tokens that makes a token, by its rank: what tiktoken does without a list."""
    out = []
    for token, _ in sorted(ranks.items(), key=lambda x: x[1]):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        out += [(named(a), named(b)) for a, b in sorted(pairs, key=lambda p: (ranks[p[0]], ranks[p[1]]))]
    return out


def write_gguf(path, model, pre, tokens, types, merges=None, scores=None, unk=None):
    import gguf
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if merges:
        w.add_token_merges([" ".join(m) for m in merges])
    if scores:
        w.add_token_scores(scores)
    if unk is not None:
        w.add_unk_token_id(unk)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def write_json(path, ranks, offset, pattern, merges, ignore):
    steps = [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
             {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]
    model = {"type": "BPE", "unk_token": None, "ignore_merges": ignore, "merges": [list(m) for m in merges],
             "vocab": {named(t): r + offset for t, r in ranks.items()}}
    with open(path, "w") as f:
        json.dump({"version": "1.0", "added_tokens": [], "normalizer": None,
                   "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None,
                   "decoder": {"type": "ByteLevel"}, "model": model}, f)


def read_tiktoken(path):
    with open(path, "rb") as f:
        return {base64.b64decode(a): int(b) for a, b in (line.split() for line in f if line.strip())}


def read_tekken(path):
    with open(path) as f:
        j = json.load(f)
    special = j["config"]["default_num_special_tokens"]
    n = j["config"]["default_vocab_size"] - special
    return {base64.b64decode(t["token_bytes"]): t["rank"] for t in j["vocab"][:n]}, special


def compare_tiktoken(lib, name, n, folder, ranks, pattern, offset=0, ignore=False):
    import tiktoken
    oracle = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    merges = merges_of(ranks)
    tokens = [f"<special {i}>" for i in range(offset)] + [named(t) for t, _ in sorted(ranks.items(), key=lambda x: x[1])]
    write_gguf(f"{folder}/{name}.gguf", "gpt2", name, tokens, [3] * offset + [1] * len(ranks), merges)
    write_json(f"{folder}/{name}.json", ranks, offset, pattern, merges, ignore)
    bad = 0
    for ending in ("gguf", "json"):
        ours, r, report = Vocab(lib, f"{folder}/{name}.{ending}"), random.Random(name), Report(f"{name}.{ending}", n)
        for _ in range(n):
            text = random_text(r)
            want = [i + offset for i in oracle.encode_ordinary(text)]
            report.check("ids of", text, ours.encode(text, 0), want)
            report.check("text of", want, ours.decode(want, 0), text)
        bad += report.done()
    return bad


def compare_sentencepiece(lib, name, n, folder, path):
    import sentencepiece
    sp = sentencepiece.SentencePieceProcessor(model_file=path)
    ids = range(sp.get_piece_size())
    types = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in ids]
    write_gguf(f"{folder}/{name}.gguf", "llama", "default", [sp.id_to_piece(i) for i in ids], types,
               scores=[sp.get_score(i) for i in ids], unk=sp.unk_id())
    ours, r, report = Vocab(lib, f"{folder}/{name}.gguf"), random.Random(name), Report(name, n)
    for _ in range(n):
        text = random_text(r)
        want = sp.encode(text)
        report.check("ids of", text, ours.encode(text, 0), want)
        report.check("text of", want, ours.decode(want, 0), text)
    return report.done()


def llama3(lib, n, folder):
    from make_pipelines import LLAMA3
    path = package("llama_models", "llama3/tokenizer.model")
    return path and compare_tiktoken(lib, "llama-bpe", n, folder, read_tiktoken(path), LLAMA3, ignore=True)


def llama4(lib, n, folder):
    from make_pipelines import GPT4O
    path = package("llama_models", "llama4/tokenizer.model")
    return path and compare_tiktoken(lib, "llama4", n, folder, read_tiktoken(path), GPT4O)


def gptoss(lib, n, folder):
    import tiktoken
    path = package("litellm", "litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790")
    if path:
        os.environ["TIKTOKEN_CACHE_DIR"] = os.path.dirname(path)
        oracle = tiktoken.get_encoding("o200k_harmony")
        return compare_tiktoken(lib, "gpt-4o", n, folder, oracle._mergeable_ranks, oracle._pat_str)


def qwen(lib, n, folder):
    from make_pipelines import QWEN2
    path = package("dashscope", "resources/qwen.tiktoken")
    return path and compare_tiktoken(lib, "qwen2", n, folder, read_tiktoken(path), QWEN2)


def tekken(lib, n, folder):
    from make_pretok import NAMES as patterns
    path = package("mistral_common", "data/tekken_240911.json")
    if path:
        ranks, special = read_tekken(path)
        return compare_tiktoken(lib, "tekken", n, folder, ranks, patterns["tekken"][0], special, True)


def mistral(lib, n, folder):
    path = package("mistral_common", "data/tokenizer.model.v1")
    return path and compare_sentencepiece(lib, "mistral", n, folder, path)


REAL = {f.__name__: f for f in (llama3, llama4, gptoss, qwen, tekken, mistral)}


def main():
    import make_pipelines
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        lib = ctypes.CDLL(os.environ.get("KVIK_LIBRARY", f"{ROOT}/build/libkvik.so"))
        for name in sys.argv[2:] or [*make_pipelines.KINDS, *REAL]:
            if name in REAL:
                bad += REAL[name](lib, n, folder) or 0
            elif name in make_pipelines.KINDS:
                bad += compare_kind(lib, name, n, folder)
            else:
                bad += compare_json(lib, name, name, n)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
