"""Files of codec keys are read as in TypeScript, and never quoted."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload

from skyfabric import ForbiddenError, InvalidError, NotFoundError
from skyfabric.codec import EncryptionCodec, read_codec_keys


def write(path: Path, content: object, mode: int = 0o600) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return str(path)


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"a secret"')


def test_what_one_key_encrypts_any_file_with_that_key_opens(tmp_path: Path) -> None:
    keys = {"k1": new_key(), "k2": new_key()}
    first = read_codec_keys(write(tmp_path / "first", {"current": "k1", "keys": keys}))
    second = read_codec_keys(write(tmp_path / "second", {"current": "k2", "keys": keys}))
    (sealed,) = asyncio.run(first.encode([PLAIN]))
    assert sealed.metadata["encoding"] == b"binary/encrypted"
    assert sealed.metadata["encryption-key-id"] == b"k1"
    assert b"secret" not in sealed.SerializeToString()
    assert asyncio.run(second.decode([sealed, PLAIN])) == [PLAIN, PLAIN]


def test_a_payload_that_was_changed_or_sealed_with_another_key_is_refused(tmp_path: Path) -> None:
    one = read_codec_keys(write(tmp_path / "one", {"current": "k1", "keys": {"k1": new_key()}}))
    other = read_codec_keys(write(tmp_path / "other", {"current": "k1", "keys": {"k1": new_key()}}))
    renamed = read_codec_keys(write(tmp_path / "renamed", {"current": "k2", "keys": {"k2": new_key()}}))
    (sealed,) = asyncio.run(one.encode([PLAIN]))
    with pytest.raises(InvalidError, match="does not open it"):
        asyncio.run(other.decode([sealed]))
    with pytest.raises(ForbiddenError, match="not among those of"):
        asyncio.run(renamed.decode([sealed]))
    with pytest.raises(ForbiddenError, match="nobody gave"):
        asyncio.run(EncryptionCodec(None, {}, "").decode([sealed]))
    for length in (0, 5, len(sealed.data) - 1):
        short = Payload(metadata=dict(sealed.metadata), data=sealed.data[:length])
        with pytest.raises(InvalidError, match="does not open it"):
            asyncio.run(one.decode([short]))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        {"current": "k1"},
        {"current": "k1", "keys": {}},
        {"current": "k1", "keys": {"k1": "c2hvcnQ="}},
        {"current": 1, "keys": {}},
        "[" * 100_000,
    ],
)
def test_other_contents_are_refused_without_quoting_them(tmp_path: Path, content: object) -> None:
    with pytest.raises(InvalidError, match="cannot be used") as caught:
        read_codec_keys(write(tmp_path / "keys", content))
    assert "c2hvcnQ" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", {"current": "k1", "keys": {"k1": new_key()}}, mode=0o640)
    with pytest.raises(ForbiddenError, match="open to others"):
        read_codec_keys(path)
    with pytest.raises(NotFoundError):
        read_codec_keys(str(tmp_path / "nothing"))


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", f'{{"current": "k1", "keys": {{"k1": "{new_key()}", "k1": "{new_key()}"}}}}')
    with pytest.raises(InvalidError, match="two keys with the same id"):
        read_codec_keys(path)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", 3])
def test_a_name_that_no_file_has_is_refused(name: Any) -> None:
    with pytest.raises(InvalidError, match="no file can have this name"):
        read_codec_keys(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    with pytest.raises(InvalidError, match="it is no regular file"):
        read_codec_keys(str(path))
    with pytest.raises(InvalidError, match="it is a directory"):
        read_codec_keys(str(tmp_path))
