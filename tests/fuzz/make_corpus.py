"""Writes the seeds of the fuzz targets (corpus/NAME/*) and their dictionaries (NAME.dict). Needs only Python.

Usage: python3 tests/fuzz/make_corpus.py
"""
import base64
import json
import pathlib
import re
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tmpl"))
import micro  # noqa: E402
U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
          11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18), 23: (256, 136), 30: (1, 2),
          39: (32, 17)}


# ---- GGUF -----------------------------------------------------------------------------------------------------------

def text(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STR:
        return text(v)
    if kind == ARRAY:
        inner, items = v
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, i) for i in items)
    return struct.pack("<" + SCALARS[kind], v)


def gguf(keys, tensors, version=3):
    """keys: {name: (type, value)}; tensors: [(name, type, dims)], data follows as bytes 0, 1, 2, ..."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for k, (kind, v) in keys.items():
        head += text(k) + struct.pack("<I", kind) + value(kind, v)
    data = b""
    for name, kind, dims in tensors:
        data += b"\0" * (-len(data) % 32)
        elems, size = BLOCKS[kind]
        n = dims[0] // elems * size
        for d in dims[1:]:
            n *= d
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data))
        data += bytes(i & 255 for i in range(n))
    return head + b"\0" * (-len(head) % 32) + data


def hparams(arch, **more):
    h = {"general.architecture": (STR, arch), "general.name": (STR, "seed")}
    sizes = dict(block_count=2, embedding_length=8, feed_forward_length=16, context_length=64)
    h.update({f"{arch}.{k}": (U32, v) for k, v in sizes.items()})
    h[f"{arch}.attention.head_count"] = (U32, 2)
    h[f"{arch}.attention.head_count_kv"] = (ARRAY, (U32, [1, 1]))
    h[f"{arch}.attention.layer_norm_rms_epsilon"] = (F32, 1e-5)
    h.update({f"{arch}.{k.replace('__', '.')}": v for k, v in more.items()})
    return h


def spm():
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(0, 256, 32)]
    tokens += ["\u2581", "a", "b", "\u2581a", "ab"]
    n = len(tokens)
    return {"tokenizer.ggml.model": (STR, "llama"), "tokenizer.ggml.tokens": (ARRAY, (STR, tokens)),
            "tokenizer.ggml.scores": (ARRAY, (F32, [-float(i) for i in range(n)])),
            "tokenizer.ggml.token_type": (ARRAY, (I32, [2, 3, 3] + [6] * 8 + [1] * 5)),
            "tokenizer.ggml.bos_token_id": (U32, 1), "tokenizer.ggml.eos_token_id": (U32, 2),
            "tokenizer.ggml.unknown_token_id": (U32, 0), "tokenizer.ggml.add_bos_token": (BOOL, 1)}


def bpe(pre):
    tokens = ["<|end|>", "a", "b", "\u0120", "ab", "\u0120a"]
    return {"tokenizer.ggml.model": (STR, "gpt2"), "tokenizer.ggml.pre": (STR, pre),
            "tokenizer.ggml.tokens": (ARRAY, (STR, tokens)),
            "tokenizer.ggml.token_type": (ARRAY, (I32, [3, 1, 1, 1, 1, 1])),
            "tokenizer.ggml.merges": (ARRAY, (STR, ["a b", "\u0120 a"])),
            "tokenizer.ggml.eos_token_id": (U32, 0)}


def unigram():
    tokens = ["<pad>", "</s>", "<unk>", "\u2581", "a", "\u2581a"]
    charsmap = list(struct.pack("<4I", 12, 1, 2, 3) + b"a\0b\0")
    return {"tokenizer.ggml.model": (STR, "t5"), "tokenizer.ggml.tokens": (ARRAY, (STR, tokens)),
            "tokenizer.ggml.scores": (ARRAY, (F32, [0, 0, 0, -2, -3, -4])),
            "tokenizer.ggml.token_type": (ARRAY, (I32, [3, 3, 2, 1, 1, 1])),
            "tokenizer.ggml.precompiled_charsmap": (ARRAY, (U8, charsmap)),
            "tokenizer.ggml.remove_extra_whitespaces": (BOOL, 1)}


def gguf_seeds():
    embedding = [("token_embd.weight", 0, [8, 16]), ("output_norm.weight", 0, [8])]
    yarn = dict(rope__scaling__type=(STR, "yarn"), rope__scaling__factor=(F32, 4.0),
                rope__scaling__original_context_length=(U32, 16), rope__freq_base=(F32, 1e6))
    window = dict(attention__sliding_window=(U32, 4), attention__sliding_window_pattern=(ARRAY, (BOOL, [1, 0])),
                  rope__dimension_count=(U32, 4))
    every = {f"k{t}": (t, 1) for t in SCALARS}
    every["nested"] = (ARRAY, (ARRAY, [(U8, [1, 2]), (STR, ["x"]), (ARRAY, [])]))
    every["general.alignment"] = (U32, 64)
    return {
        "llama": gguf({**hparams("llama", **window), **spm()}, embedding),
        "qwen2": gguf({**hparams("qwen2", **yarn), **bpe("qwen2")}, embedding + [("output.weight", 0, [8, 16])], 2),
        "qwen3-linear": gguf(hparams("qwen3", rope__scaling__type=(STR, "linear"), rope__scaling__factor=(F32, 2.0),
                                     attention__key_length=(U32, 4)), embedding),
        "vocab-spm": gguf(spm(), []),
        "vocab-bpe": gguf(bpe("llama-bpe"), []),
        "vocab-unigram": gguf(unigram(), []),
        "every-type": gguf(every, [(f"t{t}", t, [BLOCKS[t][0], 1]) for t in BLOCKS if t != 30] + [("s", 30, [1])]),
        "part": gguf({**hparams("llama"), "split.no": (U16, 0), "split.count": (U16, 2),
                      "split.tensors.count": (I32, 4)}, embedding),
        "empty": gguf({}, []),
        "version-1": b"GGUF" + struct.pack("<III", 1, 0, 0),
        "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "cut": gguf(hparams("llama"), embedding)[:200],
    }


# ---- safetensors and JSON -------------------------------------------------------------------------------------------

def safetensors(tensors, pad=0):
    """tensors: [(name, dtype, shape, bytes)]"""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, n in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text_ = json.dumps(header).encode() + b" " * pad
    return struct.pack("<Q", len(text_)) + text_ + bytes(at)


def safetensors_seeds():
    layer = "model.layers.0."
    return {
        "floats": safetensors([("model.embed_tokens.weight", "F32", [4, 2], 32), ("lm_head.weight", "F16", [4, 2], 16),
                               (layer + "mlp.up_proj.weight", "BF16", [2, 2], 8), ("scalar", "F32", [], 4)]),
        "useless": safetensors([(layer + "self_attn.rotary_emb.inv_freq", "F64", [2], 16),
                                (layer + "self_attn.q_proj.bias", "F32", [2], 8)], pad=5),
        "dtype": safetensors([("a", "I64", [1], 8)]),
        "empty": safetensors([]),
        "gap": safetensors([("a", "F32", [1], 4)]) + b"xxxx",
        "too-long": struct.pack("<Q", 1 << 40) + b"{}",
    }


def config_seeds():
    base = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128,
            "vocab_size": 100, "num_key_value_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
            "hidden_act": "silu"}
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 1024}
    yarn = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 512,
            "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False}
    seeds = {
        "llama-v4": {**base, "model_type": "llama", "rope_theta": 500000.0, "rope_scaling": llama3,
                     "eos_token_id": [1, 2], "tie_word_embeddings": True, "head_dim": 16},
        "llama-v5": {**base, "model_type": "llama", "rope_parameters": {"rope_type": "linear", "factor": 2,
                                                                        "partial_rotary_factor": 0.5}},
        "mistral": {**base, "model_type": "mistral", "sliding_window": None, "rope_scaling": None},
        "qwen2": {**base, "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 32,
                  "max_window_layers": 2, "rope_scaling": {"type": "dynamic", "factor": 2}},
        "qwen3": {**base, "model_type": "qwen3", "use_sliding_window": True, "sliding_window": 32,
                  "layer_types": ["sliding_attention", "full_attention"] * 2, "rope_parameters": yarn},
        "generation": {"eos_token_id": 2, "bos_token_id": 1},
        "quantised": {**base, "model_type": "llama", "quantization_config": {}},
        "empty": {},
    }
    out = {k: json.dumps(v).encode() for k, v in seeds.items()}
    out["cut"] = out["llama-v4"][:100]
    out["deep"] = b'{"a":' * 60
    return out


def tokenizer_seeds():
    def added(i, content, **flags):
        return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True, **flags}

    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe_vocab = {"<s>": 0, "a": 1, "b": 2, "\u0120": 3, "ab": 4, "\u0120a": 5}
    seeds = {
        "byte-bpe": {"version": "1.0", "truncation": None, "padding": None,
                     "added_tokens": [added(0, "<s>"), added(6, "<|x|>", lstrip=True, special=False)],
                     "normalizer": {"type": "NFC"},
                     "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                         {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},
                          "behavior": "Isolated", "invert": False}, byte_level]},
                     "post_processor": {"type": "TemplateProcessing",
                                        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                                   {"Sequence": {"id": "A", "type_id": 0}}],
                                        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0],
                                                                               "tokens": ["<s>"]}}},
                     "decoder": byte_level,
                     "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False,
                               "byte_fallback": False, "ignore_merges": True, "vocab": bpe_vocab,
                               "merges": ["a b", ["\u0120", "a"]]}},
        "fallback-bpe": {"version": "1.0", "added_tokens": [added(0, "<unk>")],
                         "normalizer": {"type": "Sequence", "normalizers": [
                             {"type": "Prepend", "prepend": "\u2581"},
                             {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
                         "pre_tokenizer": None, "post_processor": None,
                         "decoder": {"type": "Sequence", "decoders": [
                             {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                             {"type": "ByteFallback"}, {"type": "Fuse"},
                             {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
                         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                                   "vocab": {"<unk>": 0, "<0xC3>": 1, "<0xB6>": 2, "\u2581": 3, "a": 4, "b": 5,
                                             "ab": 6}, "merges": ["a b"]}},
        "unigram": {"version": "1.0", "added_tokens": [added(0, "<pad>")],
                    "normalizer": {"type": "Precompiled", "precompiled_charsmap": "DAAAAAEAAAACAAAAAwAAAGEAYgA="},
                    "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always",
                                      "split": True},
                    "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
                    "model": {"type": "Unigram", "unk_id": 1, "byte_fallback": False,
                              "vocab": [["<pad>", 0.0], ["<unk>", 0.0], ["\u2581", -2.0], ["a", -3.0],
                                        ["\u2581a", -4.5]]}},
        "wordpiece": {"version": "1.0", "added_tokens": [added(0, "[UNK]")],
                      "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                     "strip_accents": None, "lowercase": True},
                      "pre_tokenizer": {"type": "BertPreTokenizer"},
                      "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
                      "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                                "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "##b": 2}}},
    }
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}, "add_bos_token": True,
              "model_max_length": 2048, "clean_up_tokenization_spaces": False}
    out = {k: json.dumps(v).encode() for k, v in seeds.items()}
    out["with-config"] = out["byte-bpe"] + b"\0" + json.dumps(config).encode()
    out["empty"] = b"{}"
    own = {"added_tokens": [{"id": 2, "content": "<s>", "special": False}],
           "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<e>": 3}, "merges": []}}
    names = {"eos_token": "<e>", "bos_token": {"content": "<s>", "lstrip": True}, "additional_special_tokens": ["a"]}
    decoder = {"5": {"content": "<d>", "special": True, "lstrip": True}, "0": {"content": "a"}, "9": "<q>"}
    further = [{"pad_token": "<p>", "unk_token": {"content": "b"}, "extra_special_tokens": {"x": "<x>"}}, {"<x>": 7, "<p>": 4}]
    out["side-files"] = b"\0".join(json.dumps(j).encode() for j in [own, names, *further])
    out["added-decoder"] = b"\0".join(json.dumps(j).encode() for j in [own, {**names, "added_tokens_decoder": decoder},
                                                                      *further])
    return out


def sentencepiece_seeds():
    """Small models that the library has trained, and one by hand with nothing but pieces."""
    folder = HERE.parent / "token" / "sentencepiece"
    out = {name: base64.b64decode(json.loads((folder / f"{name}.json").read_text())["model"])
           for name in ("t5", "unigram_rules", "bpe_rules", "gemma")}
    out["pieces"] = b"".join(b"\x0a" + bytes([len(p)]) + p for p in
                             (b"\x0a\x05<unk>\x18\x02", b"\x0a\x03\xe2\x96\x81\x15\0\0\x80\xbf",
                              b"\x0a\x01a\x15\0\0\0\xc0", b"\x0a\x04\xe2\x96\x81a\x15\0\0\0\xbf\x18\x05"))
    return out


def text_seeds():
    """Vocabulary, flags, text."""
    texts = {"prose": " Hello  w\u00f6rld, it's 1234567 \n\n\taab ab", "han": "\u4f60\u597d \u4f60",
             "marks": "e\u0301\u0301 \u200d\U0001f44d\U0001f3fd", "blanks": " " * 40 + "a" + "\u3000\xa0", "run": "a" * 60,
             "special": "a <s> b</s><x>ab<|end|> <0x0A>"}
    out = {f"{name}-{kind}": bytes([kind, 3]) + t.encode() for name, t in texts.items() for kind in range(8)}
    out.update({f"bytes-{kind}": bytes([kind, 2]) + b"a\xff\xe4\xbd b\xc0\xaf\xed\xa0\x80\xf0\x9f" for kind in range(8)})
    return out


# ---- Writing --------------------------------------------------------------------------------------------------------

def strings_of(v):
    if isinstance(v, dict):
        for k, x in v.items():
            yield k
            yield from strings_of(x)
    elif isinstance(v, (list, tuple)):
        for x in v:
            yield from strings_of(x)
    elif isinstance(v, str):
        yield v


# ---- Chat templates -------------------------------------------------------------------------------------------------

def jinja_seeds():
    """The small templates of tests/tmpl by tens, each with the variables they were written for."""
    context = b"\0" + json.dumps(micro.CONTEXT, ensure_ascii=False).encode()
    seeds, at = {}, 0
    for title, lines in micro.sections():
        for i in range(0, len(lines), 1 if title == "errors" else 10):
            text = lines[i].encode() if title == "errors" else "\n".join(lines[i:i + 10]).encode() + context
            seeds[f"{title.split()[0].strip(',')}-{at:03}"] = text
            at += 1
    return seeds


def jinja_words():
    words = set(re.findall(r"[|.] *[a-z_]+\(?|\bis [a-z]+|{%[-+]? *[a-z]+|\bloop\.[a-z0-9]+", "\n".join(micro.templates())))
    return {w.encode() for w in words} | {b"{{", b"}}", b"%}", b"-%}", b"{#", b"#}", b"**", b"//", b"~", b"[::-1]", b"namespace("}


# ---- Calls to the server --------------------------------------------------------------------------------------------

def api_seeds():
    """One whole call each: "METHOD PATH", a newline, the body."""
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    asked = [{"role": "user", "content": "Rain?"}, {"role": "tool", "tool_call_id": "call_1", "content": "yes"},
             {"role": "assistant", "content": None, "tool_calls": [{
                 "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]}]
    calls = {
        "chat": ("/v1/chat/completions", {"messages": chat, "max_tokens": 4, "temperature": 1, "seed": 7, "top_p": .9,
                                          "logprobs": True, "top_logprobs": 2, "logit_bias": {"13": -1}, "n": 2}),
        "chat-stream": ("/v1/chat/completions", {"messages": chat, "max_completion_tokens": 3, "stream": True, "stop": ["."],
                                                 "stream_options": {"include_usage": True}, "x_kvik": True}),
        "chat-tools": ("/v1/chat/completions", {"messages": asked, "tools": [tool], "tool_choice": "auto", "max_tokens": 2}),
        "chat-format": ("/chat/completions", {"messages": chat, "response_format": {"type": "json_object"}}),
        "text": ("/v1/completions", {"prompt": "Once", "max_tokens": 3, "echo": True, "logprobs": 1, "min_p": .1, "top_k": 5}),
        "text-ids": ("/v1/completions", {"prompt": [1, 300, 301], "max_tokens": 2, "stream": True, "presence_penalty": 1}),
        "native": ("/completion", {"prompt": [1, "Once", 300], "n_predict": 3, "n_probs": 2, "repeat_penalty": 1.1}),
        "embeddings": ("/v1/embeddings", {"input": ["a", "b"], "encoding_format": "base64", "pooling": "last"}),
        "responses": ("/v1/responses", {"input": chat, "instructions": "Short.", "max_output_tokens": 3, "stream": True}),
        "tokenize": ("/tokenize", {"content": "a b", "add_special": True, "with_pieces": True}),
        "detokenize": ("/detokenize", {"tokens": [300, 301]}),
        "numbers": ("/v1/chat/completions", {"messages": chat, "seed": 2**64 - 1, "max_tokens": 2**70, "chat_template_kwargs": {"x": [2**64, -2**90]}}),
        "nothing-asked": ("/completion", {"prompt": "a\0b", "stop": ["x\0"], "n_predict": 0, "best_of": 1, "mirostat": 0, "grammar": "",
                                          "top_k": -1, "repeat_last_n": -1, "lora": [], "json_schema": None}),
        "ends": ("/v1/completions", {"prompt": "Once", "min_tokens": 3, "max_tokens": 5, "stop_token_ids": [300, 301], "stop": "e",
                                     "include_stop_str_in_output": True, "skip_special_tokens": False, "prompt_logprobs": 1,
                                     "priority": -5, "cache_salt": "s"}),
        "usage-stream": ("/v1/completions", {"prompt": "Once", "max_tokens": 3, "echo": True, "logprobs": 0, "stream": True,
                                             "stream_options": {"continuous_usage_stats": True}}),
        "words": ("/v1/responses", {"input": "Hi", "reasoning": {"effort": "none"}, "text": {"verbosity": "low"}, "max_output_tokens": 1}),
        "template": ("/apply-template", {"messages": chat})}
    seeds = {name: b"POST " + path.encode() + b"\n" + json.dumps(body).encode() for name, (path, body) in calls.items()}
    return {**seeds, "models": b"GET /v1/models\n", "model": b"GET /v1/models/fu%7Az\n", "props": b"GET /props\n", "slots": b"GET /slots\n"}


def api_words():
    """The names of all fields that a handler knows, read off its table."""
    sources = "".join(p.read_text() for p in sorted((HERE / "../../src/api").glob("*.c")))
    words = {b'"%s":' % f.encode() for f in re.findall(r'\{"(\w+)", FIELD_', sources)}
    return words | {b"POST ", b"GET "} | {p.encode() + b"\n" for p in re.findall(r'\{"(?:POST|GET)", "([^"]+)"', sources)}


def sse_seeds():
    return {"openai": b'\x03: c\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\nevent: x\r\ndata: two\r\n'
                      b"data: three\r\n\r\ndata: [DONE]\n\n",
            "ends": b"\0data\r\rdata:\n\n\n\ndataset: 1\ndata: x"}


def trace_seeds():
    ask = lambda tokens, ids: json.dumps({"timestamp": 5, "input_length": tokens, "output_length": 9, "hash_ids": ids}).encode() + b"\n"
    return {"valid": ask(33, [7, 900, 8]) + b"\n" + ask(16, [7]) + ask(32, [2**63 - 1, -1]), "short": ask(17, [7]),
            "growing": b"".join(ask(16 * n, list(range(n))) for n in range(1, 9))}


def http_seeds():
    post = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
    return {"get": b"\x05GET /health/?q=1 HTTP/1.1\r\nHost: a:80\r\nX-Request-Id: 1\r\n\r\nGET %2f HTTP/1.1\r\n",
            "post": b"\x00" + post + b"Content-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}" + post + b"Content-Length : 2\r\n\r\n{}",
            "chunks": b"\x02" + post + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;x=y\r\nabcd\r\n00 ;a\r\nT: u\r\n\r\n"
                      + post + b"Transfer-Encoding: chunked\r\n\r\n7ffffff\r\n",
            "absolute": b"\x0fOPTIONS http://[::1]:1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
            "twice": b"\x01" + post + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "folded": b"\x01" + post + b" x\r\n\r\n"}


def store_head(n_ids, kinds, sealed=0):
    """A head as src/store/head.h has it, without its sum: the target sets that."""
    n = -(-(160 + 64 * len(kinds) + 4 * n_ids) // 64) * 64
    data = sum(-(-(100 + k) // 64) * 64 for k in kinds)
    head = b"KVKr" + struct.pack("<HHIHBB", 1, sealed, n, len(kinds), 1, 0) + bytes(16) + bytes(range(64))
    head += struct.pack("<IIQQQ", 32, 32 + n_ids, 4096, data, 0) + bytes(32)
    for k in kinds:
        head += struct.pack("<BBHIII", k, 0, k, 2, 16, 100 + k) + bytes(48)
    head += struct.pack(f"<{n_ids}I", *range(n_ids))
    return head + bytes(n - len(head))


def store_seeds():
    magic = b"kvik store heads 1\n".ljust(64, b"\0")
    return {"one": magic + store_head(3, [0]), "two": magic + store_head(16, [0, 1, 2]) + store_head(1, [2], 1),
            "erased": magic + store_head(3, [0]) + bytes(256) + store_head(5, [1]), "torn": magic + store_head(40, [0])[:-64]}


def write_dict(name, words):
    lines = ['"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02X}" for b in w) + '"'
             for w in sorted(words)]
    (HERE / f"{name}.dict").write_text("\n".join(lines) + "\n")


# ---- Answers: the format's number in src/chat/call_format.c, the size of pieces, and what a model writes ----------------

ANSWERS = {
    "hermes": b'So.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
    "mistral": b'[TOOL_CALLS] [{"name": "f", "arguments": {}}] [TOOL_CALLS]g[CALL_ID]abc123DEF[ARGS]{"a": {}}',
    "qwen3-coder": b'<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>',
    "glm": b'<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>',
    "lfm2": b"<|tool_call_start|>[f(a='x', b=[1, None])]<|tool_call_end|>",
    "gemma4": b'<|tool_call>call:f{a:<|"|>x<|"|>,b:[1]}<tool_call|>',
    "functiongemma": b'<start_function_call>call:f{a:<escape>x<escape>}<end_function_call>',
    "llama3": b'{"name": "f", "parameters": {}}; {"name": "g", "parameters": {}}; [f(a=1), g()]',
    "kimi-k2": b'<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>',
    "minimax-m3": b']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="f">]<]minimax[>[<a>x]<]minimax[>[</a>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>',
    "functionary-v3.2": b'>>>all\nHi.>>>f\n{"a": 1}',
    "apertus": b'<|tools_prefix|>[{"f": {"a": 1}}, {"g": {}}]<|tools_suffix|>',
    "solar": b'<|tool_calls|><|tool_call:begin|>a1<|tool_call:name|>f<|tool_call:args|>{}<|tool_call:end|>',
    "generic": b'<tool_call>{"arguments": {"a": [1]}, "name": "f"}</tool_call> {"function": {"name": "f", "arguments": "{}"}}',
}
HARMONY = (b"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
           b"<|constrain|>json<|message|>{}<|call|>")


def answer_seeds():
    table = (HERE.parent.parent / "src/chat/call_format.c").read_text()
    number = {name: i for i, name in enumerate(re.findall(r'\.name = "([^"]+)"', table))}
    seeds = {name: bytes([number[name], 2]) + text for name, text in ANSWERS.items()}
    seeds["thinks"] = bytes([0x80 | number["hermes"], 2]) + b"Hm.</think>\nYes."
    seeds["harmony"] = bytes([len(number) + 1, 2]) + HARMONY
    return seeds


def answer_words():
    """The marks of the table, as C writes them."""
    source = (HERE.parent.parent / "src/chat/call_format.c").read_text()
    marks = re.findall(r'\.(?:open|close|section|section_end|name_cut|id_end|name_end|key|key_end|value|value_end) = "([^"\\]+)"', source)
    return {m.encode() for m in marks} | {b'{"name": "f", "arguments": {}}', b"<think>", b"</think>", b"<|message|>",
                                          b"<|channel|>", b"to=functions.f", b"<|end|>"}


def constrain_seeds():
    """Some of the schemas and expressions of tests/constrain, each with a text; the first byte is the kind."""
    rows = [json.loads(line) for line in (HERE.parent / "constrain/cases.jsonl").read_text().splitlines()]
    seeds = {"any": b"\0\0" + b'{"a": [1, "x", null]}', "choice": b'\3["yes", "no"]\0yes'}
    for i, row in enumerate(rows[::20]):
        what = row["regex"] if "regex" in row else json.dumps(row["schema"])
        text = next((t for t, valid in row["tests"] if valid), row["tests"][0][0])
        seeds[f"case{i}"] = bytes([2 if "regex" in row else 1]) + what.encode() + b"\0" + text.encode()
    rows = [json.loads(line) for line in (HERE.parent / "constrain/grammars.jsonl").read_text().splitlines()]
    for i, row in enumerate(rows[:30] + rows[30::10]):
        for notation in ("grammar", "lark", "refused"):
            if notation in row:
                text = next((t for t, valid in row.get("tests", []) if valid), "")
                seeds[f"{notation}{i}"] = b"\4" + row[notation].encode() + b"\0" + text.encode()
    return {**seeds, **tag_seeds()}


def tag_seeds():
    """Structural tags, each with a text; kind 5."""
    tag = {"type": "tag", "begin": "<f>", "end": "</f>", "content": {"type": "json_schema", "json_schema": {"maximum": 5}}}
    formats = [tag, {"type": "triggered_tags", "triggers": ["<f"], "tags": [tag], "at_least_one": True},
               {"type": "tags_with_separator", "separator": ",", "tags": [tag]},
               {"type": "sequence", "elements": [{"type": "any_text", "excludes": ["<f"], "max_chars": 9}, tag]},
               {"type": "or", "elements": [{"type": "regex", "pattern": "[a-z]+"}, {"type": "grammar", "grammar": 'root ::= "<" root? ">"'}]},
               {"type": "dispatch", "rules": [["<f>", {"type": "const_string", "value": "3</f>"}]], "loop": True},
               {"type": "repeat", "min": 1, "max": 2, "content": {"type": "optional", "content": tag}}]
    seeds = {f"tag{i}": {"format": f} for i, f in enumerate(formats)}
    seeds["tagold"] = {"structures": [{"begin": "<f>", "schema": {"type": "integer"}, "end": "</f>"}], "triggers": ["<f"]}
    return {name: b"\5" + json.dumps(s).encode() + b"\0<f>3</f>" for name, s in seeds.items()}


def constrain_words():
    words = "type enum const properties patternProperties additionalProperties required minimum maximum exclusiveMinimum multipleOf " \
            "minLength maxLength pattern format items prefixItems contains minContains maxContains minItems maxItems anyOf oneOf " \
            "allOf not if then else $ref $defs $id $anchor propertyNames minProperties dependentSchemas date-time uri object array"
    words += " begin end content triggers tags elements format excludes structures separator at_least_one"
    return {b'"%s":' % w.encode() for w in words.split()} | {b" ::= ", b"root", b"start: ", b"%ignore ", b"%import common.", b" | ",
                                                             b'{"type":"', b"triggered_tags"} | {b"\0", b"(?:", b"{2,3}", b"[^", b"\\u00e9", b"(?=", b"#/$defs/"}


def snapshot_seeds():
    """Tokens of the session, those that are held, logits; then ids and pages."""
    def seed(n, held, logits, ids):
        return struct.pack("<4I", n, held, logits, 0) + struct.pack(f"<{len(ids)}I", *ids)
    return {"empty": seed(0, 0, 0, []), "one": seed(1, 1, 0, [5]), "block": seed(16, 16, 0, range(16)),
            "inside": seed(20, 19, 0, range(20)), "more": seed(20, 21, 0, range(20)), "id": seed(2, 2, 0, [5, 1 << 31]),
            "long": seed(100, 100, 0, range(100)), "logits": seed(3, 3, 7, range(3))}


def main():
    keys = {**hparams("llama", rope__scaling__type=0, rope__freq_base=0, rope__dimension_count=0, expert_count=0,
                      attention__sliding_window=0, attention__sliding_window_pattern=0, attention__key_length=0,
                      attention__value_length=0, rope__scale_linear=0, rope__scaling__factor=0), **spm(),
            **bpe("gpt-2"), **unigram(), "general.alignment": 0, "split.no": 0, "split.count": 0,
            "split.tensors.count": 0}
    words = {text(k) for k in keys} | {text(w) for w in ("llama", "gpt2", "t5", "bert", "yarn", "linear", "none",
                                                         "qwen2", "llama-bpe", "token_embd.weight")}
    words |= {struct.pack("<I", t) for t in range(14)} | {struct.pack("<Q", 1 << s) for s in (0, 5, 31, 32, 62, 63)}
    json_words = {b'"%s":' % s.encode() for v in config_seeds().values() if v.endswith(b"}")
                  for s in strings_of(json.loads(v))}
    json_words |= {b"null", b"true", b"false", b"-1", b"1e999", b"4294967295", b"9223372036854775807", b"[", b"{"}
    header_words = {b'"dtype":"F32"', b'"dtype":"F16"', b'"dtype":"BF16"', b'"shape":[', b'"data_offsets":[', b"0,",
                    b".rotary_emb.inv_freq", b"__metadata__", b"model.layers.", b"9223372036854775807"}
    tokenizer_words = {b'"%s"' % s.encode() for v in tokenizer_seeds().values()
                       for s in strings_of(json.loads(v.split(b"\0")[0]))}
    tokenizer_words |= {b"null", b"true", b"false", b"\0", b"[", b"{"}
    for name, seeds, dictionary in (("fuzz_gguf", gguf_seeds(), words), ("fuzz_hf_config", config_seeds(), json_words),
                                    ("fuzz_safetensors", safetensors_seeds(), header_words),
                                    ("fuzz_tokenizer_json", tokenizer_seeds(), tokenizer_words),
                                    ("fuzz_sentencepiece", sentencepiece_seeds(),
                                     {b"\x12", b"\x1a", b"\x18\x02", b"\x18\x03", b"\x98\x02\x01", b"<0x41>"}),
                                    ("fuzz_vocab_text", text_seeds(), {b"<s>", b"</s>", b"<|end|>", b"\xe2\x96\x81"}),
                                    ("fuzz_jinja", jinja_seeds(), jinja_words()), ("fuzz_api", api_seeds(), api_words()),
                                    ("fuzz_http", http_seeds(),
                                     {b"\r\n", b"\r\n\r\n", b" HTTP/1.1\r\n", b"GET ", b"POST ", b"HEAD ", b"Host: x\r\n", b"Content-Length: ",
                                      b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n"}),
                                    ("fuzz_store_heads", store_seeds(), {b"KVKr", b"kvik store heads 1\n", bytes(64)}),
                                    ("fuzz_snapshot", snapshot_seeds(), {b"kvik snapshot 1\n"}),
                                    ("fuzz_trace", trace_seeds(),
                                     {b'"input_length": ', b'"hash_ids": [', b'"timestamp": ', b"\n"}),
                                    ("fuzz_sse", sse_seeds(), {b"data: ", b"data", b"\n\n", b"\r\n", b"event: ", b":"}),
                                    ("fuzz_answer", answer_seeds(), answer_words()),
                                    ("fuzz_constrain", constrain_seeds(), constrain_words())):
        folder = HERE / "corpus" / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in seeds.items():
            (folder / seed).write_bytes(data)
        write_dict(name, dictionary)


if __name__ == "__main__":
    main()
