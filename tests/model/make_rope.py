"""Writes rope_golden.h: inverse frequencies of each scaling rule as HF Transformers computes them (float32).

Usage: python3 make_rope.py > rope_golden.h      (needs torch and transformers; see tests/oracle/requirements.txt)
"""
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

BASE = dict(hidden_size=256, num_attention_heads=4, head_dim=64, num_hidden_layers=1)
CASES = {
    "linear": dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
    "llama3": dict(rope_type="llama3", rope_theta=500000.0, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=8192),
    "yarn": dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0,
                 original_max_position_embeddings=2048),
    "yarn_exact": dict(rope_type="yarn", rope_theta=1000000.0, factor=8.0, beta_fast=32.0, beta_slow=1.0,
                       original_max_position_embeddings=4096, truncate=False, attention_factor=1.25),
}


def main():
    print("/* Made by make_rope.py from HF Transformers. */")
    for name, rope in CASES.items():
        context = rope.get("original_max_position_embeddings", 2048)
        factor = int(rope["factor"])
        config = LlamaConfig(**BASE, max_position_embeddings=context * factor, rope_parameters=rope)
        inv_freq, scale = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu")
        values = ", ".join(f"{v:.9e}f" for v in inv_freq.tolist())
        print(f"static const float golden_{name}[] = {{{values}}};")
        print(f"static const float golden_{name}_scale = {scale:.9e}f;")


if __name__ == "__main__":
    main()
