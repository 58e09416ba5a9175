"""generate(), with the arguments of Transformers."""
import secrets

import numpy as np

from .params import Sampling, Share

ALONE = Share(isolated=True)


def generate(model, input_ids, *, attention_mask=None, max_new_tokens=None, max_length=None, min_new_tokens=0, do_sample=False,
             temperature=1.0, top_k=50, top_p=1.0, min_p=0.0, repetition_penalty=1.0, num_return_sequences=1, num_beams=1,
             eos_token_id=None, pad_token_id=None, stop_strings=None, seed=None, use_cache=True, streamer=None) -> np.ndarray:
    """input_ids: [batch, n] -> [batch * num_return_sequences, n + new], rows padded on the right where they ended early.

    Greedy unless do_sample. All rows go on together, a step of the cache for each token. seed: row i draws with seed + i
    (default: anew each time). streamer(ids [rows]) is called with the prompt's rows, then with each column of new tokens;
    a streamer of Transformers works too (put, end)."""
    from .model import Past, first_tokens

    if num_beams != 1:
        raise ValueError("beam search is not offered: num_beams=1, or num_return_sequences with do_sample")
    ids = np.atleast_2d(np.asarray(input_ids))
    first = first_tokens(ids, attention_mask)
    room = (max_length - ids.shape[1]) if max_length is not None and max_new_tokens is None else (max_new_tokens or 20)
    ends = {eos_token_id} if isinstance(eos_token_id, (int, np.integer)) else set(eos_token_id or ())
    is_end = (lambda t: t in ends) if ends else model.is_end
    forbidden = {t: -np.inf for t in (ends or filter(model.is_end, range(model.vocab_size)))} if min_new_tokens else {}
    seed = secrets.randbits(32) if seed is None else seed
    stops = [stop_strings] if isinstance(stop_strings, str) else list(stop_strings or ())

    past = Past([model.cache.session(None if use_cache else ALONE) for _ in ids])
    for s, row, at in zip(past.sessions, ids, first):
        s.feed(row[at:])
    begun = [s if i == 0 else None for s in past.sessions for i in range(num_return_sequences)]
    sessions = [s or past.sessions[i // num_return_sequences].fork() for i, s in enumerate(begun)]
    draws = [dict(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p) if do_sample else {}] * len(sessions)

    def draw(i, count):
        return Sampling(seed=seed + i, repeat_penalty=repetition_penalty, bias=forbidden if count < min_new_tokens else None, **draws[i])

    rows = [[] for _ in sessions]
    live = list(range(len(sessions)))
    _stream(streamer, np.repeat(ids, num_return_sequences, axis=0))
    for count in range(room):
        for i in live:
            source = sessions[i] if count or begun[i] else past.sessions[i // num_return_sequences]
            rows[i].append(source.sample(draw(i, count)))
        _stream(streamer, np.array([r[count] if len(r) > count else (pad_token_id or 0) for r in rows]))
        live = [i for i in live if not _over(model, rows[i], is_end, stops, count + 1 >= min_new_tokens)]
        if not live or count + 1 == room:
            break
        chunk = model.cache.chunk
        for at in range(0, len(live), chunk):
            model.cache.step([(sessions[i], rows[i][-1:], 1) for i in live[at:at + chunk]])
    if hasattr(streamer, "end"):
        streamer.end()
    width = max(map(len, rows), default=0)
    pad = next((p for p in (pad_token_id, model.pad_token_id, model.eos_token_id) if p is not None), 0)
    new = np.array([r + [pad] * (width - len(r)) for r in rows], np.int64).reshape(len(rows), width)
    return np.concatenate([np.repeat(ids.astype(np.int64), num_return_sequences, axis=0), new], axis=1)


def _over(model, ids, is_end, stops, may_end) -> bool:
    return may_end and (is_end(ids[-1]) or bool(stops) and any(s in model.detokenize(ids) for s in stops))


def _stream(streamer, ids) -> None:
    if streamer is not None:
        getattr(streamer, "put", streamer)(ids)
