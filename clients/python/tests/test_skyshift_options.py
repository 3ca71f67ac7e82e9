"""The file of options: read anew each time, and refused with every problem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import skyfabric
from skyfabric.skyshift.options import Options, read_options


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "options.json"
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT", str(path))
    monkeypatch.delenv("SKYFABRIC_SKYSHIFT_FABRIC", raising=False)
    return path


def test_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKYFABRIC_SKYSHIFT", raising=False)
    monkeypatch.delenv("SKYFABRIC_SKYSHIFT_FABRIC", raising=False)
    assert read_options() == Options()
    assert Options().fabric == "skyshift"


def test_a_change_needs_no_restart_and_the_environment_names_the_fabric(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('{"fabric": "lab", "patience": 5}')
    assert (read_options().fabric, read_options().patience) == ("lab", 5)
    file.write_text('{"fabric": "field"}')
    assert read_options().fabric == "field"
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT_FABRIC", "other")
    assert read_options().fabric == "other"


def test_every_problem_is_told(file: Path) -> None:
    given = {"fabrik": "a", "fabric": "", "patience": True, "timeout": 0, "verify": "probe", "peers": {"a": {"name": "b"}}, "services": []}
    file.write_text(json.dumps(given))
    with pytest.raises(skyfabric.InvalidError) as caught:
        read_options()
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "fabrik",
        "fabric",
        "verify",
        "patience",
        "timeout",
        "peers",
        "services",
    ]
    assert "has 7 problems" in caught.value.message


@pytest.mark.parametrize("text", [None, "{", "[]", "\udcff"])
def test_a_file_that_holds_no_options_is_refused(file: Path, text: str | None) -> None:
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(skyfabric.InvalidError, match=r"options\.json"):
        read_options()
