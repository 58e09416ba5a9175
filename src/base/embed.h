/* embed.h: a file's bytes inside the program, as the assembler includes them; what differs between ELF and Mach-O is
 * here. At file scope, once per name:
 *
 *     EMBED_FILE(notes, "/path/of/notes.txt")       names are [a-z_]
 *     embed_notes_begin, embed_notes_end            const unsigned char [], 64-byte aligned, no NUL at the end
 *
 * The path is a string literal, so that the build knows it. */
#ifndef KVIK_BASE_EMBED_H
#define KVIK_BASE_EMBED_H

#ifdef __APPLE__
#define EMBED_SECTION ".const_data\n.p2align 6\n"
#define EMBED_LABEL(label) ".private_extern _" label "\n_" label ":\n"
#define EMBED_END ".text\n"
#else
#define EMBED_SECTION ".pushsection .rodata\n.balign 64\n"
#define EMBED_LABEL(label) ".global " label "\n.hidden " label "\n" label ":\n"
#define EMBED_END ".popsection\n"
#endif

#define EMBED_FILE(name, path)                                                                           \
	__asm__(EMBED_SECTION EMBED_LABEL("embed_" #name "_begin") ".incbin \"" path "\"\n" EMBED_LABEL( \
		"embed_" #name "_end") EMBED_END);                                                       \
	extern const unsigned char embed_##name##_begin[], embed_##name##_end[]

#endif
