import pytest

import kvik


@pytest.fixture(scope="session")
def model():
    """The built-in model, with exact keys and values."""
    return kvik.Model(kv_dtype="f32")


@pytest.fixture
def ids(model):
    return model.tokenize("Once upon a time there was a little village. The code of the green book is 8888.")
