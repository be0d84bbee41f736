"""What tests share: a place for what is kept between runs, a copy of a tree, and a server and releases of archives."""

import shutil

import pytest

pytest.register_assert_rewrite(
    *(f"tests.datamodules.{name}" for name in ("archives", "imagenet_archives", "imagenet_stores"))
)

from tests.datamodules.archives import dead_port, serving  # noqa: E402 (whose assertions tell what they saw then)


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    """For what `datasets` keeps."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def own_checks(tmp_path_factory, monkeypatch):
    """For what was found whole."""
    monkeypatch.setattr("datamodules.verified.ROOT", tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def own_place(tmp_path_factory):
    """For what is tokenised or measured, which is made once for a module's tests, and for what `datasets` keeps."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("columns", "recordings"):
            patch.setattr(f"datamodules.{module}.ROOT", tmp_path_factory.mktemp("root"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture
def copied(tree, tmp_path):
    """A copy of the test module's `tree`, which a test may break."""
    return shutil.copytree(tree, tmp_path / "tree")


@pytest.fixture
def archives(request):
    """Those of a data set: `FILES` by name, of which the server may fail with `FAULT`, and `release_at` a port."""
    return request.module.ARCHIVES


@pytest.fixture
def server(archives, monkeypatch):
    """A server of archives on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(dict(archives.FILES), archives.FAULT) as running:
        yield running


@pytest.fixture
def release(archives, server):
    """What the server has."""
    return archives.release_at(server.server_port)


@pytest.fixture
def offline(archives, monkeypatch):
    """A release on a port where nobody listens."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with dead_port() as port:
        yield archives.release_at(port)


@pytest.fixture
def sacrebleu_folder(tmp_path_factory, monkeypatch):
    """An empty one, as the variable SACREBLEU would have it, which is read only once a process."""
    from sacrebleu.dataset import DATASETS

    folder = tmp_path_factory.mktemp("sacrebleu")
    for name in ("wmt13", "wmt14/full", "wmt15"):
        monkeypatch.setattr(DATASETS[name], "_outdir", str(folder / name))
        monkeypatch.setattr(DATASETS[name], "_rawdir", str(folder / name / "raw"))
    return folder
