"""A model: weights and vocabulary, and the loop that people write around one."""
import threading
from typing import NamedTuple

import numpy as np

from . import generation
from ._handle import Owner
from ._lib import ArgumentError, assign, bytes_of, call, ffi, lib, new, read, struct, text_or_none
from .cache import Cache, Session, figures, ids_array, pointer

ACTS = {"auto": lib.KVIK_ACT_AUTO, "f32": lib.KVIK_ACT_F32, "int8": lib.KVIK_ACT_INT8}
QUANTIZE = {None: lib.KVIK_QUANTIZE_NONE, "q8_0": lib.KVIK_QUANTIZE_Q8_0, "q4_0": lib.KVIK_QUANTIZE_Q4_0}


class Past:
    """The keys and values of a batch of sequences: what `past_key_values` is. A session for each row."""

    def __init__(self, sessions: "list[Session]"):
        self.sessions = sessions

    def __len__(self) -> int:
        return len(self.sessions)

    def get_seq_length(self) -> int:
        """Tokens of the longest row."""
        return max(map(len, self.sessions))

    def crop(self, n: int) -> None:
        """Forgets all tokens after the first n; -n: the last n."""
        for s in self.sessions:
            s.truncate(min(len(s), n) if n >= 0 else max(len(s) + n, 0))

    def fork(self, rows=None) -> "Past":
        """Another continuation of these rows (all, by default; a row may occur more than once): pages are shared."""
        return Past([self.sessions[i].fork() for i in (range(len(self.sessions)) if rows is None else rows)])


class Output(NamedTuple):
    logits: np.ndarray  # float32 [batch, n, vocab]
    past_key_values: "Past | None"


class Model(Owner):
    """path: a GGUF file, a Hugging Face folder, "synthetic:SHAPE:TYPE", or None for the small model that is built in.

    act: how activations enter products with integer weights ("auto", "f32", "int8"). quantize: of float matrices at load
    (None, "q8_0", "q4_0"). The rest are parameters of the cache that the model makes when it is called (see Cache)."""

    def __init__(self, path: "str | None" = None, *, act="auto", quantize=None, threads=None, cpu=None, progress=None, **cache):
        if act not in ACTS or quantize not in QUANTIZE:
            raise ArgumentError(f"act is one of {', '.join(ACTS)}; quantize one of {', '.join(map(str, QUANTIZE))}")
        p = struct("kvik_model_params")
        cpu = ffi.new("char []", bytes_of(cpu)) if cpu else None
        assign(p, "Model", act=ACTS[act], quantize=QUANTIZE[quantize], threads=threads, cpu=cpu)
        if progress:
            each = ffi.callback("kvik_progress_fn", lambda _, done, total: progress(done, total) is not False)
            p.progress = each
        ptr = new(lib.kvik_model_load, ffi.NULL if path is None else bytes_of(str(path)), p)
        self._own(ptr, lib.kvik_model_free)
        self._vocab = lib.kvik_model_vocab(ptr)
        self.info = figures(read("kvik_model_info", lib.kvik_model_read_info, ptr))
        self.vocab_size: int = self.info["vocab_size"]
        self.warnings: "list[str]" = []
        while line := text_or_none(lib.kvik_model_warning(ptr, len(self.warnings))):
            self.warnings.append(line)
        self._cache_params, self._cache, self._making = {"sessions": 16, **cache}, None, threading.Lock()

    @classmethod
    def from_pretrained(cls, path, **options) -> "Model":
        return cls(path, **options)

    @property
    def cache(self) -> Cache:
        """The cache of calls without one of their own."""
        with self._making:
            if self._cache is None:
                self._cache = Cache(self, **self._cache_params)
            return self._cache

    # ---- text

    def tokenize(self, text, add_special: bool = True, parse_special: bool = False) -> np.ndarray:
        """uint32 [n]"""
        data, ids, n = bytes_of(text), ffi.new("uint32_t **"), ffi.new("size_t *")
        flags = lib.KVIK_ADD_SPECIAL * add_special | lib.KVIK_PARSE_SPECIAL * parse_special
        call(lib.kvik_tokenize, self._vocab, data, len(data), flags, ids, n)
        try:
            return np.frombuffer(ffi.buffer(ids[0], 4 * n[0]), np.uint32).copy() if n[0] else np.empty(0, np.uint32)
        finally:
            lib.kvik_free(ids[0])

    def detokenize(self, ids, keep_special: bool = False) -> str:
        a, text, n = ids_array(ids), ffi.new("char **"), ffi.new("size_t *")
        call(lib.kvik_detokenize, self._vocab, pointer(a), a.size, lib.KVIK_KEEP_SPECIAL * keep_special, text, n)
        try:
            return ffi.buffer(text[0], n[0])[:].decode()
        finally:
            lib.kvik_free(text[0])

    @property
    def bos_token_id(self) -> "int | None":
        return self._known(lib.kvik_vocab_bos)

    @property
    def eos_token_id(self) -> "int | None":
        return self._known(lib.kvik_vocab_eos)

    @property
    def pad_token_id(self) -> "int | None":
        return self._known(lib.kvik_vocab_pad)

    def _known(self, role) -> "int | None":
        i = role(self._vocab) if self._vocab else 0xFFFFFFFF
        return None if i == 0xFFFFFFFF else i

    def is_end(self, token_id: int) -> bool:
        """The model stops at this id."""
        return lib.kvik_model_is_end(self._ptr, token_id)

    # ---- logits

    def __call__(self, input_ids, past_key_values: "Past | None" = None, use_cache: bool = True, attention_mask=None,
                 logits_to_keep: int = 0) -> Output:
        """input_ids: [batch, n] integers -> logits [batch, n, vocab] float32, and the past to go on from.

        With logits_to_keep=k only the last k rows are made, and with 1 what the cache knows of the prompt is not computed
        again. use_cache=False: everything is computed, and nothing kept. attention_mask: [batch, n], 0 at padding, which
        must be on the left; its rows of logits are 0. The past is changed in place; Past.fork() first keeps the old one."""
        ids = np.asarray(input_ids)
        if ids.ndim != 2:
            raise ValueError(f"input_ids must be [batch, n], not {list(ids.shape)}")
        first = first_tokens(ids, attention_mask)
        past = past_key_values or Past([self.cache.session(None if use_cache else generation.ALONE) for _ in ids])
        if len(past) != len(ids):
            raise ValueError(f"input_ids has {len(ids)} rows, the past {len(past)}")
        kept = min(logits_to_keep, ids.shape[1]) or ids.shape[1]
        if ids.shape[1] == 1 and not first.any():
            logits = self._one_each(past, ids)
        else:
            logits = np.empty((len(ids), kept, self.vocab_size), np.float32)
            for s, row, at, out in zip(past.sessions, ids, first, logits):
                self._row(s, row[at:], out)
        return Output(logits, past if use_cache else None)

    def _one_each(self, past: Past, ids: np.ndarray) -> np.ndarray:
        """A token of each row, in steps of the cache: weights are read once for all rows."""
        logits, chunk = np.empty((len(ids), 1, self.vocab_size), np.float32), self.cache_of(past).chunk
        for i in range(0, len(ids), chunk):
            items = [(s, row, 1) for s, row in zip(past.sessions[i:i + chunk], ids[i:i + chunk])]
            self.cache_of(past).step(items, logits[i:i + chunk, 0])
        return logits

    def cache_of(self, past: Past) -> Cache:
        return past.sessions[0].cache if past.sessions else self.cache

    def _row(self, session: Session, ids: np.ndarray, out: np.ndarray) -> None:
        """Feeds ids; the logits of the last ones into out [kept, vocab], zeros before the first."""
        made = min(len(out), len(ids))
        out[:len(out) - made] = 0
        if made == 1:
            session.feed(ids)
            out[-1] = session.logits
        elif made:
            if len(ids) > made:
                session.feed(ids[:-made])
            session.feed(ids[-made:], all_logits=out[-made:])

    def generate(self, input_ids, **options):
        """See kvik.generation.generate: the arguments of Transformers."""
        return generation.generate(self, input_ids, **options)


def first_tokens(ids: np.ndarray, attention_mask) -> np.ndarray:
    """[batch]: the column at which each row's text begins."""
    if attention_mask is None:
        return np.zeros(len(ids), int)
    mask = np.asarray(attention_mask)[:, -ids.shape[1]:].astype(bool)
    if mask.shape != ids.shape:
        raise ValueError(f"attention_mask is {list(mask.shape)}, input_ids {list(ids.shape)}")
    first = mask.shape[1] - mask.sum(axis=1)
    if (mask != (np.arange(mask.shape[1]) >= first[:, None])).any():
        raise ValueError("attention_mask: padding must be on the left of each row")
    return first
