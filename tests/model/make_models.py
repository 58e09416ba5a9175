"""Makes data/: tiny models with random weights, each as a Hugging Face folder and as GGUF, with what HF Transformers
computes from them in float32.

Usage: python3 make_models.py [NAME ...]    (needs torch, transformers, safetensors and gguf; see tests/requirements.txt)
Without names all are made. LLAMA_CPP=FOLDER of llama.cpp's sources: for the variants whose GGUF its converter makes.

NAME/config.json, NAME/model.safetensors   the model (bfloat16, or float32 where the variant says so)
NAME.gguf                                  the same, as llama.cpp's converter writes it
NAME.golden (NAME-int8.golden: with activations rounded to 8 bits)
                                           little-endian: u32 n_ids, n_greedy, n_vocab; u32 ids[n_ids] of the input;
                                           u32 greedy[n_greedy], its continuation; f32 logits[n_ids][n_vocab]
"""
import copy
import json
import shutil
import struct
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama import modeling_llama

import convert

HERE = Path(__file__).parent / "data"
TOKENS, GREEDY = 40, 24
SIZES = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=96, max_position_embeddings=64, rms_norm_eps=1e-5)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
OSS_YARN = dict(rope_type="yarn", factor=8.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                original_max_position_embeddings=16)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)


def two_ropes(full=None, theta=1e6):
    """rope_parameters of models whose windowed layers have a rope of their own."""
    return dict(full_attention={"rope_type": "default", "rope_theta": theta, **(full or {})},
                sliding_attention=dict(rope_type="default", rope_theta=1e4))

LATENT = dict(kv_lora_rank=24, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10, moe_intermediate_size=16,
              num_key_value_heads=4, num_hidden_layers=3)

DELTA = dict(mtp_num_hidden_layers=1, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=12, linear_value_head_dim=20)

# name -> what differs from SIZES. Keys that begin with a capital are for this script: F32 stores float32; V4 writes the
# config.json as transformers 4 did; Stacked keeps the experts of a folder in one tensor; Q8 quantises the GGUF; Partial
# rotates only so many dims (no HF folder); Folder: no GGUF; Seed: of the weights, else the place in this list; Converter: the GGUF is made by llama.cpp's; Vision: the folder
# is of a model that sees, too, around this one; MX: experts in MXFP4; Hub:
# fields as on the hub.
VARIANTS = {
    "llama-mha": dict(model_type="llama", num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=False, V4=1),
    "llama-gqa": dict(model_type="llama", hidden_size=24, intermediate_size=28, head_dim=16, tie_word_embeddings=True,
                      vocab_size=97, F32=1),
    "llama-mqa-bias": dict(model_type="llama", num_key_value_heads=1, head_dim=16, attention_bias=True, mlp_bias=True,
                           tie_word_embeddings=False),
    "llama-linear": dict(model_type="llama", head_dim=16, rope_parameters=dict(rope_type="linear", factor=4.0),
                         tie_word_embeddings=True, V4=1),
    "llama-llama3": dict(model_type="llama", head_dim=16, rope_theta=500000.0, rope_parameters=LLAMA3,
                         tie_word_embeddings=True),
    "llama-yarn": dict(model_type="llama", head_dim=16, rope_parameters=YARN, tie_word_embeddings=True, V4=1),
    "llama-odd": dict(model_type="llama", hidden_size=36, intermediate_size=50, num_attention_heads=3,
                      num_key_value_heads=3, head_dim=20, vocab_size=101, tie_word_embeddings=False),
    "llama-q8_0": dict(model_type="llama", intermediate_size=64, head_dim=16, tie_word_embeddings=True, Q8=1),
    "llama-partial": dict(model_type="llama", head_dim=16, tie_word_embeddings=True, Partial=8),
    "mistral-window": dict(model_type="mistral", head_dim=16, sliding_window=8, tie_word_embeddings=False),
    "mistral-v4": dict(model_type="mistral", head_dim=16, sliding_window=5, tie_word_embeddings=True, V4=1),
    "qwen2": dict(model_type="qwen2", num_attention_heads=2, rope_theta=1000000.0, tie_word_embeddings=True, V4=1),
    "qwen2-windows": dict(model_type="qwen2", num_attention_heads=2, num_hidden_layers=3, use_sliding_window=True,
                          sliding_window=8, max_window_layers=1, tie_word_embeddings=False),
    "qwen2-windows-v4": dict(model_type="qwen2", num_attention_heads=2, use_sliding_window=True, sliding_window=6,
                             max_window_layers=1, tie_word_embeddings=True, V4=1),
    "qwen3": dict(model_type="qwen3", num_attention_heads=3, num_key_value_heads=1, head_dim=32, rope_theta=1000000.0, tie_word_embeddings=True, V4=1),
    "qwen3-bias-yarn": dict(model_type="qwen3", head_dim=16, attention_bias=True, rope_parameters=YARN,
                            tie_word_embeddings=False),
    "qwen3moe": dict(model_type="qwen3_moe", head_dim=16, moe_intermediate_size=24, num_experts=8, num_experts_per_tok=3,
                     norm_topk_prob=True, tie_word_embeddings=False, num_hidden_layers=3),
    "qwen3moe-mixed": dict(model_type="qwen3_moe", head_dim=16, moe_intermediate_size=32, num_experts=5,
                           num_experts_per_tok=2, mlp_only_layers=[1], num_hidden_layers=3, tie_word_embeddings=True,
                           Folder=1),
    "qwen3moe-q8_0": dict(model_type="qwen3_moe", hidden_size=64, head_dim=16, moe_intermediate_size=32, num_experts=6,
                          num_experts_per_tok=2, norm_topk_prob=True, tie_word_embeddings=False, Q8=1),
    "mixtral": dict(model_type="mixtral", head_dim=16, num_local_experts=4, num_experts_per_tok=2,
                    tie_word_embeddings=False),
    "gemma": dict(model_type="gemma", num_key_value_heads=1, head_dim=16, tie_word_embeddings=True, Seed=101, Converter=1),
    "gemma2": dict(model_type="gemma2", num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                   query_pre_attn_scalar=16, sliding_window=8, attn_logit_softcapping=2.0, final_logit_softcapping=4.0,
                   tie_word_embeddings=True, Seed=102, Converter=1),
    "gemma3": dict(model_type="gemma3_text", hidden_size=24, intermediate_size=28, num_hidden_layers=7,
                   num_attention_heads=2, num_key_value_heads=1, head_dim=16, query_pre_attn_scalar=16,
                   sliding_window=8, rope_parameters=two_ropes(dict(rope_type="linear", factor=8.0)),
                   tie_word_embeddings=True, Seed=103, Converter=1),
    "gemma3-vision": dict(model_type="gemma3_text", hidden_size=24, intermediate_size=28, num_hidden_layers=4,
                          num_attention_heads=2, num_key_value_heads=1, head_dim=16, query_pre_attn_scalar=20,
                          sliding_window=5, sliding_window_pattern=2, final_logit_softcapping=3.0,
                          rope_parameters=two_ropes(), tie_word_embeddings=True, V4=1, Vision=1, Seed=104, Folder=1),
    "gptoss": dict(model_type="gpt_oss", intermediate_size=20, num_hidden_layers=3, head_dim=16, num_local_experts=4,
                   num_experts_per_tok=2, sliding_window=8, rope_theta=150000.0, rope_parameters=OSS_YARN,
                   tie_word_embeddings=False, Seed=105, Converter=1),
    "gptoss-mxfp4": dict(model_type="gpt_oss", intermediate_size=64, num_hidden_layers=2, head_dim=16,
                         num_local_experts=3, num_experts_per_tok=2, sliding_window=8, rope_theta=150000.0,
                         rope_parameters=OSS_YARN, tie_word_embeddings=False, V4=1, MX=1, Seed=106, Converter=1),
    "gemma4": dict(model_type="gemma4_text", hidden_size=24, intermediate_size=20, num_hidden_layers=6,
                   num_attention_heads=2, num_key_value_heads=1, head_dim=16, global_head_dim=32,
                   hidden_size_per_layer_input=8, vocab_size_per_layer_input=96, num_kv_shared_layers=3,
                   use_double_wide_mlp=True, sliding_window=8, final_logit_softcapping=4.0,
                   layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
                   rope_parameters=two_ropes(dict(rope_type="proportional", partial_rotary_factor=0.25)),
                   tie_word_embeddings=True, Seed=107, Converter=1),
    "gemma4-kv": dict(model_type="gemma4_text", hidden_size=24, intermediate_size=28, num_hidden_layers=4,
                      num_attention_heads=4, num_key_value_heads=2, head_dim=16, global_head_dim=24,
                      num_global_key_value_heads=1, attention_k_eq_v=True, hidden_size_per_layer_input=0,
                      sliding_window=8, layer_types=["sliding_attention", "full_attention"] * 2,
                      rope_parameters=two_ropes(dict(rope_type="proportional", partial_rotary_factor=0.5)),
                      tie_word_embeddings=True, Seed=108, Converter=1, Hub=1),
    "gemma4-moe": dict(model_type="gemma4_text", hidden_size=24, intermediate_size=20, num_hidden_layers=4,
                       num_attention_heads=4, num_key_value_heads=2, head_dim=16, global_head_dim=32,
                       num_global_key_value_heads=1, attention_k_eq_v=True, hidden_size_per_layer_input=0,
                       enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=12,
                       sliding_window=8, layer_types=["sliding_attention", "full_attention"] * 2,
                       rope_parameters=two_ropes(dict(rope_type="proportional", partial_rotary_factor=0.25)),
                       tie_word_embeddings=True, Seed=109, Converter=1, Vision=1),
    "qwen3_5": dict(model_type="qwen3_5_text", num_hidden_layers=4, head_dim=16, tie_word_embeddings=True,
                    rope_parameters=dict(partial_rotary_factor=0.5), Seed=201, Converter=1, **DELTA),
    "qwen3_5-vision": dict(model_type="qwen3_5_text", num_hidden_layers=3, num_key_value_heads=1, head_dim=32,
                           layer_types=["full_attention", "linear_attention", "full_attention"],
                           linear_num_key_heads=3, linear_num_value_heads=3, linear_key_head_dim=20,
                           linear_value_head_dim=20, linear_conv_kernel_dim=3, tie_word_embeddings=False, Vision=1,
                           Seed=202, Folder=1),
    "qwen3_5moe": dict(model_type="qwen3_5_moe_text", num_hidden_layers=4, head_dim=16, moe_intermediate_size=24,
                       shared_expert_intermediate_size=20, num_experts=6, num_experts_per_tok=2, Stacked=1,
                       tie_word_embeddings=False, Seed=203, Converter=1, **DELTA),
    "qwen3next": dict(model_type="qwen3_next", num_hidden_layers=4, head_dim=16, moe_intermediate_size=24,
                      shared_expert_intermediate_size=20, num_experts=6, num_experts_per_tok=2, norm_topk_prob=True,
                      rope_parameters=dict(partial_rotary_factor=0.25), tie_word_embeddings=False, Seed=204,
                      Converter=1, **{k: x for k, x in DELTA.items() if k[0] == "l"}),
    "lfm2": dict(model_type="lfm2", num_hidden_layers=4, head_dim=8, norm_eps=1e-5, block_multiple_of=16,
                 layer_types=["conv", "conv", "full_attention", "conv"], tie_word_embeddings=True, Seed=205, Converter=1),
    "lfm2-bias": dict(model_type="lfm2", num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, conv_bias=True,
                      conv_L_cache=4, block_auto_adjust_ff_dim=False, layer_types=["full_attention", "conv", "conv"],
                      tie_word_embeddings=False, Seed=206, Folder=1),
    "granitehybrid": dict(model_type="granitemoehybrid", num_hidden_layers=4, num_local_experts=6, num_experts_per_tok=2,
                          intermediate_size=24, shared_intermediate_size=20, position_embedding_type=None,
                          mamba_n_heads=8, mamba_n_groups=1, mamba_d_state=12, mamba_d_head=8, mamba_expand=2,
                          layer_types=["linear_attention", "linear_attention", "full_attention", "linear_attention"],
                          embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.6, logits_scaling=2.0,
                          tie_word_embeddings=True, Seed=207, Converter=1),
    "granitehybrid-dense": dict(model_type="granitemoehybrid", num_hidden_layers=3, num_local_experts=0, num_experts_per_tok=0,
                          intermediate_size=24, shared_intermediate_size=24, position_embedding_type="rope",
                          mamba_n_heads=4, mamba_n_groups=2, mamba_d_state=8, mamba_d_head=16, mamba_expand=2,
                          layer_types=["full_attention", "linear_attention", "linear_attention"],
                          tie_word_embeddings=False, Seed=208, Folder=1),
    "deepseek2": dict(model_type="deepseek_v2", Converter=1, Seed=60, **LATENT, q_lora_rank=None,
                      n_routed_experts=6, n_shared_experts=2,
                      num_experts_per_tok=2, first_k_dense_replace=1, routed_scaling_factor=1.5,
                      rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707), tie_word_embeddings=False),
    "deepseek3": dict(model_type="deepseek_v3", Converter=1, Seed=61, **LATENT, q_lora_rank=20,
                      n_routed_experts=8, n_shared_experts=1,
                      num_experts_per_tok=3, first_k_dense_replace=1, n_group=4, topk_group=2, norm_topk_prob=True,
                      routed_scaling_factor=2.5, num_nextn_predict_layers=0, scoring_func="sigmoid", topk_method="noaux_tc",
                      tie_word_embeddings=False, F32=1),
    "granite": dict(model_type="granite", embedding_multiplier=12.0, attention_multiplier=0.2, residual_multiplier=0.22,
                    logits_scaling=6.0, tie_word_embeddings=True, Seed=301, Converter=1),
    "smollm3": dict(model_type="smollm3", num_hidden_layers=5, tie_word_embeddings=True, Seed=302, pad_token_id=None, eos_token_id=1, Converter=1),
    "seed_oss": dict(model_type="seed_oss", head_dim=16, attention_bias=True, tie_word_embeddings=False, Seed=303, pad_token_id=None, eos_token_id=1,
                     Converter=1),
    "ernie4_5": dict(model_type="ernie4_5", head_dim=16, tie_word_embeddings=True, Seed=304, pad_token_id=None, eos_token_id=1, Converter=1),
    "glm4": dict(model_type="glm4", head_dim=16, attention_bias=True, rope_parameters=dict(partial_rotary_factor=0.5),
                 tie_word_embeddings=False, Seed=305, pad_token_id=None, eos_token_id=1, Converter=1),
}


def make_config(v):
    fields = {**SIZES, **{k: x for k, x in v.items() if k[0].islower()}}
    theta = fields.pop("rope_theta", 10000.0)
    if "full_attention" not in fields.get("rope_parameters", {}):
        fields["rope_parameters"] = {"rope_type": "default", **fields.get("rope_parameters", {}), "rope_theta": theta}
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def make_model(config, seed, f32):
    """Weights large enough that attention prefers some positions; exact in the stored type."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager").float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("norm.weight"):
                p.uniform_(0.5, 1.5)
                less_one = hasattr(config, "query_pre_attn_scalar") or config.model_type == "gemma"
                if less_one or (config.model_type.startswith(("qwen3_5", "qwen3_next")) and not name.endswith("linear_attn.norm.weight")):
                    p.sub_(1)  # as these hold it
            elif name.endswith("A_log"):
                p.uniform_(-4, 0)  # some heads forget at once, some hardly
            elif p.dim() == 1:
                p.normal_(0, 0.3)
            else:
                p.normal_(0, 1 if "embed" in name else 1.6 / p.shape[-1] ** 0.5)
            if not f32:
                p.copy_(p.bfloat16().float())
        for name, b in model.named_buffers():
            if name.endswith("layer_scalar"):
                b.uniform_(0.5, 1.5)
                b.copy_(b.bfloat16().float())
            if name.endswith("e_score_correction_bias"):
                b.normal_(0, 0.2)
                if not f32:
                    b.copy_(b.bfloat16().float())  # else near ties would be chosen otherwise
    return model


def rotate_partly(dim):
    """Llama's rotation over the first dim dims of a head, as llama.cpp reads rope.dimension_count."""
    def apply(q, k, cos, sin, unsqueeze_dim=1):
        half = dim // 2
        freqs = 1.0 / (10000.0 ** (torch.arange(0, dim, 2, dtype=torch.float) / dim))
        angle = torch.arange(q.shape[2], dtype=torch.float)[:, None] * freqs
        c, s = angle.cos(), angle.sin()

        def one(x):
            a, b = x[..., :half], x[..., half:dim]
            return torch.cat([a * c - b * s, b * c + a * s, x[..., dim:]], dim=-1)
        return one(q), one(k)
    return apply


def logits_of(model, ids):
    with torch.no_grad():
        # hidden states: without them transformers 5.23 fails on layers that share keys and have no embeddings of their own
        return model(torch.tensor([ids]), use_cache=False, output_hidden_states=True).logits[0].float().numpy()


def write_golden(path, model):
    """The input is chosen so that no greedy choice of the continuation is a close call."""
    n_vocab = model.config.vocab_size
    for attempt in range(100):
        ids = np.random.default_rng(attempt).integers(0, n_vocab, TOKENS).tolist()
        logits, greedy, margin = logits_of(model, ids), [], 1e9
        for _ in range(GREEDY):
            row = logits_of(model, ids + greedy)[-1]
            top = np.sort(row)[-2:]
            margin = min(margin, (top[1] - top[0]) / np.linalg.norm(row))
            greedy.append(int(row.argmax()))
        if margin > 1e-3:
            break
    head = struct.pack("<3I", len(ids), len(greedy), n_vocab)
    path.write_bytes(head + np.array(ids + greedy, "<u4").tobytes() + logits.astype("<f4").tobytes())


# ---- Hugging Face ---------------------------------------------------------------------------------------------------

def config_v4(config):
    """config.json as transformers 4 wrote it: rope_theta and rope_scaling side by side, no layer_types."""
    fields = config.to_dict()
    rope = dict(fields.pop("rope_parameters"))
    if "full_attention" in rope:
        fields["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = dict(rope["full_attention"])
    fields["rope_theta"] = rope.pop("rope_theta")
    fields["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    fields.pop("layer_types", None)
    return {k: x for k, x in fields.items() if not isinstance(x, torch.dtype)}


def published(name, x, kind):
    """The tensors of a published checkpoint: transformers 5 keeps experts stacked in memory, files have them one by one."""
    if kind == "mixtral":
        name = name.replace(".mlp.", ".block_sparse_moe.")
    if kind == "granitemoehybrid":
        for new, old in (("router.weight", "router.layer.weight"), ("experts.gate_up_proj", "input_linear.weight"),
                         ("experts.down_proj", "output_linear.weight")):
            name = name.replace("block_sparse_moe." + new, "block_sparse_moe." + old)
        return [(name, x)]
    if kind in ("gpt_oss", "gemma4_text") or not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        return [(name, x)]
    base, part = name.rsplit(".", 1)
    parts = ("gate_proj", "up_proj") if part == "gate_up_proj" else ("down_proj",)
    names = dict(gate_proj="w1", up_proj="w3", down_proj="w2") if kind == "mixtral" else {p: p for p in parts}
    return [(f"{base}.{e}.{names[p]}.weight", w) for e in range(len(x)) for p, w in zip(parts, x[e].chunk(len(parts)))]


def to_mxfp4(x):
    """[..][cols] as GGUF has it: [..][blocks][17]."""
    q = gguf.quants.quantize(np.ascontiguousarray(x), gguf.GGMLQuantizationType.MXFP4)
    return q.reshape(*x.shape[:-1], x.shape[-1] // 32, 17)


def mxfp4_tensors(name, x):
    """As gpt-oss was published: exponents apart, neighbours in a byte, matrices by their rows."""
    q = to_mxfp4(x.transpose(1, 2).numpy())
    codes = np.concatenate([q[..., 1:] & 15, q[..., 1:] >> 4], axis=-1)
    yield name + "_blocks", torch.from_numpy(codes[..., ::2] | codes[..., 1::2] << 4)
    yield name + "_scales", torch.from_numpy(q[..., 0].copy())


def round_to_mxfp4(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
                q = to_mxfp4(p.transpose(1, 2).numpy())
                x = gguf.quants.dequantize(q.reshape(*q.shape[:2], -1), gguf.GGMLQuantizationType.MXFP4)
                p.copy_(torch.from_numpy(x).transpose(1, 2))


def folder_tensors(model, v):
    state = {n: p.detach() for n, p in [*model.named_parameters(), *model.named_buffers()] if n in model.state_dict()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    for name, p in state.items():
        if "MX" in v and name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            yield from mxfp4_tensors(name, p)
            continue
        yield from [(name, p)] if "Stacked" in v else published(name, p, model.config.model_type)


def whole_name(name, kind):
    """What a tensor of the language model is called in the checkpoint of a model that sees."""
    if kind not in ("qwen3_5_text", "gemma4_text"):
        return f"language_model.{name}"
    return name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name


def write_folder(path, model, v):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    fields = config_v4(model.config) if "V4" in v else model.config.to_dict()
    fields = {k: x for k, x in fields.items() if k not in ("transformers_version", "dtype", "torch_dtype")}
    fields["architectures"] = fields.get("architectures") or [type(model).__name__]
    if "Hub" in v and "per_layer_config" in fields:  # as published, before transformers 5.23
        del fields["per_layer_config"]
        fields["global_head_dim"] = v["global_head_dim"]
        fields["num_global_key_value_heads"] = v.get("num_global_key_value_heads")
    if model.config.model_type == "granitemoehybrid":  # as published
        fields["layer_types"] = [{"full_attention": "attention"}.get(t, "mamba") for t in fields["layer_types"]]
    if "MX" in v:
        fields["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=["model.embed_tokens"])
    if "sliding_window_pattern" in v:
        fields["sliding_window_pattern"] = v["sliding_window_pattern"]
    if "Vision" in v:
        fields = dict(model_type=model.config.model_type.removesuffix("_text"), text_config=fields,
                      architectures=[type(model).__name__.replace("ForCausalLM", "ForConditionalGeneration")],
                      tie_word_embeddings=fields.pop("tie_word_embeddings"), vision_config=dict(hidden_size=8))
    (path / "config.json").write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
    tensors = {n: x.clone().contiguous() for n, x in folder_tensors(model, v)}
    if "F32" not in v:
        tensors = {n: p.bfloat16() if p.is_floating_point() else p for n, p in tensors.items()}
    if model.config.model_type.startswith(("qwen3_5", "qwen3_next")):  # a block that guesses further tokens
        tensors |= {f"mtp.{n}.weight": torch.ones(32) for n in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm",
                                                              "layers.0.input_layernorm")}
        tensors["mtp.fc.weight"] = torch.ones(32, 64)
    if "Vision" in v:
        tensors = {whole_name(n, model.config.model_type): p for n, p in tensors.items()}
        if model.config.model_type == "gemma4_text":
            tensors["model.embed_vision.embedding_projection.weight"] = torch.ones(v["hidden_size"], 8)
        elif model.config.model_type == "qwen3_5_text":
            tensors["model.visual.merger.norm.weight"] = torch.ones(8)
        else:
            tensors["vision_tower.vision_model.post_layernorm.weight"] = torch.ones(8)
            tensors["multi_modal_projector.mm_input_projection_weight"] = torch.ones(8, v["hidden_size"])
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


def save_folder(path, model, v):
    """As transformers itself writes it."""
    copy.deepcopy(model).to(torch.float32 if "F32" in v else torch.bfloat16).save_pretrained(path)


# ---- GGUF, as llama.cpp's convert_hf_to_gguf.py writes it -----------------------------------------------------------

PARTS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp"}


def gguf_name(name):
    ends = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight"}
    if name in ends:
        return ends[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def permute(w, heads, rotated):
    """The two halves of each rotated pair become neighbours."""
    by_head = w.reshape(heads, w.shape[0] // heads, *w.shape[1:])
    turned = by_head[:, :rotated].reshape(heads, 2, rotated // 2, *w.shape[1:]).swapaxes(1, 2)
    turned = turned.reshape(heads, rotated, *w.shape[1:])
    return np.concatenate([turned, by_head[:, rotated:]], axis=1).reshape(w.shape)


def llama3_factors(rope, dim):
    low, high = (rope["original_max_position_embeddings"] / rope[k] for k in ("low_freq_factor", "high_freq_factor"))
    factors = []
    for freq in 1.0 / (rope["rope_theta"] ** (np.arange(0, dim, 2, dtype=np.float32) / dim)):
        wave = 2 * np.pi / freq
        if wave < high:
            factors.append(1.0)
        elif wave > low:
            factors.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)


def write_hparams(w, config, head_dim, rotated):
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if head_dim * config.num_attention_heads != config.hidden_size:
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    if hasattr(config, "num_local_experts"):
        w.add_expert_count(config.num_local_experts)
        w.add_expert_used_count(config.num_experts_per_tok)
    if hasattr(config, "moe_intermediate_size"):
        w.add_expert_feed_forward_length(config.moe_intermediate_size)
    if w.arch == "llama":
        w.add_vocab_size(config.vocab_size)
        w.add_rope_dimension_count(rotated)
    windows = [t == "sliding_attention" for t in getattr(config, "layer_types", None) or []]
    if getattr(config, "sliding_window", None) and (windows == [] or any(windows)):
        w.add_sliding_window(config.sliding_window)
        if windows:
            w.add_sliding_window_pattern(windows)


def write_rope(w, config, head_dim):
    rope = config.rope_parameters
    if rope["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if "beta_fast" in rope:
            w.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
            w.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
    elif rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim))


def gguf_tensors(model):
    for name, p in model.named_parameters():
        x = p.detach().numpy()
        base = f"blk.{name.split('.')[2]}." if ".experts." in name else ""
        if name.endswith("experts.gate_up_proj"):
            yield base + "ffn_gate_exps.weight", x[:, :x.shape[1] // 2]
            yield base + "ffn_up_exps.weight", x[:, x.shape[1] // 2:]
        elif name.endswith("experts.down_proj"):
            yield base + "ffn_down_exps.weight", x
        else:
            yield name, x


def write_gguf(path, model, v):
    config = model.config
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rotated = v.get("Partial", head_dim)
    arch = {"mistral": "llama", "mixtral": "llama", "qwen3_moe": "qwen3moe"}.get(config.model_type, config.model_type)
    w = gguf.GGUFWriter(path, arch)
    write_hparams(w, config, head_dim, rotated)
    write_rope(w, config, head_dim)
    for name, x in gguf_tensors(model):
        if w.arch == "llama" and ("q_proj" in name or "k_proj" in name):
            x = permute(x, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads, rotated)
        kind = gguf.GGMLQuantizationType.F32
        if x.ndim >= 2 and "F32" not in v and not name.endswith("mlp.gate.weight"):
            kind = gguf.GGMLQuantizationType.Q8_0 if "Q8" in v else gguf.GGMLQuantizationType.BF16
        w.add_tensor(name if name.startswith("blk.") else gguf_name(name), gguf.quants.quantize(x, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_converted(path, model, v):
    """Through llama.cpp's converter, from a folder without what differs between versions of transformers."""
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / "hf", model, {**{k: x for k, x in v.items() if k != "V4"}, "Hub": 1})
        convert.convert(Path(folder) / "hf", path, "f32" if "F32" in v else "bf16")


def round_to_q8_0(model):
    kind = gguf.GGMLQuantizationType.Q8_0
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() >= 2 and not name.endswith("mlp.gate.weight"):
                p.copy_(torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(p.numpy(), kind), kind).copy()))


def round_activations(linear, args):
    """To 8 bits per 32 values, as kvik does before products with integer weights."""
    blocks = args[0].reshape(-1, 32)
    scale = blocks.abs().amax(1, keepdim=True) / 127
    return (torch.round(blocks / scale) * scale).reshape(args[0].shape)


def main():
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    whole = modeling_llama.apply_rotary_pos_emb
    for seed, (name, v) in enumerate(VARIANTS.items()):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        model = make_model(make_config(v), v.get("Seed", seed), "F32" in v or "Q8" in v)
        if "Q8" in v:
            round_to_q8_0(model)
        if "MX" in v:
            round_to_mxfp4(model)
        modeling_llama.apply_rotary_pos_emb = rotate_partly(v["Partial"]) if "Partial" in v else whole
        write_golden(HERE / f"{name}.golden", model)
        if "Q8" not in v and "Partial" not in v:
            write_folder(HERE / name, model, v)
        if "Folder" not in v:
            (write_converted if "Converter" in v else write_gguf)(HERE / f"{name}.gguf", model, v)
        if "Q8" in v and model.config.model_type != "qwen3_moe":
            for m in model.modules():
                if isinstance(m, torch.nn.Linear):
                    m.register_forward_pre_hook(round_activations)
            write_golden(HERE / f"{name}-int8.golden", model)


if __name__ == "__main__":
    main()
