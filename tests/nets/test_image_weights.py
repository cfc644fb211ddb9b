"""Where pretrained nets of images are found, and what is said if they are not."""

import json
import shutil
import socket
import sys

import numpy as np
import pytest

from automodel.exceptions import MissingLibraryError, WeightsError
from automodel.nets import _image_files, _weight_packages
from automodel.nets import weights as weights_module
from automodel.nets._weight_packages import Package
from automodel.nets.weights import (
    Weights,
    find_weights,
    first_usable,
    located,
)
from tests.tiny_backbone import CHANNELS, tensors_of, write_backbone
from tests.tiny_encoder import write_encoder, write_tensors


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """Hide what this machine has, and forbid the network."""

    def refuse(*args, **options):
        raise AssertionError("the network is used")

    monkeypatch.setattr(_weight_packages, "PACKAGES", ())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.delenv("AUTOMODEL_WEIGHTS", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def path(tmp_path):
    return write_backbone(tmp_path / "resnet8-0123abcd.safetensors")


def find(weights="auto"):
    return find_weights(weights, "image")


def write_torch(path, tensors, **more):
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    torch.save({"state_dict": state, **more} if more else state, path)
    return path


def ship(monkeypatch, tmp_path, checksum=None):
    """Install a package that ships weights, and return them."""
    root = tmp_path / "site"
    shipped = write_backbone(root / "shipped_net" / "resnet8.safetensors")
    (root / "shipped_net" / "__init__.py").write_text("raise SystemError")
    monkeypatch.syspath_prepend(str(root))
    (found,) = find(shipped)
    own = "shipped_net", "resnet8.safetensors", "mit", checksum or found.checksum
    package = Package("shipped", *own, "image")
    monkeypatch.setattr(_weight_packages, "PACKAGES", (package,))
    return found


def test_a_file_is_described(path):
    for named in (path, str(path)):
        (found,) = find(named)
        assert (found.name, found.kind) == ("resnet8", "resnet8")
        assert (found.channels, found.width) == (CHANNELS, CHANNELS[-1])
        assert (found.source, found.modality) == ("folder", "image")
        assert found.folder == str(path.resolve())
        assert len(found.checksum) == 64
    assert find_weights(found, "image") == find_weights((found,)) == (found,)


def test_a_folder_of_timm_is_described(tmp_path):
    (found,) = find(write_backbone(tmp_path / "resnet8.a1_in1k"))
    assert (found.name, found.kind) == ("resnet8.a1_in1k", "resnet8")
    assert (found.channels, found.license) == (CHANNELS, "mit")


def test_files_of_torch_are_read(tmp_path):
    plain = write_torch(tmp_path / "resnet8.pth", tensors_of())
    more = write_torch(tmp_path / "more" / "resnet8.pt", tensors_of(), epoch=3)
    for path in (plain, more):
        assert find(path)[0].channels == CHANNELS


def test_other_weights_have_another_checksum(path, tmp_path):
    other = write_backbone(tmp_path / "other" / "resnet8.safetensors", seed=1)
    assert find(path)[0].checksum != find(other)[0].checksum


def test_nothing_is_found_where_nothing_is():
    assert find(None) == find() == ()
    with pytest.raises(WeightsError, match="'resnet9' were found neither"):
        find("resnet9")


def test_the_variable_names_one_net_or_several(path, monkeypatch, tmp_path):
    write_encoder(tmp_path / "texts")
    write_backbone(tmp_path / "nets" / "resnet8.mine", widths=(4, 8))
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path))
    assert [own.name for own in find()] == ["resnet8", "nets/resnet8.mine"]
    assert [own.name for own in find_weights()] == ["texts"]
    assert find("resnet8.mine")[0].channels == (4, 4, 8)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "nets" / "resnet8.mine"))
    assert [own.name for own in find()] == ["resnet8.mine"]


def test_a_variable_for_texts_does_not_hide_nets_of_images(monkeypatch, tmp_path):
    shipped = ship(monkeypatch, tmp_path)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(write_encoder(tmp_path / "texts")))
    assert [own.checksum for own in find()] == [shipped.checksum]
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "nothing"))
    with pytest.raises(WeightsError, match="holds no net of images"):
        find()


def test_packages_are_found_without_being_imported(monkeypatch, tmp_path):
    shipped = ship(monkeypatch, tmp_path)
    for weights in ("auto", "shipped"):
        (found,) = find(weights)
        assert (found.source, found.checksum) == ("package", shipped.checksum)
        assert found.license == "mit"
    assert find_weights() == ()  # of texts
    assert "shipped_net" not in sys.modules


def test_a_package_with_other_weights_than_expected_is_refused(monkeypatch, tmp_path):
    ship(monkeypatch, tmp_path, checksum="0" * 64)
    with pytest.raises(WeightsError, match="other weights than expected"):
        find()


def test_the_smallest_net_of_the_caches_is_taken(monkeypatch, tmp_path):
    folder = tmp_path / "home" / "hub" / "checkpoints"
    write_torch(folder / "resnet8-0123abcd.pth", tensors_of((8, 16, 32)))
    write_torch(folder / "resnet9-0123abcd.pth", tensors_of((8, 16)))
    write_torch(folder / "unknown-0123abcd.pth", tensors_of((4, 4)))
    (folder / "resnet10-0123abcd.pth").write_bytes(b"broken")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    (found,) = find()
    assert (found.name, found.source) == ("resnet9", "cache")
    assert find("resnet8")[0].channels == (8, 8, 16, 32)
    timm = tmp_path / "cache" / "models--timm--resnet8.tiny"
    write_backbone(timm / "snapshots" / "0123", widths=(4, 8))
    (timm / "refs").mkdir()
    (timm / "refs" / "main").write_text("0123\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    assert find()[0].name == "timm/resnet8.tiny"
    assert find("hub:timm/resnet8.tiny")[0].source == "hub"


def test_a_net_of_the_caches_that_cannot_be_used_is_passed_over(monkeypatch, tmp_path):
    folder = tmp_path / "home" / "hub" / "checkpoints"
    write_torch(folder / "resnet8-0123abcd.pth", tensors_of())
    other = {"weight": np.zeros(1, dtype=np.float32)}  # is smaller
    write_torch(folder / "resnet9-0123abcd.pth", other)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert [own.name for own in find()] == ["resnet8"]
    with pytest.raises(WeightsError, match="not those of the architecture 'resnet9'"):
        find("resnet9")


def test_a_damaged_model_of_the_cache_does_no_harm(monkeypatch, tmp_path):
    other = tmp_path / "cache" / "models--some--other"
    for name, content in (("refs/main", "0123"), ("snapshots/0123/config.json", "{")):
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text(content)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    assert find() == ()


def test_weights_are_found_again_where_they_are_now(path, monkeypatch, tmp_path):
    (found,) = find(path)
    assert located(found) == path.resolve()
    shutil.move(path, tmp_path / "moved.safetensors")
    with pytest.raises(WeightsError, match="no longer in"):
        located(found)
    (tmp_path / "there").mkdir()
    shutil.move(tmp_path / "moved.safetensors", tmp_path / "there" / path.name)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "there"))
    assert located(found) == tmp_path / "there" / path.name


def test_the_first_usable_net_is_one_whose_library_is_installed(path, monkeypatch):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(path.parent))
    assert first_usable("image") == find()[0]
    monkeypatch.setattr(weights_module, "find_spec", lambda name: None)
    assert first_usable("image") is None


def write(content):
    return lambda path: path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def without(name):
    def apply(path):
        tensors = tensors_of()
        del tensors[name]
        write_tensors(path, tensors)

    return apply


def with_another_shape(path):
    tensors = tensors_of()
    tensors["layer2.0.bn1.weight"] = tensors["bn1.weight"]
    write_tensors(path, tensors)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (write(b""), "incomplete or damaged"),
        (truncate, "incomplete or damaged"),
        (write(b"version https://git-lfs.x"), "git lfs pull"),
        (lambda path: path.unlink(), "do not exist"),
        (without("conv1.weight"), "not those of the architecture 'resnet8'"),
        (without("layer1.0.conv1.weight"), "not those of the architecture 'resnet8'"),
        (without("layer2.0.bn2.bias"), "1 tensors are missing.*layers.4.bias"),
        (with_another_shape, "1 tensors are missing, unknown or of another shape"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(path, damage, message):
    damage(path)
    with pytest.raises(WeightsError, match=message):
        find(path)


def test_files_of_torch_that_hold_no_weights_are_refused(tmp_path):
    import torch

    path = tmp_path / "resnet8.pth"
    path.write_bytes(b"garbage")
    with pytest.raises(WeightsError, match="incomplete or holds no weights"):
        find(path)
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match="holds no state"):
        find(path)


def test_an_architecture_of_another_library_names_it(path, tmp_path, monkeypatch):
    monkeypatch.setattr(_image_files, "find_spec", lambda name: name == "torch" or None)
    other = path.with_name("mobilenet_v3_small-0123abcd.safetensors")
    shutil.copy(path, other)
    with pytest.raises(MissingLibraryError, match="'mobilenet_v3_small'.*torchvision"):
        find(other)
    folder = write_backbone(tmp_path / "timm")
    said = json.dumps({"architecture": "convnext_atto"})
    (folder / "config.json").write_text(said)
    with pytest.raises(MissingLibraryError, match="'convnext_atto'.*install timm"):
        find(folder)
    monkeypatch.setattr(_image_files, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"which needs torch\. Run"):
        find(path)


def test_a_text_encoder_is_no_net_of_images(tmp_path):
    with pytest.raises(WeightsError, match="holds no net of images"):
        find(write_encoder(tmp_path / "texts"))


def test_the_description_survives_the_modality_of_texts(tmp_path):
    (found,) = find_weights(write_encoder(tmp_path / "texts"))
    assert (found.modality, found.channels) == ("text", ())
    assert isinstance(found, Weights)
