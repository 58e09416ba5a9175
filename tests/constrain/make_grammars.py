#!/usr/bin/env python3
"""Writes tests/constrain/grammars.jsonl: context-free grammars, each in GBNF and in Lark's notation, and texts that Lark's Earley
parser accepts or not (it tries all ways to cut a text into terminals). Some are well known, with texts by hand; most are random ones:
recursive on the left, the right and in the middle, ambiguous, with empty rules.

    python3 -m venv V && V/bin/pip install lark==1.3.1 && V/bin/python tests/constrain/make_grammars.py > tests/constrain/grammars.jsonl"""
import json
import random
import signal
import sys

import lark

rng = random.Random(17)
LETTERS = "ab()+é"


def literal(text, gbnf):
    return json.dumps(text, ensure_ascii=False)


class Atom:
    """One grammar in both notations."""

    def __init__(self, gbnf, lark_text):
        self.gbnf, self.lark = gbnf, lark_text


def both(text):
    return Atom(text, text)


def atom(rules, depth):
    k = rng.randrange(10)
    if k < 4:
        return both(literal("".join(rng.choice(LETTERS) for _ in range(rng.randrange(1, 3))), True))
    if k < 5:
        c = rng.choice(["[ab]", "[^ab]", "[a-c+]", "[é]"])
        return Atom(c, "/%s/" % c)
    if k < 8 or depth > 1:
        return both("r%d" % rng.randrange(rules))
    inner = alternatives(rules, depth + 1)
    return Atom("(%s)" % inner.gbnf, "(%s)" % inner.lark)


def repeated(rules, depth):
    a = atom(rules, depth)
    k = rng.randrange(12)
    if k < 8:
        return a
    if k < 11:
        sign = "?*+"[k - 8]
        return Atom(a.gbnf + sign, a.lark + sign)
    lo, hi = rng.choice([(2, 2), (1, 3), (0, 2)])
    return Atom("%s{%d,%d}" % (a.gbnf, lo, hi), "%s~%d..%d" % (a.lark, lo, hi))


def sequence(rules, depth):
    parts = [repeated(rules, depth) for _ in range(rng.randrange(1, 4))]
    return Atom(" ".join(p.gbnf for p in parts), " ".join(p.lark for p in parts))


def alternatives(rules, depth):
    parts = [sequence(rules, depth) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
    gbnf, lark_text = " | ".join(p.gbnf for p in parts), " | ".join(p.lark for p in parts)
    if rng.random() < 0.15:
        gbnf, lark_text = gbnf + ' | ""', lark_text + " |"
    return Atom(gbnf, lark_text)


def grammar():
    n = rng.randrange(1, 4)
    rules = [alternatives(n, 0) for _ in range(n)]
    return ("root ::= r0\n" + "".join("r%d ::= %s\n" % (i, r.gbnf) for i, r in enumerate(rules)),
            "start: r0\n" + "".join("r%d: %s\n" % (i, r.lark) for i, r in enumerate(rules)))


def accepts(parser, text):
    try:
        parser.parse(text)
        return True
    except lark.exceptions.LarkError:
        return False


def near(texts):
    """Texts beside those that are right: a letter more, less, another."""
    out = set()
    for t in texts:
        i = rng.randrange(len(t) + 1)
        out.add(t[:i] + rng.choice(LETTERS) + t[i:])
        out.add(t[:i] + t[i + 1:])
        out.add(t + t)
    return {t for t in out if len(t) < 14}


def judged(text):
    """Texts that a grammar accepts, and others."""
    parser = lark.Lark(text, parser="earley", lexer="dynamic_complete")
    texts = {"".join(rng.choice(LETTERS) for _ in range(k)) for k in range(1, 6) for _ in range(20)} | {""}
    good = {t for t in sorted(texts) if accepts(parser, t)}
    good |= {t for t in sorted(near(sorted(good))) if accepts(parser, t)}
    return good, {t for t in sorted(near(sorted(good))) + rng.sample(sorted(texts), 10) if not accepts(parser, t)}


class TooLong(Exception):
    pass


def too_long(*_):
    raise TooLong


def random_rows(want):
    """Grammars that Lark is done with in a moment."""
    signal.signal(signal.SIGALRM, too_long)
    rows = 0
    while rows < want:
        gbnf, text = grammar()
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            good, bad = judged(text)
        except (lark.exceptions.LarkError, TooLong, RecursionError):
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if len(good) < 2:
            continue
        tests = [[t, True] for t in sorted(good)[:12]] + [[t, False] for t in sorted(bad)[:12]]
        yield {"grammar": gbnf, "lark": text, "tests": tests}
        rows += 1


ARITHMETIC = r"""root ::= expression
expression ::= term ws (("+"|"-") ws term)*
term ::= factor ws (("*"|"/") ws factor)*
factor ::= number | variable | "(" expression ")" | call
number ::= [0-9]+
variable ::= [a-zA-Z_] [a-zA-Z0-9_]*   # a name
call ::= variable ws "(" (expression ("," ws expression)*)? ")"
ws ::= [ \t\n\r]?
"""
KNOWN = [
    (ARITHMETIC, ["42", "x", "x+10", "(a+b)*(c-d)", "func(x,y+2)", "f(g(x),h(y,z))", "x + 10", "123*456*789-123/456"],
     ["+", "/ 3x", "x + + y", "func(,)", "func(x y)", "(a + b", "x + y)", "a + b * (c - d", "42 +", ""]),
    ('root ::= ("a" | "b"){2} [0-9]{2,} "\\u00e9" "\\x41"? [^\\]"\\n] .', ["ab12éA!\n", "ba123é-日", "aa00é--"], ["ab1é--", "ab12é]x", "ab12é"]),
    ("root ::= # a comment\n  ( \"x\" # another\n  | \"y\"\n  )+ |\n  tail\n\ntail ::= \"-\"", ["xyx", "-"], ["", "x-"]),
    ('root ::= root "," item | item\nitem ::= "[" root? "]" | [0-9]', ["1,2,[3,[],4]", "[[[[]]]]"], ["1,", "[1", ",1", "1 2"]),
    ('root ::= s\ns ::= s s | "a" | ""', ["", "a", "aaaaaaaa"], ["b", "aab"]),
    ('root ::= a\na ::= b "x" | "y"\nb ::= a | b "z"', ["y", "yx", "yzx", "yxzzx"], ["x", "yz", "yy"]),
    ('root ::= a "b"\na ::= ("")* ("" | "a")*', ["b", "aaab"], ["", "ab a"]),
    ('root ::= "a" never | "b"\nnever ::= "x" never', ["b"], ["a", "ax"]),
    ('root ::= "\\U0001F600" [\\u4e00-\\u9fff]{,3}', ["😀", "😀日本語"], ["😀日本語日", "日"]),
]
REFUSED = [("root ::= x", "'x' is used and not defined"), ("rot ::= \"a\"", "'root'"), ('root ::= "a', "its end at line 1, column 12"),
           ('root ::= ("a"', "')'"), ('root ::= "a" )', "no rule"), ("root ::= [b-a]", "backwards"), ('root ::= "\\q"', "escape"),
           ('root ::= "a"{3,1}', "backwards"), ('root ::= "a"{99999}', "counted"), ("root ::= root", "no text"),
           ("root := x", ""), ("root ::= <nothing-like-this>", "no vocabulary"), ("root ::= *", "no rule"), ("root ::= [\\ud800]", "no character"),
           ("", ""), ("%", "")]


LARK = [
    ("""
    // a call
    start: call ("," call)* -> calls
    ?call.2: NAME "(" [arg (";" arg)*] ")"
    !arg: SIGNED_NUMBER | ESCAPED_STRING | "yes"i | call
    NAME.3: /[a-z_]\\w{0,9}/   # a terminal
    %import common (SIGNED_NUMBER, ESCAPED_STRING)
    %import common.WS -> BLANKS
    %ignore BLANKS
    """, ["f()", "f( -1.5e3 ; YeS)", " g ( \"a\\\"b\" ) , h(i(1))\n", "f(.5;1.)"],
     ["f(", "f(1 2)", "F()", "f(yes;)", "f( - 1)", "f(\"a)", ""]),
    ("""start: "a".."c" HEX~2..3 | tail
         | /x.z/s
    tail: "\\n" /q+/i
        | WORD
    HEX: "0".."9" | "a".."f"
    %import common.WORD
    """, ["a0f", "c999", "x\nz", "\nQq", "word"], ["d00", "a0", "a0g", "x-", "w0rd"]),
    ('start: x+ "!"?\nx: "\\x41" | "\\u00e9" | "\\d" | "\\"" | "/"', ["A", "é\\d\"/!"], ["a", "d", "!"]),
    ("start: (a | b)* \n%ignore /;+/\na: \"a\"\nb: \"b\" a", ["", ";;", "a;b;;a;", ";ba"], ["b", "b;;b", "c"]),
    ("%import common.CNAME\n%import common.INT\n%import common.NEWLINE\nstart: (line NEWLINE)+\nline: CNAME \"=\" sum\n"
     "sum: sum \"+\" atom | atom\natom: INT | CNAME | \"(\" sum \")\"", ["a=1+b\n", "a=(1+(2))\r\n\nb=c\n"], ["a=1", "1=a\n", "a=1+\n"]),
    ("start: C_COMMENT | SQL_COMMENT | FLOAT | SIGNED_INT\n%import common (C_COMMENT, SQL_COMMENT, FLOAT, SIGNED_INT)",
     ["/* a * b **/", "--x", "1.5", "1e-5", "-7", ".5"], ["/* a", "-", "1.5.", "+-1"]),
]
LARK_REFUSED = [("start: x", "'x' is used and not defined"), ("begin: \"a\"", "'start'"), ("start: \"a", "line 1, column 9"),
                ("start: /a", "without its end"), ("start: /a(?=b)/", "look-around"), ("start: /^a/", "anchor"), ("start: (\"a\"", "not closed"),
                ("start: sep{x, \",\"}", "template"), ("start: A\n%declare A", "directive"), ("%import common.NOPE\nstart: \"a\"", "'common'"),
                ("%import python.NAME\nstart: NAME", "'common'"), ("start: A\nA: b\nb: \"x\"", "a rule inside of a terminal"),
                ("start[lazy]: /a*/", "attributes"), ("start: A & B", "not supported"), ("start: \"b\"..\"a\"", "range"),
                ("start: \"a\"\nstart: \"b\"", "twice"), ("start \"a\"", "':'"), ("start: %json {", "JSON"), ("start: \"a\"~3..1", "backwards")]


def main():
    for g, good, bad in LARK:
        parser = lark.Lark(g, parser="earley", lexer="dynamic_complete")
        for t in good + bad:
            if accepts(parser, t) != (t in good):
                print("Lark judges %r otherwise under %s" % (t, g), file=sys.stderr)
        print(json.dumps({"lark": g, "tests": [[t, True] for t in good] + [[t, False] for t in bad]}, ensure_ascii=False))
    for g, word in LARK_REFUSED:
        print(json.dumps({"refused": g, "says": word}, ensure_ascii=False))
    for g, good, bad in KNOWN:
        print(json.dumps({"grammar": g, "tests": [[t, True] for t in good] + [[t, False] for t in bad]}, ensure_ascii=False))
    for g, word in REFUSED:
        print(json.dumps({"refused": g, "says": word}, ensure_ascii=False))
    for row in random_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 160):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
