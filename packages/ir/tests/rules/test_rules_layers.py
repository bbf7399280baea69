"""Rules of recurrent layers, attention, spectra and detection."""

from __future__ import annotations

import numpy as np
import pytest
from onnxport_ir import SymDim

n, m, h, w, k = (SymDim.named(name) for name in "nmhwk")
Q, K, V = ("f32", n, 4, h, 8), ("f32", n, 2, w, 8), ("f32", n, 2, w, 6)
PAST = (("f32", n, 2, m, 8), ("f32", n, 2, m, 6))


def ints(*numbers):
    return np.array(numbers, np.int64)


def recurrent(op, gates, directions, direction, **options):
    weights = [("f32", directions, gates * 5, 3), ("f32", directions, gates * 5, 5)]
    attributes = {"hidden_size": 5, "direction": direction}
    return (op, [("f32", h, n, 3), *weights], attributes, {"results": 3 if op == "LSTM" else 2, **options})


CASES = {
    "LSTM": recurrent("LSTM", 4, 1, "forward"),
    "LSTM-both": recurrent("LSTM", 4, 2, "bidirectional"),
    "GRU": recurrent("GRU", 3, 1, "reverse"),
    "GRU-both": recurrent("GRU", 3, 2, "bidirectional"),
    "RNN": recurrent("RNN", 1, 1, "forward"),
    "Attention": ("Attention", [Q, K, V], {}, {"results": 4}),
    "Attention-past": ("Attention", [Q, K, V, None, *PAST], {}, {"results": 4}),
    "Attention-flat": (
        "Attention",
        [("f32", n, h, 32), ("f32", n, w, 16), ("f32", n, w, 12)],
        {"q_num_heads": 4, "kv_num_heads": 2},
        {"results": 4},
    ),
    "Attention-flat-past": (
        "Attention",
        [("f32", n, h, 32), ("f32", n, w, 16), ("f32", n, w, 12), None, *PAST],
        {"q_num_heads": 4, "kv_num_heads": 2},
        {"results": 3},
    ),
    "DFT": ("DFT", [("f32", n, h, 2)], {"axis": 1}, {"last": 19}),
    "DFT-onesided": ("DFT", [("f32", n, h, 1)], {"axis": 1, "onesided": 1}, {"last": 19}),
    "DFT-length": ("DFT", [("f32", n, h, 1), np.int64(6)], {"axis": 1, "onesided": 1}, {"last": 19}),
    "DFT-inverse": ("DFT", [("f32", n, h, 2)], {"axis": 1, "inverse": 1}, {"last": 19}),
    "DFT-20": ("DFT", [("f32", n, h, 1)], {}, {"first": 20}),
    "DFT-20-axis": ("DFT", [("f32", h, n, 1), None, np.int64(0)], {"onesided": 1}, {"first": 20}),
    "DFT-20-length": ("DFT", [("f32", n, h, 1), ("size", w), np.int64(1)], {"onesided": 1}, {"first": 20}),
    "DFT-20-real": (
        "DFT",
        [("f32", n, h, 2), ("size", 2 * h - 2), np.int64(1)],
        {"onesided": 1, "inverse": 1},
        {"first": 20},
    ),
    "STFT": ("STFT", [("f32", n, 16 * h, 1), np.int64(4), ("f32", 8), np.int64(8)]),
    "STFT-window": ("STFT", [("f32", n, 16 * h, 1), np.int64(3), ("f32", 8)]),
    "STFT-length": ("STFT", [("f32", n, 16 * h, 1), np.int64(3), None, np.int64(9)]),
    "STFT-twosided": ("STFT", [("f32", n, 16 * h, 1), np.int64(3), ("f32", 8)], {"onesided": 0}),
    "GridSample": ("GridSample", [("f32", n, m, 4, 5), ("f32", n, h, w, 2)]),
    "GridSample-3d": ("GridSample", [("f32", n, m, 4, 5, 3), ("f32", n, h, w, 2, 3)], {}, {"first": 20}),
    "RoiAlign": (
        "RoiAlign",
        [("f32", 1, m, h, w), ("f32", n, 4), np.zeros(2, np.int64)],
        {"output_height": 2, "output_width": 3},
        {"sizes": [{"n": 2, "m": 3, "h": 7, "w": 8}], "last": 21},
    ),
    "MaxRoiPool": (
        "MaxRoiPool",
        [("f32", 1, m, h, w), np.zeros((2, 5), np.float32)],
        {"pooled_shape": (2, 3)},
        {"last": 21},
    ),
    "NonMaxSuppression": (
        "NonMaxSuppression",
        [("f32", n, h, 4), ("f32", n, m, h), np.int64(2)],
        {},
        {"loose": 1},
    ),
}


def test_type_is_that_of_the_runtime(case, oracle):
    opset, op, operands, attributes, options = case
    oracle.check(opset, op, operands, attributes, **options)


@pytest.mark.parametrize("opset", [14, 22])
@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_batch_first_recurrence(oracle, opset, op, gates):
    weights = [("f32", 1, gates * 5, 3), ("f32", 1, gates * 5, 5)]
    results = 3 if op == "LSTM" else 2
    oracle.check(opset, op, [("f32", n, h, 3), *weights], {"hidden_size": 5, "layout": 1}, results, reference=True)
