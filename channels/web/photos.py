"""Photos that providers upload: known by their bytes, drawn anew without what a camera wrote into them, and given out as pictures only."""

import hashlib
import io
import re
from pathlib import Path

from fastapi import APIRouter, Request
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.responses import FileResponse, Response

from channels.house import House
from channels.pictures import PHOTO
from channels.web import uploads
from channels.web.chat import address
from channels.web.limits import Limits
from core.errors import Invalid, NotFound

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
SMALLEST = (480, 320)  # of width and height; less looks bad on a card
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 1600
NAME = re.compile(rf"{PHOTO}[0-9a-f]{{40}}\.jpg")


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter()

    @api.get("/photos/{name}")
    def photo(request: Request, name: str) -> Response:
        limits.check("photos", address(request))
        path = place(house.settings.data_dir, name) if NAME.fullmatch(name) else None
        if path is None or not path.is_file():
            raise NotFound("There is no such picture.")
        headers = {
            "content-security-policy": "default-src 'none'; sandbox",
            "cache-control": "public, max-age=31536000, immutable",  # another picture has another name
            "cross-origin-resource-policy": "cross-origin",  # pages that embed the chat show it
        }
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    return api


def place(data_dir: Path, name: str) -> Path:
    return data_dir / "uploads" / "photos" / name


def keep(data_dir: Path, data: bytes) -> str:
    """Keep a photo and return its name, which its content decides. Raises Invalid for everything that is no good picture."""
    made = redrawn(data)
    name = f"{PHOTO}{hashlib.sha256(made).hexdigest()[:40]}.jpg"
    path = place(data_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made)
    return name


def redrawn(data: bytes) -> bytes:
    """The pixels alone, upright, as a JPEG of at most 1600 pixels a side: no place, no camera, no second file behind it."""
    if len(data) > uploads.MOST:
        raise Invalid("photo", "A photo may have up to 5 MB.")
    kind = uploads.sniff(data)
    if kind not in FORMATS:
        raise Invalid("photo", "A photo is a JPEG, PNG or WebP file.")
    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[kind]]) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Invalid("photo", "This photo is too big. Please make it smaller than 40 megapixels.")
            opened.draft("RGB", (LONGEST_SIDE * 2, LONGEST_SIDE * 2))
            upright = ImageOps.exif_transpose(opened)
            if min(upright.size) < min(SMALLEST) or max(upright.size) < max(SMALLEST):
                raise Invalid("photo", f"This photo is too small: it needs {SMALLEST[0]} by {SMALLEST[1]} pixels at least.")
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            plain = Image.new("RGB", upright.size, "white")
            seen = upright.convert("RGBA")
            plain.paste(seen, mask=seen.getchannel("A"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise Invalid("photo", "This photo cannot be read. Please save it anew and try again.") from error
    out = io.BytesIO()
    plain.save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()
