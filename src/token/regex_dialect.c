/* regex_dialect.c: what Oniguruma writes differently from PCRE2, or means differently by the same letters:
 *
 *     \s \w \h \v \b            other sets of characters; \h is a hexadecimal digit, \v one character
 *     \p{Han} \p{Letter}        scripts by name alone, long names of categories
 *     [a[bc]] [a&&[^b]]         classes in classes, intersections
 *     x{2,3}+ x{2}? x{,3}       a quantifier of a quantifier, not a possessive or a lazy one
 *     (?m) \uHHHH               dot matches newlines; a code point
 *
 * One pass from left to right; what needs no change is copied. Source: Oniguruma's doc/RE, pcre2pattern(3). */
#include "token/regex_dialect.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>

enum { GROUPS_MAX = 200, OPERANDS_MAX = 4, NAME_MAX_BYTES = 48 };

/* Members of classes. White space is the property White_Space; a word is Alphabetic, Mark, Decimal_Number,
 * Connector_Punctuation and, unlike elsewhere, the superscripts and fractions of Latin-1. */
#define SPACE "\\t-\\r \\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                                       \
	"\\x00-\\x08\\x0e-\\x1f!-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
	"\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe"
#define HEX "0-9A-Fa-f"
#define BOUNDARY "(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "])"
#define NO_BOUNDARY "(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "])"

struct translator {
	const char *p;
	size_t n, at;
	enum regex_names names;
	struct buf *out;
	size_t atom; /* where in out the last thing that a quantifier could follow begins */
	size_t groups[GROUPS_MAX];
	unsigned depth;
	bool failed; /* no memory */
	const char *unsupported;
};

static void put(struct translator *t, const char *text, size_t bytes)
{
	if (!buf_add(t->out, text, bytes))
		t->failed = true;
}

static void puts_to(struct translator *t, const char *text)
{
	put(t, text, strlen(text));
}

static char peek(const struct translator *t, size_t ahead)
{
	return t->at + ahead < t->n ? t->p[t->at + ahead] : '\0';
}

static void copy(struct translator *t, size_t bytes)
{
	if (bytes > t->n - t->at)
		bytes = t->n - t->at;
	put(t, t->p + t->at, bytes);
	t->at += bytes;
}

/* ---- Properties -------------------------------------------------------------------------------------------------- */

/* Is the name (without blanks, hyphens, underscores and case) that of a general category? Then how PCRE2 writes it. */
static const char *category(const char *name)
{
	static const char *const names[][3] = {
		{"l", "letter", "L"},
		{"lu", "uppercaseletter", "Lu"},
		{"ll", "lowercaseletter", "Ll"},
		{"lt", "titlecaseletter", "Lt"},
		{"lm", "modifierletter", "Lm"},
		{"lo", "otherletter", "Lo"},
		{"lc", "casedletter", "L&"},
		{"m", "mark", "M"},
		{"mn", "nonspacingmark", "Mn"},
		{"mc", "spacingmark", "Mc"},
		{"me", "enclosingmark", "Me"},
		{"n", "number", "N"},
		{"nd", "decimalnumber", "Nd"},
		{"nl", "letternumber", "Nl"},
		{"no", "othernumber", "No"},
		{"p", "punctuation", "P"},
		{"pc", "connectorpunctuation", "Pc"},
		{"pd", "dashpunctuation", "Pd"},
		{"ps", "openpunctuation", "Ps"},
		{"pe", "closepunctuation", "Pe"},
		{"pi", "initialpunctuation", "Pi"},
		{"pf", "finalpunctuation", "Pf"},
		{"po", "otherpunctuation", "Po"},
		{"s", "symbol", "S"},
		{"sm", "mathsymbol", "Sm"},
		{"sc", "currencysymbol", "Sc"},
		{"sk", "modifiersymbol", "Sk"},
		{"so", "othersymbol", "So"},
		{"z", "separator", "Z"},
		{"zs", "spaceseparator", "Zs"},
		{"zl", "lineseparator", "Zl"},
		{"zp", "paragraphseparator", "Zp"},
		{"c", "other", "C"},
		{"cc", "control", "Cc"},
		{"cf", "format", "Cf"},
		{"co", "privateuse", "Co"},
		{"cn", "unassigned", "Cn"},
		{"cs", "surrogate", "Cs"},
		{"digit", "digit", "Nd"},
		{"any", "any", "Any"},
		{"alpha", "alphabetic", "Alphabetic"},
		{"lower", "lowercase", "Lowercase"},
		{"upper", "uppercase", "Uppercase"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i][0]) == 0 || strcmp(name, names[i][1]) == 0)
			return names[i][2];
	return NULL;
}

/* After \p or \P: {Name}, {^Name} or a single letter. */
static void property(struct translator *t, bool negated)
{
	char name[NAME_MAX_BYTES], plain[NAME_MAX_BYTES];
	size_t n = 0, m = 0;
	if (peek(t, 0) != '{') {
		puts_to(t, negated ? "\\P" : "\\p");
		copy(t, 1);
		return;
	}
	t->at++;
	if (peek(t, 0) == '^') {
		negated = !negated;
		t->at++;
	}
	for (; t->at < t->n && peek(t, 0) != '}' && n < sizeof name - 1; t->at++) {
		char c = peek(t, 0);
		name[n++] = c;
		if (c != ' ' && c != '_' && c != '-')
			plain[m++] = (char)tolower((unsigned char)c);
	}
	name[n] = plain[m] = '\0';
	if (peek(t, 0) != '}') {
		t->unsupported = "a property with a very long name";
		return;
	}
	t->at++;
	const char *known = category(plain);
	puts_to(t, negated ? "\\P{" : "\\p{");
	if (!known && t->names == REGEX_NAMES_SCRIPT)
		puts_to(t, "sc:");
	puts_to(t, known ? known : name);
	puts_to(t, "}");
}

/* After \u: four digits. */
static void code_point(struct translator *t)
{
	puts_to(t, "\\x{");
	copy(t, 4);
	puts_to(t, "}");
}

/* ---- Classes ----------------------------------------------------------------------------------------------------- */

/* An escape inside a class; t->at is at the backslash. */
static void class_escape(struct translator *t)
{
	char c = peek(t, 1);
	t->at += 2;
	switch (c) {
	case 's': puts_to(t, SPACE); return;
	case 'S': puts_to(t, NOT_SPACE); return;
	case 'w': puts_to(t, WORD); return;
	case 'd': puts_to(t, "\\p{Nd}"); return;
	case 'D': puts_to(t, "\\P{Nd}"); return;
	case 'h': puts_to(t, HEX); return;
	case 'v': puts_to(t, "\\x0b"); return;
	case 'p': property(t, false); return;
	case 'P': property(t, true); return;
	case 'u': code_point(t); return;
	case 'W':
	case 'H':
	case 'R':
	case 'X': t->unsupported = "\\W, \\H, \\R or \\X in a class"; return;
	default:
		puts_to(t, "\\");
		t->at--;
		copy(t, 1);
	}
}

/* One operand of an intersection: the members of a class, without brackets. */
struct operand {
	struct buf members;
	bool negated;
};

static void class(struct translator *t, unsigned depth);

/* A class within a class: plain members join those around it; a negated one must stand alone between && and &&. */
static void nested(struct translator *t, struct operand *o, unsigned depth)
{
	struct buf inner = {0}, *outer = t->out;
	t->out = &inner;
	class(t, depth + 1);
	t->out = outer;
	size_t skip = inner.n > 1 && inner.data[1] == '^' ? 2 : 1;
	if (!t->failed && !t->unsupported) {
		if (inner.n < 3 || inner.data[0] != '[' || (skip == 2 && (o->members.n > 0 || o->negated)))
			t->unsupported = "a negated class or an intersection among the members of a class";
		else
			put(t, inner.data + skip, inner.n - skip - 1);
		o->negated |= skip == 2;
	}
	buf_release(&inner);
}

static void operand(struct translator *t, struct operand *o, unsigned depth)
{
	struct buf *outer = t->out;
	bool first = true;
	t->out = &o->members;
	for (; t->at < t->n && !t->failed && !t->unsupported; first = false) {
		char c = peek(t, 0);
		if ((c == ']' && !first) || (c == '&' && peek(t, 1) == '&'))
			break;
		if (o->negated) {
			t->unsupported = "members after a negated class within a class";
		} else if (c == '\\') {
			class_escape(t);
		} else if (c == '[' && peek(t, 1) == ':') {
			const char *end = memchr(t->p + t->at, ']', t->n - t->at);
			copy(t, end ? (size_t)(end - (t->p + t->at)) + 1 : 1);
		} else if (c == '[') {
			nested(t, o, depth);
		} else {
			copy(t, 1);
		}
	}
	t->out = outer;
}

static void put_operand(struct translator *t, const struct operand *o)
{
	puts_to(t, o->negated ? "[^" : "[");
	put(t, o->members.data, o->members.n);
	puts_to(t, "]");
}

/* t->at is at the bracket. */
static void class(struct translator *t, unsigned depth)
{
	struct operand operands[OPERANDS_MAX] = {0};
	size_t n = 0;
	if (depth > 8) {
		t->unsupported = "classes nested that deeply";
		return;
	}
	t->at++;
	bool negated = peek(t, 0) == '^';
	t->at += negated;
	do {
		t->at += n > 0 ? 2 : 0; /* && */
		operand(t, &operands[n++], depth);
	} while (n < OPERANDS_MAX && peek(t, 0) == '&' && !t->unsupported && !t->failed);
	if (!t->unsupported && peek(t, 0) != ']')
		t->unsupported = "a class that does not end, or an intersection of very many";
	t->at++;
	if (n == 1) {
		operands[0].negated ^= negated;
		put_operand(t, &operands[0]);
	} else if (negated) {
		t->unsupported = "a negated intersection of classes";
	} else {
		puts_to(t, "(?:");
		for (size_t i = 1; i < n; i++) {
			puts_to(t, "(?=");
			put_operand(t, &operands[i]);
			puts_to(t, ")");
		}
		put_operand(t, &operands[0]);
		puts_to(t, ")");
	}
	for (size_t i = 0; i < n; i++)
		buf_release(&operands[i].members);
}

/* ---- The rest ---------------------------------------------------------------------------------------------------- */

static void escape(struct translator *t)
{
	char c = peek(t, 1);
	t->atom = t->out->n;
	t->at += 2;
	switch (c) {
	case 's': puts_to(t, "[" SPACE "]"); return;
	case 'S': puts_to(t, "[^" SPACE "]"); return;
	case 'w': puts_to(t, "[" WORD "]"); return;
	case 'W': puts_to(t, "[^" WORD "]"); return;
	case 'd': puts_to(t, "\\p{Nd}"); return;
	case 'D': puts_to(t, "\\P{Nd}"); return;
	case 'h': puts_to(t, "[" HEX "]"); return;
	case 'H': puts_to(t, "[^" HEX "]"); return;
	case 'v': puts_to(t, "\\x0b"); return;
	case 'b': puts_to(t, "(?:" BOUNDARY ")"); return;
	case 'B': puts_to(t, "(?:" NO_BOUNDARY ")"); return;
	case 'p': property(t, false); return;
	case 'P': property(t, true); return;
	case 'u': code_point(t); return;
	default:
		if (isalpha((unsigned char)c) && !strchr("AzZGKRXnrtfaexkg", c))
			t->unsupported = "an unknown escape";
		puts_to(t, "\\");
		t->at--;
		copy(t, 1);
	}
}

/* Options after "(?": m means what others call s. */
static void options(struct translator *t)
{
	for (; t->at < t->n && (strchr("imxs-", peek(t, 0)) != NULL) && peek(t, 0); t->at++) {
		char c = peek(t, 0) == 'm' ? 's' : peek(t, 0);
		put(t, &c, 1);
	}
}

static void open(struct translator *t)
{
	if (t->depth == GROUPS_MAX) {
		t->unsupported = "groups nested that deeply";
		return;
	}
	t->groups[t->depth++] = t->out->n;
	copy(t, 1);
	if (peek(t, 0) == '?') {
		copy(t, 1);
		options(t);
	}
	t->atom = t->out->n;
}

static void close(struct translator *t)
{
	if (t->depth > 0)
		t->atom = t->groups[--t->depth];
	copy(t, 1);
}

/* {n}, {n,}, {n,m} or {,m} at t->at: its bytes; 0 = a plain brace. */
static size_t interval(const struct translator *t)
{
	size_t i = 1, digits = 0, commas = 0;
	for (; t->at + i < t->n && t->p[t->at + i] != '}'; i++) {
		char c = t->p[t->at + i];
		if (!isdigit((unsigned char)c) && c != ',')
			return 0;
		digits += c != ',';
		commas += c == ',';
	}
	return t->at + i < t->n && digits > 0 && commas < 2 ? i + 1 : 0;
}

/* An interval; with a + behind it, or a ? behind a single number, it is itself what is repeated. */
static void braces(struct translator *t)
{
	size_t n = interval(t);
	if (n == 0) {
		t->atom = t->out->n;
		copy(t, 1);
		return;
	}
	bool comma = memchr(t->p + t->at, ',', n) != NULL;
	char after = peek(t, n);
	bool again = after == '+' || (after == '?' && !comma);
	size_t length = t->out->n - t->atom;
	if (again && !buf_reserve(t->out, 3)) {
		t->failed = true;
		return;
	}
	if (again) {
		memmove(t->out->data + t->atom + 3, t->out->data + t->atom, length);
		memcpy(t->out->data + t->atom, "(?:", 3);
		t->out->n += 3;
	}
	if (peek(t, 1) == ',') {
		puts_to(t, "{0");
		t->at++;
		n--;
	}
	copy(t, n);
	if (again)
		puts_to(t, ")");
}

int regex_translate(const char *pattern, size_t bytes, enum regex_names names, struct buf *out, struct kvik_err *err)
{
	struct translator t = {.p = pattern, .n = bytes, .names = names, .out = out, .atom = out->n};
	while (t.at < t.n && !t.failed && !t.unsupported) {
		switch (t.p[t.at]) {
		case '\\': escape(&t); break;
		case '[':
			t.atom = out->n;
			class(&t, 0);
			break;
		case '(': open(&t); break;
		case ')': close(&t); break;
		case '{': braces(&t); break;
		case '+':
		case '*':
		case '?': copy(&t, 1); break;
		default:
			if (!utf8_is_inner(t.p[t.at])) /* not inside a character */
				t.atom = out->n;
			copy(&t, 1);
		}
	}
	if (t.failed)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a regular expression");
	if (t.unsupported)
		return err_set(err, KVIK_ERR_UNSUPPORTED, "the regular expression '%.*s' has %s, which is not read",
			       (int)(bytes < 120 ? bytes : 120), pattern, t.unsupported);
	return 0;
}
