"""The template and the style sheet of every page: light and dark, on paper too, nothing fetched from anywhere.

They are Python text, not files beside it, because cache keys hash the Python files a stage imports: a
changed style sheet has to make new pages.
"""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f8fa; --ink: #1c2430; --soft: #5a6675; --line: #d9dfe6; --grid: #e8ecf1;
  --accent: #1f6f54; --c0: #2f6db3; --c1: #d2762a; --c2: #2a9270; --c3: #b8477f; --c4: #7b62c4; --c5: #9a7b1c;
  --c6: #3f9bb5; --c7: #7d8794; --c8: #8c4a2f; --c9: #a3b51f;
  --good: #1a7f4b; --bad: #c2332c; --wait: #9a6a00; --none: #64707d; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #12171e; --panel: #1a212b; --ink: #e4e9ef; --soft: #9aa7b5; --line: #303a46; --grid: #252e39;
  --accent: #5fc59d; --c0: #6aa5e6; --c1: #eb9a55; --c2: #52c29b; --c3: #e27fb0; --c4: #a893ea; --c5: #cfae4b;
  --c6: #6cc4dc; --c7: #98a3b0; --c8: #c98a6e; --c9: #c6d65a;
  --good: #4fc786; --bad: #f0807a; --wait: #e0b04a; --none: #98a3b0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
header { border-bottom: 3px solid var(--accent); padding-bottom: 1rem; margin-bottom: 1.5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
header p { margin: .4rem 0 0; color: var(--soft); }
h2 { font-size: 1.35rem; margin: 2.8rem 0 .6rem; } h3 { font-size: 1.08rem; margin: 1.8rem 0 .4rem; }
p, ul { max-width: 46rem; } p { margin: .5rem 0; overflow-wrap: anywhere; } li { margin: .25rem 0; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 0 0 1.5rem; font-size: .92rem; }
a { color: var(--c0); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.numbers div { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.numbers dt { color: var(--soft); font-size: .85rem; } .numbers dl { margin: 0; }
.numbers dd { margin: 0; font-size: 1.55rem; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.numbers dd.more { font-size: .85rem; font-weight: 400; color: var(--soft); line-height: 1.4; }
.scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .9rem; min-width: 24rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0 0 .4rem; }
th, td { padding: .38rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); color: var(--soft); font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; } td { overflow-wrap: break-word; max-width: 34rem; }
td:not(.number):last-child { min-width: 12rem; }
tbody th { font-weight: 600; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 999px; padding: 0 .6rem;
  font-size: .82rem; font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); } .none { color: var(--none); }
.note { border-left: 4px solid var(--line); background: var(--panel); padding: .5rem .9rem; margin: .9rem 0;
  max-width: 46rem; border-radius: 0 6px 6px 0; font-size: .94rem; }
.note.good { border-color: var(--good); } .note.bad { border-color: var(--bad); }
.note.wait { border-color: var(--wait); }
.note.good, .note.bad, .note.wait { color: inherit; }
figure { margin: 1rem 0 1.4rem; break-inside: avoid; }
figure svg, figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .88rem; max-width: 46rem; margin-top: .35rem; }
.gallery { display: grid; gap: .4rem 1.2rem; margin: 1rem 0; } .gallery figure { margin: .3rem 0; }
svg text { font-family: inherit; fill: var(--ink); font-size: 11px; } svg .soft { fill: var(--soft); }
svg .pixel { image-rendering: pixelated; }
details summary { cursor: pointer; color: var(--c0); margin: .6rem 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem;
  color: var(--soft); font-size: .85rem; }
@media print { :root { color-scheme: light; --paper: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --grid: #ddd; } main { max-width: none; padding: 0; } nav { display: none; } h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; } .scroll { overflow: visible; } }
"""

TEMPLATE = """
{%- macro cell(value) -%}
{%- if value.is_badge -%}<span class="badge {{ value.tone }}">{{ value.sign }} {{ value.text }}</span>
{%- else -%}{{ value.text }}{%- endif -%}
{%- endmacro -%}
{%- macro picture(item) -%}
<figure>
{%- if item.svg -%}{{ item.svg }}
{%- else -%}<img src="{{ item.source }}" alt="{{ item.alt }}">{%- endif -%}
{%- if item.caption %}<figcaption>{{ item.caption }}</figcaption>{% endif -%}
</figure>
{%- endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<header><h1>{{ title }}</h1>{% if subtitle %}<p>{{ subtitle }}</p>{% endif %}</header>
{% if contents | length > 2 -%}
<nav aria-label="Contents">{% for item in contents %}<a href="#{{ item.anchor }}">{{ item.text }}</a>{% endfor %}</nav>
{% endif -%}
{% for block in blocks -%}
{% if block.kind == "heading" -%}
<h{{ block.level }} id="{{ block.anchor }}">{{ block.text }}</h{{ block.level }}>
{% elif block.kind == "text" -%}
<p>{{ block.text }}</p>
{% elif block.kind == "link" -%}
<p><a href="{{ block.address }}">{{ block.text }}</a></p>
{% elif block.kind == "points" -%}
<ul>{% for item in block.points %}<li>{{ item }}</li>{% endfor %}</ul>
{% elif block.kind == "note" -%}
<div class="note {{ block.tone }}" role="note">{{ block.text }}</div>
{% elif block.kind == "badge" -%}
<p>{{ cell(block.badge) }} {{ block.text }}</p>
{% elif block.kind == "numbers" -%}
<div class="numbers">{% for item in block.numbers -%}
<div><dl><dt>{{ item.label }}</dt><dd>{{ cell(item.value) }}</dd>
{%- if item.more %}<dd class="more">{{ item.more }}</dd>{% endif %}</dl></div>
{%- endfor %}</div>
{% elif block.kind == "table" -%}
{% if block.fold %}<details><summary>{{ block.fold }}</summary>{% endif -%}
<div class="scroll"><table>{% if block.caption %}<caption>{{ block.caption }}</caption>{% endif %}
<thead><tr>{% for column in block.columns -%}
<th scope="col"{% if column.number %} class="number"{% endif %}>{{ column.text }}</th>
{%- endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}<tr>{% for value in row -%}
{% if loop.first %}<th scope="row">{{ cell(value) }}</th>
{%- else %}<td{% if value.number %} class="number"{% endif %}>{{ cell(value) }}</td>{% endif -%}
{%- endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if block.fold %}</details>{% endif -%}
{% elif block.kind == "gallery" -%}
<div class="gallery" style="grid-template-columns: repeat(auto-fill, minmax(min(100%, {{ block.width }}px), 1fr))">
{% for item in block.figures %}{{ picture(item) }}
{% endfor %}</div>
{% elif block.kind == "figure" -%}
{{ picture(block.figure) }}
{% endif -%}
{% endfor -%}
<footer>Made by Evergreen. This page is one file: it loads nothing and runs no script.</footer>
</main>
</body>
</html>
"""
