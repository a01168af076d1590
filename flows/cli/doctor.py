"""Check the installation and say how to mend it."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> Answer:
    """Check versions, device, home, tracking and Prefect, and say how to mend what is wrong.

    Exits with 0 if all is well, with 4 if a server or database does not answer, else with 3. Nothing is
    made or changed, the home included.
    """
    from flows.doctor import checks
    from flows.server import known_url
    from tasks.core.home import Home, find_home

    home = Home(find_home(invocation.home))
    found = list(checks(home))
    ok = all(check.ok for check in found)
    payload = {
        "status": "completed",
        "ok": ok,
        "checks": [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "remedy": check.remedy} for check in found
        ],
        "home": str(home.root),
        "tracking_uri": home.tracking_uri,
        "prefect_api_url": known_url(home),
    }
    lines = []
    for check in found:
        mark = click.style("ok", fg="green") if check.ok else click.style("no", fg="red", bold=True)
        lines.append(f"  {mark}  {check.name:<10}{check.detail}")
        if check.remedy:
            lines.append(f"      {'':<10}{check.remedy}")
    lines += ["", f"home          {home.root}", f"tracking_uri  {home.tracking_uri}"]
    lines.append(f"prefect       {payload['prefect_api_url'] or 'started for each run'}")
    exit_code = 0 if ok else 4 if any(check.service for check in found if not check.ok) else 3
    return Answer(payload, "\n".join(lines), exit_code)
