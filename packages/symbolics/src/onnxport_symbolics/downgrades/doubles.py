"""Functions and recurrences of float64 that ONNX Runtime lacks, from what it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from onnxport_ir import DType, TensorType, Value

from onnxport_symbolics.aten.integer_conv import pad_with_zeros, slices_of_windows
from onnxport_symbolics.calls import Call, stand_in
from onnxport_symbolics.downgrades.axes import first
from onnxport_symbolics.integers import INT64_MAX
from onnxport_symbolics.op import Op
from onnxport_symbolics.series import number, polynomial

# Cody, "Rational Chebyshev approximations for the error function" (1969): erf(x) / x up to 15 / 32, in x * x;
_ERF = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
# exp(x * x) erfc(x) up to 4, in x;
_MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
# and (1 / sqrt(pi) - x exp(x * x) erfc(x)) * x * x above, in 1 / (x * x).
_TAIL = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)
# From here on erf rounds to 1.
_ERF_ENDS = 6.0

# The arc tangent up to 0.66, (atan(x) / x - 1) / (x * x) in x * x, as in the Cephes library.
_ATAN = (
    (
        -8.750608600031904122785e-1,
        -1.615753718733365076637e1,
        -7.500855792314704667340e1,
        -1.228866684490136173410e2,
        -6.485021904942025371773e1,
    ),
    (
        1.0,
        2.485846490142306297962e1,
        1.650270098316988542046e2,
        4.328810604912902668951e2,
        4.853903996359136964868e2,
        1.945506571482613964425e2,
    ),
)

_Rational = tuple[Sequence[float], Sequence[float]]


def _is_double(op: Op, call: Call) -> bool:
    return op.dtype(first(call)) is DType.FLOAT64 and not op.has_kernel(call)


def _ratio(op: Op, x: Value, rational: _Rational) -> Value:
    return op.Div(polynomial(op, x, rational[0]), polynomial(op, x, rational[1]))


@stand_in("Erf")
def erf_of_doubles(op: Op, call: Call) -> Call | Value:
    """Rational functions of three ranges."""
    if not _is_double(op, call):
        return call
    x = first(call)
    size = op.Abs(x)
    square = op.Mul(x, x)
    near = op.Mul(x, _ratio(op, square, _ERF))
    # Where a range is not chosen its argument is kept within bounds, so that no NaN or infinity comes about.
    middle = op.Min(size, number(op, 4.0))
    far = op.Min(op.Max(size, number(op, 4.0)), number(op, _ERF_ENDS))
    inverse = op.Reciprocal(op.Mul(far, far))
    tail = op.Sub(number(op, 1 / math.sqrt(math.pi)), op.Mul(inverse, _ratio(op, inverse, _TAIL)))
    scaled = op.Where(op.Greater(size, number(op, 4.0)), op.Div(tail, far), _ratio(op, middle, _MIDDLE))
    bounded = op.Min(size, number(op, _ERF_ENDS))
    rest = op.Mul(op.Exp(op.Neg(op.Mul(bounded, bounded))), scaled)
    outer = op.Mul(op.Sign(x), op.Sub(number(op, 1.0), rest))
    result = op.Where(op.Greater(size, number(op, 15 / 32)), outer, near)
    return op.Where(op.IsNaN(x), x, result)


def _arc_tangent(op: Op, x: Value) -> Value:
    size = op.Abs(x)
    is_large = op.Greater(size, number(op, math.tan(3 * math.pi / 8)))
    is_middle = op.Greater(size, number(op, 0.66))
    turned = op.Neg(op.Reciprocal(op.Max(size, number(op, 1.0))))
    shifted = op.Div(op.Sub(size, number(op, 1.0)), op.Add(size, number(op, 1.0)))
    reduced = op.Where(is_large, turned, op.Where(is_middle, shifted, size))
    offset = op.Where(is_large, number(op, math.pi / 2), op.Where(is_middle, number(op, math.pi / 4), number(op, 0.0)))
    square = op.Mul(reduced, reduced)
    angle = op.Add(op.Mul(op.Mul(reduced, square), _ratio(op, square, _ATAN)), reduced)
    return op.Where(op.IsNaN(x), x, op.Mul(op.Sign(x), op.Add(offset, angle)))


def _arc_sine(op: Op, x: Value) -> Value:
    one = number(op, 1.0)
    return _arc_tangent(op, op.Div(x, op.Sqrt(op.Mul(op.Sub(one, x), op.Add(one, x)))))


def _arc_cosine(op: Op, x: Value) -> Value:
    one = number(op, 1.0)
    return op.Mul(_arc_tangent(op, op.Sqrt(op.Div(op.Sub(one, x), op.Add(one, x)))), number(op, 2.0))


_ANGLES: dict[str, Callable[[Op, Value], Value]] = {"Acos": _arc_cosine, "Asin": _arc_sine, "Atan": _arc_tangent}


@stand_in(*_ANGLES)
def angles_of_doubles(op: Op, call: Call) -> Call | Value:
    """The arc tangent by a rational function, the others by way of it."""
    return _ANGLES[call.op_type](op, first(call)) if _is_double(op, call) else call


@stand_in("AveragePool")
def average_of_doubles(op: Op, call: Call) -> Call | Value:
    """A sum of shifted slices, divided by how many elements each window has."""
    attributes = call.attributes
    if not _is_double(op, call) or attributes.get("ceil_mode", 0) or attributes.get("auto_pad", "NOTSET") != "NOTSET":
        return call
    x, kernel = first(call), attributes["kernel_shape"]
    spatial = len(kernel)
    pads = attributes.get("pads", [0] * 2 * spatial)

    def total(value: Value) -> Value:
        padded = pad_with_zeros(op, value, pads[:spatial], pads[spatial:])
        ones = [1] * spatial
        parts = slices_of_windows(
            op, padded, kernel, attributes.get("strides", ones), attributes.get("dilations", ones)
        )
        return op.Sum(*parts)

    if attributes.get("count_include_pad", 0) or not any(pads):
        return op.Div(total(x), number(op, math.prod(kernel)))
    # A window over nothing but padding does not exist: the padding is less than the window.
    return op.Div(total(x), total(op.Add(op.Mul(x, number(op, 0.0)), number(op, 1.0))))


# What one step makes of the gates' inputs, the states, and the weights of the states: the new states.
_Step = Callable[[Op, Value, list[Value], "_Weights"], list[Value]]


class _Weights:
    """What one direction multiplies the hidden state with; (G * H, H) and (G * H,)."""

    def __init__(self, op: Op, recurrent: Value, bias: Value) -> None:
        self.turned = op.Transpose(recurrent, perm=[1, 0])
        self.bias = bias

    def of(self, op: Op, hidden: Value) -> Value:
        return op.Add(op.MatMul(hidden, self.turned), self.bias)


def _lstm_step(op: Op, inputs: Value, states: list[Value], weights: _Weights) -> list[Value]:
    """ONNX's order of the gates: input, output, forget, cell."""
    hidden, cell = states
    gates = op.multi("Split", 4, op.Add(inputs, weights.of(op, hidden)), axis=-1, num_outputs=4)
    inward, outward, forget = (op.Sigmoid(gate) for gate in gates[:3])
    cell = op.Add(op.Mul(forget, cell), op.Mul(inward, op.Tanh(gates[3])))
    return [op.Mul(outward, op.Tanh(cell)), cell]


def _gru_step(op: Op, inputs: Value, states: list[Value], weights: _Weights) -> list[Value]:
    """ONNX's order of the gates: update, reset, hidden; the reset acts after the product."""
    (hidden,) = states
    of_input = op.multi("Split", 3, inputs, axis=-1, num_outputs=3)
    of_state = op.multi("Split", 3, weights.of(op, hidden), axis=-1, num_outputs=3)
    update, reset = (op.Sigmoid(op.Add(a, b)) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    new = op.Tanh(op.Add(of_input[2], op.Mul(reset, of_state[2])))
    return [op.Add(op.Mul(op.Sub(hidden, new), update), new)]


def _rnn_step(activation: str) -> _Step:
    def step(op: Op, inputs: Value, states: list[Value], weights: _Weights) -> list[Value]:
        total = op.Add(inputs, weights.of(op, states[0]))
        return [op.Tanh(total) if activation == "Tanh" else op.Max(total, number(op, 0.0))]

    return step


_CELLS: dict[str, _Step] = {"LSTM": _lstm_step, "GRU": _gru_step}


@stand_in("LSTM", "GRU", "RNN")
def recurrence_of_doubles(op: Op, call: Call) -> Call | tuple[Value, ...]:
    """A loop over the steps for each direction.

    Only what torch's networks ask for: their activations, no peepholes, the reset gate after the product.
    """
    x, weights, recurrent, biases, lengths, *initial = (*call.operands, *[None] * 8)[:8]
    if x is None or weights is None or recurrent is None or op.dtype(x) is not DType.FLOAT64:
        return call
    activations = call.attributes.get("activations") or ["Tanh"]
    is_usual = call.op_type == "RNN" or (
        "activations" not in call.attributes and call.attributes.get("linear_before_reset", call.op_type == "LSTM")
    )
    if not is_usual or initial[2] is not None or call.attributes.get("clip") or call.attributes.get("layout", 0):
        return call
    step = _CELLS.get(call.op_type) or _rnn_step(activations[0])
    count = 2 if call.op_type == "LSTM" else 1
    direction = call.attributes.get("direction", "forward")
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    found: list[tuple[Value, list[Value]]] = []
    for index, backward in enumerate(backwards):
        w, r = (op.Gather(value, op.const(index), axis=0) for value in (weights, recurrent))
        bias = _bias(op, biases, index, w)
        gates = op.Add(op.MatMul(x, op.Transpose(w, perm=[1, 0])), bias[0])
        states = [_initial(op, value, index, x, r) for value in initial[:count]]
        found.append(_run(op, gates, states, lengths, backward, step, _Weights(op, r, bias[1])))
    outputs = op.Concat(*(op.Unsqueeze(output, [1]) for output, _ in found), axis=1)
    last = [op.Concat(*(op.Unsqueeze(ends[k], [0]) for _, ends in found), axis=0) for k in range(count)]
    return (outputs, *last)[: call.num_results]


def _bias(op: Op, biases: Value | None, index: int, weight: Value) -> tuple[Value, ...]:
    """Those of the input and of the state."""
    if biases is None:
        return number(op, 0.0), number(op, 0.0)
    return op.multi("Split", 2, op.Gather(biases, op.const(index), axis=0), axis=0, num_outputs=2)


def _initial(op: Op, value: Value | None, index: int, x: Value, recurrent: Value) -> Value:
    """The state before the first step; (N, H)."""
    if value is not None:
        return op.Gather(value, op.const(index), axis=0)
    return op.Expand(number(op, 0.0), op.ints([op.dim(x, 1), op.dim(recurrent, 1)]))


def _run(
    op: Op,
    gates: Value,
    states: list[Value],
    lengths: Value | None,
    backward: bool,
    step: _Step,
    weights: _Weights,
) -> tuple[Value, list[Value]]:
    """The hidden state after each step (T, N, H), and the states after the last."""
    trips = op.scalar(op.dim(gates, 0), DType.INT64)
    counter, flag = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    sizes = op.sizes(gates)[1], op.sizes(states[0])[1]
    carried = [Value(TensorType(DType.FLOAT64, sizes)) for _ in states]
    with op.body([counter, flag, *carried], name="recurrence") as body:
        position = op.Sub(op.Sub(trips, op.const(1)), counter) if backward else counter
        new = step(op, op.Gather(gates, position, axis=0), list(carried), weights)
        output = new[0]
        if lengths is not None:
            is_within = op.Unsqueeze(op.Less(position, op.cast(lengths, DType.INT64)), [1])
            new = [op.Where(is_within, after, before) for after, before in zip(new, carried, strict=True)]
            output = op.Where(is_within, output, number(op, 0.0))
        body.outputs = [op.alias(flag), *(op.own(value) for value in new), op.alias(output)]
    results = op.multi("Loop", len(states) + 1, trips, op.const(True, DType.BOOL), *states, body=body)
    *ends, outputs = results
    for end in ends:
        op.retype(end, TensorType(DType.FLOAT64, sizes))
    outputs = op.retype(outputs, TensorType(DType.FLOAT64, (op.sizes(gates)[0], *sizes)))
    if backward:
        outputs = op.Slice(outputs, op.const([-1]), op.const([-INT64_MAX]), op.const([0]), op.const([-1]))
    return outputs, ends
