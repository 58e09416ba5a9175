#!/usr/bin/env python3
"""make-model.py SHAPE TYPE OUT.gguf [--seed N] [--kvik build/kvik]: a model of a real shape with random weights, as GGUF.

The same shapes and types as `kvik run --synthetic SHAPE:TYPE` (src/format/synthetic_shapes.json; which tensors there are kvik
itself says), so that other engines can be measured on them; a vocabulary of made-up words goes in, because most engines
insist on one. The numbers are not those of --synthetic: only shapes, types and their spread are. Needs numpy and gguf from
PyPI.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = ROOT / "src/format/synthetic_tables.h"
SHAPES = json.loads((ROOT / "src/format/synthetic_shapes.json").read_text())
ARCHS = dict(mistral="llama", gemma3_text="gemma3", gemma4_text="gemma4", gpt_oss="gpt-oss", qwen3_moe="qwen3moe",
             deepseek_v2="deepseek2", qwen3_5_text="qwen35")
# fields of config.json -> GGUF's keys of the same meaning
KEYS = dict(max_position_embeddings="context_length", num_hidden_layers="block_count", hidden_size="embedding_length",
            intermediate_size="feed_forward_length", num_attention_heads="attention.head_count",
            num_key_value_heads="attention.head_count_kv", rms_norm_eps="attention.layer_norm_rms_epsilon",
            vocab_size="vocab_size", sliding_window="attention.sliding_window", num_experts="expert_count",
            num_local_experts="expert_count", n_routed_experts="expert_count", n_shared_experts="expert_shared_count",
            first_k_dense_replace="leading_dense_block_count", kv_lora_rank="attention.kv_lora_rank",
            v_head_dim="attention.value_length_mla", full_attention_interval="full_attention_interval",
            linear_conv_kernel_dim="ssm.conv_kernel", linear_key_head_dim="ssm.state_size",
            linear_num_key_heads="ssm.group_count", linear_num_value_heads="ssm.time_step_rank", num_experts_per_tok="expert_used_count",
            moe_intermediate_size="expert_feed_forward_length", final_logit_softcapping="final_logit_softcapping",
            hidden_size_per_layer_input="embedding_length_per_layer_input",
            num_kv_shared_layers="attention.shared_kv_layers")
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

def tensors(kvik, shape, kind):
    """(name, type, dims), the length of a row first, of all of them."""
    done = subprocess.run([kvik, "inspect", "--synthetic", f"{shape}:{kind}", "--json"], check=True, capture_output=True)
    for t in json.loads(done.stdout)["tensors"]:
        yield t["name"], t["type"], t["dims"]


def random_tensor(rng, name, kind, dims):
    """As GGUFWriter takes it: an array, and the type where the array's does not say it."""
    if len(dims) == 1:  # a decay is below 0
        around = -1 if name.endswith("ssm_a") else "norm" in name or ".scale" in name
        return floats(rng, dims[0]) + np.float32(around), None
    data = random_rows(rng, kind, math.prod(dims[1:]), dims[0])
    data = data.reshape(*dims[:0:-1], -1)
    return (data.view(FLOATS[kind]), None) if kind in FLOATS else (data, TYPES[kind])


def llama3_divisors(rope, dim):
    """rope_freqs.weight: the llama3 rule as divisors of the frequencies (Meta's published rule)."""
    old, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    out = []
    for i in range(0, dim, 2):
        wave = 2 * math.pi * rope["rope_theta"]**(i / dim)
        if wave < old / high:
            out.append(1.0)
        elif wave > old / low:
            out.append(float(rope["factor"]))
        else:
            smooth = (old / wave - low) / (high - low)
            out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(out, np.float32)


# ---- The file -------------------------------------------------------------------------------------------------------

def add_key(w, name, v):
    add = {bool: w.add_bool, int: w.add_uint32, float: w.add_float32, str: w.add_string, list: w.add_array}[type(v)]
    add(f"{w.arch}.{name}", v)


def full_dim(c):
    """Of a key in layers that see everything; of latent ones: of what is rotated."""
    return c["qk_rope_head_dim"] if "kv_lora_rank" in c else c.get("global_head_dim", c["head_dim"])


def add_latent(w, c):
    """One row is key and value of all heads."""
    add_key(w, "attention.key_length", c["kv_lora_rank"] + c["qk_rope_head_dim"])
    add_key(w, "attention.value_length", c["kv_lora_rank"])
    add_key(w, "attention.key_length_mla", c["qk_nope_head_dim"] + c["qk_rope_head_dim"])
    add_key(w, "rope.dimension_count", c["qk_rope_head_dim"])
    add_key(w, "expert_gating_func", 1)


def add_heads(w, c):
    full, local = full_dim(c), c["head_dim"]
    dims = dict(key_length=full, value_length=full)
    if "global_head_dim" in c:
        dims |= dict(key_length_swa=local, value_length_swa=local)
        add_key(w, "rope.dimension_count_swa", local)
    for key, dim in dims.items():
        add_key(w, "attention." + key, dim)
    if c["model_type"] != "qwen3_5_text":
        add_key(w, "rope.dimension_count", full)


def add_rope(w, c):
    """Of the layers that see everything, and of windowed ones where they differ."""
    rope = c["rope_parameters"]
    if "full_attention" in rope:
        add_key(w, "rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    dim = full_dim(c)
    add_key(w, "rope.freq_base", rope["rope_theta"])
    if rope["rope_type"] in ("linear", "yarn"):
        add_key(w, "rope.scaling.type", rope["rope_type"])
        add_key(w, "rope.scaling.factor", rope["factor"])
    if rope["rope_type"] == "yarn":
        add_key(w, "rope.scaling.original_context_length", rope["original_max_position_embeddings"])
    if "mscale_all_dim" in rope:
        add_key(w, "rope.scaling.yarn_log_multiplier", 0.1 * rope["mscale_all_dim"])
    if c["model_type"] == "qwen3_5_text":
        n = int(dim * rope["partial_rotary_factor"])
        add_key(w, "rope.dimension_count", n)
        add_key(w, "rope.dimension_sections", [n // 2 - 2 * (n // 6), n // 6, n // 6, 0])
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(rope, dim))
    if rope["rope_type"] == "proportional":
        turned = int(dim * rope["partial_rotary_factor"] / 2)
        w.add_tensor("rope_freqs.weight", np.array([1.0] * turned + [1e30] * (dim // 2 - turned), np.float32))


def add_hparams(w, c):
    latent = "kv_lora_rank" in c
    for field, key in KEYS.items():
        if c.get(field) is not None:
            add_key(w, key, 1 if latent and field == "num_key_value_heads" else c[field])
    (add_latent if latent else add_heads)(w, c)
    if c["model_type"] == "qwen3_5_text":
        add_key(w, "ssm.inner_size", c["linear_num_value_heads"] * c["linear_value_head_dim"])
    if c["model_type"] == "gpt_oss":
        add_key(w, "expert_feed_forward_length", c["intermediate_size"])
    if c["model_type"] == "gemma4_text":
        windowed = [(i + 1) % c["layer_types"] != 0 for i in range(c["num_hidden_layers"])]
        add_key(w, "attention.sliding_window_pattern", windowed)
    add_rope(w, c)


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


def write(a):
    shape, _, layers = a.shape.partition("@")
    c = dict(SHAPES[shape])
    c["num_hidden_layers"] = int(layers or c["num_hidden_layers"])
    rng = np.random.default_rng(a.seed)
    w = gguf.GGUFWriter(a.out, ARCHS.get(c["model_type"], c["model_type"]), use_temp_file=True)
    w.add_name(f"{a.shape} {a.type} random")
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_hparams(w, c)
    add_vocabulary(w, c["vocab_size"])
    for name, kind, dims in tensors(a.kvik, a.shape, a.type):
        data, kind = random_tensor(rng, name, kind, dims)
        w.add_tensor(name, data, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    kinds = ["q4_k_m", "q5_k_m"] + sorted(n.lower() for n in list(STAMPS) + list(FLOATS) + ["BF16", "MXFP4"])
    mixed = [n for n, c in SHAPES.items() if c["model_type"] == "mistral" and c.get("layer_types")]  # GGUF cannot say it
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("shape", help="one of " + ", ".join(n for n in SHAPES if n not in mixed) + "; SHAPE@N: N layers of it")
    p.add_argument("type", type=str.lower, choices=kinds)
    p.add_argument("out")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--kvik", default=str(ROOT / "build/kvik"))
    a = p.parse_args()
    if a.shape.partition("@")[0] not in SHAPES or a.shape.partition("@")[0] in mixed:
        p.error(f"no shape '{a.shape}'")
    write(a)
    print(f"{a.out}: {pathlib.Path(a.out).stat().st_size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
