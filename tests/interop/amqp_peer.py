"""A stranger at RabbitMQ: pika, which knows nothing of fanfare.

    amqp_peer.py URL TOPIC write    publishes what is on stdin: JSON, one message a line
    amqp_peer.py URL TOPIC read N   prints N messages as such lines, after a line `ready`

A message is {"key": ..., "headers": {...}, "content_type": ... | null, "body": text}.
"""

import json
import sys

import pika

url, topic, what = sys.argv[1:4]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()


def write():
    channel.confirm_delivery()
    for line in sys.stdin:
        message = json.loads(line)
        properties = pika.BasicProperties(
            headers=message["headers"], content_type=message["content_type"], delivery_mode=2
        )
        channel.basic_publish(
            topic, message["key"], message["body"].encode(), properties, mandatory=True
        )


def read(many):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, topic, "#")
    print("ready", flush=True)
    for method, properties, body in channel.consume(queue, auto_ack=True):
        message = {
            "key": method.routing_key,
            "headers": properties.headers,
            "content_type": properties.content_type,
            "message_id": properties.message_id,
            "persistent": properties.delivery_mode == 2,
            "body": body.decode(),
        }
        print(json.dumps(message), flush=True)
        many -= 1
        if many == 0:
            return


write() if what == "write" else read(int(sys.argv[4]))
