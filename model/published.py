"""What the MRAN paper prints, to stand beside what is measured here.

J. Lee, S. Kim, S. Kim, K. Sohn, "Multi-Modal Recurrent Attention Networks for Facial Expression
Recognition", IEEE Transactions on Image Processing, 2020, Tables III to X. The check marks of
Table IV are read as in docs/decisions/0060: the differences named in its text fix the rows.
"""

from dataclasses import dataclass

DIMENSION = "valence"
"""That the figures of Tables IV to IX are about."""


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a table of the paper; None where it prints nothing.

    Attributes
    ----------
    rmse, cc, ccc : float or None
    accuracy : float or None
        Share, not percent.
    """

    rmse: float | None = None
    cc: float | None = None
    ccc: float | None = None
    accuracy: float | None = None


TABLE_3 = {
    # dimension: percentage of positive frames, mean correlation, Cronbach's alpha
    "arousal": (45.4, 0.424, 0.72),
    "valence": (46.9, 0.479, 0.79),
}
TABLE_4 = {
    ("color",): Published(0.120, 0.511, 0.486),
    ("depth",): Published(0.134, 0.379, 0.354),
    ("thermal",): Published(0.145, 0.368, 0.331),
    ("color", "depth"): Published(0.117, 0.521, 0.489),
    ("color", "thermal"): Published(0.114, 0.546, 0.503),
    ("color", "depth", "thermal"): Published(0.112, 0.563, 0.521),
}
TABLE_5 = {
    "2D-CNN": Published(0.113, 0.426, 0.326),
    "3D-CNN": Published(0.104, 0.510, 0.493),
    "+ spatial encoder": Published(0.103, 0.531, 0.509),
    "+ temporal decoder": Published(0.102, 0.572, 0.546),
}
TABLE_6 = {
    "2D-CNN": Published(0.131, 0.385, 0.313),
    "3D-CNN": Published(0.125, 0.459, 0.427),
    "+ spatial encoder": Published(0.119, 0.518, 0.480),
    "+ temporal decoder": Published(0.112, 0.563, 0.521),
}
TABLE_7 = {
    "khorrami_cnn": Published(0.132, 0.421, 0.387),
    "vgg16": Published(0.131, 0.426, 0.395),
    "resnet50": Published(0.128, 0.443, 0.409),
    "vgg_face": Published(0.125, 0.478, 0.451),
    "khorrami_cnn_rnn": Published(0.127, 0.458, 0.413),
    "vgg_face_lstm": Published(0.124, 0.482, 0.457),
    "affwildnet": Published(0.123, 0.499, 0.468),
    "uran": Published(0.120, 0.511, 0.486),
}
TABLE_8 = {
    "AV+EC 2015 baseline": Published(0.117, 0.358, 0.273),
    "CNN": Published(0.113, 0.426, 0.326),
    "CNN + RNN (1 s)": Published(0.111, 0.501, 0.474),
    "CNN + RNN (4 s)": Published(0.108, 0.544, 0.506),
    "LGBP-TOP + LSTM": Published(0.114, 0.430, 0.354),
    "LGBP-TOP + Bi-LSTM": Published(0.105, 0.501, 0.346),
    "LGBP-TOP + LSTM + ε-loss": Published(0.121, 0.488, 0.463),
    "CNN + LSTM + ε-loss": Published(0.116, 0.561, 0.538),
    "URAN": Published(0.102, 0.572, 0.546),
}
TABLE_9 = {
    "AV+EC 2017 baseline": Published(ccc=0.400),
    "CNN": Published(0.114, 0.564, 0.528),
    "CNN + RNN (4 s)": Published(0.104, 0.616, 0.588),
    "URAN": Published(0.099, 0.638, 0.612),
}
TABLE_10 = {
    "Vielzeuf et al.": Published(accuracy=0.4860),
    "Fan et al., single VGG-Face": Published(accuracy=0.4804),
    "URAN": Published(accuracy=0.4901),
}
