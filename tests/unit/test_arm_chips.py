"""Arms in the sentences of a page: names in their colours, and only names."""

from bertft_core.records import GainOverMajority
from bertft_core.report import arm_chips


def test_a_name_is_shown_beside_its_colour_and_a_word_spelled_like_it_is_not():
    gain = GainOverMajority(arm="seeds", n=2, mean=0.1, constant_score=0.5, t_low=None, t_high=None)
    said = f"{arm_chips.marked(gain, ['full', 'seeds']).arm} is ahead over 2 seeds"
    assert arm_chips.named(said, ["full", "seeds"]) == (
        '<span class="named"><span class="swatch c1"></span>seeds</span> is ahead over 2 seeds'
    )


def test_a_name_is_no_markup_and_a_mark_of_no_arm_stays():
    page = f"{arm_chips.OPEN}0{arm_chips.CLOSE} {arm_chips.OPEN}7{arm_chips.CLOSE}"
    shown = arm_chips.named(page, ["<b>&\x1b"])
    assert "&lt;b&gt;&amp;\\u001b</span>" in shown
    assert shown.endswith(f" {arm_chips.OPEN}7{arm_chips.CLOSE}")
