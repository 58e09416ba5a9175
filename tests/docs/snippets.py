#!/usr/bin/env python3
"""What the documents show in C compiles against today's header: snippets.py CC ROOT

Every block ```c of README.md and docs/*.md. One with a main is a program; else it is the body of a function in which there
are a model, a cache, a session, an engine, ids[n] and an err."""
import pathlib
import re
import subprocess
import sys

AROUND = """#include <kvik.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int snippet(struct kvik_model *model, struct kvik_cache *cache, struct kvik_session *session, struct kvik_engine *engine,
            const uint32_t *ids, size_t n, kvik_event_fn *on_event, kvik_token_fn *on_token, void *user, struct kvik_err err)
{
	(void)model, (void)cache, (void)session, (void)engine, (void)ids, (void)n, (void)on_event, (void)on_token, (void)user;
	int rc = 0;
#line %d "%s"
%s
	return rc ? rc : err.code;
}
"""


def main():
    cc, root = sys.argv[1], pathlib.Path(sys.argv[2])
    found = failed = 0
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for block in re.finditer(r"^```c\n(.*?)^```", text, re.M | re.S):
            found += 1
            line = text.count("\n", 0, block.start()) + 2
            code = block.group(1)
            if "int main" in code:
                code = '#line %d "%s"\n%s' % (line, path, code)
            else:
                code = AROUND % (line, path, code)
            run = subprocess.run([cc, "-fsyntax-only", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
                                  "-Wno-unused-but-set-variable", "-I", root / "include", "-x", "c", "-"], input=code,
                                 text=True, capture_output=True)
            if run.returncode:
                failed += 1
                print(run.stderr)
    print(f"{found} snippets, {failed} do not compile")
    return failed > 0 or found < 7


if __name__ == "__main__":
    sys.exit(main())
