"""Averages the scores of evaluated runs, such as the folds of one data set.

    python -m training.average runs/FOLD_0 runs/FOLD_1 --output average.json

Reference: Huo et al., "HiFuse", section 4.8: two folds of Kvasir, "the final results are averaged".
"""

import argparse
import collections
import json
import pathlib
import sys

import pandas as pd

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_json
from training.runs.config import flat_values

SCORES = {
    "single_label": (
        "images",
        {
            "accuracy": ("accuracy", "{:.2%}"),
            "f1": ("F1", "{:.2%}"),
            "precision": ("precision", "{:.2%}"),
            "recall": ("recall", "{:.2%}"),
            "log_loss": ("log loss", "{:.4f}"),
            "majority_accuracy": ("commonest class", "{:.2%}"),
        },
    ),
    "multilabel": (
        "slices",
        {
            "log_loss": ("weighted log loss", "{:.4f}"),
            "auroc_any": ("AUROC of any", "{:.3f}"),
            "accuracy": ("accuracy", "{:.2%}"),
            "weighted_accuracy": ("weighted accuracy", "{:.2%}"),
            "recall": ("recall", "{:.2%}"),
        },
    ),
    "dual_task": (
        "slices",
        {
            "accuracy": ("accuracy of both tasks", "{:.2%}"),
            **{
                f"{task}.{score}": (f"{task}: {name}", "{:.2%}")
                for task in ("hemorrhage", "location")
                for score, name in (
                    ("accuracy", "accuracy"),
                    ("f1", "F1"),
                    ("precision", "precision"),
                    ("recall", "recall"),
                    ("specificity", "specificity"),
                    ("majority_accuracy", "commonest class"),
                )
            },
            "log_loss": ("sum of log losses", "{:.4f}"),
        },
    ),
}
"""By task: where its scores stand in `evaluation.json`, and their names and formats. The score `a.b` stands
under `a`, wherever the others are."""

SETTINGS_OF_ONE_RUN = ("records", "seed")
"""Settings in which folds and repetitions of one experiment may differ."""


def main(argv=None):
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
        _write(pathlib.Path(arguments.output), result)
    sys.stdout.write(as_markdown(result))


def average(run_dirs) -> dict:
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
    folders = [pathlib.Path(run_dir) for run_dir in run_dirs]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise UserError(
            f"expected two or more different runs, received {', '.join(map(str, run_dirs))}"
        )
    evaluations = [_read_json(folder / "evaluation.json") for folder in folders]
    for evaluation in evaluations:
        evaluation.setdefault("task", "multilabel")
    for key in ("task", "dataset", "split", "label_names"):
        _check_same(folders, evaluations, key)
    task = evaluations[0]["task"]
    if task not in SCORES:
        raise UserError(
            f"{folders[0] / 'evaluation.json'} is of the unknown task {task!r}"
        )
    level, names = SCORES[task]
    configs = [flat_values(_read_json(folder / "config.json")) for folder in folders]
    runs = [
        {
            "run": str(folder),
            "model": config["model"],
            "count": evaluation[level]["count"],
            "scores": _scores(evaluation, level, names),
        }
        for folder, config, evaluation in zip(
            folders, configs, evaluations, strict=True
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
            score: _mean([run["scores"][score] for run in runs]) for score in names
        },
        "images": len(times_scored),
        "shared_images": shared,
        "notes": _notes(evaluations, configs, shared, len(times_scored)),
    }


def as_markdown(result: dict) -> str:
    """A table of `average`'s result, a row per run and one of the means, with the notes below."""
    names = SCORES[result["task"]][1]
    models = ", ".join(dict.fromkeys(run["model"] for run in result["runs"]))
    lines = [
        f"{models} on {result['dataset']}, {result['split']} split: mean of {len(result['runs'])} runs",
        "",
        f"| run | images | {' | '.join(name for name, _ in names.values())} |",
        f"|---|{'---:|' * (1 + len(names))}",
    ]
    for run in result["runs"]:
        cells = [
            _cell(run["scores"], score, form) for score, (_, form) in names.items()
        ]
        lines.append(f"| {run['run']} | {run['count']:,} | {' | '.join(cells)} |")
    means = [_cell(result["mean"], score, form) for score, (_, form) in names.items()]
    lines += [
        f"| **mean** | {result['images']:,} | {' | '.join(f'**{mean}**' for mean in means)} |",
        "",
    ]
    if result["task"] != "multilabel":
        lines.append(
            "F1, precision, recall and specificity are means over the classes."
        )
    lines.append("In brackets: 95% bootstrap intervals of the single runs.")
    lines += [f"Note: {note}." for note in result["notes"]]
    return "\n".join(lines) + "\n"


def _scores(evaluation, level, names):
    """The scores with these names and their intervals, where they have one."""
    found = {}
    for score in names:
        place, _, key = score.rpartition(".")
        scores = evaluation.get(place or level, {})
        found[score] = scores.get(key)
        if f"{key}_interval" in scores:
            found[f"{score}_interval"] = scores[f"{key}_interval"]
    return found


def _cell(scores, score, form):
    value, interval = scores[score], scores.get(f"{score}_interval")
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
