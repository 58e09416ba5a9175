"""Messages and tools through a model's chat template, and answers cut into what is said, thought and called."""
import json
from dataclasses import dataclass

import numpy as np

from ._handle import Owner
from ._lib import bytes_of, call, ffi, lib, new, struct, text_of


@dataclass(frozen=True)
class Part:
    """A piece of an answer. kind: "text", "thought" or "call"; of a call: its id, the function's name and arguments."""

    kind: str
    text: str = ""
    id: str = ""
    name: str = ""
    arguments: "dict | None" = None


class Prompt(Owner):
    """ids: uint32 [n], the tokens to generate from; text: the same as text; marks: where its
    last messages begin."""

    def __init__(self, ptr):
        self._own(ptr, lib.kvik_chat_prompt_free)
        n = ffi.new("size_t *")
        ids = lib.kvik_chat_prompt_ids(self._ptr, n)
        self.ids = np.frombuffer(ffi.buffer(ids, 4 * n[0]), np.uint32).copy()
        marks = lib.kvik_chat_prompt_marks(self._ptr, n)
        self.marks = [marks[i] for i in range(n[0])]
        text = lib.kvik_chat_prompt_text(self._ptr, n)
        self.text = ffi.buffer(text, n[0])[:].decode("utf-8", "replace")


class Chat(Owner):
    """The chat template of a model; template: Jinja instead of its own."""

    def __init__(self, model, template: "str | None" = None):
        ptr = new(lib.kvik_chat_new, model._ptr, bytes_of(template) if template else ffi.NULL)
        self._own(ptr, lib.kvik_chat_free, model)

    def render(self, messages, tools=None, parse_special=False, **variables) -> Prompt:
        """messages, tools: as for OpenAI's API. variables: of the template (enable_thinking=False)."""
        q = struct("kvik_chat_request")
        kept = [ffi.new("char []", json.dumps(x).encode()) for x in (messages, tools or [], variables)]
        q.messages, q.parse_special = kept[0], parse_special
        if tools:
            q.tools = kept[1]
        if variables:
            q.variables = kept[2]
        return Prompt(new(lib.kvik_chat_render, self._ptr, q))

    def parse(self, prompt: Prompt, text) -> "list[Part]":
        """The parts of the answer to a prompt. Generate it with keep_special=True."""
        parser = Parser(prompt)
        return merged(parser.feed(text) + parser.end())


class Parser(Owner):
    """Reads an answer as it comes: feed and end give the parts that are certain."""

    def __init__(self, prompt: Prompt, answer_id: int = 1):
        self._found = found = []
        self._each = ffi.callback("kvik_chat_part_fn", lambda _, p: found.append(_part(p)))
        ptr = new(lib.kvik_chat_parser_new, prompt._ptr, answer_id, self._each, ffi.NULL)
        self._own(ptr, lib.kvik_chat_parser_free)

    def _take(self) -> "list[Part]":
        parts = list(self._found)
        self._found.clear()
        return parts

    def feed(self, text) -> "list[Part]":
        data = bytes_of(text)
        call(lib.kvik_chat_parse, self._ptr, data, len(data))
        return self._take()

    def end(self) -> "list[Part]":
        call(lib.kvik_chat_parse_end, self._ptr)
        return self._take()


def _part(p) -> Part:
    if p.kind == lib.KVIK_CHAT_CALL:
        arguments = text_of(p.arguments)
        return Part("call", id=text_of(p.id), name=text_of(p.name), arguments=json.loads(arguments) if arguments else {})
    text = ffi.buffer(p.text, p.bytes)[:].decode("utf-8", "replace") if p.bytes else ""
    return Part("thought" if p.kind == lib.KVIK_CHAT_THOUGHT else "text", text)


def merged(parts: "list[Part]") -> "list[Part]":
    """Neighbours of the same kind, but calls, as one."""
    out: "list[Part]" = []
    for p in parts:
        if out and p.kind == out[-1].kind != "call":
            out[-1] = Part(p.kind, out[-1].text + p.text)
        else:
            out.append(p)
    return out
