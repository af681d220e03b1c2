"""`quarterhour workspaces`, `apps`, `people`: who there is, what they are called, and who may see what."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.accounts import DataDir, accounts_of, checked_id, chosen, now, shown_apps, shown_instant

Workspace = Annotated[str, typer.Option(help="Workspace; made when it is new.")]


def register(app: typer.Typer) -> None:
    """Add `workspaces set|list`, `apps name|list`, `people set|list|remove`."""
    workspaces = typer.Typer(no_args_is_help=True, help="Workspaces: the tenants, whose kind decides the limits of their keys.")
    workspaces.command("set")(set_workspace)
    workspaces.command("list")(list_workspaces)
    apps = typer.Typer(no_args_is_help=True, help="Names of apps.")
    apps.command("name")(name_app)
    apps.command("list")(list_apps)
    people = typer.Typer(no_args_is_help=True, help="People and their roles: workspace_owner, app_owner, collaborator.")
    people.command("set")(set_person)
    people.command("list")(list_people)
    people.command("remove")(remove_person)
    for name, group in {"workspaces": workspaces, "apps": apps, "people": people}.items():
        app.add_typer(group, name=name)


def set_workspace(
    workspace: Annotated[str, typer.Argument(help="Id of the workspace, as the events carry it.")],
    kind: Annotated[str | None, typer.Option(help="standard or enterprise. Default: what it is; a new one is standard.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a workspace, or give it another kind.

    Example: quarterhour workspaces set acme --kind enterprise
    """
    from services.accounts.limits import WORKSPACE_KINDS

    checked_id(workspace, "workspace")
    with accounts_of(data_dir) as accounts:
        accounts.set_workspace(workspace, chosen(kind, WORKSPACE_KINDS, "--kind") if kind else None, now())


def list_workspaces(data_dir: DataDir = None) -> None:
    """List workspaces with their kind, and how many keys and people they have.

    Example: quarterhour workspaces list
    """
    with accounts_of(data_dir) as accounts:
        found = accounts.list_workspaces(now())
    for one in found:
        typer.echo(f"{one.workspace_id}  {one.kind}  {one.keys} keys  {one.people} people  made {shown_instant(one.created_at)}")


def name_app(
    app: Annotated[str, typer.Argument(help="Id of the app, as the events carry it.")],
    name: Annotated[str, typer.Argument(help="What people call it.")],
    workspace: Workspace,
    data_dir: DataDir = None,
) -> None:
    """Give an app the name that people see.

    Example: quarterhour apps name st-7c1f "Shop assistant" --workspace acme
    """
    checked_id(workspace, "--workspace")
    checked_id(app, "app")
    with accounts_of(data_dir) as accounts:
        accounts.name_app(workspace, app, checked_id(name, "name", 200), now())


def list_apps(workspace: Annotated[str, typer.Option(help="Workspace.")], data_dir: DataDir = None) -> None:
    """List the apps of a workspace that have a name.

    Example: quarterhour apps list --workspace acme
    """
    with accounts_of(data_dir) as accounts:
        names = accounts.app_names(workspace)
    for app_id, name in names.items():
        typer.echo(f"{app_id}  {name}")


def set_person(
    email: Annotated[str, typer.Argument(help="E-mail of the person.")],
    workspace: Workspace,
    role: Annotated[
        str, typer.Option(help="workspace_owner: all apps, every scope; app_owner: read and export of their apps; collaborator: read of their apps.")
    ],
    app: Annotated[list[str] | None, typer.Option(help="An app of an app_owner or a collaborator; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="What they are called. Default: as before.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Make a person a member of a workspace, or change what they are there; their keys follow at once.

    Example: quarterhour people set ann@example.com --workspace acme --role app_owner --app shop
    """
    from services.accounts.roles import ROLES

    chosen_role = chosen(role, ROLES, "--role")
    if (chosen_role == "workspace_owner") == bool(app):
        raise typer.BadParameter("a workspace_owner sees all apps; the others need at least one --app", param_hint="--app")
    if "@" not in email[1:-1]:
        raise typer.BadParameter("this is no e-mail address", param_hint="email")
    apps = [checked_id(app_id, "--app") for app_id in dict.fromkeys(app)] if app else None
    with accounts_of(data_dir) as accounts:
        accounts.set_person(checked_id(workspace, "--workspace"), email.lower(), chosen_role, apps, now(), name=name)


def list_people(workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None, data_dir: DataDir = None) -> None:
    """List people with their roles and apps.

    Example: quarterhour people list --workspace acme
    """
    with accounts_of(data_dir) as accounts:
        found = accounts.list_people(workspace)
    for person in found:
        typer.echo(f"{person.workspace_id}  {person.email}  {person.role}  {shown_apps(person.app_ids)}  {person.name}".rstrip())


def remove_person(
    email: Annotated[str, typer.Argument(help="E-mail of the person.")],
    workspace: Annotated[str, typer.Option(help="Workspace that they leave.")],
    data_dir: DataDir = None,
) -> None:
    """Take a person out of a workspace; their keys there are revoked.

    Example: quarterhour people remove ann@example.com --workspace acme
    """
    with accounts_of(data_dir) as accounts:
        known = accounts.remove_person(workspace, email.lower(), now())
    if not known:
        typer.echo(f"{email} is no member of {workspace}. `quarterhour people list` shows who is.", err=True)
        raise typer.Exit(1)
    typer.echo("Removed, and their keys revoked.", err=True)
