#!/usr/bin/env python3
"""`kvik chat` as a script and as a person meet it: pipes, and a pseudo-terminal. tests/cli/test_chat.py KVIK."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

KVIK = sys.argv.pop(1) if len(sys.argv) > 1 else "build/kvik"
TALK = ["My name is Tom.", "Tell me a story.", "What is my name?"]
ENV = {**os.environ, "TERM": "xterm", "KVIK_HISTORY": "", "LC_ALL": "C.UTF-8"}


def chat(lines, *options, status=0):
    greedy = [] if "--temp" in options else ["--temp", "0"]
    r = subprocess.run([KVIK, "chat", *greedy, *options], input="".join(x + "\n" for x in lines), capture_output=True, text=True,
                       env=ENV, timeout=120)
    assert r.returncode == status, (r.returncode, r.stderr)
    return r


def turns(lines, *options):
    return [json.loads(x) for x in chat(lines, "--json", *options).stdout.splitlines()]


class Pipes(unittest.TestCase):
    def test_every_line_is_answered(self):
        r = chat(TALK)
        self.assertIn("Tom", r.stdout.splitlines()[-1])
        self.assertEqual(r.stderr.count("tokens reused"), 3)
        self.assertEqual(chat(TALK, "-q").stderr, "")

    def test_only_the_new_turn_is_computed(self):
        got = turns(TALK)
        self.assertEqual(got[0]["reused_tokens"], 0)
        for before, t in zip(got, got[1:]):
            self.assertGreaterEqual(t["reused_tokens"], before["prompt_tokens"])
            self.assertEqual(t["reused_tokens"] + t["computed_tokens"], t["prompt_tokens"])
            self.assertLess(t["computed_tokens"], 30)

    def test_a_turn_is_the_same_as_cold(self):
        for options in [], ["--temp", "0.8", "--seed", "5"], ["--kv-dtype", "int8"], ["--window", "64", "--sinks", "4"]:
            options = [*options, "-n", "200"]
            with self.subTest(options), tempfile.NamedTemporaryFile("w") as ids:
                t = turns(TALK, *options)[2]
                ids.write(" ".join(map(str, t["prompt_ids"])))
                ids.flush()
                cold = subprocess.run([KVIK, "run", "--ids", "@" + ids.name, "--json", *options],
                                      capture_output=True, text=True, check=True)
                cold = json.loads(cold.stdout)
                self.assertEqual(cold["ids"], t["ids"])
                self.assertEqual(cold["text"], t["text"])

    def test_commands(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/talk.json"
            got = turns(["/system You are brief.", TALK[0], "/undo", TALK[1], "/regen", f"/save {file}", "/reset", TALK[0],
                         f"/load {file}", TALK[2], "/stats", "/help", "/quit", "never read"])
            first, told, again, alone, loaded = got
            self.assertEqual(told["ids"], again["ids"])  # greedy
            self.assertEqual(again["reused_tokens"], again["prompt_tokens"] - 1)
            with open(file) as f:
                saved = json.load(f)["messages"]
            self.assertEqual([m["role"] for m in saved], ["system", "user", "assistant"])
            self.assertEqual(saved[2]["content"], told["text"])
            self.assertEqual(alone["prompt_ids"], first["prompt_ids"])
            self.assertGreater(loaded["prompt_tokens"], told["prompt_tokens"] + told["new_tokens"])
            self.assertEqual(turns([TALK[2]], "--load", file)[0]["ids"], loaded["ids"])

    def test_regenerated_answers_differ(self):
        a, b = turns([TALK[1], "/regen"], "--temp", "1", "-n", "40")
        self.assertEqual(a["prompt_ids"], b["prompt_ids"])
        self.assertNotEqual(a["ids"], b["ids"])

    def test_messages_of_several_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/talk.json"
            chat(['one\\', 'two', '"""three', '', 'four"""', '"""five"""', '//slash', f'/save {file}'], "-n", "2")
            with open(file) as f:
                said = [m["content"] for m in json.load(f)["messages"] if m["role"] == "user"]
            self.assertEqual(said, ["one\ntwo", "three\n\nfour", "five", "/slash"])

    def test_errors(self):
        self.assertIn("no command /nonsense", chat(["/nonsense"], status=2).stderr)
        self.assertIn("nothing was said", chat(["/undo"], status=2).stderr)
        self.assertIn("No such file", chat(["/load no/such/file"], status=1).stderr)
        self.assertIn("larger --ctx", chat(["word " * 100], "--ctx", "32", status=1).stderr)
        self.assertIn("UTF-8", subprocess.run([KVIK, "chat"], input=b"\xff\n", capture_output=True).stderr.decode())
        with tempfile.NamedTemporaryFile("w") as bad:
            bad.write('{"messages": [{"role": "user"}]}')
            bad.flush()
            self.assertIn("not a conversation", chat([], "--load", bad.name, status=1).stderr)

    def test_templates(self):
        self.assertIn("no vocabulary", chat(["Hi"], "tests/model/data/llama-gqa.gguf", status=2).stderr)
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as file:
            file.write("{% for m in messages %}{% if m.role == 'system' or m.content == 'no' %}{{ raise_exception('not so') }}"
                       "{% endif %}{{ m.content }}\n{% endfor %}")
            file.flush()
            plain = turns(["Once upon a time"], "--template", file.name, "-n", "3")[0]
            ids = subprocess.run([KVIK, "tokenize", "--json"], input="Once upon a time\n", capture_output=True, text=True)
            self.assertEqual(plain["prompt_ids"], json.loads(ids.stdout))
            self.assertIn("not so", chat(["no"], "--template", file.name, status=1).stderr)
            # what it has no form for is told by the user
            system = turns(["upon a time"], "--template", file.name, "--system", "Once", "-n", "3")[0]
            ids = subprocess.run([KVIK, "tokenize", "--json"], input="Once\n\nupon a time\n", capture_output=True, text=True)
            self.assertEqual(system["prompt_ids"], json.loads(ids.stdout))
        stories = "../shared/models/stories260K/stories260K.gguf"
        if os.path.exists(stories):
            self.assertIn("give one with --template", chat(["Hi"], stories, status=2).stderr)


class Terminal:
    def __init__(self, *options, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(KVIK, [KVIK, "chat", *options], {**ENV, **env})
        self.seen = ""

    def wait(self, text, seconds=60):
        """What is shown up to and with a pattern."""
        end = time.monotonic() + seconds
        while not re.search(text, self.seen):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}")
        at = re.search(text, self.seen).end()
        before, self.seen = self.seen[:at], self.seen[at:]
        return before

    def prompt(self):
        """Until a line can be edited; what was shown before."""
        before = self.wait("> ")
        for _ in range(4000):
            if not termios.tcgetattr(self.fd)[3] & termios.ICANON:
                return before
            time.sleep(0.005)
        raise AssertionError("the editor did not take over the terminal")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Person(unittest.TestCase):
    def test_talk(self):
        t = Terminal()
        t.wait("/help lists")
        t.prompt()
        t.type("My name is Tomm\x7f.\r")  # a typing error, put right
        t.wait(r"0 of \d+ prompt tokens reused")
        t.prompt()
        t.type("What is my name?\r")
        t.wait(r"Tom\.?\r\n")
        t.wait(r"[1-9]\d* of \d+ prompt tokens reused")
        t.prompt()
        t.type("/sta\t\r")  # completed
        t.wait("answers 2")
        t.prompt()
        t.type("\x04")
        self.assertEqual(t.end(), 0)

    def test_history_and_editing(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/history"
            t = Terminal("-n", "1", "--json", KVIK_HISTORY=file)
            t.prompt()
            t.type("first Grüße\r")
            first = t.wait(r'"finish_reason"')
            t.prompt()
            t.type("/reset\r")
            t.prompt()
            t.type("\x1b[A\x1b[A\r")  # two lines back
            self.assertEqual(re.search(r'"prompt_ids":\[[\d,]+\]', t.wait(r'"finish_reason"')).group(),
                             re.search(r'"prompt_ids":\[[\d,]+\]', first).group())
            t.prompt()
            t.type("/quit\r")
            self.assertEqual(t.end(), 0)
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
            t = Terminal("-n", "1", KVIK_HISTORY=file)
            t.prompt()
            t.type("\x1b[A\x1b[A")
            t.wait("Grüße")
            t.type("\x03")
            t.prompt()
            t.type("\x04")
            self.assertEqual(t.end(), 0)

    def test_interrupt_stops_the_answer_alone(self):
        t = Terminal("--ignore-end", "--ctx", "100000")
        t.prompt()
        t.type("Tell me a story.\r")
        t.wait("[a-z]{3}.*[a-z]{3}")
        time.sleep(0.3)
        t.type("\x03")
        t.wait(r"\| cancelled\]")
        t.prompt()
        t.type("/stats\r")
        t.wait("messages 2")
        t.prompt()
        t.type("half a line\x03")  # dropped
        t.wait(r"\^C")
        t.prompt()
        t.type("/undo\r")
        t.prompt()
        t.type("/stats\r")
        t.wait("messages 0")
        t.type("/quit\r")
        self.assertEqual(t.end(), 0)

    def test_several_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            file = folder + "/talk.json"
            t = Terminal("-n", "1", "-q")
            t.prompt()
            t.type("\x1b[200~pasted\nlines\n\x1b[201~end\r")
            t.prompt()
            t.type("one\x1b\rtwo\r")
            t.prompt()
            t.type("three\\\r")
            t.wait(r"\.\.\. ")
            t.type("four\r")
            t.prompt()
            t.type(f"/save {file}\r")
            t.prompt()
            t.type("/quit\r")
            self.assertEqual(t.end(), 0)
            with open(file) as f:
                said = [m["content"] for m in json.load(f)["messages"] if m["role"] == "user"]
            self.assertEqual(said, ["pasted\nlines\nend", "one\ntwo", "three\nfour"])

    def test_the_terminal_is_left_as_it_was(self):
        for how, status in ("quit", 0), ("term", -signal.SIGTERM):
            t = Terminal("-q")
            t.prompt()
            if how == "quit":
                t.type("/quit\r")
            else:
                os.kill(t.pid, signal.SIGTERM)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]), status)
            wanted = termios.ICANON | termios.ECHO | termios.ISIG
            self.assertEqual(termios.tcgetattr(t.fd)[3] & wanted, wanted)

    def test_a_dumb_terminal(self):
        t = Terminal("-n", "3", TERM="dumb")
        t.wait("> ")
        t.type("Hello\r")
        t.wait("tokens reused")
        t.wait("> ")
        t.type("half\x03")
        t.wait("> ")
        t.type("\x04")
        self.assertEqual(t.end(), 0)


if __name__ == "__main__":
    unittest.main()
