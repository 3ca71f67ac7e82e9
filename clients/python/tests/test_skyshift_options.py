"""The file of options: read anew each time, and refused with every problem."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize("text", [None, "{", "[]", "\udcff", '{"verify": ' * 100_000, " " * 2**20 + "{}"])
def test_a_file_that_holds_no_options_is_refused(file: Path, text: str | None) -> None:
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(skyfabric.InvalidError, match=r"options\.json"):
        read_options()


@pytest.mark.parametrize("name", ["No Fabric", "-a", "x" * 64, "a\udcff"])
def test_a_name_that_no_fabric_can_have_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file.write_text(json.dumps({"fabric": name}))
    with pytest.raises(skyfabric.InvalidError, match="fabric: must be a name"):
        read_options()
    file.write_text("{}")
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT_FABRIC", name)
    with pytest.raises(skyfabric.InvalidError, match="SKYFABRIC_SKYSHIFT_FABRIC: must"):
        read_options()


@pytest.mark.parametrize("seconds", ["1e400", "1e10", "NaN", "1" + "0" * 400, "-1"])
def test_what_no_clock_can_wait_is_refused(file: Path, seconds: str) -> None:
    for option in ("timeout", "patience"):
        file.write_text(f'{{"{option}": {seconds}}}')
        with pytest.raises(skyfabric.InvalidError, match=f"{option}: must be a number of seconds"):
            read_options()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
def test_a_named_pipe_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(skyfabric.InvalidError, match="no regular file"):
        read_options()


def test_the_home_of_nobody_is_no_place_for_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT", "~nobody-of-that-name/options.json")
    with pytest.raises(skyfabric.InvalidError, match="cannot be read"):
        read_options()
