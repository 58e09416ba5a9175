"""libkvik.so through cffi, and its errors as exceptions.

Calls release the GIL. The library is the one in this package, or that of $KVIK_LIBRARY."""
import glob
import os

from cffi import FFI

_here = os.path.dirname(os.path.abspath(__file__))


def _declarations() -> str:
    made = os.path.join(_here, "kvik.cdef")  # made with the wheel; a checkout has the header itself
    if os.path.exists(made):
        with open(made) as f:
            return f.read()
    from ._cdef import declarations

    return declarations(os.path.join(_here, "..", "..", "include"))


def _library() -> str:
    if path := os.environ.get("KVIK_LIBRARY"):
        return path
    if found := sorted(glob.glob(os.path.join(_here, "libkvik.so*"))):
        return found[0]
    raise ImportError("libkvik.so is not in this package: install the wheel that `make python` builds, or name the library "
                      "in KVIK_LIBRARY")


ffi = FFI()
ffi.cdef(_declarations())
lib = ffi.dlopen(_library())
for _name in dir(lib):  # looked up now: a destructor may run inside cffi, which cannot look up a function then
    getattr(lib, _name)


class Error(Exception):
    """What the library says: one line, what is wrong and what to do. `code`: its number in kvik_err.h."""

    code = 0


class ArgumentError(Error, ValueError):
    pass


class FileError(Error, OSError):
    pass


class FormatError(Error, ValueError):
    """A file, a schema or a template that is malformed."""


class UnsupportedError(Error, NotImplementedError):
    pass


class CacheFull(Error):
    """Sessions and pins hold all of the cache."""


class LimitError(Error):
    """Past the context, or another limit."""


class Cancelled(Error):
    pass


class OutOfMemory(Error, MemoryError):
    pass


_KINDS = {
    lib.KVIK_ERR_NOMEM: OutOfMemory,
    lib.KVIK_ERR_IO: FileError,
    lib.KVIK_ERR_FORMAT: FormatError,
    lib.KVIK_ERR_UNSUPPORTED: UnsupportedError,
    lib.KVIK_ERR_ARG: ArgumentError,
    lib.KVIK_ERR_FULL: CacheFull,
    lib.KVIK_ERR_LIMIT: LimitError,
    lib.KVIK_ERR_CANCELLED: Cancelled,
}


def error_of(code: int, text: str) -> Error:
    error = _KINDS.get(code, Error)(text)
    error.code = code
    return error


def call(function, *args) -> None:
    """function(*args, err), for the functions that return 0 or a code."""
    err = ffi.new("struct kvik_err *")
    rc = function(*args, err)
    if rc:
        raise error_of(rc, text_of(err.text))


def new(function, *args):
    """function(&out, *args, err) -> out."""
    out = ffi.new(ffi.typeof(function).args[0])
    call(function, out, *args)
    return out[0]


def struct(name: str):
    """A struct of parameters with the library's defaults."""
    p = ffi.new(f"struct {name} *")
    p.size = ffi.sizeof(p[0])
    getattr(lib, name + "_init")(p)
    return p


def read(name: str, function, handle):
    """A struct of figures, filled by function(handle, &struct)."""
    p = ffi.new(f"struct {name} *")
    p.size = ffi.sizeof(p[0])
    rc = function(handle, p)
    if rc:
        raise error_of(rc, text_of(lib.kvik_code_text(rc)))
    return p


def text_of(chars) -> str:
    return ffi.string(chars).decode("utf-8", "replace")


def text_or_none(chars):
    return None if chars == ffi.NULL else text_of(chars)


def bytes_of(text) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def assign(p, where: str, **values) -> None:
    """Sets members of a struct; None leaves the default. Says which is unknown or unfit."""
    known = {name for name, _ in ffi.typeof(p[0]).fields}
    for name, value in values.items():
        if name not in known:
            raise TypeError(f"{where}: no such parameter: {name}")
        if value is not None:
            try:
                setattr(p, name, value)
            except (TypeError, OverflowError) as e:
                raise ArgumentError(f"{where}: {name}: {e}") from None


def version() -> str:
    return text_of(lib.kvik_version())
