"""fastavro on Kafka's Python client as a peer, in Confluent's wire format, as its serializers write it.

    avro_peer.py BROKERS REGISTRY write TOPIC SCHEMA < records
    avro_peer.py BROKERS REGISTRY read TOPIC COUNT > records

A record is a line of JSON. What is written is an order, and has no header; what is read is said with
its headers, and with the name that its schema has in the registry.
"""

import datetime
import decimal
import io
import json
import struct
import sys
import urllib.request
import uuid

import fastavro
from confluent_kafka import Consumer, Producer

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


def ask(registry, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{registry}/{path}", data, {"Content-Type": MEDIA_TYPE})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def natural(record):
    """What Python has for what JSON has no type of."""
    record["orderId"] = uuid.UUID(record["orderId"])
    record["placedAt"] = EPOCH + datetime.timedelta(microseconds=record["placedAt"])
    record["price"] = decimal.Decimal(record["price"])
    return record


def write(brokers, registry, topic, schema):
    known = ask(registry, f"subjects/{topic}-value/versions", {"schema": schema})
    parsed = fastavro.parse_schema(json.loads(schema))
    producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
    failed = []
    for line in sys.stdin:
        payload = io.BytesIO()
        payload.write(struct.pack(">bI", 0, known["id"]))
        fastavro.schemaless_writer(payload, parsed, natural(json.loads(line)))
        producer.produce(
            topic,
            value=payload.getvalue(),
            on_delivery=lambda error, _: error and failed.append(str(error)),
        )
    if producer.flush(30) or failed:
        sys.exit(f"not confirmed: {failed}")


def read(brokers, registry, topic, count):
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "python", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    for _ in range(count):
        record = consumer.poll(60)
        if record is None or record.error():
            sys.exit(f"no record: {record and record.error()}")
        magic, number = struct.unpack(">bI", record.value()[:5])
        if magic != 0:
            sys.exit(f"not in Confluent's wire format: {record.value()}")
        schema = json.loads(ask(registry, f"schemas/ids/{number}")["schema"])
        datum = io.BytesIO(record.value()[5:])
        value = fastavro.schemaless_reader(datum, fastavro.parse_schema(schema))
        if datum.read():
            sys.exit("bytes stand behind the value")
        headers = {name: value.decode() for name, value in record.headers() or []}
        print(json.dumps({"schema": schema["name"], "headers": headers, "value": value}), flush=True)
    consumer.close()


def main():
    brokers, registry, action, topic, last = sys.argv[1:6]
    if action == "write":
        write(brokers, registry, topic, last)
    else:
        read(brokers, registry, topic, int(last))


if __name__ == "__main__":
    main()
