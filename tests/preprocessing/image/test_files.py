"""Files of any kind are decoded, and broken ones are named."""

import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from automodel.exceptions import ImageError, MissingLibraryError
from automodel.preprocessing.image import files
from automodel.preprocessing.image.containers import as_sources
from automodel.preprocessing.image.files import decoded, size_of
from automodel.preprocessing.image.reader import read_images
from tests.images import encoded

COLOR = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
PNG, JPEG = encoded(COLOR), encoded(COLOR, "JPEG")


def rgb(source):
    return read_images([source]).image(0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_files_without_loss_have_the_pixels_of_the_array(kind):
    np.testing.assert_array_equal(rgb(encoded(COLOR, kind)), COLOR)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("JPEG", "YCbCr"),
        ("GIF", "P"),
        ("PNG", "1"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("WEBP", "RGBA"),
    ],
)
def test_any_mode_becomes_the_colours_that_pillow_shows(kind, mode):
    content = encoded(COLOR, kind, mode)
    shown = rgb(content)
    assert shown.shape == (40, 60, 3)
    with Image.open(files.io.BytesIO(content)) as image:
        plain = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(shown - plain).max() <= 2


def test_transparent_pixels_are_white():
    rgba = np.dstack([COLOR, np.zeros((40, 60), dtype=np.uint8)])
    rgba[:20, :, 3] = 255
    for source in (encoded(rgba), rgba, Image.fromarray(rgba)):
        shown = rgb(source)
        np.testing.assert_array_equal(shown[:20], COLOR[:20])
        assert (shown[20:] == 255).all()
    palette = Image.fromarray(COLOR).convert("P")
    assert (
        rgb(encoded(palette, transparency=palette.getpixel((0, 0))))[0, 0] == 255
    ).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_as_the_camera_was_held(orientation):
    image = Image.fromarray(COLOR)
    exif = image.getexif()
    exif[files.ORIENTATION] = orientation
    content = encoded(COLOR, "PNG", exif=exif)
    around = COLOR[::-1, ::-1]
    turned = {
        **{1: COLOR, 2: COLOR[:, ::-1], 3: around, 4: COLOR[::-1]},
        **{5: COLOR.swapaxes(0, 1), 6: np.rot90(COLOR, -1)},
        **{7: around.swapaxes(0, 1), 8: np.rot90(COLOR)},
    }
    shown = rgb(content)
    assert size_of(content, 0) == shown.shape[:2]
    np.testing.assert_array_equal(shown, turned[orientation])


def test_the_size_is_read_from_the_header_alone(tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(PNG[:-500])
    assert size_of(str(path), 0) == (40, 60)


def test_deep_files_keep_their_values():
    deep = (np.arange(600).reshape(20, 30) * 100).astype(np.uint16)
    np.testing.assert_array_equal(decoded(encoded(deep), 0), deep)
    np.testing.assert_array_equal(decoded(encoded(deep, "TIFF"), 0), deep)
    floats = deep.astype(np.float32) / 60_000
    np.testing.assert_array_equal(decoded(encoded(floats, "TIFF"), 0), floats)
    assert as_sources([PNG, encoded(deep)]).check().ranges == {"16-bit": (0.0, 65535.0)}


def test_of_an_animation_the_first_frame_is_read():
    frames = [Image.fromarray(COLOR), Image.fromarray(255 - COLOR)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert as_sources([content, PNG]).check().n_animated == 1
    assert np.abs(rgb(content).astype(int) - COLOR).mean() < 40


BROKEN = {
    "empty": b"",
    "text": b"this is no image",
    "truncated PNG": PNG[:-500],
    "truncated JPEG": JPEG[: len(JPEG) // 2],
    "header": PNG[:30],
    "damaged PNG": PNG[:200] + bytes(100) + PNG[300:],
}


@pytest.mark.parametrize(
    ("case", "limit"),
    [
        *((case, files.DECODED_PIXELS) for case in BROKEN),
        *((case, 0) for case in BROKEN if case != "damaged PNG"),  # but for its end
    ],
)
def test_broken_files_are_named_before_anything_else(
    case, limit, tmp_path, monkeypatch
):
    monkeypatch.setattr(files, "DECODED_PIXELS", limit)
    path = tmp_path / "broken.png"
    path.write_bytes(BROKEN[case])
    with pytest.raises(ImageError, match=r"row 1 of X \('.*broken.png'\) cannot be"):
        as_sources([PNG, str(path), JPEG]).check()
    with pytest.raises(ImageError, match=r"row 0 of X \([\d,]+ bytes\) cannot be read"):
        as_sources([BROKEN[case]]).check()


def test_the_end_of_a_thumbnail_is_not_that_of_the_photograph(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "DECODED_PIXELS", 0)
    large = np.tile(COLOR, (4, 4, 1))
    content = encoded(large, "JPEG", comment=files.ENDS["JPEG"])
    path = tmp_path / "photograph.jpg"
    path.write_bytes(content)
    as_sources([str(path), content]).check()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="photograph.jpg.* cannot be read"):
        as_sources([str(path)]).check()


def test_what_a_camera_adds_to_a_photograph_is_passed_over(monkeypatch):
    def refuse(source, row):
        raise AssertionError("it is decoded")

    monkeypatch.setattr(files, "DECODED_PIXELS", 0)
    monkeypatch.setattr(files, "decoded", refuse)
    content = encoded(np.tile(COLOR, (12, 12, 1)), "JPEG") + bytes(3000)
    assert len(content) > files.HEAD_BYTES + 3000
    as_sources([content]).check()


def test_several_broken_files_are_counted():
    with pytest.raises(ImageError, match="5 of 6 images cannot be read.*row 3"):
        as_sources([PNG, *[b"no"] * 5]).check()


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ImageError, match="row 0 of X .*no such file"):
        as_sources([str(tmp_path / "a.png")]).check()
    with pytest.raises(ImageError, match="IsADirectoryError|PermissionError"):
        as_sources([str(tmp_path)]).check()


def test_bombs_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(files, "MOST_PIXELS", 1000)
    with pytest.raises(ImageError, match="2,400 pixels, which is more than the limit"):
        as_sources([PNG]).check()
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_sources([PNG]).check()  # Pillow warns, but the limit here is larger
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="DecompressionBombError"):
        as_sources([PNG]).check()


def test_the_command_that_installs_pillow_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingLibraryError, match="pip install"):
        as_sources([PNG]).check()
    assert as_sources(COLOR[None]).check().ranges == {}  # arrays need no Pillow
