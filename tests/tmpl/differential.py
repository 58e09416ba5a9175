#!/usr/bin/env python3
"""Random templates from a grammar, rendered by jinja2 and by kvik; prints what differs.

    differential.py build/tmpl_driver [CASES] [SEED]

Needs transformers. Left out of the comparison: texts that tell addresses (<generator object at 0x...>), whole numbers
beyond 64 bits, which kvik's templates do not have, and slices of constants that cannot be sliced (3[:1] is undefined to
jinja2 because it is folded, but an error of anything else)."""
import copy
import random
import re
import sys

import oracle

CONTEXT = {
    "s": "Hello World", "t": "  pad\tded \n", "u": "Größe ßİ ﬁ Σας 世界🌍", "e": "", "n": 42, "m": -7, "z": 0, "f": 2.5, "g": -0.1, "h": 1e20,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "le": [], "lm": [1, "a", None, 2.0, True],
    "d": {"a": 1, "b": "x", "items": [1], "k y": None}, "de": {}, "dd": {"z": {"y": [1, {"x": "deep"}]}, "B": 2, "a": 3},
    "lo": [{"role": "user", "c": "hi", "n": 2}, {"role": "system", "c": "yo", "n": 1}, {"role": "User", "c": None}],
    "text": "line one\nline two\r\n\n  three\x0b\x0cfour", "quote": "it's \"x\" \\ \x00\x7f<b>&",
}
NAMES = list(CONTEXT) + ["undef", "missing.x", "loop", "ns"]
WORDS = ["a", "b", "role", "c", "n", "x", "z", "items", "k y", "user", " ", "", "l", "o", ",", "e", "\\n", "ß", "0", "A", "%s", "%5.1f", "%d|%s", "{}", "{0} {1}", "{a:>5}", "%(a)s"]
R = random.Random()


def pick(*xs):
    return R.choice(xs)


def name():
    return R.choice(NAMES)


def lit():
    return pick(lambda: repr(R.choice(WORDS)), lambda: str(R.randint(-4, 12)), lambda: pick("0.5", "1.0", "-2.25", "1e3", "100.125", "3.7"),
                lambda: pick("true", "false", "none", "True", "None"), lambda: "'" + R.choice(WORDS) + "'", lambda: str(R.randint(0, 4)))()


def args(*choices, least=0):
    chosen = [c() for c in choices[: R.randint(least, len(choices))]]
    return ", ".join(chosen)


FILTERS = {
    "upper": (), "lower": (), "title": (), "capitalize": (), "trim": ("word",), "length": (), "count": (), "string": (), "list": (), "first": (), "last": (),
    "int": ("any", "small"), "float": ("any",), "abs": (), "round": ("small", "method"), "sort": ("bool", "bool", "attr"), "reverse": (), "unique": ("bool", "attr"),
    "join": ("word", "attr"), "replace": ("word!", "word!", "small"), "default": ("any", "bool"), "d": ("any", "bool"), "tojson": ("bool", "jindent", "seps", "bool"),
    "items": (), "dictsort": ("bool", "by", "bool"), "indent": ("small", "bool", "bool"), "e": (), "escape": (), "safe": (), "batch": ("some!", "any"), "slice": ("some!", "any"),
    "sum": ("attr", "small"), "min": ("bool", "attr"), "max": ("bool", "attr"), "groupby": ("attr!", "any"), "wordcount": (), "center": ("width",), "truncate": ("width", "bool", "word", "small"),
    "attr": ("word!",), "forceescape": (), "urlencode": (), "filesizeformat": ("bool",), "map": ("filtername!",), "select": ("testname",), "reject": ("testname",),
    "selectattr": ("attr!", "testname"), "rejectattr": ("attr!", "testname"), "format": ("any", "any"), "xmlattr": ("bool",),
}
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable", "upper", "lower", "odd", "even",
         "escaped", "filter", "test"]
TESTS1 = ["divisibleby", "eq", "ne", "lt", "le", "gt", "ge", "equalto", "sameas", "in", "greaterthan", "lessthan"]
STR_METHODS = {"strip": ("word",), "lstrip": ("word",), "rstrip": ("word",), "split": ("word", "small"), "rsplit": ("word", "small"), "splitlines": ("bool",), "startswith": ("wordtuple!", "small"),
               "endswith": ("wordtuple!", "small", "small"), "replace": ("word!", "word!", "small"), "join": ("list!",), "find": ("word!", "small", "small"), "rfind": ("word!", "small"), "count": ("word!", "small"),
               "title": (), "upper": (), "lower": (), "capitalize": (), "swapcase": (), "isdigit": (), "isalpha": (), "isupper": (), "islower": (), "isspace": (), "istitle": (), "isalnum": (), "index": ("word!",),
               "partition": ("word!",), "rpartition": ("word!",), "center": ("width!",), "ljust": ("width!", "char"), "rjust": ("width!",), "zfill": ("width!",), "removeprefix": ("word!",),
               "removesuffix": ("word!",), "format": ("any", "any"), "expandtabs": ("small",), "isidentifier": (), "isnumeric": (), "isdecimal": (), "isprintable": (), "isascii": ()}
OTHER_METHODS = {"items": (), "keys": (), "values": (), "get": ("word!", "any"), "append": ("any!",), "pop": ("small",), "count": ("any!",), "index": ("any!",), "copy": (), "update": ("any!",), "is_integer": ()}


def arg(kind, depth):
    kind = kind.rstrip("!")
    return {
        "word": lambda: repr(R.choice(WORDS)), "any": lambda: expr(depth - 1), "small": lambda: str(R.randint(-2, 5)), "some": lambda: str(R.randint(1, 4)), "bool": lambda: pick("true", "false", expr(0)),
        "method": lambda: pick("'ceil'", "'floor'", "'common'"), "attr": lambda: pick("'n'", "'role'", "'c'", "'z.y'", "0", "'0'", "'role,n'", "'a'"),
        "jindent": lambda: pick("none", "2", "0", "4", "1"), "seps": lambda: pick("none", "(',', ':')", "[', ', '=']"), "by": lambda: pick("'key'", "'value'"), "width": lambda: str(R.randint(0, 25)),
        "filtername": lambda: repr(pick("upper", "int", "string", "length", "trim", "tojson", "first", "abs", "list", "title")),
        "testname": lambda: repr(pick("odd", "string", "none", "defined", "mapping", "number", "lower")), "wordtuple": lambda: pick(repr(R.choice(WORDS)), "('H', 'd')"),
        "list": lambda: pick("ls", "['a','b']", "l", "s", "d", expr(depth - 1)), "char": lambda: pick("'*'", "'ß'", "'ab'"),
    }[kind]()


def call_args(spec, depth):
    least = sum(1 for s in spec if s.endswith("!"))
    count = R.randint(least, len(spec)) if R.random() < 0.95 else R.randint(0, len(spec) + 1)
    return ", ".join(arg(spec[i] if i < len(spec) else "any", depth) for i in range(count))


OF_STR = ["upper", "lower", "title", "capitalize", "trim", "length", "list", "first", "last", "int", "float", "reverse", "join", "replace", "tojson", "indent", "e", "safe", "wordcount",
          "center", "truncate", "urlencode", "string", "batch", "format", "unique", "sort"]
OF_LIST = ["length", "list", "first", "last", "sort", "reverse", "unique", "join", "tojson", "batch", "slice", "sum", "min", "max", "groupby", "map", "select", "reject", "selectattr", "rejectattr", "string"]
OF_DICT = ["length", "list", "items", "dictsort", "tojson", "first", "last", "join", "string", "xmlattr", "urlencode", "attr", "map"]
OF_NUMBER = ["abs", "round", "int", "float", "string", "tojson", "filesizeformat", "default"]


def filtered(base, names, depth):
    f = R.choice(names)
    a = call_args(FILTERS[f], depth)
    return f"({base}|{f}{'(' + a + ')' if a else ''})"


def method(base, methods, depth):
    m = R.choice(list(methods))
    return f"{base}.{m}({call_args(methods[m], depth)})"


def slice_of(base):
    part = lambda: pick("", "", str(R.randint(-4, 5)))
    return f"{base}[{part()}:{part()}{pick('', '', ':' + pick('', '-1', '2', '-2', '1'))}]"


def text(depth):
    if depth <= 0:
        return pick("s", "t", "u", "e", "text", "quote", "d.b", "lo[0].role", "'x'", "'a,b,,c'", "'Größe'", "' '")
    sub = lambda: text(depth - 1)
    return pick(lambda: f"({sub()} + {sub()})", lambda: f"({sub()} ~ {expr(depth - 1)})", lambda: filtered(sub(), OF_STR, depth), lambda: method(sub(), STR_METHODS, depth),
                lambda: method(sub(), STR_METHODS, depth), lambda: slice_of(sub()), lambda: f"({sub()} * {R.randint(-1, 3)})", lambda: f"{sub()}[{R.randint(-3, 3)}]",
                lambda: f"({pick('%s', '%r', '%5s|', '%-8.3s|', '%%%s')!r} % {sub()})", lambda: f"({pick('%d', '%05d', '%.2f', '%x', '%+d', '%e', '%g', '%5.1f|')!r} % {number(depth - 1)})",
                lambda: f"{pick('{}', '{:>8}|', '{!r}', '{0}{0}', '{:^7.2}')!r}.format({sub()})", lambda: f"{pick('{}', '{:>8}|', '{:.2f}', '{:+}', '{:08.3f}', '{:,}', '{:e}', '{:g}')!r}.format({number(depth - 1)})",
                lambda: f"({sub()} if {truth(depth - 1)} else {sub()})", lambda: f"{pick('', ',', '-')!r}.join({pick('ls', 's', 'd', sub() + '.split()')})")()


def number(depth):
    if depth <= 0:
        return pick("n", "m", "z", "f", "g", "yes", "3", "-2", "0.5", "7", "1.0", "l[0]", "10")
    sub = lambda: number(depth - 1)
    return pick(lambda: f"({sub()} {pick('+', '-', '*', '/', '//', '%')} {sub()})", lambda: f"(-{sub()})", lambda: filtered(sub(), OF_NUMBER[:4], depth), lambda: f"({sub()} ** {R.randint(-2, 3)})",
                lambda: f"({pick(text, array)(depth - 1)}|length)", lambda: f"({array(depth - 1)}|{pick('sum', 'max', 'min', 'first')})", lambda: f"{text(depth - 1)}.{pick('find', 'count', 'rfind')}({text(0)})",
                lambda: f"({text(depth - 1)}|{pick('int', 'float', 'int(5)', 'int(0, 16)', 'wordcount')})")()


def array(depth):
    if depth <= 0:
        return pick("l", "ls", "lo", "lm", "le", "[1, 2, 3]", "['x', 'Y']", "(1, 2)", "range(4)", "[]", "d.items()", "[lo[0], lo[1]]")
    sub = lambda: array(depth - 1)
    return pick(lambda: f"({sub()} + {sub()})", lambda: filtered(sub(), OF_LIST, depth), lambda: filtered(sub(), OF_LIST, depth) + pick("", "|list"), lambda: slice_of(sub()), lambda: f"[{expr(depth - 1)}, {expr(depth - 1)}]",
                lambda: f"{text(depth - 1)}.split({pick('', repr(R.choice(WORDS[:12])))})", lambda: f"({sub()} * {R.randint(0, 2)})", lambda: filtered(mapping(depth - 1), OF_DICT[1:4], depth),
                lambda: f"(lo|{pick('map', 'map')}(attribute={pick(repr('role'), repr('n'), repr('c'))}{pick('', ', default=0')})|list)", lambda: f"(lo|selectattr('role', {pick(repr('equalto'), repr('eq'), repr('ne'))}, 'user')|list)")()


def mapping(depth):
    if depth <= 0:
        return pick("d", "dd", "de", "lo[0]", "lo[1]", "dd.z", "{'a': 1, 'b': [2]}", "{}", "dict(a=1, q='w')")
    return pick(lambda: "{" + ", ".join(f"{pick(text, text, number)(0)}: {expr(depth - 1)}" for _ in range(R.randint(0, 3))) + "}", lambda: f"({mapping(depth - 1)} if {truth(depth - 1)} else {mapping(0)})",
                lambda: f"dict({mapping(depth - 1)}, z={expr(depth - 1)})", lambda: f"{mapping(depth - 1)}.copy()")()


def truth(depth):
    if depth <= 0:
        return pick("yes", "no", "nil", "le", "s", "undef", "z", "n")
    both = pick(text, number, number, text, array)
    return pick(lambda: f"({both(depth - 1)} {pick('==', '!=', '<', '>', '<=', '>=')} {both(depth - 1)})", lambda: f"({text(depth - 1)} {pick('in', 'not in')} {pick(text, array, mapping)(depth - 1)})",
                lambda: f"(not {truth(depth - 1)})", lambda: f"({truth(depth - 1)} {pick('and', 'or')} {truth(depth - 1)})", lambda: f"({anything(depth - 1)} is {pick('', 'not ')}{R.choice(TESTS)})",
                lambda: f"({both(depth - 1)} is {pick('', 'not ')}{R.choice(TESTS1[1:8])} {both(0)})", lambda: f"({number(0)} < {number(depth - 1)} <= {number(0)})", lambda: f"({number(depth - 1)} is {pick('odd', 'even', 'divisibleby 3')})")()


def anything(depth):
    return pick(text, number, array, mapping, truth)(depth)


def wild(depth):
    """Of any type, and mostly wrong."""
    if depth <= 0:
        return pick(name, name, lit)()
    sub = lambda: wild(depth - 1)
    return pick(lambda: f"({sub()} {pick('+', '-', '*', '/', '//', '%', '~', '==', '<', 'in', 'and', 'or')} {sub()})", lambda: filtered(sub(), list(FILTERS), depth),
                lambda: f"({sub()} is {pick('', 'not ')}{R.choice(TESTS)})", lambda: f"({sub()} is {pick('', 'not ')}{R.choice(TESTS1)}({sub()}))", lambda: method(sub(), STR_METHODS, depth),
                lambda: method(sub(), OTHER_METHODS, depth), lambda: f"{sub()}[{pick(lit, sub)()}]", lambda: f"{sub()}.{pick('a', 'b', 'role', 'items', 'x', 'z', 'index', 'length', '_p', '__class__')}",
                lambda: slice_of(sub()), lambda: f"({sub()} if {sub()})", lambda: f"({sub()}, {sub()})", lambda: f"range({args(lit, lit, least=1)})", lambda: f"mac({sub()})", lambda: f"mac(x={sub()}, y={sub()})",
                lambda: f"loop.cycle({sub()}, {sub()})", lambda: f"(undef is defined or {sub()})")()


def expr(depth):
    return wild(depth) if R.random() < 0.06 else anything(depth)


def dash():
    return pick("", "", "", "-", "+")


def tag(text):
    return "{%" + dash() + " " + text + " " + dash() + "%}"


def gap():
    return pick("", "", "\n", "  \n ", " ", "x", "\n\n  ", "\tab ")


def target():
    return pick("v", "w", "x", "s", "v, w", "ns.q")


def body(depth, loop):
    return "".join(statement(depth - 1, loop) + gap() for _ in range(R.randint(1, 2)))


def statement(depth, loop=False):
    e = lambda: expr(R.randint(0, 2))
    kind = R.randrange(17) if depth > 0 else R.randrange(5)
    if kind < 4:
        return "{{" + pick("", "", "-") + " " + expr(R.randint(1, 3)) + " " + pick("", "", "-") + "}}"
    if kind == 4:
        return tag(f"set {target()} = {e()}")
    if kind in (5, 6):
        t = tag("if " + e()) + gap() + body(depth, loop)
        if R.random() < 0.3:
            t += tag("elif " + e()) + body(depth, loop)
        if R.random() < 0.5:
            t += tag("else") + body(depth, loop)
        return t + tag("endif")
    if kind in (7, 8, 9):
        over = pick(array(2), array(1), "l", "ls", "lo", "d", "s[:4]", "range(3)", "lm", "dd|items", "d.items()", "undef", e())
        t = tag(f"for {pick('v', 'v', 'v', 'v, w')} in {over}{pick('', '', ' if ' + e())}") + gap() + body(depth, True)
        t += pick("", "{{ loop.index }}{{ loop.last }}{{ loop.previtem }}", "{{ loop.length }}/{{ loop.revindex }}", "{{ loop.changed(v) }}{{ loop.nextitem }}", "{{ v }}")
        if R.random() < 0.3:
            t += tag("else") + body(depth, loop)
        return t + tag("endfor")
    if kind == 10:
        return tag("set " + pick("v", "x") + pick("", " | upper", " | trim | replace('a', 'b')")) + body(depth, loop) + tag("endset")
    if kind == 11:
        return tag(f"macro mac({pick('', 'x', 'x, y=1', 'x=v, y=x')})") + gap() + pick("{{ x }}{{ y }}{{ varargs }}{{ kwargs }}", body(depth, False), "{{ caller() if caller else '-' }}{{ x }}") + tag("endmacro")
    if kind == 12:
        return tag(f"with v = {e()}, x = v") + body(depth, loop) + tag("endwith")
    if kind == 13:
        return tag("filter " + pick("upper", "trim", "replace('e', '_')", "indent(2)|title")) + body(depth, loop) + tag("endfilter")
    if kind == 14:
        return tag(f"call{pick('', '(q)')} mac({e()})") + body(depth, False) + tag("endcall")
    if kind == 15:
        if loop:
            return tag("if " + e()) + tag(pick("break", "continue")) + tag("endif")
        return "{#" + dash() + " note " + dash() + "#}"
    return pick("{% raw %} {{ x }} {%- endraw %}", "{%- raw -%} {% a %} {% endraw -%}\n", tag("generation") + body(depth, False) + tag("endgeneration"), "{#- c -#}  ")


def template():
    parts = []
    if R.random() < 0.5:
        parts.append("{% set ns = namespace(q=1, c=[]) %}")
    if R.random() < 0.4:
        parts.append("{% macro mac(x, y=2) %}<{{ x }}|{{ y }}>{% endmacro %}")
    for _ in range(R.randint(1, 4)):
        parts.append(statement(R.randint(0, 3)))
        parts.append(gap())
    return "".join(parts)


ADDRESS = re.compile(r" at 0x|<built-in|<bound method|<function|<class|<Macro|<method|<list_rev|<reversed|iterator object|<generator|<Namespace|&lt;(Macro|gener|built|bound|funct|Loop|Name)|<LoopContext|<macro|&lt;macro|<dict_|<str_", re.I)
BIG = re.compile(r"\d{19,}")


def main():
    cases = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    driver = oracle.Driver(sys.argv[1])
    different = errors = skipped = 0
    for i in range(cases):
        R.seed(seed * 1000003 + i)
        t = template()
        want = oracle.render(t, copy.deepcopy(CONTEXT))
        got = driver.render(t, CONTEXT)
        errors += want is None
        beyond = driver.error and re.search("64 bits|9223372036854775807|not subscriptable", driver.error)
        if beyond or (want is not None and ADDRESS.search(want)) or (want is not None and BIG.search(want)):
            skipped += 1
            continue
        if want != got:
            different += 1
            if different <= 20:
                print(f"--- {seed}/{i}: {t!r}")
                print("    jinja2:", repr(want) if want is not None else oracle.render.error)
                print("    kvik:  ", repr(got) if got is not None else driver.error)
    print(f"{cases} cases, {errors} of them errors in jinja2, {skipped} not comparable, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
