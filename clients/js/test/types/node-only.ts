// Code of a project without the types of the DOM.

import { WseClient } from "wse-client";

export const client = new WseClient({ url: "ws://a.test/" });
