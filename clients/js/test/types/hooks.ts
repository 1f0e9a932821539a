// Code with the hooks for React that must compile, and code that must not.

import { WseClient } from "wse-client";
import { useCall, useMessage, useStatus, useWse, WseContext } from "wse-client/react";

interface Chat {
  channel: { line: { text: string } };
  call: { add(pair: [number, number]): number; time(): number };
}

export function Component(): string {
  const client = useWse<Chat>();
  const same: WseClient<Chat> = useWse(client);
  const status: "IDLE" | "CONNECTING" | "READY" | "OFFLINE" | "RE_CONNECTING" = useStatus(same);
  const line = useMessage(client, "line", ({ text }) => text.length);
  const { call, pending, result, error } = useCall(client, "add");
  void call([1, 2]).then((sum) => sum?.toFixed());
  void useCall(client, "time").call();
  // @ts-expect-error no such message
  useMessage(client, "lines");
  // @ts-expect-error no such procedure
  useCall(client, "subtract");
  // @ts-expect-error a pair is needed
  void call(1);
  // @ts-expect-error there may be no message yet
  line.text;
  void WseContext;
  return `${status} ${line?.text} ${pending} ${result?.toFixed()} ${error?.code}`;
}
