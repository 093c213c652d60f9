"""Classifies DICOM files or pictures with an exported model, here or on a server.

`files` finds them; `opened` finds the model, here or on a server, and how its files are read;
`classify` asks it for all, `findings` is what comes out, `studies` sums up slices, `tables` and
`overlays` write it down; `structured_report`, `secondary_capture` and `dicomweb` speak DICOM.
`python -m training.predict` runs them.
"""
