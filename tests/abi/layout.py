#!/usr/bin/env python3
"""The binary interface of include/kvik.h against that of a released header: layout.py CC OLD_INCLUDE NEW_INCLUDE

Both are preprocessed, and a C program prints where each member lies and what each enumerator is. What was there stays:
members and enumerators as they were, structs without `size` in every byte, and what a struct with `size` has gained
begins beyond its old end (padding is filled with anything by callers who do not know it)."""
import re
import subprocess
import sys
import tempfile


def preprocessed(cc, include):
    text = subprocess.run([cc, "-E", "-P", "-I", include, "-include", "kvik.h", "-x", "c", "/dev/null"], check=True,
                          capture_output=True, text=True).stdout
    return re.sub(r"__attribute__\s*\(\(.*?\)\)", "", text)


def members(body):
    for declaration in body.split(";"):
        pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration)
        if pointer:
            yield pointer.group(1)
            continue
        for part in declaration.split(","):
            name = re.search(r"(\w+)\s*(\[[^\]]*\]\s*)*$", part.strip())
            if name:
                yield name.group(1)


def interface(cc, include):
    """{"struct x": size, "struct x.y": offset, "ENUMERATOR": value}, and which structs have a size member"""
    text = preprocessed(cc, include)
    lines, sized = [], set()
    for name, body in re.findall(r"struct (kvik_\w+)\s*\{([^{}]*)\}\s*;", text):
        lines.append(f'P("struct {name}", sizeof(struct {name}));')
        fields = list(members(body))
        if fields[0] == "size":
            sized.add(name)
        lines += [f'P("struct {name}.{m}", offsetof(struct {name}, {m}));' for m in fields]
    for name, body in re.findall(r"enum (kvik_\w+)\s*\{([^{}]*)\}", text):
        for enumerator in body.split(","):
            e = enumerator.split("=")[0].strip()
            if e and not e.endswith("_COUNT"):
                lines.append(f'P("{e}", {e});')
    program = ("#include <kvik.h>\n#include <stdio.h>\n#define P(name, value) printf(\"%s=%lld\\n\", name, (long long)(value))\n"
               "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n")
    with tempfile.TemporaryDirectory() as folder:
        # Functions that are compiled into callers are not called here: nothing is linked.
        source, exe = folder + "/layout.c", folder + "/layout"
        open(source, "w").write(program)
        subprocess.run([cc, "-O1", "-I", include, "-o", exe, source], check=True)
        out = subprocess.run([exe], check=True, capture_output=True, text=True).stdout
    return {k: int(v) for k, v in (line.rsplit("=", 1) for line in out.splitlines())}, sized


def broken(old, old_sized, new, new_sized):
    for name, value in old.items():
        is_struct = name.startswith("struct ") and "." not in name
        if name not in new:
            yield f"{name} is gone"
        elif is_struct and name[7:] in old_sized:
            if new[name] < value:
                yield f"{name} has become smaller: {new[name]} bytes, it had {value}"
        elif new[name] != value:
            yield f"{name} is {new[name]}, it was {value}"
    for name in new:
        struct = name.split(".")[0]
        if "." in name and struct in old and name not in old and new[name] < old[struct]:
            yield f"{name} lies in what was padding of {struct}: put it at {old[struct]} or beyond"
    for name in sorted(old_sized - new_sized):
        yield f"struct {name} no longer begins with its size"


def main():
    cc, old, new = sys.argv[1:4]
    was, is_now = interface(cc, old), interface(cc, new)
    assert len(was[0]) > 200 and len(was[1]) > 15, "the header was not understood"
    faults = list(broken(*was, *is_now))
    for fault in faults:
        print(fault)
    print(f"{len(was[0])} sizes, offsets and values of {old} looked for")
    # The comparison itself: a member that moves, one in padding, one that is gone.
    moved = dict(was[0], **{"struct kvik_share.scope": 1})
    assert list(broken(*was, moved, was[1])) and list(broken(was[0], was[1], {}, set()))
    assert list(broken(*was, dict(was[0], **{"struct kvik_share.new": 13}), was[1]))
    assert not list(broken(*was, dict(was[0], **{"struct kvik_share.new": was[0]["struct kvik_share"]}), was[1]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
