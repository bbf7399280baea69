"""Models of transformers at every opset, on two sizes: random weights, small configurations, users' calls."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import onnxport
import pytest
import torch

from tests.models.harness import Call, ModelCase, check

transformers = pytest.importorskip("transformers", reason="needs transformers, which `nox -s models` installs")

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 32, "vocab_size": 50}
TEXT_AXES = {"input_ids": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "length"}}


def text(batch: int, length: int, *, left: bool = False) -> Call:
    """Tokens with padding, which language models have on the left."""
    amount = torch.arange(batch).unsqueeze(1) % (length - 1)
    order = torch.arange(length)
    mask = order >= amount if left else order < length - amount
    return (), {"input_ids": torch.randint(2, 50, (batch, length)), "attention_mask": mask.long()}


def bert() -> torch.nn.Module:
    return transformers.BertModel(transformers.BertConfig(**SMALL, max_position_embeddings=32))


def bert_text(batch: int, length: int) -> Call:
    args, kwargs = text(batch, length)
    return args, {**kwargs, "token_type_ids": (torch.arange(length) > 2).long().expand(batch, -1)}


def distilbert() -> torch.nn.Module:
    config = transformers.DistilBertConfig(
        vocab_size=50, max_position_embeddings=32, n_layers=3, n_heads=4, dim=16, hidden_dim=32
    )
    return transformers.DistilBertForSequenceClassification(config)


def gpt2() -> torch.nn.Module:
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=32, n_embd=16, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel(config)


def llama() -> torch.nn.Module:
    config = transformers.LlamaConfig(
        **SMALL, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=0, eos_token_id=1
    )
    return transformers.LlamaForCausalLM(config)


def t5() -> torch.nn.Module:
    config = transformers.T5Config(vocab_size=50, d_model=16, d_kv=4, d_ff=32, num_layers=3, num_heads=4)
    return transformers.T5ForConditionalGeneration(config)


def translation(batch: int, length: int, target: int) -> Call:
    args, kwargs = text(batch, length)
    return args, {**kwargs, "decoder_input_ids": torch.randint(2, 50, (batch, target))}


def vit() -> torch.nn.Module:
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=32, image_size=32, patch_size=8
    )
    return transformers.ViTForImageClassification(config)


def images(batch: int) -> Call:
    return (), {"pixel_values": torch.randn(batch, 3, 32, 32)}


def whisper_encoder() -> torch.nn.Module:
    config = transformers.WhisperConfig(
        vocab_size=50, d_model=16, encoder_layers=3, encoder_attention_heads=4, encoder_ffn_dim=32, decoder_layers=1,
        decoder_attention_heads=4, decoder_ffn_dim=32, num_mel_bins=8, max_source_positions=20, pad_token_id=0,
        bos_token_id=0, eos_token_id=1, decoder_start_token_id=1,
    )  # fmt: skip
    encoder: torch.nn.Module = transformers.WhisperModel(config).get_encoder()
    return encoder


def spectrograms(batch: int) -> Call:
    return (), {"input_features": torch.randn(batch, 8, 40)}


def of_text(name: str, model: Any, call: Any = text, **extra: Any) -> ModelCase:
    """A model of text, with dynamic batch and length."""
    sizes = {"batch": 2, "length": 7}
    others = {"batch": 3, "length": 5}
    return ModelCase(name, model, call, **{"sizes": sizes, "others": others, "axes": TEXT_AXES, **extra})


CASES = [
    of_text("bert", bert, bert_text, axes={**TEXT_AXES, "token_type_ids": {0: "batch", 1: "length"}}),
    of_text("distilbert", distilbert),
    of_text("gpt2", gpt2, functools.partial(text, left=True)),
    of_text("llama", llama, functools.partial(text, left=True)),
    of_text(
        "t5",
        t5,
        translation,
        sizes={"batch": 2, "length": 7, "target": 4},
        others={"batch": 3, "length": 5, "target": 6},
        axes={**TEXT_AXES, "decoder_input_ids": {0: "batch", 1: "target"}},
    ),
    ModelCase("vit", vit, images, {"batch": 2}, {"batch": 3}, {"pixel_values": {0: "batch"}}),
    ModelCase(
        "whisper-encoder", whisper_encoder, spectrograms, {"batch": 2}, {"batch": 3}, {"input_features": {0: "batch"}}
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case: ModelCase, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_the_cache_of_a_language_model_is_an_output() -> None:
    torch.manual_seed(0)
    model = llama().eval()
    _, kwargs = text(2, 7, left=True)
    program = onnxport.export(model, (), kwargs=kwargs, dynamic_axes=TEXT_AXES)
    assert program.input_names == ("input_ids", "attention_mask")
    assert len(program.output_names) == 1 + 2 * model.config.num_hidden_layers
    _, kwargs = text(3, 5, left=True)
    with torch.no_grad():
        expected, found = model(**kwargs), program(**kwargs)
    assert type(found) is type(expected)
    assert type(found.past_key_values) is type(expected.past_key_values)
    for ours, theirs in zip(found.past_key_values.layers, expected.past_key_values.layers, strict=True):
        torch.testing.assert_close(ours.keys, theirs.keys, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.values, theirs.values, rtol=1e-4, atol=1e-4)
