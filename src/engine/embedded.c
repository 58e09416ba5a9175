/* embedded.c: kvik-mini, the model that is built in: the bytes of models/kvik-mini.gguf. KVIK_MINI_PATH comes from the
 * build. */
#include "engine/embedded.h"

#include "base/embed.h"

EMBED_FILE(mini, KVIK_MINI_PATH);

const uint8_t *embedded_model(size_t *bytes)
{
	*bytes = (size_t)(embed_mini_end - embed_mini_begin);
	return embed_mini_begin;
}
