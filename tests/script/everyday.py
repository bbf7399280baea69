"""Programs as models have them: dictionaries made by calls, autocast that is off, fused transformer layers."""

# ruff: noqa: UP006, UP030, UP031, UP032, UP035, UP045, C419, SIM905, FURB118, C408, C406, RUF100 - the script language as people write it

from collections import OrderedDict
from typing import Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.script.corpus import program, rows

X, Y = rows(2, 3), rows(4, 3, start=0.5)
IMAGE, LARGER = rows(1, 4, 5, 3), rows(2, 6, 4, 3)
SEQUENCE, LONGER = rows(2, 4, 8).sin(), rows(3, 5, 8).sin()


@program((X,), (Y,))
class OrderedResults(nn.Module):
    def forward(self, x):
        found = OrderedDict()
        found["sum"] = x.sum(1)
        if x.size(0) > 3:
            found["sum"] = found["sum"] * 2
        found["rest"] = x
        return found


@program((X,), (Y,))
def dictionary_of_pairs(x):
    made = dict([("a", x), ("b", x + 1)])
    named = OrderedDict([("a", x * 2)])
    copied = dict(made)
    copied["a"] = x * 3
    empty: Dict[str, Tensor] = dict()
    return made, named, copied, len(empty)


@program((X,), refused="a dictionary made of a list of pairs")
def dictionary_of_a_built_list(x):
    pairs = [("a", x)]
    for _ in range(int(x.sum())):
        pairs.append(("b", x))
    return OrderedDict(pairs)


@program((X,), (Y,))
class AutocastOff(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        with torch.autocast(device_type="cpu", enabled=False):
            y = self.linear(x.float())
        with torch.autocast(device_type="cuda", dtype=torch.float16):
            return self.linear(y)


@program((X,), refused="the class torch.amp.autocast_mode.autocast")
class AutocastOn(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
            return self.linear(x)


@program(
    (SEQUENCE, torch.tensor([[False, False, True, True], [False, False, False, True]])),
    (LONGER, torch.arange(5) > torch.tensor([[2], [3], [4]])),
)
class PaddedEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x, padding: Tensor | None = None):
        return self.encoder(x, src_key_padding_mask=padding)


@program((SEQUENCE,), (LONGER,))
class CausalEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        mask = torch.full((x.size(1), x.size(1)), float("-inf")).triu(1)
        return self.layer(x, src_mask=mask)


@program((IMAGE,), (LARGER,))
def padding_between_permutations(x):
    # What comes before and behind is what a runtime's optimizer moves transposes past.
    x = functional.pad(x.permute(0, 3, 1, 2), (1, 2, 0, 1))
    x = functional.pad(x.relu(), (1, 1, 1, 1), mode="reflect")
    return x.permute(0, 2, 3, 1)


@program((rows(1, 8, 8, 2),), (rows(3, 8, 8, 2),))
def unfold_between_permutations(x):
    columns = functional.unfold(x.permute(0, 3, 1, 2), 3, padding=1)
    return functional.fold(columns * 2, (8, 8), 3, padding=1).permute(0, 2, 3, 1)


@program((X,), (Y,))
def keys_made_of_numbers(x):
    found: Dict[str, Tensor] = {}
    steps: Dict[int, Tensor] = {}
    for i in range(0, 6, 2):
        steps[i] = x * i
        for j in range(3, 0, -1):
            found[str(i) + "/" + "_".join([str(j), "a"])] = x + j
        found["{}-{}".format(min(i, 3), max(abs(-i), 2))] = x - 1
        found["%d%%" % max(i, 1)] = steps[i]
    for name in "a b".split(" "):
        found[name.upper()] = steps[4]
    return found


@program((X,), (Y,))
def text_with_places_that_are_none(x):
    # The script language knows none but empty braces.
    return {"{} {:d}".format(1, 2): x}


@program((rows(4),), (rows(5, start=1.0),), (-rows(3, start=2.0),), (torch.zeros(0),))
def truth_of_a_list_of_any_length(x):
    signs = [bool(value > 0) for value in x]
    return any(signs), all(signs), any([float(value) for value in x])


@program((torch.tensor([3.0, 4.0, -1.0, 2.0, -2.0]),), (torch.tensor([5.0, 6.0, 7.0, -2.0, -1.0]),))
def stack_machine(codes):
    # In the first turn there is nothing to take; that branch is for later ones.
    stack: List[Tensor] = []
    for i in range(codes.numel()):
        code = codes[i]
        if bool(code >= 0):
            stack.append(code)
        else:
            right = stack.pop()
            left = stack.pop()
            if bool(code == -1):
                stack.append(left + right)
            else:
                stack.append(left * right)
    return stack.pop(), len(stack)


@program((torch.tensor([1, 1, 2, 1, 2, 2]),), (torch.tensor([1, 2, 1]),), (torch.tensor([2, 1]),))
def matching_brackets(codes):
    depths: List[int] = []
    longest = 0
    for code in codes:
        if int(code) == 1:
            depths.append(longest)
        elif len(depths) > 0:
            longest = depths.pop() + 1
            if len(depths) > 0:
                depths[-1] = max(depths[-1], longest)
        else:
            return -1
    return longest - len(depths)


@program((rows(3, 5), 2), (rows(2, 9), 4), (rows(2, 3), 7))
def elements_from_some_turns_ago(x, lag: int):
    past: List[Tensor] = []
    for i in range(x.size(1)):
        now = x[:, i]
        if len(past) >= lag:
            now = now + past[-lag] * 0.5
        past.append(now)
        if len(past) > 4:
            past = past[1:]
    return torch.stack(past, 1)


@program((SEQUENCE, LONGER[:2, :3]), (LONGER, SEQUENCE[:1].expand(3, 4, 8)))
class AttentionOfOneAndOfOthers(nn.Module):
    # It asks whether key and value are one tensor, after branches on the rank and on the order of axes.
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.across = nn.MultiheadAttention(8, 2, batch_first=True)
        self.within = nn.MultiheadAttention(8, 2)

    def forward(self, x, y):
        found, weights = self.across(x, y, y)
        return found + self.across(x, y, y + 1)[0], weights, self.within(y, y, y)[0]


@program((X, 1), (Y, 2), (X, 3))
def identity_that_branches_decide(x, n: int):
    a = x.unsqueeze(0)
    b = x.unsqueeze(1)
    if n == 1:
        a = x
        b = x
    return int(a is b), int(a is not b), int(a is x), int(b is not x)


@program((X, Y), (Y, X))
def parts_of_a_built_list(x, y):
    a, b = [item * 2 for item in (x, y)]
    c, d = [item.t() for item in (a, b)]
    return c, d, int(c is d)


@program((X,), (Y,), refused="Where the size is 1, index the axis with 0")
def squeeze_of_a_named_axis(x):
    return x.squeeze(0)


@program((X, True), (Y, False), refused="which is None in some runs", has_line=False)
def optional_pair(x, wanted: bool):
    pair: Optional[Tuple[Tensor, Tensor]] = None
    if wanted:
        pair = (x, x * 2)
    return x, pair


@program((rows(3),), (rows(1),), (rows(5),))
def element_where_there_is_one(x):
    return x.select(0, 0) if x.size(0) == 1 else x


@program((X,), (Y,))
class DeviceByName(nn.Module):
    def grid(self, n: int, device: str = "cpu"):
        place = torch.device(device)
        return torch.arange(n, device=place) + torch.zeros(1, device=place)

    def forward(self, x):
        return x.sum(1) + self.grid(x.size(0))
