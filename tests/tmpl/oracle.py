"""The oracle: transformers' own compiled environment, with strftime_now frozen (as UTC)."""
import datetime
import json
import subprocess

import transformers.utils.chat_template_utils as ct

NOW = 1753956000  # 2025-07-31 10:00:00 UTC, a Thursday


class FrozenDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)


ct.datetime = FrozenDatetime


def render(template, context):
    """The text, or None where jinja2 (or encoding its result as UTF-8) fails."""
    try:
        text = ct._compile_jinja_template(template).render(**context)
        text.encode("utf-8")
        return text
    except Exception as e:
        render.error = f"{type(e).__name__}: {e}"
        return None


class Driver:
    """Our side: build/tmpl_driver, one JSON line in, one out."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def render(self, template, context):
        """The text, or None; then self.error tells why."""
        job = {"template": template, "context": context, "now": NOW}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the driver died on {json.dumps(job)}")
        answer = json.loads(line)
        self.error = answer.get("error")
        return answer.get("text")
