#!/usr/bin/env python3
"""Slots as llama-server has them: a text is saved to a file, and restored into another process, which goes on with it from the cache and
with the same tokens; erased; nobody reaches another key's text, nor a file outside the folder.

tests/http/test_slots.py KVIK. Standard library only."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

TEXT = "The fox ran over a hill and saw one small red boat on the river while rain fell from a grey sky onto green trees. "


def complete(s, prompt, key=None, **more):
    body = {"prompt": prompt, "n_predict": 12, "temperature": 0, "return_tokens": True, "x_kvik": True, "ignore_eos": True, **more}
    status, answer, _ = s.ask("POST", "/completion", body, {"Authorization": f"Bearer {key}"} if key else {})
    assert status == 200, answer
    return answer


def act(s, slot, action, name=None, key=None):
    body = {} if name is None else {"filename": name}
    return s.ask("POST", f"/slots/{slot}?action={action}", body if body else "", {"Authorization": f"Bearer {key}"} if key else {})[:2]


def main():
    kvik = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--slot-save-path", folder]
        s = server.Server(kvik, *options)
        assert act(s, 0, "save", "a.bin")[0] == 400  # nothing there yet
        first = complete(s, TEXT, id_slot=3)
        status, saved = act(s, 3, "save", "a.bin")
        assert status == 200, saved
        known = first["tokens_evaluated"] + len(first["tokens"])
        assert saved["id_slot"] == 3 and saved["filename"] == "a.bin" and known - 1 <= saved["n_saved"] <= known, (saved, known)
        path = os.path.join(folder, "a.bin")
        assert os.path.getsize(path) == saved["n_written"] and os.stat(path).st_mode & 0o777 == 0o600
        more = complete(s, TEXT + first["content"] + " And then")
        for name in ("../b", "/etc/passwd", "a/b", ".hidden", "", "x" * 300, "a\n"):
            assert act(s, 3, "save", name)[0] == 400, name
        assert act(s, 3, "load", "a.bin")[0] == act(s, 1000000, "save", "a.bin")[0] == act(s, "x", "save", "a.bin")[0] == 400
        assert act(s, 3, "restore", "none.bin")[0] >= 400
        assert act(s, 3, "erase")[1] == {"id_slot": 3, "n_erased": known}
        assert act(s, 3, "erase")[1]["n_erased"] == 0 and act(s, 3, "save", "b.bin")[0] == 400
        assert s.stop() == 0
        # The next process knows it from the file alone.
        s = server.Server(kvik, *options)
        status, restored = act(s, 2, "restore", "a.bin")
        assert status == 200 and restored["n_restored"] == saved["n_saved"] and restored["n_read"] == saved["n_written"], restored
        again = complete(s, TEXT + first["content"] + " And then")
        assert again["tokens"] == more["tokens"]
        assert again["x_kvik"]["prefix"]["found_tokens"] >= saved["n_saved"] - 8, (again["x_kvik"], saved)  # " And" may join a token
        assert act(s, 2, "save", "c.bin")[1]["n_saved"] == saved["n_saved"]
        with open(path, "r+b") as f:
            f.seek(1000)
            was = f.read(1)
            f.seek(1000)
            f.write(bytes([was[0] ^ 1]))
        status, error = act(s, 2, "restore", "a.bin")
        assert status >= 400 and "damaged" in error["error"]["message"], error
        os.truncate(path, 100)
        assert act(s, 2, "restore", "a.bin")[0] >= 400
        assert s.stop() == 0
        # Another model's.
        s = server.Server(kvik, *options, "--kv-dtype", "int8")
        status, error = act(s, 2, "restore", "c.bin")
        assert status == 400 and "another model" in error["error"]["message"], error
        assert s.stop() == 0
        # Keys: slots and files of one are not those of the other.
        keys = os.path.join(folder, "keys")
        with open(keys, "w") as f:
            f.write("key-of-ann-1 ann\nkey-of-bob-1 bob\n")
        os.chmod(keys, 0o600)
        s = server.Server(kvik, *options, "--keys", keys)
        complete(s, TEXT, "key-of-ann-1")
        assert act(s, 0, "save", "k.bin", "key-of-bob-1")[0] == 400
        assert act(s, 0, "save", "k.bin", "key-of-ann-1")[0] == 200
        assert act(s, 0, "restore", "k.bin", "key-of-bob-1")[0] >= 400
        assert act(s, 0, "restore", "c.bin", "key-of-bob-1")[0] >= 400
        assert act(s, 0, "restore", "k.bin", "key-of-ann-1")[0] == 200
        assert s.stop() == 0
    s = server.Server(kvik, "--quiet")
    complete(s, TEXT)
    assert act(s, 0, "save", "a.bin")[0] == 501
    assert s.stop() == 0


if __name__ == "__main__":
    main()
