"""Four captures at once."""

from concurrent.futures import ThreadPoolExecutor

import torch
from onnxport_frontend import capture
from onnxport_ir.captured_text import format_graph
from torch import nn


class Model(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))

    def forward(self, x):
        assert torch.onnx.is_in_onnx_export()
        for layer in self.layers:
            x = layer(x) if x.sum() != 12345 else x
        return x


def test_captures_in_threads_are_those_of_one_thread():
    models = [Model(depth) for depth in range(5, 21)]
    x = torch.randn(2, 4)

    def text(model):
        captured = capture(model, (x,), dynamic_axes={"x": {0: "n"}})
        return format_graph(captured.graph), captured.findings

    alone = [text(model) for model in models]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(text, models))
    assert together == alone
    assert all(len(findings) == 1 for _, findings in together)
    assert not torch.onnx.is_in_onnx_export()
