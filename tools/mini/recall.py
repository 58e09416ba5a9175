"""Recall tasks: facts told once among the sentences of stories and asked again later, in English and Chinese.

A row is a list of segments (text, weight): weight is how much the loss of its tokens counts. A segment begins with the
space that parts it from the one before and never ends with one: encoded one by one, segments give the same ids as
the whole text. Values of facts are random syllables and digits, keys are pairs of words or random syllables; `held_out` splits
both by hash, so that the evaluation asks for names, codes and keys that training never contained.
"""
import zlib

import chat
from stories import ANIMALS, COLORS, NAMES, PLACE_ADJ, PLACES, THINGS, ZA, ZC, ZN, ZT, articles, chinese, english

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


def new_code(r, test, digits):
    return pick(r, test, lambda r: "".join(r.choice("0123456789") for _ in range(digits)))


# (ways to tell, the question, the words before the answer)
PASS = (["The pass key is {v}.", "The pass key is {v}. Remember it. {v} is the pass key.", "Remember this: the pass key is {v}."],
        "What is the pass key?", "The pass key is")
ZH_PASS = (["密码是{v}。", "请记住，密码是{v}。", "密码是{v}。请记住，密码是{v}。"], "密码是什么？", "密码是")
CODE = (["The code of the {0} {1} is {v}.", "Remember that the code of the {0} {1} is {v}."],
        "What is the code of the {0} {1}?", "The code of the {0} {1} is")
ZH_CODE = (["{0}{1}的号码是{v}。"], "{0}{1}的号码是什么？", "{0}{1}的号码是")
NAME = (["{0} has a {1} called {v}.", "The {1} of {0} is called {v}."], "What is the {1} of {0} called?", "The {1} of {0} is called")
PLACE = (["Near the {0} {1} lives a man called {v}.", "Near the {0} {1} there lives a man called {v}."],
         "Who lives near the {0} {1}?", "Near the {0} {1} lives a man called")
ZH_NAME = (["{0}的{1}名叫{v}。", "{0}有一只{1}名叫{v}。"], "{0}的{1}叫什么？", "{0}的{1}名叫")
ME = (["My name is {v}.", "I am called {v}. My name is {v}."], "What is my name?", "Your name is")
ZH_ME = (["我的名字是{v}。"], "我的名字是什么？", "你的名字是")
VALUE = (["The value of {0} is {v}.", "Note that the value of {0} is {v}."], "What is the value of {0}?", "The value of {0} is")
ACKS = ["OK, I will remember it.", "I will keep it in mind.", "Good to know."]
ZH_ACKS = ["好的，我记住了。", "好的。"]
# name: (what makes the value, digits, first words of the key, second words, the words); True: a random name is the key
FORMS = {"pass": (new_code, 5, None, None, PASS), "zh_pass": (new_code, 5, None, None, ZH_PASS),
         "code": (new_code, 4, COLORS, THINGS, CODE), "zh_code": (new_code, 4, ZC, ZT, ZH_CODE),
         "value": (new_code, 4, True, None, VALUE), "me": (new_name, 0, None, None, ME), "zh_me": (new_name, 0, None, None, ZH_ME),
         "name": (new_name, 0, NAMES, ANIMALS, NAME), "zh_name": (new_name, 0, ZN, ZA, ZH_NAME), "place": (new_name, 0, PLACE_ADJ, PLACES, PLACE)}
KINDS = "pass pass zh_pass code code code value value me zh_me name name place zh_name zh_code".split()


class Fact:
    """One thing told once and asked later. The value is told and answered after the same words, the key before it.

    form: one of FORMS; key: what makes it another thing; tell, question, lead, answer, stop: text; asked: ever before.
    """

    def __init__(self, r, test):
        self.form = r.choice(KINDS)
        make, width, first, second, words = FORMS[self.form]
        self.chinese = self.form.startswith("zh")
        self.value = new_code(r, test, width) if make is new_code else new_name(r, test)
        k = new_key(r, test, first, second) if second else (new_name(r, test),) if first else ()
        self.key = k or (self.form.removeprefix("zh_"),)
        tells, question, lead = words
        self.question, self.lead = question.format(*k), lead.format(*k)
        self.tell = articles(r.choice(tells).format(*k, v=self.value))
        self.stop = "。" if self.chinese else "."
        self.answer = self.value if self.chinese else " " + self.value
        self.asked = False


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
            self.sentences = (chinese(self.r) if self.zh else english(self.r))[::-1]
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
        for _ in range(self.questions()):
            fact = self.pick()
            if self.style == "plain":
                out += self.ask_prose(fact)
            else:
                out += ([] if self.line_start else [("\n", 1)]) + self.ask_turn(fact)
        return out

    def questions(self):
        """How many to ask now: ask_rate on average, fewer where every fact was asked before."""
        fresh = sum(not f.asked for f in self.facts.values())
        rate = self.ask_rate if fresh else self.ask_rate * .3
        return int(rate) + (self.r.random() < rate % 1) if self.facts else 0

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
            return [(chat.turns(self.r, 1), 1)]
        if u < .30 + .7 * self.tell_rate or not self.facts:
            fact = self.new_fact()
            return self.tell_turn(fact) if fact else []
        return self.ask_turn(self.pick())

    def __iter__(self):
        if self.style == "turns" and self.r.random() < .3:
            yield chat.system(self.r), 1
        while True:
            yield from self.step_turns() if self.style == "turns" else self.step_prose()


def recall_stream(r, weight, noise):
    """A Recall for training, of a random style and density."""
    return Recall(r, False, r.choice(("plain", "plain", "doc", "turns", "turns")), weight, noise,
                  r.choice((.1, .25, .5)), r.choice((.2, .5, .8)))
