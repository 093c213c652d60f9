"""A folder per modality: its settings, its reader, its codec."""
