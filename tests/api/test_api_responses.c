/* test_api_responses.c: /v1/responses to the byte. */
#include "canned.h"

static const struct api_case cases[] = {
	{.name = "text",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`instructions`:`Be kind.`}",
	 .says = "H|i|!",
	 .answer = "200 application/json\n"
		   "{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,`model`:`canned`,"
		   "`output`:[{`id`:`msg_1`,`type`:`message`,`status`:`completed`,`role`:`assistant`,"
		   "`content`:[{`type`:`output_text`,`text`:`Hi!`,`annotations`:[]}]}],`error`:null,`temperature`:0.8,"
		   "`top_p`:0.95,`parallel_tool_calls`:false,`tool_choice`:`none`,`tools`:[],`metadata`:{},"
		   "`truncation`:`disabled`,`incomplete_details`:null,`usage`:{`input_tokens`:18,"
		   "`input_tokens_details`:{`cached_tokens`:0},`output_tokens`:3,"
		   "`output_tokens_details`:{`reasoning_tokens`:0},`total_tokens`:21}}"},
	{.name = "stream",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`stream`:true}",
	 .says = "H|i|!",
	 .answer = "200 text/event-stream\n"
		   "event: response.created\n"
		   "data: {`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`in_progress`,"
		   "`model`:`canned`,`output`:[],`error`:null,`temperature`:0.8,`top_p`:0.95,"
		   "`parallel_tool_calls`:false,`tool_choice`:`none`,`tools`:[],`metadata`:{},`truncation`:`disabled`,"
		   "`incomplete_details`:null},`type`:`response.created`,`sequence_number`:0}\n"
		   "\n"
		   "event: response.in_progress\n"
		   "data: {`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`in_progress`,"
		   "`model`:`canned`,`output`:[],`error`:null,`temperature`:0.8,`top_p`:0.95,"
		   "`parallel_tool_calls`:false,`tool_choice`:`none`,`tools`:[],`metadata`:{},`truncation`:`disabled`,"
		   "`incomplete_details`:null},`type`:`response.in_progress`,`sequence_number`:1}\n"
		   "\n"
		   "event: response.output_item.added\n"
		   "data: {`output_index`:0,`item`:{`id`:`msg_1`,`type`:`message`,`status`:`in_progress`,"
		   "`role`:`assistant`,`content`:[]},`type`:`response.output_item.added`,`sequence_number`:2}\n"
		   "\n"
		   "event: response.content_part.added\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`part`:{`type`:`output_text`,`text`:``,"
		   "`annotations`:[]},`type`:`response.content_part.added`,`sequence_number`:3}\n"
		   "\n"
		   "event: response.output_text.delta\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`delta`:`H`,`logprobs`:[],"
		   "`type`:`response.output_text.delta`,`sequence_number`:4}\n"
		   "\n"
		   "event: response.output_text.delta\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`delta`:`i`,`logprobs`:[],"
		   "`type`:`response.output_text.delta`,`sequence_number`:5}\n"
		   "\n"
		   "event: response.output_text.delta\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`delta`:`!`,`logprobs`:[],"
		   "`type`:`response.output_text.delta`,`sequence_number`:6}\n"
		   "\n"
		   "event: response.output_text.done\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`text`:`Hi!`,`logprobs`:[],"
		   "`type`:`response.output_text.done`,`sequence_number`:7}\n"
		   "\n"
		   "event: response.content_part.done\n"
		   "data: {`item_id`:`msg_1`,`output_index`:0,`content_index`:0,`part`:{`type`:`output_text`,"
		   "`text`:`Hi!`,`annotations`:[]},`type`:`response.content_part.done`,`sequence_number`:8}\n"
		   "\n"
		   "event: response.output_item.done\n"
		   "data: {`output_index`:0,`item`:{`id`:`msg_1`,`type`:`message`,`status`:`completed`,"
		   "`role`:`assistant`,`content`:[{`type`:`output_text`,`text`:`Hi!`,`annotations`:[]}]},"
		   "`type`:`response.output_item.done`,`sequence_number`:9}\n"
		   "\n"
		   "event: response.completed\n"
		   "data: {`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,"
		   "`model`:`canned`,`output`:[{`id`:`msg_1`,`type`:`message`,`status`:`completed`,`role`:`assistant`,"
		   "`content`:[{`type`:`output_text`,`text`:`Hi!`,`annotations`:[]}]}],`error`:null,`temperature`:0.8,"
		   "`top_p`:0.95,`parallel_tool_calls`:false,`tool_choice`:`none`,`tools`:[],`metadata`:{},"
		   "`truncation`:`disabled`,`incomplete_details`:null,`usage`:{`input_tokens`:9,"
		   "`input_tokens_details`:{`cached_tokens`:0},`output_tokens`:3,"
		   "`output_tokens_details`:{`reasoning_tokens`:0},`total_tokens`:12}},`type`:`response.completed`,"
		   "`sequence_number`:10}\n"
		   "\n"},
	{.name = "words to the template",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`reasoning`:{`effort`:`low`,`summary`:null},`text`:{`format`:{`type`:`text`},`"
		 "verbosity`:`low`},`store`:true,`tools`:[],`tool_choice`:`auto`,`truncation`:`auto`,`parallel_tool_"
		 "calls`:true,`include`:[],`metadata`:{},`previous_response_id`:null,`max_output_tokens`:1}",
	 .says = "a",
	 .chat_template =
		 "{{ messages[0].content }}|{{ reasoning_effort }}|{{ verbosity }}|{{ enable_thinking }}|{{ x }}",
	 .answer = "200 application/json\n"
		   "{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,`model`:`canned`,"
		   "`output`:[{`id`:`msg_1`,`type`:`message`,`status`:`completed`,`role`:`assistant`,"
		   "`content`:[{`type`:`output_text`,`text`:`a`,`annotations`:[]}]}],`error`:null,`temperature`:0.8,"
		   "`top_p`:0.95,`parallel_tool_calls`:false,`tool_choice`:`auto`,`tools`:[],`metadata`:{},"
		   "`truncation`:`disabled`,`incomplete_details`:null,`usage`:{`input_tokens`:9,"
		   "`input_tokens_details`:{`cached_tokens`:0},`output_tokens`:1,"
		   "`output_tokens_details`:{`reasoning_tokens`:0},`total_tokens`:10}}"},
	{.name = "a schema",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`text`:{`format`:{`type`:`json_schema`}}}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'text' of type json_schema must hold the schema: "
		   "{\\`type\\`: \\`json_schema\\`, \\`json_schema\\`: {\\`name\\`: \\`...\\`, \\`schema\\`: {...}}}`,"
		   "`type`:`invalid_request_error`,`param`:`text`,`code`:400,`request_id`:`1`}}"},
	{.name = "a call",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{`type`:`object`,`properties`:{`a`:"
		 "{`type`:`string`}}}}]}",
	 .says = "O|k|\n|<|t|o|o|l|_|c|a|l|l|>|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|\"|a|\"|:|\"|b|"
		 "\"|}|}|<|/|t|o|o|l|_|c|a|l|l|>",
	 .answer = "200 application/json\n"
		   "{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,`model`:`canned`,`output`:[{"
		   "`id`:`msg_1`,`type`:`message`,`status`:`completed`,`role`:`assistant`,`content`:[{`type`:`output_"
		   "text`,`text`:`Ok`,`annotations`:[]}]},{`id`:`fc_1`,`type`:`function_call`,`status`:`completed`,`"
		   "call_id`:`Lq3zfWCBD`,`name`:`f`,`arguments`:`{\\`a\\`:\\`b\\`}`}],`error`:null,`temperature`:0.8,`"
		   "top_p`:0.95,`parallel_tool_calls`:true,`tool_choice`:`auto`,`tools`:[{`type`:`function`,`name`:`f`,"
		   "`parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`string`}}}}],`metadata`:{},`truncation`:`"
		   "disabled`,`incomplete_details`:null,`usage`:{`input_tokens`:220,`input_tokens_details`:{`cached_"
		   "tokens`:0},`output_tokens`:60,`output_tokens_details`:{`reasoning_tokens`:0},`total_tokens`:280}}"},
	{.name = "thoughts and a call in a stream",
	 .request = "POST /v1/responses",
	 .chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}<think>{# </think> #}",
	 .body = "{`input`:`Hi`,`stream`:true,`tool_choice`:`required`,`tools`:[{`type`:`function`,`name`:`f`,`"
		 "parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`string`}}}}]}",
	 .says = "H|m|<|/|t|h|i|n|k|>|\n|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer = "200 text/event-stream\n"
		   "event: response.created\n"
		   "data: "
		   "{`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`in_progress`,`model`:`"
		   "canned`,`output`:[],`error`:null,`temperature`:0.8,`top_p`:0.95,`parallel_tool_calls`:true,`tool_"
		   "choice`:`required`,`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{`type`:`object`,`"
		   "properties`:{`a`:{`type`:`string`}}}}],`metadata`:{},`truncation`:`disabled`,`incomplete_details`:"
		   "null},`type`:`response.created`,`sequence_number`:0}\n"
		   "\n"
		   "event: response.in_progress\n"
		   "data: "
		   "{`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`in_progress`,`model`:`"
		   "canned`,`output`:[],`error`:null,`temperature`:0.8,`top_p`:0.95,`parallel_tool_calls`:true,`tool_"
		   "choice`:`required`,`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{`type`:`object`,`"
		   "properties`:{`a`:{`type`:`string`}}}}],`metadata`:{},`truncation`:`disabled`,`incomplete_details`:"
		   "null},`type`:`response.in_progress`,`sequence_number`:1}\n"
		   "\n"
		   "event: response.output_item.added\n"
		   "data: "
		   "{`output_index`:0,`item`:{`id`:`rs_1`,`type`:`reasoning`,`summary`:[],`content`:[]},`type`:`"
		   "response.output_item.added`,`sequence_number`:2}\n"
		   "\n"
		   "event: response.reasoning_text.delta\n"
		   "data: "
		   "{`item_id`:`rs_1`,`output_index`:0,`content_index`:0,`delta`:`H`,`type`:`response.reasoning_text."
		   "delta`,`sequence_number`:3}\n"
		   "\n"
		   "event: response.reasoning_text.delta\n"
		   "data: "
		   "{`item_id`:`rs_1`,`output_index`:0,`content_index`:0,`delta`:`m`,`type`:`response.reasoning_text."
		   "delta`,`sequence_number`:4}\n"
		   "\n"
		   "event: response.reasoning_text.done\n"
		   "data: "
		   "{`item_id`:`rs_1`,`output_index`:0,`content_index`:0,`text`:`Hm`,`type`:`response.reasoning_text."
		   "done`,`sequence_number`:5}\n"
		   "\n"
		   "event: response.output_item.done\n"
		   "data: "
		   "{`output_index`:0,`item`:{`id`:`rs_1`,`type`:`reasoning`,`summary`:[],`content`:[{`type`:`"
		   "reasoning_text`,`text`:`Hm`}]},`type`:`response.output_item.done`,`sequence_number`:6}\n"
		   "\n"
		   "event: response.output_item.added\n"
		   "data: "
		   "{`output_index`:1,`item`:{`id`:`fc_1`,`type`:`function_call`,`status`:`in_progress`,`call_id`:`"
		   "Lq3zfWCBD`,`name`:`f`,`arguments`:``},`type`:`response.output_item.added`,`sequence_number`:7}\n"
		   "\n"
		   "event: response.function_call_arguments.delta\n"
		   "data: "
		   "{`item_id`:`fc_1`,`output_index`:1,`delta`:`{}`,`type`:`response.function_call_arguments.delta`,`"
		   "sequence_number`:8}\n"
		   "\n"
		   "event: response.function_call_arguments.done\n"
		   "data: "
		   "{`item_id`:`fc_1`,`output_index`:1,`arguments`:`{}`,`name`:`f`,`type`:`response.function_call_"
		   "arguments.done`,`sequence_number`:9}\n"
		   "\n"
		   "event: response.output_item.done\n"
		   "data: "
		   "{`output_index`:1,`item`:{`id`:`fc_1`,`type`:`function_call`,`status`:`completed`,`call_id`:`"
		   "Lq3zfWCBD`,`name`:`f`,`arguments`:`{}`},`type`:`response.output_item.done`,`sequence_number`:10}\n"
		   "\n"
		   "event: response.completed\n"
		   "data: "
		   "{`response`:{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,`model`:`canned`"
		   ",`output`:[{`id`:`rs_1`,`type`:`reasoning`,`summary`:[],`content`:[{`type`:`reasoning_text`,`text`:"
		   "`Hm`}]},{`id`:`fc_1`,`type`:`function_call`,`status`:`completed`,`call_id`:`Lq3zfWCBD`,`name`:`f`,`"
		   "arguments`:`{}`}],`error`:null,`temperature`:0.8,`top_p`:0.95,`parallel_tool_calls`:true,`tool_"
		   "choice`:`required`,`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{`type`:`object`,`"
		   "properties`:{`a`:{`type`:`string`}}}}],`metadata`:{},`truncation`:`disabled`,`incomplete_details`:"
		   "null,`usage`:{`input_tokens`:211,`input_tokens_details`:{`cached_tokens`:0},`output_tokens`:38,`"
		   "output_tokens_details`:{`reasoning_tokens`:9},`total_tokens`:249}},`type`:`response.completed`,`"
		   "sequence_number`:11}\n"
		   "\n"},
	{.name = "a call and its output",
	 .request = "POST /v1/responses",
	 .chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
	 .body = "{`input`:[{`role`:`user`,`content`:`Hi`},{`type`:`reasoning`,`summary`:[]},{`type`:`message`,`role`:`"
		 "assistant`,"
		 "`content`:[{`type`:`output_text`,`text`:`Ok`}]},{`type`:`function_call`,`call_id`:`c1`,`name`:`f`,`"
		 "arguments`:`{}`},"
		 "{`type`:`function_call_output`,`call_id`:`c1`,`output`:`sun`}],`tools`:[{`type`:`function`,`name`:`f`"
		 ",`parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`string`}}}}]}",
	 .says = "a",
	 .answer = "200 application/json\n"
		   "{`id`:`resp_1`,`object`:`response`,`created_at`:0,`status`:`completed`,`model`:`canned`,`output`:[{"
		   "`id`:`msg_1`,`type`:`message`,`status`:`completed`,`role`:`assistant`,`content`:[{`type`:`output_"
		   "text`,`text`:`a`,`annotations`:[]}]}],`error`:null,`temperature`:0.8,`top_p`:0.95,`parallel_tool_"
		   "calls`:true,`tool_choice`:`auto`,`tools`:[{`type`:`function`,`name`:`f`,`parameters`:{`type`:`"
		   "object`,`properties`:{`a`:{`type`:`string`}}}}],`metadata`:{},`truncation`:`disabled`,`incomplete_"
		   "details`:null,`usage`:{`input_tokens`:264,`input_tokens_details`:{`cached_tokens`:0},`output_"
		   "tokens`:1,`output_tokens_details`:{`reasoning_tokens`:0},`total_tokens`:265}}"},
	{.name = "an unknown item",
	 .request = "POST /v1/responses",
	 .body = "{`input`:[{`type`:`item_reference`,`id`:`x`}]}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`input items of type 'item_reference' are not supported; message, "
		   "function_call, function_call_output and reasoning "
		   "are`,`type`:`invalid_request_error`,`param`:`input`,`code`:400,`request_id`:`1`}}"},
	{.name = "a conversation that is not kept",
	 .request = "POST /v1/responses",
	 .body = "{`input`:`Hi`,`previous_response_id`:`resp_1`}",
	 .answer = "400 application/json\n"
		   "{`error`:{`message`:`'previous_response_id' is not supported here: nothing is kept between "
		   "requests: send all messages`,"
		   "`type`:`invalid_request_error`,`param`:`previous_response_id`,`code`:400,`request_id`:`1`}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
