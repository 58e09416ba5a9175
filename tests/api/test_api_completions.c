/* test_api_completions.c: /v1/completions to the byte. */
#include "canned.h"

static const struct api_case cases[] = {
	{.name = "text",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`Once`,`max_tokens`:3}",
	 .says = "a|b|c|d",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`abc`,`logprobs`:null,`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:3,`total_tokens`:5,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
