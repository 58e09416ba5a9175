"""Calls of a model: whatever is cached, batched, cut or forked, the logits have the same bits."""
import gc

import numpy as np
import pytest

import kvik


def same(a, b):
    return a.dtype == b.dtype == np.float32 and a.tobytes() == b.tobytes()


def test_shapes(model, ids):
    logits, past = model(np.stack([ids, ids]))
    assert logits.shape == (2, len(ids), model.vocab_size) and past.get_seq_length() == len(ids)
    assert model(ids[None], use_cache=False).past_key_values is None
    with pytest.raises(ValueError, match="batch, n"):
        model(ids)
    with pytest.raises(kvik.ArgumentError):
        model(np.array([[model.vocab_size]]))
    with pytest.raises(ValueError, match="rows"):
        model(np.stack([ids, ids, ids]), past_key_values=past)


def test_one_hash_over_all_paths(model, ids):
    whole = model(ids[None], use_cache=False).logits
    assert same(model(ids[None]).logits, whole)
    assert same(model(ids[None], logits_to_keep=1).logits, whole[:, -1:])
    for cut in (1, 3, len(ids) - 1):
        head, past = model(ids[None, :cut])
        tail, past = model(ids[None, cut:], past_key_values=past)
        assert same(np.concatenate([head, tail], axis=1), whole)
    past, rows = None, []
    for i in range(len(ids)):
        row, past = model(ids[None, i:i + 1], past_key_values=past)
        rows.append(row)
    assert same(np.concatenate(rows, axis=1), whole)
    past.crop(4)
    assert same(model(ids[None, 4:], past_key_values=past).logits, whole[:, 4:])


def test_batch_is_alone(model, ids):
    batch = np.stack([ids, ids[::-1], np.roll(ids, 5)])
    together, past = model(batch)
    following, _ = model(batch[:, :1], past_key_values=past)
    for i, row in enumerate(batch):
        alone, past = model(row[None])
        assert same(together[i:i + 1], alone)
        assert same(following[i:i + 1], model(row[None, :1], past_key_values=past).logits)


def test_padding_on_the_left(model, ids):
    padded = np.zeros((2, len(ids)), np.int64)
    mask = np.ones_like(padded)
    padded[0], padded[1, 5:], mask[1, :5] = ids, ids[:-5], 0
    logits, _ = model(padded, attention_mask=mask)
    assert not logits[1, :5].any()
    assert same(logits[1:, 5:], model(ids[None, :-5]).logits)
    mask[1] = mask[1, ::-1]
    with pytest.raises(ValueError, match="left"):
        model(padded, attention_mask=mask)


def test_fork_of_the_past(model, ids):
    _, past = model(ids[None])
    a, b = past.fork(), past.fork([0, 0])
    assert same(model(ids[None, :3], past_key_values=a).logits, model(np.stack([ids[:3], ids[:3]]), past_key_values=b).logits[1:])
    assert past.get_seq_length() == len(ids)


def test_generate(model, ids):
    alone = model.generate(ids[None], max_new_tokens=12)
    both = model.generate(np.stack([ids, ids[::-1]]), max_new_tokens=12)
    assert (both[0] == alone[0]).all() and alone.shape[1] <= len(ids) + 12
    drawn = dict(max_new_tokens=8, do_sample=True, temperature=0.9, top_k=0)
    three = model.generate(ids[None], num_return_sequences=3, seed=3, **drawn)
    for i in range(3):
        assert (model.generate(ids[None], seed=3 + i, **drawn)[0] == three[i]).all()
    text = model.detokenize(alone[0, len(ids):])
    stop = text[2:5]
    ended = model.generate(ids[None], max_new_tokens=12, stop_strings=stop)
    assert stop in model.detokenize(ended[0, len(ids):]) and ended.shape[1] <= alone.shape[1]
    columns = []
    model.generate(ids[None], max_new_tokens=3, streamer=columns.append)
    assert len(columns) == 4 and columns[1].shape == (1,)


def test_end_tokens(model, ids):
    first = model.generate(ids[None], max_new_tokens=1)[0, -1]
    ended = model.generate(ids[None], max_new_tokens=9, eos_token_id=int(first))
    assert ended.shape[1] == len(ids) + 1
    later = model.generate(ids[None], max_new_tokens=9, eos_token_id=int(first), min_new_tokens=4)
    assert first not in later[0, len(ids):len(ids) + 4] and later.shape[1] > len(ids) + 4 - 1


def test_text(model):
    text = "Ein Haus. 你好\0!"
    assert model.detokenize(model.tokenize(text, add_special=False)) == text
    assert model.tokenize("").dtype == np.uint32
    assert model.is_end(model.eos_token_id)


def test_errors():
    with pytest.raises(kvik.FileError, match="cannot open") as caught:
        kvik.Model("/no/such/file")
    assert isinstance(caught.value, OSError) and caught.value.code < 0
    with pytest.raises(TypeError, match="no such parameter: contxt"):
        kvik.Model().cache.model.__class__(contxt=3).cache
    with pytest.raises(kvik.ArgumentError, match="int5"):
        kvik.Cache(kvik.Model(), kv_dtype="int5")


def test_what_nobody_holds_is_freed(model, ids):
    before = model.cache.stats()["sessions"]
    for _ in range(50):
        model(ids[None])
    gc.collect()
    assert model.cache.stats()["sessions"] == before


def test_any_order_of_freeing(ids):
    for i in range(6):
        model = kvik.Model(kv_dtype="f32")
        _, past = model(ids[None])
        c = kvik.Constraint.choice(model, ["a", "b"])
        session = model.cache.session()
        ring = [model, past, c, session, session.fork(), session]
        ring.append(ring)  # dead together: the collector chooses
        kept = ring[i % 4]
        del model, past, c, session, ring
        gc.collect()
        del kept
        gc.collect()


def test_closed(ids):
    model = kvik.Model()
    session = model.cache.session()
    session.close()
    session.close()
    with pytest.raises(kvik.ArgumentError, match="Session is closed"):
        session.feed(ids)
    model.close()
    with pytest.raises(kvik.ArgumentError, match="Model is closed"):
        kvik.Cache(model)
