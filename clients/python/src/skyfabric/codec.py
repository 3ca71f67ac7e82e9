"""The payload codec: AES-256-GCM, with the key file and the payload layout of ``src/temporal/payload-codec.ts``.

Encrypting needs ``pip install skyfabric[codec]``; without keys, encrypted payloads are refused with what to do.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from .errors import ForbiddenError, InvalidError, NotFoundError
from .files import UnfitFileError, read_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ENCODING = b"binary/encrypted"
_KEY_ID = "encryption-key-id"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


def data_converter(codec_keys: str | None) -> DataConverter:
    """How payloads are written and read: with a file of codec keys encrypted, without one in plain.

    Raises what ``read_codec_keys`` raises.
    """
    if codec_keys is None:
        return dataclasses.replace(DataConverter.default, payload_codec=EncryptionCodec(None, {}, ""))
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=read_codec_keys(codec_keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


class EncryptionCodec(PayloadCodec):
    """Encrypts with the current key, decrypts with any. Payloads of other encodings are left as they are."""

    def __init__(self, current: str | None, keys: Mapping[str, AESGCM], file: str) -> None:
        self._current = current
        self._keys = keys
        self._file = file

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads, each within an encrypted one."""
        if self._current is None:
            return list(payloads)
        return [self._encrypted(payload, self._current) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises ``ForbiddenError`` for a key that is not known, ``InvalidError`` for what the key does not open."""
        return [self._decrypted(payload) if payload.metadata.get("encoding") == _ENCODING else payload for payload in payloads]

    def _encrypted(self, payload: Payload, current: str) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[current].encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": _ENCODING, _KEY_ID: current.encode()}, data=nonce + sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get(_KEY_ID, b"").decode("utf-8", "replace")[:64]
        key = self._keys.get(key_id)
        if key is None:
            nobody = self._current is None
            raise ForbiddenError(
                f"a payload is encrypted with key {json.dumps(key_id)}, "
                f"which {'nobody gave' if nobody else f'is not among those of {self._file}'}",
                hint="Give the file of codec keys that the worker has, as codec_keys or in SKYFABRIC_CODEC_KEYS."
                if nobody
                else f"Put the key into {self._file} under this id.",
            )
        try:
            opened = key.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], None)
            return Payload.FromString(opened)
        except Exception:  # Whatever the library calls it; its own text and cause could tell of the contents.
            raise InvalidError(
                f"a payload that says it is encrypted with key {json.dumps(key_id)} is not: the key does not open it",
                hint="Two keys may bear the same id, or the payload was changed on its way; compare the files of codec keys.",
            ) from None


def read_codec_keys(file: str) -> EncryptionCodec:
    """Reads ``{"current": ID, "keys": {ID: BASE64}}``, which only its owner may read.

    Raises ``NotFoundError``, ``ForbiddenError`` when others may read it, ``InvalidError`` for other contents, without any of them,
    and when the package ``cryptography`` is missing.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidError(
            "codec keys were given, and the package that encrypts is not installed",
            hint="Install it: pip install 'skyfabric[codec]'.",
        ) from error
    text = _private_text(file)
    try:
        content = json.loads(text, object_pairs_hook=_each_once)
    except KeyError:
        # The last of them would be kept, and what the other encrypted could no longer be read.
        raise _damaged(file, "it has two keys with the same id") from None
    except (ValueError, RecursionError):
        content = None
    if not _is_key_file(content):
        raise _damaged(file, 'it is not {"current": ID, "keys": {ID: BASE64}}')
    current, texts = content["current"], content["keys"]
    keys = {key_id: _key_of(encoded) for key_id, encoded in texts.items()}
    wrong = [json.dumps(key_id[:64]) for key_id, key in keys.items() if key is None or _KEY_ID_SHAPE.match(key_id) is None]
    if wrong:
        raise _damaged(file, f'{", ".join(wrong)}: a key is {_KEY_BYTES} bytes in base64, under an id of letters, digits, "." and "-"')
    if current not in keys:
        raise _damaged(file, "its current key is not among its keys")
    return EncryptionCodec(current, {key_id: AESGCM(key) for key_id, key in keys.items() if key is not None}, file)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object. Raises ``KeyError``, without any content, when a name stands twice in it."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise KeyError
    return dict(pairs)


def _is_key_file(content: object) -> bool:
    return (
        isinstance(content, dict)
        and content.keys() == {"current", "keys"}
        and isinstance(content["current"], str)
        and isinstance(content["keys"], dict)
        and all(isinstance(key, str) for key in content["keys"].values())
    )


def _key_of(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _private_text(file: str) -> str:
    def judge(status: os.stat_result) -> None:
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            raise ForbiddenError(
                f"{file} holds the keys that payloads are encrypted with and is open to others (mode {stat.S_IMODE(status.st_mode):o})",
                hint=f"If nobody can have copied it, run: chmod 600 {file}. Otherwise add a new key with "
                "`skyfabric codec-keys --add` and use it.",
                object=file,
            )

    try:
        return read_text(file, judge)
    except UnfitFileError as error:
        raise _damaged(file, str(error)) from None
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}", hint="Correct codec_keys or SKYFABRIC_CODEC_KEYS.", object=file) from error
    except OSError as error:
        raise ForbiddenError(f"{file} cannot be read: {error.strerror}", object=file) from error


def _damaged(file: str, why: str) -> InvalidError:
    return InvalidError(
        f"the file of codec keys {file} cannot be used: {why}",
        hint="Make one with `skyfabric codec-keys FILE --add`.",
        object=file,
    )
