"""Holds what workflows really answer to schema/answers.json, from which the types are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parents[3] / "schema/answers.json").read_text("utf-8"))["$defs"]
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


def problems_of(name: str, value: object) -> list[str]:
    """Where the value is not what the schema of that name says."""
    return list(_problems({"$ref": f"#/$defs/{name}"}, value, name))


def _problems(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    if "$ref" in schema:
        return _problems(SCHEMAS[schema["$ref"].split("/")[-1]], value, path)
    if "anyOf" in schema:
        attempts = [_problems(one, value, path) for one in schema["anyOf"]]
        return min(attempts, key=len)
    if "const" in schema and value != schema["const"]:
        return [f"{path} is {value!r}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{path} is {value!r}"]
    kind = TYPES.get(schema.get("type", ""), object)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        return [f"{path} is {value!r}, not {schema['type']}"]
    if isinstance(value, list):
        return [problem for index, item in enumerate(value) for problem in _problems(schema["items"], item, f"{path}.{index}")]
    if not isinstance(value, dict):
        return []
    fields: dict[str, Any] = schema.get("properties", {})
    more: Any = False if "properties" in schema else schema.get("additionalProperties")
    found = [f"{path}.{key} is missing" for key in schema.get("required", []) if key not in value]
    for key, item in value.items():
        if key in fields:
            found += _problems(fields[key], item, f"{path}.{key}")
        elif more is False:
            found.append(f"{path}.{key} is not in the schema")
        elif more is not None:
            found += _problems(more, item, f"{path}.{key}")
    return found
