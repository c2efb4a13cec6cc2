"""MD5 (RFC 1321) of many short messages at once: NumPy arrays with one element per message.

A call of hashlib costs more than digesting 100 bytes; here each of the 64 steps of a block is a few
array operations over all messages.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Lane = NDArray[np.uint32]

__all__ = ["BLOCK_BYTES", "block_count", "md5_of_padded", "padded"]

BLOCK_BYTES = 64

_WORDS_PER_BLOCK = 16
_LENGTH_BYTES = 8

# RFC 1321 section 3.3: the initial state; section 3.4: per step its rotation, its constant
# floor(2^32 |sin(step + 1)|) and the message word that it reads.
_INITIAL_STATE = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_ROTATIONS = (7, 12, 17, 22) * 4 + (5, 9, 14, 20) * 4 + (4, 11, 16, 23) * 4 + (6, 10, 15, 21) * 4
_WORD_OF_STEP = (
    *range(16),
    *((5 * step + 1) % 16 for step in range(16)),
    *((3 * step + 5) % 16 for step in range(16)),
    *((7 * step) % 16 for step in range(16)),
)
# Arrays without dimensions: NumPy handles them half a microsecond faster than scalars.
_CONSTANTS = [np.array(int(abs(math.sin(step + 1)) * 2**32), dtype=np.uint32) for step in range(64)]
_LEFT = [np.array(rotation, dtype=np.uint32) for rotation in _ROTATIONS]
_RIGHT = [np.array(32 - rotation, dtype=np.uint32) for rotation in _ROTATIONS]


def block_count(length: int) -> int:
    """Return the number of 64-byte blocks of a message of `length` bytes after padding."""
    return (length + _LENGTH_BYTES) // BLOCK_BYTES + 1


def padded(message: bytes) -> bytes:
    """Return the message with RFC 1321's padding: 0x80, zeros, its length in bits."""
    size = block_count(len(message)) * BLOCK_BYTES
    length = (8 * len(message)).to_bytes(_LENGTH_BYTES, "little")
    return (message + b"\x80").ljust(size - _LENGTH_BYTES, b"\0") + length


def md5_of_padded(messages: NDArray[np.uint8], blocks: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Compute the MD5 digest of each row.

    Args:
        messages: Shape (M, at least 64 B), padded messages, each in the first bytes of its row.
        blocks: Shape (M,), blocks in use per row, 1 to B, in descending order.

    Returns:
        Shape (M, 16), the digests.
    """
    words = messages.view("<u4")
    state = np.empty((4, len(messages)), dtype=np.uint32)
    state[:] = np.array(_INITIAL_STATE, dtype=np.uint32)[:, None]
    for block in range(int(blocks[0]) if len(blocks) else 0):
        # Descending order makes the rows that reach this block a prefix.
        active = int(np.searchsorted(-blocks, -block))
        first = block * _WORDS_PER_BLOCK
        lanes = words[:active, first : first + _WORDS_PER_BLOCK].T.astype(np.uint32, order="C")
        for total, added in zip(state, _compress(state[:, :active], lanes), strict=True):
            total[:active] += added
    return np.ascontiguousarray(state.T).astype("<u4", copy=False).view(np.uint8)


def _compress(state: NDArray[np.uint32], words: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    """Run the 64 steps of one block; return the words to add to the state."""
    # Local names and positional `out` arguments: with this many calls their cost matters.
    add, left_shift, right_shift, either = np.add, np.left_shift, np.right_shift, np.bitwise_or
    a, b, c, d = (np.array(lane) for lane in state)
    t, u = np.empty_like(a), np.empty_like(a)
    lanes = list(words)
    for step, word in enumerate(_WORD_OF_STEP):
        _MIX[step // 16](b, c, d, t)
        add(t, a, t)
        add(t, lanes[word], t)
        add(t, _CONSTANTS[step], t)
        left_shift(t, _LEFT[step], u)
        right_shift(t, _RIGHT[step], t)
        either(t, u, t)
        add(t, b, t)
        # The array of the old `a` is the scratch array of the next step.
        a, b, c, d, t = d, t, b, c, a
    return [a, b, c, d]


# RFC 1321 section 3.4: the auxiliary function of each round of 16 steps, in the fewest
# operations: F is usually written (b & c) | (~b & d), G (b & d) | (c & ~d).


def _mix_f(b: _Lane, c: _Lane, d: _Lane, out: _Lane) -> None:
    np.bitwise_xor(c, d, out)
    np.bitwise_and(out, b, out)
    np.bitwise_xor(out, d, out)


def _mix_g(b: _Lane, c: _Lane, d: _Lane, out: _Lane) -> None:
    np.bitwise_xor(b, c, out)
    np.bitwise_and(out, d, out)
    np.bitwise_xor(out, c, out)


def _mix_h(b: _Lane, c: _Lane, d: _Lane, out: _Lane) -> None:
    np.bitwise_xor(b, c, out)
    np.bitwise_xor(out, d, out)


def _mix_i(b: _Lane, c: _Lane, d: _Lane, out: _Lane) -> None:
    np.invert(d, out)
    np.bitwise_or(out, b, out)
    np.bitwise_xor(out, c, out)


_MIX = (_mix_f, _mix_g, _mix_h, _mix_i)
