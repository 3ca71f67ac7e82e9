"""What test/clients/python.test.ts hands to the tests that need a worker."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest


@pytest.fixture(scope="session")
def given() -> dict[str, Any]:
    text = os.environ.get("SKYFABRIC_TEST")
    if text is None:
        pytest.fail("these tests need a worker: npx jest test/clients --selectProjects simulated")
    settings: dict[str, Any] = json.loads(text)
    return settings
