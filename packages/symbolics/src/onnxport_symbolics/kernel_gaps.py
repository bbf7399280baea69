"""Types that ONNX allows and ONNX Runtime's CPU kernels lack; ``tools/probe_kernels.py`` writes the table."""

from __future__ import annotations

from collections.abc import Mapping

from onnxport_ir import DType

#: Measured with ONNX Runtime 1.32.0: operator, opset, type variable, and the types that are lacking from there on.
_TABLE = """
Abs 13 T: bf16
Acos 7 T: f64
Acos 22 T: f64 bf16
Acosh 9 T: f64
Acosh 22 T: f64 bf16
Add 13 T: bf16
AffineGrid 20 T1: bf16
ArgMax 7 T: u16 i16 u32 u64
ArgMax 13 T: u16 i16 u32 u64 bf16
ArgMin 7 T: u16 i16 u32 u64
ArgMin 13 T: u16 i16 u32 u64 bf16
Asin 7 T: f64
Asin 22 T: f64 bf16
Asinh 9 T: f64
Asinh 22 T: f64 bf16
Atan 7 T: f64
Atan 22 T: f64 bf16
Atanh 9 T: f64
Atanh 22 T: f64 bf16
Attention 24 U: u16 i16
AveragePool 7 T: f64
AveragePool 22 T: f64 bf16
BatchNormalization 14 T: f64 bf16
BatchNormalization 14 U: f64 bf16
BatchNormalization 15 T1: f64 bf16
BatchNormalization 15 T2: f64 bf16
BatchNormalization 15 U:
Bernoulli 22 T1: f32 f16 f64 bf16
CausalConvWithState 27 T: f32 f16 bf16
Ceil 13 T: bf16
CenterCropPad 18 T: u16 i16 bf16
CenterCropPad 21 T: u16 i16
Clip 7 T: f64
Clip 12 T: u16 i16
Clip 13 T: u16 i16 bf16
Col2Im 18 T: u8 i8 u16 i16 i32 i64 bool f64 u32 u64 bf16
Conv 7 T: f64
Conv 22 T: f64 bf16
ConvTranspose 7 T: f64
ConvTranspose 22 T: f64 bf16
Cos 22 T: bf16
Cosh 9 T: f64
Cosh 22 T: f64 bf16
CumProd 26 T: bf16
CumSum 11 T: u32 u64
CumSum 14 T: u32 u64 bf16
DFT 17 T1: bf16
DeformConv 22 T: bf16
DepthToSpace 7 T: u8 i8 u16 i16 i32 i64 bool u32 u64
DepthToSpace 11 T: u16 i16 i32 i64 bool u32 u64
DepthToSpace 13 T: u16 i16 i32 i64 bool u32 u64 bf16
DepthToSpace 28 T:
DequantizeLinear 19 T2: bf16
DequantizeLinear 28 T1: u8 i8 u16 i16 i32
DequantizeLinear 28 T2: f32 f16 bf16
Det 11 T: f64
Det 22 T: f64 bf16
Div 13 T: bf16
Dropout 13 T: bf16
Dropout 22 T1: bf16
Einsum 12 T: u8 i8 u16 i16 u32 u64
Elu 7 T: f64
Elu 18 T:
Elu 19 T: f64
Elu 22 T: f64 bf16
Equal 13 T: bf16
Erf 9 T: u8 i8 u16 i16 i32 i64 f64 u32 u64
Erf 13 T: f64 bf16
Exp 13 T: bf16
Expand 13 T: bf16
EyeLike 9 T1: u8 i8 u16 i16 bool u32
EyeLike 22 T1: u8 i8 u16 i16 bool u32 bf16
Floor 13 T: bf16
GRU 22 T: bf16
Gelu 20 T: f64 bf16
Gemm 9 T: i32 i64 u32 u64
Gemm 13 T: i32 i64 u32 u64 bf16
GlobalAveragePool 7 T: f64
GlobalAveragePool 22 T: f64 bf16
GlobalLpPool 7 T: f64
GlobalLpPool 22 T: f32 f16 f64 bf16
GlobalMaxPool 7 T: f64
GlobalMaxPool 22 T: f64 bf16
Greater 13 T: bf16
GreaterOrEqual 16 T: bf16
GridSample 16 T1: u8 i8 u16 i16 i32 i64 bool f64 u32 u64
GridSample 16 T2: f64
GridSample 22 T1: u8 i8 u16 i16 i32 i64 bool f64 u32 u64 bf16
GridSample 22 T2: f64 bf16
GroupNormalization 21 T: bf16
HardSigmoid 7 T: f64
HardSigmoid 18 T:
HardSigmoid 19 T: f64
HardSigmoid 22 T: f64 bf16
HardSwish 14 T: f64
HardSwish 18 T:
HardSwish 19 T: f64
HardSwish 22 T: f64 bf16
Hardmax 7 T: f64
Hardmax 13 T: f64 bf16
ImageDecoder 20 T1: u8
InstanceNormalization 7 T: f64
InstanceNormalization 22 T: f64 bf16
IsNaN 13 T1: bf16
IsNaN 20 T1:
LSTM 22 T: bf16
LeakyRelu 7 T: f64
LeakyRelu 16 T: bf16
LeakyRelu 19 T: f64 bf16
Less 13 T: bf16
LessOrEqual 16 T: bf16
Log 13 T: bf16
LogSoftmax 13 T: bf16
LpNormalization 22 T: bf16
LpPool 7 T: f64
LpPool 22 T: f64 bf16
MatMul 13 T: bf16
Max 7 T: f64
Max 8 T:
Max 12 T: u16 i16
Max 13 T: u16 i16 bf16
MaxPool 7 T: f64
MaxPool 8 T:
MaxPool 22 T: bf16
MaxRoiPool 7 T: f64
MaxRoiPool 22 T: f32 f16 f64 bf16
MaxUnpool 9 T1: f64
MaxUnpool 22 T1: f64 bf16
Mean 7 T: f64
Mean 13 T: f64 bf16
MeanVarianceNormalization 11 T: f64
MeanVarianceNormalization 13 T:
MeanVarianceNormalization 14 T: f64 bf16
MeanVarianceNormalization 18 T:
MeanVarianceNormalization 19 T: f64 bf16
MelWeightMatrix 17 T2: f64 bf16
Min 7 T: f64
Min 8 T:
Min 12 T: u16 i16
Min 13 T: u16 i16 bf16
Mish 19 T: f64
Mish 22 T: f64 bf16
Mod 13 T: bf16
Mul 13 T: bf16
Multinomial 7 T1: f64
Multinomial 22 T1: f32 f16 f64 bf16
Neg 13 T: bf16
NegativeLogLikelihoodLoss 22 T: bf16
NonZero 9 T: i8 u16 i16 f64 u32 u64
NonZero 13 T: i8 u16 i16 f64 u32 u64 bf16
OneHot 9 T1: u8 i8 u16 i16 i32 f64 u32 u64
OneHot 9 T2: f32 u8 i8 u16 i16 i32 f16 f64 u32 u64
OneHot 9 T3: u8 i8 u16 i16 i32 bool f64 u32 u64
Optional 28 V: f32 u8 i8 u16 i16 i32 i64 bool f64 u32 u64 bf16
OptionalGetElement 28 O: f32 u8 i8 u16 i16 i32 i64 bool f16 f64 u32 u64 bf16
OptionalHasElement 28 O: f32 u8 i8 u16 i16 i32 i64 bool f16 f64 u32 u64 bf16
PRelu 7 T: f64
PRelu 9 T: i32 i64 f64 u32 u64
PRelu 16 T: u64 bf16
PRelu 19 T: i32 i64 f64 u32 u64 bf16
Pad 11 T: u16 i16
Pad 13 T: u16 i16 bf16
Pad 21 T: u16 i16
Pow 12 T1: u8 i8 u16 i16 u32 u64
Pow 13 T: bf16
Pow 15 T1: u8 i8 u16 i16 u32 u64 bf16
QLinearConv 10 T1: i8
QLinearConv 10 T3: i8
QLinearMatMul 10 T1: i8
QLinearMatMul 10 T3: i8
QLinearMatMul 21 TS: bf16
QuantizeLinear 10 T1: i32
QuantizeLinear 19 T1: i32 bf16
QuantizeLinear 23 T2: i32 bf16
QuantizeLinear 28 T1: f32 i32 f16 bf16
QuantizeLinear 28 T2: f32 i32 f16 bf16
QuantizeLinear 28 T3: u8 i8 u16 i16
RNN 7 T: f64
RNN 22 T: f64 bf16
RandomNormalLike 7 T1: u8 i8 u16 i16 i32 i64 bool u32 u64
RandomNormalLike 22 T1: f32 u8 i8 u16 i16 i32 i64 bool f16 f64 u32 u64 bf16
RandomUniformLike 7 T1: u8 i8 u16 i16 i32 i64 bool u32 u64
RandomUniformLike 22 T1: f32 u8 i8 u16 i16 i32 i64 bool f16 f64 u32 u64 bf16
Reciprocal 13 T: bf16
ReduceL1 7 T: u32 u64
ReduceL1 13 T: u32 u64 bf16
ReduceL2 7 T: u32 u64
ReduceL2 13 T: u32 u64 bf16
ReduceLogSum 7 T: u32 u64
ReduceLogSum 13 T: u32 u64 bf16
ReduceLogSum 18 T: bf16
ReduceLogSumExp 7 T: u32 u64
ReduceLogSumExp 13 T: u32 u64 bf16
ReduceLogSumExp 18 T:
ReduceLogSumExp 19 T: u32 u64 bf16
ReduceLogSumExp 28 T:
ReduceMax 7 T: u32 u64
ReduceMax 13 T: u32 u64 bf16
ReduceMean 7 T: u32 u64
ReduceMean 13 T: u32 u64 bf16
ReduceMin 7 T: u32 u64
ReduceMin 13 T: u32 u64 bf16
ReduceProd 7 T: u32 u64
ReduceProd 13 T: u32 u64 bf16
ReduceSum 7 T: u32 u64
ReduceSum 13 T: u32 u64 bf16
ReduceSumSquare 7 T: u32 u64
ReduceSumSquare 13 T: u32 u64 bf16
Relu 13 T: bf16
Relu 14 T: i16 i64 bf16
Relu 18 T: i16 bf16
Relu 19 T: i16 i64 bf16
Resize 10 T: u16 i16 i64 bool f64 u32 u64
Resize 11 T:
Resize 11 T1: u16 i16 i64 bool f64 u32 u64
Resize 13 T1: u16 i16 i64 bool f64 u32 u64 bf16
RoiAlign 22 T1: f32 f16 f64 bf16
RoiAlign 22 T2: i64
RotaryEmbedding 23 T: bf16
Round 22 T: bf16
STFT 17 T1: bf16
Selu 7 T: f64
Selu 18 T:
Selu 19 T: f64
Selu 22 T: f64 bf16
Sigmoid 13 T: bf16
Sin 22 T: bf16
Sinh 9 T: f64
Sinh 22 T: f64 bf16
Size 13 T: bf16
Softmax 13 T: bf16
SoftmaxCrossEntropyLoss 22 T: bf16
Softplus 7 T: f64
Softplus 18 T:
Softplus 19 T: f64
Softplus 22 T: f64 bf16
Softsign 7 T: f64
Softsign 18 T:
Softsign 19 T: f64
Softsign 22 T: f64 bf16
SpaceToDepth 7 T: u16 i16 i32 i64 bool u32 u64
SpaceToDepth 13 T: u16 i16 i32 i64 bool u32 u64 bf16
SpaceToDepth 28 T:
SplitToSequence 11 T: u8 i8 u16 i16 u32 u64
SplitToSequence 24 T: u8 i8 u16 i16 u32 u64 bf16
Sqrt 13 T: bf16
Sub 13 T: bf16
Sum 13 T: bf16
SwiGLU 28 T: f32 f16 f64 bf16
Swish 24 T: bf16
Swish 25 T: f32 f16 f64 bf16
Tan 7 T: f64
Tan 22 T: f64 bf16
Tanh 13 T: bf16
ThresholdedRelu 10 T: f64
ThresholdedRelu 18 T:
ThresholdedRelu 19 T: f64
ThresholdedRelu 22 T: f64 bf16
Tile 13 T: bf16
TopK 11 T: u16 u32 u64
TopK 24 T: u16 u32 u64 bf16
Trilu 14 T: u8 i8 u16 i16 u32 u64 bf16
Unique 11 T: u8 u16 i16 i32 bool u32 u64
Upsample 7 T: u16 i16 i64 bool f64 u32 u64
Where 9 T: u16 i16 bool u64
Where 16 T: u16 i16 bool u64 bf16
"""


def _parsed() -> Mapping[tuple[str, str], tuple[tuple[int, frozenset[DType]], ...]]:
    by_name = {dtype.short: dtype for dtype in DType}
    table: dict[tuple[str, str], list[tuple[int, frozenset[DType]]]] = {}
    for line in _TABLE.strip().split("\n"):
        place, _, names = line.partition(":")
        op_type, since, variable = place.split()
        lacking = frozenset(by_name[name] for name in names.split())
        table.setdefault((op_type, variable), []).append((int(since), lacking))
    return {key: tuple(reversed(entries)) for key, entries in table.items()}


_GAPS = _parsed()


def kernel_gaps(op_type: str, variable: str, opset: int) -> frozenset[DType]:
    """The element types for which an operator at an opset has no kernel.

    Args:
        op_type: the operator.
        variable: the type variable of its schema, or the type of an input that has one of its own.
        opset: the version of ONNX's operator set.
    """
    for since, lacking in _GAPS.get((op_type, variable), ()):
        if since <= opset:
            return lacking
    return frozenset()
