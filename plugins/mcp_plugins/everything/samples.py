"""Samples of content: the smallest valid picture and sound.

Rule: bytes only; the runtime turns them into base64 on the wire.
"""

from base64 import b64decode
from typing import Final

# One red pixel.
PNG: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)

# One sample of silence, 16 bit mono at 8 kHz.
WAV: Final = b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==")
