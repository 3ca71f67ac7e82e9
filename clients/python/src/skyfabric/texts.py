"""Tells texts that can be sent from everything else that a caller without a type checker may give."""

from __future__ import annotations

from typing import TypeGuard

from .errors import InvalidError


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is text, not empty, that can be written as UTF-8 and named to a system: without half a surrogate pair or NUL."""
    if not isinstance(value, str) or value == "" or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_texts(**named: object) -> None:
    """Raises ``InvalidError`` with every one that is no such text."""
    problems = [f"{name}: must be text" for name, value in named.items() if not is_text(value)]
    if problems:
        raise InvalidError("; ".join(problems), hint="Give text that is not empty and can be written as UTF-8.", problems=problems)
