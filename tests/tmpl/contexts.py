"""Conversations of every kind that chat templates are given, as a list of (name, variables)."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather in a place.\nUse °C & <units>.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City, e.g. \"Zürich\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["location"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the web",
        "parameters": {
            "type": "object",
            "properties": {
                "queries": {"type": "array", "items": {"type": "string"}, "description": "what to look for"},
                "filter": {"type": "object", "properties": {"lang": {"type": ["string", "null"]}, "n": {"type": "number"}}},
                "any": {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
            },
        },
        "return": {"type": "array", "description": "hits"},
    },
}
NO_PARAMETERS = {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, id=None, **more):
    c = {"type": "function", "function": {"name": name, "arguments": arguments}, **more}
    if id:
        c["id"] = id
    return c


USER = say("user", "Hello, how are you?")
SYSTEM = say("system", "You are a helpful assistant.")
ASSISTANT = say("assistant", "I am fine.")
PARTS = [{"type": "text", "text": "What is in "}, {"type": "text", "text": "this picture?"}]
IMAGE = [{"type": "image"}, {"type": "text", "text": "Describe it."}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]
VIDEO = [{"type": "video", "video": "a.mp4"}, {"type": "audio", "audio": "a.wav"}, {"type": "text", "text": "And this?"}]

ARGS = {"location": "Zürich", "days": 3, "deep": {"a": [1, 2.5, None, True], "b": "x\"y"}}
TOOL_TURNS = {
    "args_dict": [USER, say("assistant", "", tool_calls=[call("get_weather", ARGS, "call00001")]),
                  say("tool", "{\"temp\": 21.5}", tool_call_id="call00001", name="get_weather"), ASSISTANT, say("user", "Thanks")],
    "args_string": [SYSTEM, USER, say("assistant", None, tool_calls=[call("get_weather", "{\"location\": \"Zürich\"}", "call00001")]),
                    say("tool", "sunny", tool_call_id="call00001", name="get_weather")],
    "two_calls": [USER, say("assistant", "Let me look.", tool_calls=[call("get_weather", {"location": "Bern"}, "call00001"), call("search", {"queries": ["a", "b"], "n": 1}, "call00002")]),
                  say("tool", "rain", tool_call_id="call00001", name="get_weather"), say("tool", [{"type": "text", "text": "hits"}], tool_call_id="call00002", name="search"),
                  say("assistant", "It rains.")],
    "no_arguments": [USER, say("assistant", "", tool_calls=[call("now", {}, "call00003")]), say("tool", {"time": 12}, tool_call_id="call00003", name="now")],
    "plain_calls": [USER, say("assistant", "", tool_calls=[{"name": "now", "arguments": {"a": 1}}]), say("tool", "12:00", name="now"), say("user", "ok")],
    "no_content": [USER, {"role": "assistant", "tool_calls": [call("get_weather", {"location": "Rome", "days": 1.5, "x": False}, "call00009")]},
                   {"role": "tool", "tool_call_id": "call00009", "content": "hot"}, {"role": "tool", "tool_call_id": "call00008", "content": "cold"}],
    "reasoned": [USER, say("assistant", "", reasoning_content="I need the weather.", tool_calls=[call("get_weather", ARGS, "call00001")]),
                 say("tool", "21", tool_call_id="call00001", name="get_weather"), say("assistant", "21 degrees.", reasoning_content="Got it.")],
}

CHATS = {
    "empty": [],
    "user": [USER],
    "system_user": [SYSTEM, USER],
    "system_only": [SYSTEM],
    "three": [SYSTEM, USER, ASSISTANT],
    "four": [USER, ASSISTANT, say("user", "Good.")],
    "many": [SYSTEM] + [say("user" if i % 2 == 0 else "assistant", f"turn {i}  \n") for i in range(9)],
    "chinese": [say("system", "你是一个助手。"), say("user", "你好,世界!🌍👩‍👩‍👧"), say("assistant", "你好!\u00a0…"), say("user", "ﬁn ß İ Σς\u2028end")],
    "space": [say("system", "  padded \n\n"), say("user", "\n\t leading and trailing \n"), say("assistant", " a "), say("user", "b\r\nc")],
    "markup": [say("user", "<|im_end|> {{ x }} {% if %} & \"quoted\" 'single' \\ back`tick`"), say("assistant", "<think>\nhm\n</think>\n\nanswer</think>x"), say("user", "<tool_response>fake</tool_response>")],
    "think": [USER, say("assistant", "<think>\nLet me think.\n</think>\n\nThe answer."), say("user", "Why?"), say("assistant", "Because.", reasoning_content="\nreasons\n"), say("user", "Ah")],
    "thinking_field": [USER, say("assistant", "A.", thinking="t h", reasoning="r s"), say("user", "next")],
    "think_last": [USER, say("assistant", "", reasoning_content="only thoughts")],
    "prefill": [USER, say("assistant", "The answer is")],
    "user_user": [USER, USER],
    "assistant_first": [ASSISTANT, USER],
    "system_late": [USER, SYSTEM, USER, ASSISTANT, say("system", "late")],
    "two_systems": [SYSTEM, say("system", "Second."), USER],
    "developer": [say("developer", "Be brief."), USER],
    "odd_role": [USER, say("narrator", "Meanwhile...")],
    "parts": [say("system", [{"type": "text", "text": "Be kind."}]), say("user", PARTS), say("assistant", [{"type": "text", "text": "A cat."}]), USER],
    "image": [say("user", IMAGE)],
    "video": [SYSTEM, say("user", VIDEO), ASSISTANT, say("user", IMAGE)],
    "null_content": [say("user", None), say("assistant", None), USER],
    "no_content": [{"role": "user"}],
    "no_role": [{"content": "x"}],
    "empty_content": [say("system", ""), say("user", ""), say("assistant", ""), say("user", "")],
    "number_content": [say("user", 42)],
    "named": [say("user", "Hi", name="Ann"), say("assistant", "Hello Ann", name="bot"), say("user", "Bye", name="Ann")],
    "generic": [say("user", "q", recipient="all", channel="final", weight=0.5, prefix=True, train=True)],
}

DOCUMENTS = [{"title": "Cats", "text": "Cats purr.", "doc_id": 1, "content": "Cats purr."}, {"title": "Dogs & co", "text": "Dogs bark.\nLoudly.", "id": "d2", "content": "Dogs bark."}]


def contexts():
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    base = {"tools": None, "documents": None, **tokens}
    all = []

    def add(name, messages, **more):
        all.append((name, {"messages": messages, "add_generation_prompt": True, **base, **more}))

    for name, messages in CHATS.items():
        add(name, messages)
    for name in ("user", "three", "think", "space", "prefill", "chinese"):
        add(name + " -prompt", CHATS[name], add_generation_prompt=False)
    for name, messages in TOOL_TURNS.items():
        add("tools " + name, messages, tools=[WEATHER, SEARCH, NO_PARAMETERS])
    for name in ("user", "system_user", "empty", "parts", "developer", "many"):
        add("with tools " + name, CHATS[name], tools=[WEATHER, SEARCH])
    add("turns without tools", TOOL_TURNS["args_dict"])
    add("turns -prompt", TOOL_TURNS["two_calls"], tools=[WEATHER], add_generation_prompt=False)
    add("bare tools", CHATS["system_user"], tools=[WEATHER["function"], SEARCH["function"]])
    add("no tools", CHATS["user"], tools=[])
    for key in ("enable_thinking", "thinking", "keep_all_reasoning", "reasoning", "preserve_thinking", "clear_thinking"):
        for value in (True, False):
            add(f"{key}={value}", CHATS["think"][:3] + [say("assistant", "B", reasoning_content="r"), USER], **{key: value})
    for effort in ("low", "high", "none", "max"):
        add("reasoning_effort=" + effort, CHATS["system_user"], reasoning_effort=effort)
    add("thinking_budget", CHATS["user"], thinking_budget=512, enable_thinking=True)
    add("documents", CHATS["system_user"], documents=DOCUMENTS)
    add("documents and tools", CHATS["user"], documents=DOCUMENTS, tools=[WEATHER])
    add("controls", CHATS["user"], controls={"length": "long", "originality": "x"}, available_tools=[WEATHER])
    add("date_string", CHATS["system_user"], date_string="01 Jan 2030", tools_in_user_message=False, tools=[WEATHER])
    add("identity", CHATS["user"], model_identity="You are X.", builtin_tools=["browser", "python", "wolfram_alpha", "brave_search", "code_interpreter"], custom_tools=[SEARCH])
    add("xml tools", TOOL_TURNS["args_dict"], xml_tools=[WEATHER], python_tools=["def f(): pass"], tools=[SEARCH])
    all.append(("bare", {"messages": [USER]}))
    all.append(("bare prompt", {"messages": [SYSTEM, USER], "add_generation_prompt": True}))
    all.append(("nothing", {}))
    return all
