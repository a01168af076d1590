"""Score a file with a registered model."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.output import Answer, Invocation, pass_invocation


@click.command()
@click.argument("model")
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", required=True, metavar="OUTPUT", help="File to write: .csv or .parquet.")
@click.option("--latent", is_flag=True, help="Add the latent features of a reconstruction: latent_0, latent_1, …")
@pass_invocation
def command(invocation: Invocation, model: str, source: str, output: str, latent: bool) -> Answer:
    """Score every row of INPUT (.csv or .parquet) with MODEL; each prediction enters the journal.

    MODEL is a name, name@alias or name/version; the alias is champion where none is given. OUTPUT gets the id
    column if there is one, prediction_id, prediction (an anomaly score, where rows are reconstructed),
    probability_<class> and model_version.

    Of a model with data.windows, INPUT holds rows as the recipe's source gives them: every whole window gets an
    answer, with the time of the row that it is about, window_end and horizon; the newest are forecasts.
    """
    from tasks.core.names import parse_model

    parse_model(model)  # refused in milliseconds, before pandas is imported
    home = invocation.open_home()
    from tasks.serve.batch import predict_file

    scored = predict_file(home, model, Path(source).expanduser(), Path(output).expanduser(), latent=latent)
    used = scored["model"]
    text = f"{scored['rows']} rows scored by {used['name']}/{used['version']} → {scored['output']}"
    return Answer({"status": "completed", **scored}, "\n".join([text, *scored["notes"]]))
