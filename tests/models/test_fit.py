"""Which weights of a file are a module's: its numbers are the source's, or the file is refused in one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_model
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from videotcav.errors import ModelError, VideotcavWarning
from videotcav.models import fit
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

State = dict[str, Tensor]

CARD = ModelCard(
    name="small net",
    clip_spec=ClipSpec(frames=2, seconds_between_frames=0.5, height=6, width=6, resize=6),
    classes=("a", "b", "c"),
    layouts={"*": "b c t h w"},
)


class SmallNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stem(pixels).mean(dim=(2, 3, 4)))
        return logits


def trained(seed: int) -> SmallNet:
    """A network whose every number is its own."""
    net, generator = SmallNet(), torch.Generator().manual_seed(seed)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
        else:
            tensor.fill_(seed)
    return net


PIXELS = torch.randn(2, 3, 2, 6, 6, generator=torch.Generator().manual_seed(0))
SOURCE, OTHER = trained(1), trained(2)
STATE, OTHERS = SOURCE.state_dict(), OTHER.state_dict()


def beginning(start: str, state: State) -> State:
    return {start + key: tensor for key, tensor in state.items()}


def loaded(held: Any, path: Path, entry: str = "") -> VideoModel:
    torch.save(held, path)
    return load_model(SmallNet(), weights=f"{path}{entry}", card=CARD)


def compiled() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's own parts, as it imports its compiler
        return torch.compile(SOURCE)


def in_parts(state: State) -> dict[str, State]:
    found: dict[str, State] = {"stem": {}, "head": {}}
    for key, tensor in state.items():
        part, _, rest = key.partition(".")
        found[part][rest] = tensor
    return found


def compiled_inside(state: State) -> State:
    return {key.replace(".", "._orig_mod.", 1): tensor for key, tensor in state.items()}


TAKEN: dict[str, tuple[Callable[[State], Any], str]] = {
    "as it is": (lambda state: state, ""),
    "a trainer's": (lambda state: {"state_dict": state, "epoch": 3}, "#state_dict"),
    "PySlowFast's": (lambda state: {"model_state": state, "optimizer_state": {"state": {}}, "cfg": ""}, "#model_state"),
    "under net": (lambda state: {"net": state, "acc": 0.5}, "#net"),
    "two levels down": (lambda state: {"trainer": {"ema": {"shadow": state}}}, "#trainer.ema.shadow"),
    "in a list": (lambda state: (3, [state]), "#1.0"),
    "DataParallel's": (lambda _: nn.DataParallel(SOURCE).state_dict(), "#module"),
    "compiled": (lambda _: compiled().state_dict(), ""),
    "compiled inside": (lambda state: {"state_dict": compiled_inside(state)}, "#state_dict"),
    "FSDP's": (lambda state: beginning("_fsdp_wrapped_module.", state), ""),
    "Lightning's": (lambda state: {"state_dict": beginning("model.", state), "loops": {}}, "#state_dict.model"),
    "Lightning's, compiled": (lambda state: {"state_dict": beginning("net._orig_mod.", state)}, "#state_dict.net"),
    "twice the same": (lambda state: {"model": state, "ema": {k: v.clone() for k, v in state.items()}}, "#model"),
    "with an optimizer": (
        lambda state: {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(4, 4)}}}},
        "#model",
    ),
    "in two dictionaries": (in_parts, ""),
    "the module itself": (lambda _: {"model": SOURCE}, "#model"),
}


@pytest.mark.parametrize("how", TAKEN)
def test_the_numbers_are_those_of_the_source_and_the_card_says_what_was_taken(tmp_path: Path, how: str) -> None:
    wrap, said = TAKEN[how]
    model = loaded(wrap(STATE), tmp_path / "net.ckpt")
    with torch.no_grad():
        assert torch.equal(model(PIXELS), SOURCE.eval()(PIXELS))
    assert model.card.weights == f"net.ckpt{said}"
    assert all(torch.equal(tensor, STATE[key]) for key, tensor in model.module.state_dict().items())


@pytest.mark.parametrize("how", TAKEN)
def test_a_file_with_a_weight_less_or_more_or_another_is_not_that(tmp_path: Path, how: str) -> None:
    """The negative control of the test above."""
    if how in {"DataParallel's", "compiled", "the module itself"}:
        return  # not made from the state
    wrap, _ = TAKEN[how]
    less = {key: tensor for key, tensor in STATE.items() if key != "head.bias"}
    with pytest.raises(ModelError, match=r"does not fit small net: missing: 'head\.bias'"):
        loaded(wrap(less), tmp_path / "net.ckpt")
    with pytest.raises(ModelError, match=r"does not fit small net: unexpected: 'stem\.more'"):
        loaded(wrap({**STATE, "stem.more": torch.ones(1)}), tmp_path / "net.ckpt")
    with pytest.raises(ModelError, match=r"of another shape: 'head\.weight' \(2, 4\) instead of \(3, 4\)"):
        loaded(wrap({**STATE, "head.weight": torch.ones(2, 4)}), tmp_path / "net.ckpt")
    changed = loaded(wrap({**STATE, "head.bias": STATE["head.bias"] + 1}), tmp_path / "net.ckpt")
    assert not torch.equal(changed(PIXELS), SOURCE.eval()(PIXELS))


def test_a_network_whose_shapes_are_still_open_takes_those_of_the_file(tmp_path: Path) -> None:
    lazy = SmallNet()
    lazy.head = nn.LazyLinear(3)
    torch.save({"model": STATE}, tmp_path / "net.pth")
    model = load_model(lazy, weights=tmp_path / "net.pth", card=CARD)
    assert torch.equal(model(PIXELS), SOURCE.eval()(PIXELS))


def test_of_two_names_for_one_tensor_one_is_enough(tmp_path: Path) -> None:
    """As safetensors' own `save_model` keeps them; two tensors that are two in the network must both be there."""
    tied, apart = SmallNet(), SmallNet()
    tied.again, apart.again = tied.head, nn.Linear(4, 3)
    save_model(tied, str(tmp_path / "net.safetensors"))
    held = load_file(tmp_path / "net.safetensors")
    assert len(held) == len(tied.state_dict()) - 2
    other = SmallNet()
    other.again = other.head
    model = load_model(other, weights=tmp_path / "net.safetensors", card=CARD)
    assert torch.equal(model(PIXELS), tied.eval()(PIXELS))
    lost = min(tied.state_dict().keys() - held.keys())
    with pytest.raises(ModelError, match=rf"does not fit small net: missing: .*'{lost}'"):
        load_model(apart, weights=tmp_path / "net.safetensors", card=CARD)


def test_one_tensor_cannot_have_two_values(tmp_path: Path) -> None:
    tied, apart = SmallNet(), SmallNet()
    tied.again, apart.again = tied.head, nn.Linear(4, 3)
    torch.save(apart.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"'head\.weight' and 'again\.weight' are one tensor there, two in the"):
        load_model(tied, weights=tmp_path / "net.pth", card=CARD)
    tied.again, tied.twice = SmallNet().head, tied.stem  # also where it has counters, which the file lacks
    state = {key: tensor for key, tensor in tied.state_dict().items() if "num_batches" not in key}
    torch.save(state, tmp_path / "net.pth")
    assert load_model(tied, weights=tmp_path / "net.pth", card=CARD).card.weights == "net.pth"


def test_averages_are_those_of_torch(tmp_path: Path) -> None:
    averages = AveragedModel(SOURCE)
    averages.update_parameters(SOURCE)
    averages.update_parameters(OTHER)
    with pytest.warns(VideotcavWarning, match=r"net\.pth: no part of small net and left aside: 'n_averaged'$"):
        model = loaded(averages.state_dict(), tmp_path / "net.pth")
    with torch.no_grad():
        assert torch.equal(model(PIXELS), averages.eval()(PIXELS))
    assert model.card.weights == "net.pth#module"


def test_of_several_that_fit_the_user_says_which(tmp_path: Path) -> None:
    """As timm's: it would take the averages itself, others would not."""
    path = tmp_path / "last.pth.tar"
    held = {"arch": "net", "state_dict": STATE, "state_dict_ema": beginning("module.", OTHERS)}
    with pytest.raises(
        ModelError, match=r"several sets of weights that fit: 'state_dict', 'state_dict_ema\.module'"
    ) as told:
        loaded(held, path)
    assert told.value.hint == f'say which is meant, as in `weights="{path}#state_dict_ema.module"`'
    for entry, source in (("#state_dict", SOURCE), ("#state_dict_ema", OTHER), ("#state_dict_ema.module", OTHER)):
        model = loaded(held, path, entry)
        assert torch.equal(model(PIXELS), source.eval()(PIXELS))
    assert model.card.weights == "last.pth.tar#state_dict_ema.module"
    with pytest.raises(ModelError, match=r"has no 'ema'; it holds 'state_dict', 'state_dict_ema'$"):
        loaded(held, path, "#ema")


def test_two_networks_in_one_state_dict_are_asked_for(tmp_path: Path) -> None:
    both = {"state_dict": beginning("student.", STATE) | beginning("teacher.", OTHERS)}
    with pytest.raises(ModelError, match=r"that fit: 'state_dict\.student', 'state_dict\.teacher'"):
        loaded(both, tmp_path / "net.ckpt")
    model = loaded(both, tmp_path / "net.ckpt", "#state_dict.teacher")
    assert torch.equal(model(PIXELS), OTHER.eval()(PIXELS))


def test_of_two_with_one_names_the_shapes_decide(tmp_path: Path) -> None:
    wide = {key: tensor.repeat([2] * tensor.ndim) for key, tensor in OTHERS.items()}
    held = {"teacher": wide, "student": STATE}
    assert torch.equal(loaded(held, tmp_path / "net.ckpt")(PIXELS), SOURCE.eval()(PIXELS))


def test_a_loss_beside_the_network_is_left_and_named(tmp_path: Path) -> None:
    held = {"state_dict": {**beginning("model.", STATE), "criterion.weight": torch.ones(3), "n": torch.tensor(1)}}
    with pytest.warns(VideotcavWarning, match=r"left aside: 'state_dict\.criterion\.weight', 'state_dict\.n'$"):
        model = loaded(held, tmp_path / "net.ckpt")
    assert torch.equal(model(PIXELS), SOURCE.eval()(PIXELS))


def test_a_layer_beside_the_network_is_asked_about(tmp_path: Path) -> None:
    """It may be what the logits went through."""
    held = {"state_dict": {**beginning("model.", STATE), "tail.weight": torch.eye(3)}}
    says = r"all weights are there behind 'state_dict\.model\.', but .*'state_dict\.tail\.weight'"
    with pytest.raises(ModelError, match=says) as told:
        loaded(held, tmp_path / "net.ckpt")
    assert f'weights="{tmp_path / "net.ckpt"}#state_dict.model"' in told.value.hint
    assert loaded(held, tmp_path / "net.ckpt", "#state_dict.model").card.weights == "net.ckpt#state_dict.model"


def test_counters_of_batch_norms_may_be_there_or_not(tmp_path: Path) -> None:
    """Files before torch 0.4.1 have none, and evaluation reads none."""
    old = {key: tensor for key, tensor in STATE.items() if "num_batches" not in key}
    assert torch.equal(loaded(old, tmp_path / "net.pth")(PIXELS), SOURCE.eval()(PIXELS))
    profiled = {**STATE, "stem.total_ops": torch.ones(1), "head.num_batches_tracked": torch.tensor(3)}
    with pytest.warns(VideotcavWarning, match=r"left aside: 'head\.num_batches_tracked', 'stem\.total_ops'$"):
        assert torch.equal(loaded(profiled, tmp_path / "net.pth")(PIXELS), SOURCE.eval()(PIXELS))


def test_a_path_with_a_hash_in_it_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "run#3").mkdir()
    assert loaded(STATE, tmp_path / "run#3" / "net#1.pth").card.weights == "net#1.pth"
    assert loaded({"ema": STATE}, tmp_path / "run#3" / "net#1.pth", "#ema").card.weights == "net#1.pth#ema"
    with pytest.raises(ModelError, match=r"run#3/absent\.pth: there is no such checkpoint file"):
        load_model(SmallNet(), weights=tmp_path / "run#3" / "absent.pth", card=CARD)


def unusual(kind: str) -> Any:
    full = torch.ones(4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch announces that some of these are young or old
        return {
            "meta": lambda: full.to("meta"),
            "nested": lambda: torch.nested.nested_tensor([full[0], full[1, :2]]),
            "sparse": full.to_sparse,
            "sparse_csr": full.to_sparse_csr,
            "quantised": lambda: torch.quantize_per_tensor(full, 0.1, 0, torch.qint8),
            "float8": lambda: full.to(torch.float8_e4m3fn),
            "complex": lambda: full.to(torch.complex64),
        }[kind]()


@pytest.mark.parametrize("kind", ["meta", "nested", "sparse", "sparse_csr", "quantised", "float8", "complex"])
def test_tensors_that_are_no_plain_numbers_are_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        ModelError, match=rf"net\.pth: ('head\.weight'|a tensor in it) is .*{kind}.*; save the weights as plain numbers"
    ):
        loaded({**STATE, "head.weight": unusual(kind)}, tmp_path / "net.pth")


def test_an_array_of_numpy_is_no_tensor(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'net\.head\.bias' is a numpy\.\S+, no tensor; save the module's state_dict"):
        loaded({"net": {**STATE, "head.bias": STATE["head.bias"].numpy()}}, tmp_path / "net.pth")


@pytest.mark.parametrize("key", [0, ("a", 1)])
def test_names_that_are_no_text_are_named(tmp_path: Path, key: Any) -> None:
    with pytest.raises(ModelError, match=r"does not fit small net: unexpected: '\["):
        loaded({**STATE, key: torch.ones(1)}, tmp_path / "net.pth")


def test_a_file_of_another_network_says_what_is_missing_and_what_is_too_many(tmp_path: Path) -> None:
    other = nn.Sequential(nn.Conv3d(3, 4, 2), nn.Flatten(), nn.Linear(4, 3)).state_dict()
    with pytest.raises(ModelError, match=r"missing: 'stem\.0\.weight', .* and 5 more; unexpected: '0\.weight'"):
        loaded({"model": other, "best": 0.5}, tmp_path / "net.pth")


def test_whole_numbers_are_not_taken_for_weights() -> None:
    """A weight of int8 means nothing without its scale; a module's own whole numbers stay what they are."""
    module = nn.BatchNorm3d(2)
    assert fit.mismatch(module, module.state_dict()) == ""
    state = module.state_dict() | {"weight": torch.ones(2, dtype=torch.int8)}
    assert fit.mismatch(module, state) == "whole numbers: 'weight' torch.int8 instead of torch.float32"


def test_the_first_keys_of_each_kind_are_named() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    state = {"0.weight": torch.zeros(4, 3), "0.bias": torch.zeros(2), "extra": torch.zeros(1)}
    assert fit.mismatch(module, state) == (
        "missing: '1.weight', '1.bias', '2.weight' and 1 more; unexpected: 'extra'; "
        "of another shape: '0.weight' (4, 3) instead of (2, 3)"
    )
    assert fit.mismatch(module, module.state_dict()) == ""
