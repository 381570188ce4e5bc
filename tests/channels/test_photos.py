"""What is taken as a photo, and what is left of it."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from channels.web import photos, uploads
from core.errors import Invalid


def made(kind: str, size: tuple[int, int] = (1000, 700), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "teal").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_a_picture_is_drawn_anew_and_no_bigger_than_needed(kind: str, mode: str) -> None:
    with Image.open(io.BytesIO(photos.redrawn(made(kind, (2400, 1200), mode)))) as kept:
        assert (kept.format, kept.size, dict(kept.getexif())) == ("JPEG", (1600, 800), {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"%PDF-1.7",
        b"GIF89a" + b"0" * 99,
        b"\xff\xd8\xff" + b"0" * 500,
        made("PNG")[:200],
        made("JPEG", (200, 200)),
        made("PNG", (8000, 6000)),
        b"\xff\xd8\xff" + b"0" * uploads.MOST,
    ],
    ids=["nothing", "svg", "pdf", "gif", "no jpeg", "cut off", "small", "too many pixels", "too big"],
)
def test_everything_else_is_refused_at_the_field(data: bytes) -> None:
    with pytest.raises(Invalid) as error:
        photos.redrawn(data)
    assert error.value.field == "photo"
