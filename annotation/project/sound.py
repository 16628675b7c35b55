"""The sound of a video file, encoded beside its frames from the moment the first one is shown."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ..errors import AnnotationError

_RATE_HZ = 48_000
_BIT_RATE = 128_000


class SoundTrack:
    """Sound of one file on its way into another; written a little ahead of the frames.

    Parameters
    ----------
    path : Path
        File with sound.
    start_s : Fraction
        Time in `path` that is 0 in the output.
    container : av output container
    encoder : str
        ``aac`` or ``libopus``.

    Raises
    ------
    AnnotationError
        There is no sound.
    """

    def __init__(self, path: Path, start_s: Fraction, container: Any, encoder: str) -> None:
        self._source = av.open(str(path))
        if not self._source.streams.audio:
            self._source.close()
            raise AnnotationError(f"{path} has no sound", remedy="leave --sound out")
        self._start_s = start_s
        self._container = container
        self._frames = self._source.decode(audio=0)
        self._stream = container.add_stream(encoder, rate=_RATE_HZ, layout="stereo")
        self._stream.bit_rate = _BIT_RATE
        self._resampler = av.AudioResampler(
            format=self._stream.codec_context.format.name, layout="stereo", rate=_RATE_HZ
        )
        self._reached_s = Fraction(0)
        self._n_samples: int | None = None
        self._ended = False

    def write_until(self, time_s: Fraction) -> None:
        """Write the sound up to `time_s` of the output, or to its end."""
        while not self._ended and self._reached_s < time_s:
            frame = next(self._frames, None)
            if frame is None:
                self._finish()
                return
            if frame.pts is None or frame.time_base is None:
                continue
            at_s = frame.pts * frame.time_base - self._start_s
            if at_s < 0:  # before the first picture
                continue
            if self._n_samples is None:
                self._n_samples = round(at_s * _RATE_HZ)
            self._reached_s = at_s
            for piece in self._resampler.resample(frame):
                self._encode(piece)

    def close(self) -> None:
        """Write what is left in the encoder and let go of the source."""
        if not self._ended:
            self._finish()
        self._source.close()

    def _finish(self) -> None:
        self._ended = True
        if self._n_samples is None:
            return
        for piece in self._resampler.resample(None):
            self._encode(piece)
        self._container.mux(self._stream.encode(None))

    def _encode(self, piece: Any) -> None:
        piece.pts, piece.time_base = self._n_samples, Fraction(1, _RATE_HZ)
        self._n_samples = (self._n_samples or 0) + piece.samples
        self._container.mux(self._stream.encode(piece))
