#!/usr/bin/env python3
"""A server whose disk fails in one of twenty calls, in every way that disks do (tests/store/faulty_disk.c): no request fails, no token is
another one, the faults are counted; and a healthy server finds only what is right in the folder.

tests/http/test_disk_faults.py KVIK FAULTY_DISK.so [SECONDS]. Standard library only."""
import os
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402
from test_disk import PROMPTS, prompt  # noqa: E402


def ask(s, i):
    status, answer, _ = s.ask("POST", "/v1/completions", {"prompt": prompt(i), "max_tokens": 8, "temperature": 0})
    assert status == 200, (i, answer)
    return answer["choices"][0]["text"]


def check_all(s, right, seconds, threads=4):
    """Asks until the time is over; returns how many were asked."""
    end, wrong, asked = time.time() + seconds, [], []

    def client(k):
        i = k
        try:
            while time.time() < end:
                text = ask(s, i % PROMPTS)
                asked.append(i)
                if text != right[i % PROMPTS]:
                    wrong.append(f"prompt {i % PROMPTS}: {text!r}")
                i += 5
        except Exception as e:  # the others go on, the test does not
            wrong.append(repr(e))

    clients = [threading.Thread(target=client, args=(k,)) for k in range(threads)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    assert not wrong, wrong[:3]
    return len(asked)


def main():
    kvik, library, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 3
    folder = tempfile.mkdtemp(prefix="kvik-faults-")
    kv, armed = os.path.join(folder, "kv"), os.path.join(folder, "armed")
    disk = ["--quiet", "--threads", "2", "--kv-disk", kv, "--kv-disk-size", "256M", "--kv-disk-sync", "0.05", "--kv-disk-load", "always",
            "--kv-memory", "3M"]
    env = dict(os.environ, LD_PRELOAD=library, KVIK_FAULTS_FOLDER=kv, KVIK_FAULTS_ARMED=armed,
               ASAN_OPTIONS="verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""))
    s = server.Server(kvik, "--quiet", "--threads", "2")
    right = [ask(s, i) for i in range(PROMPTS)]
    assert s.stop() == 0
    s = server.Server(kvik, *disk, env=env)
    check_all(s, right, 0.5)
    assert s.figure("kvik_disk_faults_total") == 0
    open(armed, "w").close()
    asked = faults = loaded = 0
    for _ in range(20):  # a busy machine, or a sanitizer, does less in a second
        asked += check_all(s, right, seconds)
        faults, loaded = s.figure("kvik_disk_faults_total"), s.figure("vllm:external_prefix_cache_hits_total")
        if faults > 0 and loaded > 0:
            break
    assert s.stop() == 0
    os.unlink(armed)
    s = server.Server(kvik, *disk)
    check_all(s, right, 0.5)
    assert s.stop() == 0
    shutil.rmtree(folder)
    print(f"{asked} requests while the disk failed, {faults:.0f} faults, {loaded:.0f} tokens read")
    assert faults > 0 and loaded > 0 and asked > 0


if __name__ == "__main__":
    main()
