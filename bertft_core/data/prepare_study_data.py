"""Prepare a study's data: read, split, check, tokenise once, store by fingerprint."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.config.search_space import Settings
from bertft_core.config.strategy_settings import replay_of
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.alignment.alignment import Alignment
from bertft_core.data.arm_errors import naming_arm
from bertft_core.data.data_findings import BETWEEN_SPLITS, OF_EVERY_HEAD, Near, PreparedData, find_all, find_most, look_for_near
from bertft_core.data.encoder_files import EncoderFiles, resolve_encoder
from bertft_core.data.encoder_parts import EncoderParts
from bertft_core.data.examples import RawSplit
from bertft_core.data.extra_sources import name_sources, with_sources
from bertft_core.data.prepared_store import PreparedStore, StoredSplits
from bertft_core.data.probe_texts import read_probe_texts
from bertft_core.data.proved_encoder import prove_encoder, refuse_other_labels
from bertft_core.data.replayed_texts import RawTexts, read_replayed, tokenise_replayed
from bertft_core.data.sources import extra_name, read_extra_train, read_splits
from bertft_core.data.split_draws import drawn_splits, pool_of
from bertft_core.data.splits import cut_splits, with_extra
from bertft_core.data.study_checks import (
    refuse_encoders_of_one_name,
    refuse_missing_biases,
    refuse_missing_labels,
    refuse_missing_layers,
    refuse_other_examples,
    refuse_other_vocabularies,
    refuse_too_high_rank,
    refuse_unfit_subset,
    refuse_unscored_metric,
)
from bertft_core.data.tokenization import load_tokenizer, refuse_too_long, uses_token_types
from bertft_core.data.tokenizer_facts import tokenizer_facts
from bertft_core.records import DataFinding, DatasetCard, EncoderIdentity, SearchedCard
from bertft_core.storage.damage import Tell
from bertft_core.storage.home_folder import made_home


@dataclass(frozen=True)
class ReadData:
    """The examples of a study, read and checked once for all its arms."""

    splits: dict[str, RawSplit]
    extra: dict[str, RawSplit]
    """File of further training examples → these; each arm adds its own."""
    labels: tuple[str, ...]
    repairs: tuple[DataFinding, ...]
    near: Near = field(default_factory=dict)
    """Near-duplicates that were found already."""

    def repairs_of(self, data: DataConfig) -> tuple[DataFinding, ...]:
        """What was repaired in the splits, and in those further examples that these data add."""
        own = {*self.splits, *map(extra_name, data.extra_train)}
        return tuple(finding for finding in self.repairs if finding.split in own)


def prepare_data(study: StudyConfig, *, home_dir: Path | str, tell: Tell = lambda problem: None) -> DatasetCard:
    """Read and check the data every time, tokenise them only when their fingerprint is new, and return the card.

    The examples are read once; arms with an encoder, head or data settings of their own have a card of their own in the card's
    `arms`. The Arrow files and `card.json` are in `home_dir/data/<fingerprint>/`; `tell` is called for damaged files there.
    Raises `UserError` with file and line for data that cannot be trained on, and for an encoder that is not available.
    """
    home = made_home(Path(home_dir))
    if study.probes is not None and study.probes.masked_lm is not None:
        read_probe_texts(study.probes.masked_lm)  # a missing file is an error now, not after the runs
    replayed = read_replayed(study)
    searched = {_name_of(arm, settings): (arm, settings) for arm, settings in study.variants()}
    views = _views(study)
    encoders = {}
    for name, view in views.items():
        with naming_arm(study, name):
            encoders[name] = _proved(view, home)
    if study.head.kind == "masked_lm":
        refuse_other_vocabularies({name: files for name, (files, _) in encoders.items()})
    read = _read(study, [view.data for view in views.values()])
    raw_texts = {text: texts.sha256 for text, texts in replayed.items()}
    cards = {}
    for name, view in views.items():
        with naming_arm(study, name):
            cards[name] = _card_of(view, encoders[name], read, home, tell).with_texts(raw_texts)
    first = next((arm for arm in study.arms if views[arm] is study), next(iter(views)))
    refuse_other_examples(study, cards, first)
    refuse_encoders_of_one_name(cards)
    own = {arm: cards[arm] for arm in study.arms if cards[arm] != cards[first]}
    found = [
        SearchedCard(arm=arm, settings=settings, card=cards[name])
        for name, (arm, settings) in searched.items()
        if cards[name] != cards[arm]
    ]
    card = cards[first].model_copy(update={"arms": own, "searched": tuple(found)})
    _refuse_unfit_arms(study, card, {each.identity: each.settings for each, _ in encoders.values()})
    _tokenise_replayed(study, card, replayed, tell)
    return card


def refuse_unreadable(study: StudyConfig) -> None:
    """Raise the `UserError` that `prepare_data` would for data that cannot be read, long before it has loaded what it needs."""
    _read(study, [view.data for view in _views(study).values()])


def _views(study: StudyConfig) -> dict[str, StudyConfig]:
    """The study as each of its arms sees it, and as each would with what its search may choose."""
    searched = {_name_of(arm, settings): study.decided({arm: settings}).of_arm(arm) for arm, settings in study.variants()}
    return {arm: study.of_arm(arm) for arm in study.arms} | searched


def _tokenise_replayed(study: StudyConfig, card: DatasetCard, replayed: Mapping[str, RawTexts], tell: Tell) -> None:
    """The files that arms replay, each as the encoder of the arm reads it."""
    for arm, settings in study.tried_arms():
        own, decided = card.decided({arm: settings}).of_arm(arm), study.decided({arm: settings})
        replay = replay_of(decided.arms[arm].strategies)
        if replay is not None and replay.text in replayed:
            for each in own.draws or (own,):
                tokenise_replayed(replayed[replay.text], each, tell)


def _name_of(arm: str, settings: Settings) -> str:
    """Where a choice of a search is written, for messages."""
    return f"{arm}.search.space ({', '.join(f'{name} {value}' for name, value in settings.items())})"


def _refuse_unfit_arms(study: StudyConfig, card: DatasetCard, encoders: Mapping[EncoderIdentity, dict[str, Any]]) -> None:
    """Raise `UserError` for an arm, as it is or as its search could make it, that does not fit its encoder or its data."""
    for arm, settings in study.tried_arms():
        own, decided = card.decided({arm: settings}).of_arm(arm), study.decided({arm: settings})
        refuse_missing_layers(decided, arm, encoders[own.encoder], searched=bool(settings))
        refuse_too_high_rank(decided, arm, encoders[own.encoder], searched=bool(settings))
        refuse_missing_biases(decided, arm, Path(own.encoder_dir), searched=bool(settings))
        refuse_unscored_metric(decided.of_arm(arm), own)
        refuse_unfit_subset(decided, arm, own)


def _read(study: StudyConfig, of_arms: Sequence[DataConfig]) -> ReadData:
    kind = study.head.kind
    files = tuple(dict.fromkeys(path for data in of_arms for path in data.extra_train))
    extra = read_extra_train(study.data, files, kind)
    given = read_splits(study.data, kind, with_ids=name_sources(extra))
    extra = with_sources(extra, given)
    agreed, labels, repairs = ALIGNMENTS[kind].agree(given | extra, study.data)
    refuse_missing_labels(study, labels)
    return ReadData({name: agreed[name] for name in given}, {path: agreed[extra_name(path)] for path in files}, labels, repairs)


def _proved(study: StudyConfig, home: Path) -> tuple[EncoderFiles, EncoderParts]:
    encoder = resolve_encoder(study.encoder, home)
    parts = prove_encoder(encoder, study.head, home)
    refuse_too_long(study.data.max_length, encoder)
    return encoder, parts


def _card_of(
    study: StudyConfig, proved: tuple[EncoderFiles, EncoderParts], read: ReadData, home: Path, tell: Tell
) -> DatasetCard:
    """The card of the study as one arm sees it, whose tokenised data are stored; with those of all splits of a split design."""
    data, (encoder, _), alignment, drawn = study.data, proved, ALIGNMENTS[study.head.kind], study.seeds.splits
    refuse_other_labels(encoder, study.head, read.labels)
    cut = cut_splits(read.splits, data, study.seed) if drawn is None else pool_of(read.splits, data, study.seed)
    whole = alignment.for_training(with_extra(cut, {path: read.extra[path] for path in data.extra_train}), data)
    splits, fitted = alignment.fit(whole, data, lambda: load_tokenizer(encoder))
    store = PreparedStore(study, *proved, read.labels, home, tell)
    facts = tokenizer_facts(encoder.directory)

    def seen(of: StoredSplits) -> PreparedData:
        return PreparedData(of.splits, of.prepared, read.labels, data.max_length, facts, data, read.near)

    with ThreadPoolExecutor(1) as beside:  # numpy and the tokenizer leave the interpreter to each other
        looked = None if drawn else beside.submit(look_for_near, splits, read.near)
        stored = store.stored(splits, lambda: _tokenised(alignment, splits, read.labels, encoder, data))
        own = find_all(seen(stored), alignment.checks)
        if looked is not None:
            looked.result()
    draws = [] if drawn is None else [store.taken(stored, draw) for draw in drawn_splits(splits, drawn, data, study.seed)]
    # near-duplicates are looked for in the first split of a design, which takes long enough
    across = find_all(seen(draws[0] if draws else stored), OF_EVERY_HEAD)
    across += find_most(map(seen, draws), [check for check in alignment.checks if check in BETWEEN_SPLITS])
    findings = read.repairs_of(data) + fitted + own + across
    if not draws:
        return store.card(stored, findings)
    cards = tuple(store.card(draw, ()) for draw in draws)
    n = sum(not example.source_id for example in splits["train"].examples)
    return cards[0].model_copy(update={"findings": findings, "draws": cards, "n_drawn_from": n})


def _tokenised(
    alignment: Alignment, splits: Mapping[str, RawSplit], labels: tuple[str, ...], encoder: EncoderFiles, data: DataConfig
) -> dict[str, pa.Table]:
    tokenizer = load_tokenizer(encoder)
    types = uses_token_types(encoder)
    tables = {}
    for name, split in splits.items():
        try:
            tables[name] = alignment.tokenise(tokenizer, split.examples, labels, data, types)
        except UserError as error:  # tokenising only knows the line
            raise error.within(error.path or split.path) from None
    return tables
