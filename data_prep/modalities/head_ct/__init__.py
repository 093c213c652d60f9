"""Head CT: DICOM slices as Hounsfield units."""
