"""Kafka's official Python client as a peer: writes and reads records as the Rust tests ask.

    kafka_peer.py BROKERS write TOPIC < records
    kafka_peer.py BROKERS read TOPIC COUNT > records

A record is a line of JSON: {"key": text, "headers": {name: text}, "value": text}.
"""

import json
import sys

from confluent_kafka import Consumer, Producer


def write(brokers, topic):
    producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
    failed = []
    for line in sys.stdin:
        record = json.loads(line)
        headers = [(name, text.encode()) for name, text in record["headers"].items()]
        producer.produce(
            topic,
            key=record["key"],
            headers=headers,
            value=record["value"].encode(),
            on_delivery=lambda error, _: error and failed.append(str(error)),
        )
    if producer.flush(30) or failed:
        sys.exit(f"not confirmed: {failed}")


def read(brokers, topic, count):
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "python", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    for _ in range(count):
        record = consumer.poll(60)
        if record is None or record.error():
            sys.exit(f"no record: {record and record.error()}")
        headers = {name: value.decode() for name, value in record.headers() or []}
        key, value = record.key(), record.value()
        said = {"key": key and key.decode(), "headers": headers, "value": value.decode()}
        print(json.dumps(said), flush=True)
    consumer.close()


def main():
    brokers, action, topic = sys.argv[1:4]
    if action == "write":
        write(brokers, topic)
    else:
        read(brokers, topic, int(sys.argv[4]))


if __name__ == "__main__":
    main()
