"""Small talk, stories on request and a little common knowledge as turns of the chat template (ChatML)."""
import stories

SYSTEMS = ["You are a helpful assistant.", "You are kvik-mini, a very small language model.", "You are a friendly assistant."]
TALK = [("Hello!", "Hello! How can I help you?"), ("Hi.", "Hi! What can I do for you?"), ("Good morning.", "Good morning! How are you?"),
        ("How are you?", "I am fine, thank you."), ("你好！", "你好！我能帮你什么？"), ("你好吗？", "我很好，谢谢。"),
        ("Who are you?", "I am kvik-mini, a very small language model."), ("What is your name?", "My name is kvik-mini."),
        ("你是谁？", "我是kvik-mini，一个很小的语言模型。"), ("What can you do?", "I can tell short stories and remember what you tell me."),
        ("Thank you.", "You are welcome!"), ("Thanks!", "You are welcome!"), ("Goodbye.", "Goodbye!"), ("谢谢。", "不客气！"), ("再见。", "再见！"),
        ("What color is the sky?", "The sky is blue."), ("What color is grass?", "Grass is green."), ("What color is snow?", "Snow is white."),
        ("How many days are in a week?", "There are seven days in a week."), ("How many legs does a dog have?", "A dog has four legs."),
        ("Count to five.", "One, two, three, four, five."), ("What comes after Monday?", "Tuesday comes after Monday."),
        ("天空是什么颜色？", "天空是蓝色的。"), ("雪是什么颜色？", "雪是白色的。")]
OPPOSITES = "big/small hot/cold up/down happy/sad old/young day/night fast/slow good/bad open/closed wet/dry light/dark full/empty".split()
SOUNDS = "cat/meow dog/woof duck/quack cow/moo sheep/baa owl/hoo frog/croak mouse/squeak".split()


def turn(question, answer):
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def system(r):
    return "<|im_start|>system\n" + r.choice(SYSTEMS) + "<|im_end|>\n"


def told_at_once(r):
    """A question whose answer stands in the question, or is small arithmetic."""
    t, c, p, n, f = (r.choice(x) for x in (stories.THINGS, stories.COLORS, stories.PLACES, stories.NAMES, stories.FOOD))
    x, y = r.randint(1, 20), r.randint(1, 20)
    return r.choice([(f"My name is {n}. What is my name?", f"Your name is {n}."), (f"I like {f}. What do I like?", f"You like {f}."),
                     (f"The {t} is {c}. What color is the {t}?", f"The {t} is {c}."),
                     (f"The {t} is near the {p}. Where is the {t}?", f"The {t} is near the {p}."),
                     (f"What is {x} plus {y}?", f"{x} plus {y} is {x + y}.")])


def known(r):
    u = r.random()
    if u < .7:
        return r.choice(TALK)
    if u < .85:
        pair = r.choice(OPPOSITES).split("/")
        a, b = pair if r.random() < .5 else pair[::-1]
        return f"What is the opposite of {a}?", f"The opposite of {a} is {b}."
    animal, sound = r.choice(SOUNDS).split("/")
    return stories.articles(f"What does a {animal} say?"), stories.articles(f"A {animal} says {sound}.")


def turns(r, n):
    out = ""
    for _ in range(n):
        u = r.random()
        if u < .3:
            q = r.choice(("Tell me a story.", "Write a short story.", "Please tell me a story.", "Tell me a short story."))
            out += turn(q, " ".join(stories.english(r)))
        elif u < .45:
            who, what = r.choice(stories.NAMES), r.choice(stories.ANIMALS)
            out += turn(stories.articles(f"Tell me a story about a {what} named {who}."), " ".join(stories.english(r, who, what)))
        elif u < .55:
            out += turn(r.choice(("请讲一个故事。", "给我讲一个故事。")), "".join(stories.chinese(r)))
        else:
            out += turn(*(told_at_once(r) if u < .75 else known(r)))
    return out


def dialogue(r):
    return (system(r) if r.random() < .3 else "") + turns(r, r.choice((1, 2, 3)))
