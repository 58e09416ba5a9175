/* test_api_chat.c: /v1/chat/completions to the byte. */
#include "canned.h"

#define CHAT .request = "POST /v1/chat/completions"

#define THINKS "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n{# </think> #}"
/* after ../shared/cases: a template that wants ids of nine letters and digits */
#define MISTRAL                                                                                                       \
	"{% for m in messages %}{% if m.role == 'tool' %}[R]{{ m.content }}{{ m.tool_call_id }}{% elif m.tool_calls " \
	"%}"                                                                                                          \
	"[TOOL_CALLS] [{% for t in m.tool_calls %}{% if t.id | length != 9 %}{{ raise_exception('ids of nine') }}"    \
	"{% endif %}{{ (t.function | tojson)[:-1] }}, \"id\": \"{{ t.id }}\"}{% endfor %}]{% else %}{{ m.content }}"  \
	"{% endif %}{% endfor %}"

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
	{.name = "logprobs without top_logprobs",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`logprobs`:true,`max_tokens`:1}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:{`content`:[{`id`:102,`token`:`a`,`logprob`:-0.5,`bytes`:[97],"
		   "`top_logprobs`:[]}],`refusal`:null},`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:1,`total_tokens`:10,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "null_param",
	 .request = "POST /v1/chat/completions",
	 .file = "null_param.json",
	 .says = "a|b|c",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`length`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:2,`total_tokens`:11,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "every parameter null",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`model`:null,`frequency_penalty`:null,`logit_bias`:null,"
		 "`logprobs`:null,`top_logprobs`:null,`max_tokens`:null,`max_completion_tokens`:null,`n`:null,`"
		 "presence_penalty`:null,`response_format`:null,`seed`:null,`stop`:null,`stream`:null,`stream_options`:"
		 "null,`temperature`:null,`top_p`:null,`tools`:null,`tool_choice`:null,`parallel_tool_calls`:null,`"
		 "user`:null,`reasoning_effort`:null,`store`:null,`metadata`:null,`modalities`:null,`audio`:null,`"
		 "prediction`:null,`service_tier`:null,`verbosity`:null,`web_search_options`:null,`functions`:null,`"
		 "function_call`:null,`safety_identifier`:null,`prompt_cache_key`:null,`best_of`:null,`top_k`:null,`"
		 "min_p`:null,`repetition_penalty`:null,`stop_token_ids`:null,`include_stop_str_in_output`:null,`"
		 "ignore_eos`:null,`min_tokens`:null,`skip_special_tokens`:null,`prompt_logprobs`:null,`echo`:null,`"
		 "add_generation_prompt`:null,`continue_final_message`:null,`documents`:null,`chat_template`:null,`"
		 "chat_template_kwargs`:null,`guided_json`:null,`guided_grammar`:null,`priority`:null,`cache_salt`:"
		 "null,`mirostat`:null,`n_predict`:null,`grammar`:null,`json_schema`:null,`samplers`:null,`keep_alive`:"
		 "null,`format`:null}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:1,`total_tokens`:10,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "bigint_tool",
	 .request = "POST /v1/chat/completions",
	 .file = "bigint_tool.json",
	 .says = "a|b|c",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`length`}],`usage`:{`prompt_tokens`:251,"
		   "`completion_tokens`:2,`total_tokens`:253,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "a tool schema goes through unchanged",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,"
		 "`parameters`:{`maximum`:18446744073709551615,`minimum`:-1e999,`x`:9007199254740993,`y`:0.1,`z`:null}}"
		 "}]}",
	 .chat_template = "{{ messages[0].content }} {{ tools|tojson }}",
	 .answer =
		 "200 application/json\n"
		 "{`prompt`:`Hi [{\\`type\\`: \\`function\\`, \\`function\\`: {\\`name\\`: \\`f\\`, \\`parameters\\`: "
		 "{\\`maximum\\`: 18446744073709551615, \\`minimum\\`: -1e999, \\`x\\`: 9007199254740993, "
		 "\\`y\\`: 0.1, \\`z\\`: null}}}]`}"},
	{.name = "a tool schema in words is unchanged too",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,"
		 "`parameters`:{`a`:[0.1,1e999,-1e22,18446744073709551615],`b`:2.50,`c`:`1e999`}}}]}",
	 .chat_template = "{{ messages[0].content }}",
	 .answer = "200 application/json\n"
		   "{`prompt`:`You can call tools. These are the tools you have, as JSON:\\n<tools>\\n{\\`name\\`: "
		   "\\`f\\`, "
		   "\\`parameters\\`: {\\`a\\`: [0.1, 1e999, -1e+22, 18446744073709551615], \\`b\\`: 2.5, \\`c\\`: "
		   "\\`1e999\\`}}\\n</tools>\\nTo call one, answer with its name and its arguments in this "
		   "form:\\n<tool_call>\\n{\\`name\\`: \\`NAME\\`, \\`arguments\\`: {\\`KEY\\`: "
		   "\\`VALUE\\`}}\\n</tool_call>\\nWithout need "
		   "of a tool, answer in words.`}"},
	{.name = "members of tools and messages that are null were not given",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`,`name`:null,`tool_calls`:null}],`tools`:[{`type`:`"
		 "function`,"
		 "`x`:null,`function`:{`name`:`f`,`description`:null,`strict`:null,`parameters`:null}}]}",
	 .chat_template = "{{ messages|tojson }} {{ tools|tojson }}",
	 .answer = "200 application/json\n"
		   "{`prompt`:`[{\\`role\\`: \\`user\\`, \\`content\\`: \\`Hi\\`}] [{\\`type\\`: \\`function\\`, "
		   "\\`function\\`: {\\`name\\`: \\`f\\`}}]`}"},
	{.name = "a function that stands alone",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{}}]"
		 "}",
	 .chat_template = "{{ messages[0].content }} {{ tools|tojson }}",
	 .answer = "200 application/json\n"
		   "{`prompt`:`Hi [{\\`type\\`: \\`function\\`, \\`function\\`: {\\`name\\`: \\`f\\`, "
		   "\\`parameters\\`: {}}}]`}"},
	{.name = "a tool without a name",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{}}]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`tools[0] must have a 'function' with a 'name'`,`type`:`invalid_request_error`,"
		   "`param`:`tools`,`code`:400,`request_id`:`1`}}"},
	{.name = "a tool that is no function",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`}},"
		 "{`type`:`web_search`}]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`tools[1] of type 'web_search' is not supported: functions are`,"
		   "`type`:`invalid_request_error`,`param`:`tools`,`code`:400,`request_id`:`1`}}"},
	{.name = "messages in other words",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`chat_template_kwargs`:{`messages`:[]}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`messages and tools cannot be variables of the template, too`,"
		   "`type`:`invalid_request_error`,`param`:`messages`,`code`:400,`request_id`:`1`}}"},
	{.name = "what was refused is history",
	 .request = "POST /apply-template",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`},{`role`:`assistant`,`content`:null,`refusal`:`No.`},"
		 "{`role`:`user`,`content`:`Why?`}]}",
	 .chat_template = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }} {% endfor %}",
	 .answer = "200 application/json\n"
		   "{`prompt`:`u:Hi a:No. u:Why? `}"},
	{.name = "almost auto",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tool_choice`:`auto\\u0000`}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'tool_choice' needs "
		   "'tools'`,`type`:`invalid_request_error`,`param`:`tool_choice`,`code`:400,`request_id`:`1`}}"},
	{.name = "half a token's bias",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`logit_bias`:{`5.7`:1}}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`'logit_bias' must name tokens by ids below 2048`,`type`:`invalid_request_error`,"
		 "`param`:`logit_bias`,`code`:400,`request_id`:`1`}}"},
	{.name = "words to the template",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokens`:1,`reasoning_effort`:`low`,`verbosity`:`"
		 "high`,`chat_template_kwargs`:{`x`:123456789012345678901}}",
	 .says = "a",
	 .chat_template =
		 "{{ messages[0].content }}|{{ reasoning_effort }}|{{ verbosity }}|{{ enable_thinking }}|{{ x }}",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:30,"
		   "`completion_tokens`:1,`total_tokens`:31,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "parallel_tool_calls false",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`parallel_tool_calls`:false,`tools`:[{`type`:`function`,"
		 "`function`:{`name`:`f`,`parameters`:{`type`:`object`}}},{`type`:`function`,`function`:{`name`:`g`}}]"
		 "}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}|;|{|\"|n|a|m|e|\"|:|\"|g|\"|,|\"|a|r|g|u|"
		 "m|e|n|t|s|\"|:|{|}|}",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,"
		   "`refusal`:null,`tool_calls`:[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`f`,"
		   "`arguments`:`{}`}}]},`logprobs`:null,`finish_reason`:`tool_calls`}],`usage`:{`prompt_tokens`:200,"
		   "`completion_tokens`:55,`total_tokens`:255,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "max_tokens 0",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokens`:0}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'max_tokens' must be at least 1,"
		   " or left out: then the answer may be as long as fits`,`type`:`invalid_request_error`,"
		   "`param`:`max_tokens`,`code`:400,`request_id`:`1`}}"},
	{.name = "max_tokens -1 is as many as fit",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokens`:-1}",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:2,`total_tokens`:11,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "prompt_logprobs",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokens`:1,`prompt_logprobs`:0}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:1,`total_tokens`:10,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}},`prompt_logprobs`:[null,{`364`:{`logprob`:-1.0,"
		   "`rank`:3,`decoded_token`:`user`}},{`15`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`\\n`}},"
		   "{`1119`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`Hi`}},{`4`:{`logprob`:-1.0,`rank`:3,"
		   "`decoded_token`:`<|im_end|>`}},{`15`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`\\n`}},"
		   "{`3`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`<|im_start|>`}},{`365`:{`logprob`:-1.0,`rank`:3,"
		   "`decoded_token`:`assistant`}},{`15`:{`logprob`:-1.0,`rank`:3,`decoded_token`:`\\n`}}]}"},
	{.name = "stored and told apart",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokens`:1,`store`:true,`metadata`:{`a`:`b`},`"
		 "service_tier`:`auto`,`user`:`u`,`prompt_cache_key`:`k`,`safety_identifier`:`s`,`modalities`:[`text`],"
		 "`cache_salt`:`pepper`}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`a`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:9,"
		   "`completion_tokens`:1,`total_tokens`:10,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "audio",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`modalities`:[`text`,`audio`]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'modalities' is not supported here: leave it out,"
		   " or say one of [\\`text\\`] []`,`type`:`invalid_request_error`,`param`:`modalities`,`code`:400,"
		   "`request_id`:`1`}}"},
	{.name = "an id that is no stop",
	 .request = "POST /v1/chat/completions",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`stop_token_ids`:[99999]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'stop_token_ids' must be ids below 2048`,`type`:`invalid_request_error`,"
		   "`param`:`stop_token_ids`,`code`:400,`request_id`:`1`}}"},
	{.name = "a call that must be",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:`"
		 "required`}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer =
		 "200 application/json\n"
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		 "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,`refusal`:null,`tool_calls`:"
		 "[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`f`,`arguments`:`{}`}}]},`logprobs`:null,`"
		 "finish_reason`:`tool_calls`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:27,`total_tokens`:292,"
		 "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "two calls that must be",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:`"
		 "required`,`parallel_tool_calls`:true}",
	 .says = "[|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}|,|{|\"|n|a|m|e|\"|:|\"|g|\"|,|\"|a|r|g|"
		 "u|m|e|n|t|s|\"|:|{|}|}|]",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		   "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,`refusal`:null,`tool_"
		   "calls`:[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`f`,`arguments`:`{}`}},{`id`:`"
		   "xXujaG5b2`,`type`:`function`,`function`:{`name`:`g`,`arguments`:`{}`}}]},`logprobs`:null,`finish_"
		   "reason`:`tool_calls`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:57,`total_tokens`:322,`"
		   "prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "a named call",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:{`"
		 "type`:`function`,`function`:{`name`:`g`}}}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|g|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer =
		 "200 application/json\n"
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		 "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,`refusal`:null,`tool_calls`:"
		 "[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`g`,`arguments`:`{}`}}]},`logprobs`:null,`"
		 "finish_reason`:`tool_calls`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:27,`total_tokens`:292,"
		 "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "a call that ends too early",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:`"
		 "required`}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|f",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		   "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`{\\`name\\`:\\`f`,`refusal`:"
		   "null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:10,"
		   "`total_tokens`:275,`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`"
		   "reasoning_tokens`:0}}}"},
	{.name = "no such tool",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:{`"
		 "type`:`function`,`function`:{`name`:`h`}}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'tool_choice' names 'h', which is not among the "
		   "'tools'`,`type`:`invalid_request_error`,`param`:`tool_choice`,`code`:400,`request_id`:`1`}}"},
	{.name = "required without tools",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tool_choice`:`required`}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'tool_choice' needs "
		   "'tools'`,`type`:`invalid_request_error`,`param`:`tool_choice`,`code`:400,`request_id`:`1`}}"},
	{.name = "no such choice",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:`"
		 "sometimes`}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'tool_choice' must be none, auto, required, a function, or allowed_tools with "
		   "a mode of auto or "
		   "required`,`type`:`invalid_request_error`,`param`:`tool_choice`,`code`:400,`request_id`:`1`}}"},
	{.name = "allowed tools",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:{`"
		 "type`:`allowed_tools`,`allowed_tools`:{`mode`:`required`,`tools`:[{`type`:`function`,`function`:{`"
		 "name`:`g`}}]}}}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|g|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer =
		 "200 application/json\n"
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		 "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,`refusal`:null,`tool_calls`:"
		 "[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`g`,`arguments`:`{}`}}]},`logprobs`:null,`"
		 "finish_reason`:`tool_calls`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:27,`total_tokens`:292,"
		 "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "a schema as TGI has it",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`response_format`:{`type`:`json_object`,`value`:{`"
		 "uniqueItems`:true}}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'response_format': JSON schema: a keyword that is not supported at "
		   "\\`/"
		   "uniqueItems\\``,`type`:`invalid_request_error`,`param`:`response_format`,`code`:400,`request_id`:`"
		   "1`}}"},
	{.name = "a schema that cannot be held",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`array`,`uniqueItems`:true}}}}}],`tool_choice`"
		 ":`required`}",
	 .answer =
		 "400 application/json\n"
		 "{`error`:{`message`:`'tool_choice': JSON schema: a keyword that is not supported at "
		 "\\`/properties/a/"
		 "uniqueItems\\``,`type`:`invalid_request_error`,`param`:`tool_choice`,`code`:400,`request_id`:`1`}}"},
	{.name = "a form and a call",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`function`,`function`:{`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`$ref`:`#/$defs/"
		 "n`}},`$defs`:{`n`:{`type`:`string`}}}}},{`type`:`function`,`function`:{`name`:`g`}}],`tool_choice`:`"
		 "required`,`response_format`:{`type`:`json_object`}}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer =
		 "200 application/json\n"
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,`system_fingerprint`:`"
		 "kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,`refusal`:null,`tool_calls`:"
		 "[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`f`,`arguments`:`{}`}}]},`logprobs`:null,`"
		 "finish_reason`:`tool_calls`}],`usage`:{`prompt_tokens`:265,`completion_tokens`:27,`total_tokens`:292,"
		 "`prompt_tokens_details`:{`cached_tokens`:0},`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "a call in a stream",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`stream`:true,`tools`:[{`type`:`function`,`function`:{`"
		 "name`:`f`,`parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`string`}}}}}]}",
	 .says = "O|k|.|\n|<|t|o|o|l|_|c|a|l|l|>|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|\"|a|\"|:|\"|"
		 "b|\"|}|}|<|/|t|o|o|l|_|c|a|l|l|>",
	 .answer =
		 "200 text/event-stream\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`role`:`assistant`,`content`:``},`logprobs`:null,`finish_"
		 "reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`O`},`logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`k`},`logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`.`},`logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`id`:`Lq3zfWCBD`,`type`:`function`,`"
		 "function`:{`name`:`f`,`arguments`:``}}]},`logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`{\\`a`}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`\\``}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`:`}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`\\``}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`b`}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`\\``}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{`tool_calls`:[{`index`:0,`function`:{`arguments`:`}`}}]},`"
		 "logprobs`:null,`finish_reason`:null}]}\n"
		 "\n"
		 "data: "
		 "{`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,`system_fingerprint`"
		 ":`kvik`,`choices`:[{`index`:0,`delta`:{},`logprobs`:null,`finish_reason`:`tool_calls`}]}\n"
		 "\n"
		 "data: [DONE]\n"
		 "\n"},
	{.name = "thoughts",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}]}",
	 .chat_template = THINKS,
	 .says = "H|m|.|<|/|t|h|i|n|k|>|\n|Y|e|s",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,"
		   "`content`:`Yes`,`refusal`:null,`reasoning_content`:`Hm.`},`logprobs`:null,"
		   "`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:6,`completion_tokens`:15,`total_tokens`:21,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:10}}}"},
	{.name = "thoughts in a stream",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`stream`:true}",
	 .chat_template = THINKS,
	 .says = "H|m|.|<|/|t|h|i|n|k|>|\n|Y|e|s",
	 .answer = "200 text/event-stream\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`role`:`assistant`,`content`:``},"
		   "`logprobs`:null,`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`reasoning_content`:`H`},"
		   "`logprobs`:null,`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`reasoning_content`:`m`},"
		   "`logprobs`:null,`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`reasoning_content`:`.`},"
		   "`logprobs`:null,`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`Y`},`logprobs`:null,"
		   "`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`e`},`logprobs`:null,"
		   "`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{`content`:`s`},`logprobs`:null,"
		   "`finish_reason`:null}]}\n"
		   "\n"
		   "data: {`id`:`chatcmpl-1`,`object`:`chat.completion.chunk`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`delta`:{},`logprobs`:null,"
		   "`finish_reason`:`stop`}]}\n"
		   "\n"
		   "data: [DONE]\n"
		   "\n"},
	{.name = "thoughts as text",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`reasoning_format`:`none`}",
	 .chat_template = THINKS,
	 .says = "H|m|.|<|/|t|h|i|n|k|>|\n|Y|e|s",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,"
		   "`content`:`Hm.</think>\\nYes`,`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],"
		   "`usage`:{`prompt_tokens`:6,`completion_tokens`:15,`total_tokens`:21,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "tools_ignored",
	 CHAT,
	 .file = "tools_ignored.json",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:204,"
		   "`completion_tokens`:2,`total_tokens`:206,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "null_content",
	 CHAT,
	 .file = "null_content.json",
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:75,"
		   "`completion_tokens`:2,`total_tokens`:77,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "mistral_turn1",
	 CHAT,
	 .file = "mistral_turn1.json",
	 .chat_template = MISTRAL,
	 .says = "[|T|O|O|L|_|C|A|L|L|S|]| |[|{|\"|n|a|m|e|\"|:| |\"|f|\"|,| |\"|a|r|g|u|m|e|n|t|s|\"|:| |{|}|}|]",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:null,"
		   "`refusal`:null,`tool_calls`:[{`id`:`Lq3zfWCBD`,`type`:`function`,`function`:{`name`:`f`,"
		   "`arguments`:`{}`}}]},`logprobs`:null,`finish_reason`:`tool_calls`}],"
		   "`usage`:{`prompt_tokens`:415,`completion_tokens`:45,`total_tokens`:460,"
		   "`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "mistral_turn2",
	 CHAT,
	 .file = "mistral_turn2.json",
	 .chat_template = MISTRAL,
	 .says = "a|b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`ab`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:297,"
		   "`completion_tokens`:2,`total_tokens`:299,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "an answer is gone on with",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`},{`role`:`assistant`,`content`:`A`}]}",
	 .says = "b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`b`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:10,"
		   "`completion_tokens`:1,`total_tokens`:11,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "or not",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`},{`role`:`assistant`,`content`:`A`}],`add_generation_"
		 "prompt`:true}",
	 .says = "b",
	 .answer = "200 application/json\n"
		   "{`id`:`chatcmpl-1`,`object`:`chat.completion`,`created`:0,`model`:`canned`,"
		   "`system_fingerprint`:`kvik`,`choices`:[{`index`:0,`message`:{`role`:`assistant`,`content`:`b`,"
		   "`refusal`:null},`logprobs`:null,`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:15,"
		   "`completion_tokens`:1,`total_tokens`:16,`prompt_tokens_details`:{`cached_tokens`:0},"
		   "`completion_tokens_details`:{`reasoning_tokens`:0}}}"},
	{.name = "both is too much",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`add_generation_prompt`:true,`continue_final_message`:"
		 "true}",
	 .says = "b",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'continue_final_message' and 'add_generation_prompt' cannot both be true`,"
		   "`type`:`invalid_request_error`,`param`:`continue_final_message`,`code`:400,`request_id`:`1`}}"},
	{.name = "an image",
	 CHAT,
	 .body = "{`messages`:[{`role`:`user`,`content`:[{`type`:`image_url`,`image_url`:{`url`:`x`}}]}]}",
	 .says = "b",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`messages[0]: content of type 'image_url' is not supported: this model read"
		   "s text only`,`type`:`invalid_request_error`,`param`:`messages`,`code`:400,`request_id`:`1`}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
