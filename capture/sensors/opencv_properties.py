"""OpenCV's names for backends, formats and settings."""

import cv2

from ..errors import SensorError

_APIS = {
    "auto": cv2.CAP_ANY,
    "v4l2": cv2.CAP_V4L2,
    "gstreamer": cv2.CAP_GSTREAMER,
    "ffmpeg": cv2.CAP_FFMPEG,
    "dshow": cv2.CAP_DSHOW,
    "msmf": cv2.CAP_MSMF,
    "avfoundation": cv2.CAP_AVFOUNDATION,
}
SETTINGS = {
    "auto_exposure": cv2.CAP_PROP_AUTO_EXPOSURE,
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "gain": cv2.CAP_PROP_GAIN,
    "brightness": cv2.CAP_PROP_BRIGHTNESS,
    "contrast": cv2.CAP_PROP_CONTRAST,
    "saturation": cv2.CAP_PROP_SATURATION,
    "auto_white_balance": cv2.CAP_PROP_AUTO_WB,
    "white_balance": cv2.CAP_PROP_WB_TEMPERATURE,
    "autofocus": cv2.CAP_PROP_AUTOFOCUS,
    "focus": cv2.CAP_PROP_FOCUS,
}
"""Read back once and kept with the recording, in the driver's units."""


def api_of(backend: str) -> int:
    """Return OpenCV's number of a backend.

    Raises
    ------
    SensorError
        This build of OpenCV has no such backend.
    """
    api = _APIS[backend]
    if api != cv2.CAP_ANY and api not in cv2.videoio_registry.getBackends():
        known = ", ".join(n for n, a in _APIS.items() if a in cv2.videoio_registry.getBackends())
        raise SensorError(f"this OpenCV has no backend {backend!r}", remedy=f"it has {known}")
    return api


def fourcc_text(value: float) -> str:
    """Return the letters of a format's number: "MJPG"; "unknown" when there are none."""
    text = int(value).to_bytes(4, "little", signed=int(value) < 0).decode("latin-1")
    return text if text.isprintable() and text.strip() else "unknown"
