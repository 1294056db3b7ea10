"""The blocks of the KV cache: who holds which, and which hold a prefix that somebody may want again.

A block is `block_tokens` tokens of keys and values of all layers. This module counts; it knows no tensor and no token.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

_DIGEST_BYTES = 16


def first_link(salt: str) -> bytes:
    """Where a chain of block digests begins; two tenants with different salts never share a block."""
    return blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def next_link(link: bytes, tokens: Sequence[int]) -> bytes:
    """The digest of one full block: of its tokens and, through `link`, of everything before them.

    The digest is cryptographic, because a collision would show one tenant the text of another.
    """
    return blake2b(link + array("q", tokens).tobytes(), digest_size=_DIGEST_BYTES).digest()


def links(salt: str, tokens: Sequence[int], block_tokens: int) -> list[bytes]:
    """One digest for each full block of `tokens`, in order."""
    found, link = [], first_link(salt)
    for start in range(0, len(tokens) - block_tokens + 1, block_tokens):
        link = next_link(link, tokens[start : start + block_tokens])
        found.append(link)
    return found


class BlockPool:
    """Blocks are free, held by one or more sequences, or idle: held by nobody, but known by their digest.

    Idle blocks are the prefix cache. They are given away, longest unused first, when no block is free.

    Args:
        count: blocks that the device has memory for.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = list(range(count - 1, -1, -1))
        self._holders: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._by_digest: dict[bytes, int] = {}
        self._digest_of: dict[int, bytes] = {}

    @property
    def available(self) -> int:
        """Blocks that could be taken now, those of the prefix cache included."""
        return len(self._free) + len(self._idle)

    def match(self, digests: Iterable[bytes]) -> list[int]:
        """The blocks of the longest known beginning of a chain."""
        found = []
        for digest in digests:
            block = self._by_digest.get(digest)
            if block is None:
                break
            found.append(block)
        return found

    def take(self, shared: Sequence[int], new: int) -> list[int] | None:
        """Hold `shared` blocks, found by `match`, and `new` ones of one's own; None if there are too few."""
        if new > self.available - sum(block in self._idle for block in shared):
            return None
        for block in shared:
            self._idle.pop(block, None)
            self._holders[block] = self._holders.get(block, 0) + 1
        own = [self._fresh() for _ in range(new)]
        self._holders.update(dict.fromkeys(own, 1))
        return [*shared, *own]

    def seal(self, block: int, digest: bytes) -> bool:
        """Make a full block known. False if another block holds the same already, which then stays the known one."""
        if digest in self._by_digest or block in self._digest_of:
            return False
        self._by_digest[digest], self._digest_of[block] = block, digest
        return True

    def give_back(self, blocks: Sequence[int], *, forget: bool = False) -> None:
        """Let go of a table. With `forget` nobody will be given what is written there."""
        # The end of a chain is worth less than its beginning, so it becomes the first to go.
        for block in reversed(blocks):
            if forget:
                self._forget(block)
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            del self._holders[block]
            if block in self._digest_of:
                self._idle[block] = None
            else:
                self._free.append(block)

    def check(self) -> None:
        """Recount.

        Raises:
            RuntimeError: a block is lost or counted twice; the message has the numbers.
        """
        seen = [*self._free, *self._holders, *self._idle]
        if sorted(seen) != list(range(self._count)) or {*self._by_digest.values()} != self._digest_of.keys():
            raise RuntimeError(
                f"{self._count} blocks, but {len(self._free)} free, {len(self._holders)} held, {len(self._idle)} idle, "
                f"{len(self._by_digest)} digests of {len(self._digest_of)} blocks; the engine's books are wrong"
            )

    def _fresh(self) -> int:
        if self._free:
            return self._free.pop()
        block, _ = self._idle.popitem(last=False)
        self._forget(block)
        return block

    def _forget(self, block: int) -> None:
        digest = self._digest_of.pop(block, None)
        if digest is not None:
            del self._by_digest[digest]
