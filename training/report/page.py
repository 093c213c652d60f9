"""The page that all reports share: its style, header, cards, tables, pictures and configuration."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; background: #fff; color: #24292f;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid #d8dce1; }
p { margin: .4rem 0; max-width: 48rem; }
.quiet { color: #57606a; }
.notes { margin: 1rem 0; padding: .6rem 1rem; background: #fff4e5; border-left: 4px solid #d55e00;
  font-weight: 600; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { flex: 1 1 17rem; border: 1px solid #d8dce1; border-radius: 6px; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { color: #57606a; font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .5rem 0; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid #e3e6ea; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #8a8f98; vertical-align: bottom; white-space: normal; }
td span { color: #57606a; font-size: .8rem; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #57606a; font-size: .9rem; max-width: 48rem; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid #d8dce1; }
"""

FOOTER = "<footer><p><strong>Not for clinical use.</strong></p></footer>"


def page(title: str, sections: Sequence[str]) -> str:
    """The whole page; empty sections are left out."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def heading_of(evaluation: Mapping, config: Mapping) -> str:
    """What the page is about: model, data set and notes."""
    heading = f"{config.get('model', 'Model')} on {evaluation['dataset']}"
    return (
        f"{heading}: {'; '.join(evaluation['notes'])}"
        if evaluation["notes"]
        else heading
    )


def header(heading: str, evaluation: Mapping, amount: str) -> str:
    """The heading, the split with the amount of data in it, and the notes.

    Args:
        heading: What the page is about.
        evaluation: Content of `evaluation.json`.
        amount: Such as "200 images".

    Returns:
        HTML.
    """
    notes = "".join(
        f"<div>{escape(_sentence(note))}</div>" for note in evaluation["notes"]
    )
    return (
        f"<h1>{escape(heading)}</h1>\n"
        f'<p class="quiet">{escape(evaluation["split"])} split, {escape(amount)}. '
        "<strong>Not for clinical use.</strong></p>\n"
        + (f'<div class="notes">{notes}</div>' if notes else "")
    )


def card(name: str, value: str, detail: str = "") -> str:
    """A value in large type above its name and a detail."""
    return (
        f'<div class="card"><b>{escape(value)}</b>{escape(name)}'
        + (f"<br><span>{escape(detail)}</span>" if detail else "")
        + "</div>"
    )


def constant_card(evaluation: Mapping) -> str:
    """How far the loss lies below that of always predicting the training split's prevalences."""
    improvement = evaluation["improvement"]
    against = (
        "not known"
        if improvement is None
        else f"{abs(improvement):.1%} {'below' if improvement >= 0 else 'above'}"
    )
    constant = evaluation["constant_prevalence_score"]
    detail = f"{constant:.4f}, always predicting the training split's prevalences"
    return card("the loss against the constant score", against, detail)


def cards(title: str, contents: Sequence[str]) -> str:
    """A section of cards."""
    return f'<h2>{escape(title)}</h2>\n<div class="cards">{"".join(contents)}</div>'


def interval_text(interval: Mapping | None, form: str) -> str:
    """An interval in words: its ends in a score's format, and what was resampled; empty without one."""
    if not interval:
        return ""
    if interval["low"] is None:
        return f"no interval: {interval['reason']}"
    ends = f"{form.format(interval['low'])} to {form.format(interval['high'])}"
    return f"{interval['level']:.0%} interval {ends}, by {interval['unit']}"


def table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table that scrolls sideways where it is too wide.

    Args:
        heads: Names of the columns.
        rows: Cells of each row, as HTML.

    Returns:
        HTML.
    """
    names = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def cell(
    value: float | None,
    form: str,
    reason: str | None = None,
    interval: Mapping | None = None,
) -> str:
    """A table's cell; an absent value shows its reason on pointing at it, a value its interval below."""
    hint = f' title="{escape(reason)}"' if reason else ""
    ends = ""
    if value is not None and interval and interval["low"] is not None:
        ends = f"<br><span>{form.format(interval['low'])} to {form.format(interval['high'])}</span>"
    return f"<td{hint}>{escape(number(value, form))}{ends}</td>"


def picture_section(
    title: str, pictures: Mapping[str, bytes], captions: Mapping[str, str]
) -> str:
    """A section of those of the captions' pictures that are there; empty if none is.

    Args:
        title: The section's title.
        pictures: PNG files by name.
        captions: Captions by name.

    Returns:
        HTML with the pictures in it.
    """
    parts = []
    for name, caption in captions.items():
        if name in pictures:
            data = base64.b64encode(pictures[name]).decode("ascii")
            parts.append(
                f'<figure><img src="data:image/png;base64,{data}" alt="{escape(caption)}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
    return f"<h2>{escape(title)}</h2>\n" + "\n".join(parts) if parts else ""


def config_section(config: Mapping) -> str:
    """The run's configuration, key by key; empty without one."""
    rows = "".join(
        f'<tr><td>{escape(str(key))}</td><td class="text">{escape(_plain(value))}</td></tr>'
        for key, value in config.items()
    )
    return (
        f"<h2>Configuration</h2>\n<table><tbody>{rows}</tbody></table>" if rows else ""
    )


def number(value: float | None, form: str) -> str:
    """A value in its format, or a dash."""
    return "–" if value is None else form.format(value)


def _plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
