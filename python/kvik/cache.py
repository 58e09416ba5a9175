"""A cache of keys and values, and the sessions in it."""
import os
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ._lib import Error, bytes_of, call, ffi, lib, new, read, text_of
from ._handle import Owner
from .params import Sampling, Share, cache_params, generate_params, share_of


@dataclass(frozen=True)
class Prefix:
    """How tokens met the cache: `found` of them were taken from it, it knew the same ones up to `matched`."""

    found: int
    joined: int
    matched: int
    miss: str  # why no further: "none", "new", "differs", "evicted", ...

    @staticmethod
    def _of(p) -> "Prefix":
        return Prefix(p.found_tokens, p.joined_tokens, p.matched_tokens, text_of(lib.kvik_miss_name(p.miss)))


@dataclass(frozen=True)
class Generation:
    ids: "list[int]"
    text: str
    finish: str  # "stop", "length", "cancelled"
    prompt_tokens: int
    cached_tokens: int
    prefill_ms: float
    decode_ms: float


def ids_array(ids) -> np.ndarray:
    """Token ids [n] as the library takes them; no copy where they are uint32 already."""
    a = np.asarray(ids)
    if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):
        raise ValueError(f"token ids must be one row of integers, not {a.dtype} {a.shape}")
    if a.size and a.min() < 0:
        raise ValueError(f"{a.min()} is no token id")
    return np.ascontiguousarray(a, dtype=np.uint32)


def pointer(array: np.ndarray, kind: str = "uint32_t *"):
    return ffi.cast(kind, array.ctypes.data)


class Cache(Owner):
    """The keys and values of any number of sessions under one ceiling of bytes, and the tree of all prefixes it knows.

    kv_dtype: "f32", "f16" (the default), "bf16", "int8", "fp8" or "int4"; k_dtype and v_dtype one by one. context: most
    tokens of a session. kv_memory: bytes. disk: a folder that outlives the process. The rest as in struct
    kvik_cache_params of kvik.h. Any thread may use it and its sessions: they take turns."""

    def __init__(self, model, **params):
        p, kept = cache_params(**params)
        self.model = model
        self.chunk = p.chunk
        self._lock, self._depth = threading.RLock(), 0
        self._dead = dead = deque()  # sessions and pins that are gone: freed when no call of the library is under way

        def free(ptr):
            _bury(dead)
            lib.kvik_cache_free(ptr)

        self._own(new(lib.kvik_cache_new, model._ptr, p), free, model)
        del kept

    @contextmanager
    def _using(self):
        with self._lock:
            if self._depth == 0:
                _bury(self._dead)
            self._depth += 1
            try:
                yield self._ptr
            finally:
                self._depth -= 1

    def session(self, share: "Share | None" = None) -> "Session":
        with self._using() as c:
            return Session(self, new(lib.kvik_session_new, c, share_of(share)))

    def restore(self, path, share: "Share | None" = None) -> "Session":
        """A session as Session.save wrote it, of the same model, dtypes and windows."""
        with self._using() as c:
            return Session(self, new(lib.kvik_session_restore_file, c, share_of(share), bytes_of(os.fspath(path))))

    def explain(self, ids, share: "Share | None" = None) -> Prefix:
        """What a new session would find of these tokens. Takes nothing."""
        a, p = ids_array(ids), ffi.new("struct kvik_prefix *")
        p.size = ffi.sizeof(p[0])
        with self._using() as c:
            call(lib.kvik_cache_explain, c, share_of(share), pointer(a), a.size, p)
        return Prefix._of(p)

    def stats(self) -> dict:
        with self._using() as c:
            return figures(read("kvik_cache_stats", lib.kvik_cache_read_stats, c))

    def drop(self) -> None:
        """Forgets all prefixes that no session or pin holds."""
        with self._using() as c:
            lib.kvik_cache_drop(c)

    def step(self, items, logits: "np.ndarray | None" = None) -> "np.ndarray | None":
        """One pass of the model over tokens of many sessions: items of (session, ids, rows), where logits are wanted of
        the last `rows` tokens of each. -> float32 [sum of rows, vocab], into `logits` if that is given."""
        parts = [(s, ids_array(ids), rows) for s, ids, rows in items]
        rows = sum(r for _, _, r in parts)
        if logits is None and rows:
            logits = np.empty((rows, self.model.vocab_size), np.float32)
        c_items = ffi.new("struct kvik_step_item []", len(parts))
        for c, (s, ids, r) in zip(c_items, parts):
            c.size, c.session, c.ids, c.n, c.rows = ffi.sizeof(c), s._ptr, pointer(ids), ids.size, r
        with self._using() as c:
            call(lib.kvik_cache_step, c, c_items, len(parts), pointer(logits, "float *") if rows else ffi.NULL)
        return logits


def _bury(dead) -> None:
    while dead:
        free, ptr = dead.popleft()
        free(ptr)


def figures(p) -> dict:
    """A struct of figures as a dict."""
    out = {}
    for name, field in ffi.typeof(p[0]).fields:
        value = getattr(p, name)
        kind = field.type.kind
        out[name] = list(value) if kind == "array" else text_of(value) if kind == "pointer" else value
    del out["size"]
    return out


class Session(Owner):
    """One sequence of tokens in a cache."""

    def __init__(self, cache: Cache, ptr):
        self.cache, dead = cache, cache._dead
        self._own(ptr, lambda ptr: dead.append((lib.kvik_session_free, ptr)), cache)

    def __len__(self) -> int:
        with self.cache._using():
            return lib.kvik_session_tokens(self._ptr)

    @property
    def ids(self) -> np.ndarray:
        """uint32 [n]: all tokens of the session."""
        with self.cache._using():
            n = lib.kvik_session_tokens(self._ptr)
            return np.frombuffer(ffi.buffer(lib.kvik_session_ids(self._ptr), 4 * n), np.uint32).copy() if n else np.empty(0, np.uint32)

    def feed(self, ids, all_logits: "np.ndarray | bool" = False) -> "np.ndarray | None":
        """Appends tokens and computes those that the cache does not know. all_logits: True, or float32 [n, vocab] to be
        filled: the logits after every one of them, for which all are computed."""
        a, rows = ids_array(ids), ffi.NULL
        if all_logits is True:
            all_logits = np.empty((a.size, self.cache.model.vocab_size), np.float32)
        elif all_logits is False:
            all_logits = None
        if all_logits is not None:
            shape = (a.size, self.cache.model.vocab_size)
            if all_logits.shape != shape or all_logits.dtype != np.float32 or not all_logits.flags.c_contiguous:
                raise ValueError(f"all_logits must be contiguous float32 {shape}")
            rows = pointer(all_logits, "float *")
        with self.cache._using():
            call(lib.kvik_session_feed, self._ptr, pointer(a), a.size, rows)
        return all_logits

    @property
    def prefix(self) -> Prefix:
        """How the last feed met the cache."""
        with self.cache._using():
            return Prefix._of(read("kvik_prefix", lib.kvik_session_read_prefix, self._ptr))

    @property
    def logits(self) -> "np.ndarray | None":
        """float32 [vocab] after the last token: the library's own, without a copy, valid until the session's next call."""
        with self.cache._using():
            p = lib.kvik_session_logits(self._ptr)
        if p == ffi.NULL:
            return None
        view = np.frombuffer(ffi.buffer(p, 4 * self.cache.model.vocab_size), np.float32)
        view.flags.writeable = False
        return view

    def sample(self, sampling: "Sampling | None" = None) -> int:
        """Picks the next token; does not feed it."""
        draw, bias = (sampling or Sampling())._struct()
        with self.cache._using():
            i = ffi.new("uint32_t *")
            call(lib.kvik_session_sample, self._ptr, draw, i)
            return i[0]

    def fork(self, n: "int | None" = None) -> "Session":
        """A session that shares the first n tokens (all, by default)."""
        with self.cache._using():
            n = lib.kvik_session_tokens(self._ptr) if n is None else n
            return Session(self.cache, new(lib.kvik_session_fork, self._ptr, n))

    def truncate(self, n: int) -> None:
        """Forgets all tokens after the first n; the cache still knows them."""
        with self.cache._using():
            call(lib.kvik_session_truncate, self._ptr, n)

    def save(self, path, n: "int | None" = None) -> int:
        """Writes the first n tokens (all, by default), with their keys and values, to a file; -> its bytes. Whoever can read
        it can read the text."""
        with self.cache._using():
            n, size = lib.kvik_session_tokens(self._ptr) if n is None else n, ffi.new("uint64_t *")
            call(lib.kvik_session_save_file, self._ptr, n, bytes_of(os.fspath(path)), size)
            return size[0]

    def pin(self, n: "int | None" = None, ttl_ms: int = 0) -> "Pin":
        """Keeps the first n tokens in the cache for good, or for ttl_ms, also after the session is gone."""
        with self.cache._using():
            n = lib.kvik_session_tokens(self._ptr) if n is None else n
            return Pin(self.cache, new(lib.kvik_session_pin, self._ptr, n, ttl_ms))

    def interrupt(self, on: bool = True) -> None:
        """While on, feeds and generations end at the next step. From any thread."""
        lib.kvik_session_interrupt(self._ptr, on)

    def generate(self, prompt=(), max_tokens=0, sampling: "Sampling | None" = None, on_token=None, constraint=None,
                 logits_processor=None, **params) -> Generation:
        """Feeds the prompt (text or ids) and generates.

        on_token(id, text) is called for each token; False from it ends the generation. constraint: a kvik.Constraint.
        logits_processor(ids, logits) may change the row (float32 [vocab], in place) that the next token is picked from.
        The rest, stop among them, as in struct kvik_generate_params of kvik.h."""
        from .constraint import processor_of

        model = self.cache.model
        a = ids_array(model.tokenize(prompt) if isinstance(prompt, str) else prompt)
        ids, text, raised = [], [], []

        @ffi.callback("kvik_token_fn")
        def each(_, t):
            piece = bytes(ffi.buffer(t.text, t.text_bytes)) if t.text_bytes else b""
            text.append(piece)
            if t.id != 0xFFFFFFFF:
                ids.append(t.id)
            try:
                return on_token is None or on_token(t.id, piece.decode("utf-8", "replace")) is not False
            except BaseException as e:  # raised again once the library has returned
                raised.append(e)
                return False

        processor = processor_of(constraint, logits_processor, raised)
        p, kept = generate_params(sampling=sampling, processor=processor, max_tokens=max_tokens, **params)
        done = ffi.new("struct kvik_generation *")
        done.size = ffi.sizeof(done[0])
        with self.cache._using():
            call(lib.kvik_generate, self._ptr, pointer(a), a.size, p, each, ffi.NULL, done)
        del kept
        if raised:
            raise raised[0]
        return Generation(ids, b"".join(text).decode("utf-8", "replace"), text_of(lib.kvik_finish_name(done.finish)),
                          done.prompt_tokens, done.cached_tokens, done.prefill_ms, done.decode_ms)


class Pin(Owner):
    """A prefix that is never evicted, until it is closed."""

    def __init__(self, cache: Cache, ptr):
        self.cache, dead = cache, cache._dead
        self._own(ptr, lambda ptr: dead.append((lib.kvik_pin_free, ptr)), cache)

    def __len__(self) -> int:
        """0: its time is over."""
        with self.cache._using():
            return lib.kvik_pin_tokens(self._ptr)


__all__ = ["Cache", "Session", "Pin", "Prefix", "Generation", "Error"]
