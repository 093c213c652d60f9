"""Codes of what the models find, as DICOM's reports want them: (value, scheme, meaning).

SNOMED CT (SCT) where the concept is the label's beyond doubt; else a private scheme, which a report declares
(PS3.16 8.2). SNOMED CT's other hemorrhages carry a cause or a place in the brain that the labels do not.
"""

from collections.abc import Mapping

PRIVATE_SCHEME = "99KMF"
PRIVATE_SCHEME_NAME = "keras_medformers labels"

_SNOMED = {
    "any": ("1386000", "Intracranial hemorrhage"),
    "ich": ("1386000", "Intracranial hemorrhage"),
    "subarachnoid": ("21454007", "Subarachnoid hemorrhage"),
}

_MEANINGS: Mapping[str, str] = {
    "epidural": "Epidural hemorrhage",
    "intraparenchymal": "Intraparenchymal hemorrhage",
    "intraventricular": "Intraventricular hemorrhage",
    "subdural": "Subdural hemorrhage",
    "normal": "No intracranial hemorrhage",
    "deep": "Deep intracerebral hemorrhage",
    "lobar": "Lobar intracerebral hemorrhage",
    "subtentorial": "Subtentorial hemorrhage",
}


def code_of(label: str) -> tuple[str, str, str]:
    """Value, scheme and meaning of a label's code."""
    if label in _SNOMED:
        value, meaning = _SNOMED[label]
        return value, "SCT", meaning
    return label, PRIVATE_SCHEME, _MEANINGS.get(label, label)
