// A project without the DOM's types.

import { WseClient } from "wse-client";

export const client = new WseClient({ url: "ws://a.test/" });
