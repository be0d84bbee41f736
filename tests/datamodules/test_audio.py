"""Audio files in jobs of many: what is found of each, in their order, whatever the jobs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from benchmarks.errors import UserError
from datamodules import progress
from datamodules.layouts import audio


@pytest.fixture
def paths(tmp_path):
    """Ten files, of 100, 101, ... samples."""
    found = [tmp_path / f"{number}.flac" for number in range(10)]
    for number, path in enumerate(found):
        soundfile.write(path, np.zeros(100 + number, np.int16), audio.SAMPLE_RATE, subtype="PCM_16")
    return found


@pytest.fixture(params=[1, 4, 10, 64])
def jobs(request, monkeypatch):
    """How many files a job has, and the jobs that were submitted."""
    submitted = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments, **options):
            submitted.append(arguments)
            return super().submit(*arguments, **options)

    monkeypatch.setattr(progress, "FILES_A_JOB", request.param)
    monkeypatch.setattr(progress, "ThreadPoolExecutor", Pool)
    return request.param, submitted


def test_samples_are_counted_in_the_order_of_the_files(paths, jobs):
    assert audio.count_samples("test", paths).tolist() == list(range(100, 110))
    size, submitted = jobs
    assert len(submitted) == -(-len(paths) // size)


def test_the_first_broken_file_is_named_and_all_are_counted(paths, jobs):
    for number in (3, 4, 9):
        paths[number].write_bytes(b"once a recording")
    rest = r"; 3 of 10 files of test are broken like this\. Fetch or unpack them again\.$"
    with pytest.raises(UserError, match=r"3\.flac is no audio file \(.*\)" + rest):
        audio.count_samples("test", paths)
    for whole, fault in ((True, r"is truncated or broken \(.*\)"), (False, "is truncated or empty")):
        with pytest.raises(UserError, match=rf"3\.flac {fault}" + rest):
            audio.verify("test", paths, whole)


def test_whole_files_pass(paths, jobs):
    for whole in (True, False):
        audio.verify("test", paths, whole)


def test_of_no_files_none_is_broken(jobs):
    assert audio.count_samples("test", []).tolist() == []
    audio.verify("test", [], whole=True)
