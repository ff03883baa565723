"""Compares recorded calls and their answers with AWS's own models of its services, as botocore has them: members that are not known or are missing,
types, enums, patterns, lengths and ranges. Reads JSON from stdin, a line each: an exchange as proxy.ts records it, or the arguments of `aws`.
Writes what it found as JSON: how often, by text.

A pattern has to fit the whole text. Smithy leaves that to the pattern (https://smithy.io/2.0/spec/constraint-traits.html#pattern-trait), and
the models are older: most of theirs are not anchored, and would fit anything."""
import base64
import collections
import functools
import json
import re
import sys
import unicodedata
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.utils import parse_timestamp

SESSION = botocore.session.get_session()
# As botocore names a service, where that is not the name that its requests are signed for.
NAMES = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi", "servicequotas": "service-quotas"}
TYPES = {"string": str, "character": str, "boolean": bool, "integer": int, "long": int, "float": (int, float), "double": (int, float)}


class Form:
    """`Tags.member.1.Key=a`; of EC2 `Tag.1.Key=a`. A node is a text or what comes after each first part of the names."""

    def __init__(self, ec2=False):
        self.ec2 = ec2

    def name(self, name, shape):
        own = shape.serialization.get("name")
        if self.ec2:
            own = shape.serialization.get("queryName") or (own and own[0].upper() + own[1:])
            return own or name[0].upper() + name[1:]
        flattened = shape.type_name == "list" and shape.serialization.get("flattened") and shape.member.serialization.get("name")
        return flattened or own or name

    def members(self, node, shape):
        known = {self.name(name, member): name for name, member in shape.members.items()}
        return {known.get(key, key): (key in known, value) for key, value in node.items()} if isinstance(node, dict) else None

    def items(self, node, shape):
        if isinstance(node, dict) and not self.ec2 and not shape.serialization.get("flattened"):
            node = node.get(shape.member.serialization.get("name", "member"))
        if node == "":
            return []
        return [node[key] for key in sorted(node, key=int)] if isinstance(node, dict) and all(key.isdigit() for key in node) else None

    def entries(self, node, shape):
        if isinstance(node, dict) and not shape.serialization.get("flattened"):
            node = node.get("entry")
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        return [(one[key], one.get(value)) for one in node.values()] if isinstance(node, dict) else None

    def scalar(self, node, shape):
        return text_to_scalar(node, shape)


class Xml:
    """A node is a list of elements: of all of one name."""

    def members(self, nodes, shape):
        known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        for name, member in shape.members.items():
            if member.type_name == "list" and member.serialization.get("flattened") and "name" not in member.serialization:
                known[member.member.serialization.get("name", name)] = name
        found = collections.defaultdict(list)
        for child in nodes[0]:
            found[local(child.tag)].append(child)
        return {known.get(key, key): (key in known, value) for key, value in found.items()}

    def items(self, nodes, shape):
        if shape.serialization.get("flattened"):
            return [[node] for node in nodes]
        name = shape.member.serialization.get("name", "member")
        return [[child] for child in nodes[0]] if all(local(child.tag) == name for child in nodes[0]) else None

    def entries(self, nodes, shape):
        inner = nodes if shape.serialization.get("flattened") else list(nodes[0])
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        found = [({local(child.tag): child for child in one}) for one in inner]
        return [(one[key].text, [one[value]]) for one in found if key in one and value in one]

    def scalar(self, nodes, shape):
        return text_to_scalar(nodes[0].text or "", shape)


class Json:
    def members(self, node, shape):
        known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {known.get(key, key): (key in known, value) for key, value in node.items() if value is not None} if isinstance(node, dict) else None

    def items(self, node, shape):
        return node if isinstance(node, list) else None

    def entries(self, node, shape):
        return list(node.items()) if isinstance(node, dict) else None

    def scalar(self, node, shape):
        if shape.type_name == "timestamp":
            return None if isinstance(node, bool) or not isinstance(node, (int, float)) else node
        if shape.type_name == "blob":
            return node if isinstance(node, str) else None
        return node if isinstance(node, TYPES[shape.type_name]) and isinstance(node, bool) == (shape.type_name == "boolean") else None


def text_to_scalar(text, shape):
    """None for what is none."""
    try:
        if not isinstance(text, str):
            return None
        if shape.type_name == "boolean":
            return {"true": True, "false": False}.get(text)
        if shape.type_name == "timestamp":
            return parse_timestamp(text)
        return text if shape.type_name in ("string", "character", "blob") else int(text) if shape.type_name in ("integer", "long") else float(text)
    except ValueError:
        return None


def local(tag):
    return tag.rsplit("}", 1)[-1]


def walk(shape, node, reader, path, report):
    if shape.metadata.get("document"):
        return
    if shape.type_name == "structure":
        members = reader.members(node, shape)
        if members is None:
            return report(path, "is no structure")
        for name, (known, value) in members.items():
            if not known:
                report(f"{path}.{name}", "is not known")
            else:
                walk(shape.members[name], value, reader, f"{path}.{name}", report)
        for name in shape.metadata.get("required", []):
            if name not in members and "location" not in shape.members[name].serialization:
                report(f"{path}.{name}", "is missing")
    elif shape.type_name == "list":
        items = reader.items(node, shape)
        if items is None:
            return report(path, "is no list")
        bounds(shape, len(items), path, report, "items")
        for item in items:
            walk(shape.member, item, reader, f"{path}[]", report)
    elif shape.type_name == "map":
        entries = reader.entries(node, shape)
        if entries is None:
            return report(path, "is no map")
        bounds(shape, len(entries), path, report, "entries")
        for key, value in entries:
            constrain(shape.key, key, f"{path} keys", report)
            walk(shape.value, value, reader, f"{path}{{}}", report)
    else:
        value = reader.scalar(node, shape)
        if value is None:
            return report(path, f"is no {shape.type_name}")
        constrain(shape, value, path, report)


@functools.cache
def readable(pattern):
    """Python knows neither classes of Unicode nor pairs that stand for what is beyond its first 65,536 characters."""
    pattern = re.sub(r"\\p\{(\w)\}", lambda found: characters_of(found[1]), pattern)
    return re.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"), re.DOTALL)


@functools.cache
def characters_of(category):
    """As ranges within a class."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith(category)]
    starts = [code for before, code in zip([-2, *codes], codes) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -2]) if after != code + 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends))


def constrain(shape, value, path, report):
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            return report(path, f"is none of its values: {value!r:.60}")
        bounds(shape, len(value), path, report, "characters")
        pattern = shape.metadata.get("pattern")
        if pattern and not readable(pattern).fullmatch(value):
            report(path, f"does not fit {pattern:.40}")
    elif shape.type_name in ("integer", "long", "float", "double"):
        bounds(shape, value, path, report, "")


def bounds(shape, size, path, report, of):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        report(path, f"is under {least} {of}".rstrip())
    if most is not None and size > most:
        report(path, f"is over {most} {of}".rstrip())


def nest(pairs):
    nested = {}
    for name, value in pairs:
        node, parts = nested, name.split(".")
        for part in parts[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        else:
            node[parts[-1]] = value
    return nested


def find_by_path(model, method, path, query, headers):
    """The most particular operation that the request is one of: with most in its address that is literal, then with most that it has to have."""
    best = None
    for name in model.operation_names:
        operation = model.operation_model(name)
        wanted, _, literal = operation.http["requestUri"].partition("?")
        pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda label: f"(?P<{label[1]}>.+)" if label[2] else f"(?P<{label[1]}>[^/]+)", re.escape(wanted))
        fits = re.fullmatch(pattern + "/?", path)
        literals = parse_qsl(literal, keep_blank_values=True)
        if operation.http["method"] != method or not fits or any(query.get(key) != value for key, value in literals):
            continue
        members = operation.input_shape.members.items() if operation.input_shape else []
        required = operation.input_shape.required_members if operation.input_shape else []
        places = [(member.serialization.get("location"), member.serialization.get("name")) for key, member in members if key in required]
        if any(where == "header" and name.lower() not in headers or where == "querystring" and name not in query for where, name in places):
            continue
        rank = (len(literals), "/" + name == query.get("x-id", ""), name == query.get("x-id"), len(places), wanted.count("{"))
        if best is None or rank > best[0]:
            best = rank, operation, fits.groupdict(), {key for key, _ in literals}
    return best and best[1:]


def check_rest_input(operation, labels, literals, exchange, query, body, report):
    shape = operation.input_shape
    place = operation.name
    known = literals | {"x-id"}
    if shape:
        located = [(name, member) for name, member in shape.members.items() if "location" in member.serialization]
        for name, member in located:
            where, key = member.serialization["location"], member.serialization.get("name", name)
            value = {"uri": labels.get(key), "querystring": query.get(key), "header": exchange["headers"].get(key.lower())}.get(where)
            known.add(key)
            if value is None:
                if name in shape.required_members:
                    report(f"{place}.{name}", "is missing")
            elif member.type_name not in ("list", "map", "timestamp"):
                walk(member, value, Form(), f"{place}.{name}", report)
        payload = shape.serialization.get("payload")
        body_shape = shape.members[payload] if payload else shape if len(located) < len(shape.members) else None
        if body and body_shape is not None and body_shape.type_name == "structure":
            walk(body_shape, [ElementTree.fromstring(body)], Xml(), place, report)
    for key in set(query) - known:
        report(f"{place}?{key}", "is not known")


def check_answer(model, operation, status, headers, body, report):
    protocol = model.metadata["protocol"]
    is_json = protocol == "json" or "x-amz-json" in headers.get("content-type", "")
    if status >= 300:
        return check_error(operation, protocol, is_json, status, headers, body, report)
    shape = operation.output_shape
    if is_json:
        node = parse_json(body or b"{}", report)
        if node is not None and shape:
            walk(shape, node, Json(), operation.name, report)
        return
    if not shape:
        return
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name in ("blob", "string"):
        return
    if not body:
        if any("location" not in shape.members[name].serialization for name in shape.required_members):
            report(operation.name, "is empty")
        return
    root = parse_xml(body, report)
    if root is None:
        return
    if "resultWrapper" in shape.serialization:
        inner = [child for child in root if local(child.tag) == shape.serialization["resultWrapper"]]
        if not inner:
            return report(operation.name, f"has no {shape.serialization['resultWrapper']}")
        root = inner[0]
    for child in list(root):
        if local(child.tag) in ("requestId", "ResponseMetadata") and local(child.tag) not in shape.members:
            root.remove(child)
    walk(shape.members[payload] if payload else shape, [root], Xml(), operation.name, report)


def check_error(operation, protocol, is_json, status, headers, body, report):
    """That it has a code where this protocol has it; what a call without an answer's body says, its status does."""
    if not body:
        return
    if is_json:
        node = parse_json(body, report)
        code = (node or {}).get("__type") or (node or {}).get("code") or headers.get("x-amzn-errortype")
    else:
        root = parse_xml(body, report)
        code = None if root is None else next((one.text for one in root.iter() if local(one.tag) == "Code"), None)
        wanted = {"ec2": "Response", "query": "ErrorResponse"}.get(protocol)
        if root is not None and wanted and local(root.tag) != wanted:
            report(operation.name, f"is an error without {wanted}: {local(root.tag)}")
    if not code:
        report(operation.name, f"is an error without a code: {status}")


def parse_json(body, report):
    try:
        return json.loads(body)
    except ValueError:
        report("", f"is no JSON: {body[:40]!r}")


def parse_xml(body, report):
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        report("", f"is no XML: {body[:40]!r}")


models = {}


def model_of(name):
    if name not in models:
        models[name] = SESSION.get_service_model(name)
    return models[name]


def check_exchange(exchange, found):
    service = (re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", exchange["headers"].get("authorization", "")) or ["", ""])[1]
    name = NAMES.get(service, service)
    body, answer = base64.b64decode(exchange["body"]), base64.b64decode(exchange["answer"])

    def reporter(side, where):
        def report(path, what):
            found[f"{side} {where}{path and ':' + path} {what}"] += 1
        return report

    try:
        model = model_of(name)
    except UnknownServiceError:
        return reporter("call", name)("", "is of no known service")
    ask, answered = reporter("call", name), reporter("answer", name)
    address = urlsplit(exchange["url"])
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    protocol, target = model.metadata["protocol"], exchange["headers"].get("x-amz-target")
    if target:
        operation = known_operation(model, target.split(".")[1], ask)
        node = parse_json(body, ask)
        if operation and operation.input_shape and node is not None:
            walk(operation.input_shape, node, Json(), operation.name, ask)
    elif protocol in ("query", "ec2"):
        form = {key: values[0] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        operation = known_operation(model, form.pop("Action", ""), ask)
        if form.pop("Version", "") != model.metadata["apiVersion"]:
            ask("", "is of another version")
        if operation and operation.input_shape:
            walk(operation.input_shape, nest(form.items()), Form(protocol == "ec2"), operation.name, ask)
    else:
        found_operation = find_by_path(model, exchange["method"], unquote(address.path), query, exchange["headers"])
        if not found_operation:
            return ask(f"{exchange['method']} {address.path}", "is no operation")
        operation = found_operation[0]
        check_rest_input(*found_operation, exchange, query, body, ask)
    if operation:
        check_answer(model, operation, exchange["status"], exchange["answerHeaders"], answer, answered)


def known_operation(model, name, report):
    if name in model.operation_names:
        return model.operation_model(name)
    report(name, "is no operation")
    return None


def check_command(arguments, found):
    """`aws [global options] service action [options]`: an option is a member's name with dashes, and its texts are what the member is of."""
    def report(path, what):
        found[f"command {path} {what}"] += 1

    start = next(number for number, word in enumerate(arguments) if number % 2 == 0 and not word.startswith("--"))
    service, action, *rest = arguments[start:]
    options = {}
    for word in rest:
        if word.startswith("--"):
            options[word[2:]] = []
        else:
            options[next(reversed(options))].append(word)
    if service == "s3":
        return
    try:
        model = model_of(service)
    except UnknownServiceError:
        return report(service, "is no known service")
    name = next((name for name in model.operation_names if xform_name(name, "-") == action), None)
    if name is None:
        return report(f"{service} {action}", "is no operation")
    shape = model.operation_model(name).input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    given = {}
    for option, texts in options.items():
        if option in GLOBAL_OPTIONS:
            continue
        member = members.get(option) or members.get(option.removeprefix("no-"))
        if member is None:
            report(f"{service} {action} --{option}", "is not known")
        else:
            given[member] = value_of(shape.members[member], texts, option)
    walk(shape, given, Json(), f"{service} {action}", report)


GLOBAL_OPTIONS = {"cli-connect-timeout", "cli-read-timeout", "output", "query", "region", "no-cli-pager"}


def value_of(shape, texts, option):
    """https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html"""
    if shape.type_name == "boolean":
        return not option.startswith("no-")
    if texts and texts[0][:1] in "[{" and shape.type_name in ("list", "structure", "map"):
        return json.loads(texts[0])
    if shape.type_name == "list":
        return [value_of(shape.member, [text], option) for text in texts]
    if shape.type_name == "structure":
        pairs = [pair.split("=", 1) for pair in texts[0].split(",")]
        return {key: value_of(shape.members[key], [value], "") if key in shape.members else value for key, value in pairs}
    return text_to_scalar(texts[0] if len(texts) == 1 else None, shape)


def main():
    found, lines = collections.Counter(), 0
    for line in sys.stdin:
        recorded = json.loads(line)
        (check_command if isinstance(recorded, list) else check_exchange)(recorded, found)
        lines += 1
    json.dump({"checked": lines, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
