"""Which row of a paper's table a run belongs to."""

from training.papers.paper import PaperTable
from training.runs.config import Config


def row_of(table: PaperTable, config: Config) -> int | None:
    """Index of the row that a run belongs to, the last one of those that fit it best.

    Args:
        table: The paper's table.
        config: The run's `Config`.

    Returns:
        The index into `table.rows`; None if the run stands in none of them.
    """
    if config.dataset not in table.datasets:
        return None

    fitting = [
        (len(row.settings), index)
        for index, row in enumerate(table.rows)
        if config.model in (row.model, *row.other_sizes)
        and all(_setting(config, key) == value for key, value in row.settings.items())
    ]
    return max(fitting)[1] if fitting else None


def _setting(config: Config, key: str) -> object:
    """A value of the configuration; `model_config.NAME` is a setting of the architecture."""
    name, dot, setting = key.partition(".")
    value = getattr(config, name)
    if dot:
        value = value.get(setting)
    return tuple(value) if isinstance(value, list) else value
