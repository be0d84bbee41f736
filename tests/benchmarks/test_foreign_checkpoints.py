"""A checkpoint that anyone may have written makes this suite run no code but its own, however its settings spell it."""

import json
import sys

import pytest

from benchmarks.config import resolve_settings
from benchmarks.loaded import PARSED, _foreign, _is_ours, _is_word

EVIL = """from pathlib import Path

Path({marker!r}).touch()


class Class:
    def __init__(self, *_, **__):
        Path({marker!r}).touch()
"""
NAMED = {"class_path": "evil.Class", "init_args": {}}
CALLBACK = "lightning.pytorch.callbacks.LambdaCallback"
YAML = json.dumps([{"class_path": CALLBACK, "init_args": {"setup": "evil.Class"}}])
POPEN = "datamodules.environments.gnugo.subprocess.Popen"

SPELLINGS = {
    "trainer.callbacks": (["evil.Class"], "evil.Class", [NAMED], YAML, [YAML[1:-1]], "evil.yaml", "evil"),
    "trainer.logger": ("evil.Class", [NAMED], json.dumps(NAMED), {"0": "evil.Class"}),
    "trainer.profiler": ("evil.Class", "evil.yaml"),
    "trainer.plugins": (["evil.Class"],),
    "trainer.callbacks+": (["evil.Class"],),
    "trainer": ("evil.yaml", "evil.Class"),
    "trainer.callbacks.class_path": ("evil.Class",),
    "model": ("evil.Class", "evil.yaml", "evil", json.dumps(NAMED), NAMED, NAMED | {"dict_kwargs": {}}),
    "model.class_path": ("evil.Class", "os.system", POPEN, "datamodules.imdb.Path", ["evil.Class"], None),
    "model.init_args.optimizer": ("evil.Class", json.dumps(NAMED), "evil.yaml", "evil", "- evil.Class", NAMED),
    "model.init_args.optimizer.init_args": ({"lr": ["evil.Class"]}, {"a": {"b": NAMED}}, {"a.class_path": "evil"}),
    "data": ("evil.Class",),
    "data.init_args.environment": ("evil.Class", "evil.yaml", "!!python/name:evil.Class"),
    "config": ("evil.yaml",),
    "evil": ("evil.Class",),
    "stages": ({"one": {"trainer": {"callbacks": ["evil.Class"]}}}, {"one": {"config": "evil.yaml"}}, {"one": "evil"}),
}


def written(settings, dotted, value):
    """Settings with a value at a dotted key; what is no mapping on the way there gives way."""
    first, _, rest = dotted.partition(".")
    below = settings.get(first) if isinstance(settings.get(first), dict) else {}
    return settings | {first: written(below, rest, value) if rest else value}


@pytest.fixture
def evil(desk, monkeypatch):
    """A module that leaves a mark when it is imported, and YAML that names it, where Python and the suite find them."""
    (desk.tmp / "evil.py").write_text(EVIL.format(marker=str(desk.tmp / "ran")))
    for name in ("evil.yaml", "evil"):
        (desk.tmp / name).write_text(f"- class_path: {CALLBACK}\n  init_args:\n    setup: evil.Class\n")
    monkeypatch.syspath_prepend(desk.tmp)
    monkeypatch.chdir(desk.tmp)
    return desk


@pytest.mark.parametrize("key", SPELLINGS)
@pytest.mark.parametrize("command", ["validate", "watch"])
def test_no_spelling_of_foreign_code_is_run(evil, key, command):
    import torch

    settings = resolve_settings("driving", "mini", None, {})
    for value in SPELLINGS[key]:
        identity = {"benchmark": "driving", "profile": "mini", "variant": None, "seed": 0, "config_hash": "0"}
        suite = identity | {"run_id": "mini-s0", "settings": written(settings, key, value)}
        torch.save({"suite": suite, "state_dict": {}}, evil.tmp / "theirs.ckpt")
        code, out, err = evil.call(command, "driving", f"--checkpoint={evil.tmp / 'theirs.ckpt'}")
        assert (code, err.count("error: "), "Traceback" in out + err) == (2, 1, False), (value, out, err)
        assert "theirs.ckpt" in err.replace("\n", ""), err
        assert not (evil.tmp / "ran").exists(), value
    assert "evil" not in sys.modules


@pytest.mark.parametrize("path", ["/data/first weights.ckpt", "~/a/b.ckpt"])
def test_where_a_runs_first_weights_lay_is_no_code(path):
    recipe = resolve_settings("coco", "mini", None, {})
    theirs = written(recipe, "model.init_args.init_from", path)
    assert theirs != recipe
    assert [*_foreign(theirs, recipe, PARSED)] == []


@pytest.mark.parametrize(
    "name", ["lightning_modules.dqn.DQN", "datamodules.driving.DrivingData", "torch.optim.SGD", "torch.optim.adam.Adam"]
)
def test_a_class_is_ours_where_it_is_defined(name):
    assert _is_ours(name)


@pytest.mark.parametrize(
    "name", [POPEN, "datamodules.imdb.Path", "datamodules.nowhere.X", "datamodules..X", "torch.optim", "os.system", 1]
)
def test_a_class_that_only_passes_through_a_module_of_ours_is_not(name):
    assert not _is_ours(name)


@pytest.mark.parametrize("value", ["7x7-komi9-level10", "Hopper-v5", "en-de", "ResNet50_Weights.IMAGENET1K_V2", "1e-3"])
def test_a_word_says_nothing_but_itself(value):
    assert _is_word(value)


@pytest.mark.parametrize("value", ["os.system", "a: b", "[a]", "{a: b}", "- a", "a/b.yaml", "a\n", "*a", "", "x" * 999])
def test_what_could_be_imported_or_parsed_is_no_word(value):
    assert not _is_word(value)
