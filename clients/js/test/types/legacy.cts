// Code that uses the declarations from CommonJS.

import wse = require("wse-client");
import hooks = require("wse-client/react");

const client = new wse.WseClient<{ send: { say: string } }>({ url: "ws://a.test/" });
client.send("say", "hello");
// @ts-expect-error the payload is a string
client.send("say", 5);
void hooks.useStatus;
