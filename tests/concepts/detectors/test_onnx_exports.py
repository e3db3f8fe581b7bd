"""Exports as their documentation describes them: what they put out is written by hand, and so is the right answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.frames_of_video import frames_of
from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.errors import ConceptError

onnx = pytest.importorskip("onnx", reason="onnx, which builds the small networks, is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the check above

HEIGHT, WIDTH = 96, 160
CELLS = [(x, y, s) for s in (8, 16, 32) for y in range(HEIGHT // s) for x in range(WIDTH // s)]
BOX = (40.0, 24.0, 120.0, 72.0)
FRAME = frames_of(np.zeros((1, HEIGHT, WIDTH, 3), np.uint8))


def exported(path: Path, *outputs: np.ndarray, batch: int = 1, half: bool = False, **said: str) -> Path:
    """A network that puts out the same for every picture."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    named = {
        f"output{number}": values.astype(np.float16 if half else np.float32) for number, values in enumerate(outputs)
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_value"], [name]) for name in named],
        "export",
        [helper.make_tensor_value_info("images", kind, [batch, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(name, kind, values.shape) for name, values in named.items()],
        [numpy_helper.from_array(values, f"{name}_value") for name, values in named.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, said)
    onnx.save(model, path)
    return path


def v8(*behind: float, classes: int = 2) -> np.ndarray:
    """`1 4+C+extra N`: every cell speaks of itself, the first one finds BOX as class 1, and says `behind` of it."""
    rows = np.zeros((len(CELLS), 4 + classes + len(behind)), np.float32)
    rows[:, :4] = [((x + 0.5) * s, (y + 0.5) * s, s, s) for x, y, s in CELLS]
    left, top, right, bottom = BOX
    rows[0, :4] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    rows[0, 4 + classes - 1] = 0.875
    rows[0, 4 + classes :] = behind
    return rows.T[None]


def final(*behind: float, rows: int = 300) -> np.ndarray:
    """`1 300 6+extra`: corners, score, class."""
    found = np.zeros((1, rows, 6 + len(behind)), np.float32)
    found[0, 0] = (*BOX, 0.875, 1, *behind)
    return found


def prototypes() -> np.ndarray:
    """Two of them, at a quarter of the input: the left half of the picture, and the right one."""
    halves = np.full((1, 2, HEIGHT // 4, WIDTH // 4), -4.0, np.float32)
    halves[0, 0, :, : WIDTH // 8] = halves[0, 1, :, WIDTH // 8 :] = 4
    return halves


def check(detector: Yolo) -> None:
    (found,) = detector(FRAME)
    assert found.labels == ("ball",)
    assert found.boxes.tolist() == [list(BOX)]
    assert found.scores.tolist() == [0.875]


NAMES = {"names": "{0: 'racket', 1: 'ball'}"}


@pytest.mark.parametrize(
    "said", [{}, {"task": "detect"}, {"end2end": "True"}, {"args": "{'nms': True, 'half': False}"}]
)
def test_rows_of_corners_score_and_class_are_final(tmp_path: Path, said: dict[str, str]):
    detector = Yolo(exported(tmp_path / "net.onnx", final(), **NAMES, **said))
    assert detector.settings["form"] == "end2end"
    check(detector)
    check(Yolo(tmp_path / "net.onnx", form="end2end"))


def test_final_rows_that_say_nothing_of_a_grey_picture_are_asked_for(tmp_path: Path):
    """They could be centres of an RT-DETR with two classes; the word of the file, or of a person, makes it certain."""
    nothing = np.zeros((1, 300, 6), np.float32)
    with pytest.raises(ConceptError, match="not for certain one form of YOLO"):
        Yolo(exported(tmp_path / "net.onnx", nothing, **NAMES))
    assert Yolo(tmp_path / "net.onnx", form="end2end").settings["form"] == "end2end"
    said = exported(tmp_path / "said.onnx", nothing, **NAMES, args="{'nms': True}")
    assert [len(one) for one in Yolo(said)(FRAME)] == [0]
    shares = np.random.default_rng(0).uniform(0, 1, (1, 300, 6))
    with pytest.raises(ConceptError, match=r"RT-DETR and D-FINE are used as transformers:NAME"):
        Yolo(exported(tmp_path / "shares.onnx", shares, **NAMES, args="{'nms': False}"))


@pytest.mark.parametrize("said", [{}, {"task": "segment"}])
@pytest.mark.parametrize("rows", [v8, final])
def test_a_segment_export_gives_masks_within_their_boxes(tmp_path: Path, rows, said: dict[str, str]):
    """Left half − right half, in the box: what lies left of the middle, to within the prototypes' pixel of 4."""
    detector = Yolo(exported(tmp_path / "net.onnx", rows(1, -1), prototypes(), **NAMES, **said))
    check(detector)
    (found,) = detector(FRAME)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[24:72, 40:80] = True
    assert (found.masks[0].pixels == expected).all()
    wide = frames_of(np.zeros((1, 2 * HEIGHT, 4 * WIDTH, 3), np.uint8))  # 4:1 scaled, with bars above and below
    (found,) = detector(wide)
    assert found.boxes.tolist() == [[160, 0, 480, 192]]
    expected = np.zeros((2 * HEIGHT, 4 * WIDTH), bool)
    expected[:, 160:320] = True
    assert (found.masks[0].pixels == expected).all()


def test_a_box_without_a_likely_pixel_has_no_mask(tmp_path: Path):
    detector = Yolo(exported(tmp_path / "net.onnx", v8(-1, -1), np.abs(prototypes()), **NAMES))
    assert detector(FRAME)[0].masks == (None,)


@pytest.mark.parametrize("rows", [v8, final])
def test_a_pose_exports_points_are_no_classes(tmp_path: Path, rows):
    points = np.arange(51.0)
    check(Yolo(exported(tmp_path / "net.onnx", rows(*points), **NAMES, task="pose", kpt_shape="[17, 3]")))
    with pytest.raises(ConceptError, match=r"does not say of how many points \(kpt_shape\)"):
        Yolo(exported(tmp_path / "net.onnx", rows(*points), **NAMES, task="pose"))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("half", [False, True])
def test_a_fixed_batch_and_half_precision_are_filled(tmp_path: Path, batch: int, half: bool):
    """onnxruntime refuses any other number of pictures and any other type than the file's."""
    others = np.zeros((batch - 1, *v8().shape[1:]), np.float32)
    check(Yolo(exported(tmp_path / "a.onnx", np.concatenate([v8(), others]), batch=batch, half=half, **NAMES)))
    rows = np.array([[number, *BOX, 1, 0.875 - number / 8] for number in range(batch)])
    check(Yolo(exported(tmp_path / "b.onnx", rows, batch=batch, half=half, **NAMES)))


@pytest.mark.parametrize(
    "names", ['["racket", "ball"]', '{"0": "racket", "1": "ball"}', "{0: 'racket', 1: 'ball'}", "['racket', 'ball']"]
)
def test_names_are_read_as_json_and_as_python_writes_them(tmp_path: Path, names: str):
    check(Yolo(exported(tmp_path / "net.onnx", v8(), names=names)))


@pytest.mark.parametrize("names", ['{"1": "ball", "2": "racket"}', "[]", "{}", "ball", "3", "{0: 'a', '0': 'b'}"])
def test_names_without_an_order_are_refused(tmp_path: Path, names: str):
    with pytest.raises(ConceptError, match="class names cannot be read"):
        Yolo(exported(tmp_path / "net.onnx", v8(), names=names))


def test_the_files_own_size_is_taken_where_its_input_is_open(tmp_path: Path):
    path = exported(tmp_path / "net.onnx", v8(), **NAMES, imgsz=f"[{HEIGHT}, {WIDTH}]")
    net = onnx.load(path)
    for number, name in ((0, "batch"), (2, "height"), (3, "width")):
        net.graph.input[0].type.tensor_type.shape.dim[number].dim_param = name
    onnx.save(net, path)
    check(Yolo(path))


def test_a_class_that_has_no_name_is_not_dropped(tmp_path: Path):
    path = exported(tmp_path / "net.onnx", final(), names="['racket']")
    with pytest.raises(ConceptError, match=r"of class 1, counted from 0, but only 1 names are known"):
        Yolo(path)(FRAME)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"task": "obb"}, "finds oriented boxes.*use a model of the task detect or segment"),
        ({"task": "classify"}, "is a network for the task 'classify'"),
        ({"description": "Ultralytics RT-DETR-l model"}, "RT-DETR.*transformers:PekingU/rtdetr_v2_r18vd"),
    ],
)
def test_what_is_no_yolo_of_upright_boxes_is_told_the_way_that_works(tmp_path: Path, said, sentence: str):
    with pytest.raises(ConceptError, match=sentence):
        Yolo(exported(tmp_path / "net.onnx", v8(), **NAMES, **said))


@pytest.mark.parametrize("kind", ["transformers", "original"])
def test_an_rt_detr_graph_is_told_the_way_that_works(tmp_path: Path, kind: str):
    """transformers puts out `logits` and `pred_boxes`; the original's graph wants the pictures' sizes too."""
    net = onnx.load(exported(tmp_path / "net.onnx", np.zeros((1, 300, 80)), np.zeros((1, 300, 4))))
    if kind == "original":
        net.graph.input.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
    for number, name in enumerate(("logits", "pred_boxes")):
        net.graph.output[number].name = net.graph.node[number].output[0] = name
    onnx.save(net, tmp_path / "net.onnx")
    with pytest.raises(ConceptError, match="is an RT-DETR, not a YOLO; use transformers:"):
        Yolo(tmp_path / "net.onnx")


def test_tensorrts_own_suppression_is_told_the_way_that_works(tmp_path: Path):
    names = ["num_dets", "det_boxes", "det_scores", "det_classes"]
    graph = helper.make_graph(
        [helper.make_node("EfficientNMS_TRT", ["images"], names, domain="TRT")],
        "trt",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("TRT", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "net.onnx")
    with pytest.raises(ConceptError, match=r"EfficientNMS.*export it again without it \(YOLOv7: its option grid"):
        load_detector(tmp_path / "net.onnx")


def test_weights_beside_the_graph_belong_to_its_hash(tmp_path: Path):
    """Written by onnx itself: the graph stays the same to the byte while its weights are exchanged."""
    path = exported(tmp_path / "net.onnx", v8(), **NAMES)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    graph, weights = path.read_bytes(), tmp_path / "net.onnx.data"
    first = Yolo(path)
    check(first)
    moved = bytearray(weights.read_bytes())
    moved[-4:] = np.float32(0.01).tobytes()
    weights.write_bytes(moved)
    assert path.read_bytes() == graph
    assert Yolo(path).sha256 != first.sha256 == first.settings["weights"]
    weights.unlink()
    with pytest.raises(ConceptError, match=r"net.onnx: keeps weights in net.onnx.data, which is not beside it"):
        Yolo(path)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    path = exported(tmp_path / "inner" / "net.onnx", v8(), **NAMES)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    (tmp_path / "inner" / "net.onnx.data").rename(tmp_path / "away.data")
    net = onnx.load(path, load_external_data=False)
    for tensor in net.graph.initializer:
        next(one for one in tensor.external_data if one.key == "location").value = "../away.data"
    path.write_bytes(net.SerializeToString())
    with pytest.raises(ConceptError, match=r"keeps weights in ../away.data, outside its own folder"):
        Yolo(path)
