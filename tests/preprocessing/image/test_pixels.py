import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from automodel.preprocessing.image import pixels as pixels_module
from automodel.preprocessing.image.pixels import ImagePixels, gradients, n_columns
from automodel.preprocessing.image.resize import resized
from tests.images import make_images, make_labels

GREY, VALUES = make_images()


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("view", ["pixels", "gradients"])
@pytest.mark.parametrize("size", [8, 12, 16, 30, 32, 64])
def test_the_number_of_columns_is_known_before(size, view, color):
    found = ImagePixels(size, view, color).transform(GREY[:3])
    assert found.shape == (3, n_columns(size, view, color))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_pixels_are_the_values():
    found = ImagePixels(12, color=False).transform(np.full((1, 12, 12), 51, np.uint8))
    np.testing.assert_allclose(found, 0.2, rtol=1e-5)


def test_gradients_do_not_depend_on_the_brightness():
    image = np.random.default_rng(0).integers(0, 100, (1, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(gradients(image + 100), gradients(image), atol=1e-5)


def test_gradients_tell_the_angle_of_a_line():
    horizontal = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    horizontal[:, 8:] = 255
    vertical = horizontal.swapaxes(1, 2)
    one, other = gradients(horizontal)[0], gradients(vertical)[0]
    assert one @ other < 0.1 * (one @ one)
    turned = gradients(255 - horizontal)[0]
    np.testing.assert_allclose(turned, one, atol=1e-6)


def test_the_columns_of_an_image_do_not_depend_on_the_others():
    encoder = ImagePixels(16, "gradients")
    together = encoder.transform(GREY[:9])
    np.testing.assert_array_equal(encoder.transform(GREY[4:5])[0], together[4])


def test_many_images_are_turned_into_columns_in_parts(monkeypatch):
    def watched(images, *options):
        sizes.append(len(images))
        return resized(images, *options)

    sizes = []
    expected = ImagePixels(16, "gradients").transform(GREY)
    monkeypatch.setattr(pixels_module, "PART_ROWS", 40)
    monkeypatch.setattr(pixels_module, "resized", watched)
    found = ImagePixels(16, "gradients").transform(GREY)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert max(sizes) == 40 < len(GREY)


def test_it_works_alone_in_a_pipeline():
    model = make_pipeline(ImagePixels(12), LogisticRegression())
    assert (
        model.fit(GREY[::2], make_labels(VALUES)[::2]).score(
            GREY[1::2], make_labels(VALUES)[1::2]
        )
        > 0.8
    )


def test_another_view_is_refused():
    with pytest.raises(ValueError, match="view must be one of pixels, gradients"):
        ImagePixels(view="lines").transform(GREY)
