"""Sessions: prefixes, forks, rollback, pins, steps and generations."""
import threading

import numpy as np
import pytest

import kvik


@pytest.fixture
def cache(model):
    return kvik.Cache(model, kv_dtype="f16", context=256, sessions=4)


def test_a_known_prefix_is_not_computed(cache, ids):
    assert cache.explain(ids).found == 0
    a = cache.session()
    a.feed(ids)
    logits = a.logits.copy()
    assert cache.explain(ids).found == len(ids)
    b = cache.session()
    b.feed(ids)
    assert b.prefix.found == len(ids) - 1 and b.logits.tobytes() == logits.tobytes()
    c = cache.session(kvik.Share(scope=7))
    c.feed(ids)
    assert c.prefix.found == 0 and c.logits.tobytes() == logits.tobytes()


def test_views_cannot_be_written(cache, ids):
    s = cache.session()
    assert s.logits is None and len(s) == 0 and s.ids.size == 0
    s.feed(ids)
    with pytest.raises(ValueError):
        s.logits[0] = 1
    assert (s.ids == ids).all()


def test_fork_and_truncate(cache, ids):
    s = cache.session()
    rows = s.feed(ids, all_logits=True)
    f = s.fork(5)
    assert f.feed(ids[5:], all_logits=True).tobytes() == rows[5:].tobytes()
    s.truncate(3)
    assert len(s) == 3 and s.logits is None
    with pytest.raises(ValueError, match="contiguous float32"):
        s.feed(ids[:2], all_logits=np.empty((2, 3), np.float32))


def test_pin_outlives_its_session(cache, ids):
    s = cache.session()
    s.feed(ids)
    pin = s.pin()
    s.close()
    cache.drop()
    assert len(pin) == cache.explain(ids).found == len(ids)
    pin.close()
    cache.drop()
    assert cache.explain(ids).found == 0


def test_step(cache, ids):
    a, b = cache.session(), cache.session()
    rows = cache.step([(a, ids, 2), (b, ids[:4], 1)])
    alone = cache.session(kvik.Share(isolated=True)).feed(ids, all_logits=True)
    assert rows.tobytes() == alone[[len(ids) - 2, len(ids) - 1, 3]].tobytes()
    assert a.sample() == int(alone[-1].argmax())


def test_generate(cache, model):
    seen = []
    g = cache.session().generate("Once upon a time", max_tokens=10, on_token=lambda i, t: seen.append((i, t)))
    assert g.finish == "length" and g.ids == [i for i, _ in seen] and g.text == "".join(t for _, t in seen)
    cut = cache.session().generate("Once upon a time", max_tokens=10, on_token=lambda i, t: False)
    assert cut.finish == "cancelled" and cut.ids == g.ids[:1] and cut.cached_tokens == cut.prompt_tokens - 1
    stopped = cache.session().generate("Once upon a time", max_tokens=10, stop=[g.text[3:6]])
    assert stopped.finish == "stop" and stopped.text == g.text[:3]


def test_processor_and_its_exceptions(cache):
    def always(ids, logits):
        logits[:] = 0
        logits[65] = 1

    assert cache.session().generate("A", max_tokens=3, logits_processor=always).ids == [65] * 3

    def broken(ids, logits):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cache.session().generate("A", max_tokens=3, logits_processor=broken)
    with pytest.raises(KeyError, match="yours"):
        cache.session().generate("A", max_tokens=3, on_token=lambda i, t: {}["yours"])


def test_constraint(cache, model):
    c = kvik.Constraint.choice(model, ["yes", "no"])
    assert c.matches("no") and not c.matches("nope")
    assert cache.session().generate("Is it?", max_tokens=9, constraint=c).text in ("yes", "no")
    with pytest.raises(kvik.Error, match="minumum|keyword|schema|type"):
        kvik.Constraint.schema(model, {"type": "nothing of the kind"})


def test_interrupt(model):
    cache = kvik.Cache(model, chunk=1)
    s = cache.session()
    threading.Timer(0.05, s.interrupt).start()
    g = s.generate("Once", max_tokens=1900, ignore_end=True)
    assert g.finish == "cancelled"


def test_threads_take_turns(model, ids):
    cache = kvik.Cache(model, kv_dtype="f32")
    alone = cache.session(kvik.Share(isolated=True))
    alone.feed(ids)
    want, got = alone.logits.tobytes(), []

    def work():
        for _ in range(5):
            s = cache.session()
            got.append(s.feed(ids, all_logits=True)[-1].tobytes())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(got) == {want} and len(got) == 20


def test_save_and_restore(model, cache, ids, tmp_path):
    s = cache.session()
    s.feed(ids)
    size = s.save(tmp_path / "session")
    assert (tmp_path / "session").stat().st_size == size
    other = kvik.Cache(model, kv_dtype="f16", context=256)
    r = other.restore(tmp_path / "session")
    assert (r.ids == ids).all() and r.logits.tobytes() == s.logits.tobytes()
    with pytest.raises(kvik.ArgumentError):
        kvik.Cache(model, kv_dtype="int8").restore(tmp_path / "session")


def test_disk(model, ids, tmp_path):
    first = kvik.Cache(model, disk=str(tmp_path), disk_load_always=True)
    s = first.session()
    long = np.tile(ids, 8)
    s.feed(long)
    want = s.logits.tobytes()
    del s, first
    again = kvik.Cache(model, disk=str(tmp_path), disk_load_always=True).session()
    again.feed(long)
    assert again.prefix.found > 0 and again.logits.tobytes() == want
