/* pretok.c: the published patterns, by the names GGUF files give them, and the cutting.
 *
 * A pre-tokenizer is a list of patterns: each cuts what the one before left into its matches and what lies between
 * them, and nothing is lost. Patterns are those of the models' own tokenizers; where llama.cpp has to approximate one
 * (because std::regex has no classes of letters), the original stands here. Bytes that are not UTF-8 match nothing and
 * so stay in the gaps.
 *
 * Thread: any; what matching works in is made per call. */
#include "token/pretok.h"

#include <string.h>

#include "base/mem.h"
#include "token/regex.h"

enum { PATTERNS_MAX = 6 };

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define SYMBOLS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
#define LLAMA3 CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}{1,3}|" SYMBOLS TAIL
#define QWEN2 CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}|" SYMBOLS TAIL
#define QWEN35 CONTRACTIONS "|" BEFORE "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" TAIL
#define MINICPM5 CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}+|" SYMBOLS TAIL
#define JAIS2                                                                                        \
	CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}{1,3}|" SYMBOLS                                       \
		     "\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|" \
		     "\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(after) BEFORE UPPER "*" LOWER "+" after "|" BEFORE UPPER "+" LOWER "*" after "|"
#define SYMBOLS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
#define TEKKEN CASED("") "\\p{N}|" SYMBOLS_SLASH TAIL
#define GPT4O CASED(CONTRACTIONS "?") "\\p{N}{1,3}|" SYMBOLS_SLASH TAIL
#define YOUTU CASED(CONTRACTIONS "?") "\\p{N}|" SYMBOLS_SLASH TAIL
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define KANA_HAN "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define ASCII_WORD "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
#define LETTERS_MARKS "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
#define DEEPSEEK3 ASCII_WORD LETTERS_MARKS " ?[\\p{P}\\p{S}]+[\\r\\n]*|" TAIL
#define SPARK ASCII_WORD LETTERS_MARKS " ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+"
#define BAILING                                                                              \
	"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++" \
	"[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define SEED CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" TAIL
#define EXAONE_MOE                                                                                              \
	CONTRACTIONS "|" BEFORE "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|" \
		     "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define KIMI_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI                                                                                                   \
	"[\\p{Han}]+|" BEFORE KIMI_UPPER "*" KIMI_LOWER "+" CONTRACTIONS "?|" BEFORE KIMI_UPPER "+" KIMI_LOWER \
	"*" CONTRACTIONS "?|\\p{N}{1,3}|" SYMBOLS TAIL
/* Han, kana, Thai, Lao, Khmer, Myanmar, Hangul. */
#define AFMOE_ASIAN                                                                                                  \
	"[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}\\x{FF65}-" \
	"\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E00}-\\x{E7F}\\x{E80}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}"       \
	"\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+"
#define YOUTU_ASIAN                                                                                                  \
	"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}" \
	"\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" KANA_HAN

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
	unsigned traits; /* enum pretok_trait */
};

static const struct named table[] = {
	{" default ", {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, 0},
	{" gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat jina-es jina-de jina-v2-es jina-v2-de a.x-4.0 "
	 "mellum exaone4 modern-bert ",
	 {GPT2},
	 0},
	{" jina-v1-en jina-v2-code roberta-bpe ", {GPT2}, PRETOK_ADD_SEP},
	{" llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
	 {LLAMA3},
	 PRETOK_IGNORE_MERGES | PRETOK_ADD_BOS},
	{" dbrx smaug-bpe ", {LLAMA3}, 0},
	{" glm4 chatglm-bpe ", {LLAMA3}, PRETOK_NO_BOS},
	{" jais-2 ", {JAIS2}, 0},
	{" minicpm5 ", {"\\p{N}{1,3}", MINICPM5}, PRETOK_IGNORE_MERGES},
	{" qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan solar-open grok-2 ", {QWEN2}, 0},
	{" ufakzeka ", {BEFORE "\\p{L}+|\\p{N}|" SYMBOLS TAIL}, 0},
	{" laguna ", {"[^\\n]+|[\\n]+", QWEN2}, 0},
	{" qwen35 ", {QWEN35}, 0},
	{" starcoder refact command-r smollm codeshell exaone minerva-7b mellum2 ", {"\\p{N}", GPT2}, 0},
	{" falcon ", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, 0},
	{" deepseek-llm ",
	 {"[\r\n]", deepseek_letters,
	  "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+", "\\s+$", CJK,
	  "\\p{N}+"},
	 0},
	{" deepseek-coder ", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}, 0},
	{" deepseek-v3 hunyuan-dense joyai-llm hy_v4 ", {"\\p{N}{1,3}", KANA_HAN, DEEPSEEK3}, 0},
	{" spark2_5 ", {"\\p{N}{1,3}", KANA_HAN, SPARK, "\\p{N}"}, 0},
	{" youtu ", {YOUTU_ASIAN, YOUTU}, PRETOK_IGNORE_MERGES},
	{" tekken ", {TEKKEN}, PRETOK_IGNORE_MERGES | PRETOK_ADD_BOS},
	{" gpt-4o llama4 kanana2 talkie minimax-m2 ", {GPT4O}, 0},
	{" granite-embed-multi-97m ", {GPT4O}, PRETOK_IGNORE_MERGES},
	{" tiny_aya cohere2moe ", {"\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O}, 0},
	{" chameleon ",
	 {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
	  "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
	 PRETOK_ADD_BOS},
	{" poro-chat bloom gpt3-finnish ", {BLOOM}, 0},
	{" viking ", {BLOOM, "\\p{N}"}, 0},
	{" superbpe ", {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}, 0},
	{" bailingmoe bailingmoe2 llada-moe ", {BAILING}, 0},
	{" seed-coder ", {SEED}, 0},
	{" kimi-k2 ", {KIMI}, 0},
	{" exaone-moe ", {EXAONE_MOE}, 0},
	{" afmoe ", {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", AFMOE_ASIAN, DEEPSEEK3}, 0},
	{" gemma4 granite-embed-multi-311m ", {"[^\\n]+|[\\n]+"}, PRETOK_PLAIN | PRETOK_NEWLINES | PRETOK_ADD_BOS},
	{" sarvam-moe ", {"[^\\n]+|[\\n]+"}, PRETOK_PLAIN},
};

struct pretok {
	size_t n;
	struct regex *patterns[PATTERNS_MAX]; /* [n] */
};

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

unsigned pretok_traits(const char *pre)
{
	const struct named *named = find(pre ? pre : "default");
	return named ? named->traits : 0;
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
	for (; !rc && p->n < PATTERNS_MAX && named->patterns[p->n]; p->n++)
		rc = regex_new(&p->patterns[p->n], named->patterns[p->n], strlen(named->patterns[p->n]), false, err);
	if (rc)
		pretok_free(p);
	else
		*out = p;
	return rc;
}

void pretok_free(struct pretok *p)
{
	for (size_t i = 0; p && i < PATTERNS_MAX; i++)
		regex_free(p->patterns[i]);
	mem_free(p);
}

/* One stage of the cutting: words of pattern i go to pattern i + 1, those of the last one to the caller. */
struct stage {
	const struct pretok *p;
	struct regex_work *work;
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
	int rc = regex_each(s.p->patterns[i], s.work, text, bytes, stage_match, &s, s.err);
	return rc ? rc : word(&s, bytes);
}

int pretok_split(const struct pretok *p, const char *text, size_t bytes, pretok_word_fn *fn, void *ctx,
		 struct kvik_err *err)
{
	struct regex_work work;
	struct stage s = {.p = p, .work = &work, .fn = fn, .ctx = ctx, .err = err};
	int rc = regex_work_init(&work, err);
	if (rc)
		return rc;
	rc = cut(&s, 0, text, bytes);
	regex_work_release(&work);
	return rc;
}
