// The users who are here, their counts of devices, and the recipient of the next message.

import { client } from "./client.js";
import { $, avatar, make } from "./dom.js";
import { note } from "./log.js";

let here = new Map(); // name → devices

/** Returns the recipient: a name, or null for everyone. */
export const recipient = () => $("to").value || null;

client.channel.on("here", (list) => {
  const before = here;
  here = new Map(list.map(({ name, devices }) => [name, devices]));
  if (before.size) {
    for (const name of here.keys()) if (!before.has(name)) note(`${name} is here.`);
    for (const name of before.keys()) if (!here.has(name)) note(`${name} has left.`);
  }
  $("count").textContent = list.length;
  const focused = document.activeElement.closest("#here li")?.dataset.name;
  $("here").replaceChildren(...list.map(person));
  for (const item of $("here").children) if (item.dataset.name === focused) item.firstChild.focus();
  offer([...here.keys()]);
});

// The page shows no note for users who come and go between two sessions: the next list counts as the first.
client.when.ready((_, arrival) => arrival?.resumed || (here = new Map()));

function person({ name, devices }) {
  const button = make("button", "person");
  button.type = "button";
  button.title = name === client.cid ? "Write to your own devices" : `Write to ${name} alone`;
  button.append(avatar(name), make("span", "who", name === client.cid ? `${name} (you)` : name));
  button.append(make("span", devices > 1 ? "devices" : "devices one", devices > 1 ? `${devices} devices` : "1 device"));
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
  $("here").replaceChildren();
  $("count").textContent = "";
  $("to").value = "";
  offer([]);
}

$("to").addEventListener("change", choose);
clearPeople();
