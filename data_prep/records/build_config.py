"""What decides on the content of records, given the data."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class BuildConfig:
    """Settings of a build. None stands for the data set's own value; see `resolve_config.resolve`.

    Attributes:
        dataset: Name of the data set.
        image_size: Height to store, in pixels; the width is the same for CT, 10/13 of it for mammograms.
            Photographs keep their size. Patches of mammograms are stored at the scale of such images.
        shards: Files per split.
        fractions: Shares of train, validation and test.
        seed: Decides on the split and on the order of records.
        twelve_bit_correction: Whether to repair RSNA's 12-bit slices with a wrong intercept; CT only.
        compression: Whether images are compressed; photographs are compressed as they come.
        split: Name of the data set's split rule; "" for a data set that has only one.
        fold: Which fold of the split is the test split, from 0.
        treatment: One of `head_treatment.TREATMENTS`, None where the data set's slices stay as they are; CT
            only.
        balance: One of `balance.BALANCES`, None where nothing is replicated; data sets with locations only.
        source_height: Pixels of the files that the stored height stands for; mammograms only.
        flip: Whether right breasts are flipped, so that all have the chest wall at the left; mammograms only.
        negatives_per_image: Patches cut from each non-malignant image; patches of mammograms only.
    """

    dataset: str
    image_size: int | None = None
    shards: int = 16
    fractions: tuple[float, float, float] | None = None
    seed: int = 0
    twelve_bit_correction: bool | None = None
    compression: bool | None = None
    split: str | None = None
    fold: int = 0
    treatment: str | None = None
    balance: str | None = None
    source_height: int | None = None
    flip: bool | None = None
    negatives_per_image: int | None = None

    def to_json_fields(self) -> dict:
        """The fields as they come back from JSON."""
        return asdict(self) | {"fractions": list(self.fractions)}
