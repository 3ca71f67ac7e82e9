"""Reads a request by its JSON Schema: every problem at once, and defaults where something was left out.

What comes out is what the TypeScript client would send, key for key: ids and digests are made of it. What is checked across
fields, only the workflow tells.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

from .contract import Kind
from .errors import InvalidError

_MOST_PROBLEMS = 50
_LONGEST_PROBLEM = 300

Schema = Mapping[str, Any]


def read_request(kind: Kind, request: object) -> dict[str, Any]:
    """The request with all defaults. Raises ``InvalidError`` with every problem of its shape."""
    if not isinstance(kind, str) or kind not in _schemas():
        raise InvalidError(f"there is no request {kind!r}", hint=f"There are {', '.join(sorted(_schemas()))}.")
    reader = Reader()
    read = reader.read(_schemas()[kind], request, ())
    if not reader.problems:
        return cast("dict[str, Any]", read)
    problems = [problem[:_LONGEST_PROBLEM] for problem in reader.problems[:_MOST_PROBLEMS]]
    if len(reader.problems) > len(problems):
        problems.append(f"and {len(reader.problems) - len(problems)} more")
    count = "a problem" if len(reader.problems) == 1 else f"{len(reader.problems)} problems"
    raise InvalidError(
        f"{kind} input has {count}:\n  " + "\n  ".join(problems),
        hint="Mend what is listed and try again; nothing was touched.",
        problems=problems,
    )


def fabric_problems(fabric: object) -> list[str]:
    """What is wrong with a fabric's name, as ``fabric: reason``."""
    reader = Reader()
    reader.read(_schemas()["CheckClusters"]["properties"]["fabric"], fabric, ("fabric",))
    return reader.problems


class Reader:
    """Reads values by schemas; ``problems`` are told as ``path: reason``."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, schema: Schema, value: object, path: tuple[str, ...]) -> Any:
        """The value as it is sent; of no use once there are problems."""
        options = schema.get("oneOf") or schema.get("anyOf")
        if options is not None:
            return self._one_of(options, value, path)
        if "const" in schema or "enum" in schema:
            return self._literal([schema["const"]] if "const" in schema else schema["enum"], value, path)
        read: Callable[[Schema, object, tuple[str, ...]], Any] = {
            "string": self._string,
            "integer": self._integer,
            "boolean": self._boolean,
            "array": self._array,
            "object": self._object,
        }[schema["type"]]
        return read(schema, value, path)

    def _wrong(self, path: tuple[str, ...], reason: str) -> None:
        where = ".".join(path)
        self.problems.append(f"{where}: {reason}" if where else reason)

    def _literal(self, allowed: list[Any], value: object, path: tuple[str, ...]) -> object:
        # In Python, True is 1.
        if isinstance(value, bool) or value not in allowed:
            self._wrong(path, f"must be {' or '.join(json.dumps(one) for one in allowed)}")
        return value

    def _string(self, schema: Schema, value: object, path: tuple[str, ...]) -> object:
        if not isinstance(value, str):
            self._wrong(path, "must be text")
            return value
        length = len(value)
        if length < schema.get("minLength", 0):
            self._wrong(path, "must not be empty")
        if length > schema.get("maxLength", length):
            self._wrong(path, f"must be at most {schema['maxLength']} characters")
        for part in (schema, *schema.get("allOf", ())):
            if "pattern" in part and _pattern(part["pattern"]).search(value) is None:
                self._wrong(path, f"must match {part['pattern']}")
        return value

    def _integer(self, schema: Schema, value: object, path: tuple[str, ...]) -> object:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong(path, "must be a whole number")
        elif not schema["minimum"] <= value <= schema["maximum"]:
            self._wrong(path, f"must be {schema['minimum']}–{schema['maximum']}")
        return value

    def _boolean(self, _schema: Schema, value: object, path: tuple[str, ...]) -> object:
        if not isinstance(value, bool):
            self._wrong(path, "must be true or false")
        return value

    def _array(self, schema: Schema, value: object, path: tuple[str, ...]) -> object:
        if not isinstance(value, (list, tuple)):
            self._wrong(path, "must be a list")
            return value
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        if not fewest <= len(value) <= most:
            self._wrong(path, f"must hold {fewest}{'' if most == fewest else f' to {most}' if 'maxItems' in schema else ' or more'}")
        each = schema.get("prefixItems") or [schema["items"]] * len(value)
        return [self.read(one, item, (*path, str(index))) for index, (one, item) in enumerate(zip(each, value, strict=False))]

    def _object(self, schema: Schema, value: object, path: tuple[str, ...]) -> object:
        if not isinstance(value, Mapping):
            self._wrong(path, "must be an object")
            return value
        fields = schema.get("properties")
        return self._map(schema, value, path) if fields is None else self._fields(schema, fields, value, path)

    def _fields(self, schema: Schema, fields: Schema, value: Mapping[Any, object], path: tuple[str, ...]) -> object:
        read: dict[str, Any] = {}
        for key, field in fields.items():
            if key in value:
                read[key] = self.read(field, value[key], (*path, key))
            elif "default" in field:
                read[key] = self.read(field, copy.deepcopy(field["default"]), (*path, key))
            elif key in schema.get("required", ()):
                self._wrong((*path, key), "is missing")
        unknown = [json.dumps(str(key)) for key in value if key not in fields]
        if unknown:
            self._wrong(path, f"unknown: {', '.join(unknown)}")
        return read

    def _map(self, schema: Schema, value: Mapping[Any, object], path: tuple[str, ...]) -> object:
        read = {}
        for key in sorted(value, key=_map_order):
            here = (*path, str(key))
            self.read(schema.get("propertyNames", {"type": "string"}), key, here)
            read[key] = self.read(schema["additionalProperties"], value[key], here)
        return read

    def _one_of(self, options: list[Schema], value: object, path: tuple[str, ...]) -> Any:
        tag = _tag_of(options)
        if tag is not None and isinstance(value, Mapping):
            for option in options:
                if value.get(tag) == option["properties"][tag]["const"]:
                    return self.read(option, value, path)
            known = [option["properties"][tag]["const"] for option in options]
            return self._literal(known, value.get(tag), (*path, tag))
        for option in options:
            attempt = Reader()
            read = attempt.read(option, value, path)
            if not attempt.problems:
                return read
        self._wrong(path, f"must be {' or '.join(_name_of(option) for option in options)}")
        return value


def _tag_of(options: list[Schema]) -> str | None:
    """The field that tells the options apart."""
    fields: Schema = options[0].get("properties", {})
    return next((key for key, field in fields.items() if "const" in field), None)


def _name_of(option: Schema) -> str:
    return json.dumps(option["const"]) if "const" in option else f"an {option['type']}".replace("an array", "a list with something in it")


def _map_order(key: object) -> tuple[int, int]:
    """JavaScript keeps keys as they were written, but whole numbers first, by size."""
    if isinstance(key, str) and re.fullmatch("0|[1-9][0-9]{0,9}", key) and int(key) < 2**32 - 1:
        return (0, int(key))
    return (1, 0)


@cache
def _pattern(source: str) -> re.Pattern[str]:
    # In Python, `$` also matches before a line feed at the end, and `\d` digits of every script.
    return re.compile(re.sub(r"\$$", r"\\Z", source), re.ASCII)


@cache
def _schemas() -> Mapping[Kind, Schema]:
    return json.loads(files(__package__).joinpath("requests.json").read_text("utf-8"))  # type: ignore[no-any-return]
