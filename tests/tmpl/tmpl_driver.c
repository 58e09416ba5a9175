/* tmpl_driver.c: renders what comes as JSON lines {"template", "context", "now"} and answers each with a line
 * {"text"} or {"error"}; what tests/tmpl/differential.py compares with jinja2. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tmpl/tmpl.h"

static json_t *render(const json_t *job)
{
	const json_t *text = json_object_get(job, "template");
	struct tmpl *t = NULL;
	struct kvik_err err = {0};
	char *out = NULL;
	size_t bytes = 0;
	int rc = tmpl_parse(&t, json_string_value(text), json_string_length(text), NULL, &err);
	if (!rc)
		rc = tmpl_render(t, json_object_get(job, "context"),
				 (int64_t)json_integer_value(json_object_get(job, "now")), NULL, &out, &bytes, &err);
	json_t *answer = json_object();
	if (rc)
		json_object_set_new(answer, "error", json_string(err.text));
	else
		json_object_set_new(answer, "text", json_stringn(out, bytes));
	mem_free(out);
	tmpl_free(t);
	return answer;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	while ((n = getline(&line, &room, stdin)) > 0) {
		json_t *job = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
		json_t *answer = job ? render(job) : json_pack("{s:s}", "error", "the job is not JSON");
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(job);
	}
	free(line);
	return 0;
}
