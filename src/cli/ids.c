/* ids.c: parses lists of token ids. The file is outside input: any byte that is no digit or separator is an error. */
#include "cli/ids.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static bool is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Parses one id at text[*at]; false when there is none or it does not fit 32 bits. */
static bool parse_one(const char *text, size_t size, size_t *at, uint32_t *id)
{
	uint64_t v = 0;
	size_t start = *at;
	while (*at < size && is_digit(text[*at]) && v <= UINT32_MAX)
		v = v * 10 + (uint64_t)(text[(*at)++] - '0');
	*id = (uint32_t)v;
	return *at > start && v <= UINT32_MAX && (*at == size || is_separator(text[*at]));
}

static int parse(const char *text, size_t size, uint32_t *ids, size_t *n, struct kvik_err *err)
{
	size_t at = 0;
	*n = 0;
	for (;;) {
		while (at < size && is_separator(text[at]))
			at++;
		if (at == size)
			break;
		if (!parse_one(text, size, &at, &ids[*n]))
			return err_set(err, KVIK_ERR_ARG, "--ids: no token id at character %zu; write numbers: 1,2,3",
				       at + 1);
		++*n;
	}
	return *n ? 0 : err_set(err, KVIK_ERR_ARG, "--ids: the list is empty; write numbers: 1,2,3 or @FILE");
}

int ids_parse(const char *arg, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	struct file_map file = {0};
	const char *text = arg;
	size_t size = strlen(arg);
	*ids = NULL;
	if (arg[0] == '@') {
		int rc = file_map(&file, arg + 1, err);
		if (rc)
			return rc;
		text = (const char *)file.data;
		size = file.size;
	}
	uint32_t *list = mem_zalloc(size / 2 + 1, sizeof *list); /* an id takes a digit and a separator at least */
	int rc = list ? parse(text, size, list, n, err) : err_set(err, KVIK_ERR_NOMEM, "--ids: no memory");
	file_unmap(&file);
	if (rc)
		mem_free(list);
	else
		*ids = list;
	return rc;
}
