"""Label names of head CT, in the one order used everywhere: records, models, metrics, exported signatures."""

HEMORRHAGE_LABELS = ("any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
"""RSNA's subtypes; `any` is 1 when at least one of the others is."""

LOCATION_LABELS = ("deep", "lobar", "subtentorial")
"""Where the largest bleeding of a slice lies; slices without bleeding have none."""
