"""Names on the hub where it cannot be reached: one sentence at once, whatever the client raises."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from videotcav.compat.hub import hub_errors, local_only
from videotcav.concepts.detectors.detect import load_detector
from videotcav.errors import DetectorError, ModelError
from videotcav.models.load import load_model

hub = pytest.importorskip("huggingface_hub", reason="the hub's client is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


class ConnectError(Exception):
    """As httpx has it, whose errors are no OSError."""

    __module__ = "httpx2"


class _Unreached:
    """A client without a network; `asked` is what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def head(self, address: str, **_: object) -> None:
        self.asked.append(address)
        raise ConnectError("Name or service not known")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> _Unreached:
    found = _Unreached()
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: found)
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("asked the hub again"))
    return found


def test_a_name_that_cannot_be_reached_is_one_sentence_at_once(client: _Unreached) -> None:
    with pytest.raises(ModelError, match="cannot be fetched from the Hugging Face hub, and no copy is here"):
        load_model("transformers:nobody/no-such-classifier")
    with pytest.raises(DetectorError, match="nobody/no-such-detector: is no object detector that can be loaded: We c"):
        load_detector("transformers:nobody/no-such-detector")
    assert len(client.asked) == 2


def test_folders_are_loaded_and_hubs_that_answer_are_asked(client: _Unreached, tmp_path: Path, monkeypatch) -> None:
    assert local_only(str(tmp_path)) == {}
    assert local_only("somebody/model") == {"local_files_only": True}
    answering = SimpleNamespace(head=lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: answering)
    assert local_only("somebody/model") == {}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert local_only("somebody/model") == {"local_files_only": True}
    assert len(client.asked) == 1


def test_a_connection_that_breaks_is_an_error_of_loading_and_others_are_what_they_are() -> None:
    with pytest.raises(OSError, match="the Hugging Face hub does not answer: broke"), hub_errors():
        raise ConnectError("broke")
    with pytest.raises(ZeroDivisionError), hub_errors():
        raise ZeroDivisionError
