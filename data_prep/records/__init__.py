"""TFRecords: their form, who goes into which split, and how they are written."""
