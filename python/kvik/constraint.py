"""What a text must be like: JSON, a JSON Schema, a regular expression, one of some choices, a grammar, tags."""
import json

import numpy as np

from ._handle import Owner
from ._lib import bytes_of, ffi, lib, new, struct


class Constraint(Owner):
    """Compiled once, for any number of answers. What cannot be enforced is refused: an Error that names the place."""

    def __init__(self, model, kind: int, text=""):
        data = bytes_of(text)
        ptr = new(lib.kvik_constraint_new, model._vocab, kind, ffi.from_buffer(data), len(data))
        self._own(ptr, lib.kvik_constraint_free, model)

    @classmethod
    def json(cls, model) -> "Constraint":
        return cls(model, lib.KVIK_CONSTRAINT_JSON)

    @classmethod
    def schema(cls, model, schema) -> "Constraint":
        """schema: a dict, or JSON."""
        return cls(model, lib.KVIK_CONSTRAINT_SCHEMA, schema if isinstance(schema, (str, bytes)) else json.dumps(schema))

    @classmethod
    def regex(cls, model, pattern) -> "Constraint":
        return cls(model, lib.KVIK_CONSTRAINT_REGEX, pattern)

    @classmethod
    def choice(cls, model, choices) -> "Constraint":
        return cls(model, lib.KVIK_CONSTRAINT_CHOICE, json.dumps(list(choices)))

    @classmethod
    def grammar(cls, model, text) -> "Constraint":
        """GBNF, or Lark's notation."""
        return cls(model, lib.KVIK_CONSTRAINT_GRAMMAR, text)

    @classmethod
    def tags(cls, model, tags) -> "Constraint":
        """Structural tags: free text with parts of a given form in it."""
        return cls(model, lib.KVIK_CONSTRAINT_TAGS, tags if isinstance(tags, (str, bytes)) else json.dumps(tags))

    def matches(self, text) -> bool:
        """The whole text is one that answers may be."""
        data, m = bytes_of(text), new(lib.kvik_matcher_new, self._ptr)
        try:
            return lib.kvik_matcher_feed(m, data, len(data)) == len(data) and lib.kvik_matcher_accepts(m)
        finally:
            lib.kvik_matcher_free(m)


class Held(Owner):
    """A struct kvik_processor with what it needs."""

    def __init__(self, pointer, kept=None):
        self.pointer, self.kept = pointer, kept


def constrained(constraint: Constraint, choices: int = 1) -> Held:
    """The processor of `choices` answers that are held to a constraint."""
    answers = new(lib.kvik_constrained_new, constraint._ptr, choices)
    held = Held(lib.kvik_constrained_processor(answers))
    held._own(answers, lib.kvik_constrained_free, constraint)
    return held


def processor_of(constraint, function, raised=None) -> "Held | None":
    """The processor of a constraint, or of a function(ids, logits) in Python; what that raises is put into `raised`."""
    if constraint is not None and function is not None:
        raise TypeError("a constraint and a logits_processor at once: call the constraint's mask from the processor, or choose")
    if constraint is not None:
        return constrained(constraint)
    if function is None:
        return None

    @ffi.callback("void (*)(void *, uint32_t, const uint32_t *, size_t, float *, size_t)")
    def process(_, choice, ids, n, logits, vocab_size):
        try:
            function(np.frombuffer(ffi.buffer(ids, 4 * n), np.uint32) if n else np.empty(0, np.uint32),
                     np.frombuffer(ffi.buffer(logits, 4 * vocab_size), np.float32))
        except BaseException as e:
            if raised is not None:
                raised.append(e)

    p = ffi.new("struct kvik_processor *")
    p.size = ffi.sizeof(p[0])
    p.process = process
    return Held(p, process)
