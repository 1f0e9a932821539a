// The page: the door, and who comes in. Begin here, go on with client.js; each of the other
// modules is one part of the page. Whatever people write is only ever set as text.

import { WSE_ERROR } from "./wse-client.js";
import { asDevice, clearCalls } from "./calls.js";
import { client } from "./client.js";
import { clearComposer } from "./composer.js";
import { $ } from "./dom.js";
import { clearLog } from "./log.js";
import { clearPeople } from "./people.js";
import { clearStatus } from "./status.js";
import { inWords } from "./words.js";

const NAMES = "A name has 1 to 32 visible characters, with single spaces between words.";

/** Storage may be switched off. */
function stored(change) {
  try {
    return change();
  } catch {
    return null;
  }
}

function show(view) {
  for (const id of ["door", "chat"]) $(id).hidden = id !== view;
}

function showDoor(error = "") {
  show("door");
  tell(error);
  $("name").focus();
}

/** Nothing of one user stays for the next. */
function forget() {
  client.close(); // also an attempt that is under way
  for (const clear of [clearLog, clearPeople, clearStatus, clearCalls, clearComposer]) clear();
}

function tell(error) {
  $("name-error").textContent = error;
  $("name").setAttribute("aria-invalid", error !== "");
}

/** Connects: under a name, or under the one of the last time. The server decides who may come in. */
async function enter(name) {
  try {
    await client.connect(name, { device: asDevice() });
  } catch ({ code }) {
    if (code === WSE_ERROR.NOT_AUTHORIZED) {
      stored(() => sessionStorage.removeItem("wse-name"));
      showDoor(`The server refused this name. ${NAMES}`);
    } // everything else is told by when.closed
  }
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  forget();
  tell("");
  enter($("name").value.trim());
});

$("leave").addEventListener("click", () => {
  forget();
  for (const storage of ["sessionStorage", "localStorage"]) stored(() => window[storage].removeItem("wse-name"));
  document.title = "wse chat";
  showDoor();
});

$("again").addEventListener("click", () => enter());

client.when.ready(() => {
  for (const storage of ["sessionStorage", "localStorage"]) stored(() => window[storage].setItem("wse-name", client.cid));
  if (!$("chat").hidden) return;
  show("chat");
  $("text").focus();
});

client.when.closed((code, reason) => {
  if ($("door").hidden || reason === WSE_ERROR.NOT_AUTHORIZED) return;
  const again = client.status === "RE_CONNECTING" ? " Trying again…" : "";
  tell(`Could not come in: ${inWords(code, reason)}.${again}`);
});

// On a wide screen what there is to try is always open.
const wide = matchMedia("(min-width: 800px)");
const openTools = () => ($("tools").open = wide.matches);
wide.addEventListener("change", openTools);
openTools();

// A reload goes on under the same name; a new tab is asked, and finds the last name filled in.
// The tab's own name goes first, so that each tab may be somebody else.
const resumed = stored(() => sessionStorage.getItem("wse-name"));
$("name").value = resumed ?? stored(() => localStorage.getItem("wse-name")) ?? "";
if (resumed) {
  show("chat");
  $("text").focus();
  enter(resumed);
} else {
  showDoor();
}
