// The page: the form that asks for a name, and the chat behind it.
// Begin here, and go on with client.js. Each other module is one part of the page. The page never
// sets what users write as HTML.

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

/** Calls a function that uses the storage. Returns `null` if the storage is switched off. */
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

/** Clears everything, so that nothing of one user stays for the next. */
function forget() {
  client.close(); // this ends an attempt that is under way too
  for (const clear of [clearLog, clearPeople, clearStatus, clearCalls, clearComposer]) clear();
}

function tell(error) {
  $("name-error").textContent = error;
  $("name").setAttribute("aria-invalid", error !== "");
}

/** Connects with a name, or with the last one. The server decides whether to accept it. */
async function enter(name) {
  try {
    await client.connect(name, { device: asDevice() });
  } catch ({ code }) {
    if (code === WSE_ERROR.NOT_AUTHORIZED) {
      stored(() => sessionStorage.removeItem("wse-name"));
      showDoor(`The server refused this name. ${NAMES}`);
    } // `when.closed` reports every other failure
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

// On a wide screen the tools are always open.
const wide = matchMedia("(min-width: 800px)");
const openTools = () => ($("tools").open = wide.matches);
wide.addEventListener("change", openTools);
openTools();

// A reload connects with the same name. A new tab asks for a name, and the last one is filled in.
// The tab's own name goes first, so that each tab can be another user.
const remembered = stored(() => sessionStorage.getItem("wse-name"));
$("name").value = remembered ?? stored(() => localStorage.getItem("wse-name")) ?? "";
if (remembered) {
  show("chat");
  $("text").focus();
  enter(remembered);
} else {
  showDoor();
}
