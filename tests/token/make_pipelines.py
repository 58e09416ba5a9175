#!/usr/bin/env python3
"""Trains tiny tokenizers of every kind of tokenizer.json pipeline and writes them with golden ids and texts.

Oracle: the Hugging Face `tokenizers` package (made with 0.23.3). Writes pipelines/NAME.json, one object each:
"tokenizer" (a tokenizer.json), "cases" ([text, ids, ids with special tokens]) and "decodes" ([ids, text without
special tokens, text with them]). Run from anywhere; needs tokenizers and sentencepiece.
"""
import json
import os
import random
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from random_text import random_text

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 1,234,567 times faster than we'll ever be!",
    "def main(argv):\n    for i in range(10):\n        print(f'{i}: {argv[i]!r}')\n\n    return 0\n",
    "Падал прошлогодний снег. Привет, мир! Быстрая коричневая лиса.",
    "你好，世界！今天天气很好。こんにちは世界。안녕하세요 세계",
    "Ünïcödé naïve café señor straße İstanbul ﬁne ½ ² ①",
    "नमस्ते दुनिया สวัสดีชาวโลก مرحبا بالعالم שלום עולם",
    "emoji 👍🏽 👨‍👩‍👧 🇩🇪 tabs\tand  two   three    spaces",
] * 3
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BYTES = [f"<0x{b:02X}>" for b in range(256)]
MARK = "\u2581"


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def train(tok, size=420, specials=("<s>", "</s>"), unigram=False, **more):
    if unigram:
        t = trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", *specials], unk_token="<unk>",
                                    show_progress=False, **more)
    else:
        t = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False, **more)
    tok.train_from_iterator(CORPUS, t)
    return tok


def template(tok, prefix, suffix=""):
    names = [n for n in (prefix, suffix) if n]
    tok.post_processor = processors.TemplateProcessing(
        single=[*names[:bool(prefix)], "$A", *names[bool(prefix):]], pair=["$A", "$B"],
        special_tokens=[(n, tok.token_to_id(n)) for n in names])
    return tok


def byte_level(pre, normalizer=None, specials=("<s>", "</s>"), **model):
    tok = Tokenizer(models.BPE(**model))
    tok.pre_tokenizer = pre
    if normalizer:
        tok.normalizer = normalizer
    train(tok, 400, specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.decoder = decoders.ByteLevel()
    return tok


def bytes_only():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def gpt2():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), specials=("<|endoftext|>",))
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return tok


def roberta():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), specials=("<s>", "</s>", "<mask>"))
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tok


def llama3():
    tok = byte_level(pre_tokenizers.Sequence([split(LLAMA3), bytes_only()]),
                     specials=("<|begin_of_text|>", "<|eot_id|>"), ignore_merges=True)
    tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template(tok, "<|begin_of_text|>").post_processor])
    return tok


def qwen2():
    return byte_level(pre_tokenizers.Sequence([split(QWEN2), bytes_only()]), normalizers.NFC(),
                      ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))


def gpt4o():
    return byte_level(pre_tokenizers.Sequence([split(GPT4O, "removed", True), bytes_only()]))


def deepseek():
    return byte_level(pre_tokenizers.Sequence([
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"),
        split(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"
              r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), bytes_only()]))


def kimi():
    return byte_level(pre_tokenizers.Sequence([
        split(r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&"
              r"[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        bytes_only()]))


def superbpe():
    return byte_level(pre_tokenizers.Sequence([split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))"), bytes_only()]))


def starcoder():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)]))


def falcon():
    return byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(False), pre_tokenizers.Digits(False),
        split("[0-9][0-9][0-9]")]))


def byte_normalizer():
    return byte_level(pre_tokenizers.Split(" ", "merged_with_next"), normalizers.ByteLevel())


def spm_decoder():
    return decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                              decoders.Strip(" ", 1, 0)])


def spm(specials=("<unk>", "<s>", "</s>"), bytes_too=True, **model):
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=bytes_too, **model))
    tok.decoder = spm_decoder()
    return tok, (*specials, *(BYTES if bytes_too else ()))


def drop_byte_specials(tok):
    """Byte tokens were special only for training."""
    j = json.loads(tok.to_str())
    j["added_tokens"] = [t for t in j["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(j))


def llama2():
    tok, specials = spm()
    tok.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    return template(drop_byte_specials(train(tok, 560, specials)), "<s>")


def mistral():
    tok, specials = spm()
    tok.pre_tokenizer = pre_tokenizers.Metaspace(MARK, prepend_scheme="first", split=False)
    return template(drop_byte_specials(train(tok, 560, specials)), "<s>", "</s>")


def gemma():
    tok, specials = spm(("<pad>", "<eos>", "<bos>", "<unk>"))
    tok.normalizer = normalizers.Replace(" ", MARK)
    tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    tok = drop_byte_specials(train(tok, 560, specials))
    tok.add_tokens([AddedToken(x, normalized=False) for x in ("\n", "\n\n", "\n\n\n", MARK * 2, MARK * 3, "<h1>")])
    return template(tok, "<bos>")


def no_bytes():
    tok, specials = spm(bytes_too=False)
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    return train(tok, 300, specials, limit_alphabet=90)


def unk_apart():
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tok.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return train(tok, 200, ("<unk>",), limit_alphabet=60)


def clip():
    tok = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                           normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        split(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "removed", True)])
    tok.decoder = decoders.BPEDecoder()
    return train(tok, 300, ("<unk>", "<s>", "</s>"), end_of_word_suffix="</w>", limit_alphabet=150)


def subword_prefix():
    tok = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece(cleanup=False)
    return train(tok, 400, ("[UNK]",), continuing_subword_prefix="##", limit_alphabet=150)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def field(data, number):
    """The bytes of a field of a protocol buffer message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            size, at = varint(data, at)
            if key >> 3 == number:
                return data[at:at + size]
            at += size
        else:
            at = varint(data, at)[1] if key & 7 == 0 else at + (4 if key & 7 == 5 else 8)
    raise KeyError(number)


def charsmap(rules):
    """A precompiled charsmap of a few rules, by SentencePiece."""
    import sentencepiece
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/rules.tsv", "w") as f:
            for a, b in rules:
                f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
        with open(f"{d}/text", "w") as f:
            f.write("\n".join(CORPUS))
        sentencepiece.SentencePieceTrainer.train(input=f"{d}/text", model_prefix=f"{d}/m", vocab_size=300,
                                                 normalization_rule_tsv=f"{d}/rules.tsv", hard_vocab_limit=False,
                                                 minloglevel=2)
        with open(f"{d}/m.model", "rb") as f:
            return field(field(f.read(), 3), 2)  # normalizer_spec.precompiled_charsmap


def t5():
    rules = [("ﬁ", "fi"), ("½", "1/2"), ("é", "e"), ("e\u0301", "E"), ("\u3000", " "), ("①", "1"), ("ß", "ss"), ("👍", "+1"),
             ("\u200b", " "), ("ｆ", "f"), ("À", "A"), ("\t", " ")]
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap(rules)), normalizers.Strip(False, True),
                                           normalizers.Replace(Regex(" {2,}"), MARK)])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    train(tok, 400, ("<pad>", "</s>"), unigram=True)
    return template(tok, "", "</s>")


def unigram_bytes():
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                                 pre_tokenizers.Metaspace(MARK, prepend_scheme="always")])
    tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    train(tok, 300, ("<s>", "</s>"), unigram=True)
    j = json.loads(tok.to_str())
    j["model"]["byte_fallback"] = True
    j["model"]["vocab"] += [[b, -20.0] for b in BYTES]
    return Tokenizer.from_str(json.dumps(j))


def bert(lower=True):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    tok.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def bert_cased():
    return bert(False)


def word_level():
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["<unk>", "<s>"], show_progress=False))
    return tok


def behaviors(behavior, invert=False):
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.normalizer = normalizers.Strip()
    tok.pre_tokenizer = pre_tokenizers.Sequence([split(r"[aeiou]|\s|[.,!]", behavior, invert),
                                                 pre_tokenizers.Metaspace("_", prepend_scheme="first")])
    tok.decoder = decoders.Metaspace("_", prepend_scheme="first")
    return train(tok, 250, ("<unk>",), limit_alphabet=100)


def delimiter():
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.normalizer = normalizers.NFD()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("e"), pre_tokenizers.Punctuation("merged_with_previous"),
                                                 pre_tokenizers.Digits(False)])
    return train(tok, 250, ("<unk>",), limit_alphabet=120)


def added():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.Lowercase())
    tok.add_tokens([AddedToken("WORLD", single_word=True), AddedToken("Hello", normalized=True),
                    AddedToken("<L>", lstrip=True, normalized=False), AddedToken("<R>", rstrip=True, normalized=False),
                    AddedToken("<LR>", lstrip=True, rstrip=True, normalized=False),
                    AddedToken("ing", normalized=False), AddedToken("the", single_word=True, normalized=False),
                    AddedToken("foo()", normalized=False)])
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True), "<x>", "<xy>"])
    return tok


def old_style():
    """Merges as strings, models without a type, add_prefix_space instead of prepend_scheme."""
    j = json.loads(mistral().to_str())
    j["model"]["merges"] = [" ".join(m) for m in j["model"]["merges"]]
    del j["model"]["type"], j["model"]["ignore_merges"]
    j["pre_tokenizer"] = {"type": "Metaspace", "replacement": MARK, "add_prefix_space": True}
    return Tokenizer.from_str(json.dumps(j))


KINDS = {f.__name__: f for f in (
    gpt2, roberta, llama3, qwen2, gpt4o, deepseek, kimi, superbpe, starcoder, falcon, byte_normalizer, llama2, mistral,
    gemma, no_bytes, unk_apart, clip, subword_prefix, t5, unigram_bytes, bert, bert_cased, word_level, delimiter, added,
    old_style)}
for _b in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
    KINDS["split_" + _b] = lambda b=_b: behaviors(b)
KINDS["split_inverted"] = lambda: behaviors("merged_with_next", True)
# Their tokens: "world" and "</s>" change under the normalizer, and version 0.23 then decodes them as changed.
NOT_DECODED = {"llama2", "gemma", "added", "bert"}


def golden(tok, name):
    r = random.Random(name)
    texts = ["", " ", "  Hello  world ", "the Hello WORLD foo()ing <L>  <R>  x <LR> <mask> <x><xy>"]
    texts += [random_text(r) for _ in range(36)]
    cases = [[t, tok.encode(t, add_special_tokens=False).ids, tok.encode(t).ids] for t in texts]
    decodes = []
    for _, ids, special in cases[4:20] if name not in NOT_DECODED else []:
        for seq in (special, [r.randrange(tok.get_vocab_size()) for _ in range(10)]):
            decodes.append([seq, tok.decode(seq), tok.decode(seq, skip_special_tokens=False)])
    return {"tokenizer": json.loads(tok.to_str()), "cases": cases, "decodes": decodes}


def main():
    where = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pipelines")
    os.makedirs(where, exist_ok=True)
    for name, make in KINDS.items():
        text = json.dumps(golden(make(), name), ensure_ascii=False, separators=(",", ":"))
        with open(f"{where}/{name}.json", "w") as f:
            f.write(text + "\n")
        print(f"{name}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
