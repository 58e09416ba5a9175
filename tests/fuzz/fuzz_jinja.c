/* fuzz_jinja.c: a chat template, NUL, and the JSON of its variables; rendered with small limits. */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "tmpl/tmpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tmpl_limits limits = {.steps = 100000, .memory = 16 << 20, .output = 1 << 20};
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	struct tmpl *t;
	struct kvik_err err;
	char *out;
	size_t bytes;
	if (tmpl_parse(&t, (const char *)data, n, "fuzz", &err))
		return 0;
	json_t *variables = nul ? json_loadb((const char *)nul + 1, size - n - 1, JSON_ALLOW_NUL, NULL) : NULL;
	if (!json_is_object(variables)) {
		json_decref(variables);
		variables = json_object();
	}
	for (int round = 0; round < 2; round++) { /* a template is as new after it was rendered */
		if (tmpl_render(t, variables, 1753956000, &limits, &out, &bytes, &err) == 0)
			fuzz_read(out, bytes + 1);
		mem_free(out);
	}
	tmpl_free(t);
	json_decref(variables);
	return 0;
}
