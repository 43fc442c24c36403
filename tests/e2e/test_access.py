"""What the real sidecars bring of who asks."""

import httpx

from world import World


def test_a_persons_own_token_comes_through_the_sidecars_and_is_judged_by_crud(world: World) -> None:
    with httpx.Client(base_url=world.env["ROWCAST_DAPR_URL"], headers={"dapr-app-id": "crud"}) as client:
        answer = client.get("/access:mine", headers={"authorization": "Bearer e30.e30.e30"})
        assert answer.status_code == 401
        assert "ROWCAST_ISSUERS" in answer.json()["detail"]
        mine = client.get("/access:mine", headers={"x-rowcast-user": "ada"}).json()
        assert (mine["way"], mine["person"], mine["enforced"]) == ("dashboard", "ada", False)
        forged = client.get("/access:mine", headers={"dapr-caller-app-id": "sync-k8s"})
        assert forged.status_code == 401 or forged.json()["way"] == "dashboard", forged.text


def test_long_keys_and_cursors_come_through_the_sidecars(world: World) -> None:
    """In a URL each of a key's 2,600 bytes may be three: more than the 4 KiB that sidecars take of themselves."""
    with world.api() as api:
        answer = api.get("/appconfigs", params={"cursor": "\u4e2d" * 866})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "cursor"
