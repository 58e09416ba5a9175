"""Many requests at once, for asyncio."""
import asyncio
from dataclasses import dataclass, field

import numpy as np

from ._handle import Owner
from ._lib import assign, error_of, ffi, lib, new, read, struct, call, text_of
from .cache import Prefix, figures, ids_array, pointer
from .constraint import constrained
from .params import cache_params, generate_params, share_of


@dataclass
class Token:
    """A token of an answer; text: the whole characters that may be shown now."""

    id: "int | None"  # None: text that was held back for a stop string
    text: str
    choice: int = 0
    logprob: "float | None" = None
    top: "list[tuple[int, float]]" = field(default_factory=list)


@dataclass
class Answer:
    """All of a request."""

    texts: "list[str]"
    finish: "list[str]"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    prefix: "Prefix | None" = None
    embedding: "np.ndarray | None" = None

    @property
    def text(self) -> str:
        return self.texts[0]


class Engine(Owner):
    """Continuous batching over a cache of its own; prefixes that another request is computing are waited for.

        async with kvik.Engine(model, kv_dtype="int8") as engine:
            async for token in engine.stream("Once upon a time", max_tokens=50):
                print(token.text, end="")

    sequences, itl_ms, tenants, ...: members of struct kvik_engine_params; all else are parameters of its Cache. It is used
    from the event loop in which it was made."""

    def __init__(self, model, **params):
        p = struct("kvik_engine_params")
        mine = {name for name, _ in ffi.typeof(p[0]).fields} - {"size", "cache", "polled"}
        cache, kept = cache_params(**{k: v for k, v in params.items() if k not in mine})
        assign(p, "Engine", **{k: v for k, v in params.items() if k in mine})
        p.cache, p.polled = cache, True
        self.model = model
        self._requests: "dict[int, _Request]" = {}
        requests = self._requests

        def free(ptr):
            lib.kvik_engine_free(ptr)
            for request in requests.values():
                request.let_go()

        self._own(new(lib.kvik_engine_new, model._ptr, p), free, model)
        del kept  # what p points to is copied
        self._loop = None

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            loop.add_reader(lib.kvik_engine_fd(self._ptr), self._poll)
        elif self._loop is not loop:
            raise RuntimeError("this Engine belongs to another event loop")

    def _poll(self) -> None:
        while (e := lib.kvik_engine_poll(self._ptr)) != ffi.NULL:
            if request := self._requests.get(e.id):
                request.take(e)
                if e.kind == lib.KVIK_EVENT_END:
                    del self._requests[e.id]

    def _submit(self, prompt, choices, constraint, share, tenant, priority, pooling, params) -> "_Request":
        self._watch()
        marks = ffi.new("uint32_t []", getattr(prompt, "marks", []))  # of a Prompt, which a Chat has made
        ids = ids_array(self.model.tokenize(prompt) if isinstance(prompt, str) else getattr(prompt, "ids", prompt))
        processor = constrained(constraint, choices) if constraint is not None else None
        how, kept = generate_params(processor=processor, **params)
        q, shared, id_of = struct("kvik_request_params"), share_of(share), ffi.new("uint64_t *")
        assign(q, "request", choices=choices, ids=pointer(ids), n_ids=ids.size, generate=how, share=shared, tenant=tenant,
               priority=priority, pooling=pooling, marks=marks, n_marks=len(marks))
        call(lib.kvik_engine_submit, self._ptr, q, id_of)
        del kept
        request = _Request(choices, self.model.info["dim"], processor)
        self._requests[id_of[0]] = request  # events are taken by this thread alone: none was lost meanwhile
        request.cancel = lambda: lib.kvik_engine_cancel(self._ptr, id_of[0])
        return request

    async def stream(self, prompt, *, choices=1, constraint=None, share=None, tenant=0, priority=0, on_end=None, **params):
        """Each Token of the answers to a prompt (text, ids, or what a Chat renders), as it comes. Leaving the loop cancels the request.

        params: max_tokens, sampling (a Sampling), stop, n_logprobs, ... as in struct kvik_generate_params. on_end(Answer):
        called at the end, with the usage."""
        request = self._submit(prompt, choices, constraint, share, tenant, priority, lib.KVIK_POOLING_NONE, params)
        try:
            while (token := await request.queue.get()) is not None:
                yield token
        finally:
            if not request.ended:
                request.cancel()
        if request.error:
            raise request.error
        if on_end:
            on_end(request.answer)

    async def complete(self, prompt, **options) -> Answer:
        """The whole answer; options as for stream."""
        answer = []
        async for _ in self.stream(prompt, on_end=answer.append, **options):
            pass
        return answer[0]

    async def embed(self, prompt, pooling="mean", **options) -> np.ndarray:
        """float32 [dim], of length 1."""
        kind = {"mean": lib.KVIK_POOLING_MEAN, "last": lib.KVIK_POOLING_LAST}[pooling]
        request = self._submit(prompt, 1, None, options.get("share"), options.get("tenant", 0), options.get("priority", 0), kind, {})
        while await request.queue.get() is not None:
            pass
        if request.error:
            raise request.error
        return request.answer.embedding

    def stats(self) -> dict:
        return figures(read("kvik_engine_stats", lib.kvik_engine_read_stats, self._ptr))

    async def drain(self, grace_s: float = 0) -> None:
        """Waits for running answers, at most grace_s seconds; then ends them."""
        if self._loop is not None:
            await self._loop.run_in_executor(None, lib.kvik_engine_drain, self._ptr, int(grace_s * 1000))
            self._poll()
            self._loop.remove_reader(lib.kvik_engine_fd(self._ptr))
            self._loop = None

    async def __aenter__(self) -> "Engine":
        self._watch()
        return self

    async def __aexit__(self, *_) -> None:
        await self.drain()
        self.close()


class _Request:
    """What has come of a request."""

    def __init__(self, choices, dim, processor):
        self.queue, self.ended, self.error, self.dim = asyncio.Queue(), False, None, dim
        self._processor = processor and processor._open  # the engine calls it until the end
        if processor:
            self._processor.keep()
        self.answer = Answer([""] * choices, [""] * choices)

    def let_go(self) -> None:
        processor, self._processor = self._processor, None
        if processor:
            processor.release()

    def take(self, e) -> None:
        if e.kind == lib.KVIK_EVENT_TOKEN:
            self.queue.put_nowait(self.token(e.choice, e.token))
        elif e.kind == lib.KVIK_EVENT_CHOICE:
            self.answer.finish[e.choice] = text_of(lib.kvik_finish_name(e.finish))
        elif e.kind == lib.KVIK_EVENT_END:
            self.end(e)

    def token(self, choice, t) -> Token:
        text = ffi.buffer(t.text, t.text_bytes)[:].decode("utf-8", "replace") if t.text_bytes else ""
        self.answer.texts[choice] += text
        real = t.id != 0xFFFFFFFF
        top = [(t.top[i].id, t.top[i].logprob) for i in range(t.n_top)]
        return Token(t.id if real else None, text, choice, t.logprob if top else None, top)

    def end(self, e) -> None:
        u, a = e.usage, self.answer
        a.prompt_tokens, a.cached_tokens, a.new_tokens = u.prompt_tokens, u.cached_tokens, u.new_tokens
        a.first_token_ms, a.total_ms = u.first_token_ms, u.total_ms
        if e.prefix:
            a.prefix = Prefix._of(e.prefix)
        if e.embedding:
            a.embedding = np.frombuffer(ffi.buffer(e.embedding, 4 * self.dim), np.float32).copy()
        if e.error:
            self.error = error_of(e.error.code, text_of(e.error.text))
        self.ended = True
        self.let_go()
        self.queue.put_nowait(None)
