#!/usr/bin/env python3
"""The logits of `kvik logits` beside those of Hugging Face Transformers on the dequantised weights of the same file.

  check_logits.py models/kvik-mini.gguf --kvik build/kvik

Prints, per KV dtype, the largest distance of a row over the row's norm, and fails where f32 is further than 1e-4.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import sentencepiece
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import eval as evaluation
import export

LIMIT = 1e-4


def reference(path):
    s, state = export.load_state(path)
    config = LlamaConfig(vocab_size=state["model.embed_tokens.weight"].shape[0], hidden_size=s["hidden"], intermediate_size=s["ffn"],
                         num_hidden_layers=s["layers"], num_attention_heads=s["heads"], num_key_value_heads=s["kv_heads"],
                         head_dim=s["head_dim"], max_position_embeddings=s["context"], rms_norm_eps=s["eps"], rope_theta=s["theta"],
                         tie_word_embeddings=True, attn_implementation="eager")
    model = LlamaForCausalLM(config)
    missing, extra = model.load_state_dict(state, strict=False)
    assert missing in ([], ["lm_head.weight"]) and not extra, (missing, extra)
    return model.eval()


def kvik_logits(kvik, path, ids, dtype):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "logits.npy")
        subprocess.run([kvik, "logits", path, "--ids", ",".join(map(str, ids)), "-o", out, "--kv-dtype", dtype], check=True)
        return np.load(out)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("model")
    a.add_argument("--kvik", default="build/kvik")
    a = a.parse_args()
    sp = sentencepiece.SentencePieceProcessor(model_proto=export.load_spm(a.model))
    model, worst = reference(a.model), {}
    for distance in (64, 512, 2048):
        for number in range(4):
            q = evaluation.Question(sp, distance, number)
            ids = [sp.bos_id()] + sp.encode(q.prompt + q.expected)
            with torch.no_grad():
                want = model(torch.tensor([ids])).logits[0].numpy().astype(np.float64)
            for dtype in ("f32", "f16", "int8"):
                got = kvik_logits(a.kvik, a.model, ids, dtype).astype(np.float64)
                far = np.linalg.norm(got - want, axis=1) / np.linalg.norm(want, axis=1)
                worst[dtype] = max(worst.get(dtype, 0), far.max())
    for dtype, far in worst.items():
        print(f"{dtype:>5}: {far:.2e} of the row's norm")
    sys.exit(worst["f32"] > LIMIT)


if __name__ == "__main__":
    main()
