/* golden.h: the files of tests/model/data, which make_models.py makes and describes. */
#ifndef KVIK_TESTS_MODEL_GOLDEN_H
#define KVIK_TESTS_MODEL_GOLDEN_H

#include <math.h>
#include <unistd.h>

#include "runner.h"

#define DATA "tests/model/data/"

struct golden {
	uint32_t n_ids, n_greedy, n_vocab;
	uint32_t *ids;    /* [n_ids], then greedy [n_greedy] */
	uint32_t *greedy; /* the reference's continuation */
	float *logits;    /* [n_ids][n_vocab] */
};

/* name: of the model, without ".golden" */
static inline void golden_read(struct golden *g, const char *name)
{
	char path[256];
	uint32_t head[3];
	snprintf(path, sizeof path, DATA "%s.golden", name);
	FILE *f = fopen(path, "rb");
	if (!f || fread(head, sizeof head, 1, f) != 1)
		fail_msg("%s: not there; run the tests in the repository's root", path);
	*g = (struct golden){.n_ids = head[0], .n_greedy = head[1], .n_vocab = head[2]};
	size_t n = (size_t)g->n_ids * g->n_vocab;
	g->ids = calloc(g->n_ids + g->n_greedy, sizeof *g->ids);
	g->logits = calloc(n, sizeof *g->logits);
	g->greedy = g->ids + g->n_ids;
	assert_int_equal(fread(g->ids, sizeof *g->ids, g->n_ids + g->n_greedy, f), g->n_ids + g->n_greedy);
	assert_int_equal(fread(g->logits, sizeof *g->logits, n, f), n);
	fclose(f);
}

static inline void golden_release(struct golden *g)
{
	free(g->ids);
	free(g->logits);
}

/* The largest |got - want| / |want| over the rows. */
static inline double worst_row(const float *got, const float *want, uint32_t rows, uint32_t n)
{
	double worst = 0;
	for (size_t r = 0; r < rows; r++) {
		double error = 0, size = 0;
		for (size_t i = r * n; i < (r + 1) * n; i++) {
			error += pow((double)got[i] - (double)want[i], 2);
			size += pow((double)want[i], 2);
		}
		if (!(sqrt(error / size) <= worst)) /* NaN counts as worst */
			worst = sqrt(error / size);
	}
	return worst;
}

#endif
