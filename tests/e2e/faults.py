"""Faults of the disk and of memory at a chosen step, by tests/tools/faults.c: preloaded as
faults.so, or, where a sanitizer has an allocator of its own, linked into a program of its own
(feedwatch-faults), of which each own allocation can fail.

A sanitizer's allocator is the program's own (clang links it in) and stands in front of any
library that is preloaded; calls on files reach the library behind it."""
import mmap
import os
import struct

from bench import BIN

TOOLS = os.path.join(os.path.dirname(BIN), "tests")
LIBRARY = os.path.join(TOOLS, "faults.so")
LINKED = os.path.join(TOOLS, "feedwatch-faults")
NONE, KILL, MEMORY, FAIL, SHORT = range(5)
WRITE, SYNC, CHANGE, OPEN, READ, LOOK, LOCK = (1 << i for i in range(7))
ALL = (1 << 7) - 1
EACH = -1


class Faults:
    """The faults of one process, set and read while it runs."""
    LAYOUT = "=iiiiixxxxqqq"  # struct control

    def __init__(self, folder, *under):
        self.path = os.path.join(folder, "fault")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": LIBRARY, "FAULT_CONTROL": self.path,
                    "FAULT_UNDER": ":".join(under),
                    # should a compiler link the sanitizer as a library
                    "ASAN_OPTIONS": "verify_asan_link_order=0:allocator_may_return_null=1"}

    def set(self, what, step=EACH, calls=ALL, error=0, under=0):
        """From now on: the step-th call (allocation) has the fault, or EACH; of calls only those
        below the first path (under=1), the second (2), both (0)."""
        struct.pack_into("=i", self._map, 0, NONE)
        struct.pack_into(self.LAYOUT, self._map, 0, NONE, error, calls, under,
                         step == EACH, step, 0, 0)
        struct.pack_into("=i", self._map, 0, what)

    def clear(self):
        struct.pack_into("=i", self._map, 0, NONE)

    @property
    def steps(self):
        """How many there were since set()."""
        return struct.unpack_from(self.LAYOUT, self._map)[6]

    @property
    def struck(self):
        return struct.unpack_from(self.LAYOUT, self._map)[7]

    def close(self):
        self._map.close()


def missing():
    """What is not built yet, or None."""
    for path in (LIBRARY, LINKED):
        if not os.path.exists(path):
            return path
    return None
