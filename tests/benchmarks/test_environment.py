"""What a record says of the code: a change of what runs makes it dirty, what a run writes does not."""

import subprocess

import pytest

from benchmarks import environment


@pytest.fixture
def repository(workshop, monkeypatch):
    """The packages, committed."""
    monkeypatch.setattr(environment, "ROOT", workshop.root)
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)
    (workshop.root / "README.md").write_text("claims\n")
    (workshop.root / ".gitignore").write_text("__pycache__/\nresults/runs/\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", "-C", str(workshop.root), *words], check=True)
    return workshop.root


def test_a_fresh_commit_is_clean(repository):
    assert environment.dirty() is False
    assert len(environment.commit()) == 40


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("benchmarks/imagenet/config.yaml", True),
        ("benchmarks/imagenet/variants/new.yaml", True),
        ("lightning_modules/classification.py", True),
        ("results/statistics.py", True),
        ("requirements.lock", True),
        ("results/records/imagenet/full-s0.json", False),
        ("results/tables/claims.md", False),
        ("results/runs/imagenet/x/last.ckpt", False),
        ("README.md", False),
        ("benchmarks/imagenet/NOTES.md", False),
    ],
)
def test_what_makes_a_record_unofficial(repository, name, dirty):
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed\n")
    assert environment.dirty() is dirty


def test_without_a_commit_nothing_is_official(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert environment.dirty() is True
    assert environment.commit() is None
