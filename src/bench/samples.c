/* samples.c: models/kvik-mini-sample.txt and models/kvik-mini-recall.json. KVIK_MODELS_DIR comes from the build. */
#include "bench/samples.h"

#include "base/embed.h"

EMBED_FILE(sample, KVIK_MODELS_DIR "/kvik-mini-sample.txt");
EMBED_FILE(recall, KVIK_MODELS_DIR "/kvik-mini-recall.json");

const char *sample_text(size_t *bytes)
{
	*bytes = (size_t)(embed_sample_end - embed_sample_begin);
	return (const char *)embed_sample_begin;
}

const char *sample_recall(size_t *bytes)
{
	*bytes = (size_t)(embed_recall_end - embed_recall_begin);
	return (const char *)embed_recall_begin;
}
