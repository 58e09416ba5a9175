"""What cffi is told of kvik.h: the header itself, preprocessed, without the functions that are compiled into a C caller."""
import os
import re
import subprocess


def declarations(include: str) -> str:
    """The declarations of kvik.h in the folder `include`, as cffi's cdef reads them. Needs a C compiler ($CC, else cc)."""
    text = "".join(open(os.path.join(include, name)).read() for name in ("kvik_err.h", "kvik.h"))
    text = re.sub(r"^#include.*$", "", text, flags=re.M)
    text = subprocess.run([os.environ.get("CC", "cc"), "-E", "-P", "-DUINT32_MAX=0xffffffff", "-"], input=text,
                          capture_output=True, text=True, check=True).stdout
    return without_inline(text)


def without_inline(text: str) -> str:
    """Cuts out each `static inline` function, from there to the brace that ends it."""
    kept, at = [], 0
    while (start := text.find("static inline", at)) >= 0:
        kept.append(text[at:start])
        at, depth = text.index("{", start) + 1, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
    return "".join(kept) + text[at:]
