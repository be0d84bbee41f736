"""What tests share: a place for what is kept between runs, a copy of a tree, and a server and releases of archives."""

import shutil

import pytest

from tests.datamodules.archives import dead_port, serving

pytest.register_assert_rewrite(
    "tests.datamodules.imagenet_stores",
    *(f"tests.datamodules.{dataset}_archives" for dataset in ("coco", "imagenet", "imdb", "librispeech", "wmt")),
)


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    """For what `datasets` keeps."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def own_place(tmp_path_factory):
    """For what is tokenised, which is made once for all tests of a module, and for what `datasets` keeps."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("tokenised", "tokenised_reviews"):
            patch.setattr(f"datamodules.{module}.ROOT", tmp_path_factory.mktemp("root"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture
def copied(tree, tmp_path):
    """A copy of the test module's `tree`, which a test may break."""
    return shutil.copytree(tree, tmp_path / "tree")


@pytest.fixture
def server(request, monkeypatch):
    """A server of the archives that the test module has as its `ARCHIVES`, on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(dict(request.module.ARCHIVES.FILES), request.module.ARCHIVES.FAULT) as running:
        yield running


@pytest.fixture
def release(request, server):
    """What the server has."""
    return request.module.ARCHIVES.release_at(server.server_port)


@pytest.fixture
def offline(request, monkeypatch):
    """A release on a port where nobody listens."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with dead_port() as port:
        yield request.module.ARCHIVES.release_at(port)


@pytest.fixture
def sacrebleu_folder(tmp_path_factory, monkeypatch):
    """An empty one, as the variable SACREBLEU would have it, which is read only once a process."""
    from sacrebleu.dataset import DATASETS

    folder = tmp_path_factory.mktemp("sacrebleu")
    for name in ("wmt13", "wmt14/full", "wmt15"):
        monkeypatch.setattr(DATASETS[name], "_outdir", str(folder / name))
        monkeypatch.setattr(DATASETS[name], "_rawdir", str(folder / name / "raw"))
    return folder
