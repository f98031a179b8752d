"""Images: small drawings in tests/io/images, what Pillow reads from them, and what torchvision's transforms make of images."""

import os
import struct
import zlib

import numpy as np
import torch
from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "io", "images")


def drawing(height, width):
    """A disc on a slope of colours, [height, width, 4]: smooth enough for JPEG, with an edge, and a corner that can be seen through."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 180 * x / (width - 1)
    green = 220 - 160 * y / (height - 1)
    blue = 60 + 100 * (x + y) / (width + height - 2)
    inside = (x - 0.4 * width) ** 2 + (y - 0.5 * height) ** 2 < (0.3 * height) ** 2
    image = np.stack([np.where(inside, 250, red), np.where(inside, 200, green), np.where(inside, 30, blue), 255 - 9 * (x + y)], axis=-1)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, interlace, rows):
    """A PNG file of rows that are packed already, each with filter 0."""
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def adam7(image):
    """The rows of the seven passes of an interlaced image."""
    for x, y, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = image[y::dy, x::dx]
        if part.size:
            yield from (row.tobytes() for row in part)


def write_files():
    rgba = drawing(9, 13)
    rgb = rgba[..., :3]
    colour = Image.fromarray(rgb)
    grey = colour.convert("L")

    def save(image, name, **options):
        image.save(os.path.join(FOLDER, name), **options)

    save(colour, "rgb.png")
    save(grey, "gray.png")
    save(Image.fromarray(rgba), "rgba.png")
    save(Image.fromarray(np.dstack([np.asarray(grey), rgba[..., 3]])), "gray_alpha.png")
    save(colour.quantize(4), "palette.png", bits=2)
    save(colour.quantize(4), "palette_alpha.png", bits=2, transparency=1)
    save(grey.point(lambda value: 255 if value > 128 else 0, "1"), "one_bit.png")
    larger = Image.fromarray(drawing(21, 30)[..., :3])
    save(larger, "rgb.jpg", quality=92, subsampling=0)
    save(larger, "rgb_420.jpg", quality=92, subsampling=2)
    save(larger, "progressive.jpg", quality=92, subsampling=0, progressive=True)
    save(larger.convert("L"), "gray.jpg", quality=92)
    wide = (np.asarray(grey).astype(">u2") * 257).astype(">u2")
    for name, content in {
        "sixteen_bit.png": png(13, 9, 16, 0, 0, (row.tobytes() for row in wide)),
        "interlaced.png": png(13, 9, 8, 2, 1, adam7(rgb)),
        "interlaced_tiny.png": png(1, 3, 8, 2, 1, adam7(rgb[:3, :1])),
    }.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(content)


MODES = {"gray": "L", "gray_alpha": "LA", "rgb": "RGB", "rgb_alpha": "RGBA"}


def channels_first(array):
    array = np.asarray(array)
    return torch.tensor(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def images(family):
    """What Pillow makes of each file, in each mode. Of 16 bits the upper eight count."""
    write_files()
    natural = {"gray.png": "L", "gray_alpha.png": "LA", "one_bit.png": "L", "rgba.png": "RGBA", "palette_alpha.png": "RGBA", "gray.jpg": "L"}
    for name in sorted(os.listdir(FOLDER)):
        image = Image.open(os.path.join(FOLDER, name))
        if name == "sixteen_bit.png":
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        modes = dict(MODES) if name in ("rgba.png", "gray_alpha.png", "rgb.png", "gray.png") else {}
        modes["unchanged"] = natural.get(name, "L" if name == "sixteen_bit.png" else "RGB")
        for mode, code in modes.items():
            family.record("read", {"file": name, "mode": mode}, {}, {"y": channels_first(image.convert(code))})


def transforms(family):
    """torchvision's transforms of bytes and of floats, with its draws: the generator is seeded before each."""
    from torchvision import transforms as T

    torch.set_num_threads(1)
    bytes_ = channels_first(drawing(7, 10)[..., :3])
    grey = channels_first(drawing(6, 5)[..., 1])
    batch = torch.stack([bytes_, bytes_.flip(1)])[:, :, ::2, ::3].contiguous()

    def add(name, transform, image, seed=0, **arguments):
        for floating in (False, True):
            if floating and name == "to_tensor" or not floating and name == "normalize":
                continue
            x = image.double() / 256 if floating else image
            torch.manual_seed(seed)
            y = transform(x)
            torch.manual_seed(seed)
            family.record(name, {"seed": seed, **arguments}, {"x": x}, {"y": y}, digits=12)

    def add_seeded(name, transform, image, seeds, **arguments):
        for seed in seeds:
            add(name, transform, image, seed, **arguments)

    add("to_tensor", lambda x: x.float() / 255, grey)
    add("normalize", T.Normalize((0.5, 0.25, 0.75), (0.5, 0.25, 2.0)), batch, mean=(0.5, 0.25, 0.75), std=(0.5, 0.25, 2.0))
    add("normalize", T.Normalize((0.5,), (0.25,)), grey, mean=(0.5,), std=(0.25,))
    add_seeded("horizontal_flip", T.RandomHorizontalFlip(), grey, range(4), p=0.5)
    add_seeded("vertical_flip", T.RandomVerticalFlip(0.3), batch, range(2), p=0.3)
    for size in ((4, 7), (3, 3), (7, 11), (10, 5), (9, 12)):
        add("center_crop", T.CenterCrop(size), grey, size=size)
    add("center_crop", T.CenterCrop((2, 3)), batch, size=(2, 3))
    add_seeded("random_crop", T.RandomCrop(4), bytes_, range(2), size=(4, 4))
    add("random_crop", T.RandomCrop((6, 5)), grey, size=(6, 5))
    add_seeded("random_crop", T.RandomCrop((6, 5), padding=2), grey, range(3), size=(6, 5), padding=(2,))
    add_seeded("random_crop", T.RandomCrop((6, 5), padding=(1, 2), fill=1), grey, range(2), size=(6, 5), padding=(1, 2), fill=1)
    add("random_crop", T.RandomCrop((4, 6), padding=(1, 0, 2, 3)), batch, size=(4, 6), padding=(1, 0, 2, 3))
    add_seeded("random_crop", T.RandomCrop((8, 7), pad_if_needed=True), grey, range(2), size=(8, 7), pad_if_needed=True)
    for mode in ("edge", "reflect", "symmetric"):
        add("random_crop", T.RandomCrop((9, 9), padding=3, padding_mode=mode), grey, size=(9, 9), padding=(3,), padding_mode=mode)
    for size in ((4, 5), (9, 15), (7, 4), (3, 21)):
        add("resize", T.Resize(size, antialias=True), bytes_, size=size)
    add("resize", T.Resize((4, 5), antialias=False), bytes_, size=(4, 5), antialias=False)
    add("resize", T.Resize(4, antialias=True), bytes_, size=(4,))
    add("resize", T.Resize(8, max_size=10, antialias=True), bytes_, size=(8,), max_size=10)
    add("resize", T.Resize((2, 4), antialias=True), batch, size=(2, 4))
    small = bytes_[:, ::3, ::3].contiguous()
    add_seeded("color_jitter", T.ColorJitter(0.4, 0.4, 0.4, 0.1), small, range(4), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    add("color_jitter", T.ColorJitter(brightness=0.8), small, 1, brightness=0.8)
    add("color_jitter", T.ColorJitter(contrast=0.8), batch, 2, contrast=0.8)
    add("color_jitter", T.ColorJitter(saturation=2), small, 1, saturation=2)
    add("color_jitter", T.ColorJitter(hue=0.5), small, 1, hue=0.5)
    add("color_jitter", T.ColorJitter(0.5, 0.5), grey, 3, brightness=0.5, contrast=0.5)
    from torchvision.utils import make_grid

    for args in ({}, {"nrow": 3, "padding": 1, "pad_value": 0.5}, {"nrow": 2, "normalize": True},
                 {"nrow": 4, "normalize": True, "scale_each": True}, {"normalize": True, "value_range": (-0.25, 0.5), "padding": 0}):
        for shape in ((3, 3, 2, 3), (5, 1, 3, 2), (1, 3, 2, 2), (3, 2, 4), (2, 3)):
            x = family.draw("make_grid", shape).between(shape, -1, 1)
            family.record("make_grid", args, {"x": x}, {"y": make_grid(x, **args)}, digits=12)
