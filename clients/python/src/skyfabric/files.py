"""Reads small files that somebody named, and nothing else that may be in their place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

_MOST_BYTES = 1024 * 1024


class UnfitFileError(Exception):
    """What is at this path is nothing to read; the text says what."""


def read_text(path: str, judge: Callable[[os.stat_result], None] = lambda status: None) -> str:
    """The text of a regular file that ``judge`` admits. Raises ``UnfitFileError``, and ``OSError`` for one that cannot be read."""
    try:
        with open(os.fspath(path), encoding="utf-8", opener=_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnfitFileError("it is no regular file")
            judge(status)
            if status.st_size > _MOST_BYTES:
                raise UnfitFileError("it is larger than 1 MiB")
            return opened.read()
    except IsADirectoryError:
        raise UnfitFileError("it is a directory") from None
    except UnicodeDecodeError:
        raise UnfitFileError("it is not text") from None
    except (TypeError, ValueError):
        raise UnfitFileError("no file can have this name") from None


def _without_waiting(path: str, flags: int) -> int:
    """A named pipe would keep us waiting for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
