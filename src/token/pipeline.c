/* pipeline.c: runs the steps of a tokenizer.json: added tokens are cut out of the raw text, the rest is normalised,
 * added tokens are cut out of that, splitters cut the rest into words, and the model makes ids of each word. Source:
 * the documentation of the Hugging Face tokenizers library. Any thread. */
#include "token/pipeline.h"

#include "base/utf8.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory to tokenize the text");
}

struct run {
	const struct pipeline *p;
	unsigned flags;
	bool at_start; /* of the whole text */
	struct regex_work regex;
	struct word_work word;
};

static int encode_words(struct sink *out, struct run *r, const struct words *w)
{
	int rc = 0;
	for (size_t i = 0, at = 0; i < w->n && !rc; at = w->ends[i++])
		rc = word_encode(out->v, &r->word, w->text.data + at, w->ends[i] - at, out);
	return rc;
}

static int split_and_encode(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	struct run *r = out->ctx;
	struct words in = {.at_start = r->at_start && at_start}, next = {0};
	int rc = buf_add(&in.text, text, bytes) && words_end(&in) ? 0 : no_memory(out->err);
	for (size_t i = 0; i < r->p->n_splitters && !rc; i++) {
		rc = splitter_run(&r->p->splitters[i], &r->regex, &in, &next, out->err);
		words_release(&in);
		in = next;
		next = (struct words){0};
	}
	if (!rc)
		rc = encode_words(out, r, &in);
	words_release(&in);
	words_release(&next);
	return rc;
}

/* Bytes that are not UTF-8 become U+FFFD. */
static bool copy_valid(const char *text, size_t bytes, struct buf *out)
{
	bool ok = buf_reserve(out, bytes);
	for (size_t i = 0, n; i < bytes && ok; i += n) {
		n = utf8_length((const uint8_t *)text + i, bytes - i);
		ok = n ? buf_add(out, text + i, n) : buf_add(out, "\xEF\xBF\xBD", 3);
		n = n ? n : 1;
	}
	return ok;
}

int pipeline_normalize(const struct pipeline *p, struct regex_work *work, struct buf *text, bool *front,
		       struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < p->n_normalizers && !rc; i++)
		rc = normalize(&p->normalizers[i], work, text, front, err);
	return rc;
}

/* Cuts added tokens out of the normalised text b of a stretch. Where normalising changed nothing it is the stretch
 * itself that is cut, as it is known what of it is data; elsewhere one that has any is data as a whole. */
static int split_normalized(struct sink *out, struct run *r, const struct buf *b, const char *text, size_t bytes)
{
	const struct special_set *set = &out->v->normalized;
	size_t n_data = out->n_data;
	unsigned flags = r->flags;
	if (n_data > 0 && b->n == bytes && memcmp(b->data, text, bytes) == 0)
		return special_split(set, text, bytes, flags, split_and_encode, out);
	if (n_data > 0 && special_in_data(out, text, bytes))
		flags &= ~(unsigned)VOCAB_PARSE_SPECIAL;
	out->n_data = 0; /* which tells of the text as given */
	int rc = special_split(set, b->data, b->n, flags, split_and_encode, out);
	out->n_data = n_data;
	return rc;
}

static int normalize_and_encode(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	struct run *r = out->ctx;
	struct buf b = {0};
	int rc = copy_valid(text, bytes, &b) ? 0 : no_memory(out->err);
	r->at_start = at_start;
	if (!rc)
		rc = pipeline_normalize(r->p, &r->regex, &b, &r->at_start, out->err);
	if (!rc && b.n > 0)
		rc = split_normalized(out, r, &b, text, bytes);
	buf_release(&b);
	return rc;
}

static int add_all(struct sink *out, const struct ids *ids)
{
	int rc = 0;
	for (size_t i = 0; i < ids->n && !rc; i++)
		rc = sink_add(out, ids->data[i]);
	return rc;
}

int pipeline_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, struct sink *out)
{
	struct run r = {.p = v->pipeline, .flags = flags};
	int rc = regex_work_init(&r.regex, out->err);
	out->ctx = &r;
	if (!rc && flags & VOCAB_ADD_SPECIAL)
		rc = add_all(out, &r.p->prefix);
	if (!rc)
		rc = special_split(&v->raw, text, bytes, flags, normalize_and_encode, out);
	if (!rc && flags & VOCAB_ADD_SPECIAL)
		rc = add_all(out, &r.p->suffix);
	word_work_release(&r.word);
	regex_work_release(&r.regex);
	out->ctx = NULL;
	return rc;
}

int pipeline_for_bert(struct pipeline **out, bool lowercase, bool strip_accents, struct kvik_err *err)
{
	const struct {
		enum normalizer_kind kind;
		bool wanted;
	} steps[] = {{NORMALIZER_BERT_CLEAN, true},
		     {NORMALIZER_BERT_CHINESE, true},
		     {NORMALIZER_NFD, strip_accents},
		     {NORMALIZER_BERT_ACCENTS, strip_accents},
		     {NORMALIZER_LOWERCASE, lowercase}};
	struct pipeline *p = mem_zalloc(1, sizeof *p);
	*out = p; /* the vocabulary's from now on */
	if (!p)
		return no_memory(err);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (steps[i].wanted)
			p->normalizers[p->n_normalizers++].kind = steps[i].kind;
	p->n_splitters = 2;
	p->splitters[0].behavior = SPLIT_REMOVED;
	p->splitters[1].behavior = SPLIT_ISOLATED;
	int rc = regex_new(&p->splitters[0].pattern, PIPELINE_WHITE, strlen(PIPELINE_WHITE), false, err);
	return rc ? rc
		  : regex_new(&p->splitters[1].pattern, PIPELINE_PUNCTUATION, strlen(PIPELINE_PUNCTUATION), false, err);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_normalizers; i++)
		normalizer_release(&p->normalizers[i]);
	for (size_t i = 0; i < p->n_splitters; i++)
		splitter_release(&p->splitters[i]);
	ids_release(&p->prefix);
	ids_release(&p->suffix);
	mem_free(p);
}
