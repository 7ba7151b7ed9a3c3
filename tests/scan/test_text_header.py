"""Headers of NRRD and MetaImage that are not to the letter, and voxels that are not what they say."""

import bz2
import gzip

import numpy as np
import pytest

from sanum.scan import read


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NDims": "3e5"}, "whole number as NDims, got 3e5"),
        ({"NDims": "3.9e9"}, "whole number as NDims, got 3.9e9"),
        ({"NDims": "3900000000"}, "NDims of 2 to 5, got 3900000000"),
        ({"NDims": "03 "}, None),
        ({"NDims": "1"}, "NDims of 2 to 5"),
        ({"ndims": "4"}, "expected ndims once"),
        ({"DimSize": "6 7"}, "3 numbers in DimSize"),
        ({"DimSize": "6 7 8 9"}, "3 numbers in DimSize"),
        ({"DimSize": "6 7 8.0"}, "whole number as DimSize"),
        ({"ElementSpacing": "1 nan 4"}, "got nan"),
        ({"ElementSpacing": "1 0x1 4"}, "got 0x1"),
        ({"ElementSpacing": "1 1.5"}, "3 numbers in elementspacing"),
        ({"Offset": "5 6 1e101"}, "at most 1e+100"),
        ({"Position": "5 -6 8"}, "several that differ"),
        ({"TransformMatrix": "1 0 0 1"}, "9 numbers"),
        ({"ElementType": "MET_STRING"}, "ElementType like MET_SHORT"),
        ({"ElementType": None}, "a line with elementtype"),
        ({"BinaryData": "Perhaps"}, "True or False"),
        ({"BinaryDataByteOrderMSB": "True", "ElementByteOrderMSB": "False"}, "one byte order"),
        ({"ObjectType": "Tube"}, "ObjectType = Image"),
        ({"HeaderSize": "3"}, "no HeaderSize"),
        ({"CompressedData": "True", "CompressedDataSize": "1e9"}, "got 1e9"),
    ],
)
def test_metaimages_that_are_not_to_the_letter(meta, refusal, fields, reason):
    path = meta(**fields)
    if reason is None:
        assert read(path).voxels.shape == (6, 7, 8)
    else:
        assert reason in refusal(path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dimension": "3e5"}, "whole number as dimension"),
        ({"dimension": "17"}, "dimension of 1 to 16"),
        ({"sizes": "6 7 8 2"}, "3 numbers in sizes"),
        ({"sizes": "6 7 -8"}, "got -8"),
        ({"type": "block"}, "a type like short"),
        ({"endian": None}, "endian little or big"),
        ({"endian": "middle"}, "endian little or big"),
        ({"encoding": "zrl"}, "encoding raw, gzip"),
        ({"space": "left-right-superior"}, "a space like"),
        ({"space dimension": "3"}, "got both"),
        ({"spacings": "1 1 1"}, "got both"),
        ({"axis mins": "nan 2 nan"}, "got both"),
        ({"units": '"mm" "um" "mm"'}, "space units beside space directions"),
        ({"space directions": "(1,0,0) (0,1,0)"}, "expected 3 space directions"),
        ({"space directions": "(1,0,0) (0,1,0) none"}, "three directions of space"),
        ({"space directions": "(1,0,0) (0,1,0) (0,0,1) x"}, "expected 3 space directions"),
        ({"space directions": "(1,0) (0,1) (0,0)"}, "3 numbers in a vector"),
        ({"space origin": "(1,2)"}, "3 numbers in a vector"),
        ({"space origin": "1 2 3"}, "a vector like (1,0,0)"),
        ({"space units": '"mm"'}, "space units"),
        ({"kinds": "domain domain"}, "expected 3 kinds"),
        ({"kinds": "vector domain domain"}, "of kind domain"),
        ({"Sizes": "9 9 9"}, "each once"),
        ({"no such field": "1"}, "known fields"),
        ({"byte skip": "-2"}, "whole number as byte skip"),
        ({"encoding": "gzip", "byte skip": "-1"}, "with encoding raw alone"),
    ],
)
def test_nrrds_that_are_not_to_the_letter(nrrd, refusal, fields, reason):
    assert reason in refusal(nrrd(**fields))


def test_headers_without_an_end(tmp_path, refusal, nrrd, meta, voxels):
    """Nothing is judged by its first megabyte only."""
    path = nrrd(lines=["# " + "x" * (1 << 20), "data file: ../scan.raw"])
    assert "an empty line after the header" in refusal(path)
    assert "ElementDataFile at the end of the header" in refusal(meta(Comment="x" * (1 << 20)))
    np.testing.assert_array_equal(
        read(nrrd(lines=["# data file: ../scan.raw", "a key:=data file: x"])).voxels, voxels
    )


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("ascii", b"1 " * 300),
        ("ascii", b"1 " * 335 + b"40000"),
        ("ascii", b"1 " * 335 + b"1.5"),
        ("ascii", b"1 " * 335 + b"9" * 5000),
        ("hex", b"0g" * 672),
        ("hex", b"00" * 671 + b"0"),
        ("gzip", gzip.compress(bytes(600), mtime=0)),
        ("bzip2", bz2.compress(bytes(range(256)) * 3)[:-9]),
    ],
)
def test_voxels_that_are_too_few_or_no_numbers(nrrd, refusal, encoding, data):
    message = refusal(nrrd(data, encoding=encoding))
    assert "damaged, cut short" in message or "is cut short" in message
