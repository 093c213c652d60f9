"""Prepares medical images for training: DICOM files and image folders to TFRecords."""
