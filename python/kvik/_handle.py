"""Who frees what of the library, and in which order.

A cache is freed after its sessions, a model after its caches. Python's collector knows no such order among objects that it
finds dead together (a model and its cache point to each other): so each thing of the library has a count of those who use
it, its wrapper and what was made from it, and the last one to let go frees it."""
from collections import deque

from ._lib import ArgumentError


class Handle:
    __slots__ = ("ptr", "_free", "_parent", "_others")

    def __init__(self, ptr, free, parent: "Handle | None" = None):
        self.ptr, self._free, self._parent = ptr, free, parent
        self._others = deque()  # an entry for each user but one; append and pop are atomic, also for a destructor in between
        if parent:
            parent.keep()

    def keep(self) -> None:
        self._others.append(None)

    def release(self) -> None:
        try:
            self._others.pop()
        except IndexError:
            self._free(self.ptr)
            if self._parent:
                self._parent.release()


class Owner:
    """Has a thing of the library, until it is closed or nobody refers to it any more."""

    _handle: "Handle | None" = None

    def _own(self, ptr, free, parent: "Owner | None" = None) -> None:
        self._handle = Handle(ptr, free, parent and parent._open)

    @property
    def _open(self) -> Handle:
        if self._handle is None:
            raise ArgumentError(f"this {type(self).__name__} is closed")
        return self._handle

    @property
    def _ptr(self):
        return self._open.ptr

    def close(self) -> None:
        """Lets go of it now. It must not be in use."""
        handle, self._handle = self._handle, None
        if handle:
            handle.release()

    def __del__(self):
        self.close()
