"""Random text that is hard on tokenizers: many scripts, emoji, combining marks, white space of all sorts, numbers,
contractions, and things that look like special tokens. Used by the oracle scripts beside it."""

RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0x41, 0x5A), (0x61, 0x7A), (0x61, 0x7A), (0x30, 0x39), (0xA0, 0x17F), (0x180, 0x24F),
          (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
          (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x20BF), (0x2100, 0x21FF), (0x2460, 0x24FF),
          (0x2500, 0x25FF), (0x3000, 0x303F), (0x3040, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
          (0xFB00, 0xFDFF), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x10330, 0x1034F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF),
          (0x1F900, 0x1F9FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x20000, 0x2A6DF), (0x1, 0x1F), (0x7F, 0x9F)]
WORDS = ("the Hello world's don't I'LL we'Re 'ſ K ı İ ß ﬁ 12345678 3.14 1,000,000 __init__ foo() == != <s> </s> <unk> "
         "<|im_start|> <|endoftext|> <0x0A> ▁ ▁▁ ## ##ing [MASK] <mask> naïve café Ünïcödé 你好世界 こんにちは 안녕하세요 привет "
         "мир שלום مرحبا नमस्ते สวัสดี 👍🏽 👨‍👩‍👧‍👦 🇩🇪 e\u0301 \u200b \u200d ½ ² ٣٤ ｆｕｌｌ ① WORLD ing <L> <R> <x> <xy>").split(" ")
BLANKS = ["\n", "\r\n", "\t", " \n", "\n ", "\n\n\n", "\u3000", "\xa0", "\u2028", "\x85", "\u180e", "\ufeff", "  ", "    "]


def random_text(r, pieces=12):
    out = []
    for _ in range(r.randrange(pieces)):
        kind = r.random()
        if kind < 0.45:
            out.append(r.choice(WORDS))
        elif kind < 0.6:
            out.append(r.choice(BLANKS))
        elif kind < 0.65:
            out.append(str(r.randrange(10 ** r.randrange(1, 9))))
        else:
            low, high = r.choice(RANGES)
            out += [chr(r.randint(low, high)) for _ in range(r.randrange(1, 6))]
        if r.random() < 0.4:
            out.append(" ")
    return "".join(out)
