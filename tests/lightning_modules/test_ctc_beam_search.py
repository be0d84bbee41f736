"""Where the decoder's package is not to be had, beam search says so before anything is recognised."""

import sys

import pytest

from benchmarks.errors import UserError
from lightning_modules.ctc_beam_search import CTCBeamSearch


def test_a_missing_decoder_is_said_before_the_file_is_looked_at(monkeypatch):
    monkeypatch.setitem(sys.modules, "flashlight", None)
    with pytest.raises(UserError, match=r"flashlight-text, which has no wheel for Python 3\.\d+\. Install with"):
        CTCBeamSearch("no such file").check()
