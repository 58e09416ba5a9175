"""What several calls share: how tokens are drawn, how prefixes are shared, how a cache is laid out."""
from dataclasses import dataclass

from ._lib import ArgumentError, assign, bytes_of, ffi, lib, struct, text_of

DTYPES = {text_of(lib.kvik_dtype_name(d)): d for d in range(lib.KVIK_DTYPE_COUNT)}


def dtype(name: str) -> int:
    if name not in DTYPES:
        raise ArgumentError(f"no KV dtype {name!r}; there are {', '.join(DTYPES)}")
    return DTYPES[name]


@dataclass(frozen=True)
class Share:
    """Who shares prefixes: those of different scopes neither share nor time each other's; scope 0 is the public one."""

    scope: int = 0
    isolated: bool = False
    read_public: bool = False
    priority: int = 0
    ttl_ms: int = 0

    def _struct(self):
        p = struct("kvik_share")
        assign(p, "Share", scope=self.scope, isolated=self.isolated, read_public=self.read_public, priority=self.priority,
               ttl_ms=self.ttl_ms)
        return p


def share_of(share):
    return ffi.NULL if share is None else share._struct()


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn from a row of logits; greedy by default. The same seed gives the same tokens, whatever else runs."""

    temperature: float = 0.0
    top_k: int = 0  # 0: off
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_last_n: int = 0  # 0: all
    seed: int = 0
    bias: "dict[int, float] | None" = None

    def _struct(self):
        """The struct, and what must live as long as it is used."""
        p, kept = struct("kvik_sampling"), None
        assign(p, "Sampling", **{k: v for k, v in self.__dict__.items() if k != "bias"})
        if self.bias:
            kept = ffi.new("struct kvik_bias []", [{"id": i, "bias": b} for i, b in self.bias.items()])
            p.bias, p.n_bias = kept, len(self.bias)
        return p, kept


def generate_params(sampling=None, stop=(), stop_ids=(), processor=None, **values):
    """A struct kvik_generate_params, and what must live as long as it is used. values: its other members by name."""
    p = struct("kvik_generate_params")
    assign(p, "generate", **values)
    draw, bias = (sampling or Sampling())._struct()
    p.sampling = draw
    texts = [ffi.from_buffer(bytes_of(s)) for s in ([stop] if isinstance(stop, (str, bytes)) else stop)]
    strings, lengths = ffi.new("char *[]", texts), ffi.new("size_t []", [len(t) for t in texts])
    ids = ffi.new("uint32_t []", list(stop_ids))
    p.stop, p.stop_bytes, p.n_stop = strings, lengths, len(texts)
    p.stop_ids, p.n_stop_ids = ids, len(ids)
    if processor is not None:
        p.processor = processor.pointer
    return p, (draw, bias, texts, strings, lengths, ids, processor)


def cache_params(kv_dtype=None, k_dtype=None, v_dtype=None, kv_memory=None, **values):
    """A struct kvik_cache_params, and what must live as long as it is used. values: its other members by name."""
    p = struct("kvik_cache_params")
    if kv_dtype or k_dtype:
        p.k_dtype = dtype(k_dtype or kv_dtype)
    if kv_dtype or v_dtype:
        p.v_dtype = dtype(v_dtype or kv_dtype)
    kept = {name: ffi.new("char []", bytes_of(values[name])) for name in ("disk", "disk_key") if values.get(name)}
    assign(p, "cache", kv_memory=kv_memory, **{**values, **kept})
    return p, kept
