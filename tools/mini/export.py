#!/usr/bin/env python3
"""A checkpoint of train.py and its vocabulary -> a GGUF file of the llama architecture; and back.

  export.py RUN/last.pt RUN/spm.model models/kvik-mini.gguf
  export.py --spm models/kvik-mini.gguf spm.model          the SentencePiece model that the file carries

Matrices are Q8_0, norms F32; there is no output.weight, because the embedding is the output. The rows of q and k stand in
the order that GGUF's llama expects (pairs side by side instead of halves). load_state() undoes all of it: training can go on
from the committed file alone (train.py --init), and check_logits.py compares against it.
"""
import sys

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import quants

import model as models

TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
SPECIAL = ("<|im_start|>", "<|im_end|>")
SPM_KEY = "kvik.sentencepiece_model"  # the bytes of spm.model: what training needs to go on

NAMES = {"input_layernorm.weight": "attn_norm.weight", "self_attn.q_proj.weight": "attn_q.weight",
         "self_attn.k_proj.weight": "attn_k.weight", "self_attn.v_proj.weight": "attn_v.weight",
         "self_attn.o_proj.weight": "attn_output.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
         "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight", "mlp.down_proj.weight": "ffn_down.weight"}


def gguf_names(layers):
    """Hugging Face name -> GGUF name."""
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    for i in range(layers):
        names |= {f"model.layers.{i}.{h}": f"blk.{i}.{g}" for h, g in NAMES.items()}
    return names


def heads_of(name, shape):
    return shape["heads"] if name.endswith("q_proj.weight") else shape["kv_heads"] if name.endswith("k_proj.weight") else 0


def to_pairs(w, heads):
    """Rows of each head: from halves (0..d/2 beside d/2..d) to pairs."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def to_halves(w, heads):
    return w.reshape(heads, w.shape[0] // heads // 2, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def add_vocabulary(out, sp):
    tokens, scores, types = [], [], []
    for i in range(sp.vocab_size()):
        piece = sp.id_to_piece(i)
        kind = gguf.TokenType.NORMAL
        if sp.is_unknown(i):
            kind = gguf.TokenType.UNKNOWN
        elif sp.is_control(i) or piece in SPECIAL:
            kind = gguf.TokenType.CONTROL
        elif sp.is_byte(i):
            kind = gguf.TokenType.BYTE
        tokens.append(piece.encode())
        scores.append(sp.get_score(i))
        types.append(kind)
    out.add_tokenizer_model("llama")
    out.add_tokenizer_pre("default")
    out.add_token_list(tokens)
    out.add_token_scores(scores)
    out.add_token_types(types)
    out.add_bos_token_id(sp.bos_id())
    out.add_eos_token_id(sp.eos_id())
    out.add_eot_token_id(sp.piece_to_id("<|im_end|>"))
    out.add_unk_token_id(sp.unk_id())
    out.add_add_bos_token(True)
    out.add_add_eos_token(False)
    out.add_add_space_prefix(False)
    out.add_remove_extra_whitespaces(False)
    out.add_chat_template(TEMPLATE)


def add_shape(out, s, vocab):
    out.add_name("kvik-mini")
    out.add_description("A very small model for tests and first steps: short stories, small talk, recall. English and Chinese.")
    out.add_license("Apache-2.0")
    out.add_languages(["en", "zh"])
    out.add_context_length(s["context"])
    out.add_embedding_length(s["hidden"])
    out.add_block_count(s["layers"])
    out.add_feed_forward_length(s["ffn"])
    out.add_head_count(s["heads"])
    out.add_head_count_kv(s["kv_heads"])
    out.add_key_length(s["head_dim"])
    out.add_value_length(s["head_dim"])
    out.add_rope_dimension_count(s["head_dim"])
    out.add_rope_freq_base(s["theta"])
    out.add_layer_norm_rms_eps(s["eps"])
    out.add_vocab_size(vocab)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    out.add_quantization_version(gguf.GGML_QUANT_VERSION)


def write(checkpoint, spm, path):
    c = torch.load(checkpoint, map_location="cpu")
    shape, sp = c["shape"], sentencepiece.SentencePieceProcessor(model_file=spm)
    out = gguf.GGUFWriter(path, "llama")
    add_shape(out, shape, sp.vocab_size())
    add_vocabulary(out, sp)
    out.add_array(SPM_KEY, open(spm, "rb").read())
    for hf, name in gguf_names(shape["layers"]).items():
        w = c["model"][hf].float().numpy()
        if heads_of(hf, shape):
            w = to_pairs(w, heads_of(hf, shape))
        if w.ndim == 1:
            out.add_tensor(name, w.astype(np.float32))
        else:
            out.add_tensor(name, quants.quantize(w, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def number(reader, key):
    return reader.fields[key].contents()


def load_shape(path):
    """The shape as in model.py, of the file at path."""
    reader = gguf.GGUFReader(path)
    n = lambda key: number(reader, "llama." + key)
    return dict(hidden=n("embedding_length"), ffn=n("feed_forward_length"), layers=n("block_count"), heads=n("attention.head_count"),
                kv_heads=n("attention.head_count_kv"), head_dim=n("attention.key_length"), context=n("context_length"),
                eps=float(f'{n("attention.layer_norm_rms_epsilon"):.6g}'), theta=n("rope.freq_base"))


def load_state(path):
    """(shape, state_dict in Hugging Face's names and order, dequantised)."""
    shape, tensors = load_shape(path), {t.name: t for t in gguf.GGUFReader(path).tensors}
    state = {}
    for hf, name in gguf_names(shape["layers"]).items():
        t = tensors[name]
        w = quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        if heads_of(hf, shape):
            w = to_halves(w, heads_of(hf, shape))
        state[hf] = torch.from_numpy(np.ascontiguousarray(w))
    return shape, state


def load_spm(path):
    return bytes(number(gguf.GGUFReader(path), SPM_KEY))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--spm":
        open(sys.argv[3], "wb").write(load_spm(sys.argv[2]))
    elif len(sys.argv) == 4:
        write(*sys.argv[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
