"""Averages the scores of evaluated runs, such as the folds of one data set.

    python -m training.average runs/FOLD_0 runs/FOLD_1 --output average.json

Reference: Huo et al., "HiFuse", section 4.8: two folds of Kvasir, "the final results are averaged".
"""

import argparse
import collections
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_json
from training.runs.config import flat_values
from training.tasks.tasks import task_of_evaluation

SETTINGS_OF_ONE_RUN = ("records", "seed")
"""Settings in which folds and repetitions of one experiment may differ."""


def main(argv: list[str] | None = None) -> None:
    """The program: a Markdown table on the terminal, and the same as JSON where `--output` says."""
    parser = argparse.ArgumentParser(
        prog="python -m training.average",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of an evaluated run; two or more"
    )
    parser.add_argument("--output", metavar="FILE", help="JSON file to write")
    arguments = parser.parse_args(argv)
    result = average(arguments.runs)
    if arguments.output:
        _write(Path(arguments.output), result)
    sys.stdout.write(as_markdown(result))


def average(run_dirs: Sequence[str | Path]) -> dict:
    """Means of the runs' scores, each run counting alike.

    Args:
        run_dirs: Folders of two or more runs, evaluated on the same data set, split and labels.

    Returns:
        A dict that `json.dumps(..., allow_nan=False)` takes: `task`, `dataset`, `split`, `label_names`,
        `runs` (each with `run`, `model`, `count` and its `scores` with their intervals), `mean` (by score;
        None if a run has none), `images` (how many different ones were scored), `shared_images` (how many of
        them by more than one run) and `notes`.

    Raises:
        UserError: If there are fewer than two runs, one is not evaluated, or they are not of one task, data
            set, split and list of labels.
    """
    folders = [Path(run_dir) for run_dir in run_dirs]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise UserError(
            f"expected two or more different runs, received {', '.join(map(str, run_dirs))}"
        )

    evaluations = [_read_json(folder / "evaluation.json") for folder in folders]
    configs = [flat_values(_read_json(folder / "config.json")) for folder in folders]
    tasks = []
    for folder, evaluation, config in zip(folders, evaluations, configs, strict=True):
        try:
            tasks.append(task_of_evaluation(evaluation, config.get("modality")))
        except ValueError as error:
            raise UserError(f"{folder / 'evaluation.json'}: {error}") from error
        evaluation["task"] = tasks[-1].name

    for key in ("task", "dataset", "split", "label_names"):
        _check_same(folders, evaluations, key)
    columns = tasks[0].table_columns
    runs = [
        {
            "run": str(folder),
            "model": config["model"],
            "count": evaluation[task.level]["count"],
            "scores": _scores(evaluation, task.level, columns),
        }
        for folder, config, evaluation, task in zip(
            folders, configs, evaluations, tasks, strict=True
        )
    ]
    times_scored = collections.Counter(
        source_id for folder in folders for source_id in _source_ids(folder)
    )
    shared = sum(times > 1 for times in times_scored.values())

    return {
        **{
            key: evaluations[0][key]
            for key in ("task", "dataset", "split", "label_names")
        },
        "runs": runs,
        "mean": {
            score.key: _mean([run["scores"][score.key] for run in runs])
            for score in columns
        },
        "images": len(times_scored),
        "shared_images": shared,
        "notes": _notes(evaluations, configs, shared, len(times_scored)),
    }


def as_markdown(result: dict) -> str:
    """A table of `average`'s result, a row per run and one of the means, with the notes below."""
    task = task_of_evaluation({key: result[key] for key in ("task", "label_names")})
    columns = task.table_columns
    models = ", ".join(dict.fromkeys(run["model"] for run in result["runs"]))
    lines = [
        f"{models} on {result['dataset']}, {result['split']} split: mean of {len(result['runs'])} runs",
        "",
        f"| run | images | {' | '.join(score.name for score in columns)} |",
        f"|---|{'---:|' * (1 + len(columns))}",
    ]
    for run in result["runs"]:
        cells = [_cell(run["scores"], score) for score in columns]
        lines.append(f"| {run['run']} | {run['count']:,} | {' | '.join(cells)} |")

    means = [_cell(result["mean"], score) for score in columns]
    lines += [
        f"| **mean** | {result['images']:,} | {' | '.join(f'**{mean}**' for mean in means)} |",
        "",
    ]
    if task.table_note:
        lines.append(task.table_note)
    lines.append("In brackets: 95% bootstrap intervals of the single runs.")
    lines += [f"Note: {note}." for note in result["notes"]]

    return "\n".join(lines) + "\n"


def _scores(evaluation, level, columns):
    """The scores of these columns and their intervals, where they have one."""
    found = {}
    for score in columns:
        place, _, key = score.key.rpartition(".")
        scores = evaluation.get(place or level, {})
        found[score.key] = scores.get(key)
        if f"{key}_interval" in scores:
            found[f"{score.key}_interval"] = scores[f"{key}_interval"]
    return found


def _cell(scores, score):
    value, interval = scores[score.key], scores.get(f"{score.key}_interval")
    form = score.form
    if value is None:
        return "–"
    if not interval or interval["low"] is None:
        return form.format(value)
    return f"{form.format(value)} ({form.format(interval['low'])} to {form.format(interval['high'])})"


def _mean(values):
    return None if None in values else sum(values) / len(values)


def _notes(evaluations, configs, shared, images):
    notes = list(
        dict.fromkeys(
            note for evaluation in evaluations for note in evaluation["notes"]
        )
    )
    changed = [
        key
        for key in dict.fromkeys(key for config in configs for key in config)
        if key not in SETTINGS_OF_ONE_RUN
        and any(config.get(key) != configs[0].get(key) for config in configs)
    ]
    if changed:
        notes.append(f"the runs differ in {', '.join(changed)}")

    if shared:
        notes.append(
            f"{shared:,} of the {images:,} images were scored by more than one run, so the runs are not folds"
        )
    return notes


def _check_same(folders, evaluations, key):
    first = evaluations[0].get(key)
    for folder, evaluation in zip(folders, evaluations, strict=True):
        if evaluation.get(key) != first:
            raise UserError(
                f"expected runs of one {key.replace('_', ' ')}, received {first} in {folders[0]} and "
                f"{evaluation.get(key)} in {folder}; average only runs that were evaluated alike"
            )


def _source_ids(folder):
    path = folder / "predictions.csv"
    try:
        return pd.read_csv(
            path, usecols=["source_id"], dtype=str, keep_default_na=False
        )["source_id"]
    except FileNotFoundError as error:
        raise UserError(_not_evaluated(path)) from error
    except ValueError as error:
        raise UserError(f"{path} is not a table of predictions: {error}") from error


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(_not_evaluated(path)) from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def _not_evaluated(path):
    return f"there is no {path}; expected the folder of an evaluated run: make evaluate RUN={path.parent}"


def _write(path, result):
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent} to write {path.name} into")
    write_json(path, result, allow_nan=False)


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
