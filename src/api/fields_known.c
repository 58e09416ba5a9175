/* fields_known.c: see fields_known.h. Sources: OpenAI's API reference, llama-server's README and server-task.cpp,
 * the protocol.py of vLLM and SGLang, the requests of TGI, Ollama, Mistral, DeepSeek, Groq and OpenRouter, what clients
 * send along.
 *
 * A row says which values are true of every answer of kvik anyway: JSON, several with a blank between them; ANY where
 * no value changes an answer; NONE where each asks for something that kvik does not have. */
#include "api/fields_known.h"

#include <string.h>

#define ANY "*"
#define NONE ""

static const struct known {
	const char *name, *neutral;
} known[] = {
	/* Ways to draw */
	{"best_of", "1"},
	{"use_beam_search", "false"},
	{"length_penalty", ANY}, /* of beams, as is the next */
	{"early_stopping", ANY},
	{"num_beams", "1"},
	{"do_sample", "true"},
	{"typical_p", "1"},
	{"typ_p", "1"},
	{"tfs_z", "1"},
	{"tfs", "1"},
	{"top_a", "0"},
	{"top_n_sigma", "-1 0"},
	{"epsilon_cutoff", "0"},
	{"eta_cutoff", "0"},
	{"smoothing_factor", "0"},
	{"smoothing_curve", ANY}, /* of a factor that is not 0 */
	{"dynatemp_range", "0"},
	{"dynatemp_exponent", ANY},
	{"xtc_probability", "0"},
	{"xtc_threshold", ANY},
	{"mirostat", "0"},
	{"mirostat_mode", "0"},
	{"mirostat_tau", ANY},
	{"mirostat_eta", ANY},
	{"dry_multiplier", "0"},
	{"dry_base", ANY},
	{"dry_allowed_length", ANY},
	{"dry_penalty_last_n", ANY},
	{"dry_sequence_breakers", ANY},
	{"no_repeat_ngram_size", "0"},
	{"encoder_repetition_penalty", "1"},
	{"penalty_alpha", "0"},
	{"guidance_scale", "0 1"},
	{"negative_prompt", "\"\""},
	{"penalize_nl", "false"},
	{"min_keep", "0 1"},
	{"samplers", "[]"},
	{"bad_words", "[]"},
	{"allowed_token_ids", "[]"},
	{"logits_processors", "[]"},
	{"vllm_xargs", "{}"},
	{"adaptive_target", "-1"},
	{"adaptive_decay", ANY}, /* of a target */
	{"penalty_last_n", NONE},
	{"penalty_repeat", "1"},
	{"penalty_freq", "0"},
	{"penalty_present", "0"},
	{"repetition_detection", NONE},
	{"custom_logit_processor", "\"\""},
	{"custom_params", "{}"},
	{"random_seed", NONE},
	{"watermark", "false"},
	/* Answers of a given form */
	{"grammar", "\"\""},
	{"grammar_lazy", "false"},
	{"grammar_triggers", "[]"},
	{"preserved_tokens", "[]"},
	{"json_schema", NONE}, /* {} allows any JSON, but no other text */
	{"guided_json", NONE},
	{"guided_regex", NONE},
	{"guided_choice", "[]"},
	{"guided_grammar", NONE},
	{"guided_decoding_backend", ANY}, /* of the four above */
	{"guided_whitespace_pattern", ANY},
	{"structural_tag", NONE},
	{"structured_outputs", NONE},
	{"regex", NONE},
	{"ebnf", NONE},
	{"stop_regex", NONE},
	{"format", "\"\""},
	{"response_format", "{\"type\":\"text\"}"},
	{"functions", "[]"},
	{"function_call", "\"none\" \"auto\""},
	{"web_search_options", NONE},
	{"modalities", "[\"text\"] []"},
	{"audio", NONE},
	{"reasoning_format", "\"none\" \"auto\""},
	{"reasoning_in_content", "false"},
	{"thinking_forced_open", "false"},
	{"parse_tool_calls", "true"},
	{"include_reasoning", "true"},
	{"separate_reasoning", "true"},
	{"stream_reasoning", "true"},
	{"thinking_token_budget", "-1"},
	{"thinking_budget_tokens", "-1"},
	{"reasoning_budget", "-1"},
	{"reasoning_budget_tokens", "-1"},
	{"reasoning_control", "false"},
	{"generation_prompt", "\"\""},
	{"think", NONE},
	{"thinking", NONE},
	{"prompt_mode", NONE},
	{"tool_prompt", NONE},
	{"disable_tool_validation", ANY},
	{"verbosity", "\"medium\""},
	/* What an answer tells */
	{"return_progress", "false"},
	{"return_tokens_as_token_ids", "false"},
	{"return_token_ids", "false"},
	{"post_sampling_probs", "false"},
	{"spaces_between_special_tokens", "true"},
	{"detokenize", "true"},
	{"details", ANY},
	{"usage", ANY}, /* it is always told */
	{"decoder_input_details", "false"},
	{"top_n_tokens", "0"},
	{"return_full_text", "false"},
	{"return_prompt_text", "false"},
	{"return_hidden_states", "false"},
	{"return_routed_experts", "false"},
	{"return_cached_tokens_details", "false"},
	{"logprob_start_len", "-1"},
	{"verbose", ANY},
	{"__verbose", ANY},
	{"n_indent", "0"},
	{"no_stop_trim", "false"},
	/* The prompt */
	{"echo", "false"},
	{"suffix", "\"\""},
	{"add_special_tokens", "false"}, /* the chat template writes them */
	{"truncate_prompt_tokens", NONE},
	{"truncate", NONE},
	{"truncation_side", ANY}, /* of what is never cut */
	{"continue_final_message", "false"},
	{"documents", "[]"},
	{"chat_template", NONE},
	{"mm_processor_kwargs", "{}"},
	{"media_io_kwargs", "{}"},
	{"use_audio_in_video", "false"},
	{"images", "[]"},
	{"options", "{}"},
	{"extra_body", "{}"},
	{"extra_headers", "{}"},
	{"template", "\"\""},
	{"system", "\"\""},
	{"context", "[]"},
	{"raw", NONE},
	{"session_params", "{}"},
	{"plugins", "[]"},
	{"moderation", NONE},
	{"prompt_embeds", NONE},
	{"image_data", "[]"},
	{"multi_modal_data", NONE},
	{"system_prompt", "\"\""},
	{"previous_response_id", NONE},
	{"conversation", NONE},
	{"include", "[]"},
	{"background", "false"},
	{"dimensions", NONE},
	/* Adapters */
	{"lora", "[]"},
	{"lora_path", NONE},
	{"adapter_id", NONE},
	/* How and where an answer is computed, and what is kept of it: never what it says */
	{"cache_prompt", ANY},
	{"n_cache_reuse", ANY},
	{"n_keep", ANY}, /* nothing is ever shifted out of a context, as of the next */
	{"n_discard", ANY},
	{"id_slot", ANY},
	{"slot_id", ANY},
	{"speculative.n_max", ANY},
	{"speculative.n_min", ANY},
	{"speculative.p_min", ANY},
	{"speculative.type", ANY},
	{"speculative.ngram_size_n", ANY},
	{"speculative.ngram_size_m", ANY},
	{"speculative.ngram_m_hits", ANY},
	{"backend_sampling", ANY},
	{"draft_model", ANY},
	{"prediction", ANY},
	{"t_max_prompt_ms", "-1 0"},
	{"t_max_predict_ms", "-1 0"}, /* of /infill and /completion */
	{"kv_transfer_params", NONE},
	{"bootstrap_host", NONE},
	{"bootstrap_port", NONE},
	{"bootstrap_room", NONE},
	{"data_parallel_rank", ANY}, /* of one machine */
	{"extra_key", "\"\""},
	{"sse_ping_interval", ANY},
	{"provider", ANY}, /* of one server, and one model */
	{"route", ANY},
	{"models", "[]"},
	{"caching", ANY},
	{"prompt_cache_options", ANY},
	{"store", ANY},
	{"user", ANY},
	{"metadata", ANY},
	{"safety_identifier", ANY},
	{"prompt_cache_key", ANY},
	{"prompt_cache_retention", ANY},
	{"service_tier", ANY},
	{"request_id", ANY},
	{"rid", ANY},
	{"keep_alive", ANY},
	{"ttl", ANY},
	{"safe_prompt", "false"},
	{"transforms", "[]"},
	{"max_tool_calls", ANY}, /* of tools that the server runs: there are none */
	/* Of how text is made, where none is */
	{"n", ANY},
	{"temperature", ANY},
	{"top_p", ANY},
	{"top_k", ANY},
	{"min_p", ANY},
	{"presence_penalty", ANY},
	{"frequency_penalty", ANY},
	{"repeat_penalty", ANY},
	{"repetition_penalty", ANY},
	{"repeat_last_n", ANY},
	{"seed", ANY},
	{"stop", ANY},
	{"stop_token_ids", ANY},
	{"min_tokens", ANY},
	{"ignore_eos", ANY},
	{"skip_special_tokens", ANY},
	{"include_stop_str_in_output", ANY},
	{"logit_bias", ANY},
	{"priority", ANY},
	{"cache_salt", ANY},
	/* Of other paths here */
	{"messages", NONE},
	{"prompt", NONE},
	{"input", NONE},
	{"instructions", NONE},
	{"input_prefix", NONE},
	{"input_suffix", NONE},
	{"input_extra", "[]"},
	{"content", NONE},
	{"tokens", NONE},
	{"encoding_format", NONE},
	{"pooling", NONE},
	{"add_special", "false"},
	{"parse_special", "false"},
	{"with_pieces", "false"},
	{"x_kvik", "false"},
	{"n_predict", NONE},
	{"max_new_tokens", NONE},
	{"n_cmpl", "1"},
	{"max_tokens", NONE},
	{"max_completion_tokens", NONE},
	{"max_output_tokens", NONE},
	{"n_probs", "0"},
	{"logprobs", "false"},
	{"top_logprobs", "0"},
	{"prompt_logprobs", NONE},
	{"tools", "[]"},
	{"tool_choice", "\"none\" \"auto\""},
	{"parallel_tool_calls", ANY}, /* where there are no tools */
	{"reasoning_effort", NONE},
	{"reasoning", "{}"},
	{"chat_template_kwargs", "{}"},
	{"enable_thinking", NONE},
	{"add_generation_prompt", NONE},
	{"stream", "false"},
	{"stream_options", ANY}, /* where there is no stream */
	{"text", NONE},
	{"truncation", ANY},
	{"return_tokens", "false"},
	{"response_fields", "[]"},
	{"timings_per_token", "false"},
};

/* What to say instead, or why there is no such thing. */
static const struct hint {
	const char *name, *text;
} hints[] = {
	{"penalty_last_n", "say 'repeat_last_n'"},
	{"penalty_repeat", "say 'repeat_penalty'"},
	{"penalty_freq", "say 'frequency_penalty'"},
	{"penalty_present", "say 'presence_penalty'"},
	{"random_seed", "say 'seed'"},
	{"format", "say 'response_format'"},
	{"functions", "say 'tools'"},
	{"function_call", "say 'tool_choice'"},
	{"thinking_token_budget", "thoughts have no length of their own"},
	{"thinking_budget_tokens", "thoughts have no length of their own"},
	{"reasoning_budget", "thoughts have no length of their own"},
	{"reasoning_budget_tokens", "thoughts have no length of their own"},
	{"generation_prompt", "end 'messages' with one of the assistant"},
	{"think", "say 'enable_thinking' or 'reasoning_effort'"},
	{"thinking", "say 'enable_thinking' or 'reasoning_effort'"},
	{"decoder_input_details", "say 'prompt_logprobs'"},
	{"top_n_tokens", "say 'top_logprobs'"},
	{"return_full_text", "say 'echo'"},
	{"return_cached_tokens_details", "say 'x_kvik'"},
	{"logprob_start_len", "say 'prompt_logprobs'"},
	{"truncate_prompt_tokens", "what does not fit is refused, never cut"},
	{"truncate", "what does not fit is refused, never cut"},
	{"chat_template", "kvik serve --chat-template FILE gives one to all"},
	{"options", "what is in it stands in the request itself"},
	{"extra_body", "what is in it stands in the request itself"},
	{"template", "kvik serve --chat-template FILE gives one to all"},
	{"system", "say it in 'messages'"},
	{"previous_response_id", "nothing is kept between requests: send all messages"},
	{"conversation", "nothing is kept between requests: send all messages"},
	{"dimensions", "embeddings have the model's own length"},
	{"extra_key", "say 'cache_salt'"},
	{"n_predict", "say 'max_tokens'"},
	{"max_new_tokens", "say 'max_tokens'"},
	{"n_cmpl", "say 'n'"},
	{"max_completion_tokens", "say 'max_tokens'"},
	{"n_probs", "say 'logprobs'"},
	{"reasoning", "say 'reasoning_effort'"},
};

/* A value of a row against what was sent: numbers by value, so that 1 and 1.0 are the same. */
static bool is_same(const json_t *row, const json_t *v)
{
	if (json_is_number(row) && json_is_number(v)) {
		double difference = json_number_value(row) - json_number_value(v);
		return !(difference < 0) && !(difference > 0);
	}
	return json_equal(row, v);
}

static bool is_neutral(const char *neutral, const json_t *v)
{
	bool same = strcmp(neutral, ANY) == 0;
	json_error_t e;
	for (const char *at = neutral; *at && !same; at += e.position) {
		json_t *row = json_loads(at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &e);
		if (!row)
			break;
		same = is_same(row, v);
		json_decref(row);
	}
	return same;
}

static const struct known *find(const char *name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static const char *hint_of(const char *name)
{
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (strcmp(hints[i].name, name) == 0)
			return hints[i].text;
	return NULL;
}

int field_known(const char *name, const json_t *v, struct field_error *e)
{
	const struct known *k = find(name);
	if (!k)
		return 1;
	if (is_neutral(k->neutral, v))
		return 0;
	if (hint_of(name))
		return field_fail(e, name, "'%s' is not supported here: %s", name, hint_of(name));
	if (!*k->neutral)
		return field_fail(e, name, "'%s' is not supported here: leave it out", name);
	return field_fail(e, name, "'%s' is not supported here: leave it out, or say %s%s", name,
			  strchr(k->neutral, ' ') ? "one of " : "", k->neutral);
}

bool field_is_known(const char *name)
{
	return find(name) != NULL;
}

void fields_known_try(struct nearest *guess)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		nearest_try(guess, known[i].name);
}
