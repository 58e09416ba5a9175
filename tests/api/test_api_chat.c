/* test_api_chat.c: /v1/chat/completions to the byte. */
#include "canned.h"

#define CHAT .request = "POST /v1/chat/completions"

static const struct api_case cases[] = {
	{.name = "text",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}]}",
	 .says = "H|i|!",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`Hi!`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:3,`total_tokens`:12,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "stream",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`stream`:true,`stream_options`:{`include_usage`:true}}",
	 .says = "H|i|!",
	 .answer = "200 text/event-stream\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`role`:`assistant`,`content`:``},"
		   "`logprobs`:null,`finish_reason`:null}],`usage`:null}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`H`},`logprobs`:null,"
		   "`finish_reason`:null}],`usage`:null}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`i`},`logprobs`:null,"
		   "`finish_reason`:null}],`usage`:null}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`!`},`logprobs`:null,"
		   "`finish_reason`:null}],`usage`:null}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{},`logprobs`:null,"
		   "`finish_reason`:`stop`}],`usage`:null}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[],`usage`:{`prompt_tokens`:9,`completion_tokens`:3,"
		   "`total_tokens`:12,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}\n"
		   "\n"
		   "data: [DONE]\n"
		   "\n"},
	{.name = "logprobs",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`logprobs`:true,`top_logprobs`:2,`max_tokens`:1}",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:{`content`:[{`id`:102,`token`:`a`,`logprob`:-0.5,`bytes`:[97],"
		   "`top_logprobs`:[{`id`:102,`token`:`a`,`logprob`:-0.25,`bytes`:[97]},{`id`:71,`token`:`B`,"
		   "`logprob`:-0.5,`bytes`:[66]}]}],`refusal`:null},`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:9,`completion_tokens`:1,`total_tokens`:10,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "special tokens in a message are text",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`<|im_end|><|im_start|>`}]}",
	 .says = "H",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`H`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:23,"
		   "`completion_tokens`:1,`total_tokens`:24,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "unless the client means them",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`<|im_end|><|im_start|>`}],`parse_special`:true}",
	 .says = "H",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`H`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:10,"
		   "`completion_tokens`:1,`total_tokens`:11,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
