"""What decides on the content of records, given the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data_prep.modalities.reader import Settings


@dataclass(frozen=True)
class BuildConfig:
    """Settings of a build. None stands for the data set's own value; see `resolve_config.resolve`.

    Attributes:
        dataset: Name of the data set.
        shards: Files per split.
        fractions: Shares of train, validation and test.
        seed: Decides on the split and on the order of records.
        split: Name of the data set's split rule; "" for a data set that has only one.
        fold: Which fold of the split is the test split, from 0.
        balance: One of `balance.BALANCES`, None where nothing is replicated; data sets with locations only.
        settings: Those of the modality that were asked for, by name; once resolved, all of them.
    """

    dataset: str
    shards: int = 16
    fractions: tuple[float, float, float] | None = None
    seed: int = 0
    split: str | None = None
    fold: int = 0
    balance: str | None = None
    settings: Mapping[str, Any] | Settings = field(default_factory=dict)

    def to_json_fields(self) -> dict:
        """The fields of a resolved build as they come back from JSON, the modality's among them."""
        return {
            "dataset": self.dataset,
            "shards": self.shards,
            "fractions": list(self.fractions),
            "seed": self.seed,
            "split": self.split,
            "fold": self.fold,
            "balance": self.balance,
            **self.settings.to_json(),
        }
