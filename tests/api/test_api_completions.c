/* test_api_completions.c: /v1/completions to the byte. */
#include "canned.h"

static const struct api_case cases[] = {
	{.name = "whole numbers however they are written",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:[1.0,1.02e2],`max_tokens`:1e0,`n`:1.0,`top_k`:4e1,`stop_token_ids`:[5.0],`logprobs`:0.0,"
		 "`prompt_logprobs`:0.0,`seed`:1.0}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{"
		   "`index`:0,`text`:`a`,`logprobs`:{`tokens`:[`a`],`token_logprobs`:[-0.5],`top_logprobs`:[{`a`:-0.5}]"
		   ",`text_"
		   "offset`:[0]},`finish_reason`:`stop`,`prompt_logprobs`:[null,{`102`:{`logprob`:-1.0,`rank`:3,`"
		   "decoded_token`:"
		   "`a`}}]}],`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3,`prompt_tokens_details`:"
		   "{`cached_"
		   "tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "without a token that begins a text",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:[`Once`,`Once`],`max_tokens`:1,`add_special_tokens`:false}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{"
		   "`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:`stop`},{`index`:1,`text`:`a`,`logprobs`:null,"
		   "`finish_"
		   "reason`:`stop`}],`usage`:{`prompt_tokens`:2,`completion_tokens`:2,`total_tokens`:4,`prompt_tokens_"
		   "details`:{"
		   "`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "text",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`Once`,`max_tokens`:3}",
	 .says = "a|b|c|d",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`abc`,`logprobs`:null,`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:3,`total_tokens`:5,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "echo and logprobs",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`ab`,`max_tokens`:2,`echo`:true,`logprobs`:2}",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`abab`,`logprobs`:{`tokens`:[`<s>`,`ab`,`a`,`b`],"
		   "`token_logprobs`:[null,-1.0,-0.5,-0.5],`top_logprobs`:[null,{`A`:-0.25,`B`:-0.5,`ab`:-1.0},"
		   "{`a`:-0.5,`B`:-0.5},{`A`:-0.25,`B`:-0.5,`b`:-0.5}],`text_offset`:[0,0,2,3]},"
		   "`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:2,`completion_tokens`:2,`total_tokens`:4,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "echo and logprobs in a stream",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`ab`,`max_tokens`:2,`echo`:true,`logprobs`:1,`stream`:true}",
	 .says = "a|b",
	 .answer = "200 text/event-stream\n"
		   "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`ab`,`logprobs`:{`tokens`:[`<s>`,`ab`],"
		   "`token_logprobs`:[null,-1.0],`top_logprobs`:[null,{`A`:-0.25,`ab`:-1.0}],`text_offset`:[0,0]},"
		   "`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`a`,`logprobs`:{`tokens`:[`a`],"
		   "`token_logprobs`:[-0.5],`top_logprobs`:[{`a`:-0.5}],`text_offset`:[2]},`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`b`,`logprobs`:{`tokens`:[`b`],"
		   "`token_logprobs`:[-0.5],`top_logprobs`:[{`A`:-0.25,`b`:-0.5}],`text_offset`:[3]},"
		   "`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:``,`logprobs`:null,"
		   "`finish_reason`:`stop`}]}\n"
		   "\n"
		   "data: [DONE]\n"
		   "\n"},
	{.name = "logprobs 0 tells the token alone",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`ab`,`max_tokens`:2,`logprobs`:0}",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`ab`,`logprobs`:{`tokens`:[`a`,`b`],`token_logprobs`:[-0.5,-0.5],"
		   "`top_logprobs`:[{`a`:-0.5},{`b`:-0.5}],`text_offset`:[0,1]},`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:2,`total_tokens`:4,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "nul_echo",
	 .request = "POST /v1/completions",
	 .file = "nul_echo.json",
	 .answer =
		 "200 application/json\n"
		 "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		 "`choices`:[{`index`:0,`text`:`a\\u0000b`,`logprobs`:{`tokens`:[`<s>`,`a`,`\\u0000`,`b`],"
		 "`token_logprobs`:[null,-1.0,-1.0,-1.0],`top_logprobs`:[null,{`a`:-1.0},{`\\u0000`:-1.0},{`b`:-1.0}],"
		 "`text_offset`:[0,0,1,2]},`finish_reason`:`length`}],`usage`:{`prompt_tokens`:4,"
		 "`completion_tokens`:0,`total_tokens`:4,`prompt_tokens_details`:{`cached_tokens`:0},"
		 "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "nul in the prompt and in stop",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a\\u0000b`,`stop`:`x\\u0000y`,`echo`:true}",
	 .says = "c|d",
	 .end = "x\0y",
	 .end_bytes = 3,
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`a\\u0000bcd`,`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:4,`completion_tokens`:2,`total_tokens`:6,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "echo_special",
	 .request = "POST /v1/completions",
	 .file = "echo_special.json",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`<|im_start|>user\\nhi<|im_end|>\\n`,`logprobs`:{`tokens`:[`<s>`,"
		   "`<|im_start|>`,`user`,`\\n`,`hi`,`<|im_end|>`,`\\n`],`token_logprobs`:[null,-1.0,-1.0,-1.0,-1.0,"
		   "-1.0,-1.0],`top_logprobs`:[null,{`<|im_start|>`:-1.0},{`user`:-1.0},{`\\n`:-1.0},{`hi`:-1.0},"
		   "{`<|im_end|>`:-1.0},{`\\n`:-1.0}],`text_offset`:[0,0,12,16,17,19,29]},`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:7,`completion_tokens`:0,`total_tokens`:7,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "echo of special tokens",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`<|im_start|>user\\nhi<|im_end|>`,`echo`:true,`max_tokens`:0,`logprobs`:0}",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`<|im_start|>user\\nhi<|im_end|>`,`logprobs`:{`tokens`:[`<s>`,"
		   "`<|im_start|>`,`user`,`\\n`,`hi`,`<|im_end|>`],`token_logprobs`:[null,-1.0,-1.0,-1.0,-1.0,-1.0],"
		   "`top_logprobs`:[null,{`<|im_start|>`:-1.0},{`user`:-1.0},{`\\n`:-1.0},{`hi`:-1.0},"
		   "{`<|im_end|>`:-1.0}],`text_offset`:[0,0,12,16,17,19]},`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:6,`completion_tokens`:0,`total_tokens`:6,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "echo of ids",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:[1,3,102],`echo`:true,`max_tokens`:0}",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`<s><|im_start|>a`,`logprobs`:null,`finish_reason`:`length`}],"
		   "`usage`:{`prompt_tokens`:3,`completion_tokens`:0,`total_tokens`:3,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "offset_utf8",
	 .request = "POST /v1/completions",
	 .file = "offset_utf8.json",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`é中a`,`logprobs`:{`tokens`:[`<s>`,`<200>`,`<174>`,`<233>`,`<189>`,"
		   "`<178>`,`a`],`token_logprobs`:[null,-1.0,-1.0,-1.0,-1.0,-1.0,-1.0],`top_logprobs`:[null,"
		   "{`<200>`:-1.0},{`<174>`:-1.0},{`<233>`:-1.0},{`<189>`:-1.0},{`<178>`:-1.0},{`a`:-1.0}],"
		   "`text_offset`:[0,0,0,1,1,1,2]},`finish_reason`:`length`}],`usage`:{`prompt_tokens`:7,"
		   "`completion_tokens`:0,`total_tokens`:7,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "offsets count characters",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`é中a`,`echo`:true,`max_tokens`:4,`logprobs`:0}",
	 .says = "b|a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`é中aba`,`logprobs`:{`tokens`:[`<s>`,`<200>`,`<174>`,`<233>`,`<189>`,"
		   "`<178>`,`a`,`b`,`a`],`token_logprobs`:[null,-1.0,-1.0,-1.0,-1.0,-1.0,-1.0,-0.5,-0.5],"
		   "`top_logprobs`:[null,{`<200>`:-1.0},{`<174>`:-1.0},{`<233>`:-1.0},{`<189>`:-1.0},{`<178>`:-1.0},"
		   "{`a`:-1.0},{`b`:-0.5},{`a`:-0.5}],`text_offset`:[0,0,0,1,1,1,2,3,4]},`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:7,`completion_tokens`:2,`total_tokens`:9,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "offsets of an answer in pieces of characters",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`max_tokens`:4,`logprobs`:0,`stream`:true}",
	 .says = "\xe4|\xb8|\xad|b",
	 .answer =
		 "200 text/event-stream\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:``,`logprobs`:{`tokens`:[`<233>`],"
		 "`token_logprobs`:[-0.5],`top_logprobs`:[{`<233>`:-0.5}],`text_offset`:[0]},`finish_reason`:null}]}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:``,`logprobs`:{`tokens`:[`<189>`],"
		 "`token_logprobs`:[-0.5],`top_logprobs`:[{`<189>`:-0.5}],`text_offset`:[0]},`finish_reason`:null}]}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`中`,`logprobs`:{`tokens`:[`<178>`],"
		 "`token_logprobs`:[-0.5],`top_logprobs`:[{`<178>`:-0.5}],`text_offset`:[0]},`finish_reason`:null}]}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`b`,`logprobs`:{`tokens`:[`b`],"
		 "`token_logprobs`:[-0.5],`top_logprobs`:[{`b`:-0.5}],`text_offset`:[1]},`finish_reason`:null}]}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:``,`logprobs`:null,"
		 "`finish_reason`:`stop`}]}\n"
		 "\n"
		 "data: [DONE]\n"
		 "\n"},
	{.name = "a stop string ends the offsets",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`stop`:`c`,`logprobs`:0}",
	 .says = "b|c",
	 .end = "c",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`bc`,`logprobs`:{`tokens`:[`b`,`c`],`token_logprobs`:[-0.5,-0.5],"
		   "`top_logprobs`:[{`b`:-0.5},{`c`:-0.5}],`text_offset`:[0,1]},`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:2,`total_tokens`:4,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "prompt_logprobs",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`ab`,`max_tokens`:1,`prompt_logprobs`:1}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:`stop`,`prompt_logprobs`:[null,"
		   "{`471`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`ab`},`70`:{`logprob`:-0.25,`rank`:1,"
		   "`decoded_token`:`A`}}]}],`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "prompt_logprobs in a stream",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`ab`,`stream`:true,`prompt_logprobs`:1}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'prompt_logprobs' and 'stream' do not go together`,"
		   "`type`:`invalid_request_error`,`param`:`prompt_logprobs`,`code`:400,`request_id`:`1`}}"},
	{.name = "neutral values",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`max_tokens`:1,`best_of`:1,`use_beam_search`:false,`top_k`:-1,`typical_p`:1.0,`"
		 "mirostat`:0,`dry_multiplier`:0,`xtc_probability`:0.0,`suffix`:null,`response_format`:{`type`:`text`},"
		 "`min_tokens`:0,`stop_token_ids`:[],`priority`:0,`skip_special_tokens`:true,`logit_bias`:null,`n`:1,`"
		 "user`:`me`,`grammar`:``,`guided_json`:null,`stop`:null}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "best_of above n",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`best_of`:2}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'best_of' other than 'n' is not supported: ask for all with 'n', and choose`,"
		   "`type`:`invalid_request_error`,`param`:`best_of`,`code`:400,`request_id`:`1`}}"},
	{.name = "what it does not have",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`dry_multiplier`:0.8}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'dry_multiplier' is not supported here: leave it out, or say 0`,"
		   "`type`:`invalid_request_error`,`param`:`dry_multiplier`,`code`:400,`request_id`:`1`}}"},
	{.name = "a parameter of another path",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`messages`:[]}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`'messages' is not supported here: leave it out`,`type`:`invalid_request_error`,"
		 "`param`:`messages`,`code`:400,`request_id`:`1`}}"},
	{.name = "a slip of the pen",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`temprature`:1}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`unknown parameter 'temprature': did you mean 'temperature'?`,"
		   "`type`:`invalid_request_error`,`param`:`temprature`,`code`:400,`request_id`:`1`}}"},
	{.name = "nothing like it",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`wobble_the_frob`:1}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`unknown parameter 'wobble_the_frob': it could change the answer,"
		   " so it is not ignored`,`type`:`invalid_request_error`,`param`:`wobble_the_frob`,`code`:400,"
		   "`request_id`:`1`}}"},
	{.name = "nothing like it, null",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`wobble_the_frob`:null}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`unknown parameter 'wobble_the_frob': it could change the answer,"
		   " so it is not ignored`,`type`:`invalid_request_error`,`param`:`wobble_the_frob`,`code`:400,"
		   "`request_id`:`1`}}"},
	{.name = "numbers of any size",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`max_tokens`:1,`seed`:18446744073709551615,`top_k`:99999999999999999999}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "more tokens than any count",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`max_tokens`:9223372036854775807}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "no tokens",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`max_tokens`:0}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'max_tokens' must be at least 1,"
		   " or left out: then the answer may be as long as fits`,`type`:`invalid_request_error`,"
		   "`param`:`max_tokens`,`code`:400,`request_id`:`1`}}"},
	{.name = "no model of that id",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:[1,123456789012345678901234567890]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'prompt' must be a text, a list of token ids and texts, or a list of such`,"
		   "`type`:`invalid_request_error`,`param`:`prompt`,`code`:400,`request_id`:`1`}}"},
	{.name = "usage in every chunk",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`stream`:true,`stream_options`:{`include_usage`:true,`continuous_usage_stats`:true}}",
	 .says = "a",
	 .answer =
		 "200 text/event-stream\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:`a`,`logprobs`:null,`finish_reason`:null}],"
		 "`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3}}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`text`:``,`logprobs`:null,"
		 "`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:2,`completion_tokens`:1,`total_tokens`:3}}\n"
		 "\n"
		 "data: {`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,"
		 "`system_fingerprint`:`kvik`,`choices`:[],`usage`:{`prompt_tokens`:2,`completion_tokens`:1,"
		 "`total_tokens`:3,`prompt_tokens_details`:{`cached_tokens`:0},"
		 "`completion_tokens_details`:{`reasoning_tokens`:0}}}\n"
		 "\n"
		 "data: [DONE]\n"
		 "\n"},
	{.name = "an unknown stream option",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`stream`:true,`stream_options`:{`include_usages`:true}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`unknown parameter 'include_usages': did you mean 'include_usage'?`,"
		   "`type`:`invalid_request_error`,`param`:`include_usages`,`code`:400,`request_id`:`1`}}"},
	{.name = "not json",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`the body is no valid JSON: line 1, column 9: ':' expected near end of file`,"
		   "`type`:`invalid_request_error`,`param`:null,`code`:400,`request_id`:`1`}}"},
	{.name = "suffix",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`def f(x):`,`suffix`:`return y`,`max_tokens`:2,`echo`:true}",
	 .says = "y|=",
	 .vocab = "tests/api/fim_tokenizer.json",
	 .answer = "200 application/json\n"
		   "{`id`:`cmpl-1`,`object`:`text_completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`kvik`,"
		   "`choices`:[{`index`:0,`text`:`def f(x):y=`,`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:20,`completion_tokens`:2,`total_tokens`:22,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "suffix of a model that cannot",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:`a`,`suffix`:`b`}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`this model cannot fill in: it has no tokens for a text with a hole (fim_prefix,"
		 " fim_suffix, fim_middle)`,`type`:`invalid_request_error`,`param`:null,`code`:400,`request_id`:`1`}}"},
	{.name = "suffix of a list",
	 .request = "POST /v1/completions",
	 .body = "{`prompt`:[`a`],`suffix`:`b`}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`'suffix' must be a text, and then 'prompt' too`,`type`:`invalid_request_error`,"
		 "`param`:`suffix`,`code`:400,`request_id`:`1`}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
