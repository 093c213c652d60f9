"""From a mammogram's grey values to those of records: where the breast lies, and the frame around it."""
