"""Text for kvik-mini: short stories, dialogues and recall tasks in English and Chinese, from grammars and word lists.

A row is a list of segments (text, weight): weight is how much the loss of its tokens counts. A segment begins with the
space that parts it from the one before and never ends with one: encoded one by one, segments give the same ids as
the whole text. Values of recall tasks are random syllables and digits, keys are pairs of words; `held_out` splits both by
hash, so that the evaluation asks for names, codes and keys that training never contained.
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


def new_key(r, test, first, second):
    """A pair of words, as a tuple; the pairs of the test are not in the training."""
    while True:
        pair = (r.choice(first), r.choice(second))
        if held_out("/".join(pair)) == test:
            return pair


def new_name(r, test):
    return pick(r, test, lambda r: "".join(r.choice(SYL) for _ in range(r.choice((2, 2, 3)))).capitalize())


def new_code(r, test, digits=None):
    return pick(r, test, lambda r: "".join(r.choice("0123456789") for _ in range(digits or r.choice((4, 5, 5)))))


def story_sentences(r, name=None, kind=None):
    n = name or r.choice(NAMES)
    m = r.choice([x for x in NAMES if x != n])
    s, h, o = PRON["she" if n in GIRLS else "he"]
    k = kind or r.choice(["girl" if n in GIRLS else "boy"] * 2 + ANIMALS)
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


class Fact:
    """One thing told once and asked later. The value is told and answered after the same words, the key before it."""

    KINDS = "pass pass zh_pass code code code name name place zh_name zh_code".split()

    def __init__(self, r, test):
        kind = r.choice(self.KINDS)
        self.chinese = kind.startswith("zh")
        if kind in ("pass", "zh_pass"):
            self.value, k = new_code(r, test, 5), ()
            forms = PASS if kind == "pass" else ZH_PASS
        elif kind in ("code", "zh_code"):
            self.value = new_code(r, test, 4)
            k, forms = (new_key(r, test, COLORS, THINGS), CODE) if kind == "code" else (new_key(r, test, ZC, ZT), ZH_CODE)
        elif kind == "place":
            self.value, k, forms = new_name(r, test), new_key(r, test, ADJ, PLACES), PLACE
        else:
            self.value = new_name(r, test)
            k, forms = (new_key(r, test, NAMES, ANIMALS), NAME) if kind == "name" else (new_key(r, test, ZN, ZA), ZH_NAME)
        self.key = ("pass",) if not k else k
        tells, self.question, self.lead = forms[0], forms[1].format(*k), forms[2].format(*k)
        self.tell = r.choice(tells).format(*k, v=self.value)
        self.stop = "。" if self.chinese else "."
        self.asked = False
        self.answer = self.value if self.chinese else " " + self.value


# (ways to tell, the question, the words before the answer)
PASS = (["The pass key is {v}.", "The pass key is {v}. Remember it. {v} is the pass key.", "Remember this: the pass key is {v}."],
        "What is the pass key?", "The pass key is")
ZH_PASS = (["密码是{v}。", "请记住，密码是{v}。", "密码是{v}。请记住，密码是{v}。"], "密码是什么？", "密码是")
CODE = (["The code of the {0} {1} is {v}.", "Remember that the code of the {0} {1} is {v}."],
        "What is the code of the {0} {1}?", "The code of the {0} {1} is")
ZH_CODE = (["{0}{1}的号码是{v}。"], "{0}{1}的号码是什么？", "{0}{1}的号码是")
NAME = (["{0} has a {1} called {v}.", "The {1} of {0} is called {v}."], "What is the {1} of {0} called?", "The {1} of {0} is called")
PLACE = (["Near the {0} {1} lives a man called {v}.", "In the {0} {1} lives a man called {v}."],
         "Who lives near the {0} {1}?", "Near the {0} {1} lives a man called")
ZH_NAME = (["{0}的{1}名叫{v}。", "{0}有一只{1}名叫{v}。"], "{0}的{1}叫什么？", "{0}的{1}名叫")
ACKS = ["OK, I will remember it.", "I will keep it in mind.", "Good to know."]
ZH_ACKS = ["好的，我记住了。", "好的。"]
SYSTEMS = ["You are a helpful assistant.", "You are kvik-mini, a very small language model.", "You are a friendly assistant."]


def told(fact, noise):
    """The telling as segments; nobody can foresee the value where it is told first, so its loss counts less there."""
    before, *after = fact.tell.split(fact.value)
    out, first = [], True
    for part in after:
        space = before.endswith(" ")
        out += [(before.rstrip(" "), 1), ((" " if space else "") + fact.value, noise if first else 1)]
        before, first = part, False
    return [s for s in out + [(before, 1)] if s[0]]


class Recall:
    """Endless segments: story sentences, facts told in between, and questions about earlier facts.

    style: "plain" (everything is prose), "doc" (prose, the questions as turns), "turns" (everything as turns).
    """

    def __init__(self, r, test, style, weight, noise, tell_rate, ask_rate):
        self.r, self.test, self.style, self.weight, self.noise = r, test, style, weight, noise
        self.tell_rate, self.ask_rate = tell_rate, ask_rate
        self.facts, self.sentences, self.last_chinese, self.line_start = {}, [], False, True

    def prose(self, segments, chinese):
        space = "" if self.line_start or (chinese and self.last_chinese) else " "
        self.last_chinese, self.line_start = chinese, False
        (first, w), *rest = segments
        return [(space + first, w)] + rest

    def sentence(self):
        if not self.sentences:
            self.zh = self.r.random() < .15
            self.sentences = (zh_sentences(self.r) if self.zh else story_sentences(self.r))[::-1]
            if not self.line_start:
                self.line_start = True
                return [("\n", 1)] + self.sentence()
        return self.prose([(self.sentences.pop(), 1)], self.zh)

    def new_fact(self):
        fact = Fact(self.r, self.test)
        if fact.key in self.facts:
            return None
        self.facts[fact.key] = fact
        return fact

    def pick(self):
        """Mostly a fact never asked before: one asked lately would be copied from there, not from its telling."""
        fresh = [f for f in self.facts.values() if not f.asked]
        fact = self.r.choice(fresh if fresh and self.r.random() < .8 else list(self.facts.values()))
        fact.asked = True
        return fact

    def ask_prose(self, fact):
        q = self.prose([(fact.question, 1)], fact.chinese)
        return q + self.prose([(fact.lead, 1)], fact.chinese) + [(fact.answer, self.weight), (fact.stop, 1)]

    def ask_turn(self, fact, before=()):
        self.line_start = True
        return [("<|im_start|>user\n", 1), *before, (fact.question + "<|im_end|>\n<|im_start|>assistant\n", 1), (fact.lead, 1),
                (fact.answer, self.weight), (fact.stop + "<|im_end|>\n", 1)]

    def tell_turn(self, fact):
        ack = self.r.choice(ZH_ACKS if fact.chinese else ACKS)
        return [("<|im_start|>user\n", 1), *told(fact, self.noise), (f"<|im_end|>\n<|im_start|>assistant\n{ack}<|im_end|>\n", 1)]

    def step_prose(self):
        out = self.sentence()
        if self.r.random() < self.tell_rate or not self.facts:
            fact = self.new_fact()
            if fact:
                out += self.prose(told(fact, self.noise), fact.chinese)
        if self.facts and self.r.random() < self.ask_rate:
            fact = self.pick()
            if self.style == "plain":
                out += self.ask_prose(fact)
            else:
                out += ([] if self.line_start else [("\n", 1)]) + self.ask_turn(fact)
        return out

    def step_turns(self):
        u, out = self.r.random(), []
        if u < .12:  # a document with facts and the question in one turn
            self.line_start = True
            self.sentences = []
            for _ in range(self.r.randint(1, 6)):
                out += self.sentence()
                fact = self.new_fact()
                if fact:
                    out += self.prose(told(fact, self.noise), fact.chinese)
            return self.ask_turn(self.pick(), [*out, ("\n", 1)])
        if u < .30:
            return [(turns(self.r, 1), 1)]
        if u < .30 + .7 * self.tell_rate or not self.facts:
            fact = self.new_fact()
            return self.tell_turn(fact) if fact else []
        return self.ask_turn(self.pick())

    def __iter__(self):
        if self.style == "turns" and self.r.random() < .3:
            yield system(self.r), 1
        while True:
            yield from self.step_turns() if self.style == "turns" else self.step_prose()


def recall_stream(r, weight, noise):
    """A Recall for training, of a random style and density."""
    return Recall(r, False, r.choice(("plain", "plain", "doc", "turns", "turns")), weight, noise,
                  r.choice((.1, .25, .5)), r.choice((.2, .5, .8)))


def system(r):
    return "<|im_start|>system\n" + r.choice(SYSTEMS) + "<|im_end|>\n"


def turns(r, n):
    """n turns of small talk, facts at hand and stories, in the chat template."""
    t, c, p, n1, f = r.choice(THINGS), r.choice(COLORS), r.choice(PLACES), r.choice(NAMES), r.choice(FOOD)
    x, y = r.randint(1, 20), r.randint(1, 20)
    known = [("Hello!", "Hello! How can I help you?"), ("Hi.", "Hi! What can I do for you?"), ("你好！", "你好！我能帮你什么？"),
             ("Who are you?", "I am kvik-mini, a very small language model."), ("你是谁？", "我是kvik-mini，一个很小的语言模型。"),
             ("What can you do?", "I can tell short stories and remember what you tell me."),
             (f"My name is {n1}. What is my name?", f"Your name is {n1}."), (f"I like {f}. What do I like?", f"You like {f}."),
             (f"The {t} is {c}. What color is the {t}?", f"The {t} is {c}."),
             (f"The {t} is in the {p}. Where is the {t}?", f"The {t} is in the {p}."),
             (f"What is {x} plus {y}?", f"{x} plus {y} is {x + y}."), ("Thank you.", "You are welcome!"), ("Goodbye.", "Goodbye!"),
             ("谢谢。", "不客气！")]
    out = ""
    for _ in range(n):
        u = r.random()
        if u < .3:
            q, a = r.choice(("Tell me a story.", "Write a short story.", "Please tell me a story.")), " ".join(story_sentences(r))
        elif u < .45:
            who, what = r.choice(NAMES), r.choice(ANIMALS)
            q, a = f"Tell me a story about a {what} named {who}.", " ".join(story_sentences(r, who, what))
        elif u < .55:
            q, a = "请讲一个故事。", "".join(zh_sentences(r))
        else:
            q, a = r.choice(known)
        out += f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n"
    return out


def dialogue(r):
    return (system(r) if r.random() < .3 else "") + turns(r, r.choice((1, 2, 3)))
