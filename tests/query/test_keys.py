"""Keys over the API: an admin's key administers the keys of its workspace, one of some apps those of its apps, and no other key any."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.accounts.scopes import KEY_SCOPES
from tests.query.conftest import Api

KEYS = "/v1/keys"


class Admin:
    """A client with the scope `admin`."""

    def __init__(self, api: Api, workspace: str | None = None, apps: tuple[str, ...] = ()) -> None:
        self.api = api
        self.key = api.new_key(workspace, scopes=("admin",), apps=apps)

    def ask(self, method: str, path: str = KEYS, body: Any = None) -> httpx.Response:
        response: httpx.Response = self.api.client.request(method, path, json=body, headers={"Authorization": f"Bearer {self.key}"})
        return response

    def make(self, **body: Any) -> dict[str, Any]:
        response = self.ask("POST", body=body)
        assert response.status_code == 201, response.text
        made = response.json()
        assert isinstance(made, dict)
        return made

    def listed(self) -> dict[str, dict[str, Any]]:
        return {key["prefix"]: key for key in self.ask("GET").json()["keys"]}


def test_a_key_that_is_made_works_is_shown_once_and_ends_when_it_is_revoked(api: Api) -> None:
    admin = Admin(api)
    made = admin.make(name="dashboard", scopes=["read"], app_ids=["b", "a"], expires_in_days=90)
    assert (made["name"], made["scopes"], made["app_ids"], made["state"], made["is_of_a_person"]) == ("dashboard", ["read"], ["a", "b"], "live", False)
    assert made["expires_at"][:10] == "2026-06-13"
    assert api.get("/v1/usage/apps", key=made["key"]).status_code == 200
    assert api.get("/v1/usage/sessions.csv", key=made["key"]).status_code == 403
    shown = admin.ask("GET")
    assert made["key"] not in shown.text
    assert made["prefix"] in shown.text
    assert (shown.headers["cache-control"], admin.listed()[made["prefix"]]["last_four"]) == ("no-store", made["key"][-4:])

    assert [admin.ask("DELETE", f"{KEYS}/{made['prefix']}").status_code for _ in range(2)] == [204, 204]
    assert (api.get("/v1/usage/apps", key=made["key"]).status_code, admin.listed()[made["prefix"]]["state"]) == (401, "revoked")


def test_a_rotated_key_and_the_one_in_its_place_are_both_good_until_the_overlap_is_over(api: Api) -> None:
    admin = Admin(api)
    old = admin.make(scopes=["read"])
    new = admin.ask("POST", f"{KEYS}/{old['prefix']}/rotate", {"overlap_hours": 1}).json()
    assert [api.get("/v1/usage/apps", key=each["key"]).status_code for each in (old, new)] == [200, 200]
    again = admin.ask("POST", f"{KEYS}/{old['prefix']}/rotate", {})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert admin.listed()[old["prefix"]]["replaced_by"] == new["prefix"]
    api.now = "2026-03-15T13:00"
    assert [api.get("/v1/usage/apps", key=each["key"]).status_code for each in (old, new)] == [401, 200]


@pytest.mark.parametrize("scopes", [("read",), ("export",), ("read", "export")])
def test_without_the_scope_admin_there_are_no_keys(api: Api, scopes: Any) -> None:
    admin = Admin(api)
    made, admin.key = admin.make(), api.new_key(scopes=scopes)
    questions: list[tuple[Any, ...]] = [
        ("GET", KEYS, None),
        ("POST", KEYS, {}),
        ("POST", f"{KEYS}/{made['prefix']}/rotate", {}),
        ("DELETE", f"{KEYS}/{made['prefix']}", None),
    ]
    assert {admin.ask(*question).status_code for question in questions} == {403}
    assert api.get("/v1/usage/apps", key=made["key"]).status_code == 200


def test_the_keys_of_another_workspace_are_not_found(api: Api) -> None:
    mine, theirs = Admin(api), Admin(api, f"{api.workspace}-2")
    made = theirs.make(name="theirs")
    assert made["prefix"] not in mine.listed()
    questions: list[tuple[Any, ...]] = [("POST", f"{KEYS}/{made['prefix']}/rotate", {}), ("DELETE", f"{KEYS}/{made['prefix']}", None)]
    assert [mine.ask(*question).status_code for question in questions] == [404, 404]
    assert api.get("/v1/usage/apps", key=made["key"]).json()["workspace_id"] == f"{api.workspace}-2"


def test_a_key_of_some_apps_administers_the_keys_of_these_alone(api: Api) -> None:
    whole, of_a = Admin(api), Admin(api, apps=("a", "b"))
    others = [whole.make(), whole.make(app_ids=["a", "c"]), whole.make(app_ids=["c"])]
    mine = whole.make(app_ids=["b"])
    assert of_a.listed().keys() >= {mine["prefix"]}
    assert not of_a.listed().keys() & {each["prefix"] for each in others}
    assert [of_a.ask("DELETE", f"{KEYS}/{each['prefix']}").status_code for each in [*others, mine]] == [404, 404, 404, 204]
    assert of_a.make()["app_ids"] == ["a", "b"]
    refused = of_a.ask("POST", body={"app_ids": ["a", "c"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (403, "app_id")


@pytest.mark.parametrize(
    ("body", "field"),
    [({"scopes": []}, "scopes"), ({"scopes": ["all"]}, "scopes"), ({"expires_in_days": 0}, "expires_in_days"), ({"name": "n" * 201}, "name"),
     ({"app_ids": [""]}, "app_ids"), ({"app_ids": ["a\0"]}, "app_ids"), ({"name": "\0"}, "name"),
     ({"workspace_id": "w-of-others"}, "workspace_id"), ([], "body")],
)  # fmt: skip
def test_what_is_wrong_with_a_key_that_is_asked_for_is_told_by_field(api: Api, body: Any, field: str) -> None:
    refused = Admin(api).ask("POST", body=body)
    assert (refused.status_code, refused.json()["code"], refused.json()["errors"][0]["field"]) == (422, "invalid_parameter", field)


def test_a_body_that_is_no_json_is_told(api: Api) -> None:
    headers = {"Authorization": f"Bearer {Admin(api).key}", "Content-Type": "application/json"}
    for content in (b"{", b"\xff"):
        refused = api.client.post(KEYS, content=content, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body")


def test_an_admin_may_give_every_scope_and_revoke_the_key_that_asks(api: Api) -> None:
    admin = Admin(api)
    assert admin.make(scopes=list(KEY_SCOPES))["scopes"] == list(KEY_SCOPES)
    assert admin.ask("DELETE", f"{KEYS}/{admin.key.split('_')[1]}").status_code == 204
    assert admin.ask("GET").status_code == 401
