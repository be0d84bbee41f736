"""What is told of starts that differ, worked out by hand."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import starts
from benchmarks.environment import Code
from benchmarks.errors import UserError
from benchmarks.starts import SameData, SameStart, between_starts, torch_remarks

ONE = {"world_size": 2, "gpus": ["H100", "H100"], "normalised_batch": None, "packages": {"torch": "2.11", "numpy": "2"}}


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ([], ()),
        ([ONE], ()),
        ([ONE | {"world_size": 1}], ("world_size: 2, then 1",)),
        ([ONE | {"world_size": 1}, ONE], ("world_size: 2, then 1, then 2",)),
        ([ONE | {"world_size": 1}] * 2, ("world_size: 2, then 1",)),
        ([ONE | {"world_size": 1}, ONE] * 100, ("world_size: 2 and 1, changed 200 times",)),
        (
            [ONE | {"packages": {"torch": each, "numpy": "2"}} for each in ("2.12", "3", "2.11", "3", "2.12", "3")],
            ("torch: 2.11 and 2.12 and 3, changed 6 times",),
        ),
        ([ONE | {"gpus": []}], ("gpus: H100, H100, then none",)),
        ([ONE | {"packages": {"torch": "2.12"}}], ("torch: 2.11, then 2.12", "numpy: 2, then None")),
        ([ONE | {"packages": {**ONE["packages"], "sentencepiece": "0.2"}}], ()),  # of which it said nothing
    ],
)
def test_each_turn_is_told_once(later, told):
    assert between_starts([ONE, *later]) == told


@pytest.mark.parametrize(
    ("versions", "remarks"),
    [
        ([], ()),
        ([{"torch": "2.11", "numpy": "1"}], ()),
        ([{"torch": "2.10", "numpy": "1"}], ("packages: torch: 2.10, then 2.11 between starts",)),
    ],
)
def test_another_torch_alone_spoils_a_run(tmp_path, monkeypatch, versions, remarks):
    monkeypatch.setattr(starts, "packages", lambda: {"torch": "2.11", "numpy": "2"})
    (tmp_path / "run.json").write_text(json.dumps({"states": [{"packages": each} for each in versions]}))
    assert torch_remarks(tmp_path) == remarks


def test_an_earlier_version_noted_no_start(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert torch_remarks(tmp_path) == between_starts(starts.states(tmp_path)) == ()


def test_a_run_whose_folder_was_removed_meanwhile_ends_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"run\.json is gone: .* run the same command again, it begins anew\."):
        starts.states(tmp_path)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Code("c" * 40, True), r"have loaded different code, .* run the same command again"),
        (Code(None, True), r"do not all know their commit, as where one node has no git"),
    ],
)
def test_ranks_that_have_loaded_different_code_do_not_train_together(tmp_path, monkeypatch, other, words):
    found = [("imagenet full-s0", "step 0", code) for code in (Code("c" * 40, False), other)]
    for pair in (found, found[::-1]):
        rank = SameStart(tmp_path, *pair[0])
        monkeypatch.setattr(starts, "_of_all", lambda *_, pair=pair: pair)
        with pytest.raises(UserError, match=words):
            rank.setup(SimpleNamespace(world_size=2), None, "fit")


def test_ranks_whose_data_differ_are_named_with_what_differs(monkeypatch):
    whole = {"classes": ["cat", "dog"], "train": 9, "val": 3, "val digest": "ab"}
    found = [whole, whole, whole | {"classes": ["cat", "fox"]}, whole | {"train": 8}]
    monkeypatch.setattr(starts, "_of_all", lambda trainer, own: found)
    told = r"rank 2, 3 and rank 0 differ \(classes: 2 from cat on for rank 0, 2 from cat on for rank 2\)\."
    with pytest.raises(UserError, match=told):
        SameData(SimpleNamespace(fingerprint=whole)).setup(SimpleNamespace(world_size=4), None, "test")
