/* test_fields.c: what of other dialects is accepted, and what is not. The names are those of each dialect's own reference,
 * written down here a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/fields.h"

static const char *const openai =
	"audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
	"metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
	"prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed "
	"service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
	"web_search_options best_of echo prompt suffix input encoding_format dimensions background conversation "
	"include "
	"instructions max_output_tokens max_tool_calls previous_response_id reasoning text truncation";
static const char *const vllm =
	"use_beam_search top_k min_p repetition_penalty length_penalty stop_token_ids include_stop_str_in_output "
	"ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens truncate_prompt_tokens "
	"prompt_logprobs "
	"allowed_token_ids bad_words add_generation_prompt continue_final_message add_special_tokens documents "
	"chat_template chat_template_kwargs mm_processor_kwargs media_io_kwargs structured_outputs guided_json "
	"guided_regex guided_choice guided_grammar structural_tag guided_decoding_backend guided_whitespace_pattern "
	"priority request_id return_tokens_as_token_ids return_token_ids cache_salt kv_transfer_params vllm_xargs "
	"repetition_detection include_reasoning thinking_token_budget logits_processors truncation_side "
	"prompt_embeds use_audio_in_video";
static const char *const sglang =
	"rid lora_path session_params regex ebnf no_stop_trim separate_reasoning stream_reasoning custom_params "
	"custom_logit_processor bootstrap_host bootstrap_port bootstrap_room data_parallel_rank return_hidden_states "
	"return_routed_experts extra_key logprob_start_len return_cached_tokens_details stop_regex";
static const char *const llama_server =
	"n_predict n_probs min_keep t_max_predict_ms t_max_prompt_ms cache_prompt return_tokens samplers "
	"timings_per_token return_progress post_sampling_probs response_fields lora image_data id_slot n_keep "
	"n_discard "
	"n_indent n_cache_reuse n_cmpl dry_multiplier dry_base dry_allowed_length dry_penalty_last_n "
	"dry_sequence_breakers xtc_probability xtc_threshold adaptive_target adaptive_decay dynatemp_range "
	"dynatemp_exponent typical_p typ_p mirostat mirostat_tau mirostat_eta grammar grammar_lazy grammar_triggers "
	"preserved_tokens json_schema reasoning_format reasoning_in_content reasoning_control reasoning_budget_tokens "
	"thinking_forced_open generation_prompt parse_tool_calls speculative.n_max speculative.n_min speculative.p_min "
	"speculative.type top_n_sigma repeat_penalty repeat_last_n backend_sampling sse_ping_interval input_prefix "
	"input_suffix input_extra content tokens add_special parse_special with_pieces penalize_nl system_prompt";
static const char *const others = /* TGI, Ollama, Mistral, OpenRouter, DeepSeek, Groq */
	"max_new_tokens do_sample details decoder_input_details return_full_text truncate watermark top_n_tokens "
	"adapter_id tool_prompt options keep_alive think format raw system template context images random_seed "
	"safe_prompt prompt_mode provider models route transforms plugins top_a usage thinking disable_tool_validation "
	"negative_prompt guidance_scale num_beams early_stopping no_repeat_ngram_size penalty_alpha";

/* 0, or what *e says, of {"name": value}. */
static int read_one(const char *name, const char *value, struct field_error *e)
{
	json_error_t je;
	json_t *o = json_object(), *v = json_loads(value, JSON_DECODE_ANY, &je);
	assert_non_null(v);
	assert_int_equal(json_object_set_new(o, name, v), 0);
	int rc = fields_read(o, NULL, 0, e);
	json_decref(o);
	return rc;
}

static void null_is_not_given(void **state)
{
	const char *const all[] = {openai, vllm, sglang, llama_server, others};
	struct field_error e;
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char *names = strdup(all[i]), *rest = names, *name;
		while ((name = strtok_r(rest, " ", &rest))) {
			bool own = strcmp(name, "model") == 0; /* of every path's table */
			if (!own && read_one(name, "null", &e))
				fail_msg("%s: null: %s", name, e.text);
		}
		free(names);
	}
	assert_int_equal(read_one("temprature", "null", &e), KVIK_ERR_ARG); /* nobody's */
	assert_string_equal(e.text, "unknown parameter 'temprature': did you mean 'temperature'?");
}

/* {name, value, what the error says; NULL: it asks for nothing} */
static void values(void **state)
{
	static const char *const rows[][3] = {
		{"best_of", "1.0", NULL},
		{"top_n_sigma", "-1", NULL},
		{"adaptive_target", "-1.0", NULL},
		{"penalty_repeat", "1", NULL},
		{"penalty_repeat", "1.1", "'penalty_repeat' is not supported here: say 'repeat_penalty'"},
		{"max_new_tokens", "5", "'max_new_tokens' is not supported here: say 'max_tokens'"},
		{"random_seed", "5", "'random_seed' is not supported here: say 'seed'"},
		{"options", "{}", NULL},
		{"options", "{\"num_ctx\":5}",
		 "'options' is not supported here: what is in it stands in the request itself"},
		{"format", "\"json\"", "'format' is not supported here: say 'response_format'"},
		{"guided_choice", "[]", NULL},
		{"guided_choice", "[\"a\"]", "'guided_choice' is not supported here: leave it out, or say []"},
		{"reasoning", "{}", NULL},
		{"reasoning_budget", "-1", NULL},
		{"mirostat", "0.0", NULL},
		{"mirostat", "2", "'mirostat' is not supported here: leave it out, or say 0"},
		{"provider", "{\"order\":[\"x\"]}", NULL},
		{"n_probs", "0", NULL},
		{"add_special_tokens", "false", NULL},
		{"truncate_prompt_tokens", "5",
		 "'truncate_prompt_tokens' is not supported here: what does not fit is refused, never cut"},
	};
	struct field_error e;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int rc = read_one(rows[i][0], rows[i][1], &e);
		if (!rc != !rows[i][2] || (rc && strcmp(e.text, rows[i][2]) != 0))
			fail_msg("%s: %s: %s", rows[i][0], rows[i][1], rc ? e.text : "accepted");
	}
}

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		bool whole;
		int64_t is;
	} rows[] = {{"5", true, 5},     {"5.0", true, 5},     {"1e2", true, 100},   {"-0.0", true, 0},
		    {"0", true, 0},     {"100.0", true, 100}, {"5.5", false, 0},    {"101", false, 0},
		    {"-1", false, 0},   {"1e300", false, 0},  {"-1e300", false, 0}, {"\"5\"", false, 0},
		    {"null", false, 0}, {"true", false, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *v = json_loads(rows[i].text, JSON_DECODE_ANY, NULL);
		int64_t got = 0;
		assert_non_null(v);
		if (field_whole(v, 0, 100, &got) != rows[i].whole || (rows[i].whole && got != rows[i].is))
			fail_msg("%s", rows[i].text);
		json_decref(v);
	}
}

static void texts_to_the_last_byte(void **state)
{
	json_t *v = json_stringn("auto\0", 5);
	(void)state;
	assert_false(field_says(v, "auto"));
	json_decref(v);
	v = json_string("auto");
	assert_true(field_says(v, "auto"));
	assert_false(field_says(v, "aut"));
	json_decref(v);
	assert_false(field_says(NULL, "auto"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(null_is_not_given), cmocka_unit_test(values),
					   cmocka_unit_test(whole_numbers), cmocka_unit_test(texts_to_the_last_byte)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
