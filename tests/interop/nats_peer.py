"""A stranger on NATS: nats_peer.py URL QUESTION, where the question is JSON.

    {"do": "write", "topic": ..., "headers": {...}, "payload": text} -> {}
    {"do": "read", "topic": ...}  -> {"headers": {...}, "payload": text}, the first of the topic
"""

import asyncio
import json
import sys

import nats


async def answer(url, question):
    connection = await nats.connect(url)
    jetstream = connection.jetstream()
    topic = question["topic"]
    if question["do"] == "write":
        payload = question["payload"].encode()
        await jetstream.publish(topic, payload, headers=question["headers"] or None)
        result = {}
    else:
        subscription = await jetstream.subscribe(topic, ordered_consumer=True)
        message = await subscription.next_msg(timeout=10)
        result = {"headers": message.headers, "payload": message.data.decode()}
    await connection.close()
    return result


print(json.dumps(asyncio.run(answer(sys.argv[1], json.loads(sys.argv[2])))))
