"""The README's demonstrations on small settings, run through the programs, and what is kept of them.

    python tests/frozen/demonstrations.py             writes all golden files anew
    python tests/frozen/demonstrations.py NAME ...    those of these demonstrations

It uses nothing of the house but its programs, as commands, and the files that they leave behind, so that it
stays as it is when the house is rebuilt. See `test_demonstrations` for what is compared, and how closely.

Learning rates are not all the recipes': they are such that a few steps tell images apart (which shows wrong
pixels), and yet leave rounding small.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

import kept_results

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN_DIR = pathlib.Path(__file__).parent / "golden"

ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # The same arithmetic on all x86-64 processors with AVX2, and on any number of cores: nothing that is
    # chosen by the processor's maker or by AVX-512.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX AVX512_CLX",
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-ICL",
    "OPENCV_IPP": "disabled",
}

PROBABILITY_TOLERANCES = {
    "scopeformer": 3e-4,
    "hifuse_narrow": 1e-3,
    "dtvit_small": 1e-5,
    "hct_patches": 1e-3,
    "hct": 1e-3,
}
"""Largest difference of a probability from the golden one; `test_demonstrations` says what was measured."""

KEY = "the key of the frozen demonstrations\n"
"""Secret that makes pseudonyms of the phantoms' identifiers, in place of the user's own."""


@dataclasses.dataclass(frozen=True)
class Demonstration:
    """A demonstration: commands, run one after the other in one folder.

    Attributes:
        phantoms: Words of the command that makes the phantoms, in the folder `data`.
        records: Words of the one that makes records of them, in `records`.
        training: Words of the one that trains, evaluates and exports, in `run`.
        kept: Folders of a run and of its records, by the name under which their results are kept.
    """

    phantoms: tuple[str, ...]
    records: tuple[str, ...]
    training: tuple[str, ...]
    kept: dict[str, tuple[str, str]]

    @property
    def commands(self):
        """The three, with the folders."""
        program, *options = self.phantoms
        yield [program, "--output", "data", *options]
        folders = ("--data-dir", "data", "--records", "records")
        yield ["data_prep.tfrecords", *folders, "--shards", "2", *self.records]
        yield ["training.train", *folders, "--run", "run", *self.training]


DEMONSTRATIONS = {
    # Head CT with several labels, on stored features of untrained backbones.
    "scopeformer": Demonstration(
        phantoms=(
            "data_prep.phantom_head_ct",
            "--patients",
            "24",
            "--slices-per-series",
            "4",
            "--image-size",
            "128",
            "--seed",
            "1",
        ),
        records=(
            "--dataset",
            "phantom_head_ct",
            "--image-size",
            "96",
            "--fractions",
            "0.5,0.25,0.25",
        ),
        training=(
            "--model",
            "scopeformer",
            "--dataset",
            "phantom_head_ct",
            "--set",
            "epochs=2",
            "batch_size=8",
            "input_size=96",
            "learning_rate=3e-3",
            'model_config.backbones=["mobilenet"]',
            "model_config.feature_size=16",
            "model_config.num_layers=2",
            "model_config.mlp_dim=32",
            "model_config.num_heads=2",
        ),
        kept={"scopeformer": ("run", "records")},
    ),
    # Photographs, one class each, augmented by crops.
    "hifuse_narrow": Demonstration(
        phantoms=(
            "data_prep.phantom_skin",
            "--images",
            "84",
            "--least-share",
            "0.1",
            "--seed",
            "1",
        ),
        records=("--dataset", "phantom_skin", "--fractions", "0.6,0.25,0.15"),
        training=(
            "--model",
            "hifuse_narrow",
            "--dataset",
            "phantom_skin",
            "--set",
            "epochs=3",
            "batch_size=8",
            "input_size=64",
            "learning_rate=3e-3",
            "model_config.depths=[1,1]",
            "model_config.embed_dims=[8,16]",
            "model_config.num_heads=[1,2]",
        ),
        kept={"hifuse_narrow": ("run", "records")},
    ),
    # Head CT by location: two tasks, slices without the head holder, balanced and augmented.
    "dtvit_small": Demonstration(
        phantoms=(
            "data_prep.phantom_head_ct",
            "--patients",
            "32",
            "--slices-per-series",
            "4",
            "--second-series",
            "0",
            "--image-size",
            "128",
            "--seed",
            "1",
            "--prevalence",
            "any=0.85,epidural=0,intraparenchymal=0.85,intraventricular=0,subarachnoid=0,subdural=0",
        ),
        records=(
            "--dataset",
            "phantom_ich_location",
            "--image-size",
            "64",
            "--fractions",
            "0.5,0.25,0.25",
        ),
        training=(
            "--model",
            "dtvit_small",
            "--dataset",
            "phantom_ich_location",
            "--set",
            "epochs=2",
            "batch_size=8",
            "input_size=64",
            "learning_rate=4e-3",
            "model_config.num_layers=1",
            "model_config.embed_dim=48",
        ),
        kept={"dtvit_small": ("run", "records")},
    ),
    # Mammograms in two stages: patches, then whole images that start from their weights.
    "hct": Demonstration(
        phantoms=(
            "data_prep.phantom_mammography",
            "--patients",
            "12",
            "--image-height",
            "208",
            "--finding-scale",
            "2.0",
            "--malignant",
            "0.5",
            "--seed",
            "1",
        ),
        records=(
            "--dataset",
            "phantom_mammography",
            "--image-size",
            "208",
            "--fractions",
            "0.5,0.25,0.25",
        ),
        training=(
            "--model",
            "hct",
            "--dataset",
            "phantom_mammography",
            "--set",
            "epochs=2",
            "batch_size=8",
            "learning_rate=1e-4",
            "--set-first-stage",
            "epochs=2",
            "batch_size=8",
            "learning_rate=1e-4",
        ),
        kept={
            "hct_patches": ("run/patches", "records_patches"),
            "hct": ("run", "records"),
        },
    ),
}


def run(name, folder, **environment):
    """Runs a demonstration.

    Args:
        name: Key of `DEMONSTRATIONS`.
        folder: Empty folder, in which the commands run; all paths are relative to it.
        **environment: Variables other than those of `ENVIRONMENT`.

    Returns:
        What is kept of it, see `kept_results.read`, by the name of the golden folder.
    """
    key_file = folder / "home" / ".config" / "keras_medformers" / "id_key"
    key_file.parent.mkdir(parents=True)
    key_file.write_text(KEY)
    variables = os.environ | ENVIRONMENT | {"HOME": str(folder / "home")} | environment
    demonstration = DEMONSTRATIONS[name]
    for program, *words in demonstration.commands:
        done = subprocess.run(
            [sys.executable, "-m", program, *words],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"{program} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
    return {
        golden: kept_results.read(folder / run_dir, folder / records_dir)
        for golden, (run_dir, records_dir) in demonstration.kept.items()
    }


def main(names):
    """Writes the golden files of the demonstrations anew, of all of them if none is named."""
    for name in names or DEMONSTRATIONS:
        with tempfile.TemporaryDirectory() as folder:
            for golden, found in run(name, pathlib.Path(folder)).items():
                kept_results.write(GOLDEN_DIR / golden, found)


if __name__ == "__main__":
    main(sys.argv[1:])
