/* test_api_anthropic.c: /v1/messages to the byte. */
#include "canned.h"

#define TOOL                                                                                                           \
	"`tools`:[{`name`:`f`,`description`:`d`,`input_schema`:{`type`:`object`,`properties`:{`a`:{`type`:`string`}}}" \
	"}]"
#define CALL                                                                                                           \
	"O|k|\n|<|t|o|o|l|_|c|a|l|l|>|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|\"|a|\"|:|\"|b|\"|}|}|<" \
	"|/|"                                                                                                          \
	"t|o|o|l|_|c|a|l|l|>"

static const struct api_case cases[] = {
	{.name = "text",
	 .request = "POST /v1/messages",
	 .body = "{`model`:`m`,`max_tokens`:9,`system`:`Be kind.`,`messages`:[{`role`:`user`,`content`:`Hi`}],"
		 "`metadata`:{`user_id`:`u`},`temperature`:0,`top_k`:5,`service_tier`:`auto`}",
	 .says = "H|i|!",
	 .answer = "200 application/json\n"
		   "{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,`model`:`m`,`content`:[{`type`:`text`,"
		   "`text`:`Hi!`}],`stop_reason`:`end_turn`,`stop_sequence`:null,`usage`:{`input_tokens`:18,"
		   "`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,`output_tokens`:3}}"},
	{.name = "stop sequence",
	 .request = "POST /v1/messages",
	 .body = "{`max_tokens`:9,`messages`:[{`role`:`user`,`content`:`Hi`}],`stop_sequences`:[`x`]}",
	 .says = "H|i",
	 .end = "x",
	 .answer = "200 application/json\n"
		   "{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,`model`:`canned`,`content`:[{`type`:`text`,"
		   "`text`:`Hi`}],`stop_reason`:`stop_sequence`,`stop_sequence`:`x`,`usage`:{`input_tokens`:9,"
		   "`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,`output_tokens`:2}}"},
	{.name = "cut",
	 .request = "POST /v1/messages",
	 .body = "{`max_tokens`:1,`messages`:[{`role`:`user`,`content`:`Hi`}]}",
	 .says = "H|i",
	 .answer = "200 application/json\n"
		   "{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,`model`:`canned`,`content`:[{`type`:`text`,"
		   "`text`:`H`}],`stop_reason`:`max_tokens`,`stop_sequence`:null,`usage`:{`input_tokens`:9,"
		   "`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,`output_tokens`:1}}"},
	{.name = "call",
	 .request = "POST /v1/messages",
	 .body = "{`max_tokens`:99,`messages`:[{`role`:`user`,`content`:`Hi`}]," TOOL "}",
	 .says = CALL,
	 .answer = "200 application/json\n"
		   "{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,`model`:`canned`,`content`:[{`type`:`text`,"
		   "`text`:`Ok`},{`type`:`tool_use`,`id`:`Lq3zfWCBD`,`name`:`f`,`input`:{`a`:`b`}}],"
		   "`stop_reason`:`tool_use`,`stop_sequence`:null,`usage`:{`input_tokens`:233,"
		   "`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,`output_tokens`:60}}"},
	{.name = "stream of thoughts, text and a call",
	 .request = "POST /v1/messages",
	 .chat_template =
		 "{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}<tool_call><think>{# </think> #}",
	 .body = "{`max_tokens`:99,`stream`:true,`messages`:[{`role`:`user`,`content`:`Hi`}]," TOOL "}",
	 .says = "H|m|<|/|t|h|i|n|k|>|\n|" CALL,
	 .answer = "200 text/event-stream\n"
		   "event: message_start\n"
		   "data: {`type`:`message_start`,`message`:{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,"
		   "`model`:`canned`,`content`:[],`stop_reason`:null,`stop_sequence`:null,"
		   "`usage`:{`input_tokens`:128,`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,"
		   "`output_tokens`:0}}}\n"
		   "\n"
		   "event: content_block_start\n"
		   "data: {`type`:`content_block_start`,`index`:0,`content_block`:{`type`:`thinking`,`thinking`:``,"
		   "`signature`:``}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:0,`delta`:{`type`:`thinking_delta`,"
		   "`thinking`:`H`}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:0,`delta`:{`type`:`thinking_delta`,"
		   "`thinking`:`m`}}\n"
		   "\n"
		   "event: content_block_stop\n"
		   "data: {`type`:`content_block_stop`,`index`:0}\n"
		   "\n"
		   "event: content_block_start\n"
		   "data: {`type`:`content_block_start`,`index`:1,`content_block`:{`type`:`text`,`text`:``}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:1,`delta`:{`type`:`text_delta`,`text`:`O`}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:1,`delta`:{`type`:`text_delta`,`text`:`k`}}\n"
		   "\n"
		   "event: content_block_stop\n"
		   "data: {`type`:`content_block_stop`,`index`:1}\n"
		   "\n"
		   "event: content_block_start\n"
		   "data: {`type`:`content_block_start`,`index`:2,`content_block`:{`type`:`tool_use`,"
		   "`id`:`Lq3zfWCBD`,`name`:`f`,`input`:{}}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`{\\`a`}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`\\``}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`:`}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`\\``}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`b`}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`\\``}}\n"
		   "\n"
		   "event: content_block_delta\n"
		   "data: {`type`:`content_block_delta`,`index`:2,`delta`:{`type`:`input_json_delta`,"
		   "`partial_json`:`}`}}\n"
		   "\n"
		   "event: content_block_stop\n"
		   "data: {`type`:`content_block_stop`,`index`:2}\n"
		   "\n"
		   "event: message_delta\n"
		   "data: {`type`:`message_delta`,`delta`:{`stop_reason`:`tool_use`,`stop_sequence`:null},"
		   "`usage`:{`input_tokens`:128,`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,"
		   "`output_tokens`:71}}\n"
		   "\n"
		   "event: message_stop\n"
		   "data: {`type`:`message_stop`}\n"
		   "\n"},
	{.name = "empty stream",
	 .request = "POST /v1/messages",
	 .body = "{`stream`:true,`messages`:[{`role`:`user`,`content`:`Hi`}]}",
	 .says = "",
	 .answer = "200 text/event-stream\n"
		   "event: message_start\n"
		   "data: {`type`:`message_start`,`message`:{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,"
		   "`model`:`canned`,`content`:[],`stop_reason`:null,`stop_sequence`:null,`usage`:{`input_tokens`:9,"
		   "`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,`output_tokens`:0}}}\n"
		   "\n"
		   "event: message_delta\n"
		   "data: {`type`:`message_delta`,`delta`:{`stop_reason`:`end_turn`,`stop_sequence`:null},"
		   "`usage`:{`input_tokens`:9,`cache_creation_input_tokens`:0,`cache_read_input_tokens`:0,"
		   "`output_tokens`:0}}\n"
		   "\n"
		   "event: message_stop\n"
		   "data: {`type`:`message_stop`}\n"
		   "\n"},
	{.name = "history",
	 .request = "POST /v1/messages/count_tokens",
	 .chat_template =
		 "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t ~ '[' ~ m.role ~ ' ' ~ "
		 "m.tool_call_id ~ ']' ~ m.content ~ m.reasoning_content %}{% for c in m.tool_calls or [] %}{% set "
		 "ns.t = ns.t ~ '<' ~ c.id ~ c.function.name ~ c.function.arguments ~ '>' %}{% endfor %}{% endfor "
		 "%}{% if 'Go' in ns.t %}{{ raise_exception(ns.t ~ "
		 "enable_thinking) }}{% endif %}",
	 .body = "{`system`:[{`type`:`text`,`text`:`x-anthropic-billing-header: 1`},{`type`:`text`,`text`:`S`,"
		 "`cache_control`:{`type`:`ephemeral`}}],`messages`:[{`role`:`user`,`content`:[{`type`:`text`,`text`:`"
		 "Hi`}"
		 "]},{`role`:`assistant`,`content`:[{`type`:`thinking`,`thinking`:`Hm`,`signature`:``},{`type`:`text`,"
		 "`text`:`Ok`},{`type`:`tool_use`,`id`:`c1`,`name`:`f`,`input`:{`a`:1}}]},{`role`:`user`,`content`:[{"
		 "`type`:`tool_result`,`tool_use_id`:`c1`,`content`:[{`type`:`text`,`text`:`42`}],`is_error`:true},{"
		 "`type`:`text`,`text`:`Go`}]}],`thinking`:{`type`:`enabled`,`budget_tokens`:1024}}",
	 .answer = "400 application/json\n"
		   "{`type`:`error`,`error`:{`type`:`invalid_request_error`,"
		   "`message`:`the template: template line 1: [user ]S  Hi[assistant ]Ok <tool_call> {\\`name\\`: "
		   "\\`f\\`, \\`arguments\\`: {\\`a\\`: 1}} </tool_call>Hm[user ]<tool_response> Error: 42 "
		   "</tool_response>[user ]GoTrue`},`request_id`:`1`}"},
	{.name = "image",
	 .request = "POST /v1/messages",
	 .body = "{`messages`:[{`role`:`user`,`content`:[{`type`:`image`,`source`:{`type`:`url`}}]}]}",
	 .answer = "400 application/json\n"
		   "{`type`:`error`,`error`:{`type`:`invalid_request_error`,"
		   "`message`:`'messages': blocks of type 'image' are not supported here; text is`},"
		   "`request_id`:`1`}"},
	{.name = "their tools",
	 .request = "POST /v1/messages",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tools`:[{`type`:`web_search_20250305`,`name`:`web`}]}",
	 .answer = "400 application/json\n"
		   "{`type`:`error`,`error`:{`type`:`invalid_request_error`,"
		   "`message`:`tools of type 'web_search_20250305' run on Anthropic's servers: there are none of "
		   "them here`},`request_id`:`1`}"},
	{.name = "forced tool that is none",
	 .request = "POST /v1/messages",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tool_choice`:{`type`:`tool`,`name`:`g`}," TOOL "}",
	 .answer = "400 application/json\n"
		   "{`type`:`error`,`error`:{`type`:`invalid_request_error`,`message`:`'tool_choice' names 'g',"
		   " which is not among the 'tools'`},`request_id`:`1`}"},
	{.name = "unknown field",
	 .request = "POST /v1/messages",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`max_tokns`:3}",
	 .answer = "400 application/json\n"
		   "{`type`:`error`,`error`:{`type`:`invalid_request_error`,"
		   "`message`:`unknown parameter 'max_tokns': did you mean 'max_tokens'?`},`request_id`:`1`}"},
	{.name = "forced call, one at most",
	 .request = "POST /v1/messages",
	 .body = "{`messages`:[{`role`:`user`,`content`:`Hi`}],`tool_choice`:{`type`:`any`,`disable_parallel_tool_use`:"
		 "true"
		 "}," TOOL "}",
	 .says = "{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|}|}",
	 .answer = "200 application/json\n"
		   "{`id`:`msg_1`,`type`:`message`,`role`:`assistant`,`model`:`canned`,"
		   "`content`:[{`type`:`tool_use`,`id`:`Lq3zfWCBD`,`name`:`f`,`input`:{}}],`stop_reason`:`tool_use`,"
		   "`stop_sequence`:null,`usage`:{`input_tokens`:233,`cache_creation_input_tokens`:0,"
		   "`cache_read_input_tokens`:0,`output_tokens`:27}}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
