// The users who are here or away, their counts of devices, and the recipient of the next message.

import { client } from "./client.js";
import { $, avatar, make } from "./dom.js";
import { note } from "./log.js";

let devices = new Map(); // name → count
let here = new Map(); // name → "online" or "away"

/** Returns the recipient: a name, or null for everyone. */
export const recipient = () => $("to").value || null;

client.channel.on("here", (list) => {
  devices = new Map(list.map(({ name, devices }) => [name, devices]));
  show();
});

// All users of the lobby at first, then each change.
client.channel.on("wse:presence", ({ all, more = [], cid, status }) => {
  if (all) here = new Map(all);
  for (const [name, now] of cid ? [[cid, status]] : more) {
    if (now === "offline") note(`${name} has left.`);
    else if (!here.has(name)) note(`${name} is here.`);
    here.delete(name);
    if (now !== "offline") here.set(name, now);
  }
  show();
});

function show() {
  const names = [...here.keys()].sort();
  $("count").textContent = names.length;
  const focused = document.activeElement.closest("#here li")?.dataset.name;
  $("here").replaceChildren(...names.map(person));
  for (const item of $("here").children) if (item.dataset.name === focused) item.firstChild.focus();
  offer(names);
}

function person(name) {
  const count = devices.get(name) ?? 1;
  const text = here.get(name) === "away" ? "away" : count > 1 ? `${count} devices` : "1 device";
  const button = make("button", "person");
  button.type = "button";
  button.title = name === client.cid ? "Write to your own devices" : `Write to ${name} alone`;
  button.append(avatar(name), make("span", "who", name === client.cid ? `${name} (you)` : name));
  button.append(make("span", count > 1 ? "devices" : "devices one", text));
  button.addEventListener("click", () => {
    $("to").value = name;
    choose();
    $("text").focus();
  });
  const item = make("li");
  item.dataset.name = name;
  item.append(button);
  return item;
}

/** Offers the recipients. A chosen one stays chosen after leaving, so a private message never becomes public. */
function offer(names) {
  const chosen = $("to").value;
  if (chosen && !here.has(chosen)) names.push(chosen);
  const option = (value, text) => Object.assign(make("option", "", text), { value });
  $("to").replaceChildren(option("", "everyone"), ...names.map((name) =>
    option(name, name === client.cid ? `${name} (your devices)` : here.has(name) ? name : `${name} (not here)`)));
  $("to").value = chosen;
  choose();
}

function choose() {
  const to = recipient();
  $("composer").classList.toggle("private", to !== null);
  $("secret").hidden = to === null;
  $("secret").textContent = to === client.cid ? "only your devices will see it" : `only ${to} will see it`;
  $("text").placeholder = to === null ? "Write a message" : `Write to ${to}`;
}

export function clearPeople() {
  here = new Map();
  devices = new Map();
  $("here").replaceChildren();
  $("count").textContent = "";
  $("to").value = "";
  offer([]);
}

$("to").addEventListener("change", choose);
clearPeople();
