"""What a served model takes and gives, as its server describes it."""

from dataclasses import dataclass

_PLAIN_NAMES = {"float": "float32", "double": "float64", "half": "float16"}

STRING = "string"


@dataclass(frozen=True)
class TensorInfo:
    """An input or output.

    Attributes:
        dtype: Such as `"int16"` or `"string"`.
        shape: Sizes, None where any will do; None for any rank.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """A signature's inputs and outputs by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


@dataclass(frozen=True)
class ModelMetadata:
    """A served model.

    Attributes:
        name: Under which the server has it.
        version: The version that answered.
        signatures: By name.
    """

    name: str
    version: int
    signatures: dict[str, Signature]


def dtype_name(tensorflow_name: str) -> str:
    """`"float32"` from `"DT_FLOAT"`."""
    name = tensorflow_name.removeprefix("DT_").lower()
    return _PLAIN_NAMES.get(name, name)


def to_shape(sizes: list[int]) -> tuple[int | None, ...]:
    """A shape of which the messages say -1 where any size will do."""
    return tuple(None if int(size) < 0 else int(size) for size in sizes)
