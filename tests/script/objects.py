"""Programs with objects, dictionaries, enumerations, tasks, context managers, and what is asked of types."""

# ruff: noqa: UP006, UP007, UP035, UP045, SIM108, RUF100 - the script language as people write it

import enum
from typing import Dict, Final, List, NamedTuple, Optional, Union

import torch
from torch import Tensor, nn

from tests.script.corpus import add, program, rows
from tests.script.modules import loaded

X, Y = rows(2, 3), rows(4, 3, start=0.5)


@torch.jit.script
class Total:
    def __init__(self, x: Tensor, k: int):
        self.value = x
        self.k = k

    def add(self, x: Tensor):
        self.value = self.value + x
        self.k += 1
        return self

    def get(self) -> Tensor:
        return self.value * self.k


@torch.jit.script
class Stack:
    def __init__(self):
        self.items: List[Tensor] = []
        self.counts: Dict[str, int] = {"pushed": 0}

    def push(self, x: Tensor):
        self.items.append(x)
        self.counts["pushed"] += 1


@program((X, 3), (Y, 1))
def object_in_straight_code(x, n: int):
    total = Total(x, n)
    total.add(x * 2).add(x * 3)
    return total.get(), total.k


@program((X, 3), (Y, 0))
def object_in_a_loop(x, n: int):
    total = Total(x, n)
    for i in range(n):
        total.add(x * i)
    return total.get(), total.k


@program((X, 3), (Y, 1))
def object_in_a_branch(x, n: int):
    total = Total(x, n)
    if n > 2:
        total.add(x)
    return total.get(), total.k


@program((X, 3), (Y, 1))
def object_with_a_list(x, n: int):
    stack = Stack()
    stack.push(x)
    for i in range(n):
        stack.push(x + i)
    return torch.stack(stack.items), stack.counts["pushed"]


@program((X, 3), (Y, 1))
def object_chosen_by_branch(x, n: int):
    a, b = Total(x, 1), Total(x * 2, 5)
    if n > 2:
        c = a
    else:
        c = b
    return c.get(), a.get()


@program((X, 3), (Y, 1), refused="may have another name")
def object_chosen_by_branch_and_written(x, n: int):
    a, b = Total(x, 1), Total(x * 2, 5)
    if n > 2:
        c = a
    else:
        c = b
    c.add(x)
    return a.get()


@program((X, 3), (Y, 1))
def object_as_argument_and_result(x, n: int):
    return _grown(Total(x, 1), n).get()


def _grown(total: Total, n: int) -> Total:
    while total.k < n:
        total.add(total.value)
    return total


class MakesObject(nn.Module):
    def forward(self, x, n: int):
        total = Total(x, n)
        total.add(x * 2)
        return total.get()


add("saved_with_a_class", lambda: loaded(MakesObject()), (X, 3), (Y, 1))


@program((X, 3), (Y, 0))
def dictionary_written_in_a_loop(x, n: int):
    d = {"h": x, "c": x * 2, "same": x}
    for i in range(n):
        d["h"] = torch.tanh(d["h"] + d["c"] + i)
        d["c"] = d["c"] * 0.5
    return d["h"], d["c"], d["same"]


@program((X, 3), (Y, 0))
def dictionary_replaced_in_a_loop(x, n: int):
    d = {"h": x, "c": x * 2}
    for i in range(n):
        d = {"h": torch.tanh(d["h"] + d["c"]), "c": d["c"] * 0.5 + i}
    return d["h"], d["c"]


@program((X, 3), (Y, 1))
def dictionary_written_in_branches(x, n: int):
    d = {"h": x, "c": x * 2}
    if n > 2:
        d["h"] = d["c"] + 1
    else:
        d["c"] = d["h"] * 2
    return d


@program((X, 3), (Y, 1))
def dictionary_of_each_branch(x, n: int) -> Dict[str, Tensor]:
    if n > 2:
        return {"h": x, "c": x * 2}
    y = x * 3
    return {"h": y, "c": y + 2}


@program((X, 4), (Y, 1))
def dictionary_returned_from_a_loop(x, n: int) -> Dict[str, Tensor]:
    for i in range(n):
        if i == 2:
            return {"a": x, "b": x * 2}
        x = x + 1
    return {"a": x * 3, "b": x}


@program((X, 3), (Y, 1))
def dictionary_of_dictionaries(x, n: int):
    d: Dict[str, Dict[str, Tensor]] = {"p": {"a": x}, "q": {"a": x * 2}}
    for i in range(n):
        d["p"]["a"] = d["q"]["a"] + i
        if i % 2 == 1:
            d["q"]["a"] = d["q"]["a"] * 3
    return d["p"]["a"], d["q"]["a"]


@program((X, 3), (Y, 1))
def dictionary_of_numbers_and_optionals(x, n: int):
    d: Dict[str, Optional[Tensor]] = {"a": None, "b": x}
    for _ in range(n):
        d["a"] = d["b"]
    a = d["a"]
    if a is not None:
        x = x + a
    k: Dict[str, int] = {"k": 0}
    while k["k"] < n:
        k["k"] += 1
    return x, k["k"]


@program((X, 3), (Y, 1))
def dictionary_key_of_one_branch(x, n: int):
    d = {"a": x}
    if n > 2:
        d["b"] = x * 2
    return d["a"]


@program((X, 3), (Y, 1), refused="in some runs and not in others")
def dictionary_key_of_one_branch_read(x, n: int):
    d = {"a": x}
    if n > 2:
        d["b"] = x * 2
    if "b" in d:
        x = x + d["b"]
    return x


@program((X,), (Y,))
def dictionary_keys_of_known_turns(x):
    d: Dict[str, Tensor] = {}
    for key in ["a", "b", "c"]:
        d[key] = x * len(d)
    total = x
    for _key, value in d.items():
        total = total * 2 + value
    return total, d


@program((X, 3), (Y, 1))
def dictionary_with_two_names(x, n: int):
    d = {"a": x}
    e = d
    for i in range(n):
        _bump(e, i)
    return d["a"]


def _bump(d: Dict[str, Tensor], i: int):
    d["a"] = d["a"] + i


@program((X, 3), (Y, 1), refused="may have another name")
def dictionary_chosen_and_written(x, n: int):
    d, e = {"a": x}, {"a": x * 2}
    if n > 2:
        f = d
    else:
        f = e
    f["a"] = x * 3
    return d["a"]


class Options(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = {"a": 1}

    def forward(self, x):
        self.seen["a"] = 2
        return x * self.seen["a"]


add("dictionary_of_a_module_written", lambda: torch.jit.script(Options()), (X,), (Y,), refused="one of its attributes")


class State(NamedTuple):
    h: Tensor
    c: Optional[Tensor]
    k: int


@program((X, 3), (Y, 0))
def named_tuple_carried(x, n: int):
    s = State(x, None, 0)
    for _ in range(n):
        c = s.c
        if c is None:
            c = s.h * 2
        s = State(torch.tanh(s.h + c), c * 0.5, s.k + 1)
    c = s.c
    return s.h, s.k, x if c is None else c


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class WithMode(nn.Module):
    def __init__(self):
        super().__init__()
        self.mode = Mode.SLOW

    def scaled(self, x, mode: Mode):
        if mode == Mode.FAST:
            return x
        return x * 2

    def forward(self, x):
        if self.mode.value == "slow" and self.mode.name == "SLOW" and self.mode != Mode.FAST:
            x = x + 1
        return self.scaled(x, Mode.FAST) - self.scaled(x, self.mode)


add("enumeration_of_a_module", lambda: torch.jit.script(WithMode()), (X,), (Y,))


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


@program((X, 3), (Y, 1), refused="Level.HIGH as a value")
def enumeration_chosen_by_branch(x, n: int):
    level = Level.LOW
    if n > 2:
        level = Level.HIGH
    return x * level.value


def _doubled(x):
    return x * 2


@program((X,), (Y,))
def tasks(x):
    task = torch.jit.fork(_doubled, x)
    y = x + 1
    return torch.jit.wait(task) + y


@program((X,), (Y,))
class TasksOfModules(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, x):
        tasks: List[torch.jit.Future[Tensor]] = []
        for part in self.parts:
            tasks.append(torch.jit.fork(part, x))
        found: List[Tensor] = []
        for task in tasks:
            found.append(torch.jit.wait(task))
        return torch.stack(found)


@program((X, 3), (Y, 0))
def without_gradients(x, n: int):
    for _ in range(n):
        with torch.no_grad():
            x = x * 2
    with torch.autograd.profiler.record_function("a"):
        return x * 3


@program((X,), (Y,), refused="context manager")
def with_autocast(x):
    with torch.autocast("cpu", torch.bfloat16):
        return x @ x.t()


@program((X,), (Y,))
def state_of_the_compiler(x):
    if torch.jit.is_scripting():
        x = x + 1
    if torch.jit.is_tracing():
        x = x * 3
    return x


@program((X,), (Y,), refused="call of Python")
class CallsPython(nn.Module):
    @torch.jit.ignore
    def kept_out(self, x) -> Tensor:
        return x

    def forward(self, x):
        return self.kept_out(x) + 1


@program((X,), (Y,))
class NeverCallsPython(nn.Module):
    @torch.jit.unused
    def kept_out(self, x) -> Tensor:
        raise RuntimeError("no")

    @torch.jit.export
    def other(self, x):
        return x * 2

    def forward(self, x):
        if self.training:
            x = self.kept_out(x)
        if not torch.jit.is_scripting():
            x = self.kept_out(x)
        return self.other(x)


@program((X, 3), (X, 1))
def types_of_values(x, n: int):
    k: Optional[int] = None
    if n > 2:
        k = n
    u: Union[int, float] = n
    if isinstance(k, int) and isinstance(u, int):
        x = x * k + u
    if not isinstance(k, int):
        x = x - 1
    return x


@program((X, 3), (Y, 1))
def none_after_a_question(x, n: int):
    k: Optional[int] = None
    for i in range(1, n):
        k = i + 1
    if bool(x.sum() > 5):
        x = x + 1
    else:
        if isinstance(k, int):
            return x * 7
    return x * (-1 if k is None else k)


@program((X,), (Y,))
def questions_about_tensors(x):
    if x.dtype == torch.float and not x.is_cuda and x.device == torch.device("cpu") and x.layout == torch.strided:
        x = x * 2
    if x.is_floating_point() and not x.is_complex() and not x.is_sparse and not x.requires_grad:
        x = x * 3
    y = torch.zeros([2], dtype=x.dtype, device=x.device, layout=x.layout)
    return x, y + y.element_size(), torch.ones(1).type_as(y)


@program((X,), (Y,), refused="is_contiguous")
def order_in_memory(x):
    y = x.t()
    if y.is_contiguous():
        return y + 1
    return y


@program((X, 3), (Y, 1))
def rank_by_branch(x, n: int):
    if n > 2:
        y = x
    else:
        y = x.unsqueeze(0)
    return y + 1, y.dim(), y.size(0), y.sum(), y.numel()


class Doubles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Triples(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 3


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class WithInterface(nn.Module):
    layer: Layer

    def __init__(self):
        super().__init__()
        self.layer = Triples()

    def forward(self, x: Tensor):
        return self.layer.forward(x)


add("interface", lambda: torch.jit.script(WithInterface()), (X,), (Y,))


class ModuleByIndex(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Doubles(), Triples()])

    def forward(self, x, i: int):
        layer: Layer = self.layers[i]
        return layer.forward(x)


add("module_by_index", lambda: torch.jit.script(ModuleByIndex()), (X, 1), (Y, 0), refused="chosen by an index")


@program((X,), (Y,))
class Containers(nn.Module):
    scale: Final[float]
    names: Final[List[str]]

    def __init__(self):
        super().__init__()
        self.table = nn.ModuleDict({"a": Doubles(), "b": Triples()})
        self.layers = nn.ModuleList([Doubles(), Triples()])
        self.scale = 2.0
        self.k = 3
        self.names = ["a", "b"]
        self.weights: List[Tensor] = [torch.ones(3), torch.zeros(3)]
        self.map: Dict[str, Tensor] = {"a": torch.ones(3) * 2}
        self.pair = (1, torch.ones(3))
        self.nothing = None

    def forward(self, x):
        x = self.table["a"](x) + self.layers[1](x)
        for name, layer in self.table.items():
            x = layer(x) + len(name)
        if "a" in self.table and hasattr(self, "k") and not hasattr(self, "missing"):
            x = x + self.k * getattr(self, "scale")  # noqa: B009 - the script language
        for layer in self.layers[1:]:
            x = layer(x)
        for weight in self.weights:
            x = x + weight
        for name in self.names:
            if name in self.map:
                x = x * self.map[name]
        if self.nothing is None:
            x = x + self.pair[1] * self.pair[0]
        return x + len(self.layers)


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 3, 1)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        y = self.norm(self.conv(x))
        if bool(y.sum() > 0):
            y = y * 2
        return y.relu()


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).relu()


def frozen(model):
    return torch.jit.freeze(torch.jit.script(model.eval()))


SERIES, IMAGES = ((rows(2, 3, 4),), (rows(1, 3, 5),)), ((rows(1, 3, 8, 8),), (rows(2, 3, 8, 8),))
LINEAR = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
add("frozen", lambda: frozen(Normal()), *SERIES)
add("frozen_and_saved", lambda: loaded(frozen(Normal())), *SERIES)
add("optimised_for_inference", lambda: torch.jit.optimize_for_inference(frozen(LINEAR)), (X,), (Y,))
if torch.backends.mkldnn.is_available():
    optimised = torch.jit.optimize_for_inference
    add("optimised_with_onednn", lambda: optimised(frozen(Image())), *IMAGES, refused="oneDNN", has_line=False)


@torch.jit.script_if_tracing
def summed(x, n: int):
    for i in range(x.size(0)):
        x = x + i * n
    return x


class UsesScriptIfTracing(nn.Module):
    def forward(self, x):
        return summed(x, 2) * 2


add("script_if_tracing", UsesScriptIfTracing, (X,), (Y,))


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(x)

    def other(self, x):
        return self.linear(x) * 2


class CallsTraced(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.jit.trace_module(Several().eval(), {"forward": X, "other": X})

    def forward(self, x):
        return self.inner.other(x) + self.inner(x)


def methods():
    return torch.jit.trace_module(Several().eval(), {"forward": X, "other": X})


add("trace_of_two_methods", methods, (X,), (Y,))
add("script_calls_traced_methods", lambda: torch.jit.script(CallsTraced()), (X,), (Y,))
add("saved_trace_of_two_methods", lambda: loaded(methods()), (X,), (Y,))
