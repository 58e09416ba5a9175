/* line.c: line editing over libedit, or plain lines where there is no terminal.
 *
 * The terminal is in the editor's mode only inside line_read; Ctrl-C is a key there and a signal everywhere else. */
#include "cli/line.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"

#define LINE_BYTES_MAX ((size_t)16 << 20)
enum { HISTORY_LINES = 1000, PASTE_MAX = 1 << 20 /* characters */ };

struct line {
	struct line_config config;
	EditLine *editor; /* NULL: plain lines */
	History *history;
	FILE *to; /* where the editor draws */
	const char *prompt;
	struct buf text; /* of the line */
	bool terminal, dropped;
};

/* ---- Keys (called by the editor) --------------------------------------------------------------------------------- */

static struct line *line_of(EditLine *e)
{
	void *l = NULL;
	el_get(e, EL_CLIENTDATA, &l);
	return l;
}

static char *prompt_of(EditLine *e)
{
	return (char *)(uintptr_t)line_of(e)->prompt; /* libedit does not write to it */
}

static unsigned char key_drop(EditLine *e, int key)
{
	struct line *l = line_of(e);
	(void)key;
	l->dropped = true;
	fputs("^C\n", l->to);
	return CC_EOF;
}

static unsigned char key_suspend(EditLine *e, int key)
{
	(void)e, (void)key;
	raise(SIGTSTP); /* libedit's handler gives the terminal back first, and takes it again afterwards */
	return CC_REDISPLAY;
}

static unsigned char key_break(EditLine *e, int key)
{
	(void)key;
	return el_insertstr(e, "\n") ? CC_ERROR : CC_REFRESH;
}

/* Text between the terminal's marks of a paste (ESC [ 200 ~ and ESC [ 201 ~) goes in whole, line ends and all. */
static unsigned char key_paste(EditLine *e, int key)
{
	static const wchar_t end[] = L"\033[201~";
	enum { END = sizeof end / sizeof *end - 1 };
	size_t cap = 256, n = 0;
	wchar_t *text = mem_zalloc(cap, sizeof *text), c;
	(void)key;
	while (text && n < PASTE_MAX && el_wgetc(e, &c) == 1) {
		if (n + 2 > cap) {
			wchar_t *more = mem_realloc(text, cap *= 2, sizeof *text);
			if (!more)
				break;
			text = more;
		}
		text[n++] = c == L'\r' ? L'\n' : c;
		text[n] = L'\0';
		if (n >= END && wcscmp(text + n - END, end) == 0) {
			text[n - END] = L'\0';
			break;
		}
	}
	bool ok = text && (n == 0 || el_winsertstr(e, text) == 0);
	mem_free(text);
	return ok ? CC_REFRESH : CC_ERROR;
}

/* Completes the line's first word when only one word begins so, and shows all that do otherwise. */
static unsigned char key_complete(EditLine *e, int key)
{
	struct line *l = line_of(e);
	const LineInfo *at = el_line(e);
	size_t n = (size_t)(at->cursor - at->buffer), found = 0;
	const char *first = NULL;
	(void)key;
	for (const char *const *w = l->config.words; n > 0 && w && *w; w++)
		if (strncmp(*w, at->buffer, n) == 0 && found++ == 0)
			first = *w;
	if (found == 1)
		return el_insertstr(e, first + n) || el_insertstr(e, " ") ? CC_ERROR : CC_REFRESH;
	if (found == 0)
		return CC_ERROR;
	for (const char *const *w = l->config.words; *w; w++)
		if (strncmp(*w, at->buffer, n) == 0)
			fprintf(l->to, "%s%s", *w == first ? "\n" : "  ", *w);
	fputc('\n', l->to);
	return CC_REDISPLAY;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void bind_keys(EditLine *e)
{
	/* wide: el_set would keep copies of the names that nothing frees */
	el_wset(e, EL_ADDFN, L"kvik-drop", L"Drop the line", key_drop);
	el_wset(e, EL_ADDFN, L"kvik-break", L"Insert a line break", key_break);
	el_wset(e, EL_ADDFN, L"kvik-paste", L"Take in pasted text", key_paste);
	el_wset(e, EL_ADDFN, L"kvik-complete", L"Complete a command", key_complete);
	el_wset(e, EL_ADDFN, L"kvik-suspend", L"Stop the program", key_suspend);
	el_set(e, EL_SETTY, "-d", "-isig", NULL); /* Ctrl-C is a key while a line is edited */
	el_set(e, EL_BIND, "^Z", "kvik-suspend", NULL);
	el_set(e, EL_BIND, "^C", "kvik-drop", NULL);
	el_set(e, EL_BIND, "^I", "kvik-complete", NULL);
	el_set(e, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(e, EL_BIND, "\\e^M", "kvik-break", NULL);
	el_set(e, EL_BIND, "\\e^J", "kvik-break", NULL);
	el_set(e, EL_BIND, "\\e[200~", "kvik-paste", NULL);
	el_set(e, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
	el_set(e, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
	el_set(e, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
}

static int open_editor(struct line *l, struct kvik_err *err)
{
	HistEvent ev;
	/* The editor wants to know how wide characters are; where the locale does not say, UTF-8 it is. */
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	l->editor = el_init("kvik", stdin, l->to, stderr);
	l->history = history_init();
	if (!l->editor || !l->history)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the line editor");
	history(l->history, &ev, H_SETSIZE, HISTORY_LINES);
	history(l->history, &ev, H_SETUNIQUE, 1);
	if (l->config.history)
		history(l->history, &ev, H_LOAD, l->config.history); /* there may be none yet */
	el_set(l->editor, EL_CLIENTDATA, l);
	el_set(l->editor, EL_PROMPT, prompt_of);
	el_set(l->editor, EL_EDITOR, "emacs");
	el_set(l->editor, EL_SIGNAL, 1); /* the terminal is set back before a signal ends the program */
	el_set(l->editor, EL_HIST, history, l->history);
	bind_keys(l->editor);
	return 0;
}

int line_new(struct line **out, const struct line_config *c, struct kvik_err *err)
{
	struct line *l = mem_zalloc(1, sizeof *l);
	const char *term = getenv("TERM");
	*out = NULL;
	if (!l)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for reading lines");
	l->config = *c;
	l->terminal = isatty(STDIN_FILENO);
	l->to = isatty(STDOUT_FILENO) ? stdout : stderr;
	bool edit = l->terminal && isatty(fileno(l->to)) && term && *term && strcmp(term, "dumb") != 0;
	int rc = edit ? open_editor(l, err) : 0;
	if (rc)
		line_free(l);
	else
		*out = l;
	return rc;
}

void line_free(struct line *l)
{
	if (!l)
		return;
	if (l->editor)
		el_end(l->editor);
	if (l->history)
		history_end(l->history);
	buf_release(&l->text);
	mem_free(l);
}

bool line_is_terminal(const struct line *l)
{
	return l->terminal;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static int edited(struct line *l)
{
	int count = 0;
	fputs("\033[?2004h", l->to); /* pastes are marked */
	errno = 0;
	const char *got = el_gets(l->editor, &count);
	l->dropped |= !got && errno == EINTR; /* Ctrl-C before the editor has taken over the terminal */
	fputs("\033[?2004l", l->to);
	fflush(l->to);
	if (l->dropped)
		return LINE_DROPPED;
	if (!got || count <= 0)
		return LINE_END;
	return buf_add_text(&l->text, got, (size_t)count) ? LINE_TEXT : KVIK_ERR_NOMEM;
}

/* Shows the prompt and waits for a line; false: Ctrl-C. Its signal is let in while waiting alone, so that none is lost
 * between the prompt and the read. */
static bool wait_for_line(const struct line *l)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t interrupt, before;
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &before);
	fputs(l->prompt, l->to);
	fflush(l->to);
	bool dropped = ppoll(&in, 1, NULL, &before) < 0 && errno == EINTR;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (dropped)
		fputc('\n', l->to);
	return !dropped;
}

static int plain(struct line *l)
{
	if (l->terminal && !wait_for_line(l))
		return LINE_DROPPED;
	for (int c; (c = getchar()) != EOF;) {
		char byte = (char)c;
		if (l->text.n == LINE_BYTES_MAX)
			return KVIK_ERR_LIMIT;
		if (!buf_add_text(&l->text, &byte, 1))
			return KVIK_ERR_NOMEM;
		if (c == '\n')
			return LINE_TEXT;
	}
	if (ferror(stdin))
		return KVIK_ERR_IO;
	return l->text.n > 0 ? LINE_TEXT : LINE_END;
}

static void strip_end(struct buf *b)
{
	if (b->n > 0 && b->data[b->n - 1] == '\n')
		b->n--;
	if (b->n > 0 && b->data[b->n - 1] == '\r')
		b->n--;
	b->data[b->n] = '\0';
}

int line_read(struct line *l, const char *prompt, const char **text, size_t *n, struct kvik_err *err)
{
	l->prompt = prompt;
	l->dropped = false;
	l->text.n = 0;
	int state = l->editor ? edited(l) : plain(l);
	switch (state) {
	case KVIK_ERR_IO: return err_set(err, state, "standard input: %s", strerror(errno));
	case KVIK_ERR_NOMEM: return err_set(err, state, "no memory for a line");
	case KVIK_ERR_LIMIT:
		return err_set(err, state, "a line of more than %zu bytes; shorter ones are taken", LINE_BYTES_MAX);
	case LINE_TEXT:
		strip_end(&l->text);
		*text = l->text.data;
		*n = l->text.n;
		break;
	default: break;
	}
	return state;
}

void line_remember(struct line *l, const char *text)
{
	HistEvent ev;
	if (!l->history || !*text)
		return;
	history(l->history, &ev, H_ENTER, text);
	if (l->config.history)
		history(l->history, &ev, H_SAVE, l->config.history); /* best effort: a read-only home is no error */
}
