"""Sets an A65 up to measure temperatures, and believes only what it reads back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ConfigError, SensorError
from .a65_transport import NodeValue, Transport

_COLDEST_K, _HOTTEST_K = 200.0, 500.0
_FLOAT_TOLERANCE = 1e-3
_BIT_DEPTH_NODES = ("CMOSBitDepth", "DigitalOutput")
_ALSO_KEPT = ("R", "B", "F", "O", "OInt", "J0", "J1", "SensorTemperature", "HousingTemperature")
"""Constants of the unit for readings without TemperatureLinear, and what it was like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class A65Options:
    """Options of the kind ``a65``.

    Attributes
    ----------
    serial, ip : str or None
        Which camera; None of both: the only one there is.
    transport : {"auto", "aravis", "pyspin"}
        "auto" is Aravis where it is installed, else PySpin.
    rate_hz : float
        The camera's own rate divided by a whole number: 10 keeps every third frame of 30 Hz.
    width_px, height_px : int
    gain : {"high", "low"}
        High: -25 to 135 °C; low: -40 to 550 °C.
    emissivity : float
        Of skin.
    reflected_temperature_k, atmospheric_temperature_k, window_temperature_k : float
    atmospheric_transmission, window_transmission : float
    nuc : {"manual", "automatic"}
        Who decides about corrections during a take; automatic between takes.
    nuc_every_s : float or None
        Correct that often during a take, too, with "manual"; None: never.
    nuc_before_take : bool
        Correct while the sensor opens.
    nuc_wait_s : float
        How long to wait for that correction to be over.
    packet_size_bytes : int
    n_buffers : int
    """

    serial: str | None = None
    ip: str | None = None
    transport: Literal["auto", "aravis", "pyspin"] = "auto"
    rate_hz: float = 10.0
    width_px: int = 640
    height_px: int = 512
    gain: Literal["high", "low"] = "high"
    emissivity: float = 0.98
    reflected_temperature_k: float = 293.15
    atmospheric_temperature_k: float = 293.15
    atmospheric_transmission: float = 1.0
    window_temperature_k: float = 293.15
    window_transmission: float = 1.0
    nuc: Literal["manual", "automatic"] = "manual"
    nuc_every_s: float | None = None
    nuc_before_take: bool = True
    nuc_wait_s: float = 3.0
    packet_size_bytes: int = 1440
    n_buffers: int = 64

    def __post_init__(self) -> None:
        if self.serial is not None and self.ip is not None:
            raise ConfigError("serial and ip both say which camera: leave one out")
        if not 0 < self.rate_hz <= 1000:
            raise ConfigError(f"rate_hz is {self.rate_hz:g}, expected above 0 to 1000")
        for name in ("emissivity", "atmospheric_transmission", "window_transmission"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name):g}, expected above 0 to 1")
        for name in (
            "reflected_temperature_k",
            "atmospheric_temperature_k",
            "window_temperature_k",
        ):
            if not _COLDEST_K <= getattr(self, name) <= _HOTTEST_K:
                raise ConfigError(
                    f"{name} is {getattr(self, name):g}, expected kelvin,"
                    f" {_COLDEST_K:g} to {_HOTTEST_K:g}"
                )
        if self.nuc_every_s is not None and not 1 <= self.nuc_every_s <= 86_400:
            raise ConfigError(f"nuc_every_s is {self.nuc_every_s:g}, expected 1 to 86400")
        if self.nuc_every_s is not None and self.nuc == "automatic":
            raise ConfigError("nuc_every_s and nuc automatic: one of them decides")
        if not 0 <= self.nuc_wait_s <= 30:
            raise ConfigError(f"nuc_wait_s is {self.nuc_wait_s:g}, expected 0 to 30")
        if min(self.width_px, self.height_px) < 1 or self.n_buffers < 4:
            raise ConfigError("width_px, height_px must be positive, n_buffers 4 or more")
        if not 576 <= self.packet_size_bytes <= 9000 or self.packet_size_bytes % 4:
            raise ConfigError(
                f"packet_size_bytes is {self.packet_size_bytes},"
                " expected a multiple of 4 within 576 to 9000"
            )


@dataclass(frozen=True, slots=True)
class _Setting:
    node: str
    value: NodeValue
    required: bool = True


def set_up(transport: Transport, options: A65Options) -> dict[str, Any]:
    """Make `transport`'s camera deliver 14-bit counts of 0.04 K.

    Returns
    -------
    dict
        For the recording: ``nodes`` (every node's value as read back), ``absent`` (nodes this
        camera does not have) and ``genicam_xml``.

    Raises
    ------
    SensorError
        A node is missing or was not accepted; names it with what was got and expected.
    """
    absent: list[str] = []
    settings = [s for s in _settings(transport, options) if _present(transport, s, absent)]
    for setting in settings:
        if not _agrees(transport.get(setting.node), setting.value):
            transport.set(setting.node, setting.value)
    for setting in settings:  # only now: a setting may change an earlier one
        got = transport.get(setting.node)
        if not _agrees(got, setting.value):
            raise SensorError(
                f"the camera did not accept {setting.node}: got {got!r}, expected"
                f" {setting.value!r}",
                remedy="power-cycle the camera; if it persists, this model is not supported",
            )
    nodes: Mapping[str, NodeValue] = transport.nodes()
    absent += [name for name in _ALSO_KEPT if name not in nodes and transport.get(name) is None]
    hidden = {name: transport.get(name) for name in _ALSO_KEPT if name not in nodes}
    kept = {**nodes, **{name: value for name, value in hidden.items() if value is not None}}
    return {"nodes": kept, "absent": sorted(absent), "genicam_xml": transport.genicam_xml()}


def _settings(transport: Transport, options: A65Options) -> list[_Setting]:
    depth_node = next(
        (name for name in _BIT_DEPTH_NODES if transport.get(name) is not None),
        _BIT_DEPTH_NODES[0],
    )
    return [
        _Setting("AcquisitionMode", "Continuous", required=False),
        _Setting("Width", options.width_px),
        _Setting("Height", options.height_px),
        _Setting("PixelFormat", "Mono14"),
        _Setting(depth_node, "bit14bit", required=False),
        _Setting(
            "SensorGainMode",
            "HighGainMode" if options.gain == "high" else "LowGainMode",
            required=False,
        ),
        _Setting("TemperatureLinearMode", "On"),
        _Setting("TemperatureLinearResolution", "High"),
        _Setting("ObjectEmissivity", options.emissivity, required=False),
        _Setting("ReflectedTemperature", options.reflected_temperature_k, required=False),
        _Setting("AtmosphericTemperature", options.atmospheric_temperature_k, required=False),
        _Setting("AtmosphericTransmission", options.atmospheric_transmission, required=False),
        _Setting("WindowTemperature", options.window_temperature_k, required=False),
        _Setting("WindowTransmission", options.window_transmission, required=False),
        _Setting("NUCMode", options.nuc.capitalize()),
    ]


def _present(transport: Transport, setting: _Setting, absent: list[str]) -> bool:
    if transport.get(setting.node) is not None:
        return True
    if setting.required:
        raise SensorError(
            f"the camera has no {setting.node}: it cannot measure temperatures as an A65 does",
            remedy="check that serial or ip in the rig file mean the A65",
        )
    absent.append(setting.node)
    return False


def _agrees(got: NodeValue | None, expected: NodeValue) -> bool:
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return math.isclose(got, expected, rel_tol=_FLOAT_TOLERANCE)
    return got == expected
