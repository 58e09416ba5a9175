/* caps.c: see caps.h. Each question is a conversation and a word that no template writes by itself; the answer is whether
 * the word comes out. */
#include "chat/caps.h"

#include <string.h>

#include "base/mem.h"
#include "chat/chat_text.h"

#define USER "Xk1user"
#define WORD "Xk2word"
#define TOOL "Xk3tool"
#define TOOL2 "Xk4tool"
#define KEY "Xk5key"
#define VALUE "Xk6value"
#define VALUE2 "Xk7value"
#define RESULT "Xk8result"

struct prober {
	const struct tmpl *t;
	const char *bos, *eos;
	bool for_tools; /* it is always given some */
};

static json_t *tools(void);

/* Takes the references; NULL: the template refuses. Freed with mem_free. */
static char *render(const struct prober *p, json_t *messages, json_t *tools_given)
{
	if (!tools_given && p->for_tools)
		tools_given = tools();
	static const struct tmpl_limits limits = {
		.steps = 2000000, .memory = (size_t)32 << 20, .output = (size_t)4 << 20};
	const struct chat_vars vars = {.messages = messages,
				       .tools = tools_given,
				       .bos = p->bos,
				       .eos = p->eos,
				       .add_generation_prompt = true,
				       .limits = &limits};
	struct tmpl_text text = {0};
	char *out = NULL;
	if (messages && !chat_text(p->t, &vars, &text, NULL)) {
		out = text.text;
		text.text = NULL;
	}
	tmpl_text_release(&text);
	json_decref(messages);
	json_decref(tools_given);
	return out;
}

static bool shows(const struct prober *p, json_t *messages, json_t *tools_given, const char *word)
{
	char *text = render(p, messages, tools_given);
	bool shown = text && strstr(text, word);
	mem_free(text);
	return shown;
}

static json_t *tool(const char *name)
{
	return json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}}", "type", "function", "function",
			 "name", name, "description", "What it does", "parameters", "type", "object", "properties", KEY,
			 "type", "string", "description", "A text", "required", KEY);
}

static json_t *tools(void)
{
	return json_pack("[o, o]", tool(TOOL), tool(TOOL2));
}

static json_t *content(const struct chat_caps *c, const char *text)
{
	return c->content_text ? json_string(text) : json_pack("[{s:s, s:s}]", "type", "text", "text", text);
}

static json_t *message(const struct chat_caps *c, const char *role, const char *text)
{
	return json_pack("{s:s, s:o}", "role", role, "content", content(c, text));
}

/* ---- Content and roles ------------------------------------------------------------------------------------------- */

/* A list that is printed as a list is not understood. */
static bool shows_list(const struct prober *p)
{
	char *text = render(
		p, json_pack("[{s:s, s:[{s:s, s:s}]}]", "role", "user", "content", "type", "text", "text", WORD), NULL);
	const char *at = text ? strstr(text, WORD) : NULL;
	bool shown = at && !(at > text && (at[-1] == '\'' || at[-1] == '"'));
	mem_free(text);
	return shown;
}

static void find_content(struct chat_caps *c, const struct prober *p, const char *text)
{
	c->content_list = shows_list(p);
	c->content_text = true;
	c->content_text = shows(p, json_pack("[o]", message(c, "user", WORD)), NULL, WORD) || !c->content_list;
	c->system = shows(p, json_pack("[o, o]", message(c, "system", WORD), message(c, "user", USER)), NULL, WORD);
	/* one that prints any role does not know it: it must have its name */
	c->developer =
		(strstr(text, "'developer'") || strstr(text, "\"developer\"")) &&
		shows(p, json_pack("[o, o]", message(c, "developer", WORD), message(c, "user", USER)), NULL, WORD);
}

/* ---- Tools ------------------------------------------------------------------------------------------------------- */

static json_t *call(const char *name, const char *value, const char *id, bool as_text)
{
	json_t *args = as_text ? json_sprintf("{\"" KEY "\": \"%s\"}", value) : json_pack("{s:s}", KEY, value);
	return json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", id, "type", "function", "function", "name", name,
			 "arguments", args);
}

/* A user's question, a call (or two) and its result. thoughts: the member that has the word, or NULL. */
static json_t *conversation(const struct chat_caps *c, json_t *calls, const char *id, const char *thoughts)
{
	json_t *assistant = json_pack("{s:s, s:o, s:o}", "role", "assistant", "content",
				      c->calls_null ? json_null() : content(c, ""), "tool_calls", calls);
	json_t *result = json_pack("{s:s, s:s, s:s, s:o}", "role", "tool", "tool_call_id", id, "name", TOOL, "content",
				   content(c, RESULT));
	if (thoughts)
		json_object_set_new(assistant, thoughts, json_string(WORD));
	return json_pack("[o, o, o]", message(c, "user", USER), assistant, result);
}

/* What a template writes between the question and the result; NULL: it refuses, or hides one of them. */
static char *call_text(const struct prober *p, const struct chat_caps *c)
{
	char *text = render(
		p, conversation(c, json_pack("[o]", call(TOOL, VALUE, "abcDEF123", c->calls_text)), "abcDEF123", NULL),
		tools());
	char *from = text ? strstr(text, USER) : NULL, *to = from ? strstr(from, RESULT) : NULL;
	char *part = from ? mem_strndup(from, to ? (size_t)(to - from) : strlen(from)) : NULL;
	mem_free(text);
	return part;
}

static bool any_name(void *user, const char *name, size_t bytes)
{
	(void)user;
	(void)name;
	return bytes > 0;
}

static void any_arguments(void *user, const char *text, size_t bytes)
{
	(void)user;
	(void)text;
	(void)bytes;
}

static bool any_end(void *user)
{
	return user == NULL;
}

/* How much of a text that begins with a call belongs to it. */
static size_t example_bytes(const struct call_format *f, const char *text, size_t n)
{
	struct call_parser p = {.f = f, .to = {NULL, any_name, any_arguments, any_end}};
	return call_parse(&p, text, n, true) == CALL_READ ? p.at : n;
}

/* What a format makes of a text: how many calls, and whether they are the one that was given. */
struct read_back {
	size_t calls;
	bool same;
};

static void hear(void *user, const struct answer_part *p)
{
	struct read_back *r = user;
	if (p->kind != ANSWER_CALL)
		return;
	json_t *args = json_loads(p->arguments, 0, NULL);
	const char *value = json_string_value(json_object_get(args, KEY));
	r->same = strcmp(p->name, TOOL) == 0 && json_object_size(args) == 1 && value && strcmp(value, VALUE) == 0;
	r->calls++;
	json_decref(args);
}

/* Can the call be read back out of [from, from + n)? */
static bool reads(const struct call_format *f, const char *from, size_t n)
{
	struct read_back r = {0};
	struct answer a = {.style = {.calls = f}, .fn = hear, .user = &r};
	bool ok = !answer_feed(&a, from, n, NULL) && !answer_end(&a, NULL) && r.calls == 1 && r.same;
	answer_release(&a);
	return ok;
}

/* *example: the text of the call, freed with mem_free. */
static bool reads_back(const struct call_format *f, const char *text, char **example)
{
	static const struct call_tokens none = {0};
	const struct call_marks m = {.f = f};
	size_t n = strlen(text), begin = 0;
	bool certain = false;
	const char *from = f->body == CALL_BARE ? strstr(text, "{\"name\"") : text;
	if (!from || (f->section && !strstr(text, f->section))) /* which is forgiven to models */
		return false;
	n -= (size_t)(from - text);
	if (f->body == CALL_BARE) { /* nothing may follow */
		const char *to = strstr(from, "}}");
		n = to ? (size_t)(to + 2 - from) : n;
	}
	if (!reads(f, from, n) || !call_find(&m, &none, from, n, 0, 0, &begin, &certain) || !certain)
		return false;
	*example = mem_strndup(from + begin, example_bytes(f, from + begin, n - begin));
	return true;
}

static const struct call_format *format_of(const char *text, char **example)
{
	for (size_t i = 0; text && i < call_formats_n; i++)
		if (reads_back(&call_formats[i], text, example))
			return &call_formats[i];
	return NULL;
}

/* `word` becomes `other`, which is not longer. */
static void exchange(char *text, const char *word, const char *other)
{
	size_t n = strlen(word), m = strlen(other);
	for (char *at = text; text && (at = strstr(at, word)); at += m) {
		memcpy(at, other, m);
		memmove(at + m, at + n, strlen(at + n) + 1);
	}
}

/* Some templates show either the content or the calls of a message: then each gets a message of its own, if that is
 * allowed. */
static void find_beside(struct chat_caps *c, const struct prober *p)
{
	json_t *beside =
		conversation(c, json_pack("[o]", call(TOOL, VALUE, "abcDEF123", c->calls_text)), "abcDEF123", NULL);
	json_t *apart = json_deep_copy(beside);
	json_object_set_new(json_array_get(beside, 1), "content", content(c, WORD));
	json_array_insert_new(apart, 1, message(c, "assistant", WORD));
	char *text = render(p, beside, tools()), *other = render(p, apart, tools());
	bool both = text && strstr(text, WORD) && strstr(text, VALUE);
	c->calls_apart = !both && other && strstr(other, WORD) && strstr(other, VALUE);
	mem_free(text);
	mem_free(other);
}

/* Tries the forms in which calls may be handed over; what can be read back is right, else what is shown at all. */
static void find_calls(struct chat_caps *c, const struct prober *p)
{
	for (int form = 0; form < 4 && !c->calls; form++) {
		c->calls_null = form & 1;
		c->calls_text = form & 2;
		char *text = call_text(p, c);
		c->style.calls = format_of(text, &c->example);
		c->calls = c->style.calls != NULL;
		mem_free(text);
	}
	for (int form = 0; form < 4 && !c->calls; form++) {
		c->calls_null = form & 1;
		c->calls_text = form & 2;
		char *text = call_text(p, c);
		c->calls = text && strstr(text, TOOL) && strstr(text, VALUE);
		mem_free(text);
	}
	c->calls_null = c->calls_null && c->calls;
	c->calls_text = c->calls_text && c->calls;
	exchange(c->example, TOOL, "NAME");
	exchange(c->example, KEY, "KEY");
	exchange(c->example, VALUE, "VALUE");
}

/* The marks of a format in the text of a template that explains them without writing calls itself. */
static const struct call_format *format_in(const char *text)
{
	for (size_t i = 0; i < call_formats_n; i++) {
		const struct call_format *f = &call_formats[i];
		if (f->hint && strstr(text, f->hint))
			return f;
		if (strstr(text, f->open) && (!f->section || strstr(text, f->section)) &&
		    (!f->key || strstr(text, f->key)))
			return f;
	}
	return call_format_named("llama3");
}

static void find_tools(struct chat_caps *c, const struct prober *p, const char *text)
{
	static const char *const thoughts[] = {"reasoning_content", "reasoning", "thinking"};
	char *given = render(p, json_pack("[o]", message(c, "user", USER)), tools());
	c->tools_given = given != NULL;
	c->tools = given && (p->for_tools || strstr(given, TOOL2));
	mem_free(given);
	find_calls(c, p);
	if (!c->calls && c->tools)
		c->style.calls = format_in(text);
	c->results = shows(
		p, conversation(c, json_pack("[o]", call(TOOL, VALUE, "abcDEF123", c->calls_text)), "abcDEF123", NULL),
		tools(), RESULT);
	if (!c->calls)
		return;
	find_beside(c, p);
	const char *long_id = "call_0123456789abcdef0123456789";
	c->ids_short =
		!shows(p, conversation(c, json_pack("[o]", call(TOOL, VALUE, long_id, c->calls_text)), long_id, NULL),
		       tools(), TOOL);
	json_t *two = json_pack("[o, o]", call(TOOL, VALUE, "abcDEF123", c->calls_text),
				call(TOOL2, VALUE2, "abcDEF124", c->calls_text));
	json_t *many = conversation(c, two, "abcDEF123", NULL);
	json_array_append_new(many, json_pack("{s:s, s:s, s:s, s:o}", "role", "tool", "tool_call_id", "abcDEF124",
					      "name", TOOL2, "content", content(c, RESULT)));
	c->calls_many = shows(p, many, tools(), VALUE2);
	for (size_t i = 0; i < sizeof thoughts / sizeof *thoughts && !c->thoughts; i++)
		if (shows(p,
			  conversation(c, json_pack("[o]", call(TOOL, VALUE, "abcDEF123", c->calls_text)), "abcDEF123",
				       thoughts[i]),
			  tools(), WORD))
			c->thoughts = thoughts[i];
}

/* ---- Thoughts ---------------------------------------------------------------------------------------------------- */

/* Marks in the text of the template, or in what it writes, where it makes them of parts. */
static void find_style(struct chat_caps *c, const struct prober *p, const char *text)
{
	static const char *const marks[][2] = {{"<think>", "</think>"},
					       {"[THINK]", "[/THINK]"},
					       {"<seed:think>", "</seed:think>"},
					       {"<mm:think>", "</mm:think>"},
					       {"<think:opensource>", "</think:opensource>"},
					       {"<|START_THINKING|>", "<|END_THINKING|>"},
					       {"<|channel>thought", "<channel|>"},
					       {"<|inner_prefix|>", "<|inner_suffix|>"},
					       {"Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"}};
	static const char *const around[][2] = {{"<|START_RESPONSE|>", "<|END_RESPONSE|>"},
						{"<|START_TEXT|>", "<|END_TEXT|>"},
						{"<response>", "</response>"}}; /* Granite 3 */
	char *shown = c->thoughts
			      ? render(p,
				       conversation(c, json_pack("[o]", call(TOOL, VALUE, "abcDEF123", c->calls_text)),
						    "abcDEF123", c->thoughts),
				       tools())
			      : NULL;
	c->style.harmony = strstr(text, "<|channel|>") && strstr(text, "<|message|>");
	for (size_t i = 0; i < sizeof around / sizeof *around && !c->style.say_open; i++) {
		bool granite = strstr(around[i][0], "<response") != NULL; /* others write so what tools say */
		if (!strstr(text, granite ? "<response></response>" : around[i][1]))
			continue;
		c->style.say_open = around[i][0];
		c->style.say_close = around[i][1];
	}
	for (size_t i = 0; i < sizeof marks / sizeof *marks && !c->style.think_open; i++) {
		if (!strstr(text, marks[i][1]) && !(shown && strstr(shown, marks[i][1])))
			continue;
		c->style.think_open = marks[i][0];
		c->style.think_close = marks[i][1];
	}
	mem_free(shown);
}

void chat_caps_override(struct chat_caps *caps, const struct call_format *f)
{
	if (caps->style.calls != f) { /* the example is another format's */
		mem_free(caps->example);
		caps->example = NULL;
	}
	caps->style.calls = f;
	caps->style.harmony = false;
	caps->overridden = true;
}

void chat_caps_release(struct chat_caps *caps)
{
	mem_free(caps->example);
	*caps = (struct chat_caps){0};
}

void chat_caps_find(struct chat_caps *caps, const struct tmpl *t, const char *text, const char *bos, const char *eos,
		    bool for_tools)
{
	const struct prober p = {t, bos, eos, for_tools};
	*caps = (struct chat_caps){0};
	find_content(caps, &p, text);
	find_tools(caps, &p, text);
	find_style(caps, &p, text);
}
