"""Networks with a known answer: each finds the white rectangle in its input, and says so in one of YOLO's forms."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from support.frames_of_video import frames_of
from videotcav.concepts.detectors.coco_names import COCO_NAMES
from videotcav.concepts.detectors.detect import VideoFrames, load_detector
from videotcav.concepts.detectors.letterbox import letterbox
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.detectors.yolo_forms import Output, grid, recognise
from videotcav.errors import ConceptError
from videotcav.video.read import VideoFile

onnx = pytest.importorskip("onnx", reason="onnx, which builds the small networks, is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the check above

SIDE = 128
CELLS = 16 * 16 + 8 * 8 + 4 * 4
CLASSES = 3


def white_rectangle_finder(path: Path, form: str, *, names: str | None = "{0: 'a', 1: 'b', 2: 'c'}") -> Path:
    """A network that puts out the rectangle of bright input pixels as class 1 with score 0.9."""
    bright = 230.0 if form.startswith("yolox") else 0.9
    constants = {
        "bright": np.float32(bright),
        "x": np.arange(SIDE, dtype=np.float32).reshape(1, 1, 1, SIDE),
        "y": np.arange(SIDE, dtype=np.float32).reshape(1, 1, SIDE, 1),
        "far": np.float32(1e6),
        "near": np.float32(-1e6),
        "one": np.float32(1),
        "two": np.float32(2),
        "eight": np.float32(8),
        "row": np.array([1, 1], dtype=np.int64),
        "score": np.array([[0.9]], dtype=np.float32),
        "batch": np.array([[0.0]], dtype=np.float32),
        "class": np.array([[1.0]], dtype=np.float32),
        "classes": np.array([[0.0, 1.0, 0.0]], dtype=np.float32),
        "axes": np.array([0], dtype=np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Greater", ["grey", "bright"], ["white"]),
    ]
    for axis, low, high in (("x", "left", "right"), ("y", "top", "bottom")):
        nodes += [
            helper.make_node("Where", ["white", axis, "far"], [f"{low}s"]),
            helper.make_node("ReduceMin", [f"{low}s"], [f"{low}0"], keepdims=0),
            helper.make_node("Reshape", [f"{low}0", "row"], [low]),
            helper.make_node("Where", ["white", axis, "near"], [f"{high}s"]),
            helper.make_node("ReduceMax", [f"{high}s"], [f"{high}0"], keepdims=0),
            helper.make_node("Add", [f"{high}0", "one"], [f"{high}1"]),
            helper.make_node("Reshape", [f"{high}1", "row"], [high]),
            helper.make_node("Add", [low, high], [f"{axis}sum"]),
            helper.make_node("Div", [f"{axis}sum", "two"], [f"{axis}centre"]),
            helper.make_node("Sub", [high, low], [f"{axis}size"]),
        ]
    if form == "end2end":
        nodes.append(
            helper.make_node(
                "Concat", ["batch", "left", "top", "right", "bottom", "class", "score"], ["output"], axis=1
            )
        )
        shape = ["n", 7]
    else:
        box = ["xcentre", "ycentre", "xsize", "ysize"]
        if form == "yolox":  # in the first cell of the finest grid: offsets and logarithms, in strides of 8
            nodes += [helper.make_node("Div", [name, "eight"], [f"{name}8"]) for name in box]
            nodes += [helper.make_node("Log", [f"{name}8"], [f"{name}log"]) for name in box[2:]]
            box = ["xcentre8", "ycentre8", "xsizelog", "ysizelog"]
        sure = [] if form == "v8" else ["score"]
        constants["classes"] = constants["classes"] * (0.9 if form == "v8" else 1.0)
        nodes.append(helper.make_node("Concat", [*box, *sure, "classes"], ["found"], axis=1))
        count = 3 * CELLS if form == "raw" else CELLS
        width = 4 + len(sure) + CLASSES
        constants["rest"] = np.zeros((count - 1, width), dtype=np.float32)
        if form != "yolox":  # each cell speaks of a box in its own middle
            centres = [
                ((column + 0.5) * stride, (row + 0.5) * stride, stride, stride)
                for stride in (8, 16, 32)
                for row in range(SIDE // stride)
                for column in range(SIDE // stride)
            ] * (count // CELLS)
            constants["rest"][:, :4] = centres[1:]
        nodes.append(helper.make_node("Concat", ["found", "rest"], ["table"], axis=0))
        if form == "v8":
            nodes.append(helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]))
        nodes.append(helper.make_node("Unsqueeze", ["turned" if form == "v8" else "table", "axes"], ["output"]))
        shape = [1, width, count] if form == "v8" else [1, count, width]
    graph = helper.make_graph(
        nodes,
        "finder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value, dtype=value.dtype), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    return path


def scene(*, height: int, width: int, box: tuple[int, int, int, int]) -> VideoFrames:
    pixels = np.zeros((1, height, width, 3), dtype=np.uint8)
    left, top, right, bottom = box
    pixels[0, top:bottom, left:right] = 255
    return frames_of(pixels)


@pytest.mark.parametrize("form", ["raw", "yolox", "yolox-decoded", "v8", "end2end"])
@pytest.mark.parametrize("size", [(128, 128), (240, 426), (426, 240), (480, 852), (50, 70)])
def test_every_form_is_recognised_and_leads_back_to_source_pixels(tmp_path: Path, form: str, size: tuple[int, int]):
    height, width = size
    box = (round(width * 0.2), round(height * 0.4), round(width * 0.7), round(height * 0.9))
    detector = Yolo(white_rectangle_finder(tmp_path / "net.onnx", form), threads=1)
    assert detector.settings["form"] == form
    (found,) = detector(scene(height=height, width=width, box=box))
    assert found.labels == ("b",)
    assert found.scores[0] == pytest.approx(0.9)
    source_pixels_per_input_pixel = max(height, width) / SIDE
    assert found.boxes[0] == pytest.approx(box, abs=max(1.0, source_pixels_per_input_pixel))


def test_a_frame_of_the_inputs_own_size_is_exact(tmp_path: Path):
    detector = Yolo(white_rectangle_finder(tmp_path / "net.onnx", "raw"), threads=1)
    (found,) = detector(scene(height=SIDE, width=SIDE, box=(13, 40, 77, 101)))
    assert found.boxes[0].tolist() == [13, 40, 77, 101]


@pytest.mark.parametrize("placement", ["centred", "top-left"])
@pytest.mark.parametrize("size", [(240, 426), (333, 77), (640, 640)])
def test_the_frames_own_edges_come_back_exactly(size: tuple[int, int], placement: str):
    height, width = size
    canvas, fitted = letterbox(np.zeros((height, width, 3), np.uint8), height=416, width=416, placement=placement)
    rows, columns = np.nonzero((canvas != 114).any(axis=-1))
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=np.float32)
    assert fitted.to_source(seen)[0] == pytest.approx([0, 0, width, height], abs=1e-3)


def output(*shape: int) -> Output:
    return Output("output", np.zeros(shape, np.float32))


def test_forms_follow_from_the_shapes_that_real_files_have():
    assert recognise([output(1, 25200, 85)], height=640, width=640) == ("raw", 0)
    assert recognise([output(1, 3549, 85)], height=416, width=416) == ("yolox", 0)
    assert recognise([output(1, 84, 8400)], height=640, width=640) == ("v8", 0)
    assert recognise([output(4, 7)], height=640, width=640) == ("end2end", 0)
    heads = [output(1, 3, side, side, 85) for side in (80, 40, 20)]
    assert recognise(heads, height=640, width=640) is None
    assert recognise([*heads, output(1, 25200, 85)], height=640, width=640) == ("raw", 3)


def test_a_form_that_is_not_certain_is_not_guessed():
    """Noise in YOLOX's shape is near its cells in no reading; a whole grid of centres in shares of the picture lies
    in its first pixel."""
    noise = np.random.default_rng(0).uniform(100, 200, (1, 3549, 85)).astype(np.float32)
    assert recognise([Output("output", noise)], height=416, width=416) is None
    assert recognise([Output("output", np.full((1, 3549, 85), np.nan, np.float32))], height=416, width=416) is None

    shares = np.random.default_rng(0).uniform(0, 1, (1, 25200, 85)).astype(np.float32)
    assert recognise([Output("output", shares)], height=640, width=640) is None
    assert recognise([Output("output", shares * 640)], height=640, width=640) == ("raw", 0)
    shares = np.moveaxis(shares[:, :8400, :84], 1, 2)
    assert recognise([Output("output", shares)], height=640, width=640) is None
    four_grids = 160 * 160 + 80 * 80 + 40 * 40 + 20 * 20
    assert recognise([output(1, four_grids, 85)], height=1280, width=1280) is None


def test_a_decoded_export_of_a_real_network_says_what_the_undecoded_one_says(shared_data: Path, tmp_path: Path):
    """YOLOX's own last step (its `decode_outputs`), put behind the real network's output."""
    undecoded = shared_data / "detectors" / "yolox_nano_416.onnx"
    net = onnx.load(undecoded)
    version = {one.version for one in net.opset_import}
    (last,) = net.graph.output
    places = [(x, y, s) for s in (8, 16, 32) for y in range(416 // s) for x in range(416 // s)]
    constants = {
        "cells": np.array([[place[:2] for place in places]], np.float32),
        "strides": np.array([[place[2:] for place in places]], np.float32),
    }
    net.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())

    assert max(version) < 13, "Split takes its parts as an attribute"
    net.graph.node.extend(
        [
            helper.make_node("Split", [last.name], ["offsets", "logs", "surely"], axis=2, split=[2, 2, 81]),
            helper.make_node("Add", ["offsets", "cells"], ["moved"]),
            helper.make_node("Mul", ["moved", "strides"], ["centres"]),
            helper.make_node("Exp", ["logs"], ["spans"]),
            helper.make_node("Mul", ["spans", "strides"], ["sizes"]),
            helper.make_node("Concat", ["centres", "sizes", "surely"], ["decoded"], axis=2),
        ]
    )
    last.name = "decoded"
    onnx.save(net, tmp_path / "decoded.onnx")
    decoded = Yolo(tmp_path / "decoded.onnx", threads=1)
    assert decoded.settings["form"] == "yolox-decoded"
    video = VideoFile(shared_data / "tennis_full" / "serve1.mp4")
    frames = VideoFrames(video.frames([20]), video.info(), 20)
    (one,), (other,) = decoded(frames), Yolo(undecoded, threads=1)(frames)
    assert one.labels == other.labels
    assert len(one) > 3
    assert one.boxes == pytest.approx(other.boxes, abs=0.01)


def test_the_grid_counts_its_cells_row_by_row():
    cells, strides = grid(64, 32)
    assert cells[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]
    assert strides.ravel().tolist() == [8] * 32 + [16] * 8 + [32] * 2


def test_what_cannot_be_recognised_lists_what_was_found(tmp_path: Path):
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 3, 64, 64])]
    graph = helper.make_graph([helper.make_node("Relu", ["images"], ["features"])], "other", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ConceptError, match=r"its outputs are features 1×3×64×64 for an input of 64×64"):
        Yolo(tmp_path / "other.onnx")


def test_class_names_come_from_the_file_or_are_asked_for(tmp_path: Path):
    path = white_rectangle_finder(tmp_path / "net.onnx", "raw", names=None)
    with pytest.raises(ConceptError, match="tells 3 classes apart and does not name them"):
        Yolo(path)
    with pytest.raises(ConceptError, match="tells 3 classes apart, but 2 names"):
        Yolo(path, class_names=("a", "b"))
    assert Yolo(path, class_names=("x", "y", "z")).labels == ("x", "y", "z")
    assert Yolo(white_rectangle_finder(tmp_path / "e.onnx", "end2end", names=None)).labels == COCO_NAMES


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_gives_no_number_is_named_and_does_not_see_nothing(tmp_path: Path, value: float):
    """A NaN is above no threshold: its frame would look like one without objects."""
    path = white_rectangle_finder(tmp_path / "net.onnx", "raw")
    detector = Yolo(path)
    net = onnx.load(path)
    next(one for one in net.graph.initializer if one.name == "score").CopyFrom(
        numpy_helper.from_array(np.array([[value]], np.float32), "score")
    )
    onnx.save(net, path)
    frames = scene(height=SIDE, width=SIDE, box=(16, 16, 64, 64))
    assert len(detector(frames)[0].boxes) == 1
    with pytest.raises(ConceptError, match=r"net.onnx: gives NaN or infinity for a frame of"):
        Yolo(path)(frames)


@pytest.mark.parametrize("side", [0, 2**31 - 1])
def test_an_input_that_no_memory_holds_is_one_sentence(tmp_path: Path, side: int):
    path = white_rectangle_finder(tmp_path / "net.onnx", "raw")
    net = onnx.load(path)
    net.graph.input[0].type.tensor_type.shape.dim[3].dim_value = side
    onnx.save(net, path)
    with pytest.raises(ConceptError, match=r"net.onnx: "):
        Yolo(path)


def test_names_too_deep_to_read_are_one_sentence(tmp_path: Path):
    path = white_rectangle_finder(tmp_path / "net.onnx", "raw", names="-" * 10**5 + "1")
    with pytest.raises(ConceptError, match="class names cannot be read"):
        Yolo(path)


def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path):
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(ConceptError, match=r"net.onnx: is not an ONNX network that onnxruntime can load"):
        load_detector(tmp_path / "net.onnx")
    (tmp_path / "net.pt").write_bytes(b"PK")
    with pytest.raises(ConceptError, match="PyTorch checkpoint; export it to ONNX first"):
        load_detector(tmp_path / "net.pt")
    with pytest.raises(ConceptError, match=r"nowhere.onnx: there is no such detector file"):
        load_detector(tmp_path / "nowhere.onnx")
    with pytest.raises(ConceptError, match="closest source: 'yolo'"):
        load_detector("yolo8:net.onnx")


def test_a_file_is_known_by_what_is_in_it_not_by_its_ending(tmp_path: Path):
    network = white_rectangle_finder(tmp_path / "net.onnx", "raw").rename(tmp_path / "best")
    assert load_detector(network).labels == Yolo(network).labels
    torch.save({"model": torch.ones(1)}, tmp_path / "best.ckpt")
    (tmp_path / "old.weights").write_bytes(pickle.dumps({"model": 1}))
    for file in ("best.ckpt", "old.weights"):
        with pytest.raises(ConceptError, match=rf"{file}: is a PyTorch checkpoint; export it to ONNX first"):
            load_detector(tmp_path / file)
    folder = tmp_path / "detr"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(ConceptError, match=r"transformers:\S*detr"):
        load_detector(folder)


@pytest.mark.parametrize(("name", "form"), [("yolox_nano_416", "yolox"), ("yolov5n_coco_640", "raw")])
def test_real_networks_find_the_player_and_the_racket(shared_data: Path, name: str, form: str):
    video = VideoFile(shared_data / "tennis_full" / "serve1.mp4")
    detector = load_detector(shared_data / "detectors" / f"{name}.onnx")
    assert detector.settings["form"] == form
    assert len(detector.labels) == 80
    (found,) = detector(VideoFrames(video.frames([20]), video.info(), 20))
    best = {label: tuple(box) for label, box in reversed(list(zip(found.labels, found.boxes, strict=True)))}
    # Read off the frame by eye, to within 15 pixels.
    assert best["person"] == pytest.approx((265, 152, 475, 459), abs=15)
    assert best["tennis racket"] == pytest.approx((236, 243, 292, 327), abs=15)
