"""kvik: language models whose keys and values are computed once.

    model = kvik.Model("model.gguf", kv_dtype="f32")
    logits, past = model(ids)                               # ids [batch, n] -> float32 [batch, n, vocab]
    logits, past = model(next_ids, past_key_values=past)    # only the new tokens are computed

Model: weights and vocabulary, calls and generate(). Cache and Session: prefixes, forks, rollback. Engine: many requests at
once, for asyncio. Chat: messages and tools. Constraint: JSON and other forms. The same bits come out whatever the caches
held and however the work was cut."""
from ._lib import (ArgumentError, CacheFull, Cancelled, Error, FileError, FormatError, LimitError, OutOfMemory, UnsupportedError,
                   version)
from .cache import Cache, Generation, Pin, Prefix, Session
from .chat import Chat, Parser, Part, Prompt
from .constraint import Constraint
from .engine import Answer, Engine, Token
from .model import Model, Output, Past
from .params import Sampling, Share

__version__ = version()
__all__ = [
    "Answer", "ArgumentError", "Cache", "CacheFull", "Cancelled", "Chat", "Constraint", "Engine", "Error", "FileError",
    "FormatError", "Generation", "LimitError", "Model", "OutOfMemory", "Output", "Parser", "Part", "Past", "Pin", "Prefix",
    "Prompt", "Sampling", "Session", "Share", "Token", "UnsupportedError", "version",
]
