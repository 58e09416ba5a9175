/* blocks.h: the parts that layers are made of, for all tokens of the batch at once. Each has the backend read and write the
 * buffers of the step's work, named in step.h; none reads them itself. */
#ifndef KVIK_MODEL_BLOCKS_H
#define KVIK_MODEL_BLOCKS_H

#include "model/step.h"

/* w.norm = RMS norm of x, for all tokens; the first step of other blocks. */
void block_norm(struct step *s, const struct dev_f32 *weight);
void block_post_norm(struct step *s, const struct dev_f32 *weight); /* delta = RMS norm of delta */
void block_add(struct step *s);                                     /* x += delta */
void block_embed(struct step *s);                                   /* ids -> x */
void block_qkv(struct step *s, const struct layer *l);              /* x -> norm -> q, k, v */
void block_head_norms(struct step *s, const struct layer *l);       /* q, k: RMS norm over each head */
void block_rope(struct step *s);                                    /* q, k rotated; k, v written into the pages */
void block_attention(struct step *s);                               /* q, pages -> attn, gated where the layer is */
void block_attention_out(struct step *s, const struct layer *l);    /* x += o attn */
void block_latent(struct step *s, const struct layer *l);           /* x += latent attention to it */
void block_delta(struct step *s, const struct layer *l);            /* x += a gated delta net of it; states move on */
void block_ffn(struct step *s, const struct layer *l);              /* x += down (activation(gate) * up) */
void block_experts(struct step *s, const struct layer *l);          /* the same, by the experts of each token */
void block_both(struct step *s, const struct layer *l);             /* the same, by both */
void block_ple(struct step *s, const struct layer *l);              /* x += what the layer's own embedding gives */
void block_out_scale(struct step *s, const struct layer *l);        /* x *= out_scale */
void block_layer(struct step *s, const struct layer *l);            /* all of it: pre-norm mixer and feed-forward */
void block_logits(struct step *s);                                  /* x of the wanted tokens -> logits */
void block_hidden(struct step *s);                                  /* x of the wanted tokens -> norm -> hidden */

#endif
