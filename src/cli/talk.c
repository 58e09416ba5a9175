/* talk.c: reading messages and printing answers. */
#include "cli/talk.h"

#include <string.h>

static const char block_mark[] = "\"\"\"";
enum { BLOCK_MARK = sizeof block_mark - 1 };

/* ---- Messages ---------------------------------------------------------------------------------------------------- */

static bool add(struct talk *t, const char *text, size_t n, const char *end)
{
	return buf_add_text(&t->said, text, n) && buf_add_text(&t->said, end, strlen(end));
}

/* The lines up to the mark that ends a block; text: the rest of the line that began it. */
static int read_block(struct talk *t, const char *text, size_t n, struct kvik_err *err)
{
	for (;;) {
		bool ends = n >= BLOCK_MARK && memcmp(text + n - BLOCK_MARK, block_mark, BLOCK_MARK) == 0;
		if (!add(t, text, ends ? n - BLOCK_MARK : n, ends ? "" : "\n"))
			return err_set(err, KVIK_ERR_NOMEM, "no memory for the message");
		int state = ends ? LINE_TEXT : line_read(t->in, "... ", &text, &n, err);
		if (ends || state == LINE_END)
			return LINE_TEXT;
		if (state != LINE_TEXT)
			return state;
	}
}

/* One message into t->said: a line, a line that goes on after a backslash at its end, or a block between marks. Returns
 * enum line_state or an error. */
static int read_message(struct talk *t, struct kvik_err *err)
{
	const char *text, *prompt = "> ";
	size_t n;
	t->said.n = 0;
	for (;; prompt = "... ") {
		int state = line_read(t->in, prompt, &text, &n, err);
		if (state == LINE_END && t->said.n > 0)
			return LINE_TEXT;
		if (state != LINE_TEXT)
			return state;
		if (t->said.n == 0 && n >= BLOCK_MARK && memcmp(text, block_mark, BLOCK_MARK) == 0)
			return read_block(t, text + BLOCK_MARK, n - BLOCK_MARK, err);
		bool goes_on = n > 0 && text[n - 1] == '\\';
		if (!add(t, text, goes_on ? n - 1 : n, goes_on ? "\n" : ""))
			return err_set(err, KVIK_ERR_NOMEM, "no memory for the message");
		if (!goes_on)
			return LINE_TEXT;
	}
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static bool on_token(void *user, const struct kvik_token *token)
{
	struct talk *t = user;
	if (t->json)
		return token->id == KVIK_NO_ID || json_array_append_new(t->ids, json_integer(token->id)) == 0;
	return fwrite(token->text, 1, token->text_bytes, stdout) == token->text_bytes && fflush(stdout) == 0;
}

static void print_figures(const struct chat_turn *turn)
{
	const struct kvik_generation *g = &turn->generation;
	fprintf(stderr, "[%zu of %zu prompt tokens reused, %zu computed in %.1f ms | %u new, %.1f tok/s | %s]\n",
		turn->reused, turn->n_prompt, turn->n_prompt - turn->reused, turn->prefill_ms, g->new_tokens,
		decode_rate(g), kvik_finish_name(g->finish));
}

static int print_json(struct talk *t, const struct chat_turn *turn)
{
	const struct kvik_generation *g = &turn->generation;
	json_t *prompt = json_array();
	for (size_t i = 0; i < turn->n_prompt; i++)
		json_array_append_new(prompt, json_integer(turn->prompt[i]));
	json_t *o = json_pack("{s:o, s:O, s:s%, s:s, s:I, s:I, s:I, s:I, s:f, s:f}", "prompt_ids", prompt, "ids",
			      t->ids, "text", turn->text ? turn->text : "", turn->text_bytes, "finish_reason",
			      kvik_finish_name(g->finish), "prompt_tokens", (json_int_t)turn->n_prompt, "reused_tokens",
			      (json_int_t)turn->reused, "computed_tokens", (json_int_t)(turn->n_prompt - turn->reused),
			      "new_tokens", (json_int_t)g->new_tokens, "prefill_ms", turn->prefill_ms, "decode_ms",
			      g->decode_ms);
	int rc = o && json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0 && putchar('\n') != EOF &&
				 fflush(stdout) == 0
			 ? 0
			 : -1;
	json_decref(o);
	return rc;
}

static int print_end(struct talk *t, const struct chat_turn *turn, struct kvik_err *err)
{
	bool bad = t->json ? print_json(t, turn) != 0 : putchar('\n') == EOF || fflush(stdout) != 0;
	if (bad)
		return err_set(err, KVIK_ERR_IO, "the answer could not be written");
	if (!t->json && !t->quiet)
		print_figures(turn);
	return 0;
}

int talk_answer(struct talk *t, struct kvik_err *err)
{
	struct kvik_generate_params params = *t->params;
	struct kvik_sampling draw = *params.sampling;
	struct kvik_constrained *held = NULL;
	struct chat_turn turn;
	int rc = t->form ? kvik_constrained_new(&held, t->form, 1, err) : 0;
	if (rc)
		return rc;
	draw.seed += t->redrawn;
	params.sampling = &draw;
	params.processor = held ? kvik_constrained_processor(held) : NULL;
	*t->stop = 0;
	t->ids = t->json ? json_array() : NULL;
	rc = chat_answer(t->chat, &params, on_token, t, &turn, err);
	if (!rc)
		rc = print_end(t, &turn, err);
	if (!rc) {
		t->turns++;
		t->reused += turn.reused;
		t->computed += turn.n_prompt - turn.reused;
		t->answered += turn.generation.new_tokens;
	}
	kvik_constrained_free(held);
	json_decref(t->ids);
	t->ids = NULL;
	chat_turn_release(&turn);
	return rc;
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

/* What was said: a command, or a message to answer. Two slashes begin a message with one. */
static int take(struct talk *t, struct kvik_err *err)
{
	const char *text = t->said.data;
	size_t n = t->said.n;
	if (text[strspn(text, " \t\r\n")] == '\0')
		return 0;
	line_remember(t->in, text);
	if (text[0] == '/' && text[1] != '/')
		return talk_command(t, text, err);
	size_t skip = text[0] == '/';
	int rc = chat_say(t->chat, text + skip, n - skip, err);
	return rc ? rc : talk_answer(t, err);
}

int talk_run(struct talk *t, struct kvik_err *err)
{
	bool terminal = line_is_terminal(t->in);
	while (!t->done) {
		int rc = read_message(t, err);
		if (rc == LINE_END)
			break;
		if (rc == LINE_DROPPED)
			continue;
		if (rc == LINE_TEXT)
			rc = take(t, err);
		if (rc < 0 && !terminal)
			return rc;
		if (rc < 0)
			fprintf(stderr, "kvik: %s\n", err->text);
	}
	return 0;
}

void talk_release(struct talk *t)
{
	buf_release(&t->said);
}
