/* bind.c: the parts of binding that architectures share. */
#include "model/arch.h"

int bind_ends(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_embedding(b, &w->embedding, h->n_vocab, h->dim);
	if (!rc)
		rc = bind_vec(b, &w->output_norm, -1, "output_norm.weight", h->dim, 0);
	if (!rc)
		rc = bind_vec(b, &w->rope_divisor, -1, "rope_freqs.weight", h->rope_dim / 2, BIND_OPTIONAL);
	if (rc)
		return rc;
	return h->tied ? bind_tied(b, &w->output, h->n_vocab, h->dim)
		       : bind_mat(b, &w->output, -1, "output.weight", h->n_vocab, h->dim, 0);
}

int bind_attention(struct binder *b, struct layer *l, int i, const struct hparams *h)
{
	uint32_t q_rows = h->n_heads * h->head_dim, kv_rows = h->n_kv_heads * h->head_dim;
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->q, i, "attn_q.weight", q_rows, h->dim, BIND_QK_ROWS);
	if (!rc)
		rc = bind_mat(b, &l->k, i, "attn_k.weight", kv_rows, h->dim, BIND_QK_ROWS);
	if (!rc)
		rc = bind_mat(b, &l->v, i, "attn_v.weight", kv_rows, h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->o, i, "attn_output.weight", h->dim, q_rows, 0);
	return rc;
}

int bind_qkv_biases(struct binder *b, struct layer *l, int i, const struct hparams *h, unsigned flags)
{
	uint32_t q_rows = h->n_heads * h->head_dim, kv_rows = h->n_kv_heads * h->head_dim;
	int rc = bind_vec(b, &l->q_bias, i, "attn_q.bias", q_rows, flags | BIND_QK_ROWS);
	if (!rc)
		rc = bind_vec(b, &l->k_bias, i, "attn_k.bias", kv_rows, flags | BIND_QK_ROWS);
	if (!rc)
		rc = bind_vec(b, &l->v_bias, i, "attn_v.bias", kv_rows, flags);
	return rc;
}

int bind_ffn(struct binder *b, struct layer *l, int i, const struct hparams *h)
{
	int rc = bind_vec(b, &l->ffn_norm, i, "ffn_norm.weight", h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->gate, i, "ffn_gate.weight", h->ffn_dim, h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->up, i, "ffn_up.weight", h->ffn_dim, h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->down, i, "ffn_down.weight", h->dim, h->ffn_dim, 0);
	return rc;
}
