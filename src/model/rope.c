/* rope.c: frequencies in f32, as the reference implementations compute them: at position 2000 the rounding of the
 * frequency moves the angle by about 1e-4, which would show in the logits if we computed it "better". */
#include "model/rope.h"

#include <math.h>

#include "base/mem.h"

static const float pi = 3.14159265358979323846f;

static float plain(const struct rope_params *p, uint32_t i)
{
	return 1.0f / powf(p->theta, (float)(2 * i) / (float)p->dim);
}

/* Long waves are stretched by factor, short ones kept, those between blended. */
static float llama3(const struct rope_params *p, float freq)
{
	float wave = 2 * pi / freq;
	if (wave < p->context / p->high_freq)
		return freq;
	if (wave > p->context / p->low_freq)
		return freq / p->factor;
	float smooth = (p->context / wave - p->low_freq) / (p->high_freq - p->low_freq);
	return (1 - smooth) * freq / p->factor + smooth * freq;
}

/* The dim whose wave turns `rotations` times over the original context. */
static double yarn_dim(const struct rope_params *p, double rotations)
{
	return p->dim * log((double)p->context / (rotations * 2 * M_PI)) / (2 * log((double)p->theta));
}

static float yarn(const struct rope_params *p, uint32_t i, float freq)
{
	double low = yarn_dim(p, (double)p->beta_fast), high = yarn_dim(p, (double)p->beta_slow);
	if (!p->keep_fractions) {
		low = floor(low);
		high = ceil(high);
	}
	low = fmax(low, 0);
	high = fmin(high, p->dim - 1);
	if (low == high)
		high += 0.001;
	float ramp = ((float)i - (float)low) / (float)(high - low);
	float keep = 1 - fminf(fmaxf(ramp, 0), 1);
	return freq / p->factor * (1 - keep) + freq * keep;
}

static float frequency(const struct rope_params *p, uint32_t i)
{
	float freq = plain(p, i);
	if (i + p->still >= p->dim / 2)
		return 0;
	switch (p->rule) {
	case ROPE_LINEAR: freq /= p->factor; break;
	case ROPE_LLAMA3: freq = llama3(p, freq); break;
	case ROPE_YARN: freq = yarn(p, i, freq); break;
	case ROPE_PLAIN: break;
	}
	return p->divisor ? freq / p->divisor[i] : freq;
}

static bool positive(float x)
{
	return isfinite(x) && x > 0;
}

static int bad(const char *field, float value, const char *must, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "%s of the rope scaling is %g; must be %s", field, (double)value, must);
}

static int check_scaling(const struct rope_params *p, struct kvik_err *err)
{
	bool llama3 = p->rule == ROPE_LLAMA3, yarn = p->rule == ROPE_YARN;
	if (p->rule == ROPE_PLAIN)
		return 0;
	if (!positive(p->factor))
		return bad("the factor", p->factor, "above 0", err);
	if ((llama3 || yarn) && !positive(p->context))
		return bad("the original context length", p->context, "above 0", err);
	if (llama3 && !positive(p->low_freq))
		return bad("low_freq_factor", p->low_freq, "above 0", err);
	if (llama3 && !(positive(p->high_freq) && p->high_freq > p->low_freq))
		return bad("high_freq_factor", p->high_freq, "above low_freq_factor", err);
	if (yarn && !positive(p->beta_slow))
		return bad("beta_slow", p->beta_slow, "above 0", err);
	if (yarn && !(positive(p->beta_fast) && p->beta_fast > p->beta_slow))
		return bad("beta_fast", p->beta_fast, "above beta_slow", err);
	if (yarn && p->attn_factor != 0 && !positive(p->attn_factor))
		return bad("the attention factor", p->attn_factor, "above 0", err);
	return 0;
}

int rope_check(const struct rope_params *p, struct kvik_err *err)
{
	if (p->dim < 2 || p->dim % 2 != 0)
		return err_set(err, KVIK_ERR_FORMAT, "%u rotated dimensions; must be even and at least 2", p->dim);
	if (!positive(p->theta) || p->theta <= 1)
		return err_set(err, KVIK_ERR_FORMAT, "rope theta is %g; must be above 1", (double)p->theta);
	for (uint32_t i = 0; p->divisor && i < p->dim / 2; i++)
		if (!positive(p->divisor[i]))
			return err_set(err, KVIK_ERR_FORMAT,
				       "tensor 'rope_freqs.weight' holds %g; its values must be above 0",
				       (double)p->divisor[i]);
	return check_scaling(p, err);
}

int rope_init(struct rope *r, const struct rope_params *p, struct kvik_err *err)
{
	*r = (struct rope){0};
	int rc = rope_check(p, err);
	if (rc)
		return rc;
	r->inv_freq = mem_zalloc(p->dim / 2, sizeof *r->inv_freq);
	if (!r->inv_freq)
		return err_set(err, KVIK_ERR_NOMEM, "rope: no memory for %u frequencies", p->dim / 2);
	r->dim = p->dim;
	r->scale = 1;
	if (p->rule == ROPE_YARN)
		r->scale = p->attn_factor > 0 ? p->attn_factor
			   : p->factor > 1    ? (float)(0.1 * log((double)p->factor) + 1)
					      : 1;
	for (uint32_t i = 0; i < p->dim / 2; i++)
		r->inv_freq[i] = frequency(p, i);
	return 0;
}

void rope_release(struct rope *r)
{
	mem_free(r->inv_freq);
	*r = (struct rope){0};
}

void rope_angles(const struct rope *r, uint32_t position, float *cos_out, float *sin_out)
{
	for (uint32_t i = 0; i < r->dim / 2; i++) {
		float angle = (float)position * r->inv_freq[i];
		cos_out[i] = (float)cos((double)angle) * r->scale;
		sin_out[i] = (float)sin((double)angle) * r->scale;
	}
}
