/* pretok.c: the published patterns, by the names GGUF files give them, and the cutting.
 *
 * A pre-tokenizer is a list of patterns: each cuts what the one before left into its matches and what lies between
 * them, and nothing is lost. Bytes that are not UTF-8 match nothing (PCRE2_MATCH_INVALID_UTF) and so stay in the gaps.
 *
 * Thread: any; match data are made per call. */
#include "token/pretok.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/mem.h"

enum { PATTERNS_MAX = 6, JIT_STACK_BYTES = 16 << 20, MATCH_LIMIT = 50 * 1000 * 1000 };

#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define TAIL "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define LLAMA3 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL
#define QWEN2 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL
#define QWEN35 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define TEKKEN BEFORE UPPER "*" LOWER "+|" BEFORE UPPER "+" LOWER "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" TAIL
#define GPT4O                                                                                \
	BEFORE UPPER "*" LOWER "+" CONTRACTIONS "?|" BEFORE UPPER "+" LOWER "*" CONTRACTIONS \
		     "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" TAIL
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK3                                                                                          \
	"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" \
	" ?[\\p{P}\\p{S}]+[\r\n]*|" TAIL

/* Letters of the scripts that deepseek-llm joins to words. */
static const char deepseek_letters[] =
	"\\s?["
	"A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"
	"\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}"
	"\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}"
	"\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"
	"\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}"
	"\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-"
	"\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"
	"\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"
	"\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}"
	"\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}"
	"\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}"
	"\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"
	"\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}"
	"\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-"
	"\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"
	"]+";

struct named {
	const char *names; /* between blanks */
	const char *patterns[PATTERNS_MAX];
};

static const struct named table[] = {
	{" default ", {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
	{" gpt-2 phi-2 mpt olmo jais gigachat jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code "
	 "roberta-bpe "
	 "modern-bert megrez-gpt2 ",
	 {GPT2}},
	{" llama3 llama-v3 llama-bpe falcon3 dbrx smaug-bpe chatglm-bpe glm4 pixtral lfm2 ", {LLAMA3}},
	{" qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan-dense ", {QWEN2}},
	{" qwen35 ", {QWEN35}},
	{" starcoder refact command-r smollm codeshell exaone minerva-7b ", {"\\p{N}", GPT2}},
	{" falcon ", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
	{" deepseek-llm ",
	 {"[\r\n]", deepseek_letters,
	  "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+", "\\s+$", CJK,
	  "\\p{N}+"}},
	{" deepseek-coder ", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}},
	{" deepseek-v3 ", {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+", DEEPSEEK3}},
	{" tekken ", {TEKKEN}},
	{" gpt-4o llama4 kanana2 ", {GPT4O}},
	{" poro-chat bloom gpt3-finnish ", {BLOOM}},
	{" viking ", {BLOOM, "\\p{N}"}},
};

struct pretok {
	size_t n;
	pcre2_code *codes[PATTERNS_MAX]; /* [n] */
};

static int compile(struct pretok *p, const char *pattern, size_t bytes, struct kvik_err *err)
{
	int error;
	PCRE2_SIZE where;
	uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, bytes, options, &error, &where, NULL);
	if (!code) {
		char text[128];
		pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
		return err_set(err, error == PCRE2_ERROR_HEAP_FAILED ? KVIK_ERR_NOMEM : KVIK_ERR_FORMAT,
			       "the pre-tokenizer's pattern does not compile: %s (byte %zu)", text, (size_t)where);
	}
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter does the same, slower */
	p->codes[p->n++] = code;
	return 0;
}

static const struct named *find(const char *pre)
{
	char wanted[64];
	if (strlen(pre) > sizeof wanted - 3 || strchr(pre, ' '))
		return NULL;
	wanted[0] = ' ';
	memcpy(wanted + 1, pre, strlen(pre));
	memcpy(wanted + 1 + strlen(pre), " ", 2);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strstr(table[i].names, wanted))
			return &table[i];
	return NULL;
}

int pretok_new(struct pretok **out, const char *pre, struct kvik_err *err)
{
	const struct named *named = find(pre ? pre : "default");
	*out = NULL;
	if (!named)
		return err_set(err, KVIK_ERR_UNSUPPORTED,
			       "the vocabulary's pre-tokenizer '%.60s' is not known; use the model's tokenizer.json",
			       pre);
	struct pretok *p = mem_zalloc(1, sizeof *p);
	int rc = p ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the pre-tokenizer");
	for (size_t i = 0; !rc && i < PATTERNS_MAX && named->patterns[i]; i++)
		rc = compile(p, named->patterns[i], strlen(named->patterns[i]), err);
	if (rc)
		pretok_free(p);
	else
		*out = p;
	return rc;
}

int pretok_from_pattern(struct pretok **out, const char *pattern, size_t bytes, struct kvik_err *err)
{
	struct pretok *p = mem_zalloc(1, sizeof *p);
	int rc = p ? compile(p, pattern, bytes, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for a pattern");
	*out = rc ? NULL : p;
	if (rc)
		pretok_free(p);
	return rc;
}

void pretok_free(struct pretok *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		pcre2_code_free(p->codes[i]);
	mem_free(p);
}

/* ---- Matching ---------------------------------------------------------------------------------------------------- */

struct matcher {
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *data;
};

static void matcher_release(struct matcher *m)
{
	pcre2_match_data_free(m->data);
	pcre2_jit_stack_free(m->stack);
	pcre2_match_context_free(m->context);
}

static int matcher_init(struct matcher *m, struct kvik_err *err)
{
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_BYTES, NULL);
	m->data = pcre2_match_data_create(1, NULL);
	if (!m->context || !m->stack || !m->data) {
		matcher_release(m);
		return err_set(err, KVIK_ERR_NOMEM, "no memory to match a pattern");
	}
	pcre2_jit_stack_assign(m->context, NULL, m->stack);
	pcre2_set_match_limit(m->context, MATCH_LIMIT);
	return 0;
}

static int each_match(struct matcher *m, const pcre2_code *code, const char *text, size_t bytes, pretok_match_fn *found,
		      void *ctx, struct kvik_err *err)
{
	for (size_t at = 0; at < bytes;) {
		int n = pcre2_match(code, (PCRE2_SPTR)text, bytes, at, 0, m->data, m->context);
		if (n == PCRE2_ERROR_NOMATCH)
			return 0;
		if (n < 0)
			return err_set(err, KVIK_ERR_LIMIT,
				       "matching the pre-tokenizer's pattern took too much work (PCRE2 error %d); cut "
				       "the text",
				       n);
		const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->data);
		size_t start = span[0], end = span[1]; /* found may match other patterns with m */
		if (end <= at) {                       /* empty: go on behind it */
			at++;
			continue;
		}
		if (end > start) {
			int rc = found(ctx, start, end);
			if (rc)
				return rc;
		}
		at = end;
	}
	return 0;
}

int pretok_matches(const struct pretok *p, const char *text, size_t bytes, pretok_match_fn *found, void *ctx,
		   struct kvik_err *err)
{
	struct matcher m;
	int rc = matcher_init(&m, err);
	if (rc)
		return rc;
	rc = each_match(&m, p->codes[0], text, bytes, found, ctx, err);
	matcher_release(&m);
	return rc;
}

/* One stage of the cutting: words of pattern i go to pattern i + 1, those of the last one to the caller. */
struct stage {
	const struct pretok *p;
	struct matcher *m;
	size_t i;
	const char *text;
	size_t done;
	pretok_word_fn *fn;
	void *ctx;
	struct kvik_err *err;
};

static int cut(const struct stage *above, size_t i, const char *text, size_t bytes);

static int word(struct stage *s, size_t end)
{
	size_t start = s->done;
	s->done = end;
	return end > start ? cut(s, s->i + 1, s->text + start, end - start) : 0;
}

static int stage_match(void *ctx, size_t start, size_t end)
{
	struct stage *s = ctx;
	int rc = word(s, start);
	return rc ? rc : word(s, end);
}

static int cut(const struct stage *above, size_t i, const char *text, size_t bytes)
{
	struct stage s = *above;
	if (i == s.p->n)
		return s.fn(s.ctx, text, bytes);
	s.i = i;
	s.text = text;
	s.done = 0;
	int rc = each_match(s.m, s.p->codes[i], text, bytes, stage_match, &s, s.err);
	return rc ? rc : word(&s, bytes);
}

int pretok_split(const struct pretok *p, const char *text, size_t bytes, pretok_word_fn *fn, void *ctx,
		 struct kvik_err *err)
{
	struct matcher m;
	struct stage s = {.p = p, .m = &m, .fn = fn, .ctx = ctx, .err = err};
	int rc = matcher_init(&m, err);
	if (rc)
		return rc;
	rc = cut(&s, 0, text, bytes);
	matcher_release(&m);
	return rc;
}
