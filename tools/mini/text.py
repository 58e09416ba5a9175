"""Text for kvik-mini: short stories, dialogues and recall tasks in English and Chinese, from grammars and word lists.

Everything is a list of segments (text, weight): weight is how much the loss of its tokens counts. Names and codes of
recall tasks are made of random syllables and digits; `held_out` splits them by hash, so that the evaluation asks for
names and codes that training never contained.
"""
import random
import zlib

NAMES = """Anna Ben Clara David Ella Finn Grace Henry Ivy Jack Kate Leo Mia Noah Olive Paul Rosa Sam Tina Victor Wendy
Zoe Lily Tom Max Emma Oscar Ruby Peter Nora Simon Alice Hugo Lucy Jonas Maya Felix Ida Martin Elsa""".split()
ANIMALS = "cat dog rabbit fox bear owl mouse duck frog horse goat hen squirrel turtle hedgehog pony".split()
ADJ = """small big old young happy quiet brave clever kind shy hungry tired gentle proud lazy curious funny
friendly lonely careful""".split()
COLORS = "red blue green yellow white black brown golden silver purple orange pink grey".split()
THINGS = """ball kite book lamp basket bell boat box key hat coat ring cup drum flute rope ladder mirror blanket spoon
stone shell feather button candle map wheel bucket pencil letter cake apple pear""".split()
PLACES = """garden forest river village market school kitchen hill meadow beach barn tower bridge library harbour
mill field cave lake station""".split()
WEATHER = "sunny rainy windy cold warm snowy foggy bright cloudy quiet".split()
FEEL = "happy sad afraid surprised proud angry calm excited worried glad".split()
FOOD = "bread soup cheese apples honey rice cake berries milk pancakes nuts carrots".split()
TIMES = ["One morning", "One day", "One evening", "In the afternoon", "After lunch", "The next day", "Early in the morning",
         "Late at night", "On a {w} day", "Last summer", "In the winter", "Before breakfast"]
PRON = {"he": ("he", "his", "him"), "she": ("she", "her", "her")}
GIRLS = set("Anna Clara Ella Grace Ivy Kate Mia Olive Rosa Tina Wendy Zoe Lily Emma Ruby Nora Alice Lucy Maya Ida Elsa".split())

OPEN = ["Once upon a time, there was a {a} {k} named {n}.", "{n} was a {a} {k} who lived near the {p}.",
        "There was once a {a} {k}. {S} name was {n}.", "In a {a2} house by the {p} lived a {a} {k} called {n}.",
        "Long ago, a {a} {k} named {n} lived in a {a2} {p}."]
LIKE = ["{n} liked to play with a {c} {t}.", "{n} loved {f} more than anything.", "Every day {s} walked to the {p}.",
        "{S} best friend was {m}.", "{n} had a {c} {t} that {s} kept in a box.", "{n} wanted to see the {p}."]
EVENT = ["{T}, {n} found a {c} {t} in the {p}.", "{T}, {n} lost {h} {t} near the {p}.", "{T}, {m} came to the {p} with a {c} {t}.",
         "{T}, {n} heard a strange sound in the {p}.", "{T}, {n} and {m} went to the {p} together.",
         "{T}, the {t} fell into the water and {n} was {e}.", "{T}, {n} met a {a2} {k2} on the way to the {p}."]
TALK = ["\"What is that?\" asked {m}.", "\"I do not know,\" said {n}. \"Let us look.\"", "\"Can you help me?\" asked {n}.",
        "\"Yes, I will help you,\" said {m}.", "\"Please do not go,\" said {m}.", "\"We can share the {f},\" said {n}.",
        "\"Look at the {c} {t}!\" said {n}.", "\"Do not be {e},\" said {m}.", "\"I have an idea,\" said {n}.",
        "\"Where is my {t}?\" asked {m}."]
MID = ["They looked under the table, behind the door and in the {p}.", "{n} was {e}, but {s} did not give up.",
       "{m} gave {o} some {f}.", "They walked over the hill and came to the {p}.", "The {k2} showed them the way.",
       "{n} thought about it for a long time.", "It was {w}, and the wind was blowing.", "They worked until it was dark.",
       "{m} was {e} and sat down.", "So {n} took the {t} and ran to the {p}.", "Then {s} saw something {c} in the grass.",
       "The {t} was too heavy, so they pulled it together."]
END = ["In the end, {n} was {e2} and went home.", "From that day on, {n} and {m} were friends.", "{n} learned to be kind to everyone.",
       "They ate {f} and laughed all evening.", "{n} put the {t} back in its place and slept well.",
       "\"Thank you,\" said {n}, and they all went home.", "And {n} never forgot that day."]

ZN = "小明 小红 小华 小丽 阿宝 乐乐 天天 安安 小雨 小雪 文文 平平".split()
ZA = "猫 狗 兔子 狐狸 熊 鸟 老鼠 鸭子 青蛙 马 羊 松鼠".split()
ZT = "球 风筝 书 灯 篮子 铃铛 小船 盒子 钥匙 帽子 杯子 鼓 镜子 石头 贝壳 蜡烛".split()
ZP = "花园 森林 河边 村子 市场 学校 厨房 山上 海边 桥上 图书馆 湖边".split()
ZC = "红色的 蓝色的 绿色的 黄色的 白色的 黑色的 金色的".split()
ZF = "高兴 难过 害怕 惊讶 生气 担心".split()
ZOPEN = ["从前，有一只小{k}，名叫{n}。", "{n}是一个聪明的孩子，住在{p}。", "很久以前，{n}和{m}住在{p}。"]
ZMID = ["有一天，{n}在{p}找到了一个{c}{t}。", "{n}喜欢{c}{t}。", "{m}说：“我们一起去{p}吧。”", "{n}很{e}，但是没有放弃。",
        "他们一起走到{p}。", "“你能帮我吗？”{n}问。", "“好的，我帮你。”{m}说。", "天黑了，外面下着雨。", "{n}把{t}送给了{m}。"]
ZEND = ["最后，{n}高兴地回家了。", "从此以后，{n}和{m}成了好朋友。", "{n}把{t}放好，安心地睡着了。"]

SYL = [c + v for c in "b d f g h j k l m n p r s t v w z ch sh br tr".split() for v in "a e i o u".split()]


def held_out(s):
    return zlib.crc32(s.encode()) % 8 == 0


def pick(r, test, make):
    while True:
        s = make(r)
        if held_out(s) == test:
            return s


def new_name(r, test):
    return pick(r, test, lambda r: "".join(r.choice(SYL) for _ in range(r.choice((2, 2, 3)))).capitalize())


def new_code(r, test, digits=None):
    return pick(r, test, lambda r: "".join(r.choice("0123456789") for _ in range(digits or r.choice((4, 5, 5)))))


def story_sentences(r):
    n = r.choice(NAMES)
    m = r.choice([x for x in NAMES if x != n])
    s, h, o = PRON["she" if n in GIRLS else "he"]
    k = r.choice(["girl" if n in GIRLS else "boy"] * 2 + ANIMALS)
    t = r.choice(THINGS)

    def fill(x):
        T = r.choice(TIMES).format(w=r.choice(WEATHER))
        return x.format(n=n, m=m, s=s, S=h.capitalize(), h=h, o=o, k=k, k2=r.choice(ANIMALS), a=r.choice(ADJ),
                        a2=r.choice(ADJ), c=r.choice(COLORS), t=t, p=r.choice(PLACES), f=r.choice(FOOD),
                        e=r.choice(FEEL), e2=r.choice(("happy", "glad", "proud", "calm")), T=T, w=r.choice(WEATHER))
    out = [fill(r.choice(OPEN))]
    out += [fill(x) for x in r.sample(LIKE, r.choice((1, 2)))]
    for _ in range(r.choice((1, 1, 2, 3))):
        out.append(fill(r.choice(EVENT)))
        for _ in range(r.choice((1, 2, 3, 4))):
            out.append(fill(r.choice(TALK if r.random() < .45 else MID)))
    return out + [fill(r.choice(END))]


def zh_sentences(r):
    n, m = r.sample(ZN, 2)
    t = r.choice(ZT)

    def fill(x):
        return x.format(n=n, m=m, k=r.choice(ZA), t=t, p=r.choice(ZP), c=r.choice(ZC), e=r.choice(ZF))
    return [fill(r.choice(ZOPEN))] + [fill(r.choice(ZMID)) for _ in range(r.choice((2, 3, 4, 6)))] + [fill(r.choice(ZEND))]


def story(r):
    return "".join(zh_sentences(r)) if r.random() < .15 else " ".join(story_sentences(r))


def user(q):
    return "<|im_start|>user\n" + q + "<|im_end|>\n<|im_start|>assistant\n"


class Fact:
    """One thing told and asked. tell: text; asks: [(question part, answer part)] as plain text or chat."""

    def __init__(self, r, test, taken):
        kind = r.choice("pass code name owner zh_pass zh_name".split()) if r.random() < .9 else "code"
        if "pass" in taken and kind in ("pass", "zh_pass"):
            kind = "code"
        self.kind = kind
        if kind == "pass":
            v = new_code(r, test, 5)
            self.key, self.value = "pass", v
            self.tell = r.choice(["The pass key is {v}. Remember it. {v} is the pass key.", "The pass key is {v}. Remember it.",
                                  "Remember this: the pass key is {v}."]).format(v=v)
            self.plain = ("What is the pass key? The pass key is", " " + v, ".")
            self.chat = ("What is the pass key?", "The pass key is", " " + v, ".")
        elif kind == "zh_pass":
            v = new_code(r, test, 5)
            self.key, self.value = "pass", v
            self.tell = "密码是{v}。请记住，密码是{v}。".format(v=v)
            self.plain = ("密码是什么？密码是", v, "。")
            self.chat = ("密码是什么？", "密码是", v, "。")
        elif kind == "code":
            c, t, v = r.choice(COLORS), r.choice(THINGS), new_code(r, test, 4)
            self.key, self.value = c + t, v
            self.tell = r.choice(["The code of the {c} {t} is {v}.", "The code of the {c} {t} is {v}. Keep it in mind."]).format(c=c, t=t, v=v)
            self.plain = (f"What is the code of the {c} {t}? The code of the {c} {t} is", " " + v, ".")
            self.chat = (f"What is the code of the {c} {t}?", f"The code of the {c} {t} is", " " + v, ".")
        elif kind == "name":
            a, v, n = r.choice(ANIMALS), new_name(r, test), r.choice(NAMES)
            self.key, self.value = n + a, v
            self.tell = r.choice(["{n} has a {a} called {v}.", "The {a} of {n} is called {v}."]).format(n=n, a=a, v=v)
            self.plain = (f"What is the {a} of {n} called? The {a} of {n} is called", " " + v, ".")
            self.chat = (f"What is the {a} of {n} called?", f"The {a} of {n} is called", " " + v, ".")
        elif kind == "owner":
            v, p = new_name(r, test), r.choice(PLACES)
            self.key, self.value = "at" + p, v
            self.tell = r.choice(["{v} lives near the {p}.", "A man called {v} lives near the {p}."]).format(v=v, p=p)
            self.plain = (f"Who lives near the {p}? Near the {p} lives", " " + v, ".")
            self.chat = (f"Who lives near the {p}?", f"Near the {p} lives", " " + v, ".")
        else:
            a, v, n = r.choice(ZA), new_name(r, test), r.choice(ZN)
            self.key, self.value = n + a, v
            self.tell = f"{n}的{a}名叫{v}。"
            self.plain = (f"{n}的{a}叫什么？{n}的{a}名叫", v, "。")
            self.chat = (f"{n}的{a}叫什么？", f"{n}的{a}名叫", v, "。")

    def ask(self, chat):
        """(prompt, answer, rest)"""
        if not chat:
            return self.plain
        q, lead, v, rest = self.chat
        return user(q) + lead, v, rest + "<|im_end|>\n"


def recall_stream(r, test, weight):
    """Endless segments: stories with facts told in between and asked again later."""
    facts = {}
    sentences = []
    tell_rate = r.choice((.1, .2, .4))
    ask_rate = r.choice((.15, .3, .5))
    chatty = r.random() < .5
    while True:
        if not sentences:
            sentences = (zh_sentences(r) if r.random() < .15 else story_sentences(r))[::-1]
            yield "\n", 1
        yield sentences.pop() + " ", 1
        if r.random() < tell_rate or not facts:
            f = Fact(r, test, facts)
            if f.key not in facts:
                facts[f.key] = f
                yield f.tell + " ", 1
        if facts and r.random() < ask_rate:
            f = r.choice(list(facts.values()))
            chat = chatty and r.random() < .7
            p, a, rest = f.ask(chat)
            yield ("\n" if chat else "") + p, 1
            yield a, weight
            yield rest + ("" if chat else " "), 1


def dialogue(r):
    """A few turns in the chat template."""
    t, c, p, n, f = r.choice(THINGS), r.choice(COLORS), r.choice(PLACES), r.choice(NAMES), r.choice(FOOD)
    x, y = r.randint(1, 20), r.randint(1, 20)
    turns = [("Hello!", "Hello! How can I help you?"), ("Hi.", "Hi! What can I do for you?"), ("你好！", "你好！我能帮你什么？"),
             ("Who are you?", "I am kvik-mini, a very small language model."), ("你是谁？", "我是kvik-mini，一个很小的语言模型。"),
             ("Tell me a story.", story(r)), (f"Tell me a story about {n}.", " ".join(s for s in story_sentences(r)).replace("Once", "Once")),
             ("Write a short story.", story(r)), ("请讲一个故事。", "".join(zh_sentences(r))),
             (f"My name is {n}. What is my name?", f"Your name is {n}."), (f"I like {f}. What do I like?", f"You like {f}."),
             (f"The {t} is {c}. What color is the {t}?", f"The {t} is {c}."), (f"The {t} is in the {p}. Where is the {t}?", f"The {t} is in the {p}."),
             (f"What is {x} plus {y}?", f"{x} plus {y} is {x + y}."), ("Thank you.", "You are welcome!"), ("Goodbye.", "Goodbye!"), ("谢谢。", "不客气！")]
    out = ""
    for q, a in r.sample(turns, r.choice((1, 2, 3))):
        out += user(q) + a + "<|im_end|>\n"
    return out
