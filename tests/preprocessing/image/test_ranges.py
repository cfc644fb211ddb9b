import numpy as np
import pytest

from automodel.exceptions import ImageError
from automodel.preprocessing.image.ranges import as_bytes, as_rgb, learned_ranges


def learned(*values):
    return learned_ranges(("it", np.asarray(v)) for v in values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.2]], (0.0, 1.0)),
        ([[-1.0, 0.9]], (-1.0, 1.0)),
        ([[0.0, 16.0]], (0.0, 16.0)),
        ([[3.0, 250.0]], (0.0, 255.0)),
        ([[-20.0, 200.0]], (-20.0, 255.0)),
        ([[0.0, 40_000.0]], (0.0, 65535.0)),
        ([[0.0, 4095.0]], (0.0, 4095.0)),
    ],
)
def test_the_range_is_the_usual_one_if_the_values_are_near(values, expected):
    assert learned(values) == {"float": expected}


def test_each_kind_of_values_has_its_range():
    deep, byte = np.array([[4000]], dtype=np.uint16), np.array([[9]], dtype=np.uint8)
    found = learned([[0.5]], deep, byte, [[True]], [[100]], [[200]])
    assert found == {
        "float": (0.0, 1.0),
        "16-bit": (0.0, 4000.0),
        "integer": (0.0, 255.0),
    }


def test_values_are_scaled_by_the_range():
    values = np.array([[0.0, 0.5, 1.0, 1.2, -0.1]])
    expected = [[0, 128, 255, 255, 0]]
    np.testing.assert_array_equal(as_bytes(values, {}, "it"), expected)
    deep = np.array([[0, 2000, 4000, 5000]], dtype=np.uint16)
    found = as_bytes(deep, {"16-bit": (0.0, 4000.0)}, "it")
    np.testing.assert_array_equal(found, [[0, 128, 255, 255]])
    np.testing.assert_array_equal(
        as_bytes(values > 0.5, {}, "it"), [[0, 0, 255, 255, 0]]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bytes_as_floats_are_the_bytes_again(dtype):
    values = np.arange(256, dtype=np.uint8)[None]
    found = as_bytes((values / 255).astype(dtype), {}, "it")
    np.testing.assert_array_equal(found, values)


def test_a_constant_image_is_no_error():
    assert as_bytes(np.zeros((2, 2)), learned(np.zeros((2, 2))), "it").max() == 0
    assert as_bytes(np.full((2, 2), -7.0), learned([[-7.0]]), "it").max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(value):
    with pytest.raises(ImageError, match="it has values that are NaN or infinite"):
        learned([[0.0, value]])
    with pytest.raises(ImageError, match="it has values that are NaN or infinite"):
        as_bytes(np.array([[0.0, value]]), {}, "it")


@pytest.mark.parametrize("values", [[[0.0, 255.0]], [[-1.5, 0.0]]])
def test_another_scale_than_in_fit_is_refused(values):
    with pytest.raises(ImageError, match="float images is 0 to 1"):
        as_bytes(np.array(values), {"float": (0.0, 1.0)}, "it")


def test_half_transparent_pixels_are_mixed_with_white():
    image = np.array([[[0, 100, 255, 128]]], dtype=np.uint8)
    np.testing.assert_array_equal(as_rgb(image), [[[127, 177, 255]]])
