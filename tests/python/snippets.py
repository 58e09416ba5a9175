"""Runs what a page shows in Python, one block after the other in one program: snippets.py PAGE

`print(...)  # text` at the end of a line says what it prints."""
import contextlib
import io
import pathlib
import re
import sys


def main():
    page = pathlib.Path(sys.argv[1])
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    names = {"__name__": "page"}
    for block in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(block, str(page), "exec"), names)
        want = re.findall(r"^print\(.*\)  # (.*)$", block, re.M)
        got = said.getvalue().splitlines()
        if want and want != got[:len(want)]:
            sys.exit(f"{page} says {want}, the program {got}")
    print(f"{len(blocks)} blocks of {page} run")
    return len(blocks) < 4


if __name__ == "__main__":
    sys.exit(main())
