"""Compares `kvik logits` with HF Transformers over random configurations with random weights: architecture, sizes (odd
ones too), RoPE rules, windows, biases, tied or not, config.json of transformers 4 and 5, GGUF as converted.

Usage: python3 compare_hf.py [--kvik build/kvik] [-n 100] [--seed 0] [--long]     (packages as for make_models.py)
--long: head_dim 128 and up to 4096 positions.
--kind NAME: only models of this model_type.
--model FOLDER: that model instead of random ones; what 8-bit weights change is printed too, for judgement.
Prints one line per model with the largest relative error of a row of logits; ends with 1 when one is above 1e-4.
Some random models double a rounding error at every layer: then Transformers is itself further than that from what it
computes in float64. Where an error is above 1e-4, kvik may be at most twice as far from that as Transformers is; both are
printed.
"""
import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.overrides import TorchFunctionMode

import make_models

BOUND = 1e-4
KINDS = ["llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "mixtral", "deepseek_v2", "deepseek_v3", "gemma",
         "gemma2", "gemma3_text", "gpt_oss", "gemma4_text", "granite", "smollm3", "seed_oss", "ernie4_5", "glm4"]


def random_rope(rng, context):
    rule = rng.choice(["default", "default", "linear", "llama3", "yarn"])
    rope = dict(rope_type=rule)
    original = max(8, context // rng.choice([2, 4, 8]))
    if rule != "default":
        rope["factor"] = rng.choice([2.0, 4.0, 8.0, 2.5])
    if rule == "llama3":
        rope.update(low_freq_factor=1.0, high_freq_factor=rng.choice([2.0, 4.0]),
                    original_max_position_embeddings=original)
    if rule == "yarn":
        rope["original_max_position_embeddings"] = original
        if rng.random() < 0.3:
            rope.update(beta_fast=rng.choice([16.0, 32.0, 64.0]), beta_slow=rng.choice([1.0, 2.0]))
    return rope


def random_sizes(rng):
    kv_heads = rng.choice([1, 1, 2, 3, 4])
    return dict(hidden_size=rng.choice([8, 20, 32, 33, 48, 64, 100, 128, 130]),
                intermediate_size=rng.choice([7, 16, 31, 64, 90, 128, 257]),
                num_hidden_layers=rng.randint(1, 4), num_key_value_heads=kv_heads,
                num_attention_heads=kv_heads * rng.choice([1, 2, 3, 5, 8]),
                head_dim=rng.choice([4, 6, 16, 18, 32, 64, 80, 96, 128]),
                vocab_size=rng.choice([17, 64, 101, 256, 500]), max_position_embeddings=rng.choice([64, 256, 1024]))


def long_sizes(rng):
    return dict(hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_key_value_heads=1,
                num_attention_heads=2, head_dim=128, vocab_size=300, max_position_embeddings=4096)


def random_experts(rng, kind, layers):
    n = rng.choice([1, 2, 5, 8, 16])
    v = dict(num_experts=n) if kind == "qwen3_moe" else dict(num_local_experts=n)
    v.update(num_experts_per_tok=rng.randint(1, min(n, 4)))
    if kind == "qwen3_moe":  # llama.cpp knows no dense layers and always normalises
        v.update(moe_intermediate_size=rng.choice([8, 17, 32, 64]), norm_topk_prob=True)
    if rng.random() < 0.3:
        v["Stacked"] = 1
    if kind == "qwen3_moe" and rng.random() < 0.3:
        v.update(mlp_only_layers=[rng.randrange(layers)], norm_topk_prob=rng.random() < 0.5, Folder=1)
    return v


def random_gpt_oss(rng, v):
    experts = rng.choice([1, 2, 5, 8])
    v.update(Converter=1, tie_word_embeddings=False, sliding_window=rng.choice([1, 5, 17, 128]), num_local_experts=experts,
             num_experts_per_tok=rng.randint(1, min(experts, 4)), rope_parameters=make_models.OSS_YARN)
    if rng.random() < 0.5:
        v.update(MX=1, hidden_size=rng.choice([32, 64, 96]), intermediate_size=rng.choice([32, 64, 160]))


def random_gemma4(rng, v):
    v.pop("V4", None)  # came with transformers 5
    layers = v["num_hidden_layers"] + rng.choice([3, 3, 3, 9])
    kinds = [rng.choice(["sliding_attention", "full_attention"]) for _ in range(layers)]
    kinds[:2], kinds[-1] = ["sliding_attention", "full_attention"], "full_attention"
    same = rng.random() < 0.5
    v.update(Converter=1, tie_word_embeddings=True, num_hidden_layers=len(kinds), layer_types=kinds,
             sliding_window=rng.choice([1, 5, 17, 300]), global_head_dim=rng.choice([8, 24, 64, 96]),
             attention_k_eq_v=same, num_global_key_value_heads=1 if same else None,
             num_kv_shared_layers=rng.randint(0, len(kinds) - 2), use_double_wide_mlp=rng.random() < 0.5,
             hidden_size_per_layer_input=rng.choice([0, 4, 16]), vocab_size_per_layer_input=v["vocab_size"],
             final_logit_softcapping=rng.choice([None, 3.0, 30.0]), rope_parameters=make_models.two_ropes(
                 dict(rope_type="proportional", partial_rotary_factor=rng.choice([0.25, 0.5, 1.0]))))
    if rng.random() < 0.2:
        v.update(attention_bias=True)
    if rng.random() < 0.4:
        experts = rng.choice([1, 2, 5, 8])
        v.update(enable_moe_block=True, num_experts=experts, top_k_experts=rng.randint(1, min(experts, 4)),
                 moe_intermediate_size=rng.choice([8, 17, 32]))
    if rng.random() < 0.5:
        v["Hub"] = 1


def random_gemma(rng, v):
    """GGUF files of theirs come from llama.cpp's converter; they have no scale of attention but the published ones', nor has
    the converter a base of the rope for the first two."""
    v.update(Converter=1, query_pre_attn_scalar=v["head_dim"], sliding_window=rng.choice([1, 5, 17, 40, 300]),
             tie_word_embeddings=True, hidden_size=v["hidden_size"] + -v["hidden_size"] % v["num_attention_heads"])
    if v["model_type"] == "gemma":
        v.pop("query_pre_attn_scalar"), v.pop("sliding_window")
    if v["model_type"] == "gemma2":
        v.update(attn_logit_softcapping=rng.choice([1.0, 5.0, 50.0]), final_logit_softcapping=rng.choice([2.0, 30.0]))
    if v["model_type"] == "gemma3_text":
        v["num_hidden_layers"] += rng.choice([0, 4])
        linear = dict(rope_type="linear", factor=rng.choice([2.0, 8.0]))
        v["rope_parameters"] = make_models.two_ropes(rng.choice([None, linear]))
    else:
        v.update(rope_parameters=dict(rope_type="default"), rope_theta=10000.0)


def random_deepseek(rng, v):
    """llama.cpp's converter knows no ties of the two ends here, and takes mscale for equal to mscale_all_dim."""
    groups, in_group = rng.choice([(1, 3), (1, 8), (2, 4), (4, 2), (4, 4)])
    used = rng.randint(1, groups)
    v["num_key_value_heads"] = v["num_attention_heads"]
    v["hidden_size"] += -v["hidden_size"] % v["num_attention_heads"]
    v.pop("head_dim")
    v.update(tie_word_embeddings=False, kv_lora_rank=rng.choice([8, 24, 40, 128]), qk_rope_head_dim=rng.choice([2, 8, 16]),
             qk_nope_head_dim=rng.choice([4, 12, 32]), v_head_dim=rng.choice([6, 16, 32]),
             q_lora_rank=rng.choice([None, 5, 32]), moe_intermediate_size=rng.choice([8, 17, 32]),
             n_routed_experts=groups * in_group, n_shared_experts=rng.choice([1, 2]), n_group=groups, topk_group=used,
             num_experts_per_tok=rng.randint(1, used * in_group), first_k_dense_replace=rng.randint(0, 1),
             routed_scaling_factor=rng.choice([1.0, 2.5]), Converter=1)
    if v["model_type"] == "deepseek_v2":
        v.update(topk_method="group_limited_greedy" if groups > 1 else "greedy", norm_topk_prob=False)
    else:
        v.update(scoring_func="sigmoid", topk_method="noaux_tc", norm_topk_prob=rng.random() < 0.7,
                 num_nextn_predict_layers=0)
    if v["rope_parameters"]["rope_type"] == "yarn" and rng.random() < 0.7:
        v["rope_parameters"].update(mscale=0.707, mscale_all_dim=0.707)
    elif v["rope_parameters"]["rope_type"] != "yarn":
        v["rope_parameters"] = dict(rope_type="default")


def random_dense(rng, v):
    """Llama's relatives, whose GGUF files come from llama.cpp's converter, which knows no scaling of theirs."""
    kind = v["model_type"]
    v.update(Converter=1, rope_parameters=dict(rope_type="default"), pad_token_id=None, eos_token_id=1)
    if kind == "granite":  # has no head_dim of its own
        v["hidden_size"] = v["num_attention_heads"] * v.pop("head_dim")
        v.update({k: rng.choice([0.2, 0.5, 1.0, 3.0]) for k in ("embedding_multiplier", "attention_multiplier",
                                                               "residual_multiplier", "logits_scaling")})
    if kind == "smollm3":
        v.pop("head_dim")
        v["hidden_size"] = 2 * v["num_attention_heads"] * rng.choice([4, 8, 16, 33])
        v["num_hidden_layers"] += rng.choice([0, 4])
    if kind in ("seed_oss", "glm4"):
        v.update(attention_bias=rng.random() < 0.5)
    if kind == "glm4":
        v.update(head_dim=4 * max(1, v["head_dim"] // 4), rope_parameters=dict(
            rope_type="default", partial_rotary_factor=0.5))


def random_variant(rng, long, kinds=KINDS):
    v = dict(model_type=rng.choice(kinds), tie_word_embeddings=rng.random() < 0.5)
    v.update(long_sizes(rng) if long else random_sizes(rng))
    v["rope_theta"] = rng.choice([10000.0, 500000.0, 1000000.0])
    v["rms_norm_eps"] = rng.choice([1e-5, 1e-6, 1e-3])
    v["rope_parameters"] = random_rope(rng, v["max_position_embeddings"])
    v.update({k: 1 for k in ("V4", "F32") if rng.random() < 0.5})
    if v["model_type"] == "llama":
        v.update(attention_bias=rng.random() < 0.3, mlp_bias=rng.random() < 0.3)
    if v["model_type"] == "qwen3":
        v.update(attention_bias=rng.random() < 0.2)
    if v["model_type"] == "mistral":
        v.update(sliding_window=rng.choice([None, 1, 5, 17, 40, 300]))
    if v["model_type"].startswith("qwen") and rng.random() < 0.4:
        v.update(use_sliding_window=True, sliding_window=rng.choice([1, 9, 30, 257]),
                 max_window_layers=rng.randint(0, v["num_hidden_layers"]))
    if v["model_type"] in ("qwen3_moe", "mixtral"):
        v.update(random_experts(rng, v["model_type"], v["num_hidden_layers"]))
    if v["model_type"] == "gpt_oss":
        random_gpt_oss(rng, v)
    elif v["model_type"] == "gemma4_text":
        random_gemma4(rng, v)
    elif v["model_type"].startswith("gemma"):
        random_gemma(rng, v)
    if v["model_type"].startswith("deepseek"):
        random_deepseek(rng, v)
    if v["model_type"] in ("granite", "smollm3", "seed_oss", "ernie4_5", "glm4"):
        random_dense(rng, v)
    if v["model_type"] == "qwen2":  # has no head_dim of its own
        v["hidden_size"] = v["num_attention_heads"] * v.pop("head_dim")
    elif v["model_type"] == "llama":  # transformers insists on a multiple
        v["hidden_size"] += -v["hidden_size"] % v["num_attention_heads"]
    return v


def kvik_logits(kvik, model, ids, *options):
    command = [kvik, "logits", str(model), "--ids", ",".join(map(str, ids)), "-o", "-", "--kv-dtype", "f32", "--ctx",
               str(len(ids)), *options]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode().strip())
    return np.load(io.BytesIO(done.stdout))


def worst(got, want):
    return float((np.linalg.norm(got - want, axis=1) / np.linalg.norm(want, axis=1)).max())


class Float64(TorchFunctionMode):
    """What asks for float32 gets float64."""
    def __torch_function__(self, func, types, args=(), kwargs=None):
        def wide(x):
            return torch.float64 if x is torch.float32 else x
        func = torch.Tensor.double if func is torch.Tensor.float else func
        return func(*map(wide, args), **{k: wide(x) for k, x in (kwargs or {}).items()})


def logits_in_float64(model, ids):
    model.double()
    with torch.no_grad(), Float64():
        return model(torch.tensor([ids]), use_cache=False, output_hidden_states=True).logits[0].numpy()


def compare(kvik, v, seed, tokens, folder):
    model = make_models.make_model(make_models.make_config(v), seed, "F32" in v)
    if "MX" in v:
        make_models.round_to_mxfp4(model)
    make_models.write_folder(folder / "hf", model, v)
    if "MX" not in v:
        make_models.save_folder(folder / "saved", model, v)
    if "Converter" not in v and "Folder" not in v:
        make_models.write_gguf(folder / "model.gguf", model, v)
    elif make_models.convert.available():
        make_models.write_converted(folder / "model.gguf", model, v)
    ids = np.random.default_rng(seed).integers(0, v["vocab_size"], tokens).tolist()
    want = make_models.logits_of(model, ids)
    got = [kvik_logits(kvik, folder / path, ids) for path in ("hf", "saved", "model.gguf") if (folder / path).exists()]
    errors = [worst(x, want) for x in got]
    result = " ".join(f"{e:.2g}" for e in errors)
    if max(errors) <= BOUND:
        return True, result
    exact = logits_in_float64(model, ids)
    own, ours = worst(want, exact), max(worst(x, exact) for x in got)
    return ours <= 2 * own, f"{result}; from float64: Transformers {own:.2g}, kvik {ours:.2g}"


def compare_folder(kvik, folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, 300).tolist()
    want = make_models.logits_of(model, ids)
    error = worst(kvik_logits(kvik, folder, ids), want)
    print(f"f32 {error:.2g}")
    for options in (["--act", "f32"], ["--act", "int8"]):
        got = kvik_logits(kvik, folder, ids, "--quantize", "q8_0", *options)
        same = (got.argmax(1) == want.argmax(1)).mean()
        print(f"q8_0 {' '.join(options)}: {worst(got, want):.2g}, same first choice at {same:.1%} of positions")
    return error <= BOUND


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kvik", default="build/kvik")
    p.add_argument("-n", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--long", action="store_true")
    p.add_argument("--kind", choices=KINDS)
    p.add_argument("--model")
    args = p.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if args.model:
        sys.exit(not compare_folder(args.kvik, args.model))
    bad = 0
    for seed in range(args.seed, args.seed + args.n):
        rng = random.Random(seed)
        v = random_variant(rng, args.long, [args.kind] if args.kind else KINDS)
        tokens = rng.choice([2048, 4096]) if args.long else rng.choice([1, 15, 16, 17, 60, 300])
        with tempfile.TemporaryDirectory() as folder:
            try:
                ok, result = compare(args.kvik, v, seed, tokens, Path(folder))
            except RuntimeError as e:
                ok, result = False, str(e)
        bad += not ok
        print("ok " if ok else "BAD", f"seed {seed}", result, "" if ok else json.dumps(v), flush=True)
    print(f"{args.n - bad} of {args.n} within {BOUND}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
