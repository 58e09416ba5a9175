# %% [markdown]
# The loop that people write around a language model: logits and past go round, and only the new token is computed.
# Runs as a script, and cell by cell in editors that know `# %%`.

# %%
import sys
import time

import numpy as np

import kvik

model = kvik.Model(sys.argv[1] if len(sys.argv) > 1 else None, kv_dtype="f32")  # f32: exact; f16 is the default
prompt = model.tokenize("Once upon a time there was a little hedgehog named")[None]  # [batch, n]

# %% Without a cache: every step computes all earlier tokens again
ids = prompt
start = time.perf_counter()
for _ in range(32):
    logits, _ = model(ids, use_cache=False)
    ids = np.concatenate([ids, logits[:, -1:].argmax(-1)], axis=1)
without = ids, time.perf_counter() - start

# %% With it: the past keeps their keys and values
past, step, ids = None, prompt, prompt
start = time.perf_counter()
for _ in range(32):
    logits, past = model(step, past_key_values=past, use_cache=True)
    step = logits[:, -1:].argmax(-1)
    ids = np.concatenate([ids, step], axis=1)
with_cache = ids, time.perf_counter() - start

print(model.detokenize(ids[0]))
print(f"without {without[1]:.3f} s, with {with_cache[1]:.3f} s; the same tokens: {np.array_equal(without[0], with_cache[0])}")

# %% A fork is another continuation: pages are shared, nothing is computed again
other = past.fork()
a, _ = model(model.tokenize(" But", add_special=False)[None], past_key_values=past)
b, _ = model(model.tokenize(" And", add_special=False)[None], past_key_values=other)
print("after 'But':", repr(model.detokenize(a[0, -1:].argmax(-1))), " after 'And':", repr(model.detokenize(b[0, -1:].argmax(-1))))

# %% A second prompt that begins alike finds what is known
session = model.cache.session()
session.feed(np.append(prompt[0], model.tokenize(" lived", add_special=False)))
print(session.prefix)
