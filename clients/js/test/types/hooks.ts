// Code with the hooks for React that must compile, and code that must not.

import { WseClient } from "wse-client";
import { useCall, useLatest, useMessage, usePresence, useRoom, useStatus, useWse, WseContext } from "wse-client/react";

interface Chat {
  channel: { line: { text: string } };
  call: { add(pair: [number, number]): number; time(): number };
}

export function Component(): string {
  const client = useWse<Chat>();
  const same: WseClient<Chat> = useWse(client);
  const { status, code, reason } = useStatus(same);
  const one: "IDLE" | "CONNECTING" | "READY" | "OFFLINE" | "RE_CONNECTING" = status;
  const latest: { text: string } | undefined = useLatest(client, "line");
  const presence: "online" | "away" | undefined = usePresence(client, "kitchen").get("ann");
  const { joined, error: refused, members } = useRoom(client, "kitchen", { join: "enter" });
  const line = useMessage(client, "line", ({ text }) => text.length);
  const { call, pending, result, error } = useCall(client, "add");
  void call([1, 2]).then((sum) => sum?.toFixed());
  void useCall(client, "time").call();
  // @ts-expect-error no such message
  useMessage(client, "lines");
  // @ts-expect-error no such message
  useLatest(client, "lines");
  // @ts-expect-error no such procedure
  useCall(client, "subtract");
  // @ts-expect-error a pair is needed
  void call(1);
  // @ts-expect-error there may be no message yet
  line.text;
  void WseContext;
  void [one, code?.toFixed(), reason?.length, latest?.text, presence, joined, refused?.code, members.size];
  return `${status} ${line?.text} ${pending} ${result?.toFixed()} ${error?.code}`;
}
