"""Renders the templates of a Helm chart, as far as kproxy's go: values and their pipelines, and
`with`. Anything else is an error, and a sign that this file, or the template, should be reconsidered."""

import json
import re

import debian_yaml

ACTION = re.compile(r"(\s*\{\{-|\{\{)\s*(.*?)\s*(-\}\}\s*|\}\})", re.DOTALL)


class Unknown(Exception):
    pass


def find(path, scope):
    """.Values.image.tag of the scope; . is what `with` chose."""
    if path == ".":
        return scope["."]
    value = scope
    for name in path.removeprefix(".").split("."):
        if not isinstance(value, dict) or name not in value:
            raise Unknown(f"{path} is no value")
        value = value[name]
    return value


def operand(word, scope):
    return json.loads(word) if word[0] in '"0123456789' else find(word, scope)


def evaluate(pipeline, scope):
    result = None
    for place, step in enumerate(pipeline.split("|")):
        name, *words = step.split()
        values = [operand(word, scope) for word in words] + ([result] if place else [])
        if name.startswith("."):
            result = find(name, scope)
        elif name == "toYaml":
            result, = map(debian_yaml.dump, values)
        elif name == "quote":
            result = json.dumps(text(values[0]))
        elif name == "default":
            result = values[1] or values[0]
        elif name == "nindent":
            result = "".join("\n" + " " * values[0] + line for line in values[1].split("\n"))
        else:
            raise Unknown(f"{{{{ {pipeline} }}}}: {name}")
    return result


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def render(template, scope):
    """The text, with the actions in it carried out. `with` leaves out what is empty."""
    output, place, chosen = [], 0, [scope]  # a scope of None: left out
    for action in ACTION.finditer(template):
        here = chosen[-1]
        if here is not None:
            output.append(template[place:action.start()])
        place, what = action.end(), action[2]
        if what.startswith("with "):
            value = here and evaluate(what.removeprefix("with "), here)
            chosen.append({**here, ".": value} if value else None)
        elif what == "end":
            if len(chosen) == 1:
                raise Unknown("end without a beginning")
            chosen.pop()
        elif here is not None:
            output.append(text(evaluate(what, here)))
    if len(chosen) > 1:
        raise Unknown("with without an end")
    return "".join(output) + template[place:]


def render_chart(folder, changes=None, namespace="kube-system"):
    """All objects of the chart, with these of its values changed: {"image.tag": "1"}."""
    values = debian_yaml.document((folder / "values.yaml").read_text())
    for path, value in (changes or {}).items():
        *outer, last = path.split(".")
        inner = values
        for name in outer:
            inner = inner[name]
        if last not in inner:
            raise Unknown(f"{path} is none of the chart's values")
        inner[last] = value
    about = debian_yaml.document((folder / "Chart.yaml").read_text())
    scope = {"Values": values, "Chart": {"AppVersion": about["appVersion"]}, "Release": {"Namespace": namespace}}
    return [one for path in sorted((folder / "templates").glob("*.yaml"))
            for one in debian_yaml.documents(render(path.read_text(), scope))]
