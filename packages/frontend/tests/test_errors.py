"""What cannot be captured, and that the model comes out as it went in."""

import copy
import warnings

import pytest
import torch
from onnxport_frontend import _torch_private as private, capture
from onnxport_ir.errors import CaptureFailed, InvalidArgument, UnsafeMutation
from torch import nn


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.register_buffer("count", torch.zeros(()))
        self.cache = None

    def forward(self, x):
        self.count += 1
        self.cache = self.inner(x)
        self.extra = 1
        self.eval()
        raise KeyError("missing")  # the line that raises


def test_forward_that_raises():
    with pytest.raises(CaptureFailed, match="KeyError") as caught:
        capture(Raises(), (torch.ones(2, 3),))
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.where.file == __file__
    with open(__file__, encoding="utf-8") as source:
        assert "# the line that raises" in source.readlines()[caught.value.where.line - 1]


def test_error_in_torch_is_placed_at_the_users_line():
    class Model(nn.Module):
        def forward(self, x):
            return nn.functional.linear(x, torch.ones(2, 7))  # the wrong shape

    with pytest.raises(CaptureFailed) as caught:
        capture(Model(), (torch.ones(2, 3),))
    with open(__file__, encoding="utf-8") as source:
        assert "# the wrong shape" in source.readlines()[caught.value.where.line - 1]


def snapshot(model):
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    members = [
        {k: v for k, v in vars(m).items() if not isinstance(v, dict)}
        | {k: dict(v) for k, v in vars(m).items() if isinstance(v, dict)}
        for m in model.modules()
    ]
    return state, members


def same_state(model, before):
    state, members = snapshot(model)
    assert state.keys() == before[0].keys()
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in state.items())
    for now, then in zip(members, before[1], strict=True):
        assert now.keys() == then.keys()
        for key, value in now.items():
            if isinstance(value, dict):
                assert value.keys() == then[key].keys()
                assert all(v is then[key][k] for k, v in value.items())
            else:
                assert value is then[key]


class Changing(nn.Module):
    """Does to itself what models do."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout()
        self.register_buffer("steps", torch.zeros(2))
        self.register_buffer("lazy", None)
        self.plain = torch.zeros(2)
        self.cache = {}

    def forward(self, x):
        self.steps += 1
        self.lazy = x.sum()
        self.plain.add_(1)
        self.seen = x
        return self.drop(self.norm(x)) + self.steps.sum()


@pytest.mark.parametrize("training", [None, True, False])
def test_the_model_comes_out_as_it_went_in(training):
    model = Changing()
    model.norm.eval()
    model.register_forward_hook(lambda module, args, result: result * 2)
    model.norm.weight.grad = torch.ones(3)
    before, plain = snapshot(model), model.plain.clone()
    x = torch.randn(4, 3)
    capture(model, (x,), training=training)
    same_state(model, before)
    assert torch.equal(model.plain, plain)
    assert torch.equal(model.norm.weight.grad, torch.ones(3))
    model(x).sum().backward()


def test_the_model_comes_out_as_it_went_in_after_a_failure():
    model = Raises()
    before = snapshot(model)
    with pytest.raises(CaptureFailed):
        capture(model, (torch.ones(2, 3),), training=True)
    same_state(model, before)


def test_arguments_are_not_written_to():
    class Model(nn.Module):
        def forward(self, x, cache):
            cache["seen"] = x
            return x.add_(1) + cache["old"]

    x, cache = torch.zeros(2), {"old": torch.zeros(2)}
    capture(Model(), (x, cache))
    assert torch.equal(x, torch.zeros(2))
    assert list(cache) == ["old"]


def test_backward_hooks_and_two_names_of_a_parameter():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.same = self.weight

        def forward(self, x):
            return x * self.weight + self.same

    model = Model()
    model.register_full_backward_hook(lambda module, gin, gout: None)
    before = snapshot(model)
    captured = capture(model, (torch.ones(3),))
    assert [(param.name, param.aliases) for param in captured.graph.params] == [("weight", ("same",))]
    same_state(model, before)


@pytest.mark.parametrize("write", ["add", "data", "replace"])
def test_writing_to_a_parameter_in_any_way_is_refused(write):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(300, 300))

        def forward(self, x):
            if write == "add":
                self.weight.add_(1)
            elif write == "data":
                self.weight.data.mul_(0.5)
            else:
                self.weight.data = self.weight.data + 1
            return x * self.weight

    model = Model()
    with pytest.raises(UnsafeMutation, match="weight"):
        capture(model, (torch.ones(300),))
    if write == "replace":
        assert torch.equal(model.weight, torch.ones(300, 300))


def test_meta_tensors_are_named():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(CaptureFailed, match=r"meta device hold no data: 0\.weight, 0\.bias, 1\.weight"):
        capture(model, (torch.ones(2, 3),))
    with pytest.raises(CaptureFailed, match=r"inputs.*x"):
        capture(Identity(), (torch.ones(2, 3, device="meta"),))


class Identity(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(2, 2).to_sparse(), "sparse"),
        (torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantized"),
        (torch.ones(2, dtype=torch.complex32), "complex32"),
    ],
)
def test_tensors_of_other_kinds_are_refused(tensor, message):
    with pytest.raises(CaptureFailed, match=message):
        capture(Identity(), (tensor,))


@pytest.mark.parametrize("model", [None, "model.pt", nn.Linear, lambda x: x, {"weight": torch.ones(2)}])
def test_what_is_no_model(model):
    with pytest.raises(InvalidArgument):
        capture(model, (torch.ones(2),))


@pytest.mark.parametrize(
    ("model", "way_out"),
    [
        (nn.DataParallel(Identity()), r"model\.module"),
        (nn.Sequential(nn.DataParallel(Identity())), r"model\.0\.module"),
        (torch.compile(Identity()), r"model\._orig_mod"),
        (nn.Sequential(Identity(), torch.compile(Identity())), r"model\.1\._orig_mod"),
    ],
    ids=["parallel", "parallel-inside", "compiled", "compiled-inside"],
)
def test_wrappers_name_the_way_out(model, way_out):
    with pytest.raises(InvalidArgument, match=way_out):
        capture(model, (torch.ones(2),))


def test_compiled_functions_are_refused():
    class Model(nn.Module):
        def forward(self, x):
            return torch.compile(torch.relu)(x)

    with pytest.raises(CaptureFailed, match=r"torch\.compile"):
        capture(Model(), (torch.ones(2),))


def test_views_as_another_type_are_named():
    class Bits(nn.Module):
        def forward(self, x):
            return x.view(torch.int32) >> 23

    with pytest.raises(CaptureFailed, match=r"memory of a tensor as another element type[\s\S]*to\(dtype\)"):
        capture(Bits(), torch.ones(2, 3))


def test_arguments_that_do_not_fit():
    with pytest.raises(InvalidArgument, match="missing a required argument"):
        capture(Identity(), ())
    with pytest.raises(InvalidArgument, match="mask"):
        capture(Identity(), (torch.ones(2),), {"mask": None})


def test_no_tensor_comes_out():
    class Model(nn.Module):
        def forward(self, x):
            return 3

    with pytest.raises(CaptureFailed, match="no tensor"):
        capture(Model(), (torch.ones(2),))


def test_parameters_that_no_module_owns():
    weight = nn.Parameter(torch.ones(2))

    class Model(nn.Module):
        def forward(self, x):
            return x * weight

    with pytest.raises(CaptureFailed, match="belongs to none of its modules"):
        capture(Model(), (torch.ones(2),))


class Exporting(nn.Module):
    """Exports another model in its ``forward``."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.refused = False

    def forward(self, x):
        try:
            capture(self.inner, (torch.ones(2),))
        except CaptureFailed:
            if not self.refused:
                raise
        return Doubled.apply(x)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x * 2


@pytest.mark.parametrize("inner", [nn.Identity(), torch.jit.script(nn.Identity())], ids=["traced", "scripted"])
def test_an_export_within_an_export_is_refused(inner):
    model = Exporting(inner)
    with pytest.raises(CaptureFailed, match="while another one is traced"):
        capture(model, (torch.ones(2),))
    model.refused = True
    # The outer one is as it would be without.
    graph = capture(model, (torch.ones(2),), keeps_function=lambda _: False).graph
    assert [str(eqn.op) for eqn in graph.eqns] == ["aten::mul.Tensor"]


def test_functions_are_followed_until_the_outermost_use_ends():
    seen = []

    def keeps(cls):
        seen.append(cls)
        return False

    with private.followed_functions(keeps):
        with private.followed_functions(lambda _: False):
            Doubled.apply(torch.ones(2))
        assert seen == []
        Doubled.apply(torch.ones(2))
    Doubled.apply(torch.ones(2))
    assert seen == [Doubled]


def test_other_warnings_pass_and_tracer_warnings_do_not():
    class Model(nn.Module):
        def forward(self, x):
            warnings.warn("the user's own", UserWarning, stacklevel=1)
            return x * int(x.sum())

    with pytest.warns(UserWarning, match="the user's own") as seen:
        capture(Model(), (torch.ones(2),))
    assert [str(item.message) for item in seen] == ["the user's own"]


def test_deep_copies_of_a_captured_model_still_work():
    model = nn.Sequential(nn.Linear(3, 3))
    capture(model, (torch.ones(2, 3),))
    assert torch.equal(copy.deepcopy(model)(torch.ones(2, 3)), model(torch.ones(2, 3)))


def test_lazy_modules_are_named():
    with pytest.raises(CaptureFailed, match=r"uninitialized tensors hold no data: weight, bias"):
        capture(nn.LazyLinear(3), (torch.ones(2, 3),))
