"""Writes dequant_golden.bin: random and extreme blocks of every weight type as the gguf Python package expands them,
and rows as it quantises them.

Usage: python3 make_dequant.py dequant_golden.bin [BLOCKS]      (needs numpy and gguf)
A larger BLOCKS makes a file for a longer check: KVIK_DEQUANT_GOLDEN=FILE test_dequant.

Records until the end of the file, u32 little-endian: 0 = dequantise, 1 = quantise; GGML type; elements; bytes of the
input; bytes of the output; then both.
"""
import struct
import sys

import gguf
import numpy as np

TYPES = gguf.GGMLQuantizationType
NAMES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
# where the f16 numbers of a block are
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
# zero, least and greatest subnormal, least normal, one, greatest, infinity
EXTREMES = [0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00]


def blocks_of(rng, name, n):
    size = gguf.GGML_QUANT_SIZES[TYPES[name]][1]
    if name in ("F32", "F16", "BF16"):
        n *= 32
    b = np.frombuffer(rng.bytes(n * size), np.uint8).copy().reshape(n, size)
    for at in HALVES.get(name, []):
        scale = (rng.standard_normal(n) * 0.01).astype(np.float16).view(np.uint8).reshape(n, 2)
        b[:, at:at + 2] = scale
    b[0] = 0
    b[1] = 0xFF
    for at in HALVES.get(name, []):
        b[1, at:at + 2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
        extreme = np.array(rng.permutation(EXTREMES), np.uint16)[:max(1, n // 4)]
        b[-len(extreme):, at:at + 2] = extreme.view(np.uint8).reshape(-1, 2)
    return b


def rows_of(rng, n):
    x = rng.standard_normal((n, 32)) * 10.0**rng.integers(-7, 6, (n, 1))
    x[0] = 0
    x[1] = -0.0
    x[2] = np.arange(32) - 15.5  # many ties
    x[3] = np.arange(32) / 2 - 7.75
    x[4] = 1
    x[5] = np.where(np.arange(32) % 2, 3.5, -3.5)  # two elements of the largest magnitude
    x[6] = 1e30 * np.cos(np.arange(32))  # the scale is too large for f16
    x[7] = 1e-7 * np.sin(np.arange(32))  # and too small
    return x.astype(np.float32)


def record(f, kind, name, elems, source, result):
    source, result = source.tobytes(), result.tobytes()
    f.write(struct.pack("<5I", kind, int(TYPES[name]), elems, len(source), len(result)) + source + result)


def main():
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rng = np.random.default_rng(20)
    np.seterr(all="ignore")
    with open(sys.argv[1], "wb") as f:
        for name in NAMES:
            elems = gguf.GGML_QUANT_SIZES[TYPES[name]][0]
            b = blocks_of(rng, name, n or (6 if elems == 256 else 16))
            y = gguf.quants.dequantize(b.reshape(1, -1), TYPES[name]).astype(np.float32) if elems > 1 else \
                expand(name, b)
            record(f, 0, name, y.size, b, y)
        x = rows_of(rng, n or 24)
        for name in ("Q8_0", "Q4_0", "F16", "BF16"):
            record(f, 1, name, x.size, x, gguf.quants.quantize(x, TYPES[name]))


def expand(name, b):
    if name == "BF16":
        return gguf.quants.dequantize(b.reshape(1, -1), TYPES.BF16)
    return b.reshape(-1).view(np.float32 if name == "F32" else np.float16).astype(np.float32)


if __name__ == "__main__":
    main()
