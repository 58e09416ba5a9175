"""Small templates, each for one feature; made into micro.json by make_golden.py."""

CONTEXT = {
    "s": "Hello World", "pad": "  pad\tded \n", "u": "Größe ßİ ﬁ Σας 世界🌍", "n": 42, "m": -7, "f": 2.5, "tiny": 1e-7, "big": 1e20, "yes": True, "no": False, "nil": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "mixed": [1, "a", None, 2.0, True], "d": {"a": 1, "b": "x", "items": [1], "k y": None, "B": 2},
    "deep": {"z": {"y": [1, {"x": "deep"}]}}, "lo": [{"role": "user", "c": "hi", "n": 2}, {"role": "system", "c": "yo", "n": 1}, {"role": "User", "c": None}],
    "text": "line one\nline two\r\n\n  three\x0b\x0cfour", "quote": "it's \"x\" \\ \x00\x7f\u2028<b>&", "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}],
}

TEMPLATES = r"""
# output and str()
{{ none }} {{ true }} {{ false }} {{ 1 }} {{ -1 }} {{ 1.0 }} {{ 1.5e300 }} {{ big }} {{ tiny }} {{ 1e16 }} {{ 123456789.125 }} {{ 0.1 + 0.2 }}
{{ undef }}|{{ [undef] }}|{{ undef ~ 'x' }}
{{ l }} {{ ls }} {{ mixed }} {{ d }} {{ () }} {{ (1,) }} {{ (1, 2) }} {{ 1, 2 }} {{ {} }} {{ [] }} {{ range(3) }} {{ range(1, 9, 2) }}
{{ [quote, u, text] }}
{{ ["a'b", 'a"b', "a'b\"c", 'tab\t', 'nl\n', 'bs\\'] }}
{{ {1: 'a', none: 2, true: 3, 1.5: [4]} }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }}
# literals
{{ 'a' "b" 'c' }} {{ "\x41\u00e9\U0001f30d\101\n\t\\\'\"" }} {{ '\q \é' }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1_0.5_0 }} {{ 1e3 }} {{ 12.5E-1 }}
{{ [1, 2, ] }} {{ {'a': 1, } }} {{ {'a': {'b': {}}} }}
{{ True }} {{ False }} {{ None }}
# operators
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 - 0.9 }} {{ 1e308 * 10 }} {{ true + true }} {{ -true }} {{ +5 }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2] }} {{ [1, 2] * 2 }} {{ (1,) + (2,) }} {{ 'x' * -1 }}|
{{ 1 ~ 'a' ~ none ~ [1] ~ 2.0 }} {{ (1 + 2) ~ 3 * 4 }}
{{ 1 + 2 ~ 3 }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 'a' }} {{ [1, [2]] == [1, [2]] }} {{ (1,) == [1] }} {{ {'a': 1} == {'a': 1.0} }} {{ none == false }} {{ undef == none }} {{ undef == undef2 }} {{ 'a' != 1 }}
{{ 1 < 2 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 > 1 }} {{ 1 == 1 == 1.0 }} {{ 'Z' < 'a' }} {{ 1 <= 1 >= 1 }}
{{ 1 in l }} {{ 'Hello' in s }} {{ 'x' not in s }} {{ 'a' in d }} {{ 9 in l }} {{ '' in s }} {{ 1 in undef }} {{ 'a' in ['a', 'b'] and 'c' not in ['a'] }} {{ 2 in range(5) }}
{{ yes and 'x' }} {{ no or 'y' }} {{ not yes }} {{ not not l }} {{ '' or 0 or none or 'z' }} {{ 1 and 2 or 3 }} {{ not 1 == 2 }}
{{ 'a' if yes else 'b' }} {{ 'a' if no }}| {{ 'a' if no else 'b' if no else 'c' }} {{ ('x' if undef else 'y') }}
{{ '%s is %d and %.2f %r %5s|%-5s|%05d %x %%' % ('a', 3, 2.5, 'q', 'b', 'c', 42, 255) }} {{ '%s' % 'one' }} {{ '%(a)s-%(b)s' % d }} {{ '%+d % d %e %g' % (1, 2, 12345.678, 0.0001) }}
{{ 'a' is defined and undef is not defined or 1 / 0 }}
{{ 1 + 2 is odd }} {{ (1 + 2) is odd }} {{ -3|abs }} {{ 'a' + 'b'|upper }} {{ 10 - 2 - 3 }} {{ 2 * 3 % 4 }}
# errors
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ undef + 1 }}
{{ undef.x }}
{{ undef['x'] }}
{{ undef() }}
{{ none() }}
{{ d.missing.x }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 1 in none }}
{{ 1 in s }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ -'a' }}
{{ raise_exception('no: ' ~ s) }}
{{ raise_exception() }}
{{ l.append(4) }}
{{ d.update({'x': 1}) }}
{{ d.pop('a') }}
{{ l|nofilter }}
{{ l is notest }}
{% if no %}{{ l|nofilter }}{{ l is notest }}{% endif %}fine
{% if yes %}{{ l|nofilter }}{% endif %}
{% if no %}{% for x in l %}{{ x|nofilter }}{% endfor %}{% endif %}
{% for x in none %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for a, b in l %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% set a, b = 1 %}
{% set a, b = (1, 2, 3) %}
{% set x.y = 1 %}
{% set n.y = 1 %}
{% include 'x' %}
{% if no %}{% include 'x' %}{% endif %}fine
{% import 'x' as y %}
{% do l.append(1) %}
{% unknown %}
{% if yes %}
{% for x in l %}
{% endif %}
{{ x
{{ 'unclosed }}
{{ (1, 2 }}
{{ 1 2 }}
{{ }}
{% %}
{# unclosed
{% raw %} unclosed
{{ f(a=1, a=2) }}
{{ f(a=1, 2) }}
{{ x is odd is even }}
{{ 1 ? 2 }}
{{ a! }}
{% set true = 1 %}
{% set 1 = 1 %}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f(a, a) %}{% endmacro %}
{% break %}
{% for x in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}
{% for loop in l %}{% endfor %}
{% for x in l %}{% set loop = 1 %}{% endfor %}
{% call s %}{% endcall %}
{{ {}[[]] }}|{{ {[]: 1} }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ 'a' % 'b' }}
{{ '%(x)s' % d }}
{{ '{}'.format() }}
{{ s[none:2:0] }}
{{ l['a':] }}
{{ none[1:] }}{{ nil[1:] }}
{{ s.nomethod() }}
{{ namespace(_a=1) }}
{% set ns = namespace() %}{% set ns._a = 1 %}
{{ range(200000) }}
{{ [1, 'a']|sort }}
{{ l|join('x', 'y', 'z') }}
{{ l|first(1) }}
{{ l|default(nokey=1) }}
{{ lo|map }}{{ lo|map|list }}
{{ lo|map('nofilter')|list }}
{{ lo|select('notest')|list }}
{{ (l|map('string'))|length }}
{{ (l|map('string'))|last }}
{{ none|length }}
{{ 5|list }}
{{ d|items|list|tojson }} {{ l|items|list }}
{{ undef|tojson }}
{{ [1, undef]|tojson }}
{{ range(3)|tojson }}
{{ namespace(a=1)|tojson }}
# variables and scopes
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (a, b), c = (3, 4), 5 %}{{ a }}{{ b }}{{ c }}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% for i in l %}{{ x }}{% set x = i %}{{ x }} {% endfor %}{{ x }}
{% for i in l %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}
{{ n }}{% set n = 1 %}{{ n }}
{% if no %}{% set n = 1 %}{% endif %}{{ n }}
{% if yes %}{% set n = 1 %}{% endif %}{{ n }}
{% if no %}{% set q = 1 %}{% endif %}{{ q is defined }}
{% set n = 5 %}{% macro f() %}{{ n }}{{ m }}{% endmacro %}{{ f() }}{% set n = 6 %}{{ f() }}
{% macro f() %}{{ q }}{% endmacro %}{% set q = 6 %}{{ f() }}
{% for q in l %}{% macro f() %}{{ q }}{% endmacro %}{{ f() }}{% endfor %}
{% set ns = namespace(a=1, b='x') %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns['a'] }}{{ ns.c is defined }}
{% set ns = namespace() %}{% set ns.l = [] %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% with %}{% set z = 3 %}{{ z }}{% endwith %}{{ z }}
{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% set x %}block {{ n }}{% endset %}[{{ x }}]{% set x | upper | trim %}  block {{ n }} {% endset %}[{{ x }}]
{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}
{% filter upper %}a{{ s }}{% endfilter %} {% filter replace('a', 'b')|title %}aa cc{% endfilter %}
{% block one %}{{ n }}{% set zz = 2 %}{{ zz }}{% endblock %}{{ zz }} {% set n = 3 %}{% block two %}{{ n }}{% for i in l %}{{ n }}{% endfor %}{% endblock two %}
{% autoescape false %}{{ '<' }}{% endautoescape %}
{% print 1, 'a' %}
{% generation %}{{ n }}{% set w = 1 %}{% endgeneration %}{{ w }}
# for
{% for x in l %}{{ x }}{% endfor %} {% for x in [] %}{{ x }}{% else %}none{% endfor %} {% for k in d %}{{ k }},{% endfor %} {% for c in 'añ🌍' %}{{ c }}.{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k, v in d|items %}{{ k }}{% endfor %} {% for k, v in d|dictsort %}{{ k }}{% endfor %}
{% for x in ls %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in ls %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.cycle('o', 'e') }}{{ loop.changed(x|lower) }} {% endfor %}
{% for x in ls %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ loop.last }} {% endfor %}
{% for x in l if x > 5 %}{{ x }}{% else %}nothing{% endfor %}
{% for m in lo if m.role == 'user' %}{{ m.c }}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in l %}{% set outer = loop %}{% for y in ls %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% break %}{% else %}else{% endfor %} {% for x in l %}{% continue %}{% else %}else{% endfor %}
{% for n in tree recursive %}{{ n.v }}({{ loop(n.c) }}){{ loop.depth }}{% endfor %}
{% for n in tree recursive %}{{ n.v }}{% if n.c %}[{{ loop(n.c)|upper }}]{% endif %}{% else %}leaf{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in undef %}{{ x }}{% else %}empty{% endfor %}
{% for x in l %}{% if loop.first %}first{% elif loop.last %}last{% else %}mid{% endif %}{% endfor %}
{% for x in l|map('string') %}{{ loop.last }}{{ loop.length }}{{ x }}{% endfor %}
{% for m in lo[::-1] %}{{ m.role }}{% endfor %} {% for x in l|reverse %}{{ x }}{% endfor %}
{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% if l: %}colon{% endif %}
{% if 1, 2 %}tuple{% endif %}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
# macros
{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(1, c=4) }} {{ f() }} {{ f(b=1, a=2) }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}
{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }} {{ f(1) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}
{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}body {{ n }}{% endcall %}
{% macro f(x) %}[{{ caller(x, 2) }}]{% endmacro %}{% call(a, b=3) f(1) %}{{ a }}-{{ b }}{% endcall %}
{% macro f() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ f() }}{% call f() %}x{% endcall %}
{% macro fact(n) %}{{ n if n <= 1 else n * fact(n - 1)|int }}{% endmacro %}{{ fact(5) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(*[1]) }}{{ f(**{'a': 2}) }}{{ f.name }}{{ f.arguments }}
{% macro f() %}{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}{% endmacro %}{{ f() }}|{{ f()|length }}
{% macro f(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ f(1) }}{{ x }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}
{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}{{ f(none) }}{{ f(undef) }}
# white space
a {{- 1 -}} b {{ 2 }} c
{% if yes -%}   x   {%- endif %}  y
{# comment #}
a
{#- comment -#}
b
    {# indented #}
c
a {# x #} b
{% raw %}{{ x }}{% if %}{% endraw %}
  {%- raw -%}  a  {{ b }}  {%- endraw -%}  c
 {{ n }} 
{{ n }}

{{- '\n' -}}x
x{{ "\n" }}
{{ '{{' }}{{ '}}' }}{{ '{%' }}
a{{+ 1 }}b{{ -1 }}c{{-1}}d
# attributes, items, slices
{{ d.a }}{{ d['b'] }}{{ d.get('a') }}{{ d.get('zz') }}{{ d.get('zz', 5) }}{{ d['items'] }}{{ d.missing }}|{{ deep.z.y[1].x }}{{ deep['z']['y'][0] }}
{{ l[0] }}{{ l[-1] }}{{ l[9] }}|{{ l.0 }}{{ l[true] }}{{ l['x'] }}{{ s[0] }}{{ s[-1] }}{{ u[3] }}{{ u[-1] }}{{ s[99] }}|{{ none.x }}{{ none['x'] }}{{ n.x }}|{{ range(5)[2] }}
{{ s[1:4] }} {{ s[:3] }} {{ s[-3:] }} {{ s[::-1] }} {{ s[::2] }} {{ s[5:1] }}|{{ u[4:8] }} {{ u[::-1] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ (1, 2, 3)[1:] }} {{ l[10:] }} {{ s[-100:2] }} {{ l[2:0:-1] }} {{ range(9)[2:8:3]|list }}
{{ d.__class__ }}|{{ s.__len__ is defined }}|{{ l.append is defined }}|{{ d.keys is callable }}
{{ d[n] }}|{{ d[[1]] }}|{{ d[undef] }}|{{ {1: 'one'}[true] }}{{ {1: 'one'}[1.0] }}
{{ lo[0]['role'] }}{{ lo[0].role }}{{ (lo|first).c }}{{ (lo|last)['role'] }}
# string methods
{{ pad.strip() }}|{{ pad.lstrip() }}|{{ pad.rstrip() }}|{{ 'xxaxx'.strip('x') }}{{ 'abcba'.lstrip('ab') }}{{ 'a\n'.rstrip('\n') }}|{{ '\u3000é\u00a0'.strip() }}
{{ s.split() }} {{ s.split('o') }} {{ s.split('o', 1) }} {{ ' a  b '.split() }} {{ ' a  b '.split(' ') }} {{ 'a,b,,c'.split(',') }} {{ ''.split() }} {{ ''.split(',') }} {{ s.split('l', maxsplit=2) }} {{ s.split(none, 1) }}
{{ s.rsplit('o', 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ s.rsplit('zz') }} {{ text.splitlines() }} {{ 'a\nb\n'.splitlines(true) }} {{ 'a:b:c'.partition(':') }} {{ 'a:b:c'.rpartition(':') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ s.startswith('Hell') }}{{ s.endswith('d') }}{{ s.startswith(('x', 'H')) }}{{ s.startswith('ello', 1) }}{{ s.endswith('o', 0, 5) }}{{ ''.startswith('') }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }} {{ s.find('o') }}{{ s.find('o', 5) }}{{ s.rfind('o') }}{{ s.find('zz') }}{{ u.find('世') }}{{ s.index('W') }}{{ s.count('l') }}{{ s.count('') }}{{ 'aaaa'.count('aa') }}
{{ s.upper() }}{{ s.lower() }}{{ "it's a dog".title() }}{{ 'hELLO wORLD'.capitalize() }}{{ s.swapcase() }} {{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.swapcase() }} {{ u.capitalize() }} {{ 'ΑΣ ΑΣ. Σ'.lower() }}
{{ ', '.join(ls) }} {{ '-'.join('abc') }} {{ ''.join([]) }}|{{ '{} {}'.format(1, 'a') }} {{ '{0}{1}{0}'.format(1, 2) }} {{ '{a} {b[0]} {c.role}'.format(a=1, b=[2], c=lo[0]) }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}|{:05d}|{:.2f}|{:,}|{:x}|{:+d}|{:%}|{!r}|{{}}'.format('a', 'b', 'c', 'd', 42, 3.14159, 1234567, 255, 5, 0.25, 'q') }}
{{ 'abc'.isalpha() }}{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ ' '.isspace() }}{{ 'AB'.isupper() }}{{ 'ab'.islower() }}{{ 'Ab Cd'.istitle() }}{{ ''.isalpha() }}{{ '²'.isdigit() }}{{ '½'.isnumeric() }}{{ 'é'.isascii() }}{{ 'x y'.isidentifier() }}
{{ 'a'.center(5, '*') }}{{ 'ab'.center(5) }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '0') }}|{{ '-5'.zfill(4) }}|{{ 'a\tb'.expandtabs(4) }}|{{ 'prefix'.removeprefix('pre') }}{{ 'file.py'.removesuffix('.py') }}
{{ l.index(1) }}{{ l.count(3) }}{{ (1, 2).index(2) }}{{ l.copy() }}{{ d.copy() == d }}{{ dict(a=1, **{'b': 2}) }}{{ dict([('x', 1)]) }}{{ (2.0).is_integer() }}
# filters
{{ s|upper }}{{ s|lower }}{{ 'hello wORLD-foo (bar)'|title }}{{ 'hELLO'|capitalize }}{{ pad|trim }}|{{ 'xax'|trim('x') }}{{ none|upper }}{{ 5|string ~ 1 }}
{{ l|length }}{{ s|length }}{{ u|length }}{{ d|count }}{{ undef|length }}{{ l|first }}{{ l|last }}{{ s|first }}{{ []|first }}|{{ undef|last }}|{{ d|first }}{{ d|last }}
{{ l|sort }} {{ ls|sort }} {{ ls|sort(case_sensitive=true) }} {{ l|sort(reverse=true) }} {{ lo|sort(attribute='role')|map(attribute='role')|list }} {{ [{'a': 2, 'b': 1}, {'a': 1, 'b': 2}]|sort(attribute='a,b') }} {{ d|dictsort }} {{ d|dictsort(true) }} {{ {'a': 2, 'b': 1}|dictsort(by='value') }} {{ {'a': 2, 'b': 1}|dictsort(reverse=true) }}
{{ l|reverse|list }} {{ s|reverse }} {{ ['a', 'A', 'b']|unique|list }} {{ ['a', 'A', 'b']|unique(true)|list }} {{ lo|unique(attribute='role')|map(attribute='c')|list }} {{ l|list }} {{ 'abc'|list }} {{ d|list }}
{{ l|join }} {{ l|join(', ') }} {{ lo|join('-', attribute='role') }} {{ s|join('.') }} {{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ 55|replace('5', 6) }}
{{ undef|default('x') }}{{ undef|d }}|{{ ''|default('x') }}|{{ ''|default('x', true) }}{{ none|default('x') }}{{ none|d('x', boolean=true) }}{{ undef.y|default('q') if undef is defined else 'no' }}
{{ '42'|int }}{{ '4.7'|int }}{{ 'x'|int }}{{ 'x'|int(9) }}{{ '0x1f'|int(0, 16) }}{{ '12'|int(base=8) }}{{ none|int }}{{ true|int }}{{ 3.9|int }}{{ ' 7 '|int }}{{ '1_000'|int }} {{ '1.5'|float }}{{ 'x'|float }}{{ 'x'|float(2.0) }}{{ 3|float }}{{ '1e3'|float }}{{ 'inf'|float }}
{{ -5|abs }}{{ (-5)|abs }}{{ 2.567|round }}{{ 2.567|round(2) }}{{ 2.5|round }}{{ 3.5|round }}{{ 2.1|round(0, 'ceil') }}{{ 2.9|round(method='floor') }}{{ 5|round }}{{ 1234|round(-2) }}{{ 2.675|round(2) }}{{ 2|round|int }}
{{ l|sum }}{{ [1.5, 2]|sum }}{{ lo[:2]|sum(attribute='n') }}{{ l|sum(start=10) }}{{ []|sum }}{{ l|min }}{{ l|max }}{{ ls|min }}{{ ls|max }}{{ lo[:2]|max(attribute='n') }}{{ []|max }}|{{ s|max }}
{{ l|map('string')|list }} {{ lo|map(attribute='role')|join(',') }} {{ lo|map(attribute='zz', default='?')|list }} {{ ls|map('upper')|list }} {{ [' a ']|map('trim')|list }} {{ ['a']|map('replace', 'a', 'b')|list }} {{ [[1, 2]]|map('first')|list }} {{ [[1, 2]]|map(attribute=1)|list }} {{ [deep]|map(attribute='z.y.0')|list }} {{ [1]|map('default', 5)|list }}
{{ l|select('odd')|list }} {{ mixed|select|list }} {{ mixed|reject|list }} {{ l|reject('odd')|list }} {{ l|select('gt', 1)|list }} {{ l|select('==', 1)|list }} {{ l|select('in', [1, 2])|list }} {{ lo|selectattr('role', 'equalto', 'user')|list }} {{ lo|rejectattr('role', 'eq', 'user')|map(attribute='role')|list }} {{ lo|selectattr('c')|list|length }} {{ lo|selectattr('n', 'defined')|list|length }} {{ lo|selectattr('c', 'none')|list }}
{{ (lo|selectattr('role', 'equalto', 'tool')) is defined }}{% if lo|selectattr('role', 'equalto', 'tool') %}generators are true{% endif %}{% if lo|selectattr('role', 'equalto', 'tool')|list %}no{% endif %}
{% set g = l|map('string') %}{{ g|list }}{{ g|list }}
{{ (l|map('string'))[0] }}|{{ (l|map('string'))|first }}
{{ lo|groupby('role')|list|length }}{% for g in lo|groupby('role') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}{% for k, v in lo|groupby('n', default=0) %}{{ k }}{{ v|length }}{% endfor %} {{ [{'a': 1}]|groupby('a') }}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 'x')|list }} {{ range(7)|slice(3)|list }} {{ range(7)|slice(3, 'x')|list }}
{{ text|indent }} {{ 'a\n\nb'|indent(2) }} {{ 'a\nb'|indent(2, true) }} {{ 'a\n\nb'|indent(2, blank=true) }} {{ 'a\nb'|indent('> ') }} {{ 'a\nb\n'|indent }}|
{{ '<a href="x">\'&'|e }} {{ '<'|escape }} {{ '<'|safe }} {{ '<'|safe + '<' }} {{ '<' + '>'|safe }} {{ '<'|e|e }} {{ '<'|e|forceescape }} {{ ('<'|safe).upper() is escaped }}
{{ 'a b'|wordcount }}{{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '..', 0) }} {{ 'a'|center(5) }}| {{ '%s-%s'|format('a', 'b') }} {{ '%(x)s'|format(x=1) }} {{ 1000000|filesizeformat }} {{ 1024|filesizeformat(true) }} {{ 1|filesizeformat }} {{ 'a b/c?é'|urlencode }} {{ {'a b': 1}|urlencode }} {{ {'class': 'x', 'n': none}|xmlattr }}
{{ d|attr('a') }}|{{ d|attr('items') is callable }}|{{ d|items|list }}{{ undef|items|list }}
# tojson
{{ d|tojson }} {{ mixed|tojson }} {{ quote|tojson }} {{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ big|tojson }} {{ 1.0|tojson }} {{ none|tojson }} {{ {}|tojson }} {{ []|tojson }} {{ (1, 2)|tojson }} {{ 'a/b<>&\''|tojson }}
{{ deep|tojson(indent=2) }}
{{ {'b': [], 'a': {}, 'c': [1, [2]]}|tojson(indent=4) }} {{ [1]|tojson(indent=0) }} {{ [1]|tojson(indent='--') }}
{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ {'a': [1, 2]}|tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }} {{ [1, 2]|tojson(separators=(', ', ': '), indent=2) }}
# tests
{{ n is defined }}{{ undef is defined }}{{ undef is undefined }}{{ nil is none }}{{ s is string }}{{ n is number }}{{ f is number }}{{ yes is number }}{{ n is integer }}{{ yes is integer }}{{ f is float }}{{ yes is boolean }}{{ n is boolean }}{{ d is mapping }}{{ l is mapping }}{{ l is iterable }}{{ s is iterable }}{{ n is iterable }}{{ l is sequence }}{{ s is sequence }}{{ d is sequence }}{{ n is sequence }}{{ undef is sequence }}{{ undef is iterable }}{{ d.items() is sequence }}{{ d.items() is iterable }}
{{ yes is true }}{{ no is false }}{{ 1 is true }}{{ 1 is in l }}{{ 1 is in(l) }}{{ 'a' is in 'abc' }}{{ 1 is eq 1 }}{{ 1 is equalto 1.0 }}{{ 1 is ne 2 }}{{ 1 is lt 2 }}{{ 1 is gt 2 }}{{ 1 is ge 1 }}{{ 1 is le 0 }}{{ 4 is even }}{{ 3 is odd }}{{ 9 is divisibleby 3 }}{{ nil is sameas none }}{{ 1 is sameas true }}{{ range is callable }}{{ s is callable }}{{ undef is callable }}{{ 'a' is lower }}{{ 'A' is upper }}{{ 'upper' is filter }}{{ 'x' is filter }}{{ 'odd' is test }}{{ s is escaped }}
{{ n is not none }}{{ not n is none }}{{ n is not none and s is string }}{{ (n is none) or yes }}{{ n is defined and n > 5 }}{{ s is not mapping and s is not number }}
# globals
{{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %d %b %j %p %y %%') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('') }}|{{ strftime_now('%f%z%Z') }}
{{ range(5)|list }}{{ range(2, 5)|list }}{{ range(5, 0, -2)|list }}{{ range(0)|list }}{{ range(3)|length }}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('; ') %}{{ j() }}x{{ j() }}y
"""


def sections():
    """(title, templates) of TEMPLATES: a template is one line."""
    result = []
    for line in TEMPLATES.split("\n")[1:-1]:
        if line.startswith("# "):
            result.append((line[2:], []))
        else:
            result[-1][1].append(line)
    return result


def templates():
    return [t for _, lines in sections() for t in lines] + WHITE_SPACE


WHITE_SPACE = [
    "  {% if yes %}\n    x\n  {% endif %}\ny", "  {%+ if yes +%}\nx\n  {%- endif +%}\ny", "{# comment #}\na\n{#- comment -#}\nb\n    {# indented #}\nc", "a {# x #} b\n",
    "  {%- raw -%}  a  {{ b }}  {%- endraw -%}  c", " {{ n }} \n{{ n }}\n\n", "x\n\n{{- '\\n' -}}\n  x", "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}\n", "{% for x in l %}\n- {{ x }}\n{% endfor %}\nend\n",
    "a\r\nb\rc{{ 'x\r\ny' }}\r\n", "\t{% set x = 1 %}\t{{ x }}", "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\n  b", "{% set x = [\n  1,\n  2\n] %}\n{{ x\n}}", "x  {#- a\n b -#}  y\n{#+ c +#}\nz", "\u00a0{%- if yes %} {% endif -%}\u2003x",
    "", "\n", "\n\n", "a\n", "a\n\n", "{{ n }}\n", "{%if yes%}a{%endif%}", "{{n}}{{-n-}} {{ n}}", "a{#", "{% raw %}", "{%", "{{", "{%-", "{{ 1 }", "{{ '}}' }}", "{{ \"%}\" }}", "{% set x = '%}' %}{{ x }}", "{ { } } {a} %} }} #}",
    "  {% set a = 1 %}  \n  {{ a }}", "{% if yes %}\n\n{% endif %}x", "{%- if yes -%}\n\n a \n\n{%- else -%} b {%- endif -%} \n c",
]
