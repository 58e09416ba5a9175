/* lexer.h: template text to tokens, white space control included. */
#ifndef KVIK_TMPL_LEXER_H
#define KVIK_TMPL_LEXER_H

#include "tmpl/vm.h"

enum token_type {
	T_EOF,
	T_DATA, /* text outside of tags */
	T_VARIABLE_BEGIN,
	T_VARIABLE_END,
	T_BLOCK_BEGIN,
	T_BLOCK_END,
	T_NAME,
	T_STRING,
	T_INTEGER,
	T_FLOAT,
	T_OPERATOR
};

/* Operators by their characters: T_OPERATOR with op = OP('/', '/'). */
#define OP(a, b) ((uint16_t)((a) << 8 | (b)))
#define OP1(a) OP(0, a)

struct token {
	uint8_t type; /* enum token_type */
	uint16_t op;
	uint32_t line;
	struct value value; /* of names, texts and numbers */
};

/* The tokens of the whole text, ended by T_EOF; [*n] in the arena. text must stay where it is. */
struct token *lex(struct vm *vm, const char *text, size_t bytes, size_t *n);

/* "'endif'", "end of print statement", for error texts; in the arena. */
const char *token_text(struct vm *vm, const struct token *t);

#endif
