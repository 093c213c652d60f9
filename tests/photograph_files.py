"""Pictures of every kind that turns up in data sets, and data sets of them in the published layouts."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data_prep.labels import COVID_LABELS, KVASIR_LABELS, SKIN_LESION_LABELS

ORIENTATION = 0x0112


def scene(height=30, width=45, seed=0):
    """A smooth RGB picture, uint8 of shape `(height, width, 3)`."""
    coarse = np.random.default_rng(seed).integers(
        0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8
    )
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(picture, kind, **options):
    """A picture file's bytes; takes an array or a Pillow image."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def orientation(value):
    """EXIF that says how the picture is turned."""
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def png_chunk(kind, data):
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )


def insert_chunk(png, kind, data):
    """Puts a chunk behind a PNG's header."""
    return png[:33] + png_chunk(kind, data) + png[33:]


def insert_segment(jpeg, marker, data):
    """Puts a segment at a JPEG's beginning."""
    return (
        jpeg[:2]
        + bytes((0xFF, marker))
        + struct.pack(">H", len(data) + 2)
        + data
        + jpeg[2:]
    )


def kinds():
    """By name: a file's bytes, the RGB that it shows, and whether records keep its coding.

    For JPEG the RGB is Pillow's decoding of an equivalent plain file, or None where there is none.
    """
    rgb = scene()
    image = Image.fromarray(rgb)
    grey = np.asarray(image.convert("L"))
    as_rgb = np.repeat(grey[..., None], 3, axis=2)
    few = image.quantize(16)
    few_rgb = np.asarray(few.convert("RGB"))
    alpha = np.dstack([rgb, grey])
    deep = (rgb.astype(np.uint16) << 8) + 77
    deep_grey = (grey.astype(np.uint16) << 8) + 200
    bits = image.convert("1", dither=Image.Dither.NONE)
    black_white = np.repeat(np.asarray(bits)[..., None] * np.uint8(255), 3, axis=2)
    cmyk = image.convert("CMYK")
    return {
        "jpeg": (encode(rgb, "JPEG"), None, True),
        "jpeg 4:2:0": (encode(rgb, "JPEG", subsampling=2, quality=60), None, True),
        "jpeg 4:4:4": (encode(rgb, "JPEG", subsampling=0), None, True),
        "jpeg progressive": (encode(rgb, "JPEG", progressive=True), None, True),
        "jpeg restart markers": (encode(rgb, "JPEG", restart_marker_blocks=1), None, True),
        "jpeg grey": (encode(grey, "JPEG"), None, True),
        "jpeg rgb inside": (encode(rgb, "JPEG", keep_rgb=True), None, True),
        "jpeg cmyk": (encode(cmyk, "JPEG", quality=100), np.asarray(cmyk.convert("RGB")), False),
        "png": (encode(rgb, "PNG"), rgb, True),
        "png grey": (encode(grey, "PNG"), as_rgb, True),
        "png black and white": (encode(bits, "PNG"), black_white, True),
        "png palette": (encode(few, "PNG"), few_rgb, True),
        "png palette of 2 bits": (
            encode(image.quantize(4), "PNG", bits=2), np.asarray(image.quantize(4).convert("RGB")), True,
        ),
        "png palette, transparent": (encode(few, "PNG", transparency=bytes(range(16))), few_rgb, True),
        "png palette, one transparent": (encode(few, "PNG", transparency=3), few_rgb, True),
        "png transparent": (encode(alpha, "PNG"), rgb, True),
        "png grey, transparent": (
            encode(Image.merge("LA", [Image.fromarray(grey)] * 2), "PNG"), as_rgb, True,
        ),
        "png 16 bit": (cv2.imencode(".png", deep[..., ::-1])[1].tobytes(), rgb, True),
        "png 16 bit grey": (encode(deep_grey, "PNG"), as_rgb, True),
        "png with gamma": (
            insert_chunk(encode(rgb, "PNG"), b"gAMA", struct.pack(">I", 100_000)), rgb, True,
        ),
        "bmp": (encode(rgb, "BMP"), rgb, False),
        "tiff": (encode(rgb, "TIFF"), rgb, False),
        "tiff 16 bit grey": (encode(deep_grey, "TIFF"), as_rgb, False),
        "webp": (encode(rgb, "WEBP", lossless=True), rgb, False),
        "gif": (encode(few, "GIF"), few_rgb, False),
    }  # fmt: skip


def identifying(secret=b"Doe, Jane 1970"):
    """By format: a plain file's bytes, and those of the same with the secret in all kinds of metadata."""
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    plain_jpeg, plain_png = encode(scene(), "JPEG"), encode(scene(), "PNG")
    jpeg = encode(scene(), "JPEG", exif=exif, icc_profile=b"a profile", comment=secret)
    for marker in (0xE1, 0xE2, 0xE0, 0xED, 0xEF):
        jpeg = insert_segment(jpeg, marker, b"JFXX\0" + secret)
    jpeg += encode(scene(), "JPEG", comment=secret)
    text = PngInfo()
    text.add_text("Patient", secret.decode())
    text.add_text("Zipped", secret.decode(), zip=True)
    text.add_itxt("XML:com.adobe.xmp", secret.decode())
    png = encode(scene(), "PNG", exif=exif, pnginfo=text, icc_profile=b"a profile")
    png = insert_chunk(png, b"tIME", struct.pack(">HBBBBB", 1970, 1, 2, 3, 4, 5))
    png = insert_chunk(png, b"prVt", secret) + secret
    return {"jpeg": (plain_jpeg, jpeg), "png": (plain_png, png)}


def unreadable():
    """By name: a file's bytes, and words of the reason for which it is refused."""
    jpeg, png = encode(scene(), "JPEG"), encode(scene(), "PNG")
    flipped = bytearray(png)
    flipped[png.index(b"IDAT") + 40] ^= 0xFF
    frames = [Image.fromarray(scene(seed=seed)) for seed in range(2)]
    moving = {"save_all": True, "append_images": frames[1:]}
    huge = b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    )
    return {
        "empty": (b"", "is empty"),
        "text": (b"404: not found" * 9, "is no picture"),
        "dicom": (bytes(128) + b"DICM", "is no picture"),
        "half a jpeg": (jpeg[: len(jpeg) - len(jpeg) // 8], "truncated"),
        "a jpeg without its end": (jpeg[:-2], "truncated"),
        "a jpeg's header": (jpeg[:200], "Truncated"),
        "a jpeg with zeros for its end": (jpeg[:-90] + bytes(90), "truncated"),
        "half a png": (png[: len(png) // 2], "truncated"),
        "a png without its end": (png[:-12], "truncated"),
        "a png with a changed byte": (bytes(flipped), "IDAT fails its checksum"),
        "a png with an unknown chunk": (
            insert_chunk(png, b"CgBI", b"1234"),
            "needs the PNG chunk CgBI",
        ),
        "a moving gif": (encode(frames[0], "GIF", **moving), "has 2 frames"),
        "a moving png": (encode(frames[0], "PNG", **moving), "has 2 frames"),
        "a tiff of pages": (encode(frames[0], "TIFF", **moving), "has 2 frames"),
        "a tiff of numbers": (encode(np.ones((4, 4), np.float32), "TIFF"), "mode F"),
        "a bomb": (
            huge
            + png_chunk(b"IDAT", zlib.compress(bytes(99)))
            + png_chunk(b"IEND", b""),
            "pixels",
        ),
    }


def write_isic2018(folder, lesions=40, largest_lesion=3):
    """Writes a data set in ISIC2018's layout: lesions of one to a few images, classes in turn."""
    images = folder / "ISIC2018_Task3_Training_Input"
    truth = folder / "ISIC2018_Task3_Training_GroundTruth"
    images.mkdir(parents=True)
    truth.mkdir()
    label_rows, lesion_rows, number = [], [], 24_306
    for lesion in range(lesions):
        of_lesion = lesion % len(SKIN_LESION_LABELS)
        for _ in range(1 + lesion % largest_lesion):
            name = f"ISIC_{number:07d}"
            (images / f"{name}.jpg").write_bytes(encode(scene(12, 16, number), "JPEG"))
            one_hot = ",".join(
                "1.0" if label == of_lesion else "0.0" for label in range(7)
            )
            label_rows.append(f"{name},{one_hot}\n")
            lesion_rows.append(f"{name},HAM_{lesion:07d},histopathology\n")
            number += 1
    header = ",".join(["image", *SKIN_LESION_LABELS])
    (truth / "ISIC2018_Task3_Training_GroundTruth.csv").write_text(
        f"{header}\n" + "".join(label_rows)
    )
    (folder / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text(
        "image,lesion_id,diagnosis_confirm_type\n" + "".join(lesion_rows)
    )
    return folder


COVID_NAMES = {
    "COVID": {
        "train": ["2020.01.24.919183-p27-132.png", "2020.02.17.20024018-p17-61%0.jpg"],
        "val": ["Comparison-of different (samples)_2020-p2-21%8.jpg"],
        "test": ["PIIS0140673620303603%6.JPG", "nihms-1,5 & co's.png"],
    },
    "NonCOVID": {
        "train": ["1%0.jpg", "é.png", " 7.jpg"],
        "val": ["12.jpg"],
        "test": ["2020.02.17-p1.png"],
    },
}


def write_covid19_ct(folder, line_end="\n"):
    """Writes a data set in COVID19-CT's layout, with its kinds of odd names."""
    for label in COVID_LABELS:
        (folder / f"CT_{label}").mkdir(parents=True)
        (folder / "Data-split" / label).mkdir(parents=True)
        for prefix, names in COVID_NAMES[label].items():
            for number, name in enumerate(names):
                kind = "PNG" if name.endswith("png") else "JPEG"
                data = encode(scene(10, 14, hash_of(label, prefix, number)), kind)
                (folder / f"CT_{label}" / name).write_bytes(data)
            text = "".join(name + line_end for name in names)
            (folder / "Data-split" / label / f"{prefix}CT_{label}.txt").write_bytes(
                text.encode()
            )
    return folder


def hash_of(*words):
    return zlib.crc32(repr(words).encode())


def write_kvasir(folder, per_class=6):
    """Writes a data set in Kvasir's layout."""
    for label, name in enumerate(KVASIR_LABELS):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            data = encode(scene(9, 12, 100 * label + number), "JPEG")
            (folder / name / f"{hash_of(name, number):08x}-ac0d.jpg").write_bytes(data)
    return folder
