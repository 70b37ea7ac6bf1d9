"""The official Python SDK as a peer: reads and writes events as the Rust tests ask.

Each line on stdin is a JSON request, and each line on stdout the answer to it.

    {"do": "read", "sdk": "core", "over": "http", "headers": {...}, "key": null, "body": base64}
        -> {"attributes": {name: canonical text}, "data": null | {"value": ...} | {"base64": ...}}
    {"do": "write", "sdk": "core", "over": "kafka", "mode": "binary", "attributes": {...}, "data": ...}
        -> {"headers": {...}, "key": null | text, "body": base64}

"core" is the present interface of the SDK, "v1" the one it had before 2.0. What the SDK refuses
is answered with {"error": reason}.
"""

import base64
import json
import sys
from datetime import datetime

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion as v1_conversion
from cloudevents.v1 import http as v1_http
from cloudevents.v1 import kafka as v1_kafka
from dateutil.parser import isoparse

FORMAT = JSONFormat()


def unpacked(text):
    return base64.b64decode(text)


def packed(body):
    return base64.b64encode(body.encode() if isinstance(body, str) else body or b"").decode()


def canonical(value):
    """The text that the specification gives a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode() if isinstance(value, bytes) else str(value)


def described(attributes, data):
    if isinstance(data, (bytes, bytearray)):
        data = {"base64": packed(bytes(data))}
    elif data is not None:
        data = {"value": data}
    present = {name: canonical(value) for name, value in attributes.items() if value is not None}
    return {"attributes": present, "data": data}


def read_core(request):
    headers, body = request["headers"], unpacked(request["body"])
    if request["over"] == "http":
        event = http.from_http(http.HTTPMessage(headers, body), FORMAT)
    else:
        headers = {name: value.encode() for name, value in headers.items()}
        key = request["key"] and request["key"].encode()
        event = kafka.from_kafka(kafka.KafkaMessage(headers, key, body), FORMAT)
    return described(event.get_attributes(), event.get_data())


def write_core(request):
    attributes = dict(request["attributes"])
    if "time" in attributes:
        attributes["time"] = isoparse(attributes["time"])
    is_binary = request["mode"] == "binary"
    if is_binary:
        # str(True) is what the SDK would write, and "true" what the specification asks for.
        attributes = {n: canonical(v) if isinstance(v, bool) else v for n, v in attributes.items()}
    event = CloudEvent(attributes, given_data(request["data"], is_binary))
    binding = http if request["over"] == "http" else kafka
    message = (binding.to_binary if is_binary else binding.to_structured)(event, FORMAT)
    headers = {name: canonical(value) for name, value in message.headers.items()}
    if request["over"] == "http":
        return {"headers": headers, "key": None, "body": packed(message.body)}
    key = message.key and canonical(message.key)
    return {"headers": headers, "key": key, "body": packed(message.value)}


def given_data(data, is_binary):
    if data is None:
        return None
    if "base64" in data:
        return unpacked(data["base64"])
    # In binary mode the SDK writes as JSON only what is a dict.
    if "json" in data:
        return json.dumps(data["json"]).encode() if is_binary else data["json"]
    return data["text"]


def read_v1(request):
    headers, body = request["headers"], unpacked(request["body"])
    if request["over"] == "http":
        event = v1_http.from_http(headers, body)
    else:
        headers = {name: value.encode() for name, value in headers.items()}
        event = v1_kafka.from_binary(v1_kafka.KafkaMessage(headers, request["key"], body))
    return described(event.get_attributes(), event.get_data())


def write_v1(request):
    data = request["data"]
    event = v1_http.CloudEvent(dict(request["attributes"]), data and data["json"])
    if request["over"] == "kafka":
        message = v1_kafka.to_binary(event)
        headers = {name: canonical(value) for name, value in message.headers.items()}
        return {"headers": headers, "key": message.key, "body": packed(message.value)}
    is_binary = request["mode"] == "binary"
    headers, body = (v1_conversion.to_binary if is_binary else v1_conversion.to_structured)(event)
    return {"headers": dict(headers), "key": None, "body": packed(body)}


ACTIONS = {
    ("read", "core"): read_core,
    ("write", "core"): write_core,
    ("read", "v1"): read_v1,
    ("write", "v1"): write_v1,
}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = ACTIONS[request["do"], request["sdk"]](request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
