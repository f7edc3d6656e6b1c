"""`SeenIds`: a set of ids that takes 16 to 32 bytes of memory for each."""

from __future__ import annotations

from array import array
from hashlib import blake2b


def hash_of(id_: str) -> int:
    """Return the hash of an id: a whole number of 64 bits, never 0."""
    digest = blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


class SeenIds:
    """A set of strings that keeps a hash of 64 bits of each.

    Two different ids can have the same hash: among ten million ids, with a chance of three in a million.

    >>> seen = SeenIds()
    >>> seen.add("q1"), seen.add("q2"), seen.add("q1"), len(seen)
    (True, True, False, 2)
    """

    def __init__(self, slots: int = 1024) -> None:
        """Make an empty set with room for `slots / 2` ids. It grows as needed."""
        self._slots = array("Q", bytes(8 * slots))  # 0 marks a free slot
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """The memory that the hashes take, in bytes."""
        return self._slots.itemsize * len(self._slots)

    def hashes(self) -> array[int]:
        """Return the hashes of the ids, in no order."""
        return array("Q", filter(None, self._slots))

    def add(self, id_: str) -> bool:
        """Add an id, and say whether it is new."""
        if 2 * self._count >= len(self._slots):
            self._grow()
        is_new = self._put(hash_of(id_))
        self._count += is_new
        return is_new

    def _put(self, key: int) -> bool:
        """Put a key into the first free slot from its own on, unless it is there."""
        slots, size = self._slots, len(self._slots)
        place = key % size
        while slots[place]:
            if slots[place] == key:
                return False
            place = (place + 1) % size
        slots[place] = key
        return True

    def _grow(self) -> None:
        keys, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        for key in keys:
            if key:
                self._put(key)
