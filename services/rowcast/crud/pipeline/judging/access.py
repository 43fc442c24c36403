"""Who decides who may do what, and what is wrong with that."""

from collections.abc import Mapping

from rowcast.crud.pipeline.judging.verdict import OK, Verdict


def access(
    rules: int | None,
    fault: str | None,
    on_loopback: bool,
    issuers: Mapping[str, str | None],
    issuers_fault: str | None = None,
) -> Verdict:
    """`rules` of the policy, None without one; issuers, each with what is wrong.

    `fault` and `issuers_fault`: why the file of either is refused.
    """
    if fault is not None:
        before = "the one before stays" if rules else "nobody may do anything"
        return Verdict(
            "degraded", f"the policy is not used: {fault}; {before}", "rowcast access check FILE says what to mend"
        )
    if issuers_fault is not None:
        before = "those before stay" if issuers else "no token is believed"
        return Verdict(
            "degraded", f"the issuers are not used: {issuers_fault}; {before}", "mend the file (ROWCAST_ISSUERS)"
        )
    away = [f"{name}: {why}" for name, why in issuers.items() if why is not None]
    if away:
        return Verdict(
            "degraded", f"keys can't be fetched of {'; '.join(away)}", "see whether the issuer answers to crud"
        )
    if rules is None and not on_loopback:
        return Verdict(
            "ok",
            "open: there is no policy, so whoever the dashboard lets in may do what it lets them do",
            "set ROWCAST_POLICY (crud.access.policy of the chart)",
        )
    return OK
