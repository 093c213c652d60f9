"""JPEG and PNG files without what could identify a person, their coded image untouched.

What stays is named here, everything else goes: EXIF, XMP, comments, text, times, thumbnails, private blocks,
and whatever follows the picture's end.

Reference:
    ITU-T T.81, Annex B (JPEG's segments); PNG Specification (Third Edition), sections 5 and 11 (chunks).
"""

import re
import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
PNG_KEPT = PNG_CRITICAL + (
    b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"bKGD", b"pHYs",
)  # fmt: skip

SOI, EOI, SOS, TEM, COM = 0xD8, 0xD9, 0xDA, 0x01, 0xFE
APP0, APP2, APP14, APP15 = 0xE0, 0xE2, 0xEE, 0xEF
RESTARTS = range(0xD0, 0xD8)
RESERVED = range(0x02, 0xC0)
SOFS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
HUFFMAN_DCT_SOFS = (0xC0, 0xC1, 0xC2)
"""Frames that every JPEG decoder knows: baseline, extended and progressive."""

JPEG_KEPT = {APP0: b"JFIF\0", APP2: b"ICC_PROFILE\0", APP14: b"Adobe"}
"""Application segments that decide on colours, by what they start with."""

JFIF_WITHOUT_THUMBNAIL = 12
SHORTEST_KEPT = 16
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_MARKER_BEHIND_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)


class DamagedPicture(ValueError):
    """The file breaks its format's rules; the message says which."""


def stripped_jpeg(data: bytes) -> bytes:
    """The file with only those segments that its decoding needs, up to the end of its first picture.

    Raises:
        DamagedPicture: If the file ends early, or holds a marker that no JPEG has.
    """
    kept = [bytes((0xFF, SOI))]
    for marker, block in _jpeg_blocks(data):
        if marker == COM or (
            APP0 <= marker <= APP15 and not _decides_on_colours(marker, block)
        ):
            continue
        if marker == APP0:
            kept += [
                struct.pack(">BBH", 0xFF, APP0, 16),
                block[4 : 4 + JFIF_WITHOUT_THUMBNAIL],
                b"\0\0",
            ]
        else:
            kept.append(block)
    return b"".join(kept)


def jpeg_frame_type(data: bytes) -> int:
    """The marker of the frame: one of `SOFS`; 0 where there is none."""
    return next((marker for marker, _ in _jpeg_blocks(data) if marker in SOFS), 0)


def stripped_png(data: bytes) -> bytes:
    """The file with only those chunks that its decoding and its colours need.

    Raises:
        DamagedPicture: If the file ends early, a checksum is wrong, or it cannot be
            shown without a chunk that is not in the standard.
    """
    kept = [PNG_SIGNATURE]
    position = len(PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(
            ">I4s", data.ljust(position + 8, b"\0"), position
        )
        chunk = data[position : position + length + 12]
        if len(chunk) < length + 12:
            raise DamagedPicture("is truncated: its last PNG chunk is not whole")
        if struct.unpack(">I", chunk[-4:])[0] != zlib.crc32(chunk[4:-4]):
            raise DamagedPicture(
                f"is damaged: PNG chunk {_name(kind)} fails its checksum"
            )
        if kind in PNG_KEPT:
            kept.append(chunk)
        elif not kind[0] & 0x20:
            raise DamagedPicture(
                f"needs the PNG chunk {_name(kind)}, which the standard does not know"
            )
        position += len(chunk)

    return b"".join(kept)


def _jpeg_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment behind SOI; a scan's coded data belong to its segment."""
    position = 2
    marker = SOI
    while marker != EOI:
        found = _MARKER.search(data, position)
        if not found:
            raise DamagedPicture("is truncated: it has no JPEG end marker")
        marker, start = found[1][0], found.end() - 2
        if marker in RESERVED or marker == SOI:
            raise DamagedPicture(
                f"is damaged: JPEG marker FF{marker:02X} where none may be"
            )
        if marker in RESTARTS or marker in (TEM, EOI):
            position = found.end()
        else:
            position = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
        if marker == SOS:
            behind = _MARKER_BEHIND_SCAN.search(data, position)
            position = behind.start() if behind else len(data)
        yield marker, data[start:position]


def _decides_on_colours(marker: int, block: bytes) -> bool:
    long_enough = len(block) >= SHORTEST_KEPT
    return (
        long_enough and marker in JPEG_KEPT and block[4:].startswith(JPEG_KEPT[marker])
    )


def _name(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")
