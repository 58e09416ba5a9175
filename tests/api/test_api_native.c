/* test_api_native.c: llama-server's paths to the byte. */
#include "canned.h"

static const struct api_case cases[] = {
	{.name = "completion",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`n_predict`:2,`seed`:1}",
	 .says = "a|b|c",
	 .answer = "200 application/json\n"
		   "{`index`:0,`content`:`ab`,`tokens`:[],`stop`:true,`id_slot`:0,`tokens_predicted`:2,"
		   "`tokens_evaluated`:2,`model`:`canned`,`generation_settings`:{`n_predict`:2,`max_tokens`:2,`seed`:1,"
		   "`temperature`:0.8,`top_k`:40,`top_p`:0.95,`min_p`:0.05,`repeat_last_n`:64,`repeat_penalty`:1.0,"
		   "`presence_penalty`:0.0,`frequency_penalty`:0.0,`stop`:[],`ignore_eos`:false,`stream`:false,"
		   "`n_probs`:0},`prompt`:`<s>Once`,`has_new_line`:false,`truncated`:false,`stop_type`:`limit`,"
		   "`stopping_word`:``,`tokens_cached`:4,`timings`:{`cache_n`:0,`prompt_n`:2,`prompt_ms`:0,"
		   "`prompt_per_token_ms`:0,`prompt_per_second`:0,`predicted_n`:2,`predicted_ms`:0,"
		   "`predicted_per_token_ms`:0,`predicted_per_second`:0}}"},
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
	{.name = "n_predict 0",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`n_predict`:0,`seed`:1}",
	 .says = "a|b|c",
	 .answer = "200 application/json\n"
		   "{`index`:0,`content`:``,`tokens`:[],`stop`:true,`id_slot`:0,`tokens_predicted`:0,"
		   "`tokens_evaluated`:2,`model`:`canned`,`generation_settings`:{`n_predict`:0,`max_tokens`:0,`seed`:1,"
		   "`temperature`:0.8,`top_k`:40,`top_p`:0.95,`min_p`:0.05,`repeat_last_n`:64,`repeat_penalty`:1.0,"
		   "`presence_penalty`:0.0,`frequency_penalty`:0.0,`stop`:[],`ignore_eos`:false,`stream`:false,"
		   "`n_probs`:0},`prompt`:`<s>Once`,`has_new_line`:false,`truncated`:false,`stop_type`:`limit`,"
		   "`stopping_word`:``,`tokens_cached`:2,`timings`:{`cache_n`:0,`prompt_n`:2,`prompt_ms`:0,"
		   "`prompt_per_token_ms`:0,`prompt_per_second`:0,`predicted_n`:0,`predicted_ms`:0,"
		   "`predicted_per_token_ms`:0,`predicted_per_second`:0}}"},
	{.name = "a stop word with NUL",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`stop`:[`x\\u0000`],`response_fields`:[`stopping_word`,`stop_type`,`generation_"
		 "settings/stop`]}",
	 .says = "a",
	 .end = "x\0",
	 .end_bytes = 2,
	 .answer = "200 application/json\n"
		   "{`stopping_word`:`x\\u0000`,`stop_type`:`word`,`generation_settings/stop`:[`x\\u0000`]}"},
	{.name = "a schema that cannot be enforced",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`json_schema`:{`properties`:{`a`:{`uniqueItems`:true}}}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'json_schema': JSON schema: a keyword that is not supported at "
		   "\\`/properties/a/uniqueItems\\``,"
		   "`type`:`invalid_request_error`,`param`:`json_schema`,`code`:400,`request_id`:`1`}}"},
	{.name = "json_schema null",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`json_schema`:null,`n_predict`:1,`response_fields`:[`content`]}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`content`:`a`}"},
	{.name = "neutral values",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`n_predict`:1,`mirostat`:0,`mirostat_tau`:5.0,`dry_multiplier`:0.0,`dry_base`:1.75,`"
		 "xtc_probability`:0,`typical_p`:1,`top_n_sigma`:-1,`dynatemp_range`:0,`grammar`:``,`lora`:[],`cache_"
		 "prompt`:true,`id_slot`:-1,`repeat_last_n`:-1,`min_keep`:0,`t_max_predict_ms`:0,`samplers`:[],`post_"
		 "sampling_probs`:false,`response_fields`:[`content`,`generation_settings/repeat_last_n`]}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`content`:`a`,`generation_settings/repeat_last_n`:-1}"},
	{.name = "mirostat",
	 .request = "POST /completion",
	 .body = "{`prompt`:`Once`,`mirostat`:2}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'mirostat' is not supported here: leave it out, or say 0`,"
		   "`type`:`invalid_request_error`,`param`:`mirostat`,`code`:400,`request_id`:`1`}}"},
	{.name = "tokenize NUL",
	 .request = "POST /tokenize",
	 .body = "{`content`:`a\\u0000b`,`with_pieces`:true}",
	 .answer = "200 application/json\n"
		   "{`tokens`:[{`id`:1826,`piece`:`a`},{`id`:5,`piece`:`\\u0000`},{`id`:1844,`piece`:`b`}]}"},
	{.name = "ids with a point",
	 .request = "POST /detokenize",
	 .body = "{`tokens`:[102.0,1.03e2]}",
	 .answer = "200 application/json\n"
		   "{`content`:`ab`}"},
	{.name = "half an id",
	 .request = "POST /detokenize",
	 .body = "{`tokens`:[102.5]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'tokens' must be a list of token ids`,`type`:`invalid_request_error`,"
		   "`param`:`tokens`,`code`:400,`request_id`:`1`}}"},
	{.name = "tokenize a number",
	 .request = "POST /tokenize",
	 .body = "{`content`:5}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'content' must be a text`,`type`:`invalid_request_error`,`param`:`content`,"
		   "`code`:400,`request_id`:`1`}}"},
	{.name = "detokenize NUL",
	 .request = "POST /detokenize",
	 .body = "{`tokens`:[102,5,103]}",
	 .answer = "200 application/json\n"
		   "{`content`:`a\\u0000b`}"},
	{.name = "models",
	 .request = "GET /v1/models",
	 .answer = "200 application/json\n"
		   "{`object`:`list`,`data`:[{`id`:`canned`,`object`:`model`,`created`:0,`owned_by`:`kvik`,"
		   "`meta`:{`n_vocab`:2048,`n_ctx_train`:64,`n_ctx`:64,`n_params`:0,`size`:0}}]}"},
	{.name = "a model",
	 .request = "GET /v1/models/canned",
	 .answer = "200 application/json\n"
		   "{`id`:`canned`,`object`:`model`,`created`:0,`owned_by`:`kvik`,`meta`:{`n_vocab`:2048,"
		   "`n_ctx_train`:64,`n_ctx`:64,`n_params`:0,`size`:0}}"},
	{.name = "a model in escapes",
	 .request = "GET /v1/models/c%61nned",
	 .answer = "200 application/json\n"
		   "{`id`:`canned`,`object`:`model`,`created`:0,`owned_by`:`kvik`,`meta`:{`n_vocab`:2048,"
		   "`n_ctx_train`:64,`n_ctx`:64,`n_params`:0,`size`:0}}"},
	{.name = "no such model",
	 .request = "GET /v1/models/gpt-4",
	 .answer = "404 application/json\n"
		   "{`error`:{`message`:`there is no model 'gpt-4' here; 'canned' is`,`type`:`invalid_request_error`,"
		   "`param`:`model`,`code`:404,`request_id`:`1`}}"},
	{.name = "infill",
	 .request = "POST /infill",
	 .body = "{`input_prefix`:`def f(x):`,`input_suffix`:`return y`,`prompt`:` "
		 "y`,`n_predict`:1,`response_fields`:[`content`,`prompt`,`tokens_evaluated`]}",
	 .says = "=",
	 .vocab = "tests/api/fim_tokenizer.json",
	 .answer = "200 application/json\n"
		   "{`content`:`=`,`prompt`:`<|fim_prefix|>def f(x): y<|fim_suffix|>return y<|fim_middle|>`,"
		   "`tokens_evaluated`:22}"},
	{.name = "infill as editors ask",
	 .request = "POST /infill",
	 .body = "{`samplers`:[`top_k`,`top_p`,`infill`],`n_indent`:4,`t_max_prompt_ms`:500,`t_max_predict_ms`:1000,`"
		 "cache_prompt`:true,"
		 "`input_prefix`:`def f(x):`,`input_suffix`:`return y`,`prompt`:` "
		 "y`,`n_predict`:1,`response_fields`:[`content`,`prompt`,`tokens_evaluated`]}",
	 .says = "=",
	 .vocab = "tests/api/fim_tokenizer.json",
	 .answer = "200 application/json\n"
		   "{`content`:`=`,`prompt`:`<|fim_prefix|>def f(x): y<|fim_suffix|>return y<|fim_middle|>`,"
		   "`tokens_evaluated`:22}"},
	{.name = "infill with other files",
	 .request = "POST /infill",
	 .body = "{`input_extra`:[{`filename`:`a.c`,`text`:`int "
		 "a;`},{`text`:`b`}],`input_prefix`:`<|fim_middle|>`,`input_suffix`:``,`n_predict`:1,`response_fields`:"
		 "[`prompt`,`tokens_evaluated`]}",
	 .says = "=",
	 .vocab = "tests/api/fim_tokenizer.json",
	 .answer =
		 "200 application/json\n"
		 "{`prompt`:`<|repo_name|>myproject\\n<|file_sep|>a.c\\nint a;\\n<|file_sep|>tmp\\nb\\n<|file_sep|>fil"
		 "ename\\n<|fim_prefix|><|fim_middle|><|fim_suffix|><|fim_middle|>`,`tokens_evaluated`:57}"},
	{.name = "infill of a model that cannot",
	 .request = "POST /infill",
	 .body = "{`input_prefix`:`a`,`input_suffix`:`b`}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`this model cannot fill in: it has no tokens for a text with a hole (fim_prefix,"
		 " fim_suffix, fim_middle)`,`type`:`invalid_request_error`,`param`:null,`code`:400,`request_id`:`1`}}"},
	{.name = "infill of no text",
	 .request = "POST /infill",
	 .body = "{`input_prefix`:[`a`],`input_suffix`:`b`}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'input_prefix' must be a text`,`type`:`invalid_request_error`,"
		   "`param`:`input_prefix`,`code`:400,`request_id`:`1`}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
