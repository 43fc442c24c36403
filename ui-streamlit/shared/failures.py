"""What goes wrong, said in one line with a retry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from client.errors import MissingError, ProposedError, RefusedError, UnavailableError
from configurations.models import FIELDS
from shared import clicks
from shared.formatting import plain, sentence

BACK: Final = "Show all configurations"


@contextmanager
def answered(where: str, offer: str = "Retry", back: str = BACK) -> Iterator[None]:
    """Show in place of the block's outcome what the API refused or could not do, or keeps for another to approve.

    `where` keeps the keys apart; `offer` names the button, whose click runs the page again, and
    `back` the one that leaves what the address names, where that is missing.
    """
    try:
        yield
    except ProposedError as proposed:
        st.info(plain(str(proposed)), icon=":material/how_to_reg:")
    except UnavailableError as failure:
        one_line(str(failure), where, offer)
    except MissingError as refusal:
        one_line(complaint(refusal), where, back, to_list)
    except RefusedError as refusal:
        one_line(complaint(refusal), where, offer)


def nothing() -> None:
    """Do nothing: the rerun that follows a click is the retry."""


def to_list() -> None:
    """Leave the row that the link names."""
    st.query_params.clear()


def one_line(text: str, where: str, offer: str = "Retry", act: Callable[[], None] = nothing) -> None:
    """Show `text` as an error with one button beside it; `act` is called before the rerun."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.error(plain(text), icon=":material/cloud_off:", width="stretch")
        if clicks.button(offer, key=f"retry:{where}"):
            act()
            st.rerun()


def complaint(refusal: RefusedError, fields: Collection[str] = FIELDS) -> str:
    """Return what says why crud refused, with what none of the form's `fields` can show."""
    said = refusal.detail or refusal.title
    elsewhere = [error for error in refusal.errors if error.field.removeprefix("body.") not in fields]
    others = [f"{error.field} {error.message}" for error in elsewhere if error.message != said]
    return " ".join(sentence(text) for text in (said, *others))
