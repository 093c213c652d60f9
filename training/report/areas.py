"""What a report of two classes says of the area under the ROC curve, as a whole and by finding.

Reference: Taha et al., HCT, Table 3, Table A1, Fig. A2.
"""

from collections.abc import Mapping
from html import escape

from matplotlib.figure import Figure

from training import figures
from training.report.page import card, cell, interval_text, number, table

_FORM = "{:.3f}"
_NOTE = (
    '<p class="quiet">Positive are the images of {label} with such a finding, negative all others that are '
    "not of {label}. Below an area stands its 95% interval, by patient.{more}</p>"
)


def area_cards(evaluation: Mapping) -> list[str]:
    """The area with its interval by patient, and by image as the paper has it; none of more classes."""
    area = evaluation.get("auc")
    if area is None:
        return []
    ends = [
        interval_text(area[key], _FORM)
        for key in ("auc_interval", "auc_over_images_interval")
    ]
    name = f"area under the ROC curve of {area['positive_label']}"
    return [card(name, number(area["auc"], _FORM), "; ".join(ends))]


def area_figures(evaluation: Mapping) -> dict[str, Figure]:
    """Figures of the areas by type and by size of finding, where these are known, by file name."""
    area = evaluation.get("auc", {})
    drawn = {}
    if "by_finding_type" in area:
        by_type = {
            _words(name): of_type for name, of_type in area["by_finding_type"].items()
        }
        drawn["auc_by_finding_type.png"] = figures.areas_by_type(by_type, area["auc"])
    if "by_finding_size" in area:
        by_size = area["by_finding_size"]
        drawn["auc_by_finding_size.png"] = figures.areas_by_size(
            **by_size, overall=area["auc"]
        )
    return drawn


CAPTIONS = {
    "auc_by_finding_type.png": "Area under the ROC curve of the positive images with each type of finding, "
    "against all negative ones, with 95% intervals.",
    "auc_by_finding_size.png": "The same by size, the square root of the area of the finding's box in pixels "
    "of full-size images: left, all findings below a size; right, thirds of all sizes.",
}


def finding_sections(evaluation: Mapping) -> list[str]:
    """Tables of the areas by type and by size of finding; none where these are not known."""
    area = evaluation.get("auc", {})
    sections = []
    if "by_finding_type" in area:
        by_type = {
            _words(name): of_type for name, of_type in area["by_finding_type"].items()
        }
        sections.append(
            _table("By type of finding", "type", by_type, area["positive_label"])
        )

    if "by_finding_size" in area:
        by_size = area["by_finding_size"]
        rows = {
            f"smaller than {each['threshold_px']} px": each
            for each in by_size["smaller_than"]
        }
        rows |= {
            f"{name} third, {each['from_px']:.0f} to {each['to_px']:.0f} px": each
            for name, each in by_size["thirds"].items()
        }
        more = " Size is the square root of the area of the finding's box."
        sections.append(
            _table("By size of finding", "size", rows, area["positive_label"], more)
        )

    return sections


def _table(
    title: str, what: str, areas: Mapping[str, Mapping], label: str, more: str = ""
) -> str:
    rows = [
        f"<td>{escape(name)}</td>{cell(area['positives'], '{:,}')}{cell(area['negatives'], '{:,}')}"
        + cell(area["auc"], _FORM, area["undefined"].get("auc"), area["auc_interval"])
        for name, area in areas.items()
    ]
    heads = [what, "positive images", "negative images", "area under the ROC curve"]
    note = _NOTE.format(label=escape(label), more=more)
    return f"<h2>{escape(title)}</h2>\n{table(heads, rows)}\n{note}"


def _words(name: str) -> str:
    return name.replace("_", " ")
