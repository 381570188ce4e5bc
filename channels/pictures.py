"""Where a picture of the catalogue is found: drawings of ours, and photos that providers upload."""

from __future__ import annotations

PHOTO = "photo-"  # how the name of an uploaded photo begins


def picture_url(name: str | None) -> str:
    """Its address without the host, "" for none. Pictures of other sites are not shown: our pages load nothing from elsewhere."""
    if not name or name.startswith("https://"):
        return ""
    return f"/photos/{name}" if name.startswith(PHOTO) else f"/static/scenes/{name}"
