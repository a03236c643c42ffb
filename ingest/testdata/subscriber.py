# Prints "ready", and then the headers of the next webhook as JSON. Run by TestSubscribersReadAllHeaders.
import asyncio
import json
import sys

import nats


async def main(server, token):
    nc = await nats.connect(server, token=token)
    sub = await nc.subscribe("webhooks.>", max_msgs=1)
    await nc.flush()
    print("ready", flush=True)
    msg = await sub.next_msg(timeout=60)
    print(json.dumps(msg.headers), flush=True)
    await nc.close()


asyncio.run(main(*sys.argv[1:]))
