"""Numbers as fields of a row: what is one, and what is said of the rest."""

import gzip
import os
import pickle
import re
import zipfile
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.scoring import coco_results, sgf
from results.scoring.rows import decimal, read_text, whole_number
from tests.refusals import refusal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("-17", -17), ("+1.25", 1.25), (".5", 0.5), ("3.", 3), ("1e-12", 1e-12), ("-2.5E3", -2500)),
        *(("1e9", 1e9), ("-1000000000", -1e9), ("1e-999", 0), ("0." + "1" * 5_000, 1 / 9)),
    ],
)
def test_a_plain_decimal_is_read(text, number):
    assert decimal("return", text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", ".", "e5", "1e", "1-2", "1.2.3", "--1", "1,5", "much", "0x10", "nan", "inf", "-Infinity"),
        *("1_000", " 1", "1 ", "1\n", "\u0661", "\uff11", "\u22121", "1e308", "1e999", "-1.0000001e9", "9" * 5_000),
    ],
)
def test_any_other_text_is_no_decimal(text):
    with pytest.raises(ValueError, match=r"return is '.*'; expected a finite number from -1e\+09 to 1e\+09$"):
        decimal("return", text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1_0", " 1", "\u0661", "\u00b2", "8", "9" * 5_000])
def test_any_other_text_is_no_whole_number(text):
    with pytest.raises(ValueError, match=r"size is '.*'; expected a whole number from 2 to 7$"):
        whole_number("size", text, 2, 7)


EXPORT = "export what is in it as plain text"


def packed_by_zip(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("theirs.csv", "id,label\n")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda file: file.write_bytes(gzip.compress(b"id,label\n")), "packed by gzip; unpack it (`gunzip`)"),
        (packed_by_zip, f"a zip archive, as .npz, .xlsx and .pt are; unpack it (`unzip`), or {EXPORT}"),
        (lambda file: file.write_bytes(pickle.dumps([[1.0]])), f"a pickle; {EXPORT}"),
        (lambda file: pq.write_table(pa.table({"score": [0.5]}), file), f"Parquet; {EXPORT}"),
        (lambda file: file.write_text("id,label\n", "utf-16"), "text in UTF-16; save it in UTF-8"),
        (lambda file: file.write_text("\ufeffid,label\n", "utf-16-be"), "text in UTF-16; save it in UTF-8"),
    ],
)
def test_another_form_of_a_file_is_called_by_its_name(tmp_path, write, said):
    file = tmp_path / "theirs.csv"
    write(file)
    for read in (read_text, partial(coco_results.decode, form=list, description="a list")):
        assert refusal(read, file) == f"{file}: {said}"


def test_text_in_another_code_is_no_pickle(tmp_path):
    file = tmp_path / "theirs.txt"
    file.write_text("\u20ac 5 Mio.\n", "cp1252")  # begins with 0x80
    assert refusal(read_text, file) == f"{file}, line 1: not UTF-8; save it in UTF-8"


def test_what_was_expected_may_be_put_into_other_words():
    for read in (whole_number, decimal):
        with pytest.raises(ValueError, match=re.escape("size is '9'; expected a board of 2 to 7")):
            read("size", "9", 2, 7, "a board of {least} to {most}")


@pytest.mark.parametrize("read", [read_text, sgf.read, partial(coco_results.decode, form=list, description="a list")])
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: a pipe or device, which nobody could score again" in refusal(read, tmp_path / "pipe")
