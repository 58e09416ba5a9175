#!/usr/bin/env python3
"""make-model.py SHAPE TYPE OUT.gguf [--seed N]: a model of a real shape with random weights, as a GGUF file.

The same shapes and types as `kvik run --synthetic SHAPE:TYPE` (both read src/format/synthetic_tables.h), so that other
engines can be measured on them; a vocabulary of made-up words goes in, because most engines insist on one. The numbers
are not those of --synthetic: only shapes, types and their spread are. Needs numpy and gguf from PyPI.
"""
import argparse
import math
import pathlib
import re
import sys

import gguf
import numpy as np

TABLES = pathlib.Path(__file__).resolve().parent.parent / "src/format/synthetic_tables.h"
SHAPE_FIELDS = ("name model_type layers dim heads kv_heads head_dim ffn_dim vocab context eps theta llama3 window "
                "full_every tied").split()
MIXES = {"q4_k_m": ("Q4_K", "Q6_K"), "q5_k_m": ("Q5_K", "Q6_K")}
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
FLOATS = {"F32": np.float32, "F16": np.float16}
CHUNK = 1 << 22  # elements made at a time
TYPES = gguf.GGMLQuantizationType


def table(macro):
    """The rows of an X-macro as lists of strings."""
    text = TABLES.read_text()
    body = text[text.index("#define " + macro):]
    rows = []
    for line in body.split("\n")[1:]:
        m = re.match(r"\s*X\((.*)\)", line)
        if not m:
            break
        rows.append([f.strip().strip('"') for f in m.group(1).split(",")])
    return rows


def read_shapes():
    shapes = {}
    for row in table("SYNTHETIC_SHAPES(X)"):
        s = dict(zip(SHAPE_FIELDS, row))
        shapes[s["name"]] = {k: v if k in ("name", "model_type") else float(v) if k in ("eps", "theta") else int(v)
                             for k, v in s.items()}
    return shapes


STAMPS = {r[0]: [int(v, 0) for v in r[1:]] for r in table("SYNTHETIC_BLOCKS(X)")}


# ---- Values ---------------------------------------------------------------------------------------------------------

def stamp(name, blocks):
    """Sets the scales of random blocks [n, bytes]; see synthetic_tables.h."""
    if name == "MXFP4":
        blocks[:, 0] = 120
        return
    scale_at, scale, min_at, low = STAMPS[name]
    blocks[:, scale_at:scale_at + 2] = np.frombuffer(np.uint16(scale).tobytes(), np.uint8)
    if low:
        blocks[:, min_at:min_at + 2] = np.frombuffer(np.uint16(low).tobytes(), np.uint8)
    if name == "Q2_K":
        blocks[:, :16] = (blocks[:, :16] & 15) * 0x11
    if name in ("Q4_K", "Q5_K"):
        blocks[:, 8:12] = blocks[:, 4:8]
        blocks[:, 12:16] = (blocks[:, 12:16] & 15) * 0x11


def floats(rng, n):
    return ((rng.integers(0, 256, (n, 4), np.uint8).sum(1, dtype=np.int32) - 510) * 2.0**-13).astype(np.float32)


def random_rows(rng, name, rows, cols):
    """[rows, bytes of a row] as uint8, made piece by piece to spare memory."""
    elems, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
    row_bytes = cols // elems * size
    out = np.empty((rows, row_bytes), np.uint8)
    step = max(1, CHUNK // cols)
    for r in range(0, rows, step):
        n = min(step, rows - r)
        if name in FLOATS:
            out[r:r + n] = floats(rng, n * cols).astype(FLOATS[name]).view(np.uint8).reshape(n, row_bytes)
        elif name == "BF16":
            halves = floats(rng, n * cols).view(np.uint32) >> 16
            out[r:r + n] = halves.astype(np.uint16).view(np.uint8).reshape(n, row_bytes)
        else:
            blocks = np.frombuffer(rng.bytes(n * row_bytes), np.uint8).copy().reshape(-1, size)
            stamp(name, blocks)
            out[r:r + n] = blocks.reshape(n, row_bytes)
    return out


# ---- Tensors --------------------------------------------------------------------------------------------------------

def fitting(name, cols):
    return name if cols % gguf.GGML_QUANT_SIZES[TYPES[name]][0] == 0 else FALLBACK.get(name, "IQ4_NL")


def output_type(base):
    return base if base in ("F32", "F16", "BF16", "Q8_0") else "Q6_K"


def more_bits(layer, n):
    return layer < n // 8 or layer >= 7 * n // 8 or (layer - n // 8) % 3 == 2


def matrices(s, base, more):
    """(name, type, rows, cols) of every matrix, (name, length) of every vector."""
    q, kv, dim = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"], s["dim"]
    yield "token_embd.weight", output_type(base) if s["tied"] else base, s["vocab"], dim
    for i in range(s["layers"]):
        b = more if more_bits(i, s["layers"]) else base
        p = f"blk.{i}."
        yield p + "attn_norm.weight", dim
        yield p + "attn_q.weight", base, q, dim
        yield p + "attn_k.weight", base, kv, dim
        yield p + "attn_v.weight", b, kv, dim
        yield p + "attn_output.weight", base, dim, q
        if s["model_type"] == "qwen2":
            yield p + "attn_q.bias", q
            yield p + "attn_k.bias", kv
            yield p + "attn_v.bias", kv
        if s["model_type"] == "qwen3":
            yield p + "attn_q_norm.weight", s["head_dim"]
            yield p + "attn_k_norm.weight", s["head_dim"]
        yield p + "ffn_norm.weight", dim
        yield p + "ffn_gate.weight", base, s["ffn_dim"], dim
        yield p + "ffn_up.weight", base, s["ffn_dim"], dim
        yield p + "ffn_down.weight", b, dim, s["ffn_dim"]
    yield "output_norm.weight", dim
    if not s["tied"]:
        yield "output.weight", output_type(base), s["vocab"], dim


def rope_divisors(s):
    """rope_freqs.weight: the llama3 rule as divisors of the frequencies (Meta's published rule, factors 1 and 4)."""
    old, low, high = 8192, 1.0, 4.0
    out = []
    for i in range(0, s["head_dim"], 2):
        wave = 2 * math.pi * s["theta"]**(i / s["head_dim"])
        if wave < old / high:
            out.append(1.0)
        elif wave > old / low:
            out.append(float(s["llama3"]))
        else:
            smooth = (old / wave - low) / (high - low)
            out.append(1 / ((1 - smooth) / s["llama3"] + smooth))
    return np.array(out, np.float32)


# ---- The file -------------------------------------------------------------------------------------------------------

def add_hparams(w, s):
    w.add_context_length(s["context"])
    w.add_block_count(s["layers"])
    w.add_embedding_length(s["dim"])
    w.add_feed_forward_length(s["ffn_dim"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv_heads"])
    w.add_key_length(s["head_dim"])
    w.add_value_length(s["head_dim"])
    w.add_rope_dimension_count(s["head_dim"])
    w.add_rope_freq_base(s["theta"])
    w.add_layer_norm_rms_eps(s["eps"])
    w.add_vocab_size(s["vocab"])
    if s["window"]:
        w.add_sliding_window(s["window"])


def add_vocabulary(w, n):
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    tokens = ["<unk>", "<s>", "</s>"] + bytes_
    tokens += [f"\u2581w{i}" for i in range(n - len(tokens))]
    kind = gguf.TokenType
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * 256 + [kind.NORMAL] * (n - 259)
    w.add_tokenizer_model("llama")
    w.add_token_list(tokens[:n])
    w.add_token_scores([-float(i) for i in range(n)])
    w.add_token_types(types[:n])
    w.add_unk_token_id(0)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)


def write(s, kind, path, seed):
    base, more = MIXES.get(kind, (kind.upper(), kind.upper()))
    rng = np.random.default_rng(seed)
    # llama.cpp knows Mistral as llama
    w = gguf.GGUFWriter(path, "llama" if s["model_type"] == "mistral" else s["model_type"], use_temp_file=True)
    w.add_name(f"{s['name']} {kind} random")
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_hparams(w, s)
    add_vocabulary(w, s["vocab"])
    if s["llama3"]:
        w.add_tensor("rope_freqs.weight", rope_divisors(s))
    for name, *rest in matrices(s, base, more):
        if len(rest) == 1:
            w.add_tensor(name, floats(rng, rest[0]) + np.float32("norm" in name))
            continue
        type_, rows, cols = rest
        type_ = fitting(type_, cols)
        data = random_rows(rng, type_, rows, cols)
        if type_ in FLOATS:
            w.add_tensor(name, data.view(FLOATS[type_]))
        else:
            w.add_tensor(name, data, raw_dtype=TYPES[type_])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    shapes = read_shapes()
    kinds = sorted(MIXES) + sorted(n.lower() for n in list(STAMPS) + list(FLOATS) + ["BF16", "MXFP4"])
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("shape", choices=[n for n, s in shapes.items() if not s["full_every"]])
    p.add_argument("type", type=str.lower, choices=kinds)
    p.add_argument("out")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    write(shapes[a.shape], a.type, a.out, a.seed)
    print(f"{a.out}: {pathlib.Path(a.out).stat().st_size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
