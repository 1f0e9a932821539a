import { useState } from "react";
import { WseClient } from "wse-client";
import { outbox } from "wse-client/outbox";
import { useLatest, useRoom, useStatus, useStore } from "wse-client/react";
import { keep } from "wse-client/stores";

const client = keep("chat", () => {
  const client = new WseClient({ url: import.meta.env.VITE_SERVER ?? "ws://127.0.0.1:4200", re: true });
  client.connect("ann").catch((error) => console.error(error.message));
  return client;
});
const box = outbox(client, { ids: true, storage: localStorage, name: "ann" });

export function App() {
  const { status, reason } = useStatus(client);
  const { joined, members } = useRoom(client, "kitchen");
  const line = useLatest(client, "line");
  const waiting = useStore(box);
  const [text, setText] = useState("");
  const say = (event) => {
    event.preventDefault();
    box.send("say", text).catch((error) => console.error(error.message));
    setText("");
  };
  return (
    <main>
      <h1>Kitchen</h1>
      <p id="status">{status} {reason}</p>
      <p id="members">{joined ? [...members].map(([cid, status]) => `${cid} (${status})`).join(", ") : "not in the room"}</p>
      <p id="line">{line ?? "nothing was said yet"}</p>
      <form onSubmit={say}>
        <input value={text} onChange={(event) => setText(event.target.value)} />
      </form>
      <p id="waiting">{waiting.length} waiting</p>
    </main>
  );
}
