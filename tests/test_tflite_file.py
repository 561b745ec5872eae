"""efld.tflite_file: reading, writing and listing .tflite files."""

import copy
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from efld import tflite_file
from efld.errors import InputError
from efld.spec import ModelSpec
from tests.tiny_files import ANSWER, SPEC, embed_spec, weights, write_tflite


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tflite(tmp_path / "tiny.tflite")


def answer(path: Path) -> np.ndarray:
    """What a tiny file says to a black picture, `(68, 2)`."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], np.zeros((1, 16, 16, 1), np.float32)
    )
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return np.asarray(found).reshape(68, 2)


def test_written_file_computes_the_same(tiny: Path, tmp_path: Path) -> None:
    tflite_file.write(tflite_file.read(tiny), tmp_path / "again.tflite")
    np.testing.assert_array_equal(answer(tmp_path / "again.tflite"), ANSWER)


def test_data_is_aligned_to_16_bytes(tiny: Path) -> None:
    content = tiny.read_bytes()
    assert content.find(weights(16).tobytes()) % 16 == 0


def test_equal_vectors_are_stored_once(tiny: Path, tmp_path: Path) -> None:
    model = tflite_file.read(tiny)
    tflite_file.write(model, tmp_path / "plain.tflite")
    zeros = np.zeros(1000, np.int64)
    for tensor in model.subgraphs[0].tensors[:3]:
        tensor.quantization = schema.QuantizationParametersT(zeroPoint=zeros)
    tflite_file.write(model, tmp_path / "zeros.tflite")
    added = (tmp_path / "zeros.tflite").stat().st_size - (tmp_path / "plain.tflite").stat().st_size
    assert 8 * 1000 < added < 8 * 1100
    again = tflite_file.read(tmp_path / "zeros.tflite").subgraphs[0].tensors[1]
    np.testing.assert_array_equal(again.quantization.zeroPoint, zeros)


def test_weights_behind_the_flatbuffer_are_moved_inline(tiny: Path, tmp_path: Path) -> None:
    model = tflite_file.read(tiny)
    place = next(i for i, b in enumerate(model.buffers) if len(b.data) == weights(16).nbytes)
    model.buffers[place] = schema.BufferT(offset=2, size=2)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=tflite_file.IDENTIFIER)
    start = len(builder.Output()) + 64
    packed = bytearray(builder.Output()).ljust(start, b"\0") + weights(16).tobytes()
    buffer = schema.Model.GetRootAs(packed).Buffers(place)
    for slot, value in ((6, start), (8, weights(16).nbytes)):  # offset and size in the vtable
        position = buffer._tab.Pos + buffer._tab.Offset(slot)
        packed[position : position + 8] = value.to_bytes(8, "little")
    found = tflite_file.parse(packed, "packed")
    assert found.buffers[place].data.tobytes() == weights(16).tobytes()
    tflite_file.write(found, tmp_path / "inline.tflite")
    np.testing.assert_array_equal(answer(tmp_path / "inline.tflite"), ANSWER)
    with pytest.raises(InputError, match=r"damaged .*weights at byte"):
        tflite_file.parse(packed[:-1], "packed")


def test_spec_is_embedded_and_replaced(tiny: Path, tmp_path: Path) -> None:
    assert tflite_file.read_spec(tiny) == SPEC
    other = replace(SPEC, model="other", calibration=("lfpw/trainset/image_0001",))
    embed_spec(tiny, tmp_path / "other.tflite", other)
    assert tflite_file.read_spec(tmp_path / "other.tflite") == other
    assert len(tflite_file.read(tmp_path / "other.tflite").metadata) == 1
    assert tflite_file.read_spec(tiny) == SPEC
    np.testing.assert_array_equal(answer(tmp_path / "other.tflite"), ANSWER)


def test_equal_options_are_stored_once(tmp_path: Path) -> None:
    sizes = []
    for shared in (True, False):
        model = tflite_file.read(write_tflite(tmp_path / "tiny.tflite"))
        graph = model.subgraphs[0]
        dense = graph.operators[-1]
        for i in range(50):
            other = copy.copy(dense)
            other.builtinOptions = copy.copy(dense.builtinOptions)
            other.builtinOptions.fusedActivationFunction = 0 if shared else i % 6
            graph.operators.append(other)
        tflite_file.write(model, tmp_path / "many.tflite")
        found = tflite_file.read(tmp_path / "many.tflite").subgraphs[0].operators[-50:]
        activations = [op.builtinOptions.fusedActivationFunction for op in found]
        assert activations == [0 if shared else i % 6 for i in range(50)]
        sizes.append((tmp_path / "many.tflite").stat().st_size)
    assert sizes[0] < sizes[1]


def test_what_holds_nothing_is_not_stored(tiny: Path, tmp_path: Path) -> None:
    model = tflite_file.read(tiny)
    before = len(model.buffers)
    model.buffers += [schema.BufferT(), schema.BufferT(data=np.zeros(999, np.uint8))]
    model.subgraphs[0].tensors[0].quantization = schema.QuantizationParametersT()
    tflite_file.write(model, tmp_path / "again.tflite")
    assert len(model.buffers) == before + 2  # the model itself stays as it is
    again = tflite_file.read(tmp_path / "again.tflite")
    filled = [buffer for buffer in model.buffers[:before] if buffer.data is not None]
    assert len(again.buffers) <= 1 + len(filled)
    assert not len(again.buffers[0].data)
    assert again.subgraphs[0].tensors[0].quantization is None
    assert tflite_file.read_spec(tmp_path / "again.tflite") == SPEC
    np.testing.assert_array_equal(answer(tmp_path / "again.tflite"), ANSWER)


def test_calibration_ids_take_few_bytes_and_come_back(tiny: Path, tmp_path: Path) -> None:
    helen = [f"helen/trainset/{number}_1" for number in (232194, 2, 2330)]
    ids = (*helen, "afw/7", "helen/x y", "z")
    spec = replace(SPEC, calibration=ids)
    assert '"helen/trainset/2":["32194_1","_1","330_1"]' in spec.to_json()
    embed_spec(tiny, tmp_path / "ids.tflite", spec)
    assert tflite_file.read_spec(tmp_path / "ids.tflite") == spec


def test_ids_in_a_plain_list_are_still_read() -> None:
    text = '{"schema": 1, "model": "old", "input_px": 16, "calibration": ["a/1", "b/2"]}'
    assert ModelSpec.from_json(text, "old.tflite").calibration == ("a/1", "b/2")


@pytest.mark.parametrize("ids", ['{"a/": 3}', '{"a/": [3]}', '{"a/": "12"}'])
def test_damaged_ids_are_refused(ids: str) -> None:
    text = f'{{"schema": 1, "model": "bad", "input_px": 16, "calibration": {ids}}}'
    with pytest.raises(InputError, match=r"bad\.tflite: its spec has calibration ids"):
        ModelSpec.from_json(text, "bad.tflite")


def test_a_file_without_spec_says_none(tmp_path: Path) -> None:
    assert tflite_file.read_spec(write_tflite(tmp_path / "bare.tflite", spec=None)) is None


def test_a_spec_of_another_version_is_refused(tiny: Path, tmp_path: Path) -> None:
    content = tiny.read_bytes().replace(b'"schema":1', b'"schema":9')
    (tmp_path / "new.tflite").write_bytes(content)
    with pytest.raises(InputError, match="schema 9"):
        tflite_file.read_spec(tmp_path / "new.tflite")


def test_ops_and_tensors_are_listed(tiny: Path) -> None:
    model = tflite_file.read(tiny)
    assert tflite_file.op_counts(tiny) == {"RESHAPE": 1, "FULLY_CONNECTED": 1}
    found = {tensor.name: tensor for tensor in tflite_file.tensors(model)}
    dense = found["constant_1"]
    assert (dense.dtype, dense.shape, dense.constant) == ("float32", (136, 256), True)
    assert dense.size_bytes == 4 * 136 * 256
    assert dense.read_by == ("FULLY_CONNECTED",)
    assert found["landmarks"].written_by == "FULLY_CONNECTED"
    assert not found["image"].constant
    assert found["image"].written_by is None
    assert "reversed" not in found  # no op touches it


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"\x89PNG\r\n\x1a\n" * 9])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"garbage\.tflite"):
        tflite_file.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        tflite_file.read(tmp_path / "absent.tflite")


def test_cut_or_flipped_files_never_crash(tiny: Path, tmp_path: Path) -> None:
    content = tiny.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.tflite"
    for length in rng.integers(8, len(content), 40).tolist():
        path.write_bytes(content[:length])
        read_or_refuse(path)
    for _ in range(40):
        damaged = bytearray(content)
        damaged[int(rng.integers(8, 400))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        read_or_refuse(path)


def read_or_refuse(path: Path) -> None:
    """Damage may leave a file readable; anything but a model or an InputError is a bug."""
    try:
        model = tflite_file.read(path)
        tflite_file.op_counts(model)
        tflite_file.tensors(model)
        tflite_file.read_spec(path)
    except InputError:
        pass


def test_a_failed_write_leaves_the_old_file(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.read_bytes()

    def fail(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        embed_spec(tiny, tiny, ModelSpec(model="new", input_px=16))
    assert tiny.read_bytes() == before
    assert [path.name for path in tiny.parent.iterdir()] == [tiny.name]
