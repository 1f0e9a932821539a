// Writing a message: the text, its length, and sending it.

import { client } from "./client.js";
import { $ } from "./dom.js";
import { recipient } from "./people.js";
import { hint, stopHinting } from "./typing.js";
import { failure } from "./words.js";

const text = $("text");
let most = 2000; // characters in a message
let writers = 0; // grows with every user who leaves

client.when.ready(({ text_chars }) => {
  most = text_chars;
  fit();
});

/** Makes the field as high as its text, up to a limit. Near the limit of characters it shows the length. */
function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  const length = [...text.value].length;
  $("length").hidden = length < most * 0.9;
  $("length").textContent = `${length} of ${most}`;
  $("length").classList.toggle("error", length > most);
}

text.addEventListener("input", () => {
  fit();
  $("send-error").textContent = "";
  if (text.value.trim()) hint(recipient());
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

// A message is sent by a call, so that this device learns if the server did not accept it. Then the
// text is put back. The next message need not wait for the answer.
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = text.value.trim();
  if (!said) return;
  const writer = writers;
  write("");
  try {
    await client.call("say", { to: recipient(), text: said });
  } catch (error) {
    if (writer === writers) write([said, text.value].filter(Boolean).join("\n"), failure(error));
  }
});

function write(value, error = "") {
  text.value = value;
  $("send-error").textContent = error;
  if (!value) stopHinting();
  fit();
}

export function clearComposer() {
  writers++;
  write("");
}
