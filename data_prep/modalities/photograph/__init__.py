"""Photographs: JPEG and PNG files."""
