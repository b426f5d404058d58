"""Every form in which an ensemble is written down: members of both kinds understand the same by it."""

from __future__ import annotations

import pytest

from .clients import clients_of
from .compare import CONFIG, assert_members_equal
from .configurations import Form
from .conftest import NewEnsemble, compositions
from .ensemble import ProcessEnsemble
from .member import Kind

COMPOSITIONS = compositions("JZJ", "ZJZ")


def shown_configuration(ensemble: ProcessEnsemble) -> str:
    """The text of `/zookeeper/config`, which is the same on all members."""
    with clients_of(ensemble) as clients:
        texts: set[str] = {client.get(CONFIG)[0].decode() for client in clients.values()}
    assert len(texts) == 1, texts
    return texts.pop()


@pytest.mark.parametrize("composition", COMPOSITIONS)
@pytest.mark.parametrize("form", [Form.CLIENT_PORT, Form.NAMES], ids=lambda form: form.value)
def test_members_show_the_same_configuration(composition: str, form: Form, new_ensemble: NewEnsemble) -> None:
    ensemble = new_ensemble(composition, form=form)
    lines = shown_configuration(ensemble).splitlines()
    assert len(lines) == len(composition) + 1
    assert lines[-1] == "version=0"
    assert_members_equal(ensemble)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_first_epoch_gives_the_dynamic_configuration_its_version(
    composition: str, new_ensemble: NewEnsemble
) -> None:
    """All members write it down, and the other implementation starts from the files of this one."""
    ensemble = new_ensemble(composition, form=Form.DYNAMIC)
    text = shown_configuration(ensemble)
    assert text.endswith("\nversion=100000000")
    for member in ensemble:
        other = Kind.JAVA if member.kind is Kind.ZOOLET else Kind.ZOOLET
        ensemble.restart(member.sid, kind=other)
        assert shown_configuration(ensemble) == text
    assert_members_equal(ensemble)
