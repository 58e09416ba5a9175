"""A `kvik serve` process for tests, and plain HTTP to talk to it. Standard library only."""
import atexit
import http.client
import json
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time


class Server:
    def __init__(self, kvik, *options, env=None):
        self.process = subprocess.Popen([kvik, "serve", "--port", "0", *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, env=env)
        seen, found = [], None
        while not found:
            line = self.process.stderr.readline()
            seen.append(line)
            assert line, "".join(seen)
            found = re.search(r"://[^:]+:(\d+)/v1", line)
        self.port = int(found.group(1))
        self.said = "".join(seen)  # before it listened
        self.log_file = tempfile.TemporaryFile("w+")
        self.reader = threading.Thread(target=lambda: [self.log_file.write(x) for x in self.process.stderr], daemon=True)
        self.reader.start()
        atexit.register(self.process.kill)  # also when a test fails

    def ask(self, method, path, body=None, headers={}, timeout=120):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        c.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), headers)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, json.loads(text) if r.headers.get("Content-Type") == "application/json" else text, r.headers

    def socket(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def figure(self, name):
        """The value of a metric without labels, or with the model's alone."""
        text = self.ask("GET", "/metrics")[1]
        return float(re.search(rf"(?m)^{re.escape(name)}(?:{{model_name=[^}}]*}})? (\S+)$", text).group(1))

    def stop(self, sig=signal.SIGTERM):
        """The exit status."""
        self.process.send_signal(sig)
        status = self.process.wait(120)
        self.reader.join(20)
        return status

    def log(self):
        """Lines of the log as objects, after stop()."""
        self.log_file.seek(0)
        return [json.loads(x) for x in self.log_file.read().splitlines() if x.startswith("{")]


def post(body, path="/v1/completions", headers=""):
    """The bytes of a request, for those who send them slowly or in part."""
    text = body if isinstance(body, str) else json.dumps(body)
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text.encode())}\r\n{headers}\r\n{text}".encode()


def eventually(holds, seconds=30):
    """Waits until holds() is true; whether it came true."""
    end = time.time() + seconds
    while not holds():
        if time.time() > end:
            return False
        time.sleep(0.05)
    return True


def chunks(data):
    """Events of a server-sent stream as objects."""
    return [json.loads(x[6:]) for x in data.split("\n") if x.startswith("data: ") and x != "data: [DONE]"]
