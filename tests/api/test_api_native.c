/* test_api_native.c: llama-server's paths to the byte. */
#include "canned.h"

static const struct api_case cases[] = {
	{.name = "completion",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`n_predict`:2,`seed`:1}",
	 .says = "a|b|c",
	 .answer =
		 "200 application/json\n"
		 "{`index`:0,`content`:`ab`,`tokens`:[],`stop`:true,`id_slot`:0,`tokens_predicted`:2,"
		 "`tokens_evaluated`:2,`model`:`canned`,`generation_settings`:{`n_predict`:2,`max_tokens`:2,`seed`:1,"
		 "`temperature`:0.80000001192092896,`top_k`:40,`top_p`:0.94999998807907104,"
		 "`min_p`:0.05000000074505806,`repeat_last_n`:64,`repeat_penalty`:1.0,`presence_penalty`:0.0,"
		 "`frequency_penalty`:0.0,`stop`:[],`ignore_eos`:false,`stream`:false,`n_probs`:0},`prompt`:`<s>Once`,"
		 "`has_new_line`:false,`truncated`:false,`stop_type`:`limit`,`stopping_word`:``,`tokens_cached`:4,"
		 "`timings`:{`cache_n`:0,`prompt_n`:2,`prompt_ms`:0,`prompt_per_token_ms`:0,`prompt_per_second`:0,"
		 "`predicted_n`:2,`predicted_ms`:0,`predicted_per_token_ms`:0,`predicted_per_second`:0}}"},
	{.name = "tokenize",
	 .request = "POST /tokenize",
	 .body = "{`content`:`ab`,`add_special`:true,`with_pieces`:true}",
	 .answer = "200 application/json\n"
		   "{`tokens`:[{`id`:1,`piece`:`<s>`},{`id`:471,`piece`:`ab`}]}"},
	{.name = "detokenize",
	 .request = "POST /detokenize",
	 .body = "{`tokens`:[]}",
	 .answer = "200 application/json\n"
		   "{`content`:``}"},
	{.name = "apply-template",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}]}",
	 .answer = "200 application/json\n"
		   "{`prompt`:`<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n`}"},
	{.name = "no such path",
	 .request = "GET /nothing",
	 .answer = "404 application/json\n"
		   "{`error`:{`message`:`there is no GET /nothing here`,`type`:`invalid_request_error`,`param`:null,"
		   "`code`:404,`request_id`:`1`}}"},
	{.name = "another method",
	 .request = "GET /completion",
	 .answer = "405 application/json\n"
		   "{`error`:{`message`:`GET is not the method of /completion`,`type`:`invalid_request_error`,"
		   "`param`:null,`code`:405,`request_id`:`1`}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
