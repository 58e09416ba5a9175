/* weights.c: binding, room on the device, loading.
 *
 * A binding names the handle that a parameter goes to, the tensor it comes from, and which of the backend's matrices or
 * floats it becomes; handles are set when all bindings are known and there is room for them. Invariant: a tensor of the source is bound or
 * known to be of no use; one that nobody asked for is an error, since the logits would be wrong without it. */
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/dequant.h"
#include "model/arch.h"
#include "model/bind.h"

enum { ALIGN = 64, BLOCK_ELEMS_MAX = 256, QUANT_ELEMS = 32 };

struct binding {
	struct dev_mat **mat; /* one of mat, vec, host is set */
	struct dev_f32 **vec;
	float **host;
	const struct source_tensor *t;
	enum wtype type; /* that is packed: the tensor's, or what it is quantised to */
	/* Of rows that are brought back to half-split order; else 0. */
	uint32_t head_dim, rotated;
	uint32_t rotated_at; /* in the head */
	uint32_t turned;     /* columns, where row r is column r of so many rows from first on; else 0 */
	uint64_t first;      /* row of the tensor that becomes row 0 */
	uint32_t n_pieces;   /* of rows that are taken, one after the other; 0: all are */
	struct row_piece pieces[ROW_PIECES_MAX];
	float plus;     /* to each element of vec */
	float times;    /* each element of vec, where it is not 0 */
	bool log_rate;  /* element v of vec becomes -e^v */
	uint32_t taps;  /* of vec, which is a convolution's; else 0 */
	uint32_t step;  /* from one row (of a vector: element) to the next that is meant; 0 is 1 */
	uint32_t skip;  /* elements of a vector before the first that is meant */
	bool by_column; /* rows of the matrix are columns of the tensor, of floats */
	uint32_t cols;
	size_t at; /* number of the matrix, or where the vector begins among the floats */
};

struct binder {
	const struct source *source;
	const struct hparams *h;
	const struct weights_params *params;
	struct kvik_err *err;
	const struct attention_spec *attention; /* of the layer being bound */
	const struct layer_spec *layer;
	struct binding *list;
	size_t n, cap;
	struct mat_desc *mats; /* that the backend is to make */
	size_t n_mats, cap_mats;
	size_t n_floats;           /* of vectors */
	size_t bytes;              /* of both */
	bool *used;                /* [source_count] */
	struct source *describing; /* a synthetic model, whose tensors are not looked for but made up; else NULL */
};

/* ---- Binding ----------------------------------------------------------------------------------------------------- */

static const struct source_tensor *use(struct binder *b, const struct source_tensor *t)
{
	if (t)
		b->used[t - source_at(b->source, 0)] = true;
	return t;
}

static const struct source_tensor *take(struct binder *b, int layer, const char *name)
{
	return use(b, names_find(b->source, b->h->arch->own, layer, name));
}

/* The tensor, whose shape would be this one if it is the binder that says what there is. */
static const struct source_tensor *want(struct binder *b, int layer, const char *name, uint64_t cols, uint64_t rows,
					uint64_t slices, unsigned flags)
{
	if (!b->describing)
		return take(b, layer, name);
	if (flags & BIND_OPTIONAL)
		return NULL;
	return source_describe(b->describing, layer, name, (const uint64_t[]){cols, rows, slices}, flags & BIND_FLOATS);
}

static int absent(const struct binder *b, int layer, const char *name)
{
	char where[32] = "";
	if (layer >= 0)
		snprintf(where, sizeof where, "blk.%d.", layer);
	return err_set(b->err, KVIK_ERR_FORMAT,
		       "%s: tensor '%s%s' is missing; the file is incomplete or mislabelled as %s",
		       source_name(b->source), where, name, b->h->arch->name);
}

/* dims beyond the given ones must be 1. */
static int check_shape(const struct binder *b, const struct source_tensor *t, uint64_t cols, uint64_t rows)
{
	if (t->dims[0] == cols && t->dims[1] == rows && t->dims[2] == 1 && t->dims[3] == 1)
		return 0;
	return err_set(b->err, KVIK_ERR_FORMAT,
		       "%s: tensor '%s' has %llu rows of %llu, but the hyperparameters say %llu of %llu",
		       source_name(b->source), t->name, (unsigned long long)t->dims[1], (unsigned long long)t->dims[0],
		       (unsigned long long)rows, (unsigned long long)cols);
}

/* bytes: that it takes on the device. */
static int append(struct binder *b, const struct binding *x, size_t bytes)
{
	if (b->describing)
		return 0;
	if (x->t->exponents && !x->mat)
		return err_set(b->err, KVIK_ERR_FORMAT, "%s: tensor '%s' is MXFP4, but no matrix",
			       source_name(b->source), x->t->name);
	struct binding *list = mem_grow(b->list, &b->cap, b->n, sizeof *list);
	if (!list)
		return err_set(b->err, KVIK_ERR_NOMEM, "no memory for the list of tensors");
	b->list = list;
	b->list[b->n++] = *x;
	if (__builtin_add_overflow(b->bytes, bytes, &b->bytes))
		return err_set(b->err, KVIK_ERR_LIMIT, "%s: larger than any memory", source_name(b->source));
	return 0;
}

static int append_vec(struct binder *b, struct binding *x, uint32_t n)
{
	size_t room = ((size_t)n * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
	x->at = b->n_floats;
	b->n_floats += room / sizeof(float);
	return append(b, x, room);
}

static bool is_float(enum wtype t)
{
	return t == WTYPE_F32 || t == WTYPE_F16 || t == WTYPE_BF16;
}

static void set_rows(const struct binder *b, struct binding *x, unsigned flags)
{
	if (!(flags & BIND_QK_ROWS) || !b->h->qk_permuted)
		return;
	x->head_dim = b->attention->head_dim;
	x->rotated = b->h->ropes[b->attention->rope].dim;
}

/* from: which of the tensor's rows are meant, see struct binding. */
static int bind_some(struct binder *b, struct dev_mat **m, const struct source_tensor *t, uint32_t rows, uint32_t cols,
		     const struct binding *from)
{
	struct binding x = *from;
	size_t bytes = 0;
	if (b->describing)
		return 0;
	x.mat = m;
	x.t = t;
	x.type = t->type;
	x.cols = cols;
	x.at = b->n_mats;
	if (b->params->quantize >= 0 && is_float(t->type) && cols % QUANT_ELEMS == 0)
		x.type = (enum wtype)b->params->quantize;
	struct mat_desc d = {.type = x.type, .rows = rows, .cols = cols, .int8 = b->params->int8};
	int rc = b->params->backend->mat_bytes(&bytes, &d, b->err);
	if (rc) {
		err_prefix(b->err, "%s: tensor '%s'", source_name(b->source), t->name);
		return rc;
	}
	struct mat_desc *mats = mem_grow(b->mats, &b->cap_mats, b->n_mats, sizeof *mats);
	if (!mats)
		return err_set(b->err, KVIK_ERR_NOMEM, "no memory for the list of matrices");
	b->mats = mats;
	b->mats[b->n_mats++] = d;
	return append(b, &x, bytes);
}

static int bind_rows(struct binder *b, struct dev_mat **m, const struct source_tensor *t, uint64_t first, uint32_t rows,
		     uint32_t cols, unsigned flags)
{
	struct binding x = {.first = first};
	set_rows(b, &x, flags);
	return bind_some(b, m, t, rows, cols, &x);
}

static int bind_tensor(struct binder *b, struct dev_mat **m, const struct source_tensor *t, uint32_t rows,
		       uint32_t cols, unsigned flags)
{
	int rc = check_shape(b, t, cols, rows);
	return rc ? rc : bind_rows(b, m, t, 0, rows, cols, flags);
}

int bind_mat(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
	     unsigned flags)
{
	const struct source_tensor *t = want(b, layer, name, cols, rows, 1, flags);
	if (!t)
		return flags & BIND_OPTIONAL ? 0 : absent(b, layer, name);
	return bind_tensor(b, m, t, rows, cols, flags);
}

int bind_mat_pieces(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t all, uint32_t cols,
		    const struct row_piece *pieces, uint32_t n)
{
	const struct source_tensor *t = want(b, layer, name, cols, all, 1, 0);
	struct binding x = {.n_pieces = n};
	uint32_t rows = 0;
	int rc = t ? check_shape(b, t, cols, all) : absent(b, layer, name);
	for (uint32_t i = 0; i < n; i++) {
		x.pieces[i] = pieces[i];
		rows += pieces[i].rows;
	}
	return rc ? rc : bind_some(b, m, t, rows, cols, &x);
}

int bind_mat_half(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
		  uint32_t run, bool second)
{
	const struct row_piece half = {rows, second ? run : 0, run, 2 * run};
	return bind_mat_pieces(b, m, layer, name, 2 * rows, cols, &half, 1);
}

int bind_mat_heads(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
		   uint32_t run, uint32_t at, uint32_t rotated, bool interleaved)
{
	int rc = bind_mat(b, m, layer, name, rows, cols, 0);
	struct binding *x = b->n ? &b->list[b->n - 1] : NULL;
	if (!rc && interleaved && !b->describing) {
		x->head_dim = run;
		x->rotated = rotated;
		x->rotated_at = at;
	}
	return rc;
}

/* Slices of a tensor that has a matrix for each head. */
static int bind_head_slices(struct binder *b, struct dev_mat **mats, const struct source_tensor *t, uint32_t heads,
			    uint32_t rows, uint32_t cols)
{
	int rc = 0;
	if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != heads || t->dims[3] != 1)
		return err_set(b->err, KVIK_ERR_FORMAT,
			       "%s: tensor '%s' does not have %u heads of %u rows of %u, as the hyperparameters say",
			       source_name(b->source), t->name, heads, rows, cols);
	for (uint32_t h = 0; h < heads && !rc; h++)
		rc = bind_rows(b, &mats[h], t, (uint64_t)h * rows, rows, cols, 0);
	return rc;
}

int bind_heads(struct binder *b, struct dev_mat ***mats, int layer, const char *name, const char *both, uint32_t heads,
	       uint32_t rows, uint32_t cols, uint32_t run, uint32_t at, bool turned)
{
	const struct source_tensor *t = want(b, layer, name, cols, rows, heads, 0);
	*mats = mem_zalloc(heads, sizeof **mats);
	if (!*mats)
		return err_set(b->err, KVIK_ERR_NOMEM, "no memory for %u heads", heads);
	if (t)
		return bind_head_slices(b, *mats, t, heads, rows, cols);
	t = take(b, layer, both);
	if (!t)
		return absent(b, layer, name);
	int rc = check_shape(b, t, turned ? rows : cols, (uint64_t)heads * run);
	if (!rc && turned && !is_float(t->type))
		return err_set(b->err, KVIK_ERR_UNSUPPORTED,
			       "%s: tensor '%s' is quantised, which kvik cannot take apart; convert the model again",
			       source_name(b->source), t->name);
	for (uint32_t h = 0; h < heads && !rc; h++) {
		rc = bind_rows(b, &(*mats)[h], t, (uint64_t)h * run + at, rows, cols, 0);
		if (!rc && turned)
			b->list[b->n - 1].turned = cols;
	}
	return rc;
}

int bind_experts_new(struct binder *b, struct layer *l, uint32_t n)
{
	l->experts = mem_zalloc(n, sizeof *l->experts);
	return l->experts ? 0 : err_set(b->err, KVIK_ERR_NOMEM, "no memory for %u experts", n);
}

static struct dev_mat **part_of(struct expert *e, enum expert_part which)
{
	return which == EXPERT_GATE ? &e->gate : which == EXPERT_UP ? &e->up : &e->down;
}

static int wrong_experts(const struct binder *b, const struct source_tensor *t, uint32_t n, uint64_t rows,
			 uint64_t cols)
{
	return err_set(b->err, KVIK_ERR_FORMAT,
		       "%s: tensor '%s' has %llu experts of %llu rows of %llu, but the hyperparameters say %u of "
		       "%llu of %llu",
		       source_name(b->source), t->name, (unsigned long long)t->dims[2], (unsigned long long)t->dims[1],
		       (unsigned long long)t->dims[0], n, (unsigned long long)rows, (unsigned long long)cols);
}

/* One tensor that holds `all` rows of each expert, those meant from row `from` on. */
static int bind_stacked(struct binder *b, struct layer *l, const struct source_tensor *t, enum expert_part which,
			uint32_t n, uint32_t rows, uint32_t cols, uint32_t from, uint32_t all)
{
	int rc = 0;
	if (t->dims[0] != cols || t->dims[1] != all || t->dims[2] != n || t->dims[3] != 1)
		return wrong_experts(b, t, n, all, cols);
	for (uint32_t e = 0; e < n && !rc; e++)
		rc = bind_rows(b, part_of(&l->experts[e], which), t, (uint64_t)e * all + from, rows, cols, 0);
	return rc;
}

/* As gpt-oss' checkpoints have them: rows of gate and up alternate in one tensor; in floats each expert's matrix is stored
 * by its columns. */
static int bind_interleaved(struct binder *b, struct layer *l, const struct source_tensor *t, enum expert_part which,
			    uint32_t n, uint32_t rows, uint32_t cols)
{
	bool pair = which != EXPERT_DOWN, by_column = is_float(t->type);
	uint32_t all = pair ? 2 * rows : rows;
	uint64_t inner = by_column ? all : cols, outer = by_column ? cols : all;
	int rc = 0;
	if (t->dims[0] != inner || t->dims[1] != outer || t->dims[2] != n || t->dims[3] != 1)
		return wrong_experts(b, t, n, outer, inner);
	for (uint32_t e = 0; e < n && !rc; e++) {
		struct binding from = {.first = (uint64_t)e * all + (which == EXPERT_UP),
				       .step = pair ? 2 : 1,
				       .by_column = by_column};
		rc = bind_some(b, part_of(&l->experts[e], which), t, rows, cols, &from);
	}
	return rc;
}

static bool alternates(const struct binder *b, int layer)
{
	return b->layer->experts.interleaved && bind_has(b, layer, "ffn_gate_up_exps.weight");
}

int bind_expert_mats(struct binder *b, struct layer *l, int layer, enum expert_part which, uint32_t n, uint32_t rows,
		     uint32_t cols)
{
	static const char *const stacked[] = {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"};
	const struct source_tensor *t = want(b, layer, stacked[which], cols, rows, n, 0);
	int rc = 0;
	if (alternates(b, layer)) {
		t = which == EXPERT_DOWN ? t : take(b, layer, "ffn_gate_up_exps.weight");
		return t ? bind_interleaved(b, l, t, which, n, rows, cols) : absent(b, layer, stacked[which]);
	}
	if (t)
		return bind_stacked(b, l, t, which, n, rows, cols, 0, rows);
	if (which != EXPERT_DOWN && (t = take(b, layer, "ffn_gate_up_exps.weight")))
		return bind_stacked(b, l, t, which, n, rows, cols, which == EXPERT_UP ? rows : 0, 2 * rows);
	for (uint32_t e = 0; e < n && !rc; e++) {
		t = use(b, names_find_expert(b->source, b->h->arch->own, layer, stacked[which], e));
		rc = t ? bind_tensor(b, part_of(&l->experts[e], which), t, rows, cols, 0)
		       : absent(b, layer, stacked[which]);
	}
	return rc;
}

int bind_expert_biases(struct binder *b, struct layer *l, int layer, enum expert_part which, uint32_t n, uint32_t rows)
{
	static const char *const names[] = {"ffn_gate_exps.bias", "ffn_up_exps.bias", "ffn_down_exps.bias"};
	bool pair = alternates(b, layer) && which != EXPERT_DOWN;
	const struct source_tensor *t =
		pair ? take(b, layer, "ffn_gate_up_exps.bias") : want(b, layer, names[which], rows, n, 1, BIND_FLOATS);
	int rc = t ? check_shape(b, t, pair ? 2 * (uint64_t)rows : rows, n) : absent(b, layer, names[which]);
	for (uint32_t e = 0; e < n && !rc; e++) {
		struct expert *x = &l->experts[e];
		struct dev_f32 **v = which == EXPERT_GATE ? &x->gate_bias
				     : which == EXPERT_UP ? &x->up_bias
							  : &x->down_bias;
		struct binding bias = {.vec = v, .t = t, .type = t->type, .first = e, .cols = rows};
		bias.step = pair ? 2 : 1;
		bias.skip = pair && which == EXPERT_UP;
		rc = append_vec(b, &bias, rows);
	}
	return rc;
}

int bind_vec(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t n, unsigned flags)
{
	const struct source_tensor *t = want(b, layer, name, n, 1, 1, flags);
	if (!t)
		return flags & BIND_OPTIONAL ? 0 : absent(b, layer, name);
	bool flat = flags & BIND_FLAT && wtype_block_elems(t->type) == 1 &&
		    t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3] == n;
	int rc = flat ? 0 : check_shape(b, t, n, 1);
	if (rc)
		return rc;
	struct binding x = {.vec = v, .t = t, .type = t->type, .cols = n, .log_rate = flags & BIND_LOG_RATE};
	x.plus = flags & BIND_NORM && b->h->norms_less_one ? 1 : 0;
	set_rows(b, &x, flags);
	return append_vec(b, &x, n);
}

/* Hugging Face's has a dimension of 1 between the two. */
int bind_taps(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t channels, uint32_t taps)
{
	const struct source_tensor *t = want(b, layer, name, taps, channels, 1, BIND_FLOATS);
	if (!t)
		return absent(b, layer, name);
	bool between = t->dims[1] == 1 && channels != 1;
	if (t->dims[0] != taps || t->dims[between ? 2 : 1] != channels || t->dims[between ? 1 : 2] != 1 ||
	    t->dims[3] != 1)
		return err_set(b->err, KVIK_ERR_FORMAT,
			       "%s: tensor '%s' is not of %u channels of %u, as the hyperparameters say",
			       source_name(b->source), t->name, channels, taps);
	if (!is_float(t->type))
		return err_set(b->err, KVIK_ERR_UNSUPPORTED, "%s: tensor '%s' is quantised, which kvik does not run",
			       source_name(b->source), t->name);
	struct binding x = {.vec = v, .t = t, .type = t->type, .taps = taps};
	return append_vec(b, &x, channels * taps);
}

bool bind_has(const struct binder *b, int layer, const char *name)
{
	return !b->describing && names_find(b->source, b->h->arch->own, layer, name) != NULL;
}

bool bind_is_hf(const struct binder *b)
{
	return source_gguf(b->source) == NULL;
}

int bind_host_vec(struct binder *b, float **v, int layer, const char *name, uint32_t n)
{
	const struct source_tensor *t = want(b, layer, name, n, 1, 1, BIND_OPTIONAL);
	int rc = t ? check_shape(b, t, n, 1) : 0;
	return !t || rc ? rc : append(b, &(struct binding){.host = v, .t = t, .type = t->type}, 0);
}

static const struct source_tensor *embedding(struct binder *b)
{
	return b->describing ? want(b, -1, "token_embd.weight", b->h->dim, b->h->n_vocab, 1, 0)
			     : use(b, arch_embedding(b->source, b->h));
}

int bind_tied(struct binder *b, struct dev_mat **m)
{
	const struct source_tensor *t = embedding(b);
	return t ? bind_tensor(b, m, t, b->h->n_vocab, b->h->dim, 0) : absent(b, -1, "token_embd.weight");
}

int bind_embedding(struct binder *b, const struct source_tensor **t)
{
	*t = embedding(b);
	if (*t && (*t)->exponents)
		return err_set(b->err, KVIK_ERR_UNSUPPORTED, "%s: tensor '%s' is MXFP4, which an embedding may not be",
			       source_name(b->source), (*t)->name);
	return *t ? check_shape(b, *t, b->h->dim, b->h->n_vocab) : absent(b, -1, "token_embd.weight");
}

int bind_table(struct binder *b, const struct source_tensor **t, const char *name, uint32_t piece, uint32_t pieces)
{
	*t = want(b, -1, name, (uint64_t)piece * pieces, b->h->n_vocab, 1, 0);
	if (!*t)
		return absent(b, -1, name);
	if ((*t)->exponents)
		return err_set(b->err, KVIK_ERR_UNSUPPORTED, "%s: tensor '%s' is MXFP4, which an embedding may not be",
			       source_name(b->source), (*t)->name);
	if (piece % wtype_block_elems((*t)->type) != 0)
		return err_set(b->err, KVIK_ERR_UNSUPPORTED,
			       "%s: tensor '%s' is in %s, whose blocks do not divide rows of %u",
			       source_name(b->source), (*t)->name, wtype_name((*t)->type), piece);
	return check_shape(b, *t, (uint64_t)piece * pieces,
			   (*t)->dims[1] > b->h->n_vocab ? (*t)->dims[1] : b->h->n_vocab);
}

int bind_mat_part(struct binder *b, struct dev_mat **m, const char *name, uint32_t first, uint32_t rows, uint32_t all,
		  uint32_t cols)
{
	const struct source_tensor *t = want(b, -1, name, cols, all, 1, 0);
	int rc = t ? check_shape(b, t, cols, all) : absent(b, -1, name);
	return rc ? rc : bind_rows(b, m, t, first, rows, cols, 0);
}

int bind_vec_times(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t n, float factor)
{
	const struct source_tensor *t = want(b, layer, name, n, 1, 1, 0);
	int rc = t ? check_shape(b, t, n, 1) : absent(b, layer, name);
	return rc ? rc : append_vec(b, &(struct binding){.vec = v, .t = t, .type = t->type, .times = factor}, n);
}

void bind_unread(struct binder *b, int layer, const char *name)
{
	want(b, layer, name, 0, 0, 0, BIND_OPTIONAL);
}

const struct hparams *bind_hparams(const struct binder *b)
{
	return b->h;
}

uint32_t bind_rope_dim(const struct binder *b, uint32_t rope)
{
	return b->h->ropes[rope].dim;
}

uint32_t bind_dim(const struct binder *b)
{
	return b->h->dim;
}

/* A tied checkpoint may hold its embedding twice, and that of a larger model holds its other parts. */
static bool of_no_use(const struct binder *b, const struct source_tensor *t)
{
	if (b->h->nested && names_other_part(t->name))
		return true;
	if (b->h->has_drafts && names_draft_part(t->name, b->h->n_layers))
		return true;
	return b->h->tied && t == names_find(b->source, b->h->arch->own, -1, "output.weight");
}

static int check_all_used(const struct binder *b)
{
	for (size_t i = 0; i < source_count(b->source); i++) {
		const struct source_tensor *t = source_at(b->source, i);
		if (!b->used[i] && !of_no_use(b, t))
			return err_set(
				b->err, KVIK_ERR_UNSUPPORTED,
				"%s: tensor '%s' has no place in a %s model as kvik knows it; the logits would be "
				"wrong without it",
				source_name(b->source), t->name, b->h->arch->name);
	}
	return 0;
}

/* ---- Loading ----------------------------------------------------------------------------------------------------- */

static size_t row_bytes(enum wtype t, uint64_t cols)
{
	return (size_t)(cols / wtype_block_elems(t) * wtype_block_bytes(t));
}

/* The row of the source that becomes row r: GGUF's llama stores the two halves of each rotated pair alternately. */
static uint32_t source_row(const struct binding *x, uint32_t r)
{
	if (x->n_pieces > 0) {
		const struct row_piece *p = x->pieces;
		for (; r >= p->rows; p++)
			r -= p->rows;
		return p->first + r / p->run * p->period + r % p->run;
	}
	if (x->head_dim == 0)
		return r;
	uint32_t at = r % x->head_dim - x->rotated_at, half = x->rotated / 2; /* beyond rotated where it lies before */
	return at < x->rotated ? r - at + at % half * 2 + at / half : r;
}

/* Elements first .. first + n - 1 of column r. */
static void read_column(const struct binding *x, uint32_t r, uint64_t first, uint32_t n, float *out)
{
	size_t element = row_bytes(x->t->type, 1), row = row_bytes(x->t->type, x->t->dims[0]);
	const uint8_t *from = x->t->data + (x->first + first) * row + r * element;
	for (uint32_t i = 0; i < n; i++)
		dequant_row(x->t->type, from + i * row, 1, out + i);
}

/* A column of a float tensor as a row. */
static const uint8_t *turned_row(const struct binding *x, uint32_t r, uint8_t *room)
{
	size_t element = row_bytes(x->t->type, 1), row = row_bytes(x->t->type, x->t->dims[0]);
	const uint8_t *from = x->t->data + x->first * row + r * element;
	float f32[QUANT_ELEMS];
	for (uint32_t i = 0; x->type == x->t->type && i < x->turned; i++)
		memcpy(room + i * element, from + i * row, element);
	for (uint32_t i = 0; x->type != x->t->type && i < x->turned; i += QUANT_ELEMS) {
		read_column(x, r, i, QUANT_ELEMS, f32);
		quant_row(x->type, f32, QUANT_ELEMS, room + row_bytes(x->type, i));
	}
	return room;
}

/* Element k of a block of a checkpoint's MXFP4: the two of a byte are neighbours. */
static unsigned mxfp4_code(const uint8_t *codes, uint32_t k)
{
	return (unsigned)codes[k / 2] >> k % 2 * 4 & 15u;
}

/* A row of a checkpoint's MXFP4, whose exponents lie apart, as GGUF has it: the exponent before the codes, of which the two
 * of a byte are 16 apart. */
static void join_mxfp4(const struct source_tensor *t, uint64_t row, uint8_t *out)
{
	uint64_t blocks = t->dims[0] / 32;
	for (uint64_t i = row * blocks; i < (row + 1) * blocks; i++, out += 17) {
		out[0] = t->exponents[i];
		for (uint32_t k = 0; k < 16; k++)
			out[1 + k] =
				(uint8_t)(mxfp4_code(t->data + i * 16, k) | mxfp4_code(t->data + i * 16, k + 16) << 4);
	}
}

/* Elements from .. from + n - 1 of a row of floats, which is a column of one expert's matrix in the tensor. */
static void gather_column(const struct binding *x, uint64_t row, uint32_t from, uint32_t n, uint8_t *out)
{
	const struct source_tensor *t = x->t;
	size_t bytes = wtype_block_bytes(t->type);
	uint64_t expert = row / t->dims[0], column = row % t->dims[0];
	const uint8_t *at = t->data + (expert * t->dims[1] * t->dims[0] + column) * bytes;
	for (uint32_t i = 0; i < n; i++)
		memcpy(out + i * bytes, at + (from + i) * t->dims[0] * bytes, bytes);
}

/* QUANT_ELEMS elements of a row of floats. */
static const uint8_t *some_floats(const struct binding *x, uint64_t row, uint32_t from, uint8_t *room)
{
	size_t bytes = wtype_block_bytes(x->t->type);
	if (!x->by_column)
		return x->t->data + row * row_bytes(x->t->type, x->t->dims[0]) + from * bytes;
	gather_column(x, row, from, QUANT_ELEMS, room);
	return room;
}

/* Row r as it is packed: in place; or put together, or quantised, into room. */
static const uint8_t *stored_row(void *ctx, uint32_t r, uint8_t *room)
{
	const struct binding *x = ctx;
	const struct source_tensor *t = x->t;
	if (x->turned)
		return turned_row(x, r, room);
	uint64_t row = x->first + (uint64_t)source_row(x, r) * (x->step ? x->step : 1);
	uint8_t some[QUANT_ELEMS * sizeof(float)];
	float f32[QUANT_ELEMS];
	if (x->type != t->type) {
		for (uint32_t i = 0; i < x->cols; i += QUANT_ELEMS) {
			dequant_row(t->type, some_floats(x, row, i, some), QUANT_ELEMS, f32);
			quant_row(x->type, f32, QUANT_ELEMS, room + row_bytes(x->type, i));
		}
	} else if (t->exponents) {
		join_mxfp4(t, row, room);
	} else if (x->by_column) {
		gather_column(x, row, 0, x->cols, room);
	} else {
		return t->data + row * row_bytes(t->type, t->dims[0]);
	}
	return room;
}

static bool in_place(const struct binding *x)
{
	return !x->turned && x->type == x->t->type && !x->t->exponents && !x->by_column;
}

static int load_mat(const struct binder *b, struct dev_weights *w, const struct binding *x)
{
	struct binding own = *x;
	struct mat_rows rows = {
		.row = stored_row, .ctx = &own, .room_bytes = in_place(x) ? 0 : row_bytes(x->type, x->cols)};
	device_begin(b->params->device);
	int rc = b->params->backend->mat_load(w, x->at, &rows, b->err);
	device_end(b->params->device);
	if (rc)
		err_prefix(b->err, "%s: tensor '%s'", source_name(b->source), x->t->name);
	*x->mat = b->params->backend->weights_mat(w, x->at);
	return rc;
}

static void expand_taps(const struct binding *x, float *to)
{
	uint64_t channels = x->t->dims[1] * x->t->dims[2];
	float row[CONV_TAPS_MAX];
	for (uint64_t c = 0; c < channels; c++) {
		dequant_row(x->t->type, x->t->data + c * row_bytes(x->t->type, x->taps), x->taps, row);
		for (uint32_t i = 0; i < x->taps; i++)
			to[i * channels + c] = row[i];
	}
}

static uint64_t vec_elems(const struct binding *x)
{
	if (x->taps)
		return x->taps * x->t->dims[1] * x->t->dims[2];
	return x->cols ? x->cols : x->t->dims[0];
}

static void expand_vec(const struct binding *x, float *to)
{
	const struct source_tensor *t = x->t;
	uint32_t elems = wtype_block_elems(t->type);
	size_t bytes = wtype_block_bytes(t->type);
	float block[BLOCK_ELEMS_MAX];
	if (x->step > 1) { /* of floats */
		const uint8_t *row = t->data + x->first * row_bytes(t->type, t->dims[0]);
		for (uint32_t i = 0; i < x->cols; i++)
			dequant_row(t->type, row + ((size_t)i * x->step + x->skip) * bytes, 1, to + i);
		return;
	}
	if (x->head_dim == 0) {
		dequant_row(t->type, t->data + x->first * row_bytes(t->type, t->dims[0]), vec_elems(x), to);
		return;
	}
	for (uint32_t i = 0; i < t->dims[0]; i++) {
		uint32_t from = source_row(x, i);
		dequant_row(t->type, t->data + from / elems * bytes, elems, block);
		to[i] = block[from % elems];
	}
}

static int load_vec(const struct binder *b, struct dev_weights *w, const struct binding *x)
{
	uint64_t n = vec_elems(x);
	float *values = mem_alloc(n * sizeof *values);
	if (!values)
		return err_set(b->err, KVIK_ERR_NOMEM, "no memory to load '%s'", x->t->name);
	if (x->taps)
		expand_taps(x, values);
	else
		expand_vec(x, values);
	for (uint64_t i = 0; x->plus != 0 && i < n; i++)
		values[i] += x->plus;
	for (uint64_t i = 0; x->times != 0 && i < n; i++)
		values[i] *= x->times;
	for (uint64_t i = 0; x->log_rate && i < n; i++)
		values[i] = (float)-exp((double)values[i]);
	if (x->host) {
		*x->host = values;
		return 0;
	}
	*x->vec = dev_at(b->params->backend->weights_floats(w), x->at);
	device_begin(b->params->device);
	b->params->backend->floats_load(w, *x->vec, values, n);
	device_end(b->params->device);
	mem_free(values);
	return 0;
}

/* kept, ple: the embeddings, whose rows are read where they lie, also later. */
static int load_all(const struct binder *b, const struct source_tensor *kept, const struct source_tensor *ple,
		    struct dev_weights *w)
{
	uint64_t done = 0, total = weights_stored_bytes(b->source);
	source_need(b->source, kept);
	if (ple)
		source_need(b->source, ple);
	for (size_t i = 0; i < b->n; i++) {
		const struct binding *x = &b->list[i];
		bool again = i > 0 && b->list[i - 1].t == x->t, more = i + 1 < b->n && b->list[i + 1].t == x->t;
		if (x->t != kept && !again)
			source_need(b->source, x->t);
		int rc = x->mat ? load_mat(b, w, x) : load_vec(b, w, x);
		if (rc)
			return rc;
		if (more)
			continue;
		if (x->t != kept)
			source_drop(b->source, x->t);
		done += x->t->bytes;
		if (b->params->progress &&
		    !b->params->progress(b->params->progress_user, done < total ? done : total, total))
			return err_set(b->err, KVIK_ERR_CANCELLED, "loading was interrupted");
	}
	return 0;
}

uint64_t weights_stored_bytes(const struct source *s)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < source_count(s); i++)
		bytes += source_at(s, i)->bytes;
	return bytes;
}

uint64_t weights_parameters(const struct source *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < source_count(s); i++) {
		const struct source_tensor *t = source_at(s, i);
		n += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
	}
	return n;
}

static int bind_layers(struct binder *b, struct weights *w)
{
	const struct hparams *h = b->h;
	int rc = 0;
	for (uint32_t i = 0; i < h->n_layers && !rc; i++) {
		b->attention = &h->layers[i].attention;
		b->layer = &h->layers[i];
		rc = h->arch->bind(b, &w->layers[i], (int)i, &h->layers[i]);
	}
	return rc;
}

static int bind_all(struct binder *b, struct weights *w)
{
	const struct hparams *h = b->h;
	*w = (struct weights){.parameters = weights_parameters(b->source), .backend = b->params->backend};
	w->layers = mem_zalloc(h->n_layers, sizeof *w->layers);
	w->n_layers = h->n_layers;
	b->used = mem_zalloc(source_count(b->source), sizeof *b->used);
	int rc = w->layers && b->used ? 0 : err_set(b->err, KVIK_ERR_NOMEM, "no memory for %u layers", h->n_layers);
	if (!rc)
		rc = bind_ends(b, w, h);
	if (!rc)
		rc = bind_layers(b, w);
	return rc ? rc : check_all_used(b);
}

static void binder_release(struct binder *b)
{
	mem_free(b->list);
	mem_free(b->mats);
	mem_free(b->used);
}

int weights_load(struct weights *w, const struct source *s, const struct hparams *h, const struct weights_params *p,
		 struct kvik_err *err)
{
	struct binder b = {.source = s, .h = h, .params = p, .err = err};
	int rc = bind_all(&b, w);
	if (!rc)
		rc = p->backend->weights_new(&w->packed, device_dev(p->device), b.mats, b.n_mats, b.n_floats, err);
	if (!rc)
		rc = load_all(&b, w->embedding, w->ple, w->packed);
	w->bytes = b.bytes;
	binder_release(&b);
	return rc;
}

int weights_measure(uint64_t *bytes, const struct source *s, const struct hparams *h, const struct weights_params *p,
		    struct kvik_err *err)
{
	struct binder b = {.source = s, .h = h, .params = p, .err = err};
	struct weights w;
	int rc = bind_all(&b, &w);
	*bytes = b.bytes;
	binder_release(&b);
	weights_release(&w);
	return rc;
}

/* In the order of files: the embedding, layers, then what comes behind them. */
int weights_describe(struct source *s, const struct hparams *h, struct kvik_err *err)
{
	struct weights_params params = {.quantize = -1};
	struct binder b = {.source = s, .describing = s, .h = h, .params = &params, .err = err};
	struct weights w = {.layers = mem_zalloc(h->n_layers, sizeof *w.layers), .n_layers = h->n_layers};
	int rc = w.layers ? bind_embedding(&b, &w.embedding)
			  : err_set(err, KVIK_ERR_NOMEM, "no memory for %u layers", h->n_layers);
	if (!rc)
		rc = bind_layers(&b, &w);
	if (!rc)
		rc = bind_ends(&b, &w, h);
	weights_release(&w);
	return rc;
}

void weights_release(struct weights *w)
{
	if (w->packed)
		w->backend->weights_free(w->packed);
	mem_free(w->rope_divisor);
	for (uint32_t i = 0; w->layers && i < w->n_layers; i++) {
		mem_free(w->layers[i].experts);
		mem_free(w->layers[i].latent.k);
		mem_free(w->layers[i].latent.v);
	}
	mem_free(w->layers);
	*w = (struct weights){0};
}
