"""Radiographs: DX, CR and PNG files as grey values in presentation order."""
