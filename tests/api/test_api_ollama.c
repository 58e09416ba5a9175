/* test_api_ollama.c: Ollama's paths to the byte. */
#include "canned.h"

#define TOOL                                                                                                           \
	"`tools`:[{`type`:`function`,`function`:{`name`:`f`,`parameters`:{`type`:`object`,`properties`:{`a`:{`type`:`" \
	"string`}}}}}]"
#define CALL                                                                                                           \
	"O|k|\n|<|t|o|o|l|_|c|a|l|l|>|{|\"|n|a|m|e|\"|:|\"|f|\"|,|\"|a|r|g|u|m|e|n|t|s|\"|:|{|\"|a|\"|:|\"|b|\"|}|}|<" \
	"|/|"                                                                                                          \
	"t|o|o|l|_|c|a|l|l|>"

static const struct api_case cases[] = {
	{.name = "chat is a stream",
	 .request = "POST /api/chat",
	 .body = "{`model`:`m`,`messages`:[{`role`:`user`,`content`:`Hi`}],`options`:{`num_predict`:9,`num_thread`:3,"
		 "`temperature`:0},`keep_alive`:`5m`}",
	 .says = "H|i",
	 .answer = "200 application/x-ndjson\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:`H`},`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:`i`},`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:``},`done`:true,"
		   "`done_reason`:`stop`,`total_duration`:0,`load_duration`:0,`prompt_eval_count`:9,"
		   "`prompt_eval_duration`:0,`eval_count`:2,`eval_duration`:0}\n"
		   ""},
	{.name = "chat with a call",
	 .request = "POST /api/chat",
	 .body = "{`model`:`m`,`stream`:false,`messages`:[{`role`:`user`,`content`:`Hi`}]," TOOL "}",
	 .says = CALL,
	 .answer = "200 application/json\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:`Ok`,"
		   "`tool_calls`:[{`id`:`Lq3zfWCBD`,`function`:{`index`:0,`name`:`f`,`arguments`:{`a`:`b`}}}]},"
		   "`done`:true,`done_reason`:`stop`,`total_duration`:0,`load_duration`:0,`prompt_eval_count`:220,"
		   "`prompt_eval_duration`:0,`eval_count`:60,`eval_duration`:0}"},
	{.name = "thoughts and a call in a stream",
	 .request = "POST /api/chat",
	 .chat_template =
		 "{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}<tool_call><think>{# </think> #}",
	 .body = "{`model`:`m`,`think`:true,`messages`:[{`role`:`user`,`content`:`Hi`}]," TOOL "}",
	 .says = "H|m|<|/|t|h|i|n|k|>|\n|" CALL,
	 .answer = "200 application/x-ndjson\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:``,`thinking`:`H`},"
		   "`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:``,`thinking`:`m`},"
		   "`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:`O`},`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:`k`},`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:``,"
		   "`tool_calls`:[{`id`:`Lq3zfWCBD`,`function`:{`index`:0,`name`:`f`,`arguments`:{`a`:`b`}}}]},"
		   "`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`message`:{`role`:`assistant`,`content`:``},`done`:true,"
		   "`done_reason`:`stop`,`total_duration`:0,`load_duration`:0,`prompt_eval_count`:113,"
		   "`prompt_eval_duration`:0,`eval_count`:71,`eval_duration`:0}\n"
		   ""},
	{.name = "generate",
	 .request = "POST /api/generate",
	 .body = "{`model`:`m`,`prompt`:`Hi`,`system`:`Be kind.`,`stream`:false,`options`:{`num_predict`:1}}",
	 .says = "H|i",
	 .answer = "200 application/json\n"
		   "{`model`:`m`,`created_at`:`0`,`response`:`H`,`done`:true,`done_reason`:`length`,"
		   "`total_duration`:0,`load_duration`:0,`prompt_eval_count`:18,`prompt_eval_duration`:0,"
		   "`eval_count`:1,`eval_duration`:0}"},
	{.name = "generate from the bare text",
	 .request = "POST /api/generate",
	 .body = "{`model`:`m`,`prompt`:`Hi`,`raw`:true}",
	 .says = "H|i",
	 .answer = "200 application/x-ndjson\n"
		   "{`model`:`m`,`created_at`:`0`,`response`:`H`,`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`response`:`i`,`done`:false}\n"
		   "{`model`:`m`,`created_at`:`0`,`response`:``,`done`:true,`done_reason`:`stop`,`total_duration`:0,"
		   "`load_duration`:0,`prompt_eval_count`:2,`prompt_eval_duration`:0,`eval_count`:2,"
		   "`eval_duration`:0}\n"
		   ""},
	{.name = "is it there",
	 .request = "POST /api/generate",
	 .body = "{`model`:`m`}",
	 .answer = "200 application/json\n"
		   "{`model`:`m`,`created_at`:`0`,`response`:``,`done`:true,`done_reason`:`load`}"},
	{.name = "history",
	 .request = "POST /api/chat",
	 .chat_template =
		 "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t ~ '[' ~ m.role ~ ']' ~ "
		 "m.content ~ "
		 "m.reasoning_content %}{% endfor %}{% if 'Go' in ns.t %}{{ raise_exception(ns.t ~ enable_thinking) "
		 "}}{% endif %}",
	 .body = "{`model`:`m`,`think`:false,`messages`:[{`role`:`user`,`content`:`Hi`},{`role`:`assistant`,`content`:`"
		 "Ok`,"
		 "`thinking`:`Hm`,`tool_calls`:[{`function`:{`name`:`f`,`arguments`:{`a`:1}}}]},{`role`:`tool`,`tool_"
		 "name`:`f`,"
		 "`content`:`42`},{`role`:`user`,`content`:`Go`}]}",
	 .answer = "400 application/json\n"
		   "{`error`:`the template: template line 1: [user]Hi[assistant]Ok <tool_call> {\\`name\\`: \\`f\\`,"
		   " \\`arguments\\`: {\\`a\\`: 1}} </tool_call>Hm[user]<tool_response> 42 "
		   "</tool_response>[user]GoFalse`}"},
	{.name = "images",
	 .request = "POST /api/chat",
	 .body = "{`model`:`m`,`messages`:[{`role`:`user`,`content`:`Hi`,`images`:[`aGk=`]}]}",
	 .answer = "400 application/json\n"
		   "{`error`:`'images' are not supported: this model reads text`}"},
	{.name = "unknown option",
	 .request = "POST /api/chat",
	 .body = "{`model`:`m`,`messages`:[{`role`:`user`,`content`:`Hi`}],`options`:{`num_predct`:1}}",
	 .answer = "400 application/json\n"
		   "{`error`:`unknown parameter 'num_predct': did you mean 'num_predict'?`}"},
	{.name = "old context",
	 .request = "POST /api/generate",
	 .body = "{`model`:`m`,`prompt`:`Hi`,`context`:[1,2]}",
	 .answer = "400 application/json\n"
		   "{`error`:`'context' is not supported: say the text again, the cache knows it`}"},
	{.name = "no object",
	 .request = "POST /api/chat",
	 .body = "[1]",
	 .answer = "400 application/json\n"
		   "{`error`:`the body must be a JSON object`}"},
	{.name = "no such path",
	 .request = "POST /api/pull",
	 .body = "{}",
	 .answer = "404 application/json\n"
		   "{`error`:`there is no POST /api/pull here`}"},
	{.name = "tags",
	 .request = "GET /api/tags",
	 .answer = "200 application/json\n"
		   "{`models`:[{`name`:`canned`,`model`:`canned`,`modified_at`:`0`,`size`:0,`digest`:``,"
		   "`details`:{`parent_model`:``,`format`:`gguf`,`family`:`canned`,`families`:[`canned`],"
		   "`parameter_size`:`0M`,`quantization_level`:``}}]}"},
	{.name = "ps",
	 .request = "GET /api/ps",
	 .answer = "200 application/json\n"
		   "{`models`:[{`name`:`canned`,`model`:`canned`,`modified_at`:`0`,`size`:0,`digest`:``,"
		   "`details`:{`parent_model`:``,`format`:`gguf`,`family`:`canned`,`families`:[`canned`],"
		   "`parameter_size`:`0M`,`quantization_level`:``},`expires_at`:`0`,`size_vram`:0,"
		   "`context_length`:64}]}"},
};

int main(void)
{
	return canned_run(cases, sizeof cases / sizeof *cases);
}
