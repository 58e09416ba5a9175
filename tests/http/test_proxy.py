"""test_proxy.py KVIK CONFIG: HAProxy before three servers, all on loopback: conversations stay with their server; one server is killed and
another shut down while requests come, and none is lost."""
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import server

TURNS, TALKS = 4, 24


def start_proxy(config, servers):
    port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
    text = pathlib.Path(config).read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    for place, s in zip((8081, 8082, 8083), servers):
        text = text.replace(f"127.0.0.1:{place}", f"127.0.0.1:{s.port}")
    file = tempfile.NamedTemporaryFile("w", suffix=".cfg")
    file.write(text)
    file.flush()
    proxy = subprocess.Popen(["haproxy", "-db", "-f", file.name])
    assert server.eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    return proxy, port, file


def ask(port, messages, headers={}):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = json.dumps({"messages": messages, "max_tokens": 8, "temperature": 0})
    c.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json", **headers})
    r = c.getresponse()
    answer = json.loads(r.read())
    assert r.status == 200, (r.status, answer)
    return answer["choices"][0]["message"]["content"], answer["usage"]


def talk(port, name, turns, out):
    """A conversation; out: of each turn but the first whether what was said before was found."""
    messages = [{"role": "system", "content": "You are a helpful pirate. " * 8},
                {"role": "user", "content": f"Tell me a story about {name}, " + "the brave and the bold, " * 6}]
    try:
        before = 0
        for turn in range(turns):
            text, usage = ask(port, messages, {"X-Session-Id": name} if name.endswith("0") else {})
            if turn:
                out.append(usage["prompt_tokens_details"]["cached_tokens"] >= before - 32)
            before = usage["prompt_tokens"]
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "And then?"}]
    except Exception as e:  # a lost request
        out.append(e)


def talks(port, names, turns, meanwhile=lambda: None):
    out = []
    threads = [threading.Thread(target=talk, args=(port, n, turns, out)) for n in names]
    for t in threads:
        t.start()
    meanwhile()
    for t in threads:
        t.join()
    lost = [x for x in out if isinstance(x, Exception)]
    assert not lost, lost[:3]
    return out


def asked(s):
    return sum(float(x) for x in re.findall(r"(?m)^vllm:request_success_total\S* (\S+)$", s.ask("GET", "/metrics")[1]))


def main():
    kvik, config = sys.argv[1:3]
    servers = [server.Server(kvik, "-q", "--ctx", "1024") for _ in range(3)]
    proxy, port, _file = start_proxy(config, servers)
    try:
        time.sleep(1.5)  # the first checks
        kept = talks(port, [f"talk {i}" for i in range(TALKS)], TURNS)
        share = [asked(s) for s in servers]
        print(f"{sum(kept)} of {len(kept)} turns found what was said before; requests of each server: {share}")
        assert sum(kept) >= 0.8 * len(kept), kept
        assert max(share) <= 0.75 * sum(share) and min(share) > 0, share

        def kill_one():
            time.sleep(0.3)
            servers[0].process.send_signal(signal.SIGKILL)

        talks(port, [f"killed {i}" for i in range(TALKS)], 6, kill_one)

        def stop_one():
            time.sleep(0.3)
            assert servers[1].stop() == 0

        talks(port, [f"stopped {i}" for i in range(TALKS)], 6, stop_one)
        print("one server killed, one shut down under load: no request lost")
        assert servers[2].stop() == 0
    finally:
        proxy.kill()
        for s in servers:
            s.process.kill()


if __name__ == "__main__":
    main()
