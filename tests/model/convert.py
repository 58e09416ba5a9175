"""GGUF files of tiny models by llama.cpp's own converter, from its sources: LLAMA_CPP names a checkout of them.

convert(folder, path, type) converts a Hugging Face folder that has no tokenizer: the vocabulary is left out, all else is
what convert_hf_to_gguf.py writes.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

DRIVER = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/gguf-py"]
import convert_hf_to_gguf as convert
import json
from conversion.base import ModelBase
model_class = convert.get_model_class
def without_vocab(*args, **kwargs):
    c = model_class(*args, **kwargs)
    for base in c.__mro__:
        if "set_vocab" in vars(base):
            base.set_vocab = lambda self: None
    return c
convert.get_model_class = without_vocab
def as_published(dir_model, *args, **kwargs):  # not as this version of transformers rewrites it
    with open(dir_model / "config.json") as f:
        config = json.load(f)
    return {**config, **config["text_config"]} if "text_config" in config else config
ModelBase.load_hparams = staticmethod(as_published)
sys.argv = ["convert"] + sys.argv[2:]
convert.main()
"""


def available():
    return "LLAMA_CPP" in os.environ


def convert(folder, path, outtype):
    with tempfile.TemporaryDirectory() as scratch:
        for file in Path(folder).iterdir():
            (Path(scratch) / file.name).symlink_to(file.resolve())
        config = json.loads((Path(folder) / "config.json").read_text())
        n = config.get("text_config", config)["vocab_size"]
        vocab = {"model": {"vocab": {f"t{i}": i for i in range(n)}}, "added_tokens": []}  # rows beyond it are cut off
        (Path(scratch) / "tokenizer.json").write_text(json.dumps(vocab))
        done = subprocess.run([sys.executable, "-c", DRIVER, os.environ["LLAMA_CPP"], scratch, "--outfile", str(path),
                               "--outtype", outtype, "--model-name", "tiny"], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
