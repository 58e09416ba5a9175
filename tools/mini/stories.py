"""Short stories in English and Chinese from sentence patterns and word lists.

A story keeps its people, its thing and that thing's colour, two places and the food from beginning to end, so that telling one is
also remembering.
"""
import re

NAMES = """Anna Ben Clara David Ella Finn Grace Henry Ivy Jack Kate Leo Mia Noah Olive Paul Rosa Sam Tina Victor Wendy
Zoe Lily Tom Max Emma Oscar Ruby Peter Nora Simon Alice Hugo Lucy Jonas Maya Felix Ida Martin Elsa""".split()
GIRLS = set("Anna Clara Ella Grace Ivy Kate Mia Olive Rosa Tina Wendy Zoe Lily Emma Ruby Nora Alice Lucy Maya Ida Elsa".split())
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

OPEN = ["Once upon a time, there was a {a} {k} named {n}.", "{n} was a {a} {k} who lived near the {p}.",
        "There was once a {a} {k}. {S} name was {n}.", "In a {a3} house by the {p} lived a {a} {k} called {n}.",
        "Long ago, a {a} {k} named {n} lived near a {a3} {p}."]
LIKE = ["{n} liked to play with a {c} {t}.", "{n} loved {f} more than anything.", "Every day {s} walked to the {p}.",
        "{S} best friend was {m}.", "{n} had a {c} {t} that {s} kept under the bed.", "{n} wanted to see the {q}."]
EVENT = ["{T}, {n} found a {c} {t} near the {q}.", "{T}, {n} lost {h} {t} near the {q}.", "{T}, {m} came to the {p} with a {c} {t}.",
         "{T}, {n} heard a strange sound near the {q}.", "{T}, {n} and {m} went to the {q} together.",
         "{T}, the {t} fell into the water and {n} was {e}.", "{T}, {n} met a {a2} {k2} on the way to the {q}."]
TALK = ["\"What is that?\" asked {m}.", "\"I do not know,\" said {n}. \"Let us look.\"", "\"Can you help me?\" asked {n}.",
        "\"Yes, I will help you,\" said {m}.", "\"Please do not go,\" said {m}.", "\"We can share the {f},\" said {n}.",
        "\"Look at the {c} {t}!\" said {n}.", "\"Do not be {e},\" said {m}.", "\"I have an idea,\" said {n}.",
        "\"Where is my {t}?\" asked {m}."]
MID = ["They looked under the table, behind the door and near the {q}.", "{n} was {e}, but {s} did not give up.",
       "{m} gave {o} some {f}.", "They walked over the hill and came to the {q}.", "A {k2} showed them the way.",
       "{n} thought about it for a long time.", "It was {w}, and the wind was blowing.", "They worked until it was dark.",
       "{m} was {e} and sat down.", "So {n} took the {t} and ran to the {p}.", "Then {s} saw something {c} in the grass.",
       "The {t} was too heavy, so they pulled it together."]
END = ["In the end, {n} was {e2} and went home.", "From that day on, {n} and {m} were friends.", "{n} learned to be kind to everyone.",
       "They ate {f} and laughed all evening.", "{n} put the {t} back in its place and slept well.",
       "\"Thank you,\" said {n}, and they all went home.", "And {n} never forgot that day."]
PLACE_ADJ = "small big old quiet little sunny dark beautiful green lonely".split()

ZN = "小明 小红 小华 小丽 阿宝 乐乐 天天 安安 小雨 小雪 文文 平平".split()
ZA = "猫 狗 兔子 狐狸 熊 鸟 老鼠 鸭子 青蛙 马 羊 松鼠".split()
ZT = "球 风筝 书 灯 篮子 铃铛 小船 盒子 钥匙 帽子 杯子 鼓 镜子 石头 贝壳 蜡烛".split()
ZP = "花园 森林 河边 村子 市场 学校 厨房 山上 海边 桥上 图书馆 湖边".split()
ZC = "红色的 蓝色的 绿色的 黄色的 白色的 黑色的 金色的".split()
ZF = "高兴 难过 害怕 惊讶 生气 担心".split()
ZOPEN = ["从前，有一只小{k}，名叫{n}。", "{n}是一个聪明的孩子，住在{p}。", "很久以前，{n}和{m}住在{p}。"]
ZMID = ["有一天，{n}在{q}找到了一个{c}{t}。", "{n}喜欢{c}{t}。", "{m}说：“我们一起去{q}吧。”", "{n}很{e}，但是没有放弃。",
        "他们一起走到{q}。", "“你能帮我吗？”{n}问。", "“好的，我帮你。”{m}说。", "天黑了，外面下着雨。", "{n}把{t}送给了{m}。"]
ZEND = ["最后，{n}高兴地回家了。", "从此以后，{n}和{m}成了好朋友。", "{n}把{t}放好，安心地睡着了。"]


def articles(s):
    """"a" before a vowel is "an"; every word of the lists that begins with one is spoken so."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", s)


def english(r, name=None, kind=None):
    """The sentences of a story, about a name and a kind of animal where they are given."""
    n = name or r.choice(NAMES)
    m = r.choice([x for x in NAMES if x != n])
    s, h, o = PRON["she" if n in GIRLS else "he"]
    p, q = r.sample(PLACES, 2)
    kept = dict(n=n, m=m, s=s, S=h.capitalize(), h=h, o=o, p=p, q=q, k=kind or r.choice(["girl" if n in GIRLS else "boy"] * 2 + ANIMALS),
                k2=r.choice(ANIMALS), c=r.choice(COLORS), t=r.choice(THINGS), f=r.choice(FOOD), w=r.choice(WEATHER))

    def fill(x):
        a, a2 = r.sample(ADJ, 2)
        return articles(x.format(**kept, a=a, a2=a2, a3=r.choice(PLACE_ADJ), e=r.choice(FEEL), e2=r.choice(("happy", "glad", "proud", "calm")),
                                 T=r.choice(TIMES).format(w=kept["w"])))
    out = [fill(r.choice(OPEN))]
    out += [fill(x) for x in r.sample(LIKE, r.choice((1, 2)))]
    talk, mid = r.sample(TALK, len(TALK)), r.sample(MID, len(MID))
    for event in r.sample(EVENT, r.choice((1, 1, 2, 3))):
        out.append(fill(event))
        for _ in range(r.choice((1, 2, 3, 4))):
            source = talk if (r.random() < .45 and talk) or not mid else mid
            out.append(fill(source.pop()))
    return out + [fill(r.choice(END))]


def chinese(r):
    n, m = r.sample(ZN, 2)
    p, q = r.sample(ZP, 2)
    kept = dict(n=n, m=m, p=p, q=q, k=r.choice(ZA), t=r.choice(ZT), c=r.choice(ZC))

    def fill(x):
        return x.format(**kept, e=r.choice(ZF))
    return [fill(r.choice(ZOPEN))] + [fill(x) for x in r.sample(ZMID, r.choice((2, 3, 4, 6)))] + [fill(r.choice(ZEND))]


def story(r):
    return "".join(chinese(r)) if r.random() < .15 else " ".join(english(r))
