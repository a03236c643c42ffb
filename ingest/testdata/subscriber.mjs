// Prints "ready", and then the headers of the next webhook as JSON. Run by TestSubscribersReadAllHeaders.
import { createRequire } from "node:module";

const { connect } = createRequire(process.cwd() + "/")("@nats-io/transport-node");
const [servers, token] = process.argv.slice(2);
const nc = await connect({ servers, token });
const sub = nc.subscribe("webhooks.>", { max: 1 });
await nc.flush();
console.log("ready");
for await (const msg of sub) {
  console.log(JSON.stringify(Object.fromEntries([...msg.headers].map(([name, values]) => [name, values[0]]))));
}
await nc.close();
