"""Where pretrained weights are found, and what is said if they are not."""

import json
import shutil
import socket
import sys
import types

import pytest

from automodel.exceptions import WeightsError
from automodel.nets import _weight_packages
from automodel.nets import weights as weights_module
from automodel.nets._weight_packages import Package
from automodel.nets.weights import (
    Weights,
    find_weights,
    first_usable,
    located,
)
from tests.tiny_encoder import write_encoder, write_tensors


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """Hide what this machine has, and forbid the network."""

    def refuse(*args, **options):
        raise AssertionError("the network is used")

    monkeypatch.setattr(_weight_packages, "PACKAGES", ())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("AUTOMODEL_WEIGHTS", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def folder(tmp_path):
    return write_encoder(tmp_path / "tiny")


def ship(monkeypatch, tmp_path, checksum=None, seed=0):
    """Install a package that ships weights, and return them."""
    root = tmp_path / "site"
    shipped = write_encoder(root / "shipped_weights" / "model", seed=seed)
    (root / "shipped_weights" / "__init__.py").write_text("raise SystemError")
    monkeypatch.syspath_prepend(str(root))
    found = Weights.of_folder(shipped, "owner/shipped")
    checksum = checksum or found.checksum
    package = Package("owner/shipped", "shipped_weights", "model", "mit", checksum)
    monkeypatch.setattr(_weight_packages, "PACKAGES", (package,))
    return found


def cache(monkeypatch, tmp_path, name, **options):
    """Put an encoder into the cache of Hugging Face, and return its folder."""
    home = tmp_path / "cache" / f"models--{name.replace('/', '--')}"
    found = write_encoder(home / "snapshots" / "0123", **options)
    (found / "modules.json").write_text("[]")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0123\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return found


def test_a_folder_is_described(folder):
    for named in (folder, str(folder)):
        (found,) = find_weights(named)
        assert found.name == "tiny"
        assert found.folder == str(folder.resolve())
        assert (found.kind, found.width) == ("bert", 16)
        assert (found.source, found.license) == ("folder", "mit")
        assert len(found.checksum) == 64
        assert "tiny" in str(found)
        assert found.checksum[:12] in str(found)
    assert find_weights(found) == find_weights((found,)) == (found,)


def test_other_weights_have_another_checksum(folder, tmp_path):
    other = write_encoder(tmp_path / "other", seed=1)
    assert find_weights(folder)[0].checksum != find_weights(other)[0].checksum
    before = find_weights(other)[0].checksum
    shutil.copy(folder / "model.safetensors", other / "model.safetensors")
    assert find_weights(other)[0].checksum == find_weights(folder)[0].checksum != before


def test_nothing_is_found_where_nothing_is():
    assert find_weights(None) == find_weights("auto") == ()


@pytest.mark.parametrize("weights", ["all-nothing", "hub", "owner/all-nothing"])
def test_an_unknown_name_is_an_error(weights):
    with pytest.raises(WeightsError, match=f"'{weights}' were found neither"):
        find_weights(weights)


def test_the_error_of_an_unknown_name_says_what_there_is(monkeypatch, tmp_path):
    ship(monkeypatch, tmp_path)
    with pytest.raises(WeightsError, match="There are: owner/shipped"):
        find_weights("unknown")


@pytest.mark.parametrize("place", ["/nowhere/at/all", "./nowhere", "~/nowhere-at-all"])
def test_a_path_that_does_not_exist_is_an_error(place):
    with pytest.raises(WeightsError, match="does not exist"):
        find_weights(place)


def test_a_file_is_not_a_folder(folder):
    with pytest.raises(WeightsError, match="are a file. Name the folder"):
        find_weights(folder / "config.json")
    with pytest.raises(WeightsError, match="are a file. Name the folder"):
        find_weights(str(folder / "config.json"))


def test_an_empty_name_is_not_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(WeightsError, match="empty.* weights=None"):
        find_weights("")
    assert find_weights(".")[0].name == "tiny"


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="Got 3 of type int"):
        find_weights(3)


def test_the_variable_names_one_model_or_several(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    (found,) = find_weights()
    assert (found.name, found.source) == ("tiny", "AUTOMODEL_WEIGHTS")
    write_encoder(tmp_path / "many" / "owner" / "second", seed=1)
    write_encoder(tmp_path / "many" / "first")
    write_encoder(tmp_path / "many" / "image", model_type="resnet")
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "many"))
    assert [found.name for found in find_weights()] == ["first", "owner/second"]
    assert find_weights("second")[0].name == "second"
    assert find_weights("owner/second")[0].checksum != found.checksum


def test_a_variable_that_names_no_folder_is_an_error(monkeypatch):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", "/nowhere/at/all")
    with pytest.raises(WeightsError, match="AUTOMODEL_WEIGHTS names"):
        find_weights()


def test_a_variable_that_names_a_folder_without_encoders_is_an_error(
    monkeypatch, tmp_path
):
    shipped = ship(monkeypatch, tmp_path)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path))
    (tmp_path / "site" / "shipped_weights" / "model").rename(tmp_path / "model")
    assert find_weights()[0].checksum == shipped.checksum
    (tmp_path / "model" / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(WeightsError, match="AUTOMODEL_WEIGHTS names, holds no text"):
        find_weights()


def test_packages_are_found_without_being_imported(monkeypatch, tmp_path):
    shipped = ship(monkeypatch, tmp_path)
    for weights in ("auto", "shipped", "owner/shipped", "Owner/Shipped"):
        (found,) = find_weights(weights)
        assert (found.source, found.checksum) == ("package", shipped.checksum)
    assert "shipped_weights" not in sys.modules
    with pytest.raises(WeightsError, match="neither"):
        find_weights("stranger/shipped")


def test_a_package_with_other_weights_than_expected_is_refused(monkeypatch, tmp_path):
    ship(monkeypatch, tmp_path, checksum="0" * 64)
    with pytest.raises(WeightsError, match="other weights than expected"):
        find_weights()


def test_the_variable_comes_before_packages_and_the_cache(
    folder, monkeypatch, tmp_path
):
    cache(monkeypatch, tmp_path, "owner/cached")
    assert [found.name for found in find_weights()] == ["owner/cached"]
    ship(monkeypatch, tmp_path)
    assert [found.name for found in find_weights()] == ["owner/shipped"]
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    assert [found.name for found in find_weights()] == ["tiny"]


def test_the_smallest_sentence_encoder_of_the_cache_is_taken(monkeypatch, tmp_path):
    cache(monkeypatch, tmp_path, "owner/large", width=32)
    cache(monkeypatch, tmp_path, "owner/small", width=8)
    plain = cache(monkeypatch, tmp_path, "owner/plain", width=4)
    (plain / "modules.json").unlink()  # trained for other things than sentences
    broken = cache(monkeypatch, tmp_path, "owner/broken", width=4)
    (broken / "model.safetensors").unlink()
    (found,) = find_weights()
    assert (found.name, found.source, found.width) == ("owner/small", "cache", 8)
    assert find_weights("plain")[0].width == 4
    with pytest.raises(WeightsError, match="incomplete"):
        find_weights("owner/broken")


def test_the_hub_is_not_asked_for_what_the_cache_has(monkeypatch, tmp_path):
    cache(monkeypatch, tmp_path, "owner/cached")
    (found,) = find_weights("hub:owner/cached")
    assert (found.name, found.source) == ("owner/cached", "hub")


def test_the_hub_is_asked_once_and_its_failure_is_an_error(monkeypatch, tmp_path):
    asked = []
    written = write_encoder(tmp_path / "downloaded")

    def download(name):
        asked.append(name)
        return str(written)

    monkeypatch.setattr(weights_module, "download", download)
    pytest.importorskip("huggingface_hub")
    (found,) = find_weights("hub:owner/new")
    assert (found.name, found.source, asked) == ("owner/new", "hub", ["owner/new"])


def test_a_failed_download_names_the_weights(monkeypatch):
    def fail(*args, **options):
        raise OSError("no route")

    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = fail
    utils = types.ModuleType("huggingface_hub.utils")
    utils.tqdm = object
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", utils)
    with pytest.raises(WeightsError, match="'owner/new' could not be .*no route"):
        weights_module.download("owner/new")


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def truncate(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def change(**config):
    def apply(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))

    return apply


def split_with_a_lost_part(folder):
    (folder / "model.safetensors").unlink()
    parts = {"weight_map": {"a": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(parts))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "no file 'config.json'"),
        (write("config.json", b"{"), "cannot be read"),
        (write("config.json", b"[]"), "no JSON object"),
        (remove("vocab.txt"), "no tokenizer"),
        (remove("model.safetensors"), "no file 'model.safetensors'"),
        (truncate, "incomplete or damaged"),
        (write("model.safetensors", b""), "incomplete or damaged"),
        (write("model.safetensors", b"version https://git-lfs.x"), "git lfs pull"),
        (split_with_a_lost_part, "no file 'model-1.safetensors'"),
        (change(model_type="gpt2"), "model of type 'gpt2'"),
        (change(model_type=None), "model of type None"),
        (change(num_hidden_layers=3), "do not belong to its 'config.json'"),
        (change(vocab_size=5), "do not belong to its 'config.json'"),
        (change(hidden_size=32), "do not belong to its 'config.json'"),
        (change(intermediate_size=48), "do not belong to its 'config.json'"),
        (change(num_attention_heads=3), "divided among 3 heads"),
        (change(hidden_size=None), "does not say how wide"),
        (change(hidden_size="wide"), "does not say how wide"),
        (change(model_type="roberta"), "type 'roberta' and .* 'BertModel'"),
        (
            change(model_type="distilbert", architectures=["DistilBertModel"]),
            "do not belong to its 'config.json'",
        ),
        (write("tokenizer.json", b"garbage"), "tokenizer.json' cannot be read"),
        (write("tokenizer.json", b"{}"), "tokenizer.json' holds no tokenizer"),
        (write("tokenizer.json", b"version https://git-lfs.x"), "git lfs pull"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(folder, damage, message):
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        find_weights(folder)


def test_pickled_weights_that_are_damaged_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="incomplete or damaged"):
        find_weights(folder)


def test_weights_are_found_again_where_they_are_now(folder, monkeypatch, tmp_path):
    (found,) = find_weights(folder)
    assert located(found) == folder.resolve()
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved / "tiny")
    with pytest.raises(WeightsError, match="no longer in"):
        located(found)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(moved))
    assert located(found) == moved / "tiny"


def test_weights_that_have_changed_are_not_used(folder):
    (found,) = find_weights(folder)
    tensors = write_encoder(folder.parent / "other", seed=1) / "model.safetensors"
    shutil.copy(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="no longer in"):
        located(found)


def test_a_file_without_tensors_does_not_belong_to_a_configuration(folder):
    write_tensors(folder / "model.safetensors", {})
    with pytest.raises(WeightsError):
        find_weights(folder)


def test_the_first_usable_weights_are_those_whose_libraries_are_installed(
    folder, monkeypatch
):
    assert first_usable() is None
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    assert first_usable() == find_weights("auto")[0]
    monkeypatch.setattr(weights_module, "find_spec", lambda name: None)
    assert first_usable() is None


def test_only_the_first_usable_weights_are_read(tmp_path, monkeypatch):
    for seed, name in enumerate(("a", "b")):
        write_encoder(tmp_path / "many" / name, seed=seed)
    (tmp_path / "many" / "b" / "model.safetensors").write_bytes(b"broken")
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "many"))
    assert first_usable().name == "a"
