"""Many requests at once."""
import asyncio

import numpy as np
import pytest

import kvik

PROMPT = "Once upon a time there was a"


def run(model, work, **params):
    async def main():
        async with kvik.Engine(model, context=512, **params) as engine:
            return await work(engine)

    return asyncio.run(main())


def test_in_company_as_alone(model):
    draw = [kvik.Sampling(temperature=0.9, seed=i) for i in range(8)]

    async def alone(engine):
        return [(await engine.complete(PROMPT, max_tokens=12, sampling=d)).text for d in draw]

    async def together(engine):
        return [a.text for a in await asyncio.gather(*(engine.complete(PROMPT, max_tokens=12, sampling=d) for d in draw))]

    assert run(model, alone) == run(model, together)


def test_stream_and_usage(model):
    async def work(engine):
        ended = []
        tokens = [t async for t in engine.stream(PROMPT, max_tokens=6, n_logprobs=2, choices=2, on_end=ended.append)]
        return tokens, ended[0]

    tokens, answer = run(model, work)
    assert {t.choice for t in tokens} == {0, 1} and answer.new_tokens == 12 and answer.finish == ["length"] * 2
    assert answer.texts[0] == "".join(t.text for t in tokens if t.choice == 0)
    assert all(len(t.top) == 2 and t.logprob <= 0 for t in tokens)


def test_left_streams_are_cancelled(model):
    async def work(engine):
        stream = engine.stream(PROMPT, max_tokens=400, ignore_end=True)
        async for _ in stream:
            break
        await stream.aclose()
        await engine.complete(PROMPT, max_tokens=1)
        return engine.stats()

    stats = run(model, work)
    assert stats["cancelled"] == 1 and stats["finished"] == 1 and stats["new_tokens"] < 300


def test_errors_and_embeddings(model):
    async def work(engine):
        with pytest.raises(kvik.LimitError, match="context"):
            await engine.complete("x " * 4000, max_tokens=5)
        return await engine.embed("a tree"), await engine.embed("a tree")

    a, b = run(model, work)
    assert a.tobytes() == b.tobytes() and abs(float(np.linalg.norm(a)) - 1) < 1e-5


def test_constraint_of_each_choice(model):
    c = kvik.Constraint.regex(model, "[0-9]{3}")

    async def work(engine):
        return await engine.complete("The code is ", max_tokens=20, choices=3, constraint=c, sampling=kvik.Sampling(temperature=1.0))

    answer = run(model, work)
    assert all(c.matches(t) for t in answer.texts) and answer.finish == ["stop"] * 3


def test_chat(model):
    chat = kvik.Chat(model)
    prompt = chat.render([{"role": "user", "content": "Tell a story"}])
    assert (model.tokenize(prompt.text, add_special=False, parse_special=True) == prompt.ids).all()
    assert kvik.Chat(model).parse(prompt, "Hello.") == [kvik.Part("text", "Hello.")]
    answer = run(model, lambda engine: engine.complete(prompt, max_tokens=4))
    assert answer.prompt_tokens == len(prompt.ids)
    with pytest.raises(kvik.ArgumentError):
        chat.render({"no": "list"})
