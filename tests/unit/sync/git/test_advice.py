from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.sync.targets.git.repository.advice import told


@pytest.mark.parametrize(
    ("output", "said", "advice"),
    [
        (
            "@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@\n"
            "Host key verification failed.\nfatal: Could not read from remote repository.\n",
            "Host key verification failed.",
            "known hosts",
        ),
        (
            "git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
            "git@example.org: Permission denied (publickey).",
            "SSH key",
        ),
        (
            "fatal: Authentication failed for 'https://u:p@h/r'\n",
            "fatal: Authentication failed for 'https://***@h/r'",
            "token",
        ),
        (
            "remote: Denied\nfatal: unable to access 'https://h/': The requested URL returned error: 403\n",
            "fatal: unable",
            "may not write",
        ),
        (
            "remote: error: GH006: Protected branch update failed for refs/heads/main.\nTo https://h/r\n"
            " ! [remote rejected] main -> main (protected branch hook declined)\n",
            "remote: error: GH006",
            "protected",
        ),
        (
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n"
            " ! [remote rejected] main -> main (pre-receive hook declined)\n",
            "remote: GitLab: You are not allowed",
            "protected",
        ),
        ("error: unable to write file: No space left on device\nfatal: x\n", "error: unable to write", "make room"),
        (
            "remote: the policy says no\n ! [remote rejected] main -> main (pre-receive hook declined)\n",
            "remote: the policy says no",
            "hook",
        ),
        ("hint: x\nwarning: y\nfatal: something new\n", "fatal: something new", ""),
    ],
)
def test_the_telling_line_comes_with_what_a_person_has_to_do(output: str, said: str, advice: str) -> None:
    text = told(output)
    assert text.startswith(said)
    assert advice in text
    assert text.endswith(")") == bool(advice)


@given(st.text())
def test_whatever_is_said_becomes_one_line(output: str) -> None:
    assert len(told(output).splitlines()) <= 1


@given(st.from_regex(r"[a-z]{1,8}:[a-zA-Z0-9]{8,12}", fullmatch=True), st.sampled_from(["https", "ssh"]))
def test_no_login_is_ever_told(login: str, scheme: str) -> None:
    assert login not in told(f"fatal: unable to access '{scheme}://{login}@host/': error: 403")
