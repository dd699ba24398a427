"""Small inline SVG drawings: a scale, axes, and shapes whose colours come from the page's style sheet."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from bertft_core.control_characters import visible

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """A straight map from data [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, n: int = 5, *, whole: bool = False) -> list[float]:
        """About `n` round numbers inside the data range: steps of 1, 2 or 5 times a power of ten; `whole`: at least of 1."""
        rough = max((self.high - self.low) / n, 1.0 if whole else 0.0)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """A data range with room on both sides; never empty, (0, 1) without values."""
    found = list(values)
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    room = (high - low) * share or max(abs(low) * share, 0.01)
    return low - room, high + room


def all_whole(values: Iterable[float]) -> bool:
    """Counts, such as steps: nothing is between them."""
    return all(float(value).is_integer() for value in values)


def number(value: float) -> str:
    """A tick label: as short as possible."""
    return f"{value:.6g}".replace("-", "−")


def _px(value: float) -> str:
    return f"{value:.1f}"


@dataclass
class Drawing:
    """Shapes in the order they were added; every text is escaped, and control characters are shown, as XML allows none."""

    width: int
    height: int
    alt: str
    """Read aloud in place of the picture."""
    shapes: list[Markup] = field(default_factory=list)

    def line(self, a: Point, b: Point, css: str) -> None:
        """A straight line from a to b."""
        at = (_px(a[0]), _px(a[1]), _px(b[0]), _px(b[1]))
        self.shapes.append(Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*at, css))

    def path(self, points: Sequence[Point], css: str, title: str, *, closed: bool = False) -> None:
        """A line through all points, or the surface that they go round; `title` shows under the mouse."""
        d = "M" + " L".join(f"{_px(x)},{_px(y)}" for x, y in points) + (" Z" if closed else "")
        self.shapes.append(Markup('<path d="{}" class="{}"><title>{}</title></path>').format(d, css, title))

    def dot(self, at: Point, radius: float, css: str, title: str) -> None:
        """A circle; `title` shows under the mouse."""
        place = (_px(at[0]), _px(at[1]), _px(radius))
        shape = Markup('<circle cx="{}" cy="{}" r="{}" class="{}"><title>{}</title></circle>')
        self.shapes.append(shape.format(*place, css, title))

    def box(self, a: Point, b: Point, css: str, title: str, opacity: float | None = None) -> None:
        """A rectangle between two corners; `opacity` of its fill; `title` shows under the mouse."""
        place = (_px(min(a[0], b[0])), _px(min(a[1], b[1])), _px(abs(b[0] - a[0])), _px(abs(b[1] - a[1])))
        seen = Markup("") if opacity is None else Markup(' fill-opacity="{}"').format(f"{opacity:.2f}")
        shape = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"{}><title>{}</title></rect>')
        self.shapes.append(shape.format(*place, css, seen, title))

    def text(self, at: Point, words: str, css: str) -> None:
        """Words at a point; the class says how they are anchored."""
        self.shapes.append(Markup('<text x="{}" y="{}" class="{}">{}</text>').format(_px(at[0]), _px(at[1]), css, words))

    def svg(self) -> Markup:
        """The drawing as one element that scales with the page."""
        head = Markup('<svg viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">')
        opened = head.format(self.width, self.height, self.width, self.alt)
        drawn = opened + Markup("").join(self.shapes) + Markup("</svg>")
        return Markup(visible(str(drawn)))


def horizontal_axis(
    drawing: Drawing,
    x: Scale,
    y: float,
    label: str,
    grid_to: float,
    n_ticks: int = 6,
    *,
    logarithmic: bool = False,
    whole: bool = False,
) -> None:
    """Ticks with numbers under `y`, grid lines up to `grid_to`, the label below.

    `logarithmic` where x maps log10 of the data, `whole` where it maps counts.
    """
    for tick in ticks_of_powers(x) if logarithmic else x.ticks(n_ticks, whole=whole):
        drawing.line((x(tick), y), (x(tick), grid_to), "grid")
        drawing.text((x(tick), y + 16), number(10**tick if logarithmic else tick), "tick middle")
    drawing.text(((x.start + x.end) / 2, y + 34), label, "label middle")


def ticks_of_powers(x: Scale) -> list[float]:
    """log10 of 1, 2 and 5 times powers of ten that lie on the axis."""
    powers = range(math.floor(x.low), math.ceil(x.high) + 1)
    ticks = [power + math.log10(m) for power in powers for m in (1, 2, 5)]
    return [tick for tick in ticks if x.low <= tick <= x.high]


def vertical_axis(drawing: Drawing, y: Scale, x: float, label: str, grid_to: float) -> None:
    """Ticks with numbers left of `x`, grid lines to `grid_to`, the label above."""
    for tick in y.ticks(6):
        drawing.line((x, y(tick)), (grid_to, y(tick)), "grid")
        drawing.text((x - 6, y(tick) + 4), number(tick), "tick end")
    drawing.text((x - 34, y.end - 10), label, "label")
